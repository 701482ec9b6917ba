"""Settings of the trainings that a tool makes with one objective in one environment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metadisco.commands.grid import config_at, one_environment
from metadisco.config import Config, check_env_name, read_yaml
from metadisco.errors import UserError
from metadisco.sources import Source


def config_file(source: Source, config_path: Path | None) -> Path | None:
    """Return the file with the settings: the one that was named, or else the run's own."""
    return source.run.config_path if config_path is None and source.run is not None else config_path


def settings_for(
    source: Source, env: str | None, config_path: Path | None, overrides: Mapping[str, Any]
) -> tuple[str, Config]:
    """Return the environment, and the settings there.

    Args:
        source: the objective.
        env: the environment; the first one of the settings when left out.
        config_path: as for `config_file`; the defaults where there is none.
        overrides: by dotted key.

    Raises:
        UserError: for what cannot be used.
    """
    for key in ("inner.env", "inner.envs"):
        if key in overrides:
            raise UserError(f"{key}: got {overrides[key]!r}, but the environment is named by --env")
    if env is not None:
        check_env_name(env, key="--env")
    path = config_file(source, config_path)
    base = read_yaml(path) if path else {}
    if env is None:
        env = config_at(base, {}).inner.tasks[0].env
    return env, config_at(one_environment(base, env), overrides)
