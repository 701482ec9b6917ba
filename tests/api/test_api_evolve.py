"""A search from Python: the numbers of the command, and how it is stopped where there is no command."""

import asyncio
import os
import re
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from processes import assert_same_run, num_rows
from tiny import tiny_config

import metadisco
from metadisco.cli import main
from metadisco.evolution.display import Display

FOR_EVER = 1_000_000


@pytest.fixture
def config():
    return tiny_config(num_generations=2, num_devices=2)


def test_the_numbers_are_those_of_the_command(folder, tmp_path):
    command = ["evolve", "demo.yaml", "outer.num_generations=8", "--run", str(tmp_path / "run"), "--quiet"]
    assert main(command) == 0
    assert_same_run(tmp_path / "run", folder / "runs" / "first")


@pytest.mark.slow
def test_the_command_goes_on_with_a_run_from_python_and_python_with_that(folder, config, tmp_path):
    metadisco.evolve(config, tmp_path / "run", progress=False)
    command = ["evolve", "demo.yaml", "outer.num_generations=4", "--run", str(tmp_path / "run"), "--quiet"]
    assert main(command) == 0
    run = metadisco.evolve(
        metadisco.Run(tmp_path / "run").config, tmp_path / "run", overrides={"outer.num_generations": 8}, progress=False
    )
    assert_same_run(run.path, folder / "runs" / "first")


def test_progress_is_shown_on_stderr(folder, config, tmp_path, capsys):
    metadisco.evolve(config, tmp_path / "run")
    out, err = capsys.readouterr()
    assert out == ""
    assert "generation 2/2" in err


def test_a_mapping_is_left_as_it_is_and_may_hold_tuples_and_numbers_of_numpy(folder, config, tmp_path, capsys):
    config["parametrisation"]["hidden_sizes"] = (np.int64(8),)
    run = metadisco.evolve(config, tmp_path / "run", overrides={"seed": np.int32(3)}, progress=False)
    assert config["parametrisation"]["hidden_sizes"] == (np.int64(8),)
    assert "seed" not in config
    assert (run.config.seed, run.config.parametrisation["hidden_sizes"]) == (3, [8])
    assert capsys.readouterr() == ("", "")


def test_a_notebook_without_widgets_gets_plain_lines(monkeypatch, capsys):
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    progress = Display().counting("cell")
    progress(0, 2, "")
    progress(1, 2, "facts")
    assert re.fullmatch(r"\S+  cell 1/2  elapsed \S+  left \S+  facts\n", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"overrides": {"inner.ppo.gama": 1}}, "did you mean 'gamma'"),
        ({"overrides": ["outer.num_generations=8"]}, "settings by dotted key"),
        ({"max_hours": 0}, "a positive number of hours"),
        ({"config": "nowhere.yaml"}, "nowhere.yaml"),
        ({"run": "runs/first", "overrides": {"seed": 4}}, "seed is 0 there and 4 here"),
    ],
)
def test_what_the_command_refuses_is_a_user_error(given, told, folder):
    with pytest.raises(metadisco.UserError, match=told.replace(".", r"\.")):
        metadisco.evolve(**{"config": "demo.yaml", "run": "new", "progress": False, **given})
    assert not Path("new").exists()


def interrupt_once_there_are(rows: int, run: Path) -> threading.Thread:
    """Send a SIGINT, as a kernel is, when a run has so many rows."""

    def wait() -> None:
        while num_rows(run) < rows:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_an_interrupted_kernel_stops_after_the_current_generation_and_saves(folder, config, tmp_path, capsys):
    before = signal.getsignal(signal.SIGINT)
    thread = interrupt_once_there_are(3, tmp_path / "run")
    run = metadisco.evolve(config, tmp_path / "run", overrides={"outer.num_generations": FOR_EVER})
    thread.join()
    done = len(run.metrics)
    assert 3 <= done < FOR_EVER
    assert run.generations[-1] == done
    assert signal.getsignal(signal.SIGINT) is before
    err = capsys.readouterr().err
    assert "interrupted: finishing the current generation" in err
    assert f"stopped after generation {done}" in err
    assert "to continue: the same call again" in err


@pytest.mark.slow
def test_setting_the_event_stops_a_search_in_a_thread_which_can_be_continued(folder, config, tmp_path, capsys):
    stop, found = threading.Event(), []
    many = {"overrides": {"outer.num_generations": FOR_EVER}, "stop": stop}
    thread = threading.Thread(target=lambda: found.append(metadisco.evolve(config, tmp_path / "run", **many)))
    thread.start()
    while num_rows(tmp_path / "run") < 3:
        time.sleep(0.01)
    stop.set()
    thread.join()
    (run,) = found
    done = run.generations[-1]
    assert 3 <= done == len(run.metrics) < FOR_EVER
    assert f"stopped after generation {done}" in capsys.readouterr().err
    stop.clear()
    more = {"overrides": {"outer.num_generations": done + 1}, "stop": stop, "progress": False}
    assert metadisco.evolve(config, run, **more).generations[-1] == done + 1


def test_an_interrupt_before_the_search_raises_and_nothing_is_there(folder, config, tmp_path, monkeypatch):
    monkeypatch.setattr("metadisco.problems.make_problem", lambda config: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        metadisco.evolve(config, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_it_works_in_a_thread_and_inside_a_running_event_loop(folder, config, tmp_path):
    found = {}

    async def cell() -> None:
        found["loop"] = metadisco.evolve(config, tmp_path / "loop", progress=False)
        found["thread"] = await asyncio.to_thread(metadisco.evolve, config, tmp_path / "thread", progress=False)

    asyncio.run(cell())
    assert_same_run(found["loop"].path, found["thread"].path)
    assert found["thread"].generations == [0, 2]
