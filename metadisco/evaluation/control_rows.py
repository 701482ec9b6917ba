"""Goal returns of steered learners, as rows and tables. Axes: S seeds."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float

from metadisco.discoveries.sources import short_names
from metadisco.evaluation.digits import interval
from metadisco.evaluation.statistics import Difference, half_width, paired_difference
from metadisco.evaluation.tables import Table, with_sign
from metadisco.storage.files import with_nulls

if TYPE_CHECKING:
    import pandas

STEERED, UNSTEERED, BLIND, RANDOM_MESSAGE = "steered", "no steering", "blind", "random message"
STEERINGS = (STEERED, UNSTEERED, BLIND, RANDOM_MESSAGE)
"""How a trained learner is spoken to: by the function that steers; as in its training; with zeros; and by the function
that steers where it was trained with an untrained message."""
COMPARED = (UNSTEERED, BLIND)
HEADINGS = ("steering", "goal return (95 %)", *(f"minus {name} (95 %)" for name in COMPARED), "failed")


class ControlRow(NamedTuple):
    """Goal returns of learners that were steered in one way."""

    talker: str
    env: str
    """The environment, followed by the name of the victim, as in `Cell`."""
    steering: str
    """One of `STEERINGS`."""
    returns: Float[np.ndarray, "S"]
    """Mean goal return of each learner's episodes; NaN if its training failed."""
    mean: float
    """Over learners that did not fail."""
    half_width: float | None
    """Half-width of the 95 % interval of `mean` (Student's t); None for fewer than two learners."""
    differences: Mapping[str, Difference]
    """Mean differences on the same learners, by the steering compared with; `random message` has other learners on
    the same seeds."""

    @property
    def failed(self) -> int:
        """Number of learners whose training failed."""
        return int(np.isnan(self.returns).sum())


def control_rows(talker: str, env: str, returns: Mapping[str, Float[np.ndarray, "S"]]) -> list[ControlRow]:
    """Return a row for each steering.

    Args:
        talker: name of the talker.
        env: name of the condition.
        returns: by steering.
    """
    rows = []
    for steering in STEERINGS:
        ours = returns[steering]
        known = ours[np.isfinite(ours)]
        pairs = {name: np.isfinite(ours - returns[name]).sum() for name in COMPARED if name != steering}
        rows.append(
            ControlRow(
                talker=talker,
                env=env,
                steering=steering,
                returns=ours,
                mean=float(known.mean()) if known.size else float("nan"),
                half_width=half_width(known) if known.size > 1 else None,
                differences={name: paired_difference(ours, returns[name]) for name, num in pairs.items() if num > 1},
            )
        )
    return rows


def control_tables(rows: Sequence[ControlRow]) -> list[Table]:
    """Return a table for each talker that steers and each environment."""
    short = short_names(row.talker for row in rows)
    tables = []
    for talker, env in dict.fromkeys((row.talker, row.env) for row in rows):
        lines = [_line(row) for row in rows if (row.talker, row.env) == (talker, env)]
        tables.append(Table(f"{env}: goal return under {short[talker]}", list(HEADINGS), lines))
    return tables


def _line(row: ControlRow) -> list[str]:
    half = float("nan") if row.half_width is None else row.half_width
    differences = [with_sign(row.differences.get(name)) for name in COMPARED]
    return [
        row.steering,
        interval(row.mean, row.mean - half, row.mean + half),
        *differences,
        str(row.failed or ""),
    ]


def control_json(rows: Sequence[ControlRow]) -> list[dict[str, Any]]:
    """Return rows as plain data; null for the goal return of a failed learner."""
    return [
        {
            **row._asdict(),
            "returns": with_nulls(row.returns),
            "mean": None if np.isnan(row.mean) else row.mean,
            "differences": {name: list(each) for name, each in row.differences.items()},
        }
        for row in rows
    ]


def control_from_json(rows: Sequence[Mapping[str, Any]]) -> list[ControlRow]:
    """Return the rows that `control_json` converted."""
    return [
        ControlRow(
            **{
                **row,
                "returns": np.asarray(row["returns"], float),
                "mean": float("nan") if row["mean"] is None else row["mean"],
                "differences": {name: Difference(*numbers) for name, numbers in row["differences"].items()},
            }
        )
        for row in rows
    ]


def control_frame(rows: Sequence[ControlRow]) -> "pandas.DataFrame":
    """Return a row per talker, environment, steering and seed: talker, env, steering, seed, goal_return."""
    import pandas as pd  # noqa: PLC0415 - takes a second

    return pd.DataFrame(
        [
            {"talker": row.talker, "env": row.env, "steering": row.steering, "seed": seed, "goal_return": float(value)}
            for row in rows
            for seed, value in enumerate(row.returns)
        ]
    )
