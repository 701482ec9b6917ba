"""One recorder for several processes: the first process reads and writes, and sends the state to the others."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from metadisco.errors import UserError
from metadisco.outer.evaluate import Evaluator
from metadisco.outer.search import Progress, Recorder, SearchState
from metadisco.outer.team import Team


class SharedRecorder:
    """The recorder of a team: the first process reads and writes, and sends the state to the others.

    Args:
        team: the processes.
        recorder: the recorder of the first process; None in the others.
        started: called in the other processes when the search starts.
    """

    def __init__(self, team: Team, recorder: Recorder | None, started: Callable[[], None] = lambda: None):
        self._team, self._recorder, self._started = team, recorder, started
        self.done = 0
        """Number of completed generations."""

    def restore(self, template: SearchState) -> tuple[SearchState, Progress] | None:
        """Return in all processes the newest state that the first one restores."""
        found = None
        with self._team.agreed():
            if self._recorder is not None:
                found = self._recorder.restore(template)
        if self._team.gather is not None:
            told = self._team.gather(_pack(*found) if found is not None else b"")[0]
            found = found or (_unpack(told, template) if told else None)
        self.done = found[1].generation if found else 0
        return found

    def start(self, evaluator: Evaluator) -> None:
        """Let the first process record the start."""
        with self._team.agreed():
            if self._recorder is not None:
                self._recorder.start(evaluator)
            else:
                self._started()

    def log(self, row: dict[str, Any]) -> None:
        """Record the metrics of one generation."""
        with self._team.agreed():
            if self._recorder is not None:
                self._recorder.log(row)
        self.done = row["generation"] + 1

    def save(self, state: SearchState, progress: Progress) -> None:
        """Save the state, if it is the same in all processes.

        Raises:
            UserError: if it differs, which different types of machines can cause.
        """
        if self._team.gather is not None:
            digests = self._team.gather(hashlib.sha256(_pack(state, progress)).digest())
            strays = [str(number) for number, digest in enumerate(digests) if digest != digests[0]]
            if strays:
                raise UserError(
                    f"process {', '.join(strays)} computed another generation {progress.generation} than process 0, "
                    "allowed: machines of the same type; the last checkpoint is good"
                )
        with self._team.agreed():
            if self._recorder is not None:
                self._recorder.save(state, progress)


def _pack(state: SearchState, progress: Progress) -> bytes:
    """Serialise progress and state: one line of JSON, then the numbers of the state."""
    leaves = (np.asarray(_numbers(leaf)) for leaf in jax.tree.leaves(state))
    return json.dumps(progress._asdict()).encode() + b"\n" + b"".join(leaf.tobytes() for leaf in leaves)


def _unpack(content: bytes, template: SearchState) -> tuple[SearchState, Progress]:
    """Deserialise a state with the structure of `template`, and the progress."""
    line, _, content = content.partition(b"\n")
    leaves, structure = jax.tree.flatten(template)
    read = []
    for leaf in leaves:
        numbers = np.asarray(_numbers(leaf))
        values = np.frombuffer(content[: numbers.nbytes], numbers.dtype).reshape(numbers.shape)
        content = content[numbers.nbytes :]
        array = jax.numpy.asarray(values)
        read.append(array if numbers.dtype == leaf.dtype else jax.random.wrap_key_data(array))
    return jax.tree.unflatten(structure, read), Progress(**json.loads(line))


def _numbers(leaf: Any) -> Any:
    """Return an array, or the data of a typed key."""
    return jax.random.key_data(leaf) if jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
