"""`metadisco reference`: measure the returns by which fitness is normalised, and write them into the config."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from metadisco.config import apply_overrides, parse_config, parse_override, read_yaml, set_in_entries
from metadisco.display import Display, format_number
from metadisco.errors import UserError
from metadisco.runs import write_atomically

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
    if num_seeds < 1:
        raise UserError(f"--seeds: got {num_seeds}, allowed: a whole number above 0")
    config = parse_config(apply_overrides(read_yaml(config_path), overrides))
    if not config.inner.envs:
        raise UserError("inner.envs: the config has one environment, whose fitness needs no reference")
    with config_path.open(encoding="utf-8", newline="") as file:  # lives are long: refuse before them
        set_in_entries(file.read(), ("inner", "envs"), "reference", [{}] * len(config.inner.envs))
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
        with config_path.open(encoding="utf-8", newline="") as file:
            text = set_in_entries(file.read(), ("inner", "envs"), "reference", references)
        write_atomically(config_path.resolve(), text)
        display.say(f"written to {config_path}")
    return 0


def _mean(key: str, scores: np.ndarray, place: str, display: Display) -> float:
    """Return the mean over the lives that did not fail, in a few digits, and show it with its uncertainty."""
    finite = scores[np.isfinite(scores)].astype(np.float64)
    if finite.size == 0:
        raise UserError(f"{place}: all {scores.size} lives of PPO failed (NaN), so that there is no reference")
    error = finite.std(ddof=1) / finite.size**0.5 if finite.size > 1 else np.nan
    failed = scores.size - finite.size
    note = f"; {failed} of {scores.size} lives failed and are left out" if failed else ""
    display.say(f"  {key} {format_number(finite.mean())} ± {format_number(error)} (standard error){note}")
    return float(f"{finite.mean():.{DIGITS}g}")
