"""Two commands on one run directory: the second ends with one sentence, and the first does not notice."""

import signal
import time

import pytest
from processes import num_rows
from running import Launcher, assert_equal_in_every_bit, assert_one_sentence, files_of

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    launcher = Launcher(tmp_path_factory.mktemp("second"))
    yield launcher
    launcher.close()


def test_a_second_command_is_refused_at_once_and_writes_nothing(undisturbed, evolve, launcher, second, tmp_path):
    run = tmp_path / "run"
    running = launcher.start(evolve(run))
    assert running.wait_until(lambda: num_rows(run) >= 2)
    running.send(signal.SIGSTOP)  # so that the first command writes nothing now
    time.sleep(0.2)
    before = files_of(run)
    ended = second.run(evolve(run))
    assert_one_sentence(ended, 2, "is in use by another command", f"process {running.pid} on")
    assert len(ended.err.splitlines()) == 1
    assert files_of(run) == before
    running.send(signal.SIGCONT)
    assert running.finish().code == 0
    assert_equal_in_every_bit(run, undisturbed)
    assert second.run(evolve(run)).code == 0


def test_while_the_first_still_compiles(undisturbed, evolve, launcher, second, tmp_path):
    run = tmp_path / "run"
    running = launcher.start(evolve(run))
    assert running.wait_until((run / "lock").exists)
    assert_one_sentence(second.run(evolve(run)), 2, "is in use by another command")
    assert running.finish().code == 0
    assert_equal_in_every_bit(run, undisturbed)


def test_of_two_that_start_in_the_same_moment_one_runs(undisturbed, evolve, launcher, second, tmp_path):
    for number in range(3):
        run = tmp_path / str(number)
        commands = [one.start(evolve(run)) for one in (launcher, second)]
        ended = [each.finish() for each in commands]
        assert sorted(each.code for each in ended) == [0, 2], [each.err for each in ended]
        assert_one_sentence(max(ended, key=lambda each: each.code), 2, "is in use by another command")
        assert_equal_in_every_bit(run, undisturbed)


def test_a_command_that_is_killed_leaves_no_lock(undisturbed, evolve, launcher, second, tmp_path):
    run = tmp_path / "run"
    running = launcher.start(evolve(run))
    assert running.wait_until(lambda: num_rows(run) >= 2)
    running.send(signal.SIGKILL)
    running.finish()
    assert (run / "lock").exists()
    assert second.run(evolve(run)).code == 0
    assert not (run / "lock").exists()
    assert_equal_in_every_bit(run, undisturbed)
