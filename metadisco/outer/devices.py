"""Devices: virtual ones on CPU, and spreading a function over them; over those of several processes, too."""

import contextlib
import importlib.metadata
import logging
import os
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from jax import Array
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from metadisco.errors import UserError, shown
from metadisco.objectives.arithmetic import SETTINGS
from metadisco.outer.team import num_cores

CPU_CHUNK = 8  # lives, whose numbers mostly stay in the cache of a core, see benchmarks/
ACCELERATOR_CHUNK = 512
AXIS = "population"
LEAST_SECONDS = 0.0  # of compiling, for a program to be worth keeping: small ones are many
LEVEL_OF_JAX = "1"  # of XLA's log, which JAX sets where the user has set none


class NotStartedError(UserError):
    """JAX does not start, so that nothing can be said to other processes either."""


def start_jax(num_devices: int | None, deterministic: bool = False, num_processes: int = 1) -> None:
    """Set up JAX before it starts: on CPU one virtual device per core, or `num_devices` of them.

    Arrays become float32 and checks for NaN are off, XLA is silent, and compiled programs are kept for the next start.
    Where JAX has already started its devices stay as they are. Without `num_devices` JAX's own variable
    JAX_NUM_CPU_DEVICES goes before the number of cores.

    Args:
        num_devices: of all processes together.
        deterministic: whether a GPU must repeat its numbers.
        num_processes: over which the devices are shared out; 1 where that is not known, so that none is missing.

    Raises:
        UserError: if JAX does not start (`NotStartedError`), jaxlib is one that deadlocks on CPU, or there are fewer
            devices.
    """
    _check_compiles()
    for name, value in SETTINGS.items():
        jax.config.update(f"jax_{name}", value)
    _quieten()
    _keep_programs()
    if deterministic:
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_deterministic_ops=true".strip()
    here = -(-num_devices // num_processes) if num_devices else int(os.environ.get("JAX_NUM_CPU_DEVICES", "0"))
    # A caller from Python may have started JAX already; then its devices are what there is.
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", here or num_cores())
    devices = _started()
    version = importlib.metadata.version("jaxlib")
    if devices[0].platform == "cpu" and version.startswith("0.10."):
        raise UserError(
            f"jaxlib {version} deadlocks on CPU when trainings are vmapped; "
            "allowed: 0.9 or 0.11 (pip install 'jax!=0.10.*')"
        )
    if num_devices is not None and num_devices > len(devices):
        raise UserError(
            f"outer.num_devices: got {num_devices}, allowed: at most the {len(devices)} "
            f"{devices[0].platform} devices here"
        )


def _check_compiles() -> None:
    """Refuse JAX where it is told to compile nothing."""
    config: Any = jax.config
    if config.jax_disable_jit:
        raise NotStartedError(
            f"JAX_DISABLE_JIT: got {os.environ.get('JAX_DISABLE_JIT', 'true')!r}, allowed: unset, or false; without "
            "compiling trainings would take days"
        )


def _started() -> list[jax.Device]:
    """Return the devices of JAX, which starts by that."""
    try:
        devices = jax.devices()
        jax.device_put(0)  # to JAX_DEFAULT_DEVICE
    except (RuntimeError, AssertionError) as error:  # the latter where the plugin of JAX_PLATFORMS is not installed
        why = shown(error) if str(error) else "nothing is installed for its platform (NVIDIA's GPUs: the extra `cuda`)"
        raise NotStartedError(
            f"JAX does not start: {why}; JAX_PLATFORMS (got {os.environ.get('JAX_PLATFORMS', '')!r}) may name a "
            "platform that is here"
        ) from error
    return devices


def _quieten() -> None:
    """Let XLA say only what is fatal: else it describes the machine, as an error, for each program that it finds again.

    A level that the user has set stays, and so do the loggers of Python, which JAX sets together with XLA's.
    """
    config: Any = jax.config
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") != LEVEL_OF_JAX or config.jax_logging_level not in (None, "NOTSET"):
        return
    loggers = [logging.getLogger(name) for name in ("jax", "jaxlib")]
    levels = [logger.level for logger in loggers]
    for level in ("CRITICAL", "NOTSET"):  # the second one leaves XLA's as it is
        jax.config.update("jax_logging_level", level)
    for logger, before in zip(loggers, levels, strict=True):
        logger.setLevel(before)


def _keep_programs() -> None:
    """Keep compiled programs for the next start, in the user's cache directory; JAX's own settings go first."""
    config: Any = jax.config  # whose settings only newer JAX declares
    if config.jax_compilation_cache_dir is not None:
        return
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    jax.config.update("jax_compilation_cache_dir", os.path.join(cache, "metadisco", "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", LEAST_SECONDS)


def make_mesh(num_devices: int | None = None) -> Mesh:
    """Return a mesh of one axis, `population`, over all devices, or `num_devices` of them.

    Every process has the same share, its first devices; so that `num_devices` is a multiple of their number.
    """
    share = (num_devices or jax.device_count()) // jax.process_count()
    devices = [device for own in devices_by_process() for device in own[:share]]
    return jax.make_mesh((len(devices),), (AXIS,), axis_types=(AxisType.Auto,), devices=devices)


def devices_by_process() -> list[list[jax.Device]]:
    """Return the devices of each process."""
    return [
        [device for device in jax.devices() if device.process_index == number] for number in range(jax.process_count())
    ]


def distribute(tree: Any, sharding: NamedSharding) -> Any:
    """Put arrays that every process has in full onto the devices; each process places its own part."""
    if jax.process_count() == 1:
        return jax.device_put(tree, sharding)

    def place(array: Array) -> Array:
        parts = sharding.addressable_devices_indices_map(array.shape).items()
        shards = [jax.device_put(array[index], device) for device, index in parts]
        return jax.make_array_from_single_device_arrays(array.shape, sharding, shards)

    return jax.tree.map(place, tree)


def collect(tree: Any, mesh: Mesh) -> Any:
    """Return arrays that are spread over the devices in full, on the first device of each process."""
    if jax.process_count() == 1:
        return jax.device_put(tree, jax.local_devices()[0])
    whole = jax.jit(_same, out_shardings=NamedSharding(mesh, PartitionSpec()))(tree)
    return jax.tree.map(lambda array: array.addressable_data(0), whole)


def _same(tree: Any) -> Any:
    """Return its argument; a function of the module, so that it is compiled once."""
    return tree


def connect(mesh: Mesh) -> None:
    """Let the devices of several processes meet; gloo waits 30 s for the others when it meets them, and later for long.

    To be called while all of them are at the same point.
    """
    if jax.process_count() > 1:
        nothing = jax.numpy.zeros(mesh.size)
        jax.block_until_ready(collect(distribute(nothing, NamedSharding(mesh, PartitionSpec(AXIS))), mesh))


def default_chunk_size(lives_per_device: int, platform: str) -> int:
    """Return how many lives one device should train side by side: a divisor where a fair one exists.

    Args:
        lives_per_device: lives that each device trains per generation.
        platform: as JAX names it.
    """
    return fair_chunk_size(lives_per_device, CPU_CHUNK if platform == "cpu" else ACCELERATOR_CHUNK)


def fair_chunk_size(lives_per_device: int, limit: int) -> int:
    """Return the largest size up to `limit` that leaves no short chunk, unless it is less than half of that."""
    limit = min(limit, lives_per_device)
    divisor = max(size for size in range(1, limit + 1) if lives_per_device % size == 0)
    return divisor if divisor * 2 >= limit else limit


def spread(function: Callable[..., Any], mesh: Mesh, chunk_size: int, num_shared: int = 0) -> Any:
    """Map `function` over the leading axis of its arguments, spread over devices, in chunks.

    Each device takes its share in chunks of `chunk_size`, one after another; a chunk is vmapped, and the last may be
    short. With chunks of one nothing is vmapped, so that results are bit-equal over numbers of CPU devices.

    Args:
        function: of one element; pure.
        mesh: from `make_mesh`; its size must divide the leading axis.
        chunk_size: elements side by side on one device.
        num_shared: arguments that come first and are the same, whole, for every element.
    """

    def on_device(*arguments: Any) -> Any:
        shared, items = arguments[:num_shared], arguments[num_shared:]
        each = partial(function, *shared)
        if chunk_size == 1:
            return jax.lax.map(lambda item: each(*item), items)
        if jax.tree.leaves(items)[0].shape[0] <= chunk_size:
            return jax.vmap(each)(*items)
        return jax.lax.map(lambda item: each(*item), items, batch_size=chunk_size)

    share = PartitionSpec(AXIS)

    def everywhere(*arguments: Any) -> Any:
        specs = (PartitionSpec(),) * num_shared + (share,) * (len(arguments) - num_shared)
        return jax.shard_map(on_device, mesh=mesh, in_specs=specs, out_specs=share, check_vma=False)(*arguments)

    return jax.jit(everywhere)
