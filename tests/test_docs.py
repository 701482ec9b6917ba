"""The code in the documentation runs."""

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from metadisco import PPOConfig
from metadisco.config import Config, flatten, to_plain
from metadisco.inner.fitness import final_return
from metadisco.outer.search import Progress
from metadisco.problems import make_fitness, make_problem
from metadisco.storage.runs import MAY_CHANGE

ROOT = Path(__file__).parent.parent
TUTORIAL = ROOT / "docs" / "tutorials" / "own_loss_and_environment.md"
EXTEND = ROOT / "docs" / "how_to" / "extend.md"
INTERFACES = ROOT / "docs" / "interfaces.md"
METRICS = ROOT / "docs" / "reference" / "metrics.md"
SHORT_TRAINING = ["inner.ppo.num_env_steps=1024", "inner.ppo.hidden_sizes=[8]"]
SMALL_SEARCH = [
    "outer.num_generations=2", "outer.num_rollouts=1", "outer.num_devices=1", "outer.evaluate_every=2",
    "outer.strategy.population_size=4",
]  # fmt: skip


def named_files(page: Path) -> dict[str, str]:
    """Return the fenced blocks that follow a line with a file's name, by that name."""
    return dict(re.findall(r"^\*\*`([^`]+)`\*\*\n\n```\w+\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL))


def commands(page: Path) -> list[list[str]]:
    """Return the commands of all shell blocks, as words."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


def run_python(directory: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run Python as a user in `directory` would; compiled code is optimised less, which is faster here."""
    environment = os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )


def run_metadisco(directory: Path, words: list[str]) -> "subprocess.CompletedProcess[str]":
    """Run a documented command."""
    assert words[0] == "metadisco"
    return run_python(directory, "-c", "from metadisco.cli import main; raise SystemExit(main())", *words[1:])


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the files of both pages, in which the tutorial's `evolve` command was run, made small."""
    path = tmp_path_factory.mktemp("own")
    for name, text in (named_files(TUTORIAL) | named_files(EXTEND)).items():
        (path / name).write_text(text)
    done = run_metadisco(path, commands(TUTORIAL)[0] + SHORT_TRAINING + SMALL_SEARCH)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def in_directory(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in that directory with its modules importable, and forget them afterwards."""
    monkeypatch.chdir(directory)
    monkeypatch.setattr(sys, "path", [str(directory), *sys.path])
    own = [file.stem for file in directory.glob("*.py")]
    for name in own:
        sys.modules.pop(name, None)
    yield directory
    for name in own:
        sys.modules.pop(name, None)


def test_pages_show_a_file_for_each_thing_that_a_config_names() -> None:
    shown = named_files(TUTORIAL)
    assert list(shown) == ["my_objective.py", "my_loss.py", "my_env.py", "mine.yaml", "look.py"]
    assert re.findall(r"(\w+):[A-Za-z]\w*$", shown["mine.yaml"], re.MULTILINE) == ["my_loss", "my_env"]
    assert list(named_files(EXTEND)) == [
        "my_game.yaml", "my_fitness.py", "my_goal.py",
        "my_problem.py", "my_problem.yaml", "read_steps.py", "search_mine.py",
    ]  # fmt: skip


def test_documented_evolve_command_writes_metrics_and_centres(directory: Path) -> None:
    run = directory / "runs" / "mine"
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["generation"] for row in rows] == [0, 1]
    assert all(row["failed_members"] == 0 and row["fitness_worst"] < row["fitness_best"] for row in rows)
    assert all(row["step_norm"] > 0 for row in rows)
    assert sorted(path.name for path in (run / "centres").iterdir()) == ["000000.npz", "000002.npz"]


def test_the_page_of_metrics_lists_the_keys_of_a_row(directory: Path) -> None:
    last = (directory / "runs" / "mine" / "metrics.jsonl").read_text().splitlines()[-1]
    page = METRICS.read_text()
    documented = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    keys = set(json.loads(last))
    with_baseline = {"baseline_fitness", "centre_minus_baseline", "centre_minus_baseline_error"}
    assert set(documented) - with_baseline == {key for key in keys if "/" not in key}
    prefixes = set(re.findall(r"^\| `(\w+)/", page, re.MULTILINE)) | {"centre"}
    assert {key.partition("/")[0] for key in keys if "/" in key} <= prefixes
    assert len(documented) == len(set(documented))


def test_interfaces_lists_the_keys_that_a_continued_run_may_change() -> None:
    section = INTERFACES.read_text().split("It may then differ in")[1].split(";")[0]
    documented = set(re.findall(r"`([\w.]+)`", section))
    assert documented == {key.removesuffix(".") for key in MAY_CHANGE}
    assert documented <= set(flatten(to_plain(Config()))) | {"logging"}


@pytest.mark.slow
def test_documented_train_command_trains_with_the_evolved_loss(directory: Path) -> None:
    words = commands(TUTORIAL)[1]
    assert "runs/mine" in words
    seeds = words.index("--seeds") + 1
    done = run_metadisco(directory, [*words[:seeds], "2", *words[seeds + 1 :], *SHORT_TRAINING])
    assert done.returncode == 0, done.stderr
    result = json.loads((directory / "mine.json").read_text())
    assert len(result["final_return"]) == 2
    assert None not in result["final_return"]


def test_documented_baseline_command_differs_in_the_objective_and_the_output_only() -> None:
    learned, baseline = commands(TUTORIAL)[1:3]
    assert [pair for pair in zip(learned, baseline, strict=True) if pair[0] != pair[1]] == [
        ("runs/mine", "ppo"),
        ("mine.json", "ppo.json"),
    ]


def test_documented_look_at_the_loss_prints_four_losses(directory: Path) -> None:
    done = run_python(directory, "look.py")
    assert done.returncode == 0, done.stderr
    losses = [float(word) for word in done.stdout.strip("[]\n ").split()]
    assert len(losses) == 4
    assert losses[0] > losses[1] > 0
    assert losses[3] > losses[2] > 0


def test_documented_source_of_the_loss_is_that_of_bind() -> None:
    from metadisco.discoveries.pairs import make_pairs
    from metadisco.export.source import About, check_source, write_source

    section = EXTEND.read_text().split("### Export source of your parametrisation")[1].split("\n## ")[0]
    imports = "\n".join(re.findall(r"`(from metadisco(?:\.\w+)+ import [^`]+)`", section))
    method = re.search(r"^    def source_losses.*?(?=^```)", section, re.MULTILINE | re.DOTALL)
    assert method is not None
    scope: dict[str, Any] = {"__name__": "documented"}
    exec(f"{imports}\n{named_files(TUTORIAL)['my_loss.py']}\n{method[0]}", scope)
    huber = scope["AsymmetricHuber"](clip_eps=0.3)
    params = {"log_weights": jnp.log(jnp.array([0.5, 3.0])), "log_threshold": jnp.log(1.5)}
    pairs = make_pairs(huber.bind(params))
    about = About("it", "it.py", [], [], "standardised", "", "Apache-2.0")
    check_source(write_source(huber.source_losses(params), "numpy", about, pairs), "it")


@pytest.mark.slow
def test_a_closed_form_of_the_loss_is_distilled_and_written_as_source(directory: Path) -> None:
    from metadisco import Sample, load_objective

    small = ["--shapes", "square", "--max-terms", "1", "--seeds", "0", "outer.num_devices=1", *SHORT_TRAINING]
    first = ["metadisco", "distil", "runs/mine", "--output", "runs/mine/distilled", *small]
    then = ["metadisco", "export", "runs/mine", "--form", "closed", "--to", "numpy", "--output", "closed.py"]
    for words in (first, then):
        done = run_metadisco(directory, words)
        assert done.returncode == 0, done.stderr
    scope: dict[str, Any] = {"__name__": "closed"}
    exec((directory / "closed.py").read_text(), scope)
    forms = load_objective(directory / "runs" / "mine" / "distilled")
    x = jax.random.normal(jax.random.key(0), (5, 64))
    log_ratio, advantage, value, old_value, target = 0.5 * x
    sample = Sample(log_ratio, advantage, value, old_value, target, jnp.zeros(()))
    policy = scope["policy_loss"](log_ratio, jnp.zeros(64), advantage)
    assert jnp.allclose(policy, forms.policy_loss(sample), rtol=1e-5, atol=1e-6)
    assert jnp.allclose(scope["value_loss"](value, old_value, target), forms.value_loss(sample), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_documented_search_from_python_moves_the_centre_in_every_generation(directory: Path) -> None:
    done = run_python(directory, "search_mine.py")
    assert done.returncode == 0, done.stderr
    *rows, centre = done.stdout.splitlines()
    assert [row.split()[0] for row in rows] == ["0", "1", "2"]
    assert all(float(row.split()[2]) > 0 for row in rows)
    assert "log_threshold" in centre


@pytest.mark.slow
def test_documented_problem_without_an_environment_is_evolved_drawn_reported_and_loaded(
    in_directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from metadisco.cli import main

    evolve, plot, report, export = (words[1:] for words in commands(EXTEND)[1:5])
    for words in ([*evolve, "outer.num_generations=8", "outer.num_devices=1"], plot, report, export):
        assert main([*words, "--quiet"]) == 0, words
    rows = [json.loads(line) for line in Path("runs/steps/metrics.jsonl").read_text().splitlines()]
    assert rows[7]["centre_fitness"] > rows[3]["centre_fitness"]
    assert rows[7]["centre/step"] > rows[3]["centre/step"] > 0
    assert "metrics/loss_halfway" in rows[0]
    assert Path("figures/run.png").is_file()
    assert "my_problem:StepSizes" in Path("steps.html").read_text()
    capsys.readouterr()
    exec(named_files(EXTEND)["read_steps.py"], {})
    assert float(capsys.readouterr().out.split()[-1]) > 0.01


def test_documented_recorder_hands_back_what_a_search_saved(directory: Path) -> None:
    # The search is left out, which would compile; its state is stood in for.
    shown = named_files(EXTEND)["search_mine.py"]
    scope: dict[str, Any] = {}
    exec(re.search(r"^class Memory:\n.*?(?=^\w)", shown, re.MULTILINE | re.DOTALL)[0], scope)
    memory = scope["Memory"]()
    assert memory.restore(None) is None
    for generation in range(3):
        memory.log({"generation": generation})
    saved = ("state", Progress(generation=2, env_steps=0))
    memory.save(*saved)
    assert memory.restore(None) == saved
    assert [row["generation"] for row in memory.rows] == [0, 1]


def test_documented_refusal_is_the_real_one_and_writes_nothing(directory: Path) -> None:
    documented = re.findall(r"^```text\n(.*?)^```$", TUTORIAL.read_text(), re.MULTILINE | re.DOTALL)
    done = run_metadisco(directory, commands(TUTORIAL)[3])
    assert done.stderr == documented[0]
    assert done.returncode == 2
    assert not (directory / "runs" / "refused").exists()


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"parametrisation": {"name": "my_lost:AsymmetricHuber"}}, ["parametrisation.name", "my_lost"]),
        ({"parametrisation": {"name": "my_loss:AsymetricHuber"}}, ["parametrisation.name", "'AsymmetricHuber'"]),
        ({"parametrisation": {"name": "my_loss:AsymmetricHuber", "clip": 1}}, ["parametrisation.name", "clip"]),
        ({"parametrisation": {"name": "my_env:make_env"}}, ["parametrisation.name", "'init'"]),
        ({"inner": {"env": "my_env:make_env", "env_settings": {"drag": 1}}}, ["inner.env", "drag"]),
        ({"inner": {"env": "my_loss:AsymmetricHuber"}}, ["inner.env", "AsymmetricHuber"]),
        ({"inner": {"fitness": "my_env:FORCE"}}, ["inner.fitness", "Box"]),
    ],
)  # fmt: skip
def test_mistakes_that_the_tutorial_lists_are_refused_by_name(
    in_directory: Path, change: dict[str, dict[str, object]], names: list[str]
) -> None:
    from metadisco import UserError
    from metadisco.config import parse_config

    mine = {
        "parametrisation": {"name": "my_loss:AsymmetricHuber"},
        "inner": {"env": "my_env:make_env", "fitness": "my_fitness:last_quarter"},
    }
    make_problem(parse_config(mine))
    with pytest.raises(UserError) as refusal:
        make_problem(parse_config({key: mine[key] | change.get(key, {}) for key in mine}))
    assert [name for name in names if name not in str(refusal.value)] == []


def test_documented_fitness_judges_late_updates_and_survives_a_life_without_episodes(in_directory: Path) -> None:
    from metadisco import TrainResult

    fitness = make_fitness("my_fitness:last_quarter")

    def lifetime(curve: list[float]) -> TrainResult:
        ended = jnp.array([[1.0, 3.0]])
        return TrainResult(state=None, curve=jnp.array(curve), evaluation=ended, finite=True, diagnostics=None)

    nan = float("nan")
    assert fitness(lifetime([9, 9, 9, 9, 9, 9, 4, nan])) == 4
    assert fitness(lifetime([nan] * 8)) == 2


@pytest.fixture(scope="module")
def cheap_talk(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """Return the example of another meta-problem in interfaces.md."""
    path = tmp_path_factory.mktemp("interfaces") / "cheap_talk.py"
    path.write_text(named_files(INTERFACES)["cheap_talk.py"])
    spec = importlib.util.spec_from_file_location("documented_cheap_talk", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_documented_objective_is_finite_and_is_ppo_within_the_clipping_range(in_directory: Path) -> None:
    import my_objective

    from metadisco import Sample, ppo

    log_ratio = jnp.log(jnp.array([0.85, 1.0, 1.15, 0.3, 3.0]))
    ones = jnp.ones(5)
    sample = Sample(log_ratio, ones, ones, ones, 2 * ones, jnp.zeros(()))
    ours, theirs = my_objective.policy_loss(sample), ppo().policy_loss(sample)
    assert jnp.allclose(ours[:4], theirs[:4], rtol=1e-6)
    assert theirs[4] - 0.2 <= ours[4] < theirs[4]
    assert jnp.allclose(my_objective.value_loss(sample), 0.5)


def test_documented_game_and_goal_are_accepted(in_directory: Path) -> None:
    from metadisco.config import read_yaml
    from metadisco.inner.envs.goals import make_goal
    from metadisco.inner.games import make_game

    game = make_game(read_yaml(Path("my_game.yaml")))
    assert (game.name, game.own, game.other) == ("harmony", (4, 1, 3, 0), (4, 3, 1, 0))
    goal = make_goal("gymnax/CartPole-v1", "my_goal:velocity")
    wanted = goal.draw(jax.random.key(0))
    at_goal = jnp.array([0.0, wanted, 0.0, 0.0])
    assert goal.pay(wanted, at_goal, jnp.ones(()))[1] == 1
    assert goal.pay(wanted, at_goal + 0.5, jnp.ones(()))[1] < 1


def test_documented_cheap_talk_speaks_in_every_observation(cheap_talk: ModuleType, in_directory: Path) -> None:
    from my_env import make_env

    env = cheap_talk.cheap_talk(make_env(episode_length=1), lambda obs: 10 * obs[:1], 1)
    state, obs = env.reset(jax.random.key(0))
    _, time_step = env.step(jax.random.key(1), state, jnp.ones(1))
    assert time_step.truncated
    for heard in (obs, time_step.obs, time_step.final_obs):
        assert heard.shape == env.obs_shape
        assert heard[2] == 10 * heard[0]
    assert (time_step.obs != time_step.final_obs).any()


def test_documented_cheap_talk_is_a_meta_problem(cheap_talk: ModuleType, in_directory: Path) -> None:
    from my_env import make_env

    config = PPOConfig(num_envs=2, num_steps=8, num_env_steps=16, hidden_sizes=(4,))
    problem = cheap_talk.CheapTalk(cheap_talk.LinearMessage(2, 1), make_env(), config, final_return)
    population = jnp.stack([problem.init(jax.random.key(0))] * 3)
    # Traced only: this checks that the parts fit together under vmap, with shapes; compiling would add nothing.
    evaluation = jax.eval_shape(jax.vmap(problem.evaluate, (None, 0)), jax.random.key(1), population)
    assert evaluation.fitness.shape == (3, 1)
    assert problem.env_steps == 16
