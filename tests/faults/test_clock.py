"""Setting back the wall clock during a run has no effect on it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import num_rows
from running import Launcher, assert_equal_in_every_bit

pytestmark = pytest.mark.faults

WRONG_CLOCK = Path(__file__).with_name("wrong_clock")


@pytest.fixture(scope="module")
def late(tmp_path_factory):
    """A launcher under whose commands the clock goes back; its own python path stays behind the clock's."""
    path = os.pathsep.join([str(WRONG_CLOCK), *filter(None, [os.environ.get("PYTHONPATH")])])
    launcher = Launcher(tmp_path_factory.mktemp("late"), PYTHONPATH=path)
    yield launcher
    launcher.close()


def test_the_clock_of_these_tests_does_go_back():
    code = "import time; a = time.time(); time.sleep(1.2); print(time.time() - a)"
    variables = os.environ | {"PYTHONPATH": str(WRONG_CLOCK)}
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True)
    assert float(done.stdout) < -3600


@pytest.mark.parametrize("limit", [[], ["--max-hours", "1"]])
def test_numbers_durations_and_the_limit_do_not_depend_on_the_wall_clock(limit, late, undisturbed, evolve, tmp_path):
    run = tmp_path / "run"
    words = evolve(run, *limit, "logging.tensorboard=true")
    running = late.start(words)
    assert running.wait_until(lambda: num_rows(run) >= 5)
    running.send(signal.SIGTERM)
    ended = running.finish()
    assert ended.code == 0 and "stopped after" in ended.err and "Traceback" not in ended.err, ended.err
    ended = late.run(words)
    assert ended.code == 0 and "done: 30 generations" in ended.err and "Traceback" not in ended.err, ended.err
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert all(0 < row["seconds"] < 60 for row in rows)
    assert_equal_in_every_bit(run, undisturbed)
