"""`metadisco evolve --processes N`: the same numbers as one process, and behaviour on failures."""

import json
import os
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import NUM_GENERATIONS, THREE_DEVICES
from processes import Process, assert_same_run, centres_of, num_rows, rows_of

pytestmark = pytest.mark.distributed

BOUND = 60  # seconds within which the others end
ENDLESS = "outer.num_generations=100000"


def finish(process: Process) -> str:
    """Wait for the end of a command that succeeds; return what it said."""
    with process:
        code, out, err = process.finish()
    assert (code, out) == (0, ""), err
    return err


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize("number", [2, 4])
def test_any_number_of_processes_gives_the_bits_of_one(number, alone, start, tmp_path):
    run = tmp_path / "run"
    err = finish(start(f"outer.num_devices={number}", "--processes", str(number), "--run", str(run)))
    assert f"{number} cpu devices of {number} processes" in err
    assert_same_run(run, alone)
    assert list(centres_of(run)) == list(centres_of(alone))


def test_with_larger_chunks_the_fitness_agrees_to_float_tolerance(start, tmp_path):
    """Over two updates; over whole lifetimes a last-bit difference grows."""
    words = ["inner.ppo.num_env_steps=64", "outer.num_generations=2", "outer.chunk_size=3"]
    one, two = tmp_path / "one", tmp_path / "two"
    finish(start(*words, "outer.num_devices=1", "--run", str(one)))
    finish(start(*words, "outer.num_devices=2", "--processes", "2", "--run", str(two)))
    for row, expected in zip(rows_of(two), rows_of(one), strict=True):
        for name in ("fitness_mean", "fitness_best", "fitness_worst"):
            np.testing.assert_allclose(row[name], expected[name], rtol=1e-5)


@pytest.mark.parametrize(("victim", "then"), [(0, 1), (1, 4), (2, 2)], ids=["first", "middle", "last"])
def test_when_one_is_killed_all_end_and_another_number_of_them_goes_on_to_the_same_numbers(
    victim, then, alone, start, tmp_path
):
    run = tmp_path / "run"
    with start(THREE_DEVICES, ENDLESS, "--processes", "3", "--run", str(run)) as process:
        process.wait_until(lambda: num_rows(run) >= 3)
        members = process.members
        assert len(members) == 3
        killed = time.monotonic()
        os.kill(members[victim], signal.SIGKILL)
        code, out, err = process.finish()
    assert time.monotonic() - killed < BOUND
    assert (code, out) == (1, "")
    assert f"metadisco: process {victim} of 3 was ended by SIGKILL, and the others with it; to continue from" in err
    assert "Traceback" not in err
    assert all(is_gone(member) for member in members)
    if num_rows(run) >= NUM_GENERATIONS:
        pytest.fail("the run was too fast to be killed in the middle")
    words = [f"outer.num_devices={then}", "--run", str(run), *(["--processes", str(then)] if then > 1 else [])]
    err = finish(start(*words))
    assert f"processes was 3 and is {then} now: numbers stay bit-identical" in err
    entries = json.loads((run / "provenance.json").read_text())
    assert [(entry["processes"], entry["devices"]) for entry in entries] == [(3, 3), (then, then)]
    assert_same_run(run, alone)


@pytest.mark.parametrize("who", ["launcher", "first", "last"])
def test_sigterm_to_any_process_stops_all_after_the_same_generation(who, alone, start, tmp_path):
    run = tmp_path / "run"
    words = [THREE_DEVICES, "--processes", "3", "--run", str(run)]
    with start(*words) as process:
        process.wait_until(lambda: num_rows(run) >= 1)
        members = process.members
        if who == "launcher":
            process.send(signal.SIGTERM)
        else:
            os.kill(members[0 if who == "first" else 2], signal.SIGTERM)
        code, out, err = process.finish()
    assert (code, out) == (0, ""), err
    done = num_rows(run)
    assert done < NUM_GENERATIONS
    assert re.search(rf"stopped after generation {done} of {NUM_GENERATIONS}; to continue: .* --processes 3", err)
    assert f"{done:06d}" in centres_of(run)
    assert all(is_gone(member) for member in members)
    finish(start(*words))
    assert_same_run(run, alone)


def test_when_the_launcher_is_killed_the_others_stop_and_save(start, tmp_path):
    run = tmp_path / "run"
    with start(THREE_DEVICES, ENDLESS, "--processes", "3", "--run", str(run)) as process:
        process.wait_until(lambda: num_rows(run) >= 1)
        members = process.members
        process.send(signal.SIGKILL)
        process.finish()
    deadline = time.monotonic() + BOUND
    while not all(is_gone(member) for member in members):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert f"{num_rows(run):06d}" in centres_of(run)
