"""`metadisco reference`: measure the returns by which fitness is normalised, and write them into the config."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from metadisco.config import apply_overrides, edit_yaml, parse_config, parse_override, read_yaml
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
                f"{key}: the references are for the config as it is written, so that only outer and seed can be set"
            )
    if num_seeds < 1:
        raise UserError(f"--seeds: got {num_seeds}, allowed: a whole number above 0")
    config = parse_config(apply_overrides(read_yaml(config_path), overrides))
    if not config.inner.envs:
        raise UserError("inner.envs: the config has one environment, whose fitness needs no reference")
    if not os.access(config_path, os.W_OK) or not os.access(config_path.absolute().parent, os.W_OK):
        raise UserError(f"cannot write config {str(config_path)!r}")

    from metadisco.outer.devices import start_jax

    start_jax(config.outer.num_devices, config.deterministic)

    from metadisco.evaluation.reference import measure_reference
    from metadisco.problems import make_fitness, make_tasks

    fitness = make_fitness(config.inner.fitness, config.inner.fitness_part)
    names = [task.name for task in config.inner.tasks]
    edits = []
    with Display(quiet) as display:
        for index, (name, task) in enumerate(zip(names, make_tasks(config), strict=True)):
            steps = task.ppo.executed_env_steps
            display.say(f"{name}: {num_seeds} lives of {steps:,} steps …")
            measured = measure_reference(task, fitness, config.seed, num_seeds, config.outer)
            values = {}
            for key, scores in measured._asdict().items():
                finite = scores[np.isfinite(scores)]
                if finite.size == 0:
                    raise UserError(f"inner.envs.{index}: all {num_seeds} lives of PPO on {name} failed (NaN)")
                values[key] = float(f"{finite.mean():.{DIGITS}g}")
                error = finite.std() / max(finite.size - 1, 1) ** 0.5
                display.say(f"  {key} {format_number(values[key])} ± {format_number(error)} (standard error)")
            if values["ppo"] <= values["random"]:
                raise UserError(
                    f"inner.envs.{index}: PPO's fitness on {name} is {values['ppo']}, not above random actions' "
                    f"{values['random']}; allowed: an environment and settings where PPO learns"
                )
            edits.append((("inner", "envs", index, "reference"), values))
        write_atomically(config_path, edit_yaml(config_path, edits))
        display.say(f"written to {config_path}")
    return 0
