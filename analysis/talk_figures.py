"""Figures of the study of adversarial cheap talk."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from talk_searches import AIMS, CHANNELS, SCALES, SHORT_GENERATIONS, USUAL_CHANNELS, USUAL_SCALE, name_of
from talk_tables import Judge, Scores

from metadisco import Run, plot
from metadisco.plotting.curves import learning_curves_figure
from metadisco.plotting.style import save
from metadisco.plotting.talk.effect import effect_figure

OF_A_MESSAGE = ("learning", "message_map", "messages", "interference")
OF_CONTROL = ("reached", "steering", "goal_return")
USUAL = {"num_channels": USUAL_CHANNELS, "scale": USUAL_SCALE}
ALONG = {"num_channels": "channels", "scale": "scale"}
"""The quantity that varies, and the names of its figure and searches."""


def draw_curves(scores: Scores, labels: Mapping[str, str], file: Path) -> None:
    """Draw learning curves of the first kind of learners beside some talkers, which `labels` names."""
    cells = {cell.objective: cell for cell in scores.found.cells if cell.env == scores.env}
    curves = {label: (cells[name].env_steps, cells[name].lifetimes.filled) for name, label in labels.items()}
    save(learning_curves_figure(curves, title=f"{scores.env}, {scores.found.num_seeds} learners each"), file)


def draw_run(run: Run, name: str, folder: Path, kinds: tuple[str, ...]) -> None:
    """Draw some figures of a run, unless they are newer than it.

    Args:
        run: a search.
        name: with which names of files begin.
        folder: for figures.
        kinds: which figures.
    """
    files = {kind: folder / f"{name}_{kind}.png" for kind in kinds}
    found = (run.path / "metrics.jsonl").stat().st_mtime
    if all(file.is_file() and file.stat().st_mtime > found for file in files.values()):
        return
    drawn = plot(run)
    for kind, file in files.items():
        save(drawn[kind], file.with_suffix(""))


def effects(judge: Judge, runs: Mapping[str, list[Run]]) -> dict[str, pd.DataFrame]:
    """Evaluate messages of other channels; return tidy data for figures, by the varied quantity, if any varies.

    Of the usual channel, the first SHORT_GENERATIONS of the search are judged, as many as the others have.
    """
    frames = {}
    for key, values in {"num_channels": CHANNELS, "scale": SCALES}.items():
        found = {value: _found(runs, key, value) for value in values}
        found = {value: each for value, each in found.items() if each}
        if len(found) > 1:
            rows = [row for value, each in found.items() for row in _effects_of(judge, each, key, value)]
            frames[key] = pd.DataFrame(rows)
    return frames


def _found(runs: Mapping[str, list[Run]], key: str, value: float) -> dict[str, Run]:
    """Return the messages found for a channel, by aim."""
    channel = {**USUAL, key: value}
    return {aim: runs[name][0] for aim in AIMS if runs.get(name := name_of(aim, **channel))}


def _effects_of(judge: Judge, found: Mapping[str, Run], key: str, value: float) -> list[dict[str, object]]:
    """Evaluate messages of one channel; return a row for each."""
    messages = {aim: f"{run}@{_short(run)}" for aim, run in found.items()}
    folder = "usual_channel" if value == USUAL[key] else f"{ALONG[key]}_{value:g}"
    scores = judge.meet(folder, messages.values(), next(iter(found.values())))
    effect = {aim: scores.effect(message) for aim, message in messages.items()}
    return [
        {key: value, "aim": aim, "seed": found[aim].config.seed, "difference": each.mean, "low": each.low,
         "high": each.high}
        for aim, each in effect.items()
    ]  # fmt: skip


def _short(run: Run) -> int:
    """Return the last generation of a run that a short search has, too."""
    return max(each for each in run.generations if each <= SHORT_GENERATIONS)


def draw_effects(frames: Mapping[str, pd.DataFrame], folder: Path) -> dict[str, str]:
    """Draw the effect of messages on the area, over the number of channels and over the scale; no text."""
    for key, frame in frames.items():
        figure = effect_figure(frame, title=f"Messages after {SHORT_GENERATIONS} generations, CartPole")
        save(figure, folder / f"effect_{ALONG[key]}")
    return {}
