"""All interactive figures of a discovery: of the search that found it, and of what it found."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import plotly.graph_objects as go

from metadisco.config import Config
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
from metadisco.evaluation.histogram_cache import cached_histograms
from metadisco.evaluation.histograms import MinibatchHistograms
from metadisco.objectives.closed import dpo, ppo
from metadisco.outer.devices import start_jax
from metadisco.plotting.error_range import errors_drawn, middle
from metadisco.plotting.families import family_of
from metadisco.plotting.interactive.drift import drift_slices_slider_figure, drift_surfaces_figure
from metadisco.plotting.interactive.run import course_figure
from metadisco.plotting.interactive.value_loss import value_loss_slider_figure, value_loss_surfaces_figure
from metadisco.plotting.objective import DPO, PPO, history_of
from metadisco.types import Loss, Objective

Turning: TypeAlias = Iterator[tuple[str, go.Figure]]

LOG_RATIO = np.linspace(-1.0, 1.0, 61)
ADVANTAGE = np.linspace(-4.0, 4.0, 49)
LOG_RATIO_LINES = np.linspace(-1.0, 1.0, 121)
ADVANTAGE_STEPS = np.linspace(-4.0, 4.0, 33)
NUM_ERRORS, NUM_ERRORS_OF_SURFACE, NUM_SECOND = 241, 61, 41
CAPTIONS = {
    "course": "Fitness over the generations of the search.",
    "drift_surfaces": "Drag to turn. Height is the gradient of the surrogate in units of |A|: ±1 is the plain policy "
    "gradient, 0 is no update. The other button shows the drift itself.",
    "drift_by_advantage": "The gradient of the surrogate in units of |A|; the slider chooses the advantage. Where it "
    "is 0 a sample changes nothing.",
    "meta_episode": "Mean rewards over lifetimes with the middle 80 %, and how often both players play C; the buttons "
    "choose their probability of C after an outcome, each player's own action named first.",
    "payoff_plane": "Each dot is a lifetime, at the meta-step that the slider chooses; grey is all that the game can "
    "pay.",
    "value_loss": "The value loss and its derivative, which is all that PPO uses of it.",
    "value_loss_by_target": "Drag to turn. Height is the derivative of the value loss over the error and the target.",
    "value_loss_by_old_value": "Drag to turn. Height is the derivative of the value loss over the error and the old "
    "value.",
}


def caption_of(name: str) -> str:
    """Return a sentence that explains the interactive figure of a name; empty where there is none."""
    return CAPTIONS.get(name.partition("_against_")[0], "")


def interactive_figures(
    source: Source,
    config: Config | None,
    env: str,
    output: Path,
    *,
    visit: bool,
    say: Callable[[str], None],
) -> Turning:
    """Give the interactive figures of a discovery, each with its name, the most telling first.

    Args:
        source: the discovery.
        config: settings of the training runs whose minibatches are counted; None where there is no objective.
        env: where they are.
        output: folder of the counts.
        visit: whether to train at all.
        say: told of what takes long.

    Raises:
        UserError: for what cannot be loaded.
    """
    if source.is_objective and config is not None:
        yield from _of_objective(source, config, env, output, visit, say)
    else:
        family = family_of(source.problem)
        if family is not None:
            yield from family.interactive(source, say)
    rows = source.run.metrics() if source.run is not None else []
    if rows:
        yield "course", course_figure(rows, title=f"Search of {source.short_name}")


def _of_objective(
    source: Source, config: Config, env: str, output: Path, visit: bool, say: Callable[[str], None]
) -> Turning:
    start_jax(config.outer.num_devices, config.deterministic)
    visits = cached_histograms(source, config, env, output, say) if visit else None
    objective = load_objective(source.name)
    history = history_of(source) or {0: objective}
    _, at, generation = source.name.rpartition("@")
    if at and generation.isdigit():  # one generation was named
        history = {int(generation): objective}
    for part in source.parts:
        yield from (_drifts if part == "policy" else _values)(source.short_name, history, visits)


def _drifts(name: str, history: dict[int, Objective], visits: MinibatchHistograms | None) -> Turning:
    surfaces = {
        generation: drift_surface(each.policy_loss, LOG_RATIO, ADVANTAGE) for generation, each in history.items()
    }
    references = {PPO: ppo().policy_loss, DPO: dpo().policy_loss}
    others = {label: loss for label, loss in references.items() if label.partition(",")[0].lower() != name}
    beside = {label: drift_surface(loss, LOG_RATIO, ADVANTAGE) for label, loss in others.items()}
    yield "drift_surfaces", drift_surfaces_figure(surfaces, beside, name=name, title=f"The drift of {name}, to turn")
    losses: dict[str, Loss] = {name: history[max(history)].policy_loss, **others}
    slices: dict[str, DriftSurface] = {
        label: drift_surface(loss, LOG_RATIO_LINES, ADVANTAGE_STEPS) for label, loss in losses.items()
    }
    counts = None if visits is None else np.asarray(visits.policy)
    title = f"Gradient of the surrogate of {name}, by advantage"
    yield "drift_by_advantage", drift_slices_slider_figure(slices, title=title, visits=counts)


def _values(name: str, history: dict[int, Objective], visits: MinibatchHistograms | None) -> Turning:
    counts = None if visits is None else np.asarray(visits.error)
    low, high = (float(each) for each in errors_drawn(counts)[[0, -1]])
    error = np.linspace(low, high, NUM_ERRORS)
    curves = {generation: value_loss_curve(each.value_loss, error) for generation, each in history.items()}
    title = f"Value loss of {name}"
    yield "value_loss", value_loss_slider_figure(curves, name=name, title=title, error_counts=counts)
    coarse = np.linspace(low, high, NUM_ERRORS_OF_SURFACE)
    for second_input in SECOND_INPUTS:
        if not depends_on(history[max(history)].value_loss, second_input):
            continue
        met = None if visits is None else np.asarray(getattr(visits, second_input)).sum(0)
        second = np.linspace(*middle(met, 0.01), NUM_SECOND)
        surfaces = {
            generation: value_loss_surface(each.value_loss, coarse, second, second_input)
            for generation, each in history.items()
        }
        yield (
            f"value_loss_by_{second_input}",
            value_loss_surfaces_figure(surfaces, name=name, title=f"{title}, to turn"),
        )
