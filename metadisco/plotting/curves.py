"""Learning curves with bands."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")  # Okabe and Ito
DASHES = ("-", "--", "-.", ":")  # for print without colours


def learning_curves_figure(
    curves: Mapping[str, tuple[Sequence[int], Float[np.ndarray, "S U"]]],
    *,
    title: str,
) -> Figure:
    """Draw mean learning curves with their 95 % interval over seeds.

    Args:
        curves: by objective: environment steps at the end of each update, and returns without gaps, NaN for a seed
            that is left out.
        title: of the figure.
    """
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.subplots()
    for number, (label, (env_steps, returns)) in enumerate(curves.items()):
        seeds = np.isfinite(returns).all(1)
        known = returns[seeds]
        if not len(known):
            axes.plot([], [], color=PALETTE[number % len(PALETTE)], label=f"{label} (no curve)")
            continue
        centre = known.mean(0)
        half = 1.96 * known.std(0, ddof=1) / len(known) ** 0.5 if len(known) > 1 else np.zeros_like(centre)
        colour, dashes = PALETTE[number % len(PALETTE)], DASHES[number % len(DASHES)]
        axes.plot(env_steps, centre, label=label, linewidth=2, color=colour, linestyle=dashes)
        axes.fill_between(env_steps, centre - half, centre + half, color=colour, alpha=0.2, linewidth=0)
    axes.set_xlabel("environment steps")
    axes.set_ylabel("return of finished episodes")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="best")
    figure.suptitle(title)
    return figure
