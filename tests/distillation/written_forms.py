"""Valid and modified files of distilled forms."""

import numpy as np

GAP = ["subtract", "r", 1]
DRIFTS = {"quadratic": ["square", GAP], "strong": ["multiply", 3, ["square", GAP]], "both": ["square", "log_ratio"]}
LOSSES = {"square": ["square", "error"], "both": ["absolute", "error"]}


def part(forms, closest):
    return {"closest": closest, "forms": {name: {"expression": form} for name, form in forms.items()}, "rejected": {}}


def content(**changes):
    """Return the contents of a valid file of forms, of a drift by default."""
    sound = {
        "format": "metadisco distilled forms",
        "version": 1,
        "source": "runs/somewhere",
        "trained_on": ["brax/ant:spring", "gymnax/CartPole-v1"],
        "constants": {"clip_eps": 0.1, "value_clip_eps": None},
        "policy": part(DRIFTS, "quadratic"),
    }
    return {key: value for key, value in {**sound, **changes}.items() if value != "left out"}


def ratio_gap(sample):
    return np.exp(sample.log_ratio) - 1
