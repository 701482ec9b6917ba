"""`metadisco reference`: measure the returns by which fitness is normalised, and write them into the config."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from metadisco.commands.display import Display
from metadisco.config import apply_overrides, check_num_seeds, parse_config, parse_override, read_yaml, set_in_entries
from metadisco.errors import UserError
from metadisco.storage.files import write_atomically
from metadisco.storage.rows import format_number

MAY_DIFFER = ("outer.", "seed")
DIGITS = 5


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
    if not config.inner.envs:
        raise UserError("inner.envs: the config has one environment, whose fitness needs no reference")
    text = _read(config_path)
    edited = partial(set_in_entries, text, ("inner", "envs"), "reference")
    edited([{"random": 0.0, "ppo": 1.0}] * len(config.inner.envs))  # refuse before lives are spent, not after
    if not os.access(config_path, os.W_OK) or not os.access(config_path.absolute().parent, os.W_OK):
        raise UserError(f"cannot write config {str(config_path)!r}")

    from metadisco.outer.devices import start_jax

    start_jax(config.outer.num_devices, config.deterministic)

    from metadisco.evaluation.reference import measure_reference
    from metadisco.problems import make_fitness, make_tasks

    fitness = make_fitness(config.inner.fitness, config.inner.fitness_part)
    names = [task.name for task in config.inner.tasks]
    references = []
    with Display(quiet) as display:
        for index, (name, task) in enumerate(zip(names, make_tasks(config), strict=True)):
            display.say(f"{name}: {num_seeds} lives of {task.ppo.executed_env_steps:,} steps …")
            measured = measure_reference(task, fitness, config.seed, num_seeds, config.outer)
            values = {
                key: _mean(key, scores, f"inner.envs.{index}", display) for key, scores in measured._asdict().items()
            }
            if values["ppo"] <= values["random"]:
                raise UserError(
                    f"inner.envs.{index}: PPO's fitness on {name} is {values['ppo']}, not above random actions' "
                    f"{values['random']}; allowed: an environment and settings where PPO learns"
                )
            references.append(values)
        if _read(config_path) != text:
            raise UserError(f"{str(config_path)!r} was changed meanwhile; measured for what it was: {references}")
        write_atomically(config_path.resolve(), edited(references))
        display.say(f"written to {config_path}")
    return 0


def _read(path: Path) -> str:
    """Return the text of a file with its line ends as they are."""
    with path.open(encoding="utf-8", newline="") as file:
        return file.read()


def _mean(key: str, scores: np.ndarray, place: str, display: Display) -> float:
    """Return the mean over the lives that did not fail, in a few digits, and show it with its uncertainty."""
    finite = scores[np.isfinite(scores)].astype(np.float64)
    if finite.size == 0:
        raise UserError(f"{place}: all {scores.size} lives of PPO failed (NaN), so that there is no reference")
    error = f" ± {format_number(finite.std(ddof=1) / finite.size**0.5)} (standard error)" if finite.size > 1 else ""
    failed = scores.size - finite.size
    note = f"; {failed} of {scores.size} lives failed and are left out" if failed else ""
    display.say(f"  {key} {format_number(finite.mean())}{error}{note}")
    return float(f"{finite.mean():.{DIGITS}g}")
