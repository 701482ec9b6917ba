"""Common figures of several runs: learning curves of the searches, and the losses that they found."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metadisco.config import Config, lifetime
from metadisco.discoveries.load import load_objective
from metadisco.discoveries.sources import Source, short_names
from metadisco.distillation.surfaces import value_loss_curve
from metadisco.errors import UserError
from metadisco.evaluation.histogram_cache import cached_histograms
from metadisco.evaluation.histograms import MinibatchHistograms
from metadisco.outer.devices import start_jax
from metadisco.plotting.drift import drift_figure
from metadisco.plotting.drift_lines import drift_slices_figure
from metadisco.plotting.error_range import errors_drawn
from metadisco.plotting.families import family_of
from metadisco.plotting.objective import Named, fitness_guides, references, surface_of
from metadisco.plotting.runs import runs_figure
from metadisco.plotting.value_loss import value_losses_figure
from metadisco.types import Objective

MAX_MAPS = 4
"""Maximum number of drifts drawn as maps side by side; more are drawn as lines only."""


def check_comparable(sources: Sequence[Source]) -> None:
    """Refuse runs whose fitness is not comparable.

    Raises:
        UserError: naming two runs and how they differ.
    """
    for source in sources:
        if source.run is None:
            raise UserError(
                f"discovery: got {source.name!r}, which is no run, allowed together with others: the path of a run"
            )
    first, *others = sources
    for other in others:
        ours, theirs = (_definition(each.config) for each in (first, other) if each.config is not None)
        for what in ours:
            if ours[what] != theirs[what]:
                raise UserError(
                    f"discovery: got {first.name!r} with {what} {ours[what]} and {other.name!r} with {theirs[what]}, "
                    "allowed in one figure: runs of the same problem, fitness and environments"
                )


def _definition(config: Config) -> dict[str, str]:
    """Return descriptions of the settings that define the fitness of a run."""
    problem = str(config.problem["name"])
    more = {key: value for key, value in config.problem.items() if key != "name"}
    if not config.tasks:
        return {"problem": problem, "settings of the problem": str(more)}
    start, end = config.inner.fitness_part
    part = "" if (start, end) == (0, 1) else f" from {start:g} to {end:g} of the lifetime"
    environments = [
        f"{task.name} {task.env_settings or ''}".strip() + f" ({lifetime(task.ppo)})" for task in config.tasks
    ]
    return {
        "problem": problem,
        "settings of the problem": str(more),
        "fitness": f"{config.inner.fitness}{part}, {config.outer.aggregate} over environments",
        "environments": ", ".join(environments),
        "references": ", ".join(str(task.reference) for task in config.tasks),
    }


def several_figures(
    sources: Sequence[Source],
    configs: Sequence[Config],
    env: str,
    output: Path,
    *,
    visit: bool,
    say: Callable[[str], None],
    announced: Callable[[], None],
) -> Named:
    """Give the figures of several runs, each with its name: their learning curves, and their losses on common axes.

    Args:
        sources: the runs; see `check_comparable`.
        configs: settings of the training runs whose minibatches are counted, one per search; empty if the problem
            learns no objective.
        env: their environment.
        output: folder for the cached counts.
        visit: whether to train at all.
        say: shows messages about the training runs, and about losses without a figure.
        announced: called before them.
    """
    short = short_names(each.name for each in sources)
    rows = {short[each.name]: each.run.metrics() for each in sources if each.run is not None}
    guides = fitness_guides(sources[0].config)
    yield "runs", runs_figure(rows, title=f"Fitness of {len(sources)} runs", guides=guides)
    family = family_of(sources[0].problem)
    if family is not None:
        yield from family.figures(sources, say)
    if not configs:
        return
    start_jax(configs[0].outer.num_devices, configs[0].deterministic)
    objectives = {short[each.name]: load_objective(each.name) for each in sources}
    visits = _all_visits(sources, configs, env, output, say, announced) if visit else None
    where = f", minibatches on {env}" if visit else ""
    for part, figures in (("policy", _drift_figures), ("value", _value_figures)):
        learned = {short[each.name]: objectives[short[each.name]] for each in sources if part in each.parts}
        if learned:
            yield from figures(learned, visits, where, say)


def _all_visits(
    sources: Sequence[Source],
    configs: Sequence[Config],
    env: str,
    output: Path,
    say: Callable[[str], None],
    announced: Callable[[], None],
) -> MinibatchHistograms:
    """Return the histograms of minibatches, summed over the objectives."""
    announced()
    each = [cached_histograms(*pair, env, output, say) for pair in zip(sources, configs, strict=True)]
    return MinibatchHistograms(
        *(np.sum([np.asarray(counts) for counts in field], 0) for field in zip(*each, strict=True))
    )


def _drift_figures(
    learned: Mapping[str, Objective], visits: MinibatchHistograms | None, where: str, say: Callable[[str], None]
) -> Named:
    surfaces = {name: surface_of(objective.policy_loss) for name, objective in learned.items()}
    _check_finite("policy", {name: surface.gradient for name, surface in surfaces.items()})
    surfaces |= {label: surface for label, surface in references().items() if label not in surfaces}
    counts = None if visits is None else np.asarray(visits.policy)
    title = f"Drifts of {len(learned)} runs"
    if len(learned) <= MAX_MAPS:
        maps = dict(list(surfaces.items())[: max(len(learned), MAX_MAPS)])
        yield "drift", drift_figure(maps, title=f"{title}{where}", visits=counts, whose="all of them")
    else:
        say(f"{len(learned)} drifts are drawn as lines only; maps are drawn of at most {MAX_MAPS}")
    yield "drift_slices", drift_slices_figure(surfaces, title=title, visits=counts)


def _value_figures(
    learned: Mapping[str, Objective], visits: MinibatchHistograms | None, where: str, say: Callable[[str], None]
) -> Named:
    counts = None if visits is None else np.asarray(visits.error)
    error = errors_drawn(counts)
    curves = {name: value_loss_curve(objective.value_loss, error) for name, objective in learned.items()}
    _check_finite("value", {name: curve.derivative for name, curve in curves.items()})
    title = f"Value losses of {len(learned)} runs{where}"
    yield "value_loss", value_losses_figure(curves, title=title, error_counts=counts)


def _check_finite(part: str, values: Mapping[str, Any]) -> None:
    """Refuse a loss that cannot be drawn.

    Raises:
        UserError: naming it.
    """
    for name, each in values.items():
        if not np.isfinite(each).all():
            raise UserError(f"{name!r}: its {part} loss is not finite, so that there is nothing to draw")
