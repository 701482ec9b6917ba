"""The scale of fitness over several environments, from Python."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from metadisco.api.inputs import Overrides, config_data, overrides_of
from metadisco.config import Config, apply_overrides, check_num_seeds, parse_config, set_in_entries
from metadisco.config.code.own_code import forget_edited
from metadisco.errors import UserError
from metadisco.evolution.display import Display
from metadisco.storage.files import Name, write_atomically

MAY_DIFFER = ("outer.", "seed")


def measure_reference(
    config: Config | Mapping[str, Any] | Name,
    num_seeds: int = 32,
    *,
    overrides: Overrides = None,
    write: bool = False,
    progress: bool = True,
) -> list[dict[str, float]]:
    """Measure the returns by which fitness on several environments is put on one scale, as `metadisco reference` does.

    Args:
        config: a YAML file, a mapping like it, or a `Config`, with several environments in `inner.envs`.
        num_seeds: lifetimes of PPO per environment.
        overrides: settings by dotted key, of `outer` or `seed`.
        write: write the references into the file.
        progress: show progress, on stderr.

    Returns:
        For each environment `random`, the mean return of uniformly random actions, and `ppo`, the mean fitness of PPO.

    Raises:
        UserError: for input that cannot be used, or PPO no better than random; the file is then unchanged.

    Example:
        references = metadisco.measure_reference("two.yaml", num_seeds=4)
        [each["ppo"] - each["random"] for each in references]
    """
    forget_edited()
    given = overrides_of(overrides)
    for key in given:
        if not key.startswith(MAY_DIFFER):
            raise UserError(
                f"{key}: references are for the config as it is written; only outer and seed can be set here"
            )
    check_num_seeds(num_seeds)
    settings = parse_config(apply_overrides(config_data(config), given.items()))
    if not settings.tasks:
        raise UserError(f"problem.name: got {settings.problem['name']}, allowed: a problem in which PPO is trained")
    if not settings.inner.envs:
        raise UserError("inner.envs: the config has one environment, whose fitness needs no reference")
    write_into = None
    if write:
        if isinstance(config, Config | Mapping):
            raise UserError("write: got no file, allowed: the path of a YAML file as config")
        write_into = _writer(Path(config), len(settings.inner.envs))

    from metadisco.evaluation.reference import measure_references

    with Display(not progress) as display:
        references = measure_references(settings, num_seeds, display.say)
        if write_into is not None:
            write_into(references)
            display.say(f"written to {config}")
    return references


def _writer(path: Path, num_envs: int) -> Callable[[list[dict[str, float]]], None]:
    """Return a function that writes references into a config file and leaves the rest of the file unchanged.

    Raises:
        UserError: if they could not be written, before lifetimes are spent; and then if the file has changed meanwhile.
    """
    text = _read(path)
    edited = partial(set_in_entries, text, ("inner", "envs"), "reference")
    edited([{"random": 0.0, "ppo": 1.0}] * num_envs)
    if not os.access(path, os.W_OK) or not os.access(path.absolute().parent, os.W_OK):
        raise UserError(f"cannot write config {str(path)!r}")

    def write(references: list[dict[str, float]]) -> None:
        if _read(path) != text:
            raise UserError(
                f"{str(path)!r} changed during the measurement; measured for its former content: {references}"
            )
        write_atomically(path.resolve(), edited(references))

    return write


def _read(path: Path) -> str:
    """Return the text of a file with its line ends as they are."""
    with path.open(encoding="utf-8", newline="") as file:
        return file.read()
