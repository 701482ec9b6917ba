"""`set_in_entries`, which edits the text of a config."""

import contextlib

import pytest

from metadisco.config import read_yaml, set_in_entries
from metadisco.errors import UserError

VALUES = {"random": 1.5, "ppo": 2e10}
LINE = "reference: {random: 1.5, ppo: 20000000000.0}"


def edited(tmp_path, text, values):
    result = set_in_entries(text, ("inner", "envs"), "reference", values)
    path = tmp_path / "config.yaml"
    path.write_text(result, encoding="utf-8", newline="")
    return result, read_yaml(path)["inner"]["envs"]


@pytest.mark.parametrize(
    "text",
    [
        "inner:\n  envs:\n  - env: a:b\n",
        "inner:\r\n  envs:\r\n  - env: a:b # comment\r\n    ppo: {gamma: 0.5}\r\n",
        "inner:\n  envs:\n    - env: a:b\n  fitness: final_return\n",  # a list further in
        "inner:\n    envs:\n      - env: a:b  # two spaces\n        ppo:\n            gamma: 0.5\n",
        "inner:\n  envs:\n  - ppo:\n      gamma: 0.5\n\n    # where\n    env: a:b\n\n  fitness: final_return\n",
        "# head\n\ninner:\n  # list\n  envs:\n  - env: a:b\n    # the end of it\n  fitness: final_return\n# end\n",
        "outer:\n  chunk_size: null\ninner:\n  envs:\n  - env: a:b\n",
        "inner:\n  ppo:\n    num_env_steps: 5e5\n    num_envs: 1_024\n    gamma: 0.990\n  envs:\n  - env: 'a:b'\n",
        f"# {'long ' * 100}\nparametrisation: {{{', '.join(f'x{n}: {n}' for n in range(100))}}}\n"
        "inner:\n  envs:\n  - env: a:b\n",
    ],
)
def test_nothing_is_changed_but_for_one_line(tmp_path, text):
    result, (entry,) = edited(tmp_path, text, [VALUES])
    assert entry["reference"] == VALUES
    assert entry["env"] == "a:b"
    newline = "\r\n" if "\r" in text else "\n"
    lines = result.split(newline)
    (added,) = (line for line in lines if line.strip() == LINE)
    lines.remove(added)
    assert newline.join(lines) == text


@pytest.mark.parametrize(
    "old",
    [
        "{random: 1, ppo: 2}",
        "null",
        "~ # none yet",
        "",
        "\n      random: 1 # of old\n      ppo: 2",
        "\n      ppo: 2\n\n      random: 1\n",
    ],
)
def test_what_is_there_is_replaced(tmp_path, old):
    before, after = "inner:\n  envs:\n  - env: a:b\n    reference:", "\n    ppo: {gamma: 0.5}\n"
    space = " " if old and not old.startswith("\n") else ""
    result, (entry,) = edited(tmp_path, f"{before}{space}{old}{after}", [VALUES])
    assert entry == {"env": "a:b", "reference": VALUES, "ppo": {"gamma": 0.5}}
    assert result.startswith(before)
    assert result.endswith(after)


def test_comments_between_old_values_stay(tmp_path):
    text = (
        "inner:\n  envs:\n  - env: a:b\n    reference:\n      random: 1.0 # measured\n      ppo: 2.0\n\n"
        "  # the second\n  - env: c:d\n"
    )
    result, entries = edited(tmp_path, text, [VALUES] * 2)
    assert [entry["reference"] for entry in entries] == [VALUES] * 2
    replaced = text.replace("1.0 #", "1.5 #").replace("2.0", "20000000000.0")
    assert result == f"{replaced}    {LINE}\n"


@pytest.mark.parametrize(
    "entries",
    [
        "[{env: 'a:b',}, {env: 'c:d'}]",
        "\n    # both\n    - env: 'a:b'\n    - env: 'c:d'",
        "\n  - env: a:b\n  -  env:   c:d",
        "[ { env: 'a:b' }, { env: 'c:d' } ]",
        "\n  - env: a:b\n    reference:\n  - {env: 'c:d',}",
    ],
)
def test_layouts_that_are_seldom(tmp_path, entries):
    _, found = edited(tmp_path, f"inner:\n  envs: {entries}\n", [VALUES] * 2)
    assert found == [{"env": name, "reference": VALUES} for name in ("a:b", "c:d")]


@pytest.mark.parametrize(
    "entries",
    [
        "[env: 'a:b', env: 'c:d']",
        "\n  - {\n    env: 'a:b', # one\n    }\n  - env: c:d",
        "\n  - env: &e a:b\n  - env: *e",
        "\n  - {env: 'a:b', reference: &r {random: 1, ppo: 2}}\n  - {env: 'c:d', reference: *r}",
        "\n  - env: >-\n      a:b\n  - env: c:d",
        "\r\n  - env: a:b\n  - env: c:d",
    ],
)
def test_what_is_not_understood_is_refused_or_done_right(tmp_path, entries):
    with contextlib.suppress(UserError):
        _, found = edited(tmp_path, f"inner:\n  envs: {entries}\n", [VALUES] * 2)
        assert [entry["reference"] for entry in found] == [VALUES] * 2
        assert [entry["env"] for entry in found] in (["a:b", "c:d"], ["a:b", "a:b"])


def test_a_list_from_a_merged_section_is_refused():
    text = "base: &i {envs: [{env: 'a:b'}]}\ninner: {<<: *i}\n"
    with pytest.raises(UserError, match="a plain list of sections"):
        set_in_entries(text, ("inner", "envs"), "reference", [VALUES])


def test_places_in_a_flow_are_set_too(tmp_path):
    text = "inner: {envs: [{env: 'a:b'}, {env: 'c:d', reference: {random: 1, ppo: 2}}]}\n"
    values = [{"random": -1.0, "ppo": 1e-7 + place} for place in (0, 1)]
    _, entries = edited(tmp_path, text, values)
    assert [each["reference"] for each in entries] == values
    assert [each["env"] for each in entries] == ["a:b", "c:d"]


def test_entries_that_are_one_by_an_alias_are_refused():
    text = "inner: {envs: [&a {env: 'a:b'}, *a]}\n"
    with pytest.raises(UserError, match="alias"):
        set_in_entries(text, ("inner", "envs"), "reference", [VALUES] * 2)
