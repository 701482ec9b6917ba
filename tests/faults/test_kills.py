"""A run that is killed fifty times, at every stage, ends with the numbers of one that was not."""

import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from processes import Process, num_rows, num_starts
from running import Launcher, RunningCommand, assert_equal_in_every_bit, files_of

pytestmark = pytest.mark.faults

NUM_KILLS = 60
NUM_GENERATIONS = 300
LONGER = f"outer.num_generations={NUM_GENERATIONS}"


@pytest.fixture(scope="module")
def never_killed(tmp_path_factory, config_path, launcher) -> Path:
    run = tmp_path_factory.mktemp("runs") / "never_killed"
    ended = launcher.run(["evolve", str(config_path), LONGER, "--run", str(run), "--quiet"])
    assert (ended.code, ended.err) == (0, "")
    return run


@pytest.fixture(scope="module")
def startup(never_killed, evolve, launcher, tmp_path_factory) -> float:
    """Seconds from the start of a command to its first generation, over which kills are spread."""
    run = tmp_path_factory.mktemp("startup") / "run"
    started = time.monotonic()
    running = launcher.start(evolve(run, LONGER))
    assert running.wait_until(lambda: num_starts(run) == 1)
    seconds = time.monotonic() - started
    running.send(signal.SIGKILL)
    running.finish()
    return seconds


def is_writing_a_checkpoint(run: Path) -> bool:
    return any(not path.name.isdecimal() for path in (run / "checkpoints").glob("*"))


def wait_for_stage(stage: str, running: RunningCommand, run: Path, startup: float, delays: random.Random) -> bool:
    """Wait for a moment in a stage of a command; return whether it came."""
    starts, enough = num_starts(run), num_rows(run) + delays.randrange(1, 3)
    moment = delays.random()
    waits = {
        "start": (lambda: True, startup),
        "any": (lambda: True, 1.2 * startup),
        "search": (lambda: num_starts(run) > starts, 0.6 * startup),
        "row": (lambda: num_starts(run) > starts and num_rows(run) >= enough, 0.02 * startup),
        "checkpoint": (
            lambda: num_starts(run) > starts and num_rows(run) >= enough and is_writing_a_checkpoint(run),
            0.02 * startup,
        ),
    }
    condition, seconds = waits[stage]
    came = running.wait_until(condition, pause=0.001 if stage == "checkpoint" else 0.005)
    until = time.monotonic() + moment * seconds
    return came and running.wait_until(lambda: time.monotonic() > until, pause=0.001)


def test_a_run_that_is_killed_at_every_stage_gives_the_same_numbers(
    never_killed, startup, evolve, launcher: Launcher, tmp_path
):
    run = tmp_path / "killed"
    delays = random.Random(20261127)
    killed: Counter[str] = Counter()
    left: Counter[str] = Counter()
    rows = []
    while sum(killed.values()) < NUM_KILLS:
        stage = ("start", "search", "row", "checkpoint", "any")[sum(killed.values()) % 5]
        running = launcher.start(evolve(run, LONGER))
        came = wait_for_stage(stage, running, run, startup, delays)
        running.send(signal.SIGKILL)
        ended = running.finish()
        assert came and ended.code == -signal.SIGKILL, (stage, num_rows(run), ended.err)
        assert "damaged" not in ended.err and "Traceback" not in ended.err, ended.err
        killed[stage] += 1
        left["a checkpoint half written"] += is_writing_a_checkpoint(run)
        left["no row"] += num_rows(run) == (rows[-1] if rows else 0)
        rows.append(num_rows(run))
    print(f"kills {dict(killed)}, left behind {dict(left)}, rows {rows}")
    assert left["a checkpoint half written"] >= NUM_KILLS // 10
    assert rows[-1] < NUM_GENERATIONS
    ended = launcher.run(evolve(run, LONGER))
    assert ended.code == 0 and f"done: {NUM_GENERATIONS} generations" in ended.err, ended.err
    assert_equal_in_every_bit(run, never_killed)
    before = files_of(run)
    ended = launcher.run(evolve(run, LONGER))
    assert ended.code == 0 and "damaged" not in ended.err
    assert files_of(run) == before
    assert not list(run.rglob("*tmp*")) and not (run / "lock").exists()


@pytest.mark.parametrize("delay", [0.05, 0.2, 0.5, 1.0, 1.5])
def test_a_command_killed_while_it_imports_leaves_nothing_that_disturbs(
    delay, undisturbed, evolve, launcher, folder, tmp_path
):
    run = tmp_path / "run"
    with Process(evolve(run), folder) as process:
        time.sleep(delay)
        process.send(signal.SIGKILL)
        process.finish()
    assert {path.name for path in run.glob("*")} <= {"lock"}
    ended = launcher.run(evolve(run))
    assert ended.code == 0, ended.err
    assert_equal_in_every_bit(run, undisturbed)
