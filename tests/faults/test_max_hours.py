"""--max-hours: a timely stop, measured from the start of the command, and how to resume."""

import re
import shlex
import time

import pytest
from processes import num_rows
from running import assert_equal_in_every_bit, assert_one_sentence

from metadisco.evolution.deadline import EXIT_SECONDS

pytestmark = pytest.mark.faults


def seconds_of(command, launcher):
    """Run a command; return its duration, exit code and output."""
    started = time.monotonic()
    ended = launcher.run(command)
    return time.monotonic() - started, ended.code, ended.err


def test_a_run_ends_before_its_time_is_over_and_goes_on_with_the_printed_command(evolve, launcher, tmp_path):
    """Over and over, each time with the same limit, until it is done; at least twice."""
    words = ["outer.num_generations=2000", "outer.checkpoint_every=500"]
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert seconds_of(evolve(whole, *words), launcher)[1] == 0
    start = seconds_of(evolve(tmp_path / "short", "outer.num_generations=2"), launcher)[0]
    seconds, stops, done = 2.5 * start + EXIT_SECONDS + 5, 0, 0
    command = evolve(run, *words, "--max-hours", f"{seconds / 3600:.5f}")
    while done < 2000:
        spent, code, err = seconds_of(command, launcher)
        assert spent < seconds, err
        assert code == 0, err
        assert num_rows(run) > done
        done = num_rows(run)
        if done < 2000:
            message = re.search(
                rf"stopped after generation {done} of 2000, as the next one would not fit into (\S+) hours; "
                r"to continue: metadisco (.*)",
                err,
            )
            assert message is not None, err
            assert f"--max-hours {message[1]}" in message[2]
            command = shlex.split(message[2])
            stops += 1
    assert stops >= 1
    assert_equal_in_every_bit(run, whole)


def test_where_no_generation_fits_that_is_said_and_nothing_is_written(evolve, launcher, tmp_path):
    ended = launcher.run(evolve(tmp_path / "run", "--max-hours", "0.0005"))
    assert_one_sentence(ended, 2, "--max-hours: got 0.0005 (2 s)", "not even one generation fits")
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_done_does_not_mind_a_limit(undisturbed, evolve, launcher):
    ended = launcher.run(evolve(undisturbed, "--max-hours", "0.0001"))
    assert ended.code == 0 and "done: 30 generations" in ended.err
