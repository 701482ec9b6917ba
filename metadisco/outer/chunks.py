"""How many lives a device trains side by side: measured, or less where memory ran out."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from metadisco.config import OuterConfig
from metadisco.errors import MachineError
from metadisco.outer.contract import judging
from metadisco.outer.evaluate import Evaluator
from metadisco.outer.mesh import AXIS, default_chunk_size, fair_chunk_size, spread
from metadisco.types import MetaParams, MetaProblem

SIZES = {"cpu": (4, 8, 16, 32)}
ACCELERATOR_SIZES = (64, 256, 1024, 4096)
ROUNDS = 3
REHEARSED_UPDATES = 16  # of the lives by which a chunk size is chosen
WORTH = 1.02  # a larger chunk has to be so much faster, as it takes more memory
FULL = 0.9  # share of a device's memory that a program may take
OUT_OF_MEMORY = ("RESOURCE_EXHAUSTED", "Out of memory", "out of memory")


Build: TypeAlias = Callable[..., Evaluator]
"""Compiles the evaluation of a search for chunks of `chunk_size`, or None for that of the fixed rule."""


def measure_chunk_size(
    rehearsal: MetaProblem, lives_per_device: int, mesh: Mesh, example: MetaParams
) -> tuple[int, dict[int, float]]:
    """Return the chunk size that trains most lives per second, and lives per second and device of all that were tried.

    Every size is compiled and then timed on one chunk per device; sizes that do not fit into memory are left out.

    Args:
        rehearsal: the meta-problem with lives so short that this takes seconds.
        lives_per_device: of a generation.
        mesh: the devices.
        example: meta-parameters of one member.

    Raises:
        MachineError: if not even the smallest size fits.
    """
    limits = SIZES.get(_platform(mesh), ACCELERATOR_SIZES)
    sizes = list(dict.fromkeys(fair_chunk_size(lives_per_device, limit) for limit in limits))
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
        raise MachineError("out of device memory even with chunks of one life; a smaller life is needed")
    best = next(iter(rates))
    for size, rate in rates.items():
        if rate > WORTH * rates[best]:
            best = size
    return best, rates


@runtime_checkable
class Notes(Protocol):
    """What is known of the chunks of a run, and is to be kept of them."""

    def kept_chunk_size(self, num_devices: int, platform: str) -> int | None:
        """Return what an earlier start of the same run had found on as many devices of a kind."""

    def note_change(self, evaluator: Evaluator) -> None:
        """Be told of the evaluation with smaller chunks that takes the place of another one."""

    def say(self, sentence: str) -> None:
        """Be told what was measured, or has changed."""


class Chunks(NamedTuple):
    """How a search finds its chunk size where the config says `auto`, and what it does where memory runs out."""

    rehearsal: MetaProblem | None = None
    """The meta-problem with short lives, to measure with; None: by the fixed rule."""
    notes: Notes | None = None
    """Told of all this; None: nobody is."""
    may_halve: bool = True
    """Whether `auto` may take smaller chunks where memory runs out."""

    def start(self, build: Build, config: OuterConfig, mesh: Mesh, example: MetaParams) -> Evaluator:
        """Return the evaluation that a search starts with."""
        lives_per_device = config.num_lives // mesh.size
        size = self._choose(config, mesh, example) if config.chunk_size == "auto" else config.given_chunk_size
        size = min(size or default_chunk_size(lives_per_device, _platform(mesh)), lives_per_device)
        try:
            return build(chunk_size=size)
        except jax.errors.JaxRuntimeError as error:
            return self._smaller(error, build, config, size)

    def retreat(self, error: Exception, build: Build, config: OuterConfig, evaluator: Evaluator) -> Evaluator:
        """Return an evaluation with smaller chunks where memory ran out; the generation is then begun anew.

        Raises:
            MachineError: if the config gives a chunk size, or a chunk is one life already.
            jax.errors.JaxRuntimeError: `error`, if it is another one.
        """
        smaller = self._smaller(error, build, config, evaluator.chunk_size)
        self._say("numbers are equal to the bit up to here, and to float tolerance from here on")
        if self.notes is not None:
            self.notes.note_change(smaller)
        return smaller

    def _smaller(self, error: Exception, build: Build, config: OuterConfig, size: int) -> Evaluator:
        """Halve chunks until their evaluation can be compiled."""
        while True:
            before, size = size, self._halved(error, config, size)
            self._say(f"out of device memory with chunks of {before} lives: {size} from here on")
            try:
                return build(chunk_size=size)
            except jax.errors.JaxRuntimeError as another:
                error = another

    def _halved(self, error: Exception, config: OuterConfig, size: int) -> int:
        """Return half of a chunk size that was too large for memory.

        Raises:
            MachineError: where it is not for us to do so, or cannot be done.
        """
        if not is_out_of_memory(error):
            raise error
        if config.chunk_size == "auto" and self.may_halve and size > 1 and jax.process_count() == 1:
            return size // 2
        remedy = f"outer.chunk_size={size // 2}, or auto" if size > 1 else "a smaller life"
        raise MachineError(f"out of device memory with chunks of {size} lives, allowed: {remedy}") from error

    def _choose(self, config: OuterConfig, mesh: Mesh, example: MetaParams) -> int | None:
        kept = self.notes.kept_chunk_size(mesh.size, _platform(mesh)) if self.notes is not None else None
        if kept is not None or self.rehearsal is None:
            return kept
        size, rates = measure_chunk_size(self.rehearsal, config.num_lives // mesh.size, mesh, example)
        measured = ", ".join(f"{each}: {rate / rates[size]:.0%}" for each, rate in rates.items())
        self._say(f"chunk size {size} is the fastest on short lives ({measured})")
        return size

    def _say(self, sentence: str) -> None:
        if self.notes is not None:
            self.notes.say(sentence)


BY_RULE = Chunks()


def _platform(mesh: Mesh) -> str:
    return str(mesh.devices.flat[0].platform)


def is_out_of_memory(error: Exception) -> bool:
    """Return whether a device had too little memory."""
    return any(words in str(error) for words in OUT_OF_MEMORY)


def _seconds(rehearsal: MetaProblem, size: int, mesh: Mesh, example: MetaParams) -> float:
    """Return the seconds in which every device trains one chunk of short lives; the least of a few rounds."""
    lives = size * mesh.size
    sharding = NamedSharding(mesh, PartitionSpec(AXIS))
    keys = jax.random.split(jax.random.key(0), lives)
    copies = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (lives, *leaf.shape)), example)
    arguments = jax.device_put((keys, copies), sharding)
    function, num_shared = judging(rehearsal)
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
    """Refuse a program that would take more of a device than is left for it, where the device says what it has."""
    statistics = mesh.devices.flat[0].memory_stats() or {}
    analysis = program.memory_analysis()
    if analysis and "bytes_limit" in statistics and analysis.temp_size_in_bytes > FULL * statistics["bytes_limit"]:
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: more than the device has")
