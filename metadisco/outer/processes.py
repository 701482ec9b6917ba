"""Running a search in several processes with JAX's multi-controller runtime.

Processes exchange messages as bytes in an all-gather, so that no number is rounded.
"""

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from metadisco.errors import UserError
from metadisco.outer.team import Place, Team, cannot_listen

HEARTBEAT_TIMEOUT = 30  # seconds without a heartbeat after which JAX considers a process dead and ends the others
NOT_LISTENING = "Failed to start RPC server"
FRAME = 64  # bytes of the first exchange; longer messages need a second one
BLOCK = 4096  # longer messages are padded to a multiple of this many bytes, so that few lengths are compiled


def join(place: Place) -> None:
    """Join a job; must be called before JAX is initialised, which all processes must then do.

    If another process does not join, or the first one cannot be reached, JAX ends this process after `join_timeout`.

    Raises:
        UserError: if the address or the numbers of the processes are unknown.
    """
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    # JAX's service would handle SIGTERM itself; here the processes agree after each generation whether to stop.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            place.coordinator,
            place.num_processes,
            place.process_id,
            initialization_timeout=place.join_timeout,
            heartbeat_timeout_seconds=HEARTBEAT_TIMEOUT,
            shutdown_timeout_seconds=HEARTBEAT_TIMEOUT,
        )
    except (ValueError, TypeError, RuntimeError, KeyError) as error:
        if NOT_LISTENING in str(error):
            raise UserError(cannot_listen(place)) from error
        raise UserError(
            f"--distributed: cannot determine the number of this process ({error}); allowed: --coordinator, "
            "--num-processes and --process-id, or their environment variables, or a start by SLURM or Open MPI"
        ) from error


def team_of(place: Place) -> Team:
    """Return the team of processes that was joined; JAX must be initialised."""
    return Team(jax.process_index() == 0, gather if jax.process_count() > 1 else None, place)


def leave() -> None:
    """Wait for the other processes to finish, then leave the job; does nothing if no job was joined."""
    jax.distributed.shutdown()


def gather(content: bytes) -> list[bytes]:
    """Return the messages of all processes, in order; all processes must call this."""
    size = len(content).to_bytes(8, "little")
    frames = _exchange(size + content if len(content) <= FRAME - 8 else size, FRAME)
    sizes = [int.from_bytes(frame[:8], "little") for frame in frames]
    if max(sizes) <= FRAME - 8:
        return [frame[8 : 8 + size] for frame, size in zip(frames, sizes, strict=True)]
    rows = _exchange(content, -(-max(sizes) // BLOCK) * BLOCK)
    return [row[:size] for row, size in zip(rows, sizes, strict=True)]


def _exchange(content: bytes, length: int) -> list[bytes]:
    """All-gather rows of bytes, padded to a common length, over the first device of each process."""
    firsts = [next(each for each in jax.devices() if each.process_index == i) for i in range(jax.process_count())]
    mesh = Mesh(np.asarray(firsts), ("process",))
    row = np.frombuffer(content.ljust(length, b"\0"), np.uint8)[None]
    shards = [jax.device_put(row, jax.local_devices()[0])]
    sharding = NamedSharding(mesh, PartitionSpec("process"))
    rows = jax.make_array_from_single_device_arrays((len(firsts), length), sharding, shards)
    gathered = jax.jit(_same, out_shardings=NamedSharding(mesh, PartitionSpec()))(rows)
    return [each.tobytes() for each in np.asarray(gathered.addressable_data(0))]


def _same(rows: Any) -> Any:
    """Return the argument; defined at module level so that it is compiled once."""
    return rows
