"""The generation loop: ask, evaluate, tell, write down. Axes: P population, K tasks."""

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
from jax import Array
from jaxtyping import Float

from metadisco.config import OuterConfig
from metadisco.objectives.arithmetic import in_float32
from metadisco.outer.chunks import BY_RULE, Chunks, is_out_of_memory
from metadisco.outer.evaluate import Evaluator, JudgedPopulation, aggregate, choose_num_devices, half_width
from metadisco.outer.mesh import make_mesh
from metadisco.outer.strategy import Strategy, StrategyState, TellReport, make_strategy
from metadisco.types import Key, MetaParams, MetaProblem, TaskLike


class SearchState(NamedTuple):
    """Everything that the rest of a search depends on."""

    key: Key
    """The root key; every generation folds its number in, so that it never changes."""
    strategy: StrategyState


class Progress(NamedTuple):
    """What has been spent so far; kept beside the state, as it outgrows 32 bits."""

    generation: int
    """Generations completed."""
    env_steps: int
    """Environment steps of the search; those of evaluating the centre are not counted."""


@runtime_checkable
class Recorder(Protocol):
    """Where a search leaves its traces: a run directory, or something in memory."""

    def restore(self, template: SearchState) -> tuple[SearchState, Progress] | None:
        """Return the newest saved state, or None where there is none."""

    def start(self, evaluator: Evaluator) -> None:
        """Be told of the compiled evaluation, before the first generation and before anything is recorded."""

    def log(self, row: dict[str, Any]) -> None:
        """Keep the metrics of one generation."""

    def save(self, state: SearchState, progress: Progress) -> None:
        """Keep the state after a generation, so that a kill at any later time can be continued from it."""


class Keys(NamedTuple):
    """The independent random streams of a search, each folded with the generation."""

    start: Key
    strategy: Key
    ask: Key
    tell: Key
    lives: Key
    centre: Key
    """A stream of its own, so that evaluating the centre never changes the search."""


@in_float32
def search(
    problem: MetaProblem,
    config: OuterConfig,
    recorder: Recorder,
    *,
    seed: int = 0,
    should_stop: Callable[[], bool] = lambda: False,
    chunks: Chunks = BY_RULE,
) -> MetaParams:
    """Evolve meta-parameters, from where `recorder` left off.

    Args:
        problem: what is evolved, and how it is judged.
        config: the settings of the search.
        recorder: where state and metrics go, and come from when a run is continued.
        seed: meta-seed of a new run; a continued one keeps its own.
        should_stop: asked after every generation; when true, the state is saved and the search ends.
        chunks: how a chunk size is found where the config leaves it to a measurement.

    Returns:
        The centre of the search: its mean, or the best of the last generation for population-based strategies.

    Raises:
        UserError: if the settings do not fit the problem or the devices; before anything is compiled.
        MachineError: if the devices have too little memory.
    """
    mesh = make_mesh(choose_num_devices(config))
    streams = _streams(jax.random.key(seed))
    start = problem.init(streams.start)
    strategy = make_strategy(config.strategy, start)
    state = SearchState(jax.random.key(seed), strategy.init(streams.strategy, start))
    progress = Progress(0, 0)
    restored = recorder.restore(state)
    if restored is not None:
        state, progress = restored
    # From the start where every generation will have it, or the second one would compile `ask` and `tell` anew.
    state = jax.device_put(state, jax.local_devices()[0])
    if progress.generation >= config.num_generations:
        return state.strategy.centre
    build = partial(Evaluator, problem, config, mesh, start)
    evaluator = chunks.start(build, config, mesh, start)
    recorder.start(evaluator)
    if restored is None:
        recorder.save(state, progress)
    saved = progress.generation
    while progress.generation < config.num_generations:
        try:
            state, progress, row = _generation(state, progress, strategy, evaluator, config, problem.tasks)
        except jax.errors.JaxRuntimeError as error:
            if is_out_of_memory(error) and saved < progress.generation:
                recorder.save(state, progress)  # what comes before other chunks is not run again with them
                saved = progress.generation
            evaluator = chunks.retreat(error, build, config, evaluator)
            continue
        recorder.log(row)
        last = progress.generation == config.num_generations or should_stop()
        if last or progress.generation % config.checkpoint_every == 0:
            recorder.save(state, progress)
            saved = progress.generation
        if last:
            break
    return state.strategy.centre


def _streams(key: Key) -> Keys:
    return Keys(*jax.random.split(key, len(Keys._fields)))


def _generation(
    state: SearchState,
    progress: Progress,
    strategy: Strategy,
    evaluator: Evaluator,
    config: OuterConfig,
    tasks: Sequence[TaskLike],
) -> tuple[SearchState, Progress, dict[str, Any]]:
    """Run one generation; return the new state, what it cost so far, and its row of metrics."""
    start = time.monotonic()
    generation = progress.generation
    keys = Keys(*(jax.random.fold_in(key, generation) for key in _streams(state.key)))
    population, asked = strategy.ask(keys.ask, state.strategy)
    judged = evaluator.population(keys.lives, population, state.strategy.centre, generation)
    fitness = aggregate(judged.fitness, config.aggregate, tasks)
    told, report = strategy.tell(keys.tell, population, fitness, asked)
    state = state._replace(strategy=told)
    row = _fitness_row(np.asarray(fitness)) | _report_row(report) | _task_row(judged.fitness, tasks, "fitness_mean")
    row |= _metrics_row(judged, "metrics") | evaluator.over_all(judged)
    seconds = time.monotonic() - start
    if config.evaluate_every and (generation + 1) % config.evaluate_every == 0:
        row |= _centre_row(keys.centre, told.centre, generation, evaluator, config, tasks)
    progress = Progress(generation + 1, progress.env_steps + evaluator.env_steps)
    row = {"generation": generation} | row
    row |= {"env_steps": progress.env_steps, "seconds": seconds, "env_steps_per_second": evaluator.env_steps / seconds}
    return state, progress, row


def _centre_row(
    key: Key,
    centre: MetaParams,
    generation: int,
    evaluator: Evaluator,
    config: OuterConfig,
    tasks: Sequence[TaskLike],
) -> dict[str, Any]:
    """Judge the centre, and the problem's baseline where it has one, on the same seeds; return their part of a row."""
    judged = evaluator.centre(key, centre, generation)
    rows = _overall_row(judged.fitness.mean(0), config, tasks, "centre_fitness") | _metrics_row(judged, "centre")
    rows["centre_half_width"] = _number(half_width(judged.fitness, config.aggregate, tasks))
    baseline = evaluator.baseline(key)
    return rows if baseline is None else rows | _overall_row(baseline, config, tasks, "baseline_fitness")


def _overall_row(
    fitness: Float[Array, "K"], config: OuterConfig, tasks: Sequence[TaskLike], key: str
) -> dict[str, Any]:
    """Return one number over tasks, and that of each of several.

    Ranks need a population, so that where members are ranked the mean over tasks stands in.
    """
    how = "mean" if config.aggregate == "mean_rank" else config.aggregate
    return {key: _number(aggregate(fitness[None], how, tasks)[0])} | _task_row(fitness[None], tasks, key)


def _metrics_row(judged: JudgedPopulation, prefix: str) -> dict[str, Any]:
    """Return each metric of the problem as its mean over members that did not fail, null where there is none.

    A member's own is the mean over its rollouts.
    """
    worked = np.isfinite(np.asarray(judged.fitness)).all(1)
    row = {}
    for name, each in judged.metrics.items():
        members = np.asarray(each, np.float64).mean(1)
        known = members[worked & np.isfinite(members)]
        row[f"{prefix}/{name}"] = float(known.mean()) if known.size else None
    return row


def _task_row(fitness: Float[Array, "P K"], tasks: Sequence[TaskLike], key: str) -> dict[str, Any]:
    """Return the mean fitness on each of several tasks, unscaled, over the members that did not fail there."""
    if len(tasks) < 2:
        return {}
    columns = (column[np.isfinite(column)] for column in np.asarray(fitness, np.float64).T)
    means = [float(column.mean()) if column.size else None for column in columns]
    return {f"{key}/{task.name}": mean for task, mean in zip(tasks, means, strict=True)}


def _fitness_row(fitness: np.ndarray) -> dict[str, Any]:
    """Return the spread of fitness over the members that did not fail; null where all did."""
    finite = fitness[np.isfinite(fitness)].astype(np.float64)
    if finite.size == 0:
        return dict.fromkeys(("fitness_mean", "fitness_best", "fitness_worst", "fitness_std"))
    return {
        "fitness_mean": float(finite.mean()),
        "fitness_best": float(np.max(finite)),
        "fitness_worst": float(np.min(finite)),
        "fitness_std": float(finite.std()),
    }


def _report_row(report: TellReport) -> dict[str, Any]:
    return {
        "failed_members": int(report.failed),
        "step_skipped": bool(report.skipped),
        "std": _number(report.std),
        "step_norm": _number(report.step_norm),
    }


def _number(value: Array | float) -> float | None:
    """Return a float, or None for what JSON cannot hold."""
    number = float(value)
    return number if math.isfinite(number) else None
