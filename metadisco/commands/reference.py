"""`metadisco reference`: measure the returns that normalise fitness, and write them into the config."""

from collections.abc import Sequence
from pathlib import Path

from metadisco.api.measuring import measure_reference
from metadisco.commands.overrides import settings_in


def reference(config_path: Path, words: Sequence[str], num_seeds: int, quiet: bool) -> int:
    """Measure and write references of all environments of a config; return the exit code.

    Raises:
        UserError: for input that cannot be used, or if PPO is no better than random; the file is unchanged then.
    """
    measure_reference(config_path, num_seeds, overrides=settings_in(words), write=True, progress=not quiet)
    return 0
