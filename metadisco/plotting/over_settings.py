"""Normalised differences over PPO settings, lifetimes and environments as heat maps."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from metadisco.discoveries.sources import short_names
from metadisco.evaluation.over_settings import SettingsComparison
from metadisco.evaluation.settings_comparison import Judgement
from metadisco.evaluation.tables import SCORE_TITLES, short_envs
from metadisco.plotting.heat import SLOPES
from metadisco.plotting.look import TEXT, WIDE, current, points
from metadisco.plotting.style import GUIDE, save, set_title, short, wrapped

MARKS = {"better": "▲", "worse": "▼", "level": ""}
CELL, LINE = (0.68, 0.27)  # inches
MIN_TOP, MAX_TOP = 0.1, 1.0  # of the scale of colours
DARK = 0.6  # of that scale, beyond which letters are white


class HeatCell(NamedTuple):
    """One cell of a panel."""

    value: float
    """Normalised difference; NaN is drawn grey."""
    verdict: str
    """Of MARKS."""


Panel = Mapping[tuple[str, str], HeatCell]
"""Cells by line and column."""


def settings_figure(panels: Mapping[str, Panel], *, label: str, title: str) -> Figure:
    """Draw a panel for each entrant, with a mark in every cell that is better or worse.

    Args:
        panels: by what to call the entrant; all with the same lines and columns, in the order in which they are drawn.
        label: of the colours.
        title: of the figure.
    """
    first = next(iter(panels.values()))
    lines, columns = (list(dict.fromkeys(names)) for names in zip(*first, strict=True))
    beside = 0.068 * max(map(len, lines)) + 0.2
    panel = max(CELL * len(columns), 1.3) + 0.15
    across = min(max(int(((TEXT if current().paper else WIDE) - beside - 0.9) / panel), 1), len(panels))
    down = math.ceil(len(panels) / across)
    upright = 0.075 * max(map(len, columns)) + 0.1
    height = down * (LINE * len(lines) + 0.55) + upright + 0.6
    figure = Figure(figsize=(beside + across * panel + 0.9, height), layout="constrained")
    grid = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    top = _top([cell.value for each in panels.values() for cell in each.values()])
    norm = Normalize(-top, top)
    for axes, (name, cells) in zip(grid.flat, panels.items(), strict=False):
        _draw(axes, cells, lines, columns, norm)
        size = points(figure, 9)
        axes.set_title(wrapped(figure, name, size, panel), fontsize=size, parse_math=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes in _lowest(grid, len(panels)):
        axes.tick_params(axis="x", labelbottom=True)
    _bar(figure, grid, norm, label)
    set_title(figure, title)
    return figure


def _top(values: Sequence[float]) -> float:
    finite = np.abs([value for value in values if math.isfinite(value)])
    return float(np.clip(np.percentile(finite, 95), MIN_TOP, MAX_TOP)) if finite.size else MAX_TOP


def _draw(axes: Axes, cells: Panel, lines: Sequence[str], columns: Sequence[str], norm: Normalize) -> None:
    figure = axes.figure
    assert isinstance(figure, Figure)
    values = np.array([[cells[line, column].value for column in columns] for line in lines])
    axes.set_facecolor("#d0d0d0")
    axes.pcolormesh(values, norm=norm, cmap=SLOPES, edgecolors="white", linewidth=0.8)
    axes.set_xlim(0, len(columns))
    axes.set_ylim(len(lines), 0)
    for row, line in enumerate(lines):
        for column, name in enumerate(columns):
            value, verdict = cells[line, name]
            words = f"{short(value, 2)} {MARKS[verdict]}".strip() if math.isfinite(value) else "no scale"
            colour = "white" if math.isfinite(value) and abs(value) > DARK * norm.vmax else "black"  # type: ignore[operator]
            size = points(figure, 7.5)
            axes.text(column + 0.5, row + 0.5, words, ha="center", va="center", fontsize=size, color=colour)
    axes.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=90, parse_math=False)
    axes.set_yticks(np.arange(len(lines)) + 0.5, lines, parse_math=False)
    axes.tick_params(length=0, labelsize=points(figure, 8))
    axes.spines[:].set_color(GUIDE)


def _lowest(grid: np.ndarray, number: int) -> list[Axes]:
    """Return the lowest panel of each column that is drawn."""
    down, across = grid.shape
    return [grid[max(row for row in range(down) if row * across + column < number), column] for column in range(across)]


def _bar(figure: Figure, grid: np.ndarray, norm: Normalize, label: str) -> None:
    mappable = ScalarMappable(norm, SLOPES)
    fraction = 0.5 / figure.get_figwidth()
    bar = figure.colorbar(mappable, ax=grid, extend="both", fraction=fraction, pad=0.02, aspect=25)
    bar.set_label(label, fontsize=points(figure, 8.5))
    bar.formatter = FuncFormatter(lambda number, _: short(number))
    bar.update_ticks()


def _panels(found: SettingsComparison, judgement: Judgement) -> dict[str, Panel]:
    several = len({place.lifetime for place in found.places}) > 1
    envs = short_envs(place.env for place in found.places)
    names = short_names([found.baseline, *(row.entrant for row in judgement.rows)])
    panels: dict[str, dict[tuple[str, str], HeatCell]] = {}
    for row in sorted(judgement.rows, key=lambda row: row.place.lifetime):
        line = f"{row.place.setting}, {row.place.lifetime:,} steps" if several else row.place.setting
        cell = HeatCell(row.normalised, row.verdict)
        panels.setdefault(names[row.entrant], {})[line, envs[row.place.env]] = cell
    return {name: _ordered(cells, list(envs.values())) for name, cells in panels.items()}


def _ordered(cells: Panel, columns: Sequence[str]) -> Panel:
    """Return all cells line by line; those that were not judged are NaN."""
    lines = dict.fromkeys(line for line, _ in cells)
    nothing = HeatCell(math.nan, "level")
    return {(line, column): cells.get((line, column), nothing) for line in lines for column in columns}


def settings_figures(found: SettingsComparison) -> dict[str, Figure]:
    """Return a figure for each score, by name; none where no cell was judged."""
    (baseline,) = short_names([found.baseline]).values()
    figures = {}
    for score, judgement in found.judgements.items():
        panels = _panels(found, judgement)
        if panels:
            title = f"{SCORE_TITLES[score].capitalize()} minus {baseline}'s, {found.num_seeds} seeds; ▲ better, ▼ worse"
            label = f"difference\n(random actions 0, tuned {baseline} 1)"
            figures[f"settings_{score}"] = settings_figure(panels, label=label, title=title)
    return figures


def draw_settings(found: SettingsComparison, output: Path) -> None:
    """Write a figure for each score into the folder `figures` of the output, as `save` does."""
    for name, figure in settings_figures(found).items():
        save(figure, output / "figures" / name)
