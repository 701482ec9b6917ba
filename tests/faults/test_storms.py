"""Many signals at any time: the first one requests a stop, further SIGTERMs have no effect."""

import random
import re
import shlex
import signal
import time

import pytest
from processes import PATIENCE, Process, num_rows
from running import assert_equal_in_every_bit

pytestmark = pytest.mark.faults

TERM, INT = signal.SIGTERM, signal.SIGINT
STORMS = {
    "one": [TERM],
    "fifty SIGTERMs": [TERM] * 50,
    "five hundred SIGTERMs": [TERM] * 500,
    "SIGTERM, SIGINT, SIGTERMs": [TERM, INT, *[TERM] * 20],
    "SIGINT, SIGTERMs": [INT, *[TERM] * 20],
}


@pytest.mark.parametrize("storm", STORMS)
def test_a_storm_during_the_search_stops_it_once_and_the_save_is_whole(storm, undisturbed, evolve, launcher, tmp_path):
    for number, rows in enumerate((1, 4)):
        run = tmp_path / f"a run {number}"
        running = launcher.start(evolve(run))
        assert running.wait_until(lambda rows=rows, run=run: num_rows(run) >= rows)
        running.send(*STORMS[storm], pause=0.001)
        ended = running.finish()
        assert ended.code == 0 and "Traceback" not in ended.err, ended.err
        assert ended.err.count("finishing the current generation, then saving") == 1
        done = num_rows(run)
        assert done < 30
        message = re.search(rf"stopped after generation {done} of 30; to continue: metadisco (.*)", ended.err)
        assert message is not None, ended.err
        assert (run / "checkpoints" / str(done) / "sums.json").exists()
        assert not (run / "lock").exists()
        ended = launcher.run(shlex.split(message[1]))
        assert ended.code == 0 and "damaged" not in ended.err and "again" not in ended.err, ended.err
        assert_equal_in_every_bit(run, undisturbed)


def test_ctrl_c_twice_stops_at_once_wherever_the_search_is(undisturbed, evolve, launcher, tmp_path):
    run = tmp_path / "run"
    delays = random.Random(5)
    stopped = 0
    for _ in range(8):
        before = num_rows(run)
        running = launcher.start(evolve(run))
        if not running.wait_until(lambda before=before: num_rows(run) >= min(before + 1, 29)):
            break
        time.sleep(delays.random() * 0.1)
        running.send(INT, INT, pause=0.001)
        ended = running.finish()
        assert ended.code == 0 and "Traceback" not in ended.err, ended.err
        if "done: " in ended.err:
            break
        stopped += "stopped immediately; to continue from the last checkpoint: metadisco evolve" in ended.err
    assert stopped
    ended = launcher.run(evolve(run))
    assert ended.code == 0 and "damaged" not in ended.err, ended.err
    assert_equal_in_every_bit(run, undisturbed)


def test_ctrl_c_twice_does_not_wait_for_a_long_generation(evolve, launcher, tmp_path):
    run = tmp_path / "run"
    running = launcher.start(evolve(run, "inner.ppo.num_env_steps=20000000"), toy=False)
    assert running.wait_until((run / "checkpoints" / "0").exists)
    time.sleep(2)
    started = time.monotonic()
    running.send(INT, pause=0.3)
    running.send(INT)
    ended = running.finish()
    assert time.monotonic() - started < PATIENCE  # a generation takes half an hour
    assert ended.code == 0 and num_rows(run) == 0
    assert "SIGINT: finishing the current generation" in ended.err and "stopped immediately" in ended.err


@pytest.mark.parametrize("number", [TERM, INT])
def test_before_the_search_a_signal_ends_the_command_and_nothing_is_left(number, evolve, launcher, tmp_path):
    """While the search is built and compiled; the folder above the run's is not there either."""
    delays = random.Random(int(number))
    for index in range(5):
        run = tmp_path / str(index) / "run"
        running = launcher.start(evolve(run))
        assert running.wait_until(lambda run=run: (run / "lock").exists())
        time.sleep(delays.random() * 0.3)
        running.send(*[number] * 3)
        ended = running.finish()
        assert ended.code == 0, ended.err
        name = signal.Signals(number).name
        told = f"{name}: stopped before the search began, nothing was written; to restart: metadisco evolve"
        assert ended.err.count(told) == 1 and len(ended.err.splitlines()) == 1, ended.err
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [TERM, INT])
@pytest.mark.parametrize("delay", [0.4, 0.8, 1.5, 3.0])
def test_while_a_command_imports_a_signal_ends_it_with_a_sentence(number, delay, evolve, folder, tmp_path):
    with Process(evolve(tmp_path / "run"), folder) as process:
        time.sleep(delay)
        process.send(number)
        code, out, err = process.finish()
    assert (code, out) == (0, ""), err
    assert "stopped before the search began" in err and len(err.splitlines()) == 1
    assert not (tmp_path / "run").exists()
