"""The outer loop: ask, evaluate, tell, record. Axes: P population, K tasks."""

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
from metadisco.outer.aggregate import aggregate, aggregate_rollouts, half_width, paired_difference, scores_of
from metadisco.outer.chunks import FIXED_RULE, Chunks, is_out_of_memory
from metadisco.outer.evaluate import Evaluator, PopulationResult, choose_num_devices
from metadisco.outer.mesh import make_mesh
from metadisco.outer.strategy import Strategy, StrategyState, TellReport, make_strategy
from metadisco.types import Key, MetaParams, MetaProblem, TaskInfo, TaskLike


class SearchState(NamedTuple):
    """The complete state of a search between two generations."""

    key: Key
    """The root key, which never changes: each generation folds in its number."""
    strategy: StrategyState


class Progress(NamedTuple):
    """Progress of a search; separate from the state, as its numbers can exceed 32 bits."""

    generation: int
    """Number of completed generations."""
    env_steps: int
    """Environment steps of the search, without those of evaluating the search centre."""


@runtime_checkable
class Recorder(Protocol):
    """Records a search: in a run directory, or in memory."""

    def restore(self, template: SearchState) -> tuple[SearchState, Progress] | None:
        """Return the newest saved state, or None if there is none."""

    def start(self, evaluator: Evaluator) -> None:
        """Called once with the compiled evaluation, before the first generation and before anything is recorded."""

    def log(self, row: dict[str, Any]) -> None:
        """Record the metrics of one generation."""

    def save(self, state: SearchState, progress: Progress) -> None:
        """Save the state after a generation, so that the search can be resumed from it if it is killed later."""


class Keys(NamedTuple):
    """Independent random streams of a search; the number of the generation is folded into each."""

    start: Key
    strategy: Key
    ask: Key
    tell: Key
    evaluations: Key
    centre: Key
    """A separate stream, so that evaluating the search centre does not affect the search."""


@in_float32
def search(
    problem: MetaProblem,
    config: OuterConfig,
    recorder: Recorder,
    *,
    seed: int = 0,
    should_stop: Callable[[], bool] = lambda: False,
    chunks: Chunks = FIXED_RULE,
) -> MetaParams:
    """Evolve meta-parameters; resume from the newest state that `recorder` has saved.

    Args:
        problem: the meta-problem, which provides initial meta-parameters and evaluates members.
        config: the settings of the search.
        recorder: saves and restores the state, and records metrics.
        seed: seed of a new run; a resumed run keeps its own.
        should_stop: called after every generation; if it returns true, the state is saved and the search ends.
        chunks: how to choose the chunk size for `chunk_size: auto`.

    Returns:
        The search centre: the strategy's mean, or for population-based strategies the best of the last generation.

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
    # On the device where each generation leaves it; otherwise the second generation would recompile `ask` and `tell`.
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
                recorder.save(state, progress)  # so that these generations are never repeated with other chunks
                saved = progress.generation
            evaluator = chunks.shrink(error, build, config, evaluator)
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
    """Run one generation; return the new state, the progress, and a row of metrics."""
    start = time.monotonic()
    generation = progress.generation
    keys = Keys(*(jax.random.fold_in(key, generation) for key in _streams(state.key)))
    population, asked = strategy.ask(keys.ask, state.strategy)
    result = evaluator.population(keys.evaluations, population, state.strategy.centre, generation)
    baseline = evaluator.population_baseline(keys.evaluations)
    fitness = aggregate_rollouts(result.by_rollout, config.aggregate, tasks, baseline)
    told, report = strategy.tell(keys.tell, population, fitness, asked)
    state = state._replace(strategy=told)
    row = _fitness_row(np.asarray(fitness)) | _report_row(report) | _task_row(result.fitness, tasks, "fitness_mean")
    row |= _metrics_row(result, "metrics") | evaluator.over_all(result)
    row |= {f"draw/{name}": _number(value) for name, value in evaluator.draws(keys.evaluations).items()}
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
    """Evaluate the search centre, and the problem's baseline if any, on the same seeds; return their part of a row."""
    result, baseline = evaluator.centre(key, centre, generation), evaluator.centre_baseline(key)
    row = _overall_row(result.by_rollout, baseline, config, tasks, "centre_fitness")
    row |= _metrics_row(result, "centre")
    if config.aggregate == "capped_mean":
        scores: Any = aggregate_rollouts(result.by_rollout, config.aggregate, tasks, baseline)
    else:
        scores = scores_of(result.fitness, config.aggregate, tasks)
    row["centre_half_width"] = _number(half_width(scores))
    if baseline is None:
        return row
    row |= _overall_row(baseline, baseline, config, tasks, "baseline_fitness")
    return row | _difference_row(result.by_rollout, baseline, tasks)


def _overall_row(
    fitness: Float[Array, "P R K"],
    baseline: Float[Array, "P R K"] | None,
    config: OuterConfig,
    tasks: Sequence[TaskLike],
    key: str,
) -> dict[str, Any]:
    """Return the aggregated fitness, and the fitness on each task if there are several.

    Ranks need a population, so they are replaced by the mean over tasks.
    """
    mean = fitness.mean((0, 1))[None]
    if config.aggregate == "capped_mean":
        overall = aggregate_rollouts(fitness, config.aggregate, tasks, baseline).mean()
    else:
        overall = aggregate(mean, "minimum" if config.aggregate == "minimum" else "mean", tasks)[0]
    return {key: _number(overall)} | _task_row(mean, tasks, key)


def _difference_row(
    fitness: Float[Array, "P R K"], baseline: Float[Array, "P R K"], tasks: Sequence[TaskLike]
) -> dict[str, Any]:
    """Return how far the centre is above the baseline, with standard errors: over all tasks and, unscaled, on each."""
    row: dict[str, Any] = {}
    pairs = [("", fitness, baseline, tasks)]
    if len(tasks) > 1:
        columns = [(f"/{task.name}", slice(number, number + 1)) for number, task in enumerate(tasks)]
        unscaled = [TaskInfo("")]
        pairs += [(name, fitness[..., one], baseline[..., one], unscaled) for name, one in columns]
    for name, ours, theirs, scales in pairs:
        difference, error = paired_difference(ours, theirs, scales)
        row |= {f"centre_minus_baseline{name}": _number(difference)}
        row |= {f"centre_minus_baseline_error{name}": _number(error)}
    return row


def _metrics_row(result: PopulationResult, prefix: str) -> dict[str, Any]:
    """Return the mean of each metric over rollouts and over the members that did not fail; null if all failed."""
    worked = np.isfinite(np.asarray(result.fitness)).all(1)
    row = {}
    for name, each in result.metrics.items():
        members = np.asarray(each, np.float64).mean(1)
        known = members[worked & np.isfinite(members)]
        row[f"{prefix}/{name}"] = float(known.mean()) if known.size else None
    return row


def _task_row(fitness: Float[Array, "P K"], tasks: Sequence[TaskLike], key: str) -> dict[str, Any]:
    """Return the mean unnormalised fitness on each of several tasks, over the members that did not fail there."""
    if len(tasks) < 2:
        return {}
    columns = (column[np.isfinite(column)] for column in np.asarray(fitness, np.float64).T)
    means = [float(column.mean()) if column.size else None for column in columns]
    return {f"{key}/{task.name}": mean for task, mean in zip(tasks, means, strict=True)}


def _fitness_row(fitness: np.ndarray) -> dict[str, Any]:
    """Return statistics of fitness over the members that did not fail; null if all failed."""
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
    """Return a float, or None if it is not finite, as JSON has no such numbers."""
    number = float(value)
    return number if math.isfinite(number) else None
