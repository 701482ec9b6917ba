"""Results of an evaluation as tidy data: one row per observation, one column per variable."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from metadisco.evaluation.comparison import Cell

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
