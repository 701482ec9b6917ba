"""Artefacts of objectives of every kind, made by the command line."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from exported import make_run, original

from metadisco import load_objective
from metadisco.cli import main
from metadisco.types import Objective

CLOSED = {
    "ppo": {},
    "dpo": {"alpha": 1.5, "value_clip_eps": None},
    "kl": {"coef": 0.3},
}
FORMS = {
    "format": "metadisco distilled forms",
    "version": 1,
    "source": "runs/somewhere",
    "trained_on": ["gymnax/CartPole-v1"],
    "constants": {"clip_eps": 0.1, "value_clip_eps": None},
    "policy": {
        "closest": "plain",
        "forms": {
            "plain": {"expression": ["square", "log_ratio"]},
            "timed": {"expression": ["multiply", ["absolute", "A"], ["multiply", "progress", ["excess", "log_ratio"]]]},
        },
    },
    "value": {"closest": "plain", "forms": {"plain": {"expression": ["log_cosh", "error"]}}},
}
LEARNED = ("value_loss_of_all_inputs", "time_aware_lpo", "both")
CASES = (*LEARNED, *(f"closed {name}" for name in CLOSED), "forms", "forms@timed")
FIELDS = {
    "log_ratio": [-3.0, -0.4, -0.1, 0.0, 0.05, 0.6, 4.0],
    "advantage": [1.0, -2.0, 0.3, 1.5, -0.7, 2.5, -1.0],
    "value": [0.5, -3.0, 12.0, 1.0, 0.0, 0.2, -0.1],
    "old_value": [0.1, -3.3, 11.0, 1.1, 0.0, 0.9, 0.3],
    "target": [0.9, -2.0, 14.0, 1.2, 0.0, -0.4, -0.2],
    "progress": 0.37,
}


class Case(NamedTuple):
    """An objective and its artefacts."""

    words: list[str]
    """Its name on the command line."""
    objective: Objective
    """The objective before export."""
    folder: Path
    archive: Path

    def read(self):
        """Return artefact.json."""
        return json.loads((self.folder / "artefact.json").read_text(encoding="utf-8"))


def export(words, path):
    assert main(["export", *words, "--to", "artefact", "--output", str(path), "--quiet"]) == 0
    return path


def make_case(name, path):
    if name in LEARNED:
        words = [make_run(path / "run", name)]
        objective = load_objective(words[0])
    elif name.startswith("closed"):
        closed = name.removeprefix("closed ")
        words = [closed, *(f"objective.{key}={json.dumps(value)}" for key, value in CLOSED[closed].items())]
        objective = load_objective(closed, **CLOSED[closed])
    else:
        (path / "forms.json").write_text(json.dumps(FORMS))
        words = [str(path / "forms.json") + name.removeprefix("forms")]
        objective = load_objective(words[0])
    return Case(words, objective, export(words, path / "folder"), export(words, path / "file.zip"))


def results(objective):
    """Return losses and gradients for a few samples."""
    return original(objective, {name: np.asarray(x, np.float32) for name, x in FIELDS.items()})


def assert_bit_equal(objective, other):
    for one, two in zip(results(objective), results(other), strict=True):
        assert one.dtype == two.dtype == np.float32
        assert one.tobytes() == two.tobytes()
