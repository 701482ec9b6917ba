"""Reads the results of a finished search. Needs no Optuna."""

import json
from pathlib import Path
from typing import Any

from metadisco.errors import UserError

FILE, FORMAT, VERSION = "results.json", "metadisco tune", 1


def read_results(folder: Path, argument: str) -> dict[str, Any]:
    """Return the results in the folder of a finished search.

    Args:
        folder: output of `metadisco tune`.
        argument: that named it.

    Raises:
        UserError: if there are none.
    """
    try:
        data: Any = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        data = None
    if not isinstance(data, dict) or (data.get("format"), data.get("version")) != (FORMAT, VERSION):
        raise UserError(f"{argument}: {str(folder)!r} holds no results of metadisco tune, allowed: its finished output")
    return data
