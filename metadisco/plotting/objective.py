"""All figures of an objective: of the run that found it, and of its losses where agents train."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from metadisco.config import Config
from metadisco.config.problems import finds_objective
from metadisco.discoveries.load import load_objective
from metadisco.discoveries.sources import Source
from metadisco.distillation.surfaces import (
    SECOND_INPUTS,
    DriftSurface,
    depends_on,
    drift_surface,
    value_loss_curve,
    value_loss_surface,
)
from metadisco.errors import UserError
from metadisco.evaluation.histogram_cache import cached_histograms
from metadisco.evaluation.histograms import MinibatchHistograms
from metadisco.evaluation.tables import SCORE_TITLES
from metadisco.objectives.closed import dpo, ppo
from metadisco.objectives.schedules import factors_over
from metadisco.outer.devices import start_jax
from metadisco.plotting.drift import drift_evolution_figure, drift_figure
from metadisco.plotting.drift_lines import drift_slices_figure
from metadisco.plotting.error_range import errors_drawn, middle
from metadisco.plotting.families import family_of
from metadisco.plotting.fitness import FITNESS
from metadisco.plotting.run import run_figure
from metadisco.plotting.schedule import schedule_figure
from metadisco.plotting.style import save
from metadisco.plotting.value_loss import value_loss_evolution_figure, value_loss_figure
from metadisco.plotting.value_loss_surface import value_loss_surface_figure
from metadisco.types import Loss, Objective, Schedule

MAX_PLOTTED_LOG_RATIO, MAX_PLOTTED_ADVANTAGE = 1.0, 4.0
NUM_RATIOS, NUM_ADVANTAGES, NUM_SECOND = 241, 161, 121
NUM_TIMES = 201
LOG_RATIO = np.linspace(-MAX_PLOTTED_LOG_RATIO, MAX_PLOTTED_LOG_RATIO, NUM_RATIOS)
ADVANTAGE = np.linspace(-MAX_PLOTTED_ADVANTAGE, MAX_PLOTTED_ADVANTAGE, NUM_ADVANTAGES)
MAX_GENERATIONS = 17  # as many as a published run keeps

SCALE = "random actions 0, PPO 1"
PPO, DPO = "PPO, ε = 0.2", "DPO"

Named = Iterator[tuple[str, Figure]]


def draw_objective(
    source: Source,
    config: Config,
    env: str,
    output: Path,
    *,
    visit: bool = True,
    annotate: bool = False,
    say: Callable[[str], None] = lambda text: None,
    announced: Callable[[], None] = lambda: None,
) -> Iterator[Path]:
    """Write all figures of an objective as PNG and SVG; give the path of each, without suffix, once it is there.

    Args:
        source: the objective.
        config: settings of the training runs whose minibatches are counted.
        env: where they are.
        output: folder of the figures; the counts are kept there, too.
        visit: whether to train at all.
        annotate: mark what is notable about a loss, too.
        say: told of the training runs, and of what has no figure.
        announced: called before them.

    Raises:
        UserError: for what cannot be loaded or drawn.
    """
    figures = objective_figures(
        source, config, env, output, visit=visit, annotate=annotate, say=say, announced=announced
    )
    for name, figure in figures:
        save(figure, output / name)
        yield output / name


def draw_run(source: Source, output: Path, say: Callable[[str], None]) -> Iterator[Path]:
    """Write the figures of a run of another problem; else as `draw_objective`."""
    for name, figure in all_run_figures(source, say):
        save(figure, output / name)
        yield output / name


def run_figures(source: Source) -> Named:
    """Give the figure of a run, of whatever problem it is, with its name; none where it has no metrics yet."""
    rows = source.run.metrics() if source.run else []
    if rows:
        guides = fitness_guides(source.config)
        drawing: Any = {"guides": guides, "scale": SCALE if guides else "", "fitness": fitness_in_words(source.config)}
        if guides and source.config is not None:
            references = {task.name: task.reference.ppo for task in source.config.tasks if task.reference is not None}
            drawing |= {"references": references, "unit": "return"}
        yield "run", run_figure(rows, title=source.short_name, **drawing)


def fitness_in_words(config: Config | None) -> str:
    """Return what the fitness of a run without scale is."""
    family = None if config is None else family_of(config.problem)
    if config is not None and family is not None:
        return family.fitness(config)
    if config is not None and finds_objective(config.problem) and len(config.inner.tasks) == 1:
        return SCORE_TITLES.get(config.inner.fitness, FITNESS)
    return FITNESS


def fitness_guides(config: Config | None) -> Mapping[str, float]:
    """Return PPO's fitness, 1, if fitness is on the scale from random actions to PPO; a message's may be on another."""
    if config is None or not finds_objective(config.problem):
        return {}
    referred = config.tasks and all(task.reference is not None for task in config.tasks)
    return {"PPO (reference)": 1.0} if referred else {}


def all_run_figures(source: Source, say: Callable[[str], None]) -> Named:
    """Give the figures that runs of its problem have, and that of any run, with their names."""
    family = family_of(source.problem)
    if family is not None:
        yield from family.figures([source], say)
    yield from run_figures(source)


def objective_figures(
    source: Source,
    config: Config,
    env: str,
    output: Path,
    *,
    visit: bool,
    annotate: bool = False,
    say: Callable[[str], None],
    announced: Callable[[], None],
) -> Named:
    """Give all figures of an objective, each with its name; arguments and errors as for `draw_objective`."""
    start_jax(config.outer.num_devices, config.deterministic)
    objective = load_objective(source.name)
    visits = cached_histograms(source, config, env, output, say, announced) if visit else None
    where = f", minibatches on {env}" if visit else ""
    yield from run_figures(source)
    if objective.schedule is not None:
        yield "schedule", _schedule_figure(source, objective.schedule)
    for part in source.parts:
        figures = _drift_figures if part == "policy" else _value_figures
        yield from figures(source, objective, visits, where, annotate)


def _schedule_figure(source: Source, schedule: Schedule) -> Figure:
    progress = np.linspace(0.0, 1.0, NUM_TIMES)
    schedules = {generation: each.schedule for generation, each in history_of(source).items()}
    earlier = {generation: factors_over(each, progress) for generation, each in schedules.items() if each}
    return schedule_figure(
        progress,
        factors_over(schedule, progress),
        title=f"Schedule of {source.short_name}{', earlier search centres lighter' if len(earlier) > 1 else ''}",
        earlier=earlier,
    )


def history_of(source: Source) -> dict[int, Objective]:
    """Return the objective after some of the generations at which the run's centre was kept."""
    if source.run is None:
        return {}
    kept = source.run.centre_generations()
    chosen = sorted({kept[index] for index in np.linspace(0, len(kept) - 1, MAX_GENERATIONS).round().astype(int)})
    return {generation: load_objective(f"{source.run.path}@{generation}") for generation in chosen}


def surface_of(loss: Loss, progress: float = 0.5) -> DriftSurface:
    """Return the drift of a policy loss on the grid that figures have, at a share of the lifetime."""
    return drift_surface(loss, LOG_RATIO, ADVANTAGE, progress)


def references() -> dict[str, DriftSurface]:
    """Return by label the drifts that are drawn beside learned ones."""
    return {PPO: surface_of(ppo().policy_loss), DPO: surface_of(dpo().policy_loss)}


def _drift_figures(
    source: Source,
    objective: Objective,
    visits: MinibatchHistograms | None,
    where: str,
    annotate: bool,
) -> Named:
    name, loss = source.short_name, objective.policy_loss
    drawn = surface_of(loss)
    if not np.isfinite(drawn.gradient).all():
        raise UserError(f"{source.name!r}: its policy loss is not finite, so that there is nothing to draw")
    own = {"ppo": PPO, "dpo": DPO}.get(source.name)
    beside = {label: surface for label, surface in references().items() if label != own}
    surfaces = {f"{name} (this)" if name in beside else name: drawn, **beside}
    counts = None if visits is None else np.asarray(visits.policy)
    drawing: Any = {"visits": counts, "whose": name, "annotate": annotate}
    yield "drift", drift_figure(surfaces, title=f"Drift of {name}{where}", **drawing)
    title = f"Gradient of the surrogate of {name}: above 0 it raises r"
    yield "drift_slices", drift_slices_figure(surfaces, title=title, visits=counts)
    if depends_on(loss, "progress"):
        lifetime = {f"at {share:.0%} of the lifetime": surface_of(loss, share) for share in (0.0, 0.5, 1.0)}
        title = f"Drift of {name} over a lifetime{where}"
        yield "drift_over_life", drift_figure(lifetime, title=title, **drawing)
    history = history_of(source)
    if len(history) > 1:
        evolved = {generation: surface_of(each.policy_loss) for generation, each in history.items()}
        yield "drift_evolution", drift_evolution_figure(evolved, title=f"Drift of {name} over generations", **drawing)


def _value_figures(
    source: Source,
    objective: Objective,
    visits: MinibatchHistograms | None,
    where: str,
    annotate: bool,
) -> Named:
    counts = None if visits is None else np.asarray(visits.error)
    error = errors_drawn(counts, mirrored=annotate)
    loss, title = objective.value_loss, f"Value loss of {source.short_name}"
    curve = value_loss_curve(loss, error)
    if not np.isfinite(curve.derivative).all():
        raise UserError(f"{source.name!r}: its value loss is not finite, so that there is nothing to draw")
    drawing: Any = {"label": "learned loss φ", "error_counts": counts, "annotate": annotate}
    yield "value_loss", value_loss_figure(curve, title=f"{title}{where}", **drawing)
    history = history_of(source)
    if len(history) > 1:
        curves = {generation: value_loss_curve(each.value_loss, error) for generation, each in history.items()}
        yield "value_loss_evolution", value_loss_evolution_figure(curves, title=f"{title} over generations")
    for second_input in SECOND_INPUTS:
        if depends_on(loss, second_input):
            yield from _value_surfaces(loss, error, second_input, visits, title)


def _value_surfaces(
    loss: Loss,
    error: Float[np.ndarray, "G"],
    second_input: str,
    visits: MinibatchHistograms | None,
    title: str,
) -> Named:
    met = None if visits is None else np.asarray(getattr(visits, second_input)).sum(0)
    low, high = middle(met, 0.01)
    surface = value_loss_surface(loss, error, np.linspace(low, high, NUM_SECOND), second_input)
    yield f"value_loss_by_{second_input}", value_loss_surface_figure(surface, title=title)
