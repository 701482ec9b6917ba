"""Results of an evaluation as tidy data: one row per observation, one column per variable."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from metadisco.evaluation.comparison import INTERVALS, Cell, Row

if TYPE_CHECKING:
    import pandas


def seeds_frame(cells: Sequence[Cell]) -> "pandas.DataFrame":
    """Return a row per objective, environment and seed.

    Columns: objective, env, seed, final_return, area_under_curve, held_out, failed. Scores of a failed seed are
    NaN; held_out is as in `Cell`.
    """
    import pandas as pd  # noqa: PLC0415 - takes a second

    return pd.concat(
        [
            pd.DataFrame(
                {
                    "objective": cell.objective,
                    "env": cell.env,
                    "seed": np.arange(len(cell.lifetimes.final_return)),
                    "final_return": cell.lifetimes.final_return,
                    "area_under_curve": cell.lifetimes.area_under_curve,
                    "held_out": pd.array([cell.held_out] * len(cell.lifetimes.final_return), dtype="boolean"),
                    "failed": ~np.isfinite(cell.lifetimes.final_return),
                }
            )
            for cell in cells
        ],
        ignore_index=True,
    )


def curves_frame(cells: Sequence[Cell]) -> "pandas.DataFrame":
    """Return a row per objective, environment, seed and update.

    Columns: objective, env, seed, env_steps (at the end of the update), return (mean of the episodes that ended in it,
    gaps filled as for `area_under_curve`).
    """
    import pandas as pd  # noqa: PLC0415 - takes a second

    return pd.concat(
        [
            pd.DataFrame(
                {
                    "objective": cell.objective,
                    "env": cell.env,
                    "seed": np.repeat(np.arange(len(cell.lifetimes.filled)), len(cell.env_steps)),
                    "env_steps": np.tile(np.asarray(cell.env_steps), len(cell.lifetimes.filled)),
                    "return": cell.lifetimes.filled.ravel(),
                }
            )
            for cell in cells
        ],
        ignore_index=True,
    )


def summary_frame(rows: Sequence[Row]) -> "pandas.DataFrame":
    """Return a row per objective, environment and score: the estimates of a comparison with 95 % intervals.

    Columns are the fields of `Row`. The bounds of an interval follow its estimate, such as `difference_low` and
    `difference_high`; the interval of `mean` is mean ± `half_width`. A further baseline has the columns
    `difference_from_NAME`, … of its own. Missing estimates are NaN. env is missing for estimates over all environments.
    """
    import pandas as pd  # noqa: PLC0415 - takes a second

    return pd.DataFrame([_flat(row) for row in rows]).astype({"env": "string"})


def _flat(row: Row) -> dict[str, str | float | None]:
    """Return a row in which each interval is split into three columns."""
    flat: dict[str, str | float | None] = {}
    for name, value in row._asdict().items():
        if name == "differences":
            for other, numbers in value.items():
                flat |= _columns(f"difference_from_{other}", numbers)
        elif name in INTERVALS:
            flat |= _columns(name, (math.nan,) * 3 if value is None else value)
        else:
            flat[name] = math.nan if value is None and name != "env" else value
    return flat


def _columns(name: str, numbers: Sequence[float]) -> dict[str, float]:
    """Return an estimate and the bounds of its interval by column."""
    return dict(zip((name, f"{name}_low", f"{name}_high"), numbers, strict=True))
