"""Choosing how many evaluations a device runs in parallel: by measurement, or fewer if memory runs out."""

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from metadisco.config import OuterConfig
from metadisco.errors import MachineError
from metadisco.outer.contract import member_evaluation
from metadisco.outer.evaluate import Evaluator
from metadisco.outer.mesh import AXIS, default_chunk_size, fair_chunk_size, spread
from metadisco.types import MetaParams, MetaProblem

SIZES = {"cpu": (4, 8, 16, 32)}
ACCELERATOR_SIZES = (64, 256, 1024, 4096)
ROUNDS = 3
REHEARSED_UPDATES = 16  # length of the short lifetimes on which speed is measured
MIN_SPEEDUP = 1.02  # of a larger chunk, as it takes more memory
MEMORY_SHARE = 0.9  # of a device, which a program may use
OUT_OF_MEMORY = ("RESOURCE_EXHAUSTED", "Out of memory", "out of memory")


Build: TypeAlias = Callable[..., Evaluator]
"""(chunk_size) -> compiled evaluation of a population; None for the chunk size of the fixed rule."""


def measure_chunk_size(
    rehearsal: MetaProblem, evaluations_per_device: int, mesh: Mesh, example: MetaParams
) -> tuple[int, dict[int, float]]:
    """Return the fastest chunk size, and the evaluations per second and device of all chunk sizes that were tried.

    Each size is compiled and timed on one chunk per device. Sizes that do not fit into memory are skipped.

    Args:
        rehearsal: the meta-problem with lifetimes so short that this takes seconds.
        evaluations_per_device: number of evaluations per generation and device.
        mesh: the devices.
        example: meta-parameters of one member.

    Raises:
        MachineError: if not even the smallest size fits.
    """
    limits = SIZES.get(_platform(mesh), ACCELERATOR_SIZES)
    sizes = list(dict.fromkeys(fair_chunk_size(evaluations_per_device, limit) for limit in limits))
    rates: dict[int, float] = {}
    while sizes:
        size = sizes.pop(0)
        try:
            rates[size] = size / _seconds(rehearsal, size, mesh, example)
        except jax.errors.JaxRuntimeError as error:
            if not is_out_of_memory(error):
                raise
            sizes = [] if rates or size == 1 else [size // 2]
    if not rates:
        raise MachineError("out of device memory even with chunks of one evaluation; smaller settings are needed")
    best = next(iter(rates))
    for size, rate in rates.items():
        if rate > MIN_SPEEDUP * rates[best]:
            best = size
    return best, rates


@runtime_checkable
class ChunkRecorder(Protocol):
    """Stores and restores the chunk size of a run."""

    def kept_chunk_size(self, num_devices: int, platform: str) -> int | None:
        """Return the chunk size that an earlier start of the run measured on the same number and type of devices."""

    def note_change(self, evaluator: Evaluator) -> None:
        """Record that an evaluator with smaller chunks replaces the previous one."""

    def say(self, sentence: str) -> None:
        """Report a measurement or a change."""


class Chunks(NamedTuple):
    """How a search chooses its chunk size for `chunk_size: auto`, and what it does if memory runs out."""

    rehearsal: MetaProblem | None = None
    """The meta-problem with short lifetimes, for measurement; None to use the fixed rule."""
    recorder: ChunkRecorder | None = None
    """Stores the chunk size; optional."""
    may_halve: bool = True
    """Whether `auto` may reduce the chunk size if memory runs out."""

    def start(self, build: Build, config: OuterConfig, mesh: Mesh, example: MetaParams) -> Evaluator:
        """Return the evaluator with which a search starts."""
        evaluations_per_device = config.num_evaluations // mesh.size
        size = self._choose(config, mesh, example) if config.chunk_size == "auto" else config.given_chunk_size
        size = min(size or default_chunk_size(evaluations_per_device, _platform(mesh)), evaluations_per_device)
        try:
            return build(chunk_size=size)
        except jax.errors.JaxRuntimeError as error:
            return self._build_smaller(error, build, config, size)

    def shrink(self, error: Exception, build: Build, config: OuterConfig, evaluator: Evaluator) -> Evaluator:
        """Return an evaluator with smaller chunks after memory ran out; the generation must then be repeated.

        Raises:
            MachineError: if the config sets the chunk size, or a chunk is a single evaluation already.
            jax.errors.JaxRuntimeError: `error` itself, if it has another cause.
        """
        smaller = self._build_smaller(error, build, config, evaluator.chunk_size)
        self._say("numbers are reproduced bit for bit up to here, and to float tolerance from here on")
        if self.recorder is not None:
            self.recorder.note_change(smaller)
        return smaller

    def _build_smaller(self, error: Exception, build: Build, config: OuterConfig, size: int) -> Evaluator:
        """Halve the chunk size until the evaluator can be compiled."""
        while True:
            before, size = size, self._halved(error, config, size)
            self._say(f"out of device memory with chunks of {before} evaluations: using {size} from here on")
            try:
                return build(chunk_size=size)
            except jax.errors.JaxRuntimeError as another:
                error = another

    def _halved(self, error: Exception, config: OuterConfig, size: int) -> int:
        """Return half of a chunk size for which memory was insufficient.

        Raises:
            MachineError: if the chunk size must not or cannot be halved.
        """
        if not is_out_of_memory(error):
            raise error
        if config.chunk_size == "auto" and self.may_halve and size > 1 and jax.process_count() == 1:
            return size // 2
        remedy = f"outer.chunk_size={size // 2}, or auto" if size > 1 else "smaller settings of an evaluation"
        raise MachineError(f"out of device memory with chunks of {size} evaluations, allowed: {remedy}") from error

    def _choose(self, config: OuterConfig, mesh: Mesh, example: MetaParams) -> int | None:
        kept = self.recorder.kept_chunk_size(mesh.size, _platform(mesh)) if self.recorder is not None else None
        if kept is not None or self.rehearsal is None:
            return kept
        size, rates = measure_chunk_size(self.rehearsal, config.num_evaluations // mesh.size, mesh, example)
        measured = ", ".join(f"{each}: {rate / rates[size]:.0%}" for each, rate in rates.items())
        self._say(f"chunk size {size} is the fastest on short lifetimes ({measured})")
        return size

    def _say(self, sentence: str) -> None:
        if self.recorder is not None:
            self.recorder.say(sentence)


FIXED_RULE = Chunks()


def _platform(mesh: Mesh) -> str:
    return str(mesh.devices.flat[0].platform)


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error means that a device ran out of memory."""
    return any(words in str(error) for words in OUT_OF_MEMORY)


def _seconds(rehearsal: MetaProblem, size: int, mesh: Mesh, example: MetaParams) -> float:
    """Return the seconds that every device takes for one chunk of short lifetimes; the minimum of a few rounds."""
    num_evaluations = size * mesh.size
    sharding = NamedSharding(mesh, PartitionSpec(AXIS))
    keys = jax.random.split(jax.random.key(0), num_evaluations)
    copies = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (num_evaluations, *leaf.shape)), example)
    arguments = jax.device_put((keys, copies), sharding)
    function, num_shared = member_evaluation(rehearsal)
    shared = (example, jnp.zeros((), jnp.int32))[:num_shared]
    arguments = (*jax.device_put(shared, NamedSharding(mesh, PartitionSpec())), *arguments)
    program = spread(function, mesh, size, num_shared).lower(*arguments).compile()
    _check_memory(program, mesh)
    return min(_timed(program, arguments) for _ in range(1 + ROUNDS))


def _timed(program: Callable[..., Any], arguments: Any) -> float:
    start = time.monotonic()
    jax.block_until_ready(program(*arguments))
    return time.monotonic() - start


def _check_memory(program: Any, mesh: Mesh) -> None:
    """Reject a program that needs more memory than available, if the device reports its memory."""
    statistics = mesh.devices.flat[0].memory_stats() or {}
    analysis = program.memory_analysis()
    limit = MEMORY_SHARE * statistics.get("bytes_limit", math.inf)
    if analysis and analysis.temp_size_in_bytes > limit:
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: more than the device has")
