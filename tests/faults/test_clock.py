"""A wall clock that is set back while a run goes on changes nothing in it."""

import json
import sys
from pathlib import Path

import pytest
from lives import assert_equal_in_every_bit
from processes import Process, num_rows

pytestmark = pytest.mark.faults

WRONG_CLOCK = Path(__file__).with_name("wrong_clock")


@pytest.fixture
def clock_goes_back(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(WRONG_CLOCK), prepend=":")


def test_the_clock_of_these_tests_does_go_back(clock_goes_back):
    import subprocess

    code = "import time; a = time.time(); time.sleep(1.2); print(time.time() - a)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < -3600


@pytest.mark.parametrize("limit", [[], ["--max-hours", "1"]])
def test_numbers_durations_and_the_limit_do_not_depend_on_the_wall_clock(
    limit, clock_goes_back, undisturbed, evolve, folder, tmp_path
):
    run = tmp_path / "run"
    words = evolve(run, *limit, "logging.tensorboard=true")
    with Process(words, folder) as process:
        process.wait_until(lambda: num_rows(run) >= 5)
        process.send(15)
        code, _, err = process.finish()
    assert code == 0 and "Traceback" not in err, err
    with Process(words, folder) as process:
        code, _, err = process.finish()
    assert code == 0 and "done: 30 generations" in err and "Traceback" not in err, err
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert all(0 < row["seconds"] < 60 for row in rows)
    assert_equal_in_every_bit(run, undisturbed)
