"""Checkpoints of the whole search state, by orbax."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from metadisco.errors import UserError
from metadisco.outer.search import Progress, SearchState


class Checkpoints:
    """The newest few states of a search, each written whole or not at all.

    Args:
        path: absolute directory; made when the first checkpoint is written.
        keep: how many are kept.
    """

    def __init__(self, path: Path, keep: int):
        path.mkdir(parents=True, exist_ok=True)
        # Of several processes this one alone opens the directory; orbax would wait for the others.
        here = {"multiprocessing_options": ocp.options.MultiprocessingOptions(primary_host=0, active_processes={0})}
        options = {} if _alone() else here
        self._manager = ocp.CheckpointManager(
            path, options=ocp.CheckpointManagerOptions(max_to_keep=keep, create=False, **options)
        )
        self._damaged: list[int] = []

    def restore(self, template: SearchState, warn: Callable[[str], None]) -> tuple[SearchState, Progress] | None:
        """Return the newest state that can be read and what had been spent, or None where nothing was saved.

        Args:
            template: a state of the same structure, on the devices where the restored one shall be.
            warn: told of every newer checkpoint that is damaged; the next save removes those.

        Raises:
            UserError: if there are checkpoints and none can be read.
        """
        steps = sorted(self._manager.all_steps(), reverse=True)
        for step in steps:
            try:
                return self._read(step, template)
            except Exception as error:
                warn(f"checkpoint {step} is damaged and is skipped: {type(error).__name__}")
                self._damaged.append(step)
        if steps:
            raise UserError(f"none of the checkpoints {', '.join(map(str, sorted(steps)))} can be read")
        return None

    def _read(self, step: int, template: SearchState) -> tuple[SearchState, Progress]:
        shapes = jax.tree.map(ocp.utils.to_shape_dtype_struct, template)
        items = ocp.args.Composite(state=ocp.args.StandardRestore(shapes), progress=ocp.args.JsonRestore())
        restored = self._manager.restore(step, args=items)
        return jax.tree.map(_like, template, restored.state), Progress(**restored.progress)

    def save(self, state: SearchState, progress: Progress) -> None:
        """Write a checkpoint and wait until it is on disk."""
        items: dict[str, Any] = {
            "state": ocp.args.StandardSave(state if _alone() else jax.tree.map(_plain, state)),
            "progress": ocp.args.JsonSave(progress._asdict()),
        }
        while self._damaged:
            self._manager.delete(self._damaged.pop())
        self._manager.save(progress.generation, args=ocp.args.Composite(**items))
        self._manager.wait_until_finished()

    def close(self) -> None:
        """Wait for what is being written, and let go of the directory."""
        self._manager.close()


def _alone() -> bool:
    return jax.process_count() == 1


def _plain(leaf: Any) -> np.ndarray:
    """Return an array as NumPy's: of several processes orbax takes no array that one of them has for itself."""
    return np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)


def _like(template: Any, leaf: Any) -> Any:
    """Return a key where there should be one; several processes save its numbers."""
    return jax.random.wrap_key_data(leaf) if _is_key(template) and not _is_key(leaf) else leaf


def _is_key(leaf: Any) -> bool:
    return jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key)
