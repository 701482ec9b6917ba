"""A metrics file that is truncated, corrupt, or lacks rows is repaired, or the loss is reported."""

import json
import random
import shutil

import pytest
from processes import centres_of, rows_of
from running import newest_state

from metadisco.cli import main

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("toy_problem")]

CHECKPOINT = 26  # to which the runs of these tests are set back


@pytest.fixture
def run(undisturbed, tmp_path):
    """A run that goes on from before its end."""
    shutil.copytree(undisturbed, tmp_path / "run")
    for number in (28, 30):
        shutil.rmtree(tmp_path / "run" / "checkpoints" / str(number))
    return tmp_path / "run"


def damage(run, change):
    path = run / "metrics.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(change(lines)))


def garbage(count):
    return bytes(random.Random(7).randrange(256) for _ in range(count)).replace(b"\n", b" ") + b"\n"


HEALED = {
    "as it was": lambda lines: lines,
    "last line torn": lambda lines: [*lines[:28], lines[28][:40]],
    "last line torn within a character": lambda lines: [*lines[:28], '{"generation": 28, "é'.encode()[:-1]],
    "no line end": lambda lines: [*lines[:29], lines[29].rstrip()],
    "rows after the checkpoint missing": lambda lines: lines[:27],
    "garbage in the middle": lambda lines: [*lines[:9], garbage(300), *lines[9:]],
    "zeros at the end, as after a power cut": lambda lines: [*lines[:28], b"\0" * 4096],
    "garbage at the end": lambda lines: [*lines, garbage(100)],
    "rows that are no rows": lambda lines: [b"[]\n", b'"generation"\n', b'{"generation": -4}\n', b"{}\n", *lines],
    "rows twice": lambda lines: [*lines[:12], *lines[5:]],
    "rows in another order": lambda lines: lines[::-1],
}


@pytest.mark.parametrize("how", HEALED)
def test_what_can_be_healed_is(how, run, undisturbed, evolve, capfd):
    damage(run, HEALED[how])
    assert main(evolve(run)) == 0
    err = capfd.readouterr().err
    assert "lost" not in err and "Traceback" not in err
    assert rows_of(run) == rows_of(undisturbed)
    assert centres_of(run) == centres_of(undisturbed)
    assert newest_state(run) == newest_state(undisturbed)


LOST = {
    "the file": (lambda lines: [], "0 to 25"),
    "the first rows": (lambda lines: lines[3:], "0 to 2"),
    "rows in the middle": (lambda lines: [*lines[:7], *lines[8:12], *lines[15:]], "7, 12 to 14"),
    "a row of which garbage is left": (lambda lines: [*lines[:20], garbage(50), *lines[21:]], "20"),
}


@pytest.mark.parametrize("what", LOST)
def test_what_is_lost_is_said_and_the_rest_goes_on(what, run, undisturbed, evolve, capfd):
    change, told = LOST[what]
    damage(run, change)
    assert main(evolve(run)) == 0
    assert f"metrics.jsonl has lost the rows of generations {told}\n" in capfd.readouterr().err
    expected = {row["generation"]: row for row in rows_of(undisturbed)}
    rows = rows_of(run)
    assert all(row == expected[row["generation"]] for row in rows)
    assert {row["generation"] for row in rows} >= set(range(CHECKPOINT, 30))
    assert newest_state(run) == newest_state(undisturbed)


@pytest.mark.parametrize("name", ["provenance.json", "config.yaml"])
def test_other_files_that_are_damaged_are_named_in_one_sentence(name, run, evolve, capfd):
    (run / name).write_bytes(garbage(200))
    assert main(evolve(run)) == 2
    err = capfd.readouterr().err
    assert name in err and len(err.splitlines()) == 1, err


def test_metrics_that_cannot_be_read_are_one_sentence(run, evolve, capfd):
    (run / "metrics.jsonl").unlink()
    (run / "metrics.jsonl").mkdir()
    assert main(evolve(run)) in (1, 2)
    lines = capfd.readouterr().err.splitlines()
    assert lines[-1].startswith("metadisco: ") and "metrics.jsonl" in lines[-1]
    assert json.loads((run / "provenance.json").read_text())
