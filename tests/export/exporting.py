"""The command `metadisco export`, and inputs for its tests."""

import json

from metadisco.cli import main

FORMS = {
    "format": "metadisco distilled forms",
    "version": 1,
    "source": "runs/somewhere",
    "trained_on": ["gymnax/Acrobot-v1"],
    "constants": {"clip_eps": 0.1, "value_clip_eps": None},
    "value": {"closest": "plain", "forms": {"plain": {"expression": ["log_cosh", "error"]}}},
}


def export(name, target, output, *words):
    assert main(["export", name, *words, "--to", target, "--output", str(output), "--quiet"]) == 0


def said(path):
    return json.loads((path / "artefact.json").read_text())


def tree(place):
    return {path: path.read_bytes() if path.is_file() else None for path in place.rglob("*")}
