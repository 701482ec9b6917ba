"""Judging a population: members × rollouts, over devices and chunks.

Axes: P population, R rollouts, K tasks, L = P·R lives.
"""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Float

from metadisco.config import OuterConfig
from metadisco.errors import UserError
from metadisco.outer.devices import (
    AXIS,
    collect,
    connect,
    default_chunk_size,
    devices_by_process,
    distribute,
    spread,
)
from metadisco.types import Key, MetaParams, MetaProblem, TaskInfo


class PopulationEvaluation(NamedTuple):
    """How a population did, on the first device of each process."""

    fitness: Float[Array, "P K"]
    """Mean over rollouts per task; NaN where one of them failed."""
    metrics: dict[str, Array]
    """Metrics of each life, [L]."""


class Evaluator:
    """A compiled evaluation of one population size on one set of devices.

    Args:
        problem: how a member is judged.
        config: population, rollouts and chunk.
        mesh: the devices.
        example: meta-parameters of one member.
        tasks: as `search` takes them.
        chunk_size: lives side by side on one device; that of the config if left out, or by the fixed rule.

    Raises:
        UserError: if problem or tasks are not what the protocol says; before anything is compiled.

    Attributes:
        chunk_size: lives side by side on one device.
        num_devices: devices in use, of all processes.
        num_processes: processes that they belong to.
        platform: what JAX calls them.
        compile_seconds: what compiling took.
        chunk_bytes: memory that the compiled program needs on one device, or None where the backend does not say.
    """

    def __init__(
        self,
        problem: MetaProblem,
        config: OuterConfig,
        mesh: Mesh,
        example: MetaParams,
        tasks: Sequence[TaskInfo] = (),
        chunk_size: int | None = None,
    ):
        self._config, self._mesh = config, mesh
        self._sharding = NamedSharding(mesh, PartitionSpec(AXIS))
        self.num_devices, self.num_processes = mesh.size, jax.process_count()
        lives_per_device = config.num_lives // mesh.size
        self.platform = mesh.devices.flat[0].platform
        chunk_size = chunk_size or config.given_chunk_size or default_chunk_size(lives_per_device, self.platform)
        self.chunk_size = min(chunk_size, lives_per_device)
        keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), config.num_lives))
        lives = jax.tree.map(lambda x: jax.ShapeDtypeStruct((config.num_lives, *x.shape), x.dtype), example)
        shapes = [
            jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=self._sharding), tree)
            for tree in (keys, lives)
        ]
        connect(mesh)
        start = time.monotonic()
        lowered = spread(problem.evaluate, mesh, self.chunk_size).lower(*shapes)
        _check_shape(lowered.out_info, config.num_lives)
        _check_tasks(tasks, lowered.out_info.fitness.shape[1])
        self._run = lowered.compile()
        self.compile_seconds = time.monotonic() - start
        self.chunk_bytes = _memory(self._run)

    def population(self, key: Key, population: MetaParams) -> PopulationEvaluation:
        """Judge every member by R lives on the same R seeds (common random numbers)."""
        size, rollouts = self._config.strategy.population_size, self._config.num_rollouts
        keys = jnp.tile(jax.random.split(key, rollouts), size)
        return self._lives(keys, jax.tree.map(lambda leaf: jnp.repeat(leaf, rollouts, 0), population))

    def centre(self, key: Key, centre: MetaParams) -> Float[Array, "K"]:
        """Judge one set of meta-parameters by as many lives as a generation has, each on a seed of its own."""
        lives = self._config.num_lives
        copies = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (lives, *leaf.shape)), centre)
        return self._lives(jax.random.split(key, lives), copies).fitness.mean(0)

    def _lives(self, keys: Array, meta_params: MetaParams) -> PopulationEvaluation:
        result = self._run(*distribute((keys, meta_params), self._sharding))
        fitness, metrics = collect(tuple(result), self._mesh)
        size, rollouts = self._config.strategy.population_size, self._config.num_rollouts
        return PopulationEvaluation(fitness.reshape(size, rollouts, -1).mean(1), metrics)


def _memory(compiled: Any) -> int | None:
    """Return the bytes of temporaries, arguments and results of a compiled program on one device."""
    analysis = compiled.memory_analysis()
    if analysis is None:
        return None
    parts = ("temp_size_in_bytes", "argument_size_in_bytes", "output_size_in_bytes")
    return sum(int(getattr(analysis, part)) for part in parts)


def _check_shape(evaluation: Any, num_lives: int) -> None:
    """Refuse a meta-problem whose evaluation is not what the protocol says, before it is compiled."""
    shape = tuple(evaluation.fitness.shape)
    if len(shape) != 2 or shape[0] != num_lives:
        raise UserError(f"fitness of the meta-problem: got shape {shape[1:]} per life, allowed: one number per task")
    if "env_steps" not in evaluation.metrics:
        raise UserError("metrics of the meta-problem: 'env_steps', the steps taken by a life, is missing")


def _check_tasks(tasks: Sequence[TaskInfo], num_tasks: int) -> None:
    """Refuse what cannot describe the tasks of a problem."""
    if tasks and len(tasks) != num_tasks:
        raise UserError(f"tasks: got {len(tasks)}, allowed: one TaskInfo for each of the problem's {num_tasks} tasks")
    if len({task.name for task in tasks}) < len(tasks):
        raise UserError(f"tasks: got the names {[task.name for task in tasks]}, allowed: names that differ")
    for task in tasks:
        if task.zero == task.one:
            raise UserError(f"tasks: {task.name} has {task.zero} for 0 and for 1, allowed: two numbers that differ")


def choose_num_devices(config: OuterConfig) -> int:
    """Return how many devices share the lives of a generation evenly, of all processes together.

    Where the config leaves it open this is the largest number that does, if it is more than half of what is there. Of
    several processes each has the same number.

    Raises:
        UserError: naming the nearest population sizes that divide.
    """
    processes = _check_processes(config)
    available = config.num_devices or jax.device_count()
    least = available if config.num_devices else available // 2 + 1
    for num_devices in range(available, least - 1, -processes):
        if config.num_lives % num_devices == 0:
            return num_devices
    size, rollouts = config.strategy.population_size, config.num_rollouts
    step = 2 if config.strategy.needs_even_population else 1
    sizes = range(config.strategy.least_population_size, 2 * (size + available) + 1)
    fits = [n for n in sizes if n % step == 0 and n * rollouts % available == 0]
    near = sorted(sorted(fits, key=lambda n: abs(n - size))[:2])
    where = f" of {processes} processes" if processes > 1 else ""
    raise UserError(
        f"outer.strategy.population_size: got {size}, which with {rollouts} rollouts gives {config.num_lives} inner "
        f"lives, not divisible by {available} devices{where}; allowed: {' or '.join(map(str, near))}, "
        "or another outer.num_devices"
    )


def _check_processes(config: OuterConfig) -> int:
    """Return how many processes there are, if devices can be shared out evenly over them."""
    processes = jax.process_count()
    if processes == 1:
        return 1
    if (config.num_devices or 0) % processes:
        raise UserError(
            f"outer.num_devices: got {config.num_devices}, allowed: a multiple of the {processes} processes"
        )
    counts = [len(devices) for devices in devices_by_process()]
    share = (config.num_devices or jax.device_count()) // processes
    if (config.num_devices is None and len(set(counts)) > 1) or min(counts) < share:
        raise UserError(
            f"devices: got {', '.join(map(str, counts))} in processes 0 to {processes - 1}, allowed: equally many, or "
            f"an outer.num_devices of at most {processes} times {min(counts)} (JAX_NUM_CPU_DEVICES sets them on CPU)"
        )
    return processes


def aggregate(fitness: Float[Array, "P K"], how: str, tasks: Sequence[TaskInfo] = ()) -> Float[Array, "P"]:
    """Make one number per member of its fitness over tasks; a failed task fails the member.

    Args:
        fitness: per member and task.
        how: `mean`, `minimum`, or `mean_rank`: the mean over tasks of ranks within the population.
        tasks: the scales by which fitness is normalised before; none leaves it as it is.
    """
    fitness = jnp.where(jnp.isfinite(fitness), fitness, jnp.nan)
    if tasks:
        zero, one = (jnp.asarray(bounds) for bounds in zip(*((task.zero, task.one) for task in tasks), strict=True))
        fitness = (fitness - zero) / (one - zero)
    if how == "mean":
        return fitness.mean(1)
    if how == "minimum":
        return fitness.min(1)
    # Failures above all others, where they do not shift the ranks of those.
    ranks = jax.scipy.stats.rankdata(jnp.where(jnp.isnan(fitness), jnp.inf, fitness), axis=0).mean(1)
    return jnp.where(jnp.isnan(fitness).any(1), jnp.nan, ranks)
