"""Figures of matplotlib in a page, and sentences that explain them."""

import base64
import struct
from pathlib import Path
from typing import NamedTuple

CROSS_TABLE = "cross_table"
LEADING = ("drift_slices", "value_loss", "schedule", "run")
"""Figures of an objective that show first what was found, the best first."""
CAPTIONS = {
    "run": "The search: fitness of its centre with a 95 % interval and of the population, and what the strategy did.",
    "drift": "The gradient of the surrogate with respect to the ratio r in units of |A|, and below it the drift, "
    "beside those of PPO and DPO. A dotted line encloses 99 % of the samples in minibatches, over r and A jointly.",
    "drift_slices": "The gradient of the surrogate with respect to r at six advantages, in units of |A|: above 0 "
    "an action becomes more likely, at 0 a sample changes nothing. On grey are ratios of only 1 % of the samples "
    "at this advantage.",
    "drift_over_life": "The same at the start, in the middle and at the end of the lifetime.",
    "drift_evolution": "The gradient of the surrogate after some of the generations.",
    "value_loss": "The value loss and its gradient, which is all that PPO uses of it, beside the squared error; below "
    "them the distribution of value errors in minibatches.",
    "value_loss_evolution": "The value loss after some of the generations.",
    "intervals": "Estimates with 95 % intervals: interquartile mean (stratified bootstrap), paired difference of means "
    "(Student's t; bootstrap over several environments) and probability of improvement (bootstrap).",
    "curves": "Learning curves: mean over agents with the 95 % bootstrap interval.",
    "returns": "Final return of every agent, and the mean with its 95 % bootstrap interval.",
    "profiles": "Performance profiles: share of agents above each score, with 95 % bootstrap intervals.",
    CROSS_TABLE: "Mean reward per meta-step of players, and beside it that of their opponents.",
    "value_loss_by_target": "The value loss over the error and the target.",
    "value_loss_by_old_value": "The value loss over the error and the old value.",
}


class Picture(NamedTuple):
    """A figure in a page."""

    source: str
    """The image itself, as a URL."""
    width: int
    """Pixels."""
    height: int
    name: str
    caption: str


def picture(file: Path, caption: str | None = None) -> Picture:
    """Return a figure with a caption, by its name where none is given.

    Args:
        file: a PNG, with or without its suffix.
        caption: a sentence.
    """
    name = file.stem if file.suffix == ".png" else file.name
    content = file.with_name(f"{name}.png").read_bytes()
    width, height = struct.unpack(">II", content[16:24])
    known = CAPTIONS[CROSS_TABLE] if name.startswith(CROSS_TABLE) else CAPTIONS.get(name, "")
    data = f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"
    return Picture(data, width, height, name.replace("_", " "), known if caption is None else caption)
