"""`metadisco reference`: measure the returns by which fitness is normalised, and write them into the config."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from metadisco.commands.display import Display
from metadisco.config import apply_overrides, check_num_seeds, parse_config, parse_override, read_yaml, set_in_entries
from metadisco.errors import UserError
from metadisco.storage.files import write_atomically

MAY_DIFFER = ("outer.", "seed")


def reference(config_path: Path, words: Sequence[str], num_seeds: int, quiet: bool) -> int:
    """Measure and write references of all environments of a config; return the exit code.

    Raises:
        UserError: for input that cannot be used, or PPO no better than random; the file is as it was then.
    """
    overrides = [parse_override(word) for word in words]
    for key, _ in overrides:
        if not key.startswith(MAY_DIFFER):
            raise UserError(
                f"{key}: references are for the config as it is written; only outer and seed can be set here"
            )
    check_num_seeds(num_seeds)
    config = parse_config(apply_overrides(read_yaml(config_path), overrides))
    if not config.tasks:
        raise UserError(f"problem.name: got {config.problem['name']}, allowed: a problem in which PPO is trained")
    if not config.inner.envs:
        raise UserError("inner.envs: the config has one environment, whose fitness needs no reference")
    text = _read(config_path)
    edited = partial(set_in_entries, text, ("inner", "envs"), "reference")
    edited([{"random": 0.0, "ppo": 1.0}] * len(config.inner.envs))  # refuse before lives are spent, not after
    if not os.access(config_path, os.W_OK) or not os.access(config_path.absolute().parent, os.W_OK):
        raise UserError(f"cannot write config {str(config_path)!r}")

    from metadisco.evaluation.reference import measure_references

    with Display(quiet) as display:
        references = measure_references(config, num_seeds, display.say)
        if _read(config_path) != text:
            raise UserError(f"{str(config_path)!r} was changed meanwhile; measured for what it was: {references}")
        write_atomically(config_path.resolve(), edited(references))
        display.say(f"written to {config_path}")
    return 0


def _read(path: Path) -> str:
    """Return the text of a file with its line ends as they are."""
    with path.open(encoding="utf-8", newline="") as file:
        return file.read()
