"""A grid of trainings as a heat map."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from metadisco.plotting.heat import MAGNITUDES
from metadisco.plotting.look import COLUMN, current, points
from metadisco.plotting.style import set_title, short, wrapped

if TYPE_CHECKING:
    import pandas

MAX_WRITTEN = 12  # columns in which there is room for numbers


def grid_figure(grid: Sequence[Mapping[str, Any]], *, title: str) -> Figure:
    """Draw the mean final return over two settings; other settings must have one value each.

    Args:
        grid: the list of that name in what `metadisco train --output` writes: `settings` and `final_return` of each
            point, the latter with null or NaN for a seed that failed, which is left out.
        title: of the figure.

    Raises:
        ValueError: if it is not two settings that vary.
    """
    import seaborn as sns  # noqa: PLC0415 - takes two seconds

    keys = [key for key in grid[0]["settings"] if len({_shown(point["settings"][key]) for point in grid}) > 1]
    if len(keys) != 2:
        raise ValueError(f"grid_figure: got {len(keys)} settings that vary, allowed: 2")
    means = _means(grid, keys)
    down, along = list(means.index), list(means.columns)
    paper = current().paper
    width, cell = (COLUMN, 0.24) if paper else (max(6.4, min(11.0, 2.6 + 0.75 * len(along))), 0.45)
    figure = Figure(figsize=(width, max(1.6, 1.9 * cell / 0.45 + cell * len(down))), layout="constrained")
    axes = figure.subplots()
    written = len(along) <= (MAX_WRITTEN if not paper else MAX_WRITTEN // 2)
    sns.heatmap(
        means, ax=axes, cmap=MAGNITUDES, annot=means.map(_number) if written else None, fmt="",
        linewidths=0.5, annot_kws={"fontsize": points(figure, 9)},
        cbar_kws={"label": "mean final return", "format": FuncFormatter(lambda number, _: short(number))},
    )  # fmt: skip
    for row, column in np.argwhere(means.isna().to_numpy()):
        axes.text(
            column + 0.5, row + 0.5, "failed" if written else "×", ha="center", va="center", fontsize=points(figure, 8)
        )
    room = 0.7 * figure.get_figwidth()
    axes.set_xlabel(wrapped(figure, _name(keys[1]), points(figure, 10), room), parse_math=False)
    axes.set_ylabel(wrapped(figure, _name(keys[0]), points(figure, 10), 0.8 * figure.get_figheight()), parse_math=False)
    axes.tick_params(length=0)
    axes.tick_params(axis="y", rotation=0)
    axes.tick_params(axis="x", rotation=0 if max(map(len, along)) * len(along) <= 9 * width else 90)
    set_title(figure, title)
    return figure


def _means(grid: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> "pandas.DataFrame":
    """Return the mean final return of the seeds that did not fail, the first setting down, the second along."""
    import pandas as pd  # noqa: PLC0415 - takes a second

    down, along = (list(dict.fromkeys(_shown(point["settings"][key]) for point in grid)) for key in keys)
    means = pd.DataFrame(np.nan, index=down, columns=along)
    for point in grid:
        returns = np.array(point["final_return"], float)
        if np.isfinite(returns).any():
            row, column = (_shown(point["settings"][key]) for key in keys)
            means.loc[row, column] = returns[np.isfinite(returns)].mean()
    return means


def _number(mean: float) -> str:
    return short(mean, 3) if np.isfinite(mean) else ""


def _name(key: str) -> str:
    return key.removeprefix("inner.ppo.")


def _shown(value: Any) -> str:
    return short(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
