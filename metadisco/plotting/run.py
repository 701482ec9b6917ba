"""The course of a search, generation by generation. Axes: R rows of metrics."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from metadisco.plotting.fitness import FAR, FITNESS, LEVEL, draw_centre, draw_fitness, draw_population
from metadisco.plotting.labels import Label, label_ends
from metadisco.plotting.look import TEXT, WIDE, current, points
from metadisco.plotting.rows import Rows, bin_width, column
from metadisco.plotting.style import robust_limits, set_title, uncluttered, wrapped

PER_TASK = ("fitness_mean/", "centre_fitness/")
METRICS = ("metrics/", "centre/")
NUM_COLUMNS = 4
SAME = 1e-5
"""Relative difference up to which two numbers are the same."""
EXACT = ("failed_members", "step_norm", "std")
"""What is no average over random training runs, and is drawn as it is."""


class _Panel(NamedTuple):
    """A small panel."""

    title: str
    unit: str
    key: str
    """Of the population or the search."""
    centre_key: str = ""
    """Of the same quantity of the centre; nothing for one that the search has only once."""


def run_figure(
    rows: Rows,
    *,
    title: str,
    guides: Mapping[str, float] | None = None,
    scale: str = "",
    fitness: str = FITNESS,
    references: Mapping[str, float] | None = None,
    unit: str = "fitness",
) -> Figure:
    """Draw what metrics.jsonl holds: fitness above; tasks, metrics, and what the strategy did below it.

    Fitness is that of the search centre with its 95 % interval; where rows do not hold it, a running mean is drawn,
    with the interval of that mean. Where rows are many, numbers of the population are averaged in bins of generations.
    Several tasks get a panel each, with the unscaled fitness there; so does each metric that the problem reports. What
    is zero or unknown everywhere has no panel.

    Args:
        rows: lines of metrics.jsonl, in any order; numbers may be null or missing, and are then left out.
        title: of the figure.
        guides: level lines by name; the problem's baseline is drawn at its mean if rows hold it.
        scale: of normalised fitness, in words.
        fitness: what fitness without a scale is, in words.
        references: unscaled fitness of PPO by task, for the panels of several tasks; those far off are left out.
        unit: of unscaled fitness.
    """
    rows = sorted(rows, key=lambda row: row["generation"])
    lines = _in_lines([*_of_tasks(rows, unit), *_of_search(rows)])
    wide, tall, low, rest = (TEXT, 1.9, 1.25, 0.4) if current().paper else (WIDE, 3.3, 1.85, 0.7)
    height = rest + tall + low * len(lines)
    figure = Figure(figsize=(wide, height), layout="constrained")
    grid = figure.add_gridspec(1 + len(lines), 1, height_ratios=[tall, *[low] * len(lines)])
    main = figure.add_subplot(grid[0])
    label = f"normalised fitness\n({scale})" if scale else fitness
    draw_fitness(figure, main, rows, guides or {}, label, 0.7 * tall / height)
    small = []
    for number, line in enumerate(lines, 1):
        beside = grid[number].subgridspec(1, len(line))
        for place, panel in enumerate(line):
            small.append(figure.add_subplot(beside[place]))
            limits = _draw_panel(figure, small[-1], rows, panel, 0.8 * wide / len(line))
            reference = (references or {}).get(panel.key.removeprefix(PER_TASK[0]))
            if reference is not None:
                _draw_reference(figure, small[-1], reference, limits, 0.6 * low / height)
    _limit_generations(rows, main, small)
    set_title(figure, f"{title}\n{_spent(rows)}")
    return figure


def _in_lines(panels: list[_Panel]) -> list[list[_Panel]]:
    """Return panels in lines of about the same length."""
    number = -(-len(panels) // NUM_COLUMNS)
    length = -(-len(panels) // max(number, 1))
    return [panels[start : start + length] for start in range(0, len(panels), max(length, 1))]


def _of_tasks(rows: Rows, unit: str) -> list[_Panel]:
    """Return the panels of tasks, if there are several, and of metrics that the problem reports."""
    return [
        _Panel(name.replace("_", " "), unit, *(f"{prefix}{name}" for prefix in prefixes))
        for prefixes, unit in ((PER_TASK, unit), (METRICS, ""))
        for name in _named(rows, prefixes)
        if prefixes is PER_TASK or not _is_fitness(rows, name)
    ]


def _named(rows: Rows, prefixes: tuple[str, ...]) -> list[str]:
    """Return what follows a prefix in the keys of rows, in order, each once, where it is not always 0."""
    found = (key.split("/", 1)[1] for row in rows for key, value in row.items() if key.startswith(prefixes) and value)
    return list(dict.fromkeys(found))


def _is_fitness(rows: Rows, name: str) -> bool:
    """Return whether a metric is everywhere the fitness itself, or minus it."""
    pairs = zip((f"{prefix}{name}" for prefix in METRICS), ("fitness_mean", "centre_fitness"), strict=True)
    metric, fitness = (np.concatenate([column(rows, key) for key in keys]) for keys in zip(*pairs, strict=True))
    known = np.isfinite(metric)
    return any(np.allclose(metric[known], sign * fitness[known], rtol=SAME, equal_nan=True) for sign in (1, -1))


def _of_search(rows: Rows) -> list[_Panel]:
    """Return the panels of what the strategy did, and of what it took."""
    by_clock = not np.nan_to_num(column(rows, "env_steps")).any()
    speed = (
        _Panel("time of a generation", "seconds", "seconds")
        if by_clock
        else _Panel("speed", "steps / s", "env_steps_per_second")
    )
    return [
        panel
        for panel in (
            _Panel("failed members", "members", "failed_members"),
            _Panel("skipped steps", "share", "step_skipped"),
            _Panel("step of the centre", "norm", "step_norm"),
            _Panel("perturbations", "std", "std"),
            speed,
        )
        if np.nan_to_num(column(rows, panel.key)).any()
    ]


def _draw_panel(figure: Figure, axes: Axes, rows: Rows, panel: _Panel, room: float) -> tuple[float, float]:
    """Draw a small panel; return its vertical limits."""
    noisy = panel.key not in EXACT
    _, values = draw_population(axes, rows, panel.key, bin_width(column(rows, "generation")) if noisy else 1)
    uncluttered(axes)
    if panel.centre_key:
        centre = draw_centre(axes, rows, panel.centre_key)
        axes.set_ylim(*robust_limits(np.concatenate([values, centre.mean, centre.mean + centre.half])))
    else:
        axes.set_ylim(*_from_zero(values))
    if panel.key == "env_steps_per_second":
        axes.yaxis.set_major_formatter(EngFormatter())
    size = points(figure, 9)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.set_title(wrapped(figure, panel.title, size, room), fontsize=size, parse_math=False)
    axes.set_ylabel(panel.unit, fontsize=size)
    axes.tick_params(labelsize=size)
    low, high = axes.get_ylim()
    return low, high


def _draw_reference(figure: Figure, axes: Axes, y: float, limits: tuple[float, float], panel: float) -> None:
    """Draw PPO's fitness as a level line with its name, unless it is far outside of limits."""
    low, high = limits
    if low - FAR * (high - low) <= y <= high + FAR * (high - low):
        axes.set_ylim(*robust_limits(np.array([low, high, y])))
        axes.axhline(y, color=LEVEL, linewidth=0.8, linestyle="--", zorder=2)
        label_ends(figure, axes, [Label(y, "PPO", LEVEL)], panel)


def _from_zero(values: Float[np.ndarray, "N"]) -> tuple[float, float]:
    """Return limits for what is never negative."""
    top = float(values[np.isfinite(values)].max(initial=0.0)) or 1.0
    return -0.03 * top, 1.08 * top


def _limit_generations(rows: Rows, fitness: Axes, small: list[Axes]) -> None:
    """Give all panels the same horizontal limits, and numbers at whole generations."""
    uncluttered(fitness)
    generations = [row["generation"] for row in rows] or [0]
    for axes in (fitness, *small):
        margin = max(0.5, (0.015 if axes is fitness else 0.04) * (generations[-1] - generations[0]))
        axes.set_xlim(generations[0] - margin, generations[-1] + 1 + margin)
        axes.xaxis.set_major_locator(MaxNLocator(8 if axes is fitness else 3, integer=True, min_n_ticks=1))
    for axes in small:
        axes.set_xlabel("generation", fontsize=axes.title.get_fontsize())


def _spent(rows: Rows) -> str:
    """Return generations, environment steps and time; the time only where every generation has a row."""
    generations = rows[-1]["generation"] + 1 if rows else 0
    words = [f"{generations:,} generation{'' if generations == 1 else 's'}"]
    env_steps, seconds = column(rows, "env_steps"), column(rows, "seconds")
    if np.nan_to_num(env_steps).any():
        words.append(f"{EngFormatter(places=1)(np.nanmax(env_steps))} environment steps".replace("  ", " "))
    if np.isfinite(seconds).any() and len(rows) == generations:
        total = float(np.nansum(seconds))
        minutes = f"{total / 60:.1f} min" if total >= 100 else f"{total:.0f} s"
        words.append(f"{total / 3600:.1f} h" if total >= 7200 else minutes)
    return ", ".join(words)
