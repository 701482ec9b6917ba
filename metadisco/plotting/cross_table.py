"""A cross table of players and opponents as heat maps."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from metadisco.evaluation.cross_table import CrossTable
from metadisco.evaluation.results import figure_name
from metadisco.plotting.heat import MAGNITUDES
from metadisco.plotting.look import COLUMN, TEXT, current, points
from metadisco.plotting.style import save, set_title, short

if TYPE_CHECKING:
    import pandas

TITLES = {"own": "reward of the player", "other": "reward of the opponent"}
MAX_WRITTEN = 10  # opponents beside whom there is room for numbers


def cross_table_figure(frame: "pandas.DataFrame", *, title: str) -> Figure:
    """Draw mean rewards per meta-step of players, and beside them those of their opponents.

    Args:
        frame: a row per pair: `player`, `opponent`, in the order in which they are drawn, `own` and `other`.
        title: of the figure.
    """
    players, opponents = (list(dict.fromkeys(frame[name])) for name in ("player", "opponent"))
    longest = max(len(name) for name in players)
    panel, beside = max(2.2, 0.85 * len(opponents) + 1.1), min(0.085 * longest, 3.0)
    width = TEXT if current().paper else min(2 * panel + beside + 0.4, 16.0)
    if current().paper and len(opponents) == 1:
        width = COLUMN
    upright = 0.09 * max(map(len, opponents)) if _crowded(opponents, panel) else 0.0
    figure = Figure(figsize=(width, max(2.0, 1.5 + 0.42 * len(players)) + upright), layout="constrained")
    panels = figure.subplots(1, len(TITLES), sharey=True, squeeze=False)[0]
    rewards = frame[[*TITLES]]
    for axes, (value, words) in zip(panels, TITLES.items(), strict=True):
        means = frame.pivot(index="player", columns="opponent", values=value).loc[players, opponents]
        limits = {"vmin": rewards.min().min(), "vmax": rewards.max().max(), "cbar": axes is panels[-1]}
        _draw(figure, axes, means, words, limits)
        axes.tick_params(axis="x", rotation=90 if upright else 0)
    panels[0].set_ylabel("player")
    set_title(figure, title)
    return figure


def _draw(figure: Figure, axes: Axes, means: "pandas.DataFrame", words: str, limits: dict[str, Any]) -> None:
    """Draw one heat map; `limits` are those of its colours, and whether they have a bar."""
    import seaborn as sns  # noqa: PLC0415 - takes two seconds

    numbers = means.map(lambda mean: short(mean, 3)) if len(means.columns) <= MAX_WRITTEN else None
    sns.heatmap(
        means, ax=axes, cmap=MAGNITUDES, **limits, annot=numbers, fmt="",
        linewidths=0.5, annot_kws={"fontsize": points(figure, 9), "parse_math": False},
        cbar_kws={"label": "reward", "format": FuncFormatter(lambda number, _: short(number))},
    )  # fmt: skip
    axes.set_title(words, fontsize=points(figure, 10))
    axes.set_xlabel("opponent")
    axes.set_ylabel("")
    axes.tick_params(length=0, labelsize=points(figure, 9))
    axes.tick_params(axis="y", rotation=0)


def _crowded(names: Sequence[str], width: float) -> bool:
    """Return whether names do not stand side by side in so many inches."""
    return max(map(len, names)) * len(names) > 9 * width


def draw_cross_table(table: CrossTable, output: Path) -> None:
    """Write a figure for each game into the folder `figures` of an evaluation's output, as `save` does."""
    called = {each.name: each.short for each in (*table.players, *table.opponents)}
    frame = table.frame().replace({"player": called, "opponent": called})
    for game in table.games:
        title = f"{game.name}: mean reward per meta-step, {table.rules.num_lifetimes:,} lifetimes"
        figure = cross_table_figure(frame[frame["game"] == game.name], title=title)
        save(figure, output / "figures" / f"cross_table_{figure_name(game.name)}")
