"""Devices: virtual ones on CPU, and spreading a function over them."""

import contextlib
import importlib.metadata
import os
from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import AxisType, Mesh, PartitionSpec

from metadisco.errors import UserError

CPU_CHUNK = 16  # lives; 8 to 16 are the fastest on two cores, see benchmarks/
ACCELERATOR_CHUNK = 512
AXIS = "population"


def start_jax(num_devices: int | None, deterministic: bool = False) -> None:
    """Set up JAX before it starts: on CPU one virtual device per core, or `num_devices` of them.

    Where JAX has already started its devices stay as they are.

    Raises:
        UserError: if jaxlib is one that deadlocks on CPU, or more devices are asked for than there are.
    """
    if deterministic:
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_deterministic_ops=true".strip()
    # A caller from Python may have started JAX already; then its devices are what there is.
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", num_devices or len(os.sched_getaffinity(0)))
    devices = jax.devices()
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


def make_mesh(num_devices: int | None = None) -> Mesh:
    """Return a mesh of one axis, `population`, over the first `num_devices` devices or all."""
    devices = jax.devices()[:num_devices]
    return jax.make_mesh((len(devices),), (AXIS,), axis_types=(AxisType.Auto,), devices=devices)


def default_chunk_size(lives_per_device: int, platform: str) -> int:
    """Return how many lives one device should train side by side: a divisor where a fair one exists.

    Args:
        lives_per_device: lives that each device trains per generation.
        platform: as JAX names it.
    """
    limit = min(CPU_CHUNK if platform == "cpu" else ACCELERATOR_CHUNK, lives_per_device)
    divisor = max(size for size in range(1, limit + 1) if lives_per_device % size == 0)
    return divisor if divisor * 2 >= limit else limit


def spread(function: Callable[..., Any], mesh: Mesh, chunk_size: int) -> Any:
    """Map `function` over the leading axis of its arguments, spread over devices, in chunks.

    Each device takes its share in chunks of `chunk_size`, one after another; a chunk is vmapped, and the last may be
    short. With chunks of one nothing is vmapped, so that results are bit-equal over numbers of CPU devices.

    Args:
        function: of one element; pure.
        mesh: from `make_mesh`; its size must divide the leading axis.
        chunk_size: elements side by side on one device.
    """

    def on_device(*items: Any) -> Any:
        if chunk_size == 1:
            return jax.lax.map(lambda item: function(*item), items)
        if jax.tree.leaves(items)[0].shape[0] <= chunk_size:
            return jax.vmap(function)(*items)
        return jax.lax.map(lambda item: function(*item), items, batch_size=chunk_size)

    share = PartitionSpec(AXIS)
    return jax.jit(jax.shard_map(on_device, mesh=mesh, in_specs=share, out_specs=share, check_vma=False))
