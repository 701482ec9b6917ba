"""Evaluating a population: members × rollouts, over devices and chunks.

Axes: P population, R rollouts, K tasks, L = P·R evaluations.
"""

import math
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Float

from metadisco.config import OuterConfig
from metadisco.errors import UserError
from metadisco.outer.contract import check_evaluation, check_problem, member_evaluation
from metadisco.outer.mesh import (
    AXIS,
    collect,
    connect,
    default_chunk_size,
    devices_by_process,
    distribute,
    spread,
)
from metadisco.types import Key, MetaParams, MetaProblem


class PopulationResult(NamedTuple):
    """Fitness and metrics of a population, on the first device of each process."""

    fitness: Float[Array, "P K"]
    """Mean over rollouts per task; NaN if one of them failed."""
    metrics: dict[str, Float[Array, "P R"]]
    """Metrics of each evaluation."""
    by_rollout: Float[Array, "P R K"]
    """Fitness of each evaluation."""


class Evaluator:
    """The compiled evaluation of a population, for a fixed population size and set of devices.

    Args:
        problem: evaluates a member.
        config: population size, rollouts and chunk size.
        mesh: the devices.
        example: meta-parameters of one member.
        chunk_size: evaluations in parallel on one device; by default that of the config, else by the fixed rule.

    Raises:
        UserError: if the problem violates the protocol; before anything is compiled.

    Attributes:
        env_steps: environment steps per generation.
        chunk_size: evaluations in parallel on one device.
        num_devices: number of devices in use, over all processes.
        num_processes: number of processes.
        platform: JAX's name of the platform.
        num_baselines: evaluations of the baseline whenever the search centre is evaluated; 0 if there is none.
        num_baselines_per_generation: the same in every generation: those of `capped_mean`, else 0.
        compile_seconds: compile time.
        chunk_bytes: memory of the compiled program on one device, or None if the backend does not report it.
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
        num, evaluations_per_device = config.num_evaluations, config.num_evaluations // mesh.size
        self.platform = mesh.devices.flat[0].platform
        chunk_size = chunk_size or config.given_chunk_size or default_chunk_size(evaluations_per_device, self.platform)
        self.chunk_size = min(chunk_size, evaluations_per_device)
        self.env_steps = check_problem(problem) * num
        self._baseline_batch = self._count_baselines(problem)
        self._over_all: Mapping[str, str] = getattr(problem, "over_all", {})
        function, self._num_shared = member_evaluation(problem)
        keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), num))
        meta_params = jax.tree.map(lambda x: jax.ShapeDtypeStruct((num, *x.shape), x.dtype), example)
        shared = (example, jax.ShapeDtypeStruct((), jnp.int32))[: self._num_shared]
        connect(mesh)
        start = time.monotonic()
        lowered = spread(function, mesh, self.chunk_size, self._num_shared).lower(
            *self._shapes(shared, self._whole), *self._shapes((keys, meta_params), self._sharding)
        )
        check_evaluation(lowered.out_info, problem, num)
        self._run = lowered.compile()
        self._baseline = self._compiled_baseline(problem) if self._baseline_batch else None
        self._draws = _compiled_draws(problem)
        self.compile_seconds = time.monotonic() - start
        self.chunk_bytes = _memory(self._run)

    @staticmethod
    def _shapes(tree: Any, sharding: NamedSharding) -> Any:
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), tree)

    def _count_baselines(self, problem: MetaProblem) -> int:
        """Count evaluations of the problem's baseline, if it has one; return how many its program runs in parallel.

        One program serves both uses: with `capped_mean` it takes the rollouts of a generation, and those of the search
        centre in several batches. Batches are filled up to a multiple of the number of devices.
        """
        config, has_one = self._config, getattr(problem, "baseline", None) is not None
        capped = config.aggregate == "capped_mean"
        if capped and not has_one:
            raise UserError(
                "outer.aggregate: got 'capped_mean' for a problem without a baseline, allowed: a problem that has one, "
                "such as objective_discovery with outer.baseline=ppo"
            )
        size, num = self._mesh.size, config.num_evaluations
        batch = math.ceil(config.num_rollouts / size) * size if capped else num
        used = has_one and config.evaluate_every
        self.num_baselines = math.ceil(num / batch) * batch if used else 0
        self.num_baselines_per_generation = batch if capped else 0
        return batch if used or capped else 0

    def _compiled_baseline(self, problem: MetaProblem) -> Any:
        """Compile the problem's baseline."""
        baseline: Any = getattr(problem, "baseline", None)
        keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), self._baseline_batch))
        chunk_size = min(self.chunk_size, self._baseline_batch // self._mesh.size)
        lowered = spread(baseline, self._mesh, chunk_size).lower(self._shapes(keys, self._sharding))
        wanted = (self._baseline_batch, len(problem.tasks))
        if getattr(lowered.out_info, "shape", None) != wanted or jnp.iscomplexobj(lowered.out_info):
            raise UserError(f"baseline of the meta-problem: allowed: one real number for each of {wanted[1]} tasks")
        return lowered.compile()

    def population(
        self, key: Key, population: MetaParams, centre: MetaParams = None, generation: int = 0
    ) -> PopulationResult:
        """Evaluate every member R times, on the same R seeds (common random numbers).

        Args:
            key: key of the generation.
            population: P members.
            centre: the search centre, for self-play problems.
            generation: the generation, for self-play problems.
        """
        size, rollouts = self._config.strategy.population_size, self._config.num_rollouts
        keys = jnp.tile(jax.random.split(key, rollouts), size)
        return self._evaluate(
            keys, jax.tree.map(lambda leaf: jnp.repeat(leaf, rollouts, 0), population), centre, generation
        )

    def centre(self, key: Key, centre: MetaParams, generation: int = 0) -> PopulationResult:
        """Evaluate the search centre as often as a generation has evaluations, each time on a different seed."""
        num = self._config.num_evaluations
        copies = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (num, *leaf.shape)), centre)
        return self._evaluate(jax.random.split(key, num), copies, centre, generation)

    def centre_baseline(self, key: Key) -> Float[Array, "P R K"] | None:
        """Return the fitness of the problem's baseline on the seeds of `centre`, or None if it has no baseline."""
        if not self.num_baselines:
            return None
        fitness = self._evaluate_baseline(jax.random.split(key, self._config.num_evaluations))
        return fitness.reshape(self._config.strategy.population_size, self._config.num_rollouts, -1)

    def population_baseline(self, key: Key) -> Float[Array, "R K"] | None:
        """Return the fitness of the problem's baseline on the seeds of `population`; None unless that is needed."""
        if not self.num_baselines_per_generation:
            return None
        return self._evaluate_baseline(jax.random.split(key, self._config.num_rollouts))

    def draws(self, key: Key) -> dict[str, float]:
        """Return the settings that the rollouts of `population` draw, as `NAME/ROLLOUT`; empty if none are drawn."""
        if self._draws is None:
            return {}
        drawn = self._draws(jax.random.split(key, self._config.num_rollouts))
        return {f"{name}/{r}": float(value) for name, values in drawn.items() for r, value in enumerate(values)}

    def _evaluate_baseline(self, keys: Array) -> Float[Array, "L K"]:
        """Evaluate the baseline once for each key; a last batch that is not full is filled up with the first key."""
        assert self._baseline is not None
        num, batch = len(keys), self._baseline_batch
        keys = jnp.concatenate([keys, jnp.broadcast_to(keys[:1], (-num % batch,))])
        parts = [
            collect(self._baseline(distribute(keys[start : start + batch], self._sharding)), self._mesh)
            for start in range(0, num, batch)
        ]
        return jnp.concatenate(parts)[:num]

    def over_all(self, result: PopulationResult) -> dict[str, int | float | None]:
        """Aggregate the metrics in the problem's `over_all` over all evaluations: sums of counts, means of others."""
        row: dict[str, int | float | None] = {}
        for key, name in self._over_all.items():
            values = np.asarray(result.metrics[name])
            mean = float(values.mean(dtype=np.float64))
            row[key] = int(values.sum()) if values.dtype.kind == "i" else mean if math.isfinite(mean) else None
        return row

    def _evaluate(self, keys: Array, meta_params: MetaParams, centre: MetaParams, generation: int) -> PopulationResult:
        shared = (centre, jnp.asarray(generation, jnp.int32))[: self._num_shared]
        result = self._run(*distribute(shared, self._whole), *distribute((keys, meta_params), self._sharding))
        fitness, metrics = collect(tuple(result), self._mesh)
        shape = self._config.strategy.population_size, self._config.num_rollouts
        by_rollout = fitness.reshape(*shape, -1)
        metrics = {name: each.reshape(shape) for name, each in metrics.items()}
        return PopulationResult(by_rollout.mean(1), metrics, by_rollout)


def _compiled_draws(problem: MetaProblem) -> Any:
    """Return the function (keys) -> settings that the evaluations with these keys draw; None where none are drawn.

    Raises:
        UserError: if `draws` of the problem does not return scalars by name.
    """
    draws = getattr(problem, "draws", None)
    if draws is None:
        return None
    drawn = jax.eval_shape(draws, jax.random.key(0))
    if not isinstance(drawn, dict) or not all(
        isinstance(name, str) and name.isprintable() and getattr(each, "shape", None) == ()
        for name, each in drawn.items()
    ):
        raise UserError("draws of the meta-problem: allowed: a dict of scalars by name")
    return jax.jit(jax.vmap(draws)) if drawn else None


def _memory(compiled: Any) -> int | None:
    """Return the bytes of temporaries, arguments and outputs of a compiled program on one device."""
    analysis = compiled.memory_analysis()
    if analysis is None:
        return None
    parts = ("temp_size_in_bytes", "argument_size_in_bytes", "output_size_in_bytes")
    return sum(int(getattr(analysis, part)) for part in parts)


def choose_num_devices(config: OuterConfig) -> int:
    """Return the number of devices, over all processes, among which the evaluations of a generation divide evenly.

    By default this is the largest such number that is more than half of the available devices. All processes have the
    same number of devices.

    Raises:
        UserError: with the nearest population sizes that divide evenly.
    """
    processes = _check_processes(config)
    available = config.num_devices or jax.device_count()
    least = available if config.num_devices else available // 2 + 1
    for num_devices in range(available, least - 1, -processes):
        if config.num_evaluations % num_devices == 0:
            return num_devices
    size, rollouts = config.strategy.population_size, config.num_rollouts
    step = 2 if config.strategy.needs_even_population else 1
    sizes = range(config.strategy.least_population_size, 2 * (size + available) + 1)
    fits = [n for n in sizes if n % step == 0 and n * rollouts % available == 0]
    near = sorted(sorted(fits, key=lambda n: abs(n - size))[:2])
    where = f" of {processes} processes" if processes > 1 else ""
    raise UserError(
        f"outer.strategy.population_size: got {size}, which with {rollouts} rollouts gives {config.num_evaluations} "
        f"evaluations, not divisible by {available} devices{where}; allowed: {' or '.join(map(str, near))}, "
        "or another outer.num_devices"
    )


def _check_processes(config: OuterConfig) -> int:
    """Return the number of processes, after checking that devices are distributed evenly over them."""
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
