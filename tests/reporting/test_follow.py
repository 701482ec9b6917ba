"""A page that follows a run. Drawing is left out: what is tested is when the page is written, and what it says."""

import os
import platform
import subprocess
import sys

import pytest
from test_report import make_run

from metadisco import UserError
from metadisco.evolution.display import Display
from metadisco.reporting import follow as following
from metadisco.reporting.page import Request
from metadisco.reporting.state import State, state_of
from metadisco.storage.lock import LOCK_NAME

OUTER = {"outer": {"num_generations": 3}}


def row(generation):
    return {"generation": generation, "fitness_mean": 1.0, "centre_fitness": float(generation)}


def lock(run, process):
    (run.path / LOCK_NAME).write_text(f"process {process} on {platform.node()}\n")


@pytest.fixture(scope="module")
def dead():
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("metadisco.reporting.page._figures", lambda source, output, visit, say: ({}, []))
    return tmp_path


def test_a_run_is_going_while_its_process_lives(place, dead):
    run = make_run(place / "run", rows=[row(0)], **OUTER)
    assert state_of(run) == State(1, 3, False)
    lock(run, os.getpid())
    assert state_of(run) == State(1, 3, True) and str(state_of(run)).startswith("running, 1 of 3")
    lock(run, dead)
    assert state_of(run) == State(1, 3, False) and not state_of(run).finished
    (run.path / LOCK_NAME).write_text("process 1 on another-machine\n")
    assert state_of(run).going  # nothing here can tell


def test_a_page_follows_a_run_that_is_killed_and_goes_on(place, dead):
    run = make_run(place / "run", rows=[row(0)], **OUTER)
    lock(run, os.getpid())
    pages, page = [], place / "page.html"

    def killed():
        lock(run, dead)

    def continued():
        run.cut_metrics(0)  # back to the last checkpoint
        run.append_metrics(row(0))
        run.append_metrics(row(1))
        lock(run, os.getpid())

    def finished():
        run.append_metrics(row(2))
        (run.path / LOCK_NAME).unlink()

    events = iter([lambda: None, killed, continued, finished])

    def wait(seconds):
        pages.append(page.read_text())
        next(events)()

    following.follow("run", Request(page), Display(quiet=True).say, wait)
    states = ["Running, 1 of 3", "Running, 1 of 3", "Stopped, 1 of 3", "Running, 2 of 3", "Finished, 3"]
    for text, state in zip([*pages, page.read_text()], states, strict=True):
        assert state in text
    assert all("location.reload" in text for text in pages)
    assert "location.reload" not in page.read_text() and "written at" not in page.read_text()


def test_an_interrupt_leaves_a_page_that_stays(place):
    make_run(place / "run", rows=[row(0)], **OUTER)

    def wait(seconds):
        assert "location.reload" in (place / "page.html").read_text()
        raise KeyboardInterrupt

    following.follow("run", Request(place / "page.html"), wait=wait)
    assert "location.reload" not in (place / "page.html").read_text()


def test_a_page_that_exists_is_replaced_only_if_that_was_asked_for(place):
    make_run(place / "run", rows=[row(n) for n in range(3)], **OUTER)
    (place / "page.html").write_text("mine")
    with pytest.raises(UserError, match="exists already"):
        following.follow("run", Request(place / "page.html"))
    assert (place / "page.html").read_text() == "mine"
    following.follow("run", Request(place / "page.html", force=True))
    assert "Finished" in (place / "page.html").read_text()


def test_one_generation_cannot_be_followed(place):
    make_run(place / "run", **OUTER)
    with pytest.raises(UserError, match="watch: got 'run@0'"):
        following.follow("run@0", Request(place / "page.html"))


def test_no_agents_are_trained_while_the_run_goes_on(place, monkeypatch):
    run = make_run(place / "run", rows=[row(0), row(1)], **OUTER)
    visits = []
    monkeypatch.setattr(
        "metadisco.reporting.page._figures", lambda source, output, visit, say: visits.append(visit) or ({}, [])
    )
    following.follow("run", Request(place / "page.html"), wait=lambda seconds: run.append_metrics(row(2)))
    assert visits == [False, True]
