"""Settings of trainings, and those of the meta-training of an objective."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from metadisco.config import EVALUATION_SETTINGS, Config, Range, check_env_name, read_yaml, to_plain
from metadisco.config.grid import config_at, one_environment
from metadisco.config.ranges import ranges_of
from metadisco.discoveries.sources import Source, find_discovery
from metadisco.errors import UserError
from metadisco.storage.package import ARTEFACT

LISTED_FIRST = ("num_env_steps", "num_envs", "num_steps", "learning_rate", "num_epochs", "num_minibatches")
"""Settings that are listed first among those that differ."""


class Settings(NamedTuple):
    """Settings as in a config file, and their origin."""

    base: Mapping[str, Any]
    origin: str | None
    """A file or the name of an objective; None for the defaults."""


class EnvironmentSettings(NamedTuple):
    """Settings of trainings in one environment."""

    env: str
    config: Config
    settings: Settings
    """Settings of all environments, before overrides."""


def settings_named(name: str | Path | None) -> Settings:
    """Return the settings that `config` names.

    Args:
        name: a YAML file; or a discovery, run or artefact, whose meta-training gives them; None for the defaults.

    Raises:
        UserError: if there is no such thing, or it has no settings.
    """
    if name is None:
        return Settings({}, None)
    try:
        base = _settings_in(Path(name), str(name))
    except UserError as error:
        raise UserError(f"config: {error}") from error
    return Settings(base, str(name))


def _settings_in(path: Path, name: str) -> Mapping[str, Any]:
    """Return the settings of a YAML file, or those of the meta-training of an objective."""
    if path.suffix in (".yaml", ".yml") or (path.is_file() and path.suffix != ".zip"):
        data = read_yaml(path)
        if "format" not in data:  # files that other commands wrote have this key
            return data
    try:
        source = find_discovery(str(path.parent) if path.name == ARTEFACT.file and path.is_file() else name)
    except UserError as error:
        raise UserError(str(error) if path.exists() else f"no YAML file, and {error}") from error
    own = own_settings(source)
    if not own:
        raise UserError(f"{name!r} keeps no settings, allowed: a YAML file, or a discovery")
    return own


def settings_of(source: Source, name: str | Path | None) -> Settings:
    """Return the settings that `config` names, or else those of the meta-training of the objective, if any."""
    if name is not None:
        return settings_named(name)
    own = own_settings(source)
    return Settings(own, source.name if own else None)


def own_settings(source: Source) -> Mapping[str, Any]:
    """Return the settings of the meta-training of an objective; empty if there was none or it is unknown."""
    if source.run is not None:
        return read_yaml(source.run.config_path)
    if source.distilled is not None:
        return {"inner": source.distilled.inner} if source.distilled.inner else {}
    if source.artefact is None or source.section is None:
        return {}
    trained_on = source.artefact.data.get("trained_on") or {}
    kept = {key: value for key, value in trained_on.items() if key in ("inner", "outer", "seed")}
    problem = {} if source.is_objective else {"problem": dict(source.problem)}
    return {**problem, "parametrisation": dict(source.section), **kept}


def settings_for(
    source: Source, env: str | None, name: str | Path | None, overrides: Mapping[str, Any]
) -> EnvironmentSettings:
    """Return an environment, the settings of trainings there, and the settings that they were taken from.

    Args:
        source: the objective.
        env: the environment; by default the first one of the settings. One that they do not list gets the settings
            that are common to all environments.
        name: as for `settings_of`.
        overrides: by dotted key.

    Raises:
        UserError: for an environment or settings that cannot be used.
    """
    for key in ("inner.env", "inner.envs"):
        if key in overrides:
            raise UserError(f"{key}: got {overrides[key]!r}, but the environment is named by `env`")
    if env is not None:
        check_env_name(env, key="env")
    settings = settings_of(source, name)
    if env is None:
        env = config_at(settings.base, {}).inner.tasks[0].env
    return EnvironmentSettings(env, config_at(one_environment(settings.base, env), overrides), settings)


def found_with(source: Source, config: Config) -> dict[str, Any] | None:
    """Return the settings of the meta-training of an objective that differ from those of the trainings.

    Args:
        source: the objective.
        config: of the trainings, in one environment.

    Returns:
        Values of the meta-training by key of `inner.ppo`, and `env_settings`; of a setting that it drew at random the
        range, where the value is outside. None if the objective was not learned or its meta-training is unknown.
    """
    (task,) = config.inner.tasks
    own = own_settings(source)
    if source.trained_on is None or "inner" not in own:
        return None
    try:
        theirs = config_at(one_environment(own, task.env), {}).inner
        seen = task.env in {each.env for each in config_at(own, {}).inner.tasks}
    except UserError:  # settings of another version
        return None
    if source.distilled is not None and not seen:  # distilled forms keep the settings of one environment only
        return None
    used, found = to_plain(task.ppo), to_plain(theirs.ppo)
    keys = [*LISTED_FIRST, *(key for key in used if key not in (*LISTED_FIRST, *EVALUATION_SETTINGS))]
    ranges = {each.name: each for each in drawn_there(own, task.env)}
    given = {name: math.inf if used[name] is None else used[name] for name in ranges}
    inside = {name for name, each in ranges.items() if each.low <= given[name] <= each.high}
    found |= {name: [each.low, each.high] for name, each in ranges.items()}
    differing = {key: found[key] for key in keys if found[key] != used[key] and key not in inside}
    if seen and theirs.env_settings != task.env_settings:
        differing["env_settings"] = theirs.env_settings
    return differing


def drawn_there(base: Mapping[str, Any], env: str) -> tuple[Range, ...]:
    """Return the ranges from which a search drew settings on an environment, the first of that name.

    Args:
        base: data of its config.
        env: the environment; one that the search did not see has the common ranges.
    """
    inner = config_at(base, {}).inner
    ranges = {each.env: each.randomise for each in reversed(inner.tasks)}
    return ranges.get(env, ranges_of(inner.randomise))
