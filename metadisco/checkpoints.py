"""Checkpoints of the whole search state, by orbax."""

from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from metadisco.outer.search import Progress, SearchState


class Checkpoints:
    """The newest few states of a search, each written whole or not at all.

    Args:
        path: absolute directory; made when the first checkpoint is written.
        keep: how many are kept.
    """

    def __init__(self, path: Path, keep: int):
        self._manager = ocp.CheckpointManager(path, options=ocp.CheckpointManagerOptions(max_to_keep=keep, create=True))

    def restore(self, template: SearchState) -> tuple[SearchState, Progress] | None:
        """Return the newest state and what had been spent, or None where nothing was saved.

        Args:
            template: a state of the same structure, on the devices where the restored one shall be.
        """
        step = self._manager.latest_step()
        if step is None:
            return None
        shapes = jax.tree.map(ocp.utils.to_shape_dtype_struct, template)
        items = ocp.args.Composite(state=ocp.args.StandardRestore(shapes), progress=ocp.args.JsonRestore())
        restored = self._manager.restore(step, args=items)
        return restored.state, Progress(**restored.progress)

    def save(self, state: SearchState, progress: Progress) -> None:
        """Write a checkpoint and wait until it is on disk."""
        items: dict[str, Any] = {
            "state": ocp.args.StandardSave(state),
            "progress": ocp.args.JsonSave(progress._asdict()),
        }
        self._manager.save(progress.generation, args=ocp.args.Composite(**items))
        self._manager.wait_until_finished()

    def close(self) -> None:
        """Wait for what is being written, and let go of the directory."""
        self._manager.close()
