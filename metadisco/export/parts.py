"""Parts of exported files of meta-policies and messages: weights as text, where it was found, the self-check."""

import contextlib
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metadisco.config import TaskConfig, describe_tasks
from metadisco.errors import UserError

WIDTH = 112  # of a row of numbers


def entry(name: str, layers: Sequence[Sequence[np.ndarray]]) -> str:
    """Return arrays of layers as one entry of a dict."""
    inside = "\n".join(
        "    (\n" + "\n".join(textwrap.indent(_array(array), " " * 8) for array in layer) + "\n    ),"
        for layer in layers
    )
    return f'"{name}": [\n{inside}\n],'


def _array(array: np.ndarray) -> str:
    """Return an array as a list, with a comma behind it; read as float32 it is the same."""
    if array.ndim == 1:
        return f"{numbers(array)},"
    rows = "\n".join(textwrap.indent(_array(row), "    ") for row in array)
    return f"[\n{rows}\n],"


def numbers(array: Sequence[float] | np.ndarray) -> str:
    """Return numbers as a list, wrapped; read as float32 they are the same."""
    text = f"[{', '.join(str(np.float32(x)) for x in array)}]"
    return textwrap.fill(text, WIDTH - 16, subsequent_indent=" ", break_long_words=False, break_on_hyphens=False)


def in_single(layers: Sequence[tuple[Any, Any]]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return kernels and biases of float32."""
    return [(np.asarray(kernel, np.float32), np.asarray(bias, np.float32)) for kernel, bias in layers]


def check_layer(where: str, kernel: np.ndarray, bias: np.ndarray, width: int) -> None:
    """Refuse weights of the wrong shape, or that are not finite.

    Args:
        where: their name in messages, such as `source_policy: layers: 0`.
        kernel: [width, n].
        bias: [n].
        width: numbers that the layer sees.

    Raises:
        UserError: saying what is wrong.
    """
    if bias.ndim != 1 or kernel.shape != (width, len(bias)):
        raise UserError(f"{where}: got shapes {kernel.shape} and {bias.shape}, allowed: ({width}, n) and (n,)")
    if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
        raise UserError(f"{where}: got weights that are no finite numbers, allowed: finite ones")


def provenance(trained: Mapping[str, Any], unit: str) -> str:
    """Return in words how it was found, as far as that is known.

    Args:
        trained: section `trained_on` of an artefact.
        unit: of its env_steps, such as `plays of the game`.
    """
    spent = [
        f"{trained[key]:,} {words}"
        for key, words in (("generations", "generations"), ("env_steps", unit))
        if isinstance(trained.get(key), int)
    ]
    seed = [f"seed {trained['seed']}"] if isinstance(trained.get("seed"), int) else []
    commit = [f"commit {trained['commit'][:12]}"] if isinstance(trained.get("commit"), str) else []
    return ", ".join([*spent, *seed, *commit])


def learners(tasks: Sequence[TaskConfig]) -> list[str]:
    """Return settings of PPO, one line per environment, preceded by those that all share."""
    if not tasks:
        return []
    common, each = describe_tasks(tasks)
    lines = [f"{env}: {', '.join(words)}" for env, words in each]
    return [f"everywhere: {', '.join(common)}", *lines] if common else lines


def check_itself(text: str, name: str, otherwise: str) -> None:
    """Run the self-check of a NumPy file, which finds a description that contradicts `bind`.

    Args:
        text: of the file.
        name: of the discovery, for messages.
        otherwise: end of the message if it fails.

    Raises:
        UserError: if the check fails.
    """
    module: dict[str, Any] = {}
    exec(compile(text, name, "exec"), module)  # our own text, with numbers that we checked
    try:
        with contextlib.redirect_stdout(None), np.errstate(all="ignore"):
            module["_check"]()
    except SystemExit as error:
        raise UserError(f"{name}: {otherwise}") from error
