"""Distributing a function over devices, including those of several processes."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from jax import Array
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

CPU_CHUNK = 8  # evaluations whose arrays mostly fit into the cache of a core, see benchmarks/
ACCELERATOR_CHUNK = 512
AXIS = "population"


def make_mesh(num_devices: int | None = None) -> Mesh:
    """Return a mesh with the single axis `population` over all devices, or over `num_devices` of them.

    Each process contributes the same number of devices, so `num_devices` must be a multiple of the number of processes.
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
    """Put arrays that are complete in every process onto the devices; each process places its own part."""
    if jax.process_count() == 1:
        return jax.device_put(tree, sharding)

    def place(array: Array) -> Array:
        parts = sharding.addressable_devices_indices_map(array.shape).items()
        shards = [jax.device_put(array[index], device) for device, index in parts]
        return jax.make_array_from_single_device_arrays(array.shape, sharding, shards)

    return jax.tree.map(place, tree)


def collect(tree: Any, mesh: Mesh) -> Any:
    """Gather distributed arrays completely on the first device of each process."""
    if jax.process_count() == 1:
        return jax.device_put(tree, jax.local_devices()[0])
    whole = jax.jit(_same, out_shardings=NamedSharding(mesh, PartitionSpec()))(tree)
    return jax.tree.map(lambda array: array.addressable_data(0), whole)


def _same(tree: Any) -> Any:
    """Return the argument; defined at module level so that it is compiled once."""
    return tree


def connect(mesh: Mesh) -> None:
    """Establish connections between the devices of all processes; all processes must call this at the same time.

    While connecting, gloo only waits 30 s for the other processes; once connected, it waits much longer.
    """
    if jax.process_count() > 1:
        zeros = jax.numpy.zeros(mesh.size)
        jax.block_until_ready(collect(distribute(zeros, NamedSharding(mesh, PartitionSpec(AXIS))), mesh))


def default_chunk_size(evaluations_per_device: int, platform: str) -> int:
    """Return the default number of evaluations in parallel on one device; a divisor of their number if possible.

    Args:
        evaluations_per_device: number of evaluations per generation and device.
        platform: JAX's name of the platform.
    """
    return fair_chunk_size(evaluations_per_device, CPU_CHUNK if platform == "cpu" else ACCELERATOR_CHUNK)


def fair_chunk_size(evaluations_per_device: int, limit: int) -> int:
    """Return the largest divisor up to `limit`, so that chunks are equal; or `limit` if that is over twice as large."""
    limit = min(limit, evaluations_per_device)
    divisor = max(size for size in range(1, limit + 1) if evaluations_per_device % size == 0)
    return divisor if divisor * 2 >= limit else limit


def spread(function: Callable[..., Any], mesh: Mesh, chunk_size: int, num_shared: int = 0) -> Any:
    """Map `function` over the leading axis of its arguments, distributed over devices and in chunks.

    Each device processes its share sequentially in chunks of `chunk_size`. A chunk is vmapped; the last one may be
    smaller. With a chunk size of one there is no vmap, so results are bit-equal across numbers of CPU devices.

    Args:
        function: a pure function of one element.
        mesh: from `make_mesh`; its size must divide the leading axis.
        chunk_size: number of elements in parallel on one device.
        num_shared: number of leading arguments that are shared by all elements and not mapped over.
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
