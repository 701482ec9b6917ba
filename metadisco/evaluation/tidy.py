"""What an evaluation found as tidy data: one observation a row, one variable a column. Axes: S seeds, U updates."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from metadisco.evaluation.comparison import INTERVALS, Cell, Row

if TYPE_CHECKING:
    import pandas


def seeds_frame(cells: Sequence[Cell]) -> "pandas.DataFrame":
    """Return a row per objective, environment and seed.

    Columns: objective, env, seed, final_return, area_under_curve, held_out, failed. Scores of a seed that failed
    are NaN; held_out is as `Cell` has it.
    """
    import pandas as pd  # noqa: PLC0415 - takes a second

    return pd.concat(
        [
            pd.DataFrame(
                {
                    "objective": cell.objective,
                    "env": cell.env,
                    "seed": np.arange(len(cell.lives.final_return)),
                    "final_return": cell.lives.final_return,
                    "area_under_curve": cell.lives.area_under_curve,
                    "held_out": pd.array([cell.held_out] * len(cell.lives.final_return), dtype="boolean"),
                    "failed": ~np.isfinite(cell.lives.final_return),
                }
            )
            for cell in cells
        ],
        ignore_index=True,
    )


def curves_frame(cells: Sequence[Cell]) -> "pandas.DataFrame":
    """Return a row per objective, environment, seed and update.

    Columns: objective, env, seed, env_steps (at the end of the update), return (of the episodes that ended in it, gaps
    filled as `area_under_curve` counts them).
    """
    import pandas as pd  # noqa: PLC0415 - takes a second

    return pd.concat(
        [
            pd.DataFrame(
                {
                    "objective": cell.objective,
                    "env": cell.env,
                    "seed": np.repeat(np.arange(len(cell.lives.filled)), len(cell.env_steps)),
                    "env_steps": np.tile(np.asarray(cell.env_steps), len(cell.lives.filled)),
                    "return": cell.lives.filled.ravel(),
                }
            )
            for cell in cells
        ],
        ignore_index=True,
    )


def summary_frame(rows: Sequence[Row]) -> "pandas.DataFrame":
    """Return a row per objective, environment and score: the estimates of a comparison, with 95 % intervals.

    Columns are the fields of `Row`. Those with an interval have its ends beside them, as `difference_low` and
    `difference_high`; that of `mean` is `half_width` to either side. NaN where there is none. env is missing for
    what is over all environments.
    """
    import pandas as pd  # noqa: PLC0415 - takes a second

    return pd.DataFrame([_flat(row) for row in rows]).astype({"env": "string"})


def _flat(row: Row) -> dict[str, str | float | None]:
    """Return a row with each interval as three columns."""
    flat: dict[str, str | float | None] = {}
    for name, value in row._asdict().items():
        if name in INTERVALS:
            numbers = (math.nan,) * 3 if value is None else value
            flat |= dict(zip((name, f"{name}_low", f"{name}_high"), numbers, strict=True))
        else:
            flat[name] = math.nan if value is None and name != "env" else value
    return flat
