"""Figures of a search of settings. Axes: N settings."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from metadisco.discoveries.sources import short_names
from metadisco.evaluation.statistics import half_width
from metadisco.evaluation.tables import SCORE_TITLES
from metadisco.plotting.heat import MAGNITUDES
from metadisco.plotting.look import COLUMN, TEXT, WIDE, current, points
from metadisco.plotting.style import (
    PALETTE,
    ROUND,
    line_style,
    note,
    robust_limits,
    save,
    set_legend,
    set_title,
    short,
    uncluttered,
)
from metadisco.tuning.ranges import Range, Values
from metadisco.tuning.results import Tuned, file_name
from metadisco.tuning.trials import Trial

TOP = 0.1
"""Part of the settings that counts as the best, as for importances."""
SCALED = "scaled: random actions 0, PPO before tuning 1"
"""Scores of several environments."""
MAX_COLUMNS = 3
MAX_PAIRED = 4
SPREAD = 0.22
"""Half the width, in steps between values, over which points of equal values are spread."""
OTHERS = "#9db7c9"
WINNER: dict[str, Any] = {
    "marker": "*", "linestyle": "", "color": PALETTE[1], "markeredgecolor": "white", "markeredgewidth": 0.6,
}  # fmt: skip


class Panel(NamedTuple):
    """What is drawn of one objective."""

    ranges: Sequence[Range]
    """What matters most first."""
    importances: dict[str, float]
    trials: Sequence[Trial]
    winner: Values
    label: str
    """Of the score."""
    scaled: bool = False
    """Whether scores are on the common scale."""

    @property
    def scores(self) -> Float[np.ndarray, "N"]:
        """The score of every setting."""
        return np.array([trial.score for trial in self.trials])

    @property
    def order(self) -> np.ndarray:
        """Indices of the settings, the worst first, so that the best are drawn above the others."""
        return np.argsort(self.scores, kind="stable")


def draw_tuned(tuned: Tuned, output: Path) -> None:
    """Write the figures of a search into the folder `figures` of its output, as `save` does."""
    for name, figure in tuned_figures(tuned):
        save(figure, output / "figures" / name)


def tuned_figures(tuned: Tuned) -> Iterator[tuple[str, Figure]]:
    """Give the figures of a search, each with its name: for each objective `settings` and `pairs`; `best_so_far`."""
    names = short_names(tuned.judged)
    yield "best_so_far", best_so_far_figure(tuned)
    for objective, called in names.items():
        panel = panel_of(tuned, objective)
        end = f"_{file_name(called)}" if len(names) > 1 else ""
        place = where(tuned)
        yield f"settings{end}", settings_figure(panel, title=f"{called} on {place}: {len(panel.trials)} settings")
        if len(panel.ranges) > 1:
            yield f"pairs{end}", pairs_figure(panel, title=f"{called} on {place}: pairs of settings")


def where(tuned: Tuned) -> str:
    """Return in words where settings were searched."""
    envs = list(tuned.plan.configs)
    return envs[0] if len(envs) == 1 else f"{len(envs)} environments"


def _label(tuned: Tuned) -> str:
    title = SCORE_TITLES[tuned.plan.space.score]
    return f"{title}, scaled" if _is_scaled(tuned) else title


def _is_scaled(tuned: Tuned) -> bool:
    return len(tuned.plan.configs) > 1


def _scale_note(scaled: bool) -> list[Line2D]:
    """Return the line of a legend that explains the scale of the scores, if they have one."""
    return [note(SCALED)] if scaled else []


def panel_of(tuned: Tuned, objective: str) -> Panel:
    """Return what is drawn of one objective of a search."""
    judged = tuned.judged[objective]
    share = dict(judged.importances)
    ranges = sorted(tuned.plan.ranges[objective], key=lambda each: -share.get(each.key, 0.0))
    return Panel(ranges, share, tuned.trials[objective], judged.values, _label(tuned), _is_scaled(tuned))


def settings_figure(panel: Panel, *, title: str) -> Figure:
    """Draw the score over each setting, what matters most first."""
    columns = min(MAX_COLUMNS, len(panel.ranges))
    rows = -(-len(panel.ranges) // columns)
    paper = current().paper
    width = (COLUMN if columns == 1 else TEXT) if paper else min(3.0 * columns + 0.6, WIDE)
    height = (2.0 if paper else 2.6) * rows + (0.6 if paper else 0.9)
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    low, high = robust_limits(panel.scores)
    for place, axes in enumerate(grid.flat):
        if place >= len(panel.ranges):
            axes.remove()
            continue
        _draw_setting(axes, panel, panel.ranges[place])
        axes.set_ylim(low, high)
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=ROUND))
    for row in grid:
        row[0].set_ylabel(panel.label, parse_math=False)
    set_title(figure, title)
    set_legend(figure, [*_legend(), *_scale_note(panel.scaled), *_jitter(panel.ranges)])
    return figure


def _draw_setting(axes: Axes, panel: Panel, range_: Range) -> None:
    import seaborn as sns  # noqa: PLC0415 - takes two seconds

    order, scores = panel.order, panel.scores
    x = _spread(range_, [panel.trials[index].values[range_.key] for index in order])
    best = np.arange(len(order)) >= len(order) - max(round(TOP * len(order)), 1)
    sns.scatterplot(
        x=x, y=scores[order], hue=best, hue_order=(False, True), palette=(OTHERS, PALETTE[0]), ax=axes, legend=False,
        s=points(axes.figure, 16), linewidth=0, alpha=0.85,  # type: ignore[arg-type]
    )  # fmt: skip
    axes.axvline(_at(range_, panel.winner[range_.key]), color=PALETTE[1], linewidth=1.2, zorder=0)
    uncluttered(axes)
    _scale(axes, range_, "x")
    share = f"\n(importance {100 * panel.importances[range_.key]:.0f} %)" if range_.key in panel.importances else ""
    axes.set_xlabel(range_.name + share, parse_math=False)


def _at(range_: Range, value: Any) -> float:
    """Return the place of a value along an axis: of a choice its number, else the value."""
    return float(range_.choices.index(value)) if range_.kind == "choices" else float(value)


def _is_spread(range_: Range) -> bool:
    return range_.kind in ("choices", "whole")


def _spread(range_: Range, values: Sequence[Any], seed: int = 0) -> np.ndarray:
    """Return the places of values along an axis; where they repeat, points are spread a little."""
    places = np.array([_at(range_, value) for value in values])
    if not _is_spread(range_):
        return places
    return places + np.random.default_rng(seed).uniform(-SPREAD, SPREAD, len(places))


def _jitter(ranges: Sequence[Range]) -> list[Line2D]:
    """Return the line of a legend that says which points are spread, if any are."""
    return [note("whole numbers and choices: points are jittered")] if any(map(_is_spread, ranges)) else []


def _scale(axes: Axes, range_: Range, which: str) -> None:
    """Set scale, limits and ticks of an axis."""
    axis = getattr(axes, f"{which}axis")
    set_limits = getattr(axes, f"set_{which}lim")
    if range_.kind == "choices":
        axis.set_major_locator(NullLocator())
        getattr(axes, f"set_{which}ticks")(range(len(range_.choices)), [word(each) for each in range_.choices])
        set_limits(-0.5, len(range_.choices) - 0.5)
        return
    if range_.kind == "log":
        getattr(axes, f"set_{which}scale")("log")
        wide = range_.high / range_.low
        set_limits(range_.low / wide**0.03, range_.high * wide**0.03)
        axis.set_major_locator(LogLocator(10, subs=(1.0,) if wide > 30 else (1.0, 3.0)))
        axis.set_minor_formatter(NullFormatter())
    else:
        room = 0.5 if range_.kind == "whole" else 0.03 * (range_.high - range_.low)
        set_limits(range_.low - room, range_.high + room)
        axis.set_major_locator(MaxNLocator(5, steps=ROUND, integer=range_.kind == "whole"))
    axis.set_major_formatter(FuncFormatter(lambda number, _: short(number)))


def word(choice: Any) -> str:
    """Return a choice as text."""
    return choice if isinstance(choice, str) else json.dumps(choice)


def pairs_figure(panel: Panel, *, title: str) -> Figure:
    """Draw the settings over pairs of those that matter most, coloured by the rank of their score."""
    ranges = panel.ranges[:MAX_PAIRED]
    size = len(ranges) - 1
    paper = current().paper
    width = (COLUMN if size == 1 else TEXT) if paper else min(max(2.9 * size + 1.4, 5.2), WIDE)
    figure = Figure(figsize=(width, width * 0.88 if size > 1 else width * 0.8), layout="constrained")
    grid: list[list[Axes]] = figure.subplots(size, size, squeeze=False).tolist()
    order = panel.order
    rank = np.linspace(0, 1, len(order))
    for row, column in np.ndindex(size, size):
        axes: Axes = grid[row][column]
        if column > row:
            axes.remove()
            continue
        along, up = ranges[column], ranges[row + 1]
        x, y = (
            _spread(each, [panel.trials[index].values[each.key] for index in order], seed)
            for seed, each in enumerate((along, up))
        )
        axes.scatter(x, y, c=rank, cmap=MAGNITUDES, vmin=0, vmax=1, s=points(figure, 14), linewidths=0)
        axes.plot(
            _at(along, panel.winner[along.key]), _at(up, panel.winner[up.key]), **WINNER,
            markersize=points(figure, 13),
        )  # fmt: skip
        uncluttered(axes)
        _scale(axes, along, "x")
        _scale(axes, up, "y")
        axes.tick_params(labelbottom=row == size - 1, labelleft=column == 0)
        axes.set_xlabel(along.name if row == size - 1 else "", parse_math=False)
        axes.set_ylabel(up.name if column == 0 else "", parse_math=False)
    figure.align_ylabels()
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), MAGNITUDES), ax=figure.axes, fraction=0.04, pad=0.02)
    bar.set_label("rank of the score (1: best)")
    set_title(figure, title)
    winner = Line2D([], [], label="winner", **WINNER, markersize=points(figure, 13))
    set_legend(figure, [winner, *_jitter(ranges)])
    return figure


def best_so_far_figure(tuned: Tuned) -> Figure:
    """Draw the best score so far over agents trained in the first round, and what the winner scored in the report."""
    paper = current().paper
    figure = Figure(figsize=(COLUMN, 2.4) if paper else (6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    names = short_names(tuned.judged)
    line, dot = (0.9, 2.5) if paper else (1.6, 5.0)
    each = tuned.plan.space.rounds[0] * len(tuned.plan.configs)
    handles = []
    for number, (objective, judged) in enumerate(tuned.judged.items()):
        scores = np.array([trial.score for trial in tuned.trials[objective]])
        agents = each * np.arange(1, len(scores) + 1)
        style = line_style(number)
        axes.step(agents, np.maximum.accumulate(scores), where="post", linewidth=line, **style)
        end = agents[-1] * (1.04 + 0.045 * number)
        mean, half = float(judged.report.mean()), _half(judged.report.mean(1))
        axes.errorbar(end, mean, half, marker="o", color=style["color"], markersize=dot, capsize=2, linewidth=line)
        axes.plot(end, float(judged.base.mean()), "o", color=style["color"], markerfacecolor="white", markersize=dot)
        handles.append(Line2D([], [], label=names[objective], linewidth=line, **style))
    uncluttered(axes)
    axes.set_xlabel("agents trained in the search")
    axes.set_ylabel(_label(tuned), parse_math=False)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=ROUND))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=ROUND))
    axes.set_xlim(left=0)
    axes.grid(axis="y", linewidth=0.4, alpha=0.5)
    colour = line_style(0)["color"] if len(tuned.judged) == 1 else "black"
    for face, label in (
        (colour, "winner on fresh seeds, mean with its 95 % interval"),
        ("white", "settings before tuning"),
    ):
        mark: dict[str, Any] = {"marker": "o", "linestyle": "", "color": colour, "markersize": dot}
        handles.append(Line2D([], [], markerfacecolor=face, label=label, **mark))
    set_title(figure, f"Best of the search so far, {where(tuned)}")
    set_legend(figure, [*handles, *_scale_note(_is_scaled(tuned))])
    return figure


def _half(scores: Float[np.ndarray, "S"]) -> float:
    return half_width(scores) if len(scores) > 1 else 0.0


def _legend() -> list[Line2D]:
    """Return the marks of a figure of settings."""
    marks = ((PALETTE[0], f"best {TOP:.0%}"), (OTHERS, "others"))
    dots = [
        Line2D([], [], marker="o", linestyle="", color=colour, markersize=5, label=label) for colour, label in marks
    ]
    return [*dots, Line2D([], [], color=PALETTE[1], linewidth=1.2, label="winner")]
