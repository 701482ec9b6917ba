"""The reference pages of the documentation hold every configuration key, command and public name. Needs no Sphinx."""

import ast
import importlib
import re
import sys
from pathlib import Path

import pytest

import metadisco
from metadisco.cli import _COMMANDS
from metadisco.config import EXCLUDED_STRATEGIES, OBJECTIVE_SETTINGS, STRATEGIES, SUITES, Config, flatten, to_plain
from metadisco.config.keys import find_keys, key_groups
from metadisco.config.text import parse_yaml
from metadisco.discoveries.published import FOLDER, published_names
from metadisco.errors import UserError
from metadisco.inner.games.players.registry import LEARNERS
from metadisco.parametrisations import BUILT_IN
from metadisco.storage.runs import RunDirectory

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
EXTENSION = DOCS / "_ext"


@pytest.fixture(scope="module")
def reference():
    """Return the generator of the reference pages."""
    sys.path.insert(0, str(EXTENSION))
    try:
        yield importlib.import_module("reference")
    finally:
        sys.path.remove(str(EXTENSION))
        for name in [name for name in sys.modules if name.partition(".")[0] == "reference"]:
            del sys.modules[name]


def page(reference, name: str) -> str:
    """Return a page with its generated parts."""
    return reference.filled((DOCS / "reference" / f"{name}.md").read_text(encoding="utf-8"))


def settings_classes() -> dict[str, list[str]]:
    """Return the fields of every settings class of the package: an independent walk, over the source."""
    found = {}
    for file in (ROOT / "metadisco").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and any(ast.unparse(each) == "settings" for each in node.decorator_list):
                fields = [each for each in node.body if isinstance(each, ast.AnnAssign)]
                kept = [each.target.id for each in fields if "ClassVar" not in ast.unparse(each.annotation)]
                found[node.name] = kept
    return found


def test_every_key_of_a_complete_config_is_on_the_page(reference):
    text = page(reference, "configuration")
    described = set(re.findall(r"^```\{confval\} (\S+)$", text, re.MULTILINE))
    for key in flatten(to_plain(Config())):
        assert key in described, key


SECTIONS = ("problem", "parametrisation", "inner", "outer", "logging", "ppo", "strategy", "policy", "value")
"""Fields that are sections, whose keys stand for them."""


def test_every_field_of_every_settings_class_is_on_the_page(reference):
    text = page(reference, "configuration")
    for name, fields in settings_classes().items():
        for field in set(fields) - set(SECTIONS):
            assert re.search(rf"confval\}} (.*[. ])?{field}\b", text), (name, field)


def test_every_key_has_a_type_a_default_and_a_meaning():
    for group in key_groups():
        assert group.about, group.title
        for key in group.keys:
            assert all((key.kind, key.default, key.meaning)), key
            assert key.meaning.rstrip().endswith((".", ";")), key


def test_ranges_of_numbers_leave_something_to_choose():
    allowed = {key.key: key.allowed for group in key_groups() for key in group.keys}
    assert allowed["outer.strategy.std_decay"] == "above 0, at most 1"
    assert allowed["inner.ppo.num_envs"] == "at least 1"
    assert allowed["problem.seat"] == "1 to 2"


def test_defaults_are_those_of_the_code():
    plain = flatten(to_plain(Config()))
    keys = [
        key
        for group in key_groups()
        if group.file == "config" and "shaping" not in group.condition
        for key in group.keys
    ]
    checked = [
        key for key in keys if key.key in plain and not key.key.startswith(("outer.strategy.", "parametrisation."))
    ]
    assert len(checked) > 40  # a strategy fills in its own defaults, and a parametrisation has settings of its own
    for key in checked:
        assert parse_yaml(key.default) == plain[key.key] or key.key == "inner.env", key


@pytest.mark.parametrize(
    ("word", "keys"),
    [
        ("inner.ppo.gamma", ["inner.ppo.gamma"]),
        ("population_size", ["outer.strategy.population_size"]),
        ("logging", ["logging.tensorboard", "logging.wandb", "logging.wandb_project"]),
    ],
)
def test_a_key_is_found_by_its_name_its_end_or_its_section(word, keys):
    assert [key.key for _, key in find_keys(word)] == keys


def test_a_key_that_does_not_exist_is_refused_with_the_nearest():
    with pytest.raises(UserError, match="learning_rate"):
        find_keys("lerning_rate")


def test_every_command_and_option_is_on_the_page(reference):
    text = page(reference, "commands")
    assert set(re.findall(r"^## metadisco (\w+)$", text, re.MULTILINE)) == set(_COMMANDS)
    for option in ("--run", "--seeds", "--victim", "--interactive", "--watch", "--join-timeout", "--force"):
        assert f"`{option}" in text
    assert "--member" not in text and "SUPPRESS" not in text


def test_every_public_name_is_on_the_page(reference):
    text = page(reference, "api")
    for name in set(metadisco.__all__) - {"__version__"}:
        assert re.search(rf":: metadisco\.{name}$", text, re.MULTILINE), name


def test_every_public_module_has_a_page_with_all_of_its_names(reference):
    from reference.python_api import MODULES

    assert {f"{file.stem}" for file in (DOCS / "reference" / "modules").glob("*.md")} == set(MODULES)
    for name in MODULES:
        text = page(reference, f"modules/{name}")
        here = importlib.import_module(name)
        for each in getattr(here, "__all__", ()):
            thing = getattr(here, each)
            shared = any(thing is getattr(metadisco, other, None) for other in metadisco.__all__)
            assert shared or f":: {name}.{each}\n" in text, each
        assert not re.search(r"^\.\. py:data:: \S+\n\n\s*```", text, re.MULTILINE), "a name without documentation"


def test_registries_are_on_the_pages(reference):
    strategies, environments = page(reference, "strategies"), reference.GENERATORS
    for name in (*STRATEGIES, *EXCLUDED_STRATEGIES):
        assert f"`{name}`" in strategies
    for name in OBJECTIVE_SETTINGS:
        assert f"`{name}`" in environments["objectives"]()
    for name in published_names():
        assert f"`{name}`" in environments["discoveries"]()
    text = page(reference, "configuration")
    for name in BUILT_IN:
        assert name in text
    without_settings = ("all_defect", "all_cooperate", "half", "tit_for_tat", "grim", "win_stay_lose_shift")
    for name in set(LEARNERS) - set(without_settings):
        assert f"`player: {name}`" in text


@pytest.mark.slow
def test_every_environment_is_on_the_page(reference):
    from metadisco.inner.envs import names, not_offered

    text = page(reference, "environments")
    for suite in SUITES:
        for name in names(suite):
            assert f"`{suite}/{name}`" in text
        for name in not_offered(suite):
            assert f"`{name}`: " in text


def test_every_metric_of_a_published_run_is_on_the_page():
    text = (DOCS / "reference" / "metrics.md").read_text(encoding="utf-8")
    keys = {key for name in published_names() for row in RunDirectory(FOLDER / name).metrics() for key in row}
    assert {"centre_half_width", "metrics/opponent_reward"} < keys
    for key in keys:
        task = re.sub(r"^(fitness_mean|centre_fitness)/.*", r"\1/TASK", key)
        centre = re.sub(r"^centre/", "metrics/", key)
        assert any(f"`{each}`" in text for each in (key, task, centre)), key


def test_every_page_of_the_site_is_in_the_table_of_contents():
    listed = set(re.findall(r"^([\w/*]+)$", (DOCS / "index.md").read_text(encoding="utf-8"), re.MULTILINE))
    pages = [*DOCS.rglob("*.md"), *DOCS.rglob("*.ipynb")]
    for each in pages:
        name = str(each.relative_to(DOCS).with_suffix(""))
        if name != "index" and not name.startswith("reference/modules/"):
            assert name in listed or f"{name.partition('/')[0]}/*" in listed, name
