"""`metadisco evolve --distributed`: processes that are started separately, as on several machines."""

import os
import signal
import time
from collections.abc import Callable

import pytest
from conftest import THREE_DEVICES
from processes import Process, assert_same_run, num_rows

pytestmark = pytest.mark.distributed

BOUND = 60  # seconds within which the others end
ENDLESS = "outer.num_generations=100000"

Start = Callable[..., Process]


def place(address: str, number: int, count: int) -> list[str]:
    words = ["--distributed", "--coordinator", address, "--num-processes", str(count), "--process-id", str(number)]
    return [*words, "--join-timeout", "120"]


def test_hosts_need_no_common_file_system_and_give_the_bits_of_one_process(alone, start, address, tmp_path):
    """The others look for the run elsewhere, where nothing is before and after; it is continued once."""
    runs = [tmp_path / "run", tmp_path / "second", tmp_path / "third"]
    for generations in (5, 12):
        words = [THREE_DEVICES, f"outer.num_generations={generations}"]
        started = [start(*words, "--run", str(run), *place(address, i, 3)) for i, run in enumerate(runs)]
        ended = [process.finish() for process in started]
        assert [code for code, _, _ in ended] == [0, 0, 0], ended
        assert all((out, err) == ("", "") for _, out, err in ended[1:])
        assert f"done: {generations} generations" in ended[0][2]
    assert not runs[1].exists()
    assert not runs[2].exists()
    assert_same_run(runs[0], alone)


@pytest.fixture
def slurm(address, monkeypatch) -> Callable[[int], None]:
    """Return a function that sets what SLURM sets for a process of two."""
    facts = {"JOB_ID": "4711", "STEP_NODELIST": "localhost", "NTASKS": "2", "LOCALID": "0", "STEP_NUM_NODES": "2"}
    for name, value in facts.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.setenv("JAX_COORDINATOR_PORT", address.rpartition(":")[2])
    return lambda number: monkeypatch.setenv("SLURM_PROCID", str(number))


@pytest.fixture
def variables(address, monkeypatch) -> Callable[[int], None]:
    """Return a function that sets our own variables for a process of two."""
    monkeypatch.setenv("JAX_COORDINATOR_ADDRESS", address)
    monkeypatch.setenv("JAX_NUM_PROCESSES", "2")
    return lambda number: monkeypatch.setenv("JAX_PROCESS_ID", str(number))


@pytest.mark.parametrize("who", ["slurm", "variables"])
def test_the_environment_says_the_place_as_well(who, start, request, tmp_path):
    set_place = request.getfixturevalue(who)
    started = []
    for number in range(2):
        set_place(number)
        words = ["outer.num_devices=2", "outer.num_generations=1", "--run", str(tmp_path / "run")]
        started.append(start(*words, "--distributed"))
    ended = [process.finish() for process in started]
    assert [code for code, _, _ in ended] == [0, 0], ended
    assert num_rows(tmp_path / "run") == 1


def test_what_the_first_process_refuses_all_refuse(start, slurm, tmp_path):
    """With SLURM it knows that it is the first one, and looks at the directory, after all have joined."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "other.txt").write_text("")
    started = []
    for number in range(2):
        slurm(number)
        started.append(start("outer.num_devices=2", "--run", str(tmp_path / "run"), "--distributed"))
    for process in started:
        code, _, err = process.finish()
        assert code == 2, err
        assert err.count("\n") == 1
        assert "is not empty and holds no config.yaml" in err


@pytest.mark.parametrize("victim", [0, 1, 2], ids=["first", "middle", "last"])
def test_when_one_is_killed_the_others_say_which_and_end(victim, start, address, tmp_path):
    run = tmp_path / "run"
    words = [THREE_DEVICES, ENDLESS, "--run", str(run)]
    started = [start(*words, *place(address, number, 3)) for number in range(3)]
    started[0].wait_until(lambda: num_rows(run) >= 3)
    killed = time.monotonic()
    os.kill(started[victim].members[0], signal.SIGKILL)
    ended = [process.finish() for process in started]
    assert time.monotonic() - killed < BOUND
    for number, (code, out, err) in enumerate(ended):
        assert (code, out) == (1, "")
        assert "Traceback" not in err
        assert "stack trace" not in err
        how = " was ended by SIGKILL" if number == victim else " has ended or no longer responds"
        leads = ", which coordinates the others," if victim == 0 and number != victim else ""
        assert f"metadisco: process {victim} of 3{leads}{how}" in err
        assert f"--process-id {number}" in err.rpartition("to continue from the last checkpoint: ")[2]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("seed=5", "seed: got 0 in process 0 and 5 in process 1, allowed: the same in all processes"),
        ("outer.num_devices=4", "outer.num_devices: got 2 in process 0 and 4 in process 1, allowed: the same"),
    ],
)
def test_configurations_that_differ_are_refused_by_all(words, told, start, address, tmp_path):
    words = [["outer.num_devices=2"], ["outer.num_devices=2", words]]
    started = [start(*words[i], "--run", str(tmp_path / "run"), *place(address, i, 2)) for i in range(2)]
    for process in started:
        code, out, err = process.finish()
        assert (code, out) == (2, ""), err
        assert err.startswith(f"metadisco: {told}")
        assert err.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (1, "--coordinator: got {address}, where process 0 did not answer within 3 s"),
        (0, "--num-processes: got 2, but not all of them joined within 3 s"),
    ],
)
def test_nobody_waits_for_ever(number, told, start, address, tmp_path):
    begun = time.monotonic()
    words = [*place(address, number, 2)[:-1], "3"]
    code, out, err = start(*words, "--run", str(tmp_path / "run")).finish()
    assert time.monotonic() - begun < BOUND
    assert (code, out) == (2, "")
    assert err == f"metadisco: {told.format(address=address)} (--join-timeout)\n"


def test_a_population_that_does_not_divide_is_refused_by_all(start, address, tmp_path):
    words = ["outer.num_devices=10"]
    started = [start(*words, "--run", str(tmp_path / "run"), *place(address, i, 2)) for i in range(2)]
    for process in started:
        code, _, err = process.finish()
        assert code == 2, err
        assert "not divisible by 10 devices of 2 processes; allowed: 10 or 20" in err
        assert err.count("\n") == 1


def test_where_jax_does_not_start_one_sentence_says_so(start, address, monkeypatch, tmp_path):
    monkeypatch.setenv("JAX_PLATFORMS", "abacus")
    started = [start("--run", str(tmp_path / "run"), *place(address, number, 2)) for number in range(2)]
    for code, out, err in [process.finish() for process in started]:
        assert (code, out) == (2, "")
        assert err.startswith("metadisco: JAX does not start: ")
        assert err.count("\n") == 1
    assert not (tmp_path / "run").exists()
