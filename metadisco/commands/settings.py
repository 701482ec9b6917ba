"""Settings of the trainings that a tool makes with one objective in one environment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metadisco.commands.grid import config_at, one_environment
from metadisco.config import Config, check_env_name, read_yaml
from metadisco.errors import UserError
from metadisco.sources import Source


def base_of(source: Source, config_path: Path | None) -> Mapping[str, Any]:
    """Return the settings of the file that was named, or else those of the objective's own meta-training.

    Raises:
        UserError: for a file that cannot be read.
    """
    if config_path is not None:
        return read_yaml(config_path)
    if source.run is not None:
        return read_yaml(source.run.config_path)
    if source.artefact is None or source.section is None:
        return {}
    trained_on = source.artefact.data.get("trained_on") or {}
    kept = {key: value for key, value in trained_on.items() if key in ("inner", "outer", "seed")}
    return {"parametrisation": dict(source.section), **kept}


def settings_for(
    source: Source, env: str | None, config_path: Path | None, overrides: Mapping[str, Any]
) -> tuple[str, Config]:
    """Return the environment, and the settings there.

    Args:
        source: the objective.
        env: the environment; the first one of the settings when left out.
        config_path: as for `base_of`; the defaults where there is none.
        overrides: by dotted key.

    Raises:
        UserError: for what cannot be used.
    """
    for key in ("inner.env", "inner.envs"):
        if key in overrides:
            raise UserError(f"{key}: got {overrides[key]!r}, but the environment is named by --env")
    if env is not None:
        check_env_name(env, key="--env")
    base = base_of(source, config_path)
    if env is None:
        env = config_at(base, {}).inner.tasks[0].env
    return env, config_at(one_environment(base, env), overrides)
