"""A function spread over devices, and over those of several processes."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from jax import Array
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

CPU_CHUNK = 8  # lives, whose numbers mostly stay in the cache of a core, see benchmarks/
ACCELERATOR_CHUNK = 512
AXIS = "population"


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
