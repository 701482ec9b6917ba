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

if TYPE_CHECKING:
    from metadisco.evaluation.lifetimes import Lifetimes
    from metadisco.evaluation.training import Trained

SEEDS = ("seed", "final return", "area under the curve", "gaps")
POINTS = ("final return", "± std over seeds", "area under the curve", "gaps", "failed")


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
) -> int:
    """Train `num_seeds` agents per grid point; print a table, write JSON and figure; return the exit code.

    Raises:
        UserError: for input that cannot be used; nothing is written then.
        MachineError: if an output could not be written; all others are written.
    """
    overrides = settings_in(words)
    trained, troubles = train_and_write(
        objective, env, num_seeds, config, overrides, output, save, force, progress=not quiet, figure=figure
    )
    if not quiet:
        _print(objective, trained)
    if troubles:
        raise MachineError("; ".join(troubles))
    return 0


def _print(objective: str, trained: "Sequence[Trained]") -> None:
    """Print returns: one row per seed, or per point of a grid with the best first."""
    point, _, lifetimes, _ = trained[0]
    title = title_of(objective, trained)
    if point.settings:
        names = [name.removeprefix("inner.ppo.") for name in point.settings]
        best_first = sorted(trained, key=lambda each: -np.nan_to_num(_mean(each.lifetimes.final_return), nan=-np.inf))
        lines = [[*map(str, each.point.settings.values()), *_of_point(each.lifetimes)] for each in best_first]
        print_table(title, [*names, *POINTS], lines)
        return
    scores = zip(lifetimes.final_return, lifetimes.area_under_curve, lifetimes.gaps, strict=True)
    lines = [[str(seed), shown(final), shown(area), f"{gaps:.0%}"] for seed, (final, area, gaps) in enumerate(scores)]
    means = shown(_mean(lifetimes.final_return)), shown(_mean(lifetimes.area_under_curve))
    print_table(title, SEEDS, lines, last=["mean", *means, f"{lifetimes.gaps.mean():.0%}"])


def _of_point(lifetimes: "Lifetimes") -> list[str]:
    """Return the entries of a point under POINTS."""
    final = lifetimes.final_return[np.isfinite(lifetimes.final_return)]
    numbers = (_mean(final), float(final.std()) if final.size else math.nan, _mean(lifetimes.area_under_curve))
    return [*map(shown, numbers), f"{lifetimes.gaps.mean():.0%}", str(len(lifetimes.final_return) - final.size)]


def _mean(values: np.ndarray) -> float:
    """Return the mean of the finite values; NaN if there are none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else math.nan
