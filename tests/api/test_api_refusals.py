"""Errors in Python name the arguments of the function; on the command line they name the options."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest
from refusals import assert_refused

import metadisco

ROOT = Path(metadisco.__file__).parent
ENV = "gymnax/CartPole-v1"
WITH_OPTIONS = ("cli.py", "commands", "outer/processes.py", "outer/team.py")
"""Modules whose errors name options, as no Python function corresponds to them."""

REFUSED: dict[str, tuple[Callable[[], object], str, list[str], str]] = {
    "num_seeds": (
        lambda: metadisco.train_agents("ppo", ENV, num_seeds=0),
        "num_seeds: got 0",
        ["train", "--objective", "ppo", "--env", ENV, "--seeds", "0"],
        "--seeds: got 0",
    ),
    "output": (
        lambda: metadisco.train_agents("ppo", ENV, output="there.json"),
        "output: 'there.json' exists already, allowed: a new name, or `force` to replace it",
        ["train", "--objective", "ppo", "--env", ENV, "--output", "there.json"],
        "--output: 'there.json' exists already, allowed: a new name, or --force to replace it",
    ),
    "two outputs": (
        lambda: metadisco.train_agents("ppo", ENV, output="new", save="new/agents"),
        "output: got 'new' beside `save` 'new/agents'",
        ["train", "--objective", "ppo", "--env", ENV, "--output", "new", "--save", "new/agents"],
        "--output: got 'new' beside --save 'new/agents'",
    ),
    "num_episodes": (
        lambda: metadisco.rollout("agents", num_episodes=0),
        "num_episodes: got 0",
        ["rollout", "agents", "--episodes", "0"],
        "--episodes: got 0",
    ),
    "env beside gymnasium": (
        lambda: metadisco.rollout("agents", env=ENV, gymnasium="CartPole-v1"),
        f"gymnasium: got 'CartPole-v1' beside `env` {ENV}",
        ["rollout", "agents", "--env", ENV, "--gymnasium", "CartPole-v1"],
        f"--gymnasium: got 'CartPole-v1' beside --env {ENV}",
    ),
    "baseline": (
        lambda: metadisco.evaluate("ppo", ENV, baseline="dpo"),
        "baseline: got 'dpo'",
        ["evaluate", "--objectives", "ppo", "--envs", ENV, "--baseline", "dpo", "--output", "new"],
        "--baseline: got 'dpo'",
    ),
    "channels": (
        lambda: metadisco.evaluate_talkers("zero", ENV, channels=0),
        "channels: got 0",
        ["evaluate", "--talkers", "zero", "--envs", ENV, "--channels", "0", "--output", "new"],
        "--channels: got 0",
    ),
    "an environment as a setting": (
        lambda: metadisco.evaluate("ppo", ENV, overrides={"inner.env": ENV}),
        f"inner.env: got {ENV!r}, but environments are named by `envs` and seeds by `num_seeds`",
        ["evaluate", "--objectives", "ppo", "--envs", ENV, "--output", "new", f"inner.env={ENV}"],
        f"inner.env: got {ENV!r}, but environments are named by --envs and seeds by --seeds",
    ),
    "config": (
        lambda: metadisco.plot("ppo", config="nowhere"),
        "config: no YAML file",
        ["plot", "ppo", "--config", "nowhere", "--output", "new"],
        "--config: no YAML file",
    ),
    "max_terms": (
        lambda: metadisco.distil("ppo", "new", max_terms=9),
        "max_terms: got 9",
        ["distil", "ppo", "--output", "new", "--max-terms", "9"],
        "--max-terms: got 9",
    ),
    "form": (
        lambda: metadisco.write_artefact("ppo", "new", form="network"),
        "form: 'ppo' is a closed form",
        ["export", "ppo", "--to", "artefact", "--output", "new", "--form", "network"],
        "--form: 'ppo' is a closed form",
    ),
    "run": (
        lambda: metadisco.evolve({}, "there.json"),
        "run: 'there.json' is a file",
        ["evolve", "empty.yaml", "--run", "there.json"],
        "--run: 'there.json' is a file",
    ),
}


@pytest.fixture
def files(place):
    Path("there.json").write_text("{}")
    Path("empty.yaml").write_text("{}\n")


@pytest.mark.parametrize("what", REFUSED)
def test_errors_name_the_argument_in_python_and_the_option_on_the_command_line(what, files, capsys):
    call, told, words, told_there = REFUSED[what]
    with pytest.raises(metadisco.UserError) as refused:
        call()
    assert str(refused.value).startswith(told)
    assert_refused(words, [f"metadisco: {told_there}"], capsys)
    assert not Path("new").exists()


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: metadisco.evaluate_players(3, "naive"), "players: got 3"),
        (lambda: metadisco.evaluate_players("naive", [None]), "opponents: got None"),
        (lambda: metadisco.evaluate_players("naive", "naive", games=[3]), "games: got 3"),
        (lambda: metadisco.evaluate_players("naive", "naive", output=3), "output: got 3"),
        (lambda: metadisco.evaluate_talkers(3, ENV), "talkers: got 3"),
        (lambda: metadisco.evaluate_talkers("zero", None), "envs: got None"),
        (lambda: metadisco.evaluate(None, ENV), "objectives: got None"),
        (lambda: metadisco.evaluate_settings(None, ENV, {"settings": ["sb3"]}), "objectives: got None"),
        (lambda: metadisco.evaluate_settings("ppo", ENV, 3), "settings: got 3"),
        (lambda: metadisco.plot(3), "discovery: got 3"),
        (lambda: metadisco.report(b"run", "page.html"), "run: got b'run'"),
        (lambda: metadisco.load_objective(None), "path_or_name: got None"),
    ],
)
def test_what_is_no_name_is_refused(call, told):
    with pytest.raises(metadisco.UserError, match=f"^{told}, allowed: a name or a path"):
        call()


@pytest.mark.parametrize("option", ["interactive", "annotate"])
def test_what_marks_one_loss_refuses_several(option):
    with pytest.raises(metadisco.UserError, match=f"^{option}: got 2 discoveries, allowed: one"):
        metadisco.plot(["lpo_drift_classic", "value_loss_cartpole"], **{option: True})


def refusals_in(file: Path) -> list[str]:
    """Return the strings in all `UserError`s that a file constructs."""
    calls = [node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    made = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "UserError"]
    nodes = [node for call in made for node in ast.walk(call)]
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def test_no_error_of_the_library_names_an_option():
    named = [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py") if "--" in " ".join(refusals_in(path))]
    assert named
    assert not [name for name in named if not name.startswith(WITH_OPTIONS)]
