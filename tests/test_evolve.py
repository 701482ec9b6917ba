"""`metadisco evolve` end to end, on lives so short that a generation takes milliseconds."""

import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metadisco.cli import main
from metadisco.config import write_yaml

pytestmark = pytest.mark.usefixtures("programs_are_compiled_once")

NUM_GENERATIONS = 24
CHECKPOINT_EVERY = 2
TIMES = ("seconds", "env_steps_per_second")
COMMAND = (sys.executable, "-c", "from metadisco.cli import main; raise SystemExit(main())")
PATIENCE = 180  # seconds until a subprocess counts as hanging

CONFIG: dict[str, Any] = {
    "parametrisation": {"name": "value_loss", "hidden_sizes": [8]},
    "inner": {
        "env": "gymnax/CartPole-v1",
        "env_settings": {"max_steps_in_episode": 60},
        "ppo": {
            "num_envs": 2,
            "num_steps": 16,
            "num_env_steps": 128,
            "num_minibatches": 2,
            "num_epochs": 2,
            "learning_rate": 0.3,
            "value_coef": 5.0,
            "shared_torso": True,  # the value loss soon tells in the actions
            "hidden_sizes": [8],
            "num_evaluation_episodes": 2,
        },
    },
    "outer": {
        "num_generations": NUM_GENERATIONS,
        "checkpoint_every": CHECKPOINT_EVERY,
        "evaluate_every": 5,
        "chunk_size": 1,
        "strategy": {"population_size": 4, "std": 3.0},
    },
}


@pytest.fixture(scope="module")
def config_path(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(write_yaml(CONFIG))
    return path


class Process:
    """A command in a process of its own; compiled programs are kept for the next one.

    What it prints goes to files: a full pipe would stop it.
    """

    def __init__(self, words: Sequence[str], folder: Path):
        self._out, self._err = folder / "out.txt", folder / "err.txt"
        variables = {
            "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "TF_CPP_MIN_LOG_LEVEL": "3",  # else XLA describes the machine for each program that it finds there
        }
        with self._out.open("w") as out, self._err.open("w") as err:
            self._process = subprocess.Popen([*COMMAND, *words], env=os.environ | variables, stdout=out, stderr=err)

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self._process.poll() is None, self._err.read_text()
            assert time.monotonic() < deadline, self._err.read_text()
            time.sleep(0.005)

    def finish(self) -> tuple[int, str, str]:
        """Wait for the end; return exit code, stdout and stderr."""
        code = self._process.wait(PATIENCE)
        return code, self._out.read_text(), self._err.read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where processes leave what they print and compile."""
    return tmp_path_factory.mktemp("processes")


def num_starts(run: Path) -> int:
    """Return how often the search of a run has begun."""
    path = run / "provenance.json"
    return len(json.loads(path.read_text())) if path.exists() else 0


def num_rows(run: Path) -> int:
    path = run / "metrics.jsonl"
    return path.read_text().count("\n") if path.exists() else 0


def rows_of(run: Path, *without: str) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key not in (*TIMES, *without)} for row in rows]


def centres_of(run: Path) -> dict[str, dict[str, bytes]]:
    """Return the bytes of every array of every centre."""
    centres = {}
    for path in sorted((run / "centres").glob("*.npz")):
        with np.load(path, allow_pickle=False) as arrays:
            centres[path.stem] = {name: arrays[name].tobytes() for name in arrays.files}
    return centres


def assert_same_run(run: Path, other: Path) -> None:
    assert rows_of(run) == rows_of(other)
    centres, expected = centres_of(run), centres_of(other)
    assert expected.keys() <= centres.keys()
    assert {name: centres[name] for name in expected} == expected


FOUR_DEVICES = "outer.num_devices=4"


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, config_path, folder) -> Path:
    run = tmp_path_factory.mktemp("runs") / "uninterrupted"
    with Process(["evolve", str(config_path), FOUR_DEVICES, "--run", str(run)], folder) as process:
        code, out, err = process.finish()
    assert (code, out) == (0, ""), err
    assert f"done: {NUM_GENERATIONS} generations" in err
    return run


class TestUninterrupted:
    def test_every_generation_has_a_row(self, uninterrupted):
        rows = rows_of(uninterrupted)
        assert [row["generation"] for row in rows] == list(range(NUM_GENERATIONS))
        assert [row["env_steps"] for row in rows] == [4 * 128 * (number + 1) for number in range(NUM_GENERATIONS)]

    def test_members_differ_and_the_centre_moves(self, uninterrupted):
        """Else all comparisons of runs below would compare nothing."""
        rows = rows_of(uninterrupted)
        assert sum(row["fitness_std"] > 0 for row in rows) > NUM_GENERATIONS / 2
        assert sum(row["step_norm"] > 0 for row in rows) > NUM_GENERATIONS / 2

    def test_centres_are_kept_for_every_checkpoint_and_checkpoints_for_the_newest(self, uninterrupted):
        kept = [f"{number:06d}" for number in range(0, NUM_GENERATIONS + 1, CHECKPOINT_EVERY)]
        assert list(centres_of(uninterrupted)) == kept
        checkpoints = sorted(int(path.name) for path in (uninterrupted / "checkpoints").iterdir())
        assert checkpoints == [NUM_GENERATIONS - 4, NUM_GENERATIONS - 2, NUM_GENERATIONS]

    def test_provenance_says_devices_and_chunk(self, uninterrupted):
        (entry,) = json.loads((uninterrupted / "provenance.json").read_text())
        assert (entry["devices"], entry["chunk_size"], entry["platform"]) == (4, 1, "cpu")

    def test_the_same_command_again_leaves_a_finished_run_as_it_is(self, uninterrupted, config_path, capsys):
        before = {path: path.read_bytes() for path in uninterrupted.rglob("*") if path.is_file()}
        assert main(["evolve", str(config_path), "outer.num_devices=2", "--run", str(uninterrupted)]) == 0
        assert f"done: {NUM_GENERATIONS} generations" in capsys.readouterr().err
        assert {path: path.read_bytes() for path in uninterrupted.rglob("*") if path.is_file()} == before


def test_a_run_that_is_killed_again_and_again_gives_the_same_numbers(uninterrupted, config_path, folder, tmp_path):
    run = tmp_path / "killed"
    words = ["evolve", str(config_path), FOUR_DEVICES, "--run", str(run)]
    delays = random.Random(20261121)
    seen = []
    for number in range(3):
        with Process(words, folder) as process:
            process.wait_until(lambda starts=number + 1: num_starts(run) == starts)
            time.sleep(delays.uniform(0, 0.8))
            process.send(signal.SIGKILL)
            assert process.finish()[0] == -signal.SIGKILL
        seen.append(num_rows(run))
    assert max(seen) < NUM_GENERATIONS
    with (run / "metrics.jsonl").open("a") as file:  # what a kill in the middle of a write leaves behind
        file.write('{"generation": 9, "fitness_me')
    with Process(words, folder) as process:
        code, _, err = process.finish()
    assert code == 0, err
    assert num_starts(run) == 4
    assert_same_run(run, uninterrupted)


def test_a_run_stopped_by_sigterm_says_how_to_go_on_and_gives_the_same_numbers(
    uninterrupted, config_path, folder, tmp_path
):
    run = tmp_path / "a run"
    with Process(["evolve", str(config_path), FOUR_DEVICES, "--run", str(run)], folder) as process:
        process.wait_until(lambda: num_rows(run) >= 3)
        process.send(signal.SIGTERM)
        code, out, err = process.finish()
    assert (code, out) == (0, ""), err
    done = num_rows(run)
    assert done < NUM_GENERATIONS
    assert "SIGTERM: finishing the generation in hand" in err
    message = re.search(rf"stopped after generation {done} of {NUM_GENERATIONS}; to go on: metadisco (.*)", err)
    assert message is not None, err
    assert f"{done:06d}" in centres_of(run)
    with Process(shlex.split(message[1]), folder) as process:
        code, _, err = process.finish()
    assert code == 0, err
    assert f"generation {done + 1}/{NUM_GENERATIONS}" in err
    assert f"generation {done}/" not in err
    assert_same_run(run, uninterrupted)


@pytest.mark.parametrize("num_devices", [1, 2])
def test_with_chunks_of_one_the_number_of_devices_changes_no_bit(num_devices, uninterrupted, config_path, tmp_path):
    """The uninterrupted run had four devices."""
    run = tmp_path / "run"
    words = [f"outer.num_devices={num_devices}", "outer.num_generations=4", "--run", str(run), "--quiet"]
    assert main(["evolve", str(config_path), *words]) == 0
    assert json.loads((run / "provenance.json").read_text())[0]["devices"] == num_devices
    assert rows_of(run) == rows_of(uninterrupted)[:4]
    assert centres_of(run)["000004"] == centres_of(uninterrupted)["000004"]


def test_continuing_with_other_chunks_is_said_recorded_and_agrees_to_float_tolerance(config_path, tmp_path, capsys):
    """Over two updates; over whole lives a last-bit difference grows."""
    words = ["inner.ppo.num_env_steps=64", "outer.num_devices=2", "outer.num_generations=4", "outer.checkpoint_every=1"]
    command = ["evolve", str(config_path), *words, "outer.keep_checkpoints=5"]
    run, plain = tmp_path / "run", tmp_path / "plain"
    assert main([*command, "--run", str(plain), "--quiet"]) == 0
    shutil.copytree(plain, run)
    for generation in (3, 4):
        shutil.rmtree(run / "checkpoints" / str(generation))
    assert main([*command, "outer.chunk_size=2", "--run", str(run)]) == 0
    said = capsys.readouterr().err
    assert "outer.chunk_size was 1 at the start and is 2 now" in said
    assert "chunk_size was 1 and is 2 now: numbers agree to float tolerance only" in said
    entries = json.loads((run / "provenance.json").read_text())
    assert [(entry["chunk_size"], entry["generation"]) for entry in entries] == [(1, 0), (2, 2)]
    assert rows_of(run)[:2] == rows_of(plain)[:2]
    for row, expected in zip(rows_of(run), rows_of(plain), strict=True):
        for name in ("fitness_mean", "fitness_best", "fitness_worst"):
            np.testing.assert_allclose(row[name], expected[name], rtol=1e-5)


BROKEN_MODULE = '''
from dataclasses import dataclass

import jax.numpy as jnp

from metadisco import Objective, ppo


@dataclass(frozen=True)
class Fragile:
    """PPO whose value loss is NaN for meta-parameters above a bound."""

    bound: float = 0.0

    def init(self, key):
        return {"x": jnp.zeros(()), "y": jnp.ones(2)}

    def bind(self, meta_params):
        plain = ppo()
        broken = jnp.where(meta_params["x"] > self.bound, jnp.nan, 1.0)
        scale = broken * (1 + meta_params["y"].sum())
        return Objective(plain.policy_loss, lambda sample: scale * plain.value_loss(sample))
'''


def test_members_with_non_finite_parameters_are_counted_and_the_run_goes_on(config_path, tmp_path, monkeypatch):
    """Antithetic sampling breaks one of each pair, while the bound is the start."""
    (tmp_path / "fragile_objective.py").write_text(BROKEN_MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    words = ["parametrisation={name: 'fragile_objective:Fragile', bound: 0.0}", "outer.num_generations=6"]
    assert main(["evolve", str(config_path), *words, "--run", "run", "--quiet"]) == 0
    rows = rows_of(tmp_path / "run")
    assert len(rows) == 6
    assert rows[0]["failed_members"] == 2
    assert all(row["fitness_mean"] is None or np.isfinite(row["fitness_mean"]) for row in rows)
    with np.load(tmp_path / "run" / "centres" / "000006.npz") as arrays:
        assert set(arrays.files) == {"x", "y"}
        assert all(np.isfinite(arrays[name]).all() for name in arrays.files)
        assert arrays["x"] <= 0.0  # away from where members fail


REFUSED = [
    (["inner.ppo.num_env=4"], ["inner.ppo.num_env", "did you mean 'num_envs'"]),
    (["seed=three"], ["seed", "'three'", "a whole number"]),
    (["inner.ppo.num_minibatches=5"], ["inner.ppo.num_minibatches", "got 5", "32"]),
    (["outer.strategy.population_size=5"], ["outer.strategy.population_size", "got 5", "even"]),
    (["outer.strategy.name=Open_SE"], ["outer.strategy.name", "did you mean 'Open_ES'"]),
    (["outer.strategy.name=SNES", "outer.strategy.std_decay=0.9"], ["outer.strategy.std_decay", "SNES"]),
    (["parametrisation.name=value_los"], ["parametrisation.name", "did you mean 'value_loss'"]),
    (["inner.fitness=final_retrun"], ["inner.fitness", "did you mean 'final_return'"]),
    (["inner.env=gymnaks/CartPole-v1"], ["inner.env", "did you mean 'gymnax'"]),
    (["inner.env=CartPole-v1"], ["inner.env", "did you mean 'gymnax/CartPole-v1'"]),
    (["inner.env=gymnax/CartPol-v1"], ["inner.env", "did you mean 'CartPole-v1'"]),
    (["inner.env_settings.max_steps=20"], ["inner.env_settings", "max_steps", "max_steps_in_episode"]),
    (["inner.env_settings.max_steps_in_episode=many"], ["inner.env_settings.max_steps_in_episode", "'many'"]),
    (["outer.strategy.settings.std_lrr=0.1"], ["outer.strategy.settings", "std_lrr"]),
    (["outer.num_devices=2", "outer.strategy={name: SNES, population_size: 5}"], ["population_size", "4 or 6"]),
    (["outer.num_devices=64"], ["outer.num_devices", "got 64", "at most"]),
    (["parametrisation.name=no_such_module:Mine"], ["parametrisation.name", "no_such_module"]),
    (["parametrisation.name=json:Mine"], ["parametrisation.name", "json has no 'Mine'"]),
    (["inner.env=json:make"], ["inner.env", "json has no 'make'"]),
    (["inner.fitness=json:area"], ["inner.fitness", "json has no 'area'"]),
    (["inner.fitness=string:digits"], ["inner.fitness", "a function of a TrainResult"]),
    (["nonsense"], ["'nonsense'", "KEY=VALUE"]),
    (["--nonsense"], ["'--nonsense'"]),
    (["seed=[1"], ["seed", "not a YAML value"]),
]


def assert_refused(words: Sequence[str], told: Sequence[str], capsys: Any) -> None:
    capsys.readouterr()
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "Traceback" not in err
    for part in told:
        assert part in err


class TestRefusals:
    @pytest.mark.parametrize(("words", "told"), REFUSED, ids=[" ".join(case[0]) for case in REFUSED])
    def test_one_line_on_stderr_exit_code_two_and_nothing_written(self, words, told, config_path, tmp_path, capsys):
        assert_refused(["evolve", str(config_path), *words, "--run", str(tmp_path / "run")], told, capsys)
        assert list(tmp_path.iterdir()) == []

    def test_a_missing_config_is_refused(self, tmp_path, capsys):
        words = ["evolve", str(tmp_path / "nowhere.yaml"), "--run", str(tmp_path / "run")]
        assert_refused(words, ["nowhere.yaml", "No such file"], capsys)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("text", ["inner: [1, 2\nouter: }", "- a\n- b", "inner: {ppo: {gamma: 2}}"])
    def test_a_config_that_makes_no_sense_is_refused(self, tmp_path, capsys, text):
        path = tmp_path / "bad.yaml"
        path.write_text(text)
        assert_refused(["evolve", str(path), "--run", str(tmp_path / "run")], [], capsys)
        assert list(tmp_path.iterdir()) == [path]

    def test_a_run_that_is_a_file_is_refused(self, config_path, tmp_path, capsys):
        path = tmp_path / "file"
        path.write_text("mine")
        assert_refused(["evolve", str(config_path), "--run", str(path)], ["--run", "is a file"], capsys)
        assert path.read_text() == "mine"

    def test_a_directory_that_is_no_run_is_refused(self, config_path, tmp_path, capsys):
        (tmp_path / "thesis.tex").write_text("mine")
        assert_refused(["evolve", str(config_path), "--run", str(tmp_path)], ["--run", "no run directory"], capsys)
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]

    def test_another_configuration_for_a_run_that_exists_is_refused_with_its_keys(
        self, uninterrupted, config_path, capsys
    ):
        before = {path: path.read_bytes() for path in uninterrupted.rglob("*") if path.is_file()}
        words = ["seed=7", "inner.ppo.gamma=0.5", "outer.num_generations=99", "--run", str(uninterrupted)]
        assert_refused(
            ["evolve", str(config_path), *words],
            ["seed is 0 there and 7 here", "inner.ppo.gamma is 0.99 there and 0.5 here"],
            capsys,
        )
        assert {path: path.read_bytes() for path in uninterrupted.rglob("*") if path.is_file()} == before

    def test_a_parametrisation_that_lacks_a_method_is_refused(self, config_path, tmp_path, capsys, monkeypatch):
        (tmp_path / "half_a_parametrisation.py").write_text("class Half:\n    def init(self, key): ...\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        words = ["parametrisation={name: 'half_a_parametrisation:Half'}", "--run", str(tmp_path / "run")]
        assert_refused(["evolve", str(config_path), *words], ["parametrisation.name", "'bind'"], capsys)
        assert not (tmp_path / "run").exists()

    def test_without_run_nothing_is_started(self, config_path, capsys):
        assert_refused(["evolve", str(config_path)], ["--run"], capsys)
