"""`metadisco plot`: figures of a run and of the losses of any objective."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from metadisco.commands.announce import announce
from metadisco.commands.display import Display
from metadisco.config import Config, parse_override
from metadisco.config.grid import split_objective
from metadisco.discoveries.sources import Source, find_source
from metadisco.errors import UserError
from metadisco.evaluation.settings import settings_for
from metadisco.storage.files import check_writable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from metadisco.evaluation.visits import Visits
    from metadisco.types import Loss, Objective

MAX_LOG_RATIO, MAX_ADVANTAGE = 1.0, 4.0
NUM_RATIOS, NUM_ADVANTAGES, NUM_ERRORS, NUM_SECOND = 241, 161, 2001, 121
MAX_GENERATIONS = 17  # as many as a published run keeps
MAX_ERROR = 10.0  # where nothing is known of what is visited


def plot(
    name: str,
    output: Path,
    env: str | None,
    config_name: str | None,
    visit: bool,
    three_d: bool,
    words: Sequence[str],
    quiet: bool,
) -> int:
    """Draw a run, and the losses of an objective; write PNG and SVG; return the exit code.

    Raises:
        UserError: for input that cannot be used; nothing was written then.
    """
    settings, overrides = split_objective(dict(parse_override(word) for word in words))
    if settings:
        raise UserError(f"objective.{next(iter(settings))}: constants cannot be set here; name an objective as it is")
    source = find_source(name)
    chosen = settings_for(source, env, config_name, overrides)
    check_writable(output, "--output")
    with Display(quiet) as display:
        announced = partial(announce, display, chosen.settings.origin, [source], [chosen.config], overrides)
        for file in draw(source, chosen.config, chosen.env, output, visit, three_d, display, announced):
            display.say(f"wrote {file}.png and .svg")
    return 0


def draw(
    source: Source,
    config: Config,
    env: str,
    output: Path,
    visit: bool,
    three_d: bool,
    display: Display,
    announced: Callable[[], None],
) -> Iterator[Path]:
    """Draw all figures of an objective; give the path of each, without suffix, once it is there.

    Args:
        source: the objective.
        config: settings of the trainings that show what is visited.
        env: where they are.
        output: folder of the figures.
        visit: whether to train at all.
        three_d: draw surfaces in three dimensions as well.
        display: told of the trainings.
        announced: called before them.
    """
    from metadisco.outer.devices import start_jax

    start_jax(config.outer.num_devices, config.deterministic)

    from metadisco.discoveries.load import load_objective
    from metadisco.evaluation.visiting import kept_visits
    from metadisco.plotting import run_figure, save

    objective = load_objective(source.name)
    visits = kept_visits(source, config, env, output, display.say, announced) if visit else None
    where = f", visited on {env}" if visit else ""
    if source.run is not None and source.run.metrics():
        save(run_figure(source.run.metrics(), title=source.short_name), output / "run")
        yield output / "run"
    for part in source.parts:
        figures = _drift_figures if part == "policy" else _value_figures
        drawn = []
        for file, figure in figures(source, objective, visits, where, three_d):
            save(figure, output / file)
            drawn.append(file)
            yield output / file
        if three_d and not any(file.endswith("_3d") for file in drawn):
            display.say(f"--three-d: the {part} loss of {source.name} has one input, and so no surface to draw")


def _history(source: Source) -> dict[int, "Objective"]:
    """Return the objective after some of the generations at which the run's centre was kept."""
    from metadisco.discoveries.load import load_objective

    if source.run is None:
        return {}
    kept = source.run.centre_generations()
    chosen = sorted({kept[index] for index in np.linspace(0, len(kept) - 1, MAX_GENERATIONS).round().astype(int)})
    return {generation: load_objective(f"{source.run.path}@{generation}") for generation in chosen}


def _drift_figures(
    source: Source, objective: "Objective", visits: "Visits | None", where: str, three_d: bool
) -> Iterator[tuple[str, "Figure"]]:
    from metadisco.distillation.surfaces import DriftSurface, depends_on, drift_surface
    from metadisco.objectives.closed import dpo, ppo
    from metadisco.plotting import drift_3d_figure, drift_evolution_figure, drift_figure, drift_slices_figure

    log_ratio = np.linspace(-MAX_LOG_RATIO, MAX_LOG_RATIO, NUM_RATIOS)
    advantage = np.linspace(-MAX_ADVANTAGE, MAX_ADVANTAGE, NUM_ADVANTAGES)

    def surface(loss: "Loss", progress: float = 0.5) -> DriftSurface:
        return drift_surface(loss, log_ratio, advantage, progress)

    references = {"ppo": ("PPO, ε = 0.2", ppo()), "dpo": ("DPO", dpo())}
    drawn = surface(objective.policy_loss)
    if not np.isfinite(drawn.slope).all():
        raise UserError(f"{source.name!r}: its policy loss is not finite, so that there is nothing to draw")
    taken = any(source.short_name == label for label, _ in references.values())
    own = f"{source.short_name} (this)" if taken else source.short_name
    surfaces = {own: drawn}
    surfaces |= {label: surface(each.policy_loss) for key, (label, each) in references.items() if key != source.name}
    counts = None if visits is None else np.asarray(visits.policy)
    yield "drift", drift_figure(surfaces, title=f"Drift of {source.short_name}{where}", visits=counts)
    yield (
        "drift_slices",
        drift_slices_figure(surfaces, title=f"Slope of the objective of {source.short_name}", visits=counts),
    )
    if depends_on(objective.policy_loss, "progress"):
        life = {f"at {share:.0%} of the life": surface(objective.policy_loss, share) for share in (0.0, 0.5, 1.0)}
        yield (
            "drift_over_life",
            drift_figure(life, title=f"Drift of {source.short_name} over a life{where}", visits=counts),
        )
    history = _history(source)
    if len(history) > 1:
        evolved = {generation: surface(each.policy_loss) for generation, each in history.items()}
        yield "drift_evolution", drift_evolution_figure(evolved, title=f"Drift of {source.short_name} over generations")
    if three_d:
        yield "drift_3d", drift_3d_figure(surfaces[own], title=f"Drift of {source.short_name}")


def _value_figures(
    source: Source, objective: "Objective", visits: "Visits | None", where: str, three_d: bool
) -> Iterator[tuple[str, "Figure"]]:
    from metadisco.distillation.surfaces import SECOND_INPUTS, depends_on, value_loss_curve, value_loss_surface
    from metadisco.plotting import value_loss_evolution_figure, value_loss_figure, value_loss_surface_figure

    low, high = (-MAX_ERROR, MAX_ERROR) if visits is None else _range(np.asarray(visits.error), 0.005)
    furthest = max(-low, high)
    error = np.linspace(-furthest, furthest, NUM_ERRORS)
    loss = objective.value_loss
    curve = value_loss_curve(loss, error)
    if not np.isfinite(curve.derivative).all():
        raise UserError(f"{source.name!r}: its value loss is not finite, so that there is nothing to draw")
    counts = None if visits is None else np.asarray(visits.error)
    title = f"Value loss of {source.short_name}"
    yield (
        "value_loss",
        value_loss_figure(curve, title=f"{title}{where}", label="φ", error_counts=counts),
    )
    history = _history(source)
    if len(history) > 1:
        curves = {generation: value_loss_curve(each.value_loss, error) for generation, each in history.items()}
        yield "value_loss_evolution", value_loss_evolution_figure(curves, title=f"{title} over generations")
    for second_input in SECOND_INPUTS:
        if not depends_on(loss, second_input):
            continue
        met = None if visits is None else np.asarray(getattr(visits, second_input)).sum(0)
        low, high = (-MAX_ERROR, MAX_ERROR) if met is None else _range(met, 0.01)
        surface = value_loss_surface(loss, error, np.linspace(low, high, NUM_SECOND), second_input)
        yield f"value_loss_by_{second_input}", value_loss_surface_figure(surface, title=title)
        if three_d:
            yield f"value_loss_by_{second_input}_3d", value_loss_surface_figure(surface, title=title, three_d=True)


def _range(counts: np.ndarray, tail: float) -> tuple[float, float]:
    """Return the values between which all but a share `tail` at either end of a histogram over VALUE_EDGES lies."""
    from metadisco.evaluation.visits import VALUE_EDGES

    below = np.cumsum(counts) / counts.sum()
    low, high = np.searchsorted(below, (tail, 1 - tail))
    return float(VALUE_EDGES[low]), float(VALUE_EDGES[high + 1])
