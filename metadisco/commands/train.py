"""`metadisco train`: many agents with one objective, over seeds and a grid of settings."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from metadisco.api.agents import title_of, train_and_write
from metadisco.commands.overrides import settings_in
from metadisco.commands.tables import print_table, shown
from metadisco.errors import MachineError
from metadisco.evolution.sparkline import histogram

if TYPE_CHECKING:
    from metadisco.evaluation.lifetimes import Lifetimes
    from metadisco.evaluation.training import Trained

SCORES = ("final return", "area under the curve")
SEEDS = ("seed", *SCORES, "gaps")
POINTS = ("final return", "± std over seeds", "area under the curve", "gaps", "failed")
BINS = 20
"""Of a histogram: characters."""


def train(
    objective: str,
    env: str | None,
    num_seeds: int,
    config: str | None,
    words: Sequence[str],
    output: Path | None,
    save: Path | None,
    figure: Path | None,
    force: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Train `num_seeds` agents per grid point; print a summary, write JSON and figure; return the exit code.

    Raises:
        UserError: for input that cannot be used; nothing is written then.
        MachineError: if an output could not be written; all others are written.
    """
    overrides = settings_in(words)
    trained, troubles = train_and_write(
        objective, env, num_seeds, config, overrides, output, save, force, progress=not quiet, figure=figure
    )
    if not quiet:
        _print(title_of(objective, trained), trained, verbose)
    if troubles:
        raise MachineError("; ".join(troubles))
    return 0


def _print(title: str, trained: "Sequence[Trained]", verbose: bool) -> None:
    """Print a summary of all agents, or a row for each point of a grid, the best first; the agents where `verbose`."""
    grid = trained[0].point.settings
    if verbose:
        for each in trained:
            point = ", ".join(f"{name} {value}" for name, value in each.point.settings.items())
            _print_seeds(f"{title}: {point}" if grid else title, each.lifetimes)
    if not grid:
        _print_summary(title, trained[0].lifetimes)
        return
    names = [name.removeprefix("inner.ppo.") for name in grid]
    best_first = sorted(trained, key=lambda each: -np.nan_to_num(_mean(each.lifetimes.final_return), nan=-np.inf))
    lines = [[*map(str, each.point.settings.values()), *_of_point(each.lifetimes)] for each in best_first]
    print_table(title, [*names, *POINTS], lines)


def _print_seeds(title: str, lifetimes: "Lifetimes") -> None:
    """Print a row for each agent."""
    scores = zip(lifetimes.final_return, lifetimes.area_under_curve, lifetimes.gaps, strict=True)
    lines = [[str(seed), shown(final), shown(area), f"{gaps:.0%}"] for seed, (final, area, gaps) in enumerate(scores)]
    print_table(title, SEEDS, lines)


def _print_summary(title: str, lifetimes: "Lifetimes") -> None:
    """Print the statistics of both scores, which are the columns."""
    from metadisco.evaluation.summary import in_words, summarise

    scores = (lifetimes.final_return, lifetimes.area_under_curve)
    summaries = [summarise(each) for each in scores]
    columns = [in_words(each) for each in summaries]
    several = len(lifetimes.final_return) > 1
    titles = (
        {"mean": "mean (95 %)", "interquartile mean": "interquartile mean (95 %)", "range": "range"}
        if several
        else {"mean": "return"}
    )
    lines = [[title, *(column[name] for column in columns)] for name, title in titles.items()]
    if several:
        lines.append(["distribution over the range", *(histogram(each.tolist(), BINS) for each in scores)])
    if any(each.failed for each in summaries):
        lines.append(["failed", *(str(each.failed) for each in summaries)])
    if lifetimes.gaps.any():
        lines.append(["updates without an ended episode", "", f"{lifetimes.gaps.mean():.0%}"])
    print_table(title, ["", *SCORES], lines, named=True)


def _of_point(lifetimes: "Lifetimes") -> list[str]:
    """Return the entries of a point under POINTS."""
    final = lifetimes.final_return[np.isfinite(lifetimes.final_return)]
    numbers = (_mean(final), float(final.std()) if final.size else math.nan, _mean(lifetimes.area_under_curve))
    return [*map(shown, numbers), f"{lifetimes.gaps.mean():.0%}", str(len(lifetimes.final_return) - final.size)]


def _mean(values: np.ndarray) -> float:
    """Return the mean of the finite values; NaN if there are none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else math.nan
