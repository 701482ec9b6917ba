"""Judging a population: members × rollouts, over devices and chunks.

Axes: P population, R rollouts, K tasks, L = P·R lives.
"""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Float

from metadisco.config import OuterConfig
from metadisco.errors import UserError
from metadisco.outer.contract import check_evaluation, check_problem, judging
from metadisco.outer.mesh import (
    AXIS,
    collect,
    connect,
    default_chunk_size,
    devices_by_process,
    distribute,
    spread,
)
from metadisco.types import Key, MetaParams, MetaProblem, TaskLike


class JudgedPopulation(NamedTuple):
    """How a population did, on the first device of each process."""

    fitness: Float[Array, "P K"]
    """Mean over rollouts per task; NaN where one of them failed."""
    metrics: dict[str, Float[Array, "P R"]]
    """Metrics of each evaluation."""


class Evaluator:
    """A compiled evaluation of one population size on one set of devices.

    Args:
        problem: how a member is judged.
        config: population, rollouts and chunk.
        mesh: the devices.
        example: meta-parameters of one member.
        chunk_size: lives side by side on one device; that of the config if left out, or by the fixed rule.

    Raises:
        UserError: if the problem is not what the protocol says; before anything is compiled.

    Attributes:
        env_steps: environment steps of a generation.
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
        chunk_size: int | None = None,
    ):
        self._config, self._mesh = config, mesh
        self._sharding, self._whole = (NamedSharding(mesh, spec) for spec in (PartitionSpec(AXIS), PartitionSpec()))
        self.num_devices, self.num_processes = mesh.size, jax.process_count()
        lives_per_device = config.num_lives // mesh.size
        self.platform = mesh.devices.flat[0].platform
        chunk_size = chunk_size or config.given_chunk_size or default_chunk_size(lives_per_device, self.platform)
        self.chunk_size = min(chunk_size, lives_per_device)
        self.env_steps = check_problem(problem) * config.num_lives
        self._over_all: Mapping[str, str] = getattr(problem, "over_all", {})
        function, self._num_shared = judging(problem)
        keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), config.num_lives))
        lives = jax.tree.map(lambda x: jax.ShapeDtypeStruct((config.num_lives, *x.shape), x.dtype), example)
        shared = (example, jax.ShapeDtypeStruct((), jnp.int32))[: self._num_shared]
        connect(mesh)
        start = time.monotonic()
        lowered = spread(function, mesh, self.chunk_size, self._num_shared).lower(
            *self._shapes(shared, self._whole), *self._shapes((keys, lives), self._sharding)
        )
        check_evaluation(lowered.out_info, problem, config.num_lives)
        self._run = lowered.compile()
        self._baseline = self._compiled_baseline(problem, keys) if config.evaluate_every else None
        self.compile_seconds = time.monotonic() - start
        self.chunk_bytes = _memory(self._run)

    @staticmethod
    def _shapes(tree: Any, sharding: NamedSharding) -> Any:
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), tree)

    def _compiled_baseline(self, problem: MetaProblem, keys: Any) -> Any:
        """Compile the problem's baseline, if it has one."""
        baseline = getattr(problem, "baseline", None)
        if baseline is None:
            return None
        lowered = spread(baseline, self._mesh, self.chunk_size).lower(self._shapes(keys, self._sharding))
        wanted = (self._config.num_lives, len(problem.tasks))
        if getattr(lowered.out_info, "shape", None) != wanted or jnp.iscomplexobj(lowered.out_info):
            raise UserError(f"baseline of the meta-problem: allowed: one real number for each of {wanted[1]} tasks")
        return lowered.compile()

    def population(
        self, key: Key, population: MetaParams, centre: MetaParams = None, generation: int = 0
    ) -> JudgedPopulation:
        """Judge every member by R evaluations on the same R seeds (common random numbers).

        Args:
            key: of the generation.
            population: P members.
            centre: of the search, for problems of self-play.
            generation: likewise.
        """
        size, rollouts = self._config.strategy.population_size, self._config.num_rollouts
        keys = jnp.tile(jax.random.split(key, rollouts), size)
        return self._judged(
            keys, jax.tree.map(lambda leaf: jnp.repeat(leaf, rollouts, 0), population), centre, generation
        )

    def centre(self, key: Key, centre: MetaParams, generation: int = 0) -> JudgedPopulation:
        """Judge one set of meta-parameters by as many evaluations as a generation has, each on a seed of its own."""
        lives = self._config.num_lives
        copies = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (lives, *leaf.shape)), centre)
        return self._judged(jax.random.split(key, lives), copies, centre, generation)

    def baseline(self, key: Key) -> Float[Array, "K"] | None:
        """Return the fitness of the problem's baseline on the seeds of `centre`; None where it has none."""
        if self._baseline is None:
            return None
        keys = distribute(jax.random.split(key, self._config.num_lives), self._sharding)
        fitness: Array = collect(self._baseline(keys), self._mesh)
        return fitness.mean(0)

    def over_all(self, judged: JudgedPopulation) -> dict[str, int | float | None]:
        """Return what the problem wants told of all evaluations, failed ones included: counts as sums, else means."""
        row: dict[str, int | float | None] = {}
        for key, name in self._over_all.items():
            values = np.asarray(judged.metrics[name])
            mean = float(values.mean(dtype=np.float64))
            row[key] = int(values.sum()) if values.dtype.kind == "i" else mean if math.isfinite(mean) else None
        return row

    def _judged(self, keys: Array, meta_params: MetaParams, centre: MetaParams, generation: int) -> JudgedPopulation:
        shared = (centre, jnp.asarray(generation, jnp.int32))[: self._num_shared]
        result = self._run(*distribute(shared, self._whole), *distribute((keys, meta_params), self._sharding))
        fitness, metrics = collect(tuple(result), self._mesh)
        shape = self._config.strategy.population_size, self._config.num_rollouts
        return JudgedPopulation(
            fitness.reshape(*shape, -1).mean(1), {name: each.reshape(shape) for name, each in metrics.items()}
        )


def _memory(compiled: Any) -> int | None:
    """Return the bytes of temporaries, arguments and results of a compiled program on one device."""
    analysis = compiled.memory_analysis()
    if analysis is None:
        return None
    parts = ("temp_size_in_bytes", "argument_size_in_bytes", "output_size_in_bytes")
    return sum(int(getattr(analysis, part)) for part in parts)


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


def aggregate(fitness: Float[Array, "P K"], how: str, tasks: Sequence[TaskLike] = ()) -> Float[Array, "P"]:
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


def half_width(fitness: Float[Array | np.ndarray, "P K"], how: str, tasks: Sequence[TaskLike]) -> float:
    """Return half of the 95 % interval (Student's t) of the centre's fitness; NaN where an evaluation failed.

    With `minimum` it is that of the task with the lowest mean.

    Args:
        fitness: P means over rollouts, each of seeds of its own.
        how: as for `aggregate`; with `mean_rank` the mean over tasks stands in.
        tasks: the scales by which fitness is normalised before.
    """
    zero, one = (np.array([getattr(task, end) for task in tasks]) for end in ("zero", "one"))
    values = np.asarray(fitness, np.float64)
    scaled = (np.where(np.isfinite(values), values, math.nan) - zero) / (one - zero)
    scores = scaled[:, scaled.mean(0).argmin()] if how == "minimum" else scaled.mean(1)
    error = scores.std(ddof=1) / math.sqrt(scores.size)
    return float(scipy.special.stdtrit(scores.size - 1, 0.975) * error)
