"""`metadisco evolve` end to end, on lifetimes so short that a generation takes milliseconds."""

import json
import random
import re
import shlex
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from processes import Process, assert_same_run, centres_of, num_rows, num_starts, rows_of
from tiny import tiny_config

from metadisco.cli import main
from metadisco.config import write_yaml

NUM_GENERATIONS = 24
CHECKPOINT_EVERY = 2
FOUR_DEVICES = "outer.num_devices=4"


@pytest.fixture(scope="module")
def config_path(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(write_yaml(tiny_config(num_generations=NUM_GENERATIONS, checkpoint_every=CHECKPOINT_EVERY)))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Folder for output and compiled programs of processes."""
    return tmp_path_factory.mktemp("processes")


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
        assert (entry["devices"], entry["chunk_size"], entry["platform"], entry["processes"]) == (4, 1, "cpu", 1)

    def test_the_same_command_again_leaves_a_finished_run_as_it_is(self, uninterrupted, config_path, capsys):
        before = {path: path.read_bytes() for path in uninterrupted.rglob("*") if path.is_file()}
        assert main(["evolve", str(config_path), "outer.num_devices=2", "--run", str(uninterrupted)]) == 0
        assert f"done: {NUM_GENERATIONS} generations" in capsys.readouterr().err
        assert {path: path.read_bytes() for path in uninterrupted.rglob("*") if path.is_file()} == before


@pytest.mark.ordinary
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
    with (run / "metrics.jsonl").open("a") as file:  # as after a kill in the middle of a write
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
    assert "SIGTERM: finishing the current generation" in err
    message = re.search(rf"stopped after generation {done} of {NUM_GENERATIONS}; to continue: metadisco (.*)", err)
    assert message is not None, err
    assert f"{done:06d}" in centres_of(run)
    with Process(shlex.split(message[1]), folder) as process:
        code, _, err = process.finish()
    assert code == 0, err
    assert f"generation {done + 1}/{NUM_GENERATIONS}" in err
    assert f"generation {done}/" not in err
    assert_same_run(run, uninterrupted)


@pytest.mark.parametrize("num_devices", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_with_chunks_of_one_the_number_of_devices_changes_no_bit(num_devices, uninterrupted, config_path, tmp_path):
    """The uninterrupted run had four devices."""
    run = tmp_path / "run"
    words = [f"outer.num_devices={num_devices}", "outer.num_generations=4", "--run", str(run), "--quiet"]
    assert main(["evolve", str(config_path), *words]) == 0
    assert json.loads((run / "provenance.json").read_text())[0]["devices"] == num_devices
    assert rows_of(run) == rows_of(uninterrupted)[:4]
    assert centres_of(run)["000004"] == centres_of(uninterrupted)["000004"]


@pytest.mark.slow
def test_two_processes_of_two_devices_each_give_the_bits_of_one_process(uninterrupted, config_path, folder, tmp_path):
    run = tmp_path / "run"
    words = [FOUR_DEVICES, "outer.num_generations=4", "--processes", "2", "--run", str(run)]
    with Process(["evolve", str(config_path), *words], folder) as process:
        code, out, err = process.finish()
    assert (code, out) == (0, ""), err
    assert "4 cpu devices of 2 processes" in err
    (entry,) = json.loads((run / "provenance.json").read_text())
    assert (entry["processes"], entry["devices"]) == (2, 4)
    assert rows_of(run) == rows_of(uninterrupted)[:4]
    assert centres_of(run)["000004"] == centres_of(uninterrupted)["000004"]


@pytest.mark.slow
def test_continuing_with_other_chunks_is_said_recorded_and_agrees_to_float_tolerance(config_path, tmp_path, capsys):
    """Over two updates; over whole lifetimes a last-bit difference grows."""
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


@pytest.mark.slow
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
