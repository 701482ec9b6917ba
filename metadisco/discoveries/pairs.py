"""Pairs of inputs and outputs of an objective, which verify re-implementations."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from metadisco.errors import UserError
from metadisco.storage.files import with_nulls
from metadisco.types import Objective, Sample

INPUTS = {
    "log_ratio": (-40.0, -2.93, -0.7, -0.31, -0.05, -1e-3, 1e-4, 0.03, 0.11, 0.45, 0.87, 1.93, 12.0, 44.0),
    "advantage": (1.3, -0.4, 2.2, -1.1, 0.8, -3.0, 0.02, 5.0, -0.6, 0.9, -2.5, 1.7, -0.07, -1.5),
    "value": (0.3, -12.0, 4.5, 101.0, 0.0, -0.7, 2.2, 33.0, -5.1, 8.8, -250.0, 1.05, 0.9, 61.0),
    "old_value": (0.05, -11.0, 4.9, 99.5, 0.05, -1.9, 2.1, 36.0, -5.0, 8.1, -240.0, 1.0, 0.4, 60.0),
    "target": (0.7, -9.0, 4.1, 100.2, -0.4, 0.3, 2.8, 21.0, -7.5, 9.4, -251.37, 1.1, 0.2, 17.3),
}
"""Fields of samples by name; none is at a kink of a built-in loss, such as r = 1."""
PROGRESS = (0.0, 0.5, 0.9)
OUTPUTS = ("policy_loss", "policy_gradient", "value_loss", "value_gradient")
TOLERANCE = 1e-4


def make_pairs(objective: Objective) -> dict[str, Any]:
    """Return inputs and outputs, one entry per sample.

    Outputs are both losses, the derivative of the policy loss with respect to the log ratio, and that of the value loss
    with respect to the value; null for non-finite numbers.
    """
    fields = {name: np.tile(np.asarray(values, np.float32), len(PROGRESS)) for name, values in INPUTS.items()}
    progress = np.repeat(np.asarray(PROGRESS, np.float32), len(INPUTS["value"]))
    given = {**fields, "progress": progress}
    return {
        "inputs": {name: with_nulls(values) for name, values in given.items()},
        "outputs": {name: with_nulls(values) for name, values in evaluate_pairs(objective, given).items()},
    }


def evaluate_pairs(objective: Objective, inputs: dict[str, Float[np.ndarray, "N"]]) -> dict[str, np.ndarray]:
    """Return the outputs of an objective for samples, each with its own progress."""

    def losses(fields: dict[str, Any]) -> tuple[Any, ...]:
        sample = Sample(**fields)
        policy = jax.grad(lambda x: objective.policy_loss(sample._replace(log_ratio=x[None]))[0])
        value = jax.grad(lambda x: objective.value_loss(sample._replace(value=x[None]))[0])
        return (
            objective.policy_loss(sample)[0],
            policy(sample.log_ratio[0]),
            objective.value_loss(sample)[0],
            value(sample.value[0]),
        )

    fields = {name: jnp.asarray(x, jnp.float32) for name, x in inputs.items()}
    single = {name: x if name == "progress" else x[:, None] for name, x in fields.items()}
    with jax.default_matmul_precision("float32"):  # recent GPUs would round more
        return dict(zip(OUTPUTS, map(np.asarray, jax.vmap(losses)(single)), strict=True))


def check_pairs(objective: Objective, pairs: Any, where: str) -> None:
    """Refuse an objective whose outputs differ from the stored ones.

    Args:
        objective: as loaded.
        pairs: as from `make_pairs`.
        where: name of the objective in error messages.

    Raises:
        UserError: naming the first output that differs.
    """
    inputs, outputs = (
        {name: _column(pairs, group, name, where) for name in names}
        for group, names in (("inputs", (*INPUTS, "progress")), ("outputs", OUTPUTS))
    )
    if len({len(column) for column in (*inputs.values(), *outputs.values())}) != 1:
        raise UserError(f"{where}: its pairs of inputs and outputs are incomplete")
    for name, found in evaluate_pairs(objective, inputs).items():
        expected = outputs[name]
        wrong = np.abs(found - expected) > TOLERANCE * np.maximum(1, np.abs(expected))
        wrong |= np.isfinite(found) != np.isfinite(expected)
        if wrong.any():
            first = int(np.argmax(wrong))
            raise UserError(
                f"{where}: {name} of stored sample {first} is {found[first]:.6g} here, and was {expected[first]:.6g} "
                "when it was written: features or code have changed since"
            )


def _column(pairs: Any, group: str, name: str, where: str) -> Float[np.ndarray, "N"]:
    """Return one column of the pairs, with NaN for null."""
    column = pairs.get(group) if isinstance(pairs, dict) else None
    numbers = column.get(name) if isinstance(column, dict) else None
    if not isinstance(numbers, list) or not numbers or not all(map(_is_small_number, numbers)):
        raise UserError(f"{where}: its pairs of inputs and outputs are incomplete")
    return np.asarray(numbers, np.float32)


def _is_small_number(value: Any) -> bool:
    if value is None:
        return True
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MAX_NUMBER


MAX_NUMBER = 3e38  # about the largest float32
