"""The tables of pilots in the pages of `experiments` say what the files beside them say."""

import json
import re
from pathlib import Path

import pytest

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
FILES = sorted(EXPERIMENTS.glob("*/pilots*.json"))


def tables(page):
    """Return the rows of each table of pilots: generations, score, and the gain with its interval, as written."""
    found = []
    for block in re.findall(r"^\| pilot \|.*\n((?:\|.*\n)+)", page, re.MULTILINE):
        rows = [line.strip().strip("|").split("|")[-3:] for line in block.splitlines()[1:]]
        found.append([re.findall(r"-?\d+(?:\.\d+)?", " ".join(row).replace("−", "-")) for row in rows])
    return found


def as_written(written, values):
    """Whether numbers are those that are written, rounded to as many digits."""
    return all(f"{value:.{len(text.partition('.')[2])}f}" == text for text, value in zip(written, values, strict=True))


def test_every_experiment_with_pilots_has_a_table_of_each():
    assert len(FILES) == sum(len(tables(path.read_text())) for path in EXPERIMENTS.glob("*/README.md")) > 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_table_has_the_numbers_of_the_file(path):
    found = [
        (each["generations"], each["score"], *each["gain"]) for each in json.loads(path.read_text())["found"].values()
    ]
    page = tables(path.with_name("README.md").read_text())
    (rows,) = [rows for rows in page if all(any(as_written(row, values) for row in rows) for values in found)]
    assert len(rows) == len(found)
