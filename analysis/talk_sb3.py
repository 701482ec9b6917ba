"""Learners from another library: PPO of Stable-Baselines3 that sees exported messages."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rounding import rounded
from steps import say
from summary import markdown_table

from metadisco import Run, write_source
from metadisco.discoveries.sources import find_discovery
from metadisco.errors import UserError
from metadisco.evaluation.statistics import Estimate, half_width, paired_difference
from metadisco.storage.files import write_atomically

EXAMPLE = Path(__file__).parents[1] / "examples" / "cheap_talk_sb3.py"
ZEROS = "zeros"
SETTINGS = {"evolved": "as in the search", "defaults": "Stable-Baselines3's defaults"}
NUM_SEEDS, NUM_STEPS = 10, 16_384
QUICK_SEEDS, QUICK_STEPS = 2, 1024


def table_of_sb3(messages: Mapping[str, Run], folder: Path, python: str, quick: bool) -> str:
    """Return a table of learners of Stable-Baselines3; empty where that is not installed and nothing was kept.

    Args:
        messages: runs by the names of their exported files.
        folder: for exported files, and for scores, which are kept.
        python: an interpreter that has Stable-Baselines3.
        quick: whether to train briefly.

    Raises:
        UserError: if the trainings fail.
    """
    settings = [QUICK_SEEDS, QUICK_STEPS] if quick else [NUM_SEEDS, NUM_STEPS]
    asked = {
        "messages": {name: find_discovery(str(run)).sha256 for name, run in messages.items()},
        "settings": settings,
    }
    kept = folder / "results.json"
    found = json.loads(kept.read_text()) if kept.is_file() else {}
    if {key: found.get(key) for key in asked} != asked:
        if not _has_sb3(python):
            say(f"{python} has no Stable-Baselines3: its learners are left out")
            return ""
        found = {**asked, "scores": _train(messages, folder, python, *settings)}
        write_atomically(kept, json.dumps(found) + "\n")
    return _table(found["scores"])


def _has_sb3(python: str) -> bool:
    return subprocess.run([python, "-c", "import stable_baselines3"], capture_output=True, check=False).returncode == 0


def _train(messages: Mapping[str, Run], folder: Path, python: str, num_seeds: int, num_steps: int) -> Any:
    """Export messages, train learners with them; return area and final return of each seed by settings and message."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [write_source(run, "numpy", folder / f"{name}.py", force=True) for name, run in messages.items()]
    scores = folder / "scores.json"
    words = [python, EXAMPLE, *files, "--seeds", num_seeds, "--steps", num_steps, "--output", scores]
    done = subprocess.run([str(word) for word in words], stdout=sys.stderr, check=False)
    if done.returncode:
        raise UserError(f"{EXAMPLE.name} ended with exit code {done.returncode}")
    return json.loads(scores.read_text())


def _table(scores: Mapping[str, Mapping[str, Sequence[Any]]]) -> str:
    lines = []
    for settings, by_name in scores.items():
        zeros = np.asarray(by_name[ZEROS])
        for name, own in by_name.items():
            columns = []
            for ours, theirs in zip(np.asarray(own).T, zeros.T, strict=True):
                half, middle = half_width(ours), float(ours.mean())
                difference = None if name == ZEROS else paired_difference(ours, theirs)
                columns += [rounded(Estimate(middle, middle - half, middle + half)), rounded(difference, signed=True)]
            lines.append([SETTINGS[settings], name, *columns])
    return markdown_table(["settings", "message", "area", "minus zeros", "final return", "minus zeros"], lines)
