"""Cells of a judgement over PPO settings: who is trained where, and the trained agents."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from metadisco.config import Config, PPOConfig
from metadisco.config.grid import config_at, one_environment
from metadisco.config.presets import PRESETS
from metadisco.config.settings_grid import LIFETIME, SettingsGrid, SettingsPoint
from metadisco.errors import UserError
from metadisco.evaluation.evaluate import Progress
from metadisco.evaluation.lifetimes import Lifetimes, run_lifetimes, untraced
from metadisco.inner.envs import Box, Env
from metadisco.inner.train import check_evaluation
from metadisco.storage.cells import CellStore
from metadisco.types import Objective


class Place(NamedTuple):
    """One environment, setting and lifetime."""

    env: str
    setting: str
    config: Config
    """Settings, with this environment only."""
    same_as: str | None
    """An earlier setting that is the same in this environment; such a place counts once."""

    @property
    def lifetime(self) -> int:
        """Environment steps that were asked for."""
        return self.config.inner.ppo.num_env_steps

    @property
    def key(self) -> tuple[str, int, str]:
        """Identifies the place."""
        return (self.env, self.lifetime, self.setting)


class Entrant(NamedTuple):
    """An objective, or the baseline with another learning rate."""

    name: str
    objective: Objective
    identity: Any
    """Everything that determines its losses, as plain data."""
    factor: float = 1.0
    """Of the learning rate."""


class SettingsCell(NamedTuple):
    """One entrant in one place."""

    entrant: str
    place: Place
    lifetimes: Lifetimes


def env_config(base: Mapping[str, Any], env: str, grid: SettingsGrid, overrides: Mapping[str, Any]) -> Config:
    """Return the settings of an environment before those of any point."""
    return _config(base, env, {**grid.envs.get(env, {}), **overrides}, f"settings: {env}")


def places(
    base: Mapping[str, Any], envs: Mapping[str, Env], grid: SettingsGrid, overrides: Mapping[str, Any]
) -> list[Place]:
    """Return all places, environment by environment.

    Later ones override earlier ones: the config, the defaults that a point starts from, the settings of the
    environment, those of the point, `overrides`, the lifetime.

    Args:
        base: data of the config.
        envs: the environments by name.
        grid: of the settings.
        overrides: by dotted key.

    Raises:
        UserError: for settings that are impossible, or episodes that are too long to evaluate.
    """
    if grid.lifetimes and LIFETIME in overrides:
        raise UserError(f"{LIFETIME}: got it beside `settings` with lifetimes, allowed: one of them")
    found = []
    for env, made in envs.items():
        seen: dict[Config, str] = {}
        for lifetime in grid.lifetimes or (None,):
            for point in grid.points:
                where = f"settings: {point.name!r} on {env}"
                values = _values(point, made, grid.envs.get(env, {}), overrides, lifetime)
                config = _config(base, env, values, where)
                _check(made, config.inner.ppo, where)
                found.append(Place(env, point.name, config, _earlier(seen, config, point.name)))
    return found


def _earlier(seen: dict[Any, str], config: Config, name: str) -> str | None:
    key = repr(config.inner)
    same = seen.get(key)
    seen.setdefault(key, name)
    return same


def _values(
    point: SettingsPoint, env: Env, needed: Mapping[str, Any], overrides: Mapping[str, Any], lifetime: int | None
) -> dict[str, Any]:
    preset: Mapping[str, Any] = {}
    if point.preset is not None:
        defaults = PRESETS[point.preset]
        preset = defaults.continuous if isinstance(env.action_space, Box) else defaults.discrete
    started = {f"inner.ppo.{key}": value for key, value in preset.items()}
    last = {} if lifetime is None else {LIFETIME: lifetime}
    return {**started, **needed, **point.values, **overrides, **last}


def _config(base: Mapping[str, Any], env: str, values: Mapping[str, Any], where: str) -> Config:
    try:
        return config_at(one_environment(base, env), values)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def _check(env: Env, ppo: PPOConfig, where: str) -> None:
    try:
        check_evaluation(env, ppo)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


class _Job(NamedTuple):
    entrant: Entrant
    place: Place
    config: Config


def train_everywhere(
    entrants: Sequence[Entrant],
    places: Sequence[Place],
    envs: Mapping[str, Env],
    num_seeds: int,
    output: Path,
    progress: Progress = lambda done, total, last: None,
) -> list[SettingsCell]:
    """Train agents for every entrant in every place, on the same seeds; kept cells are not trained again.

    Cells of one objective that differ only in traced settings (see `Hyperparameters`) share a compiled program and are
    trained together; those with equal settings are trained once.

    Args:
        entrants: of distinct names.
        places: of distinct environments, settings and lifetimes.
        envs: by name.
        num_seeds: lifetimes per cell.
        output: folder; its subfolder `cells` keeps finished cells.
        progress: called after each group of cells.
    """
    jobs = [_Job(entrant, place, _scaled(place.config, entrant.factor)) for place in places for entrant in entrants]
    groups: dict[Any, list[int]] = {}
    for index, (entrant, place, config) in enumerate(jobs):
        key = (place.env, repr(untraced(config).inner), repr(entrant.identity))
        groups.setdefault(key, []).append(index)
    trained: dict[int, Lifetimes] = {}
    progress(0, len(jobs), "")
    for indices in groups.values():
        group = [jobs[index] for index in indices]
        found, num_kept = _train_or_load(group, envs[group[0].place.env], num_seeds, output)
        trained |= {index: found[repr(jobs[index].config)] for index in indices}
        progress(len(trained), len(jobs), _said(group, num_kept, len(found)))
    return [SettingsCell(job.entrant.name, job.place, trained[index]) for index, job in enumerate(jobs)]


def _said(group: Sequence[_Job], num_kept: int, number: int) -> str:
    """Describe a group of cells that is finished."""
    entrant, place, _ = group[0]
    more = f" and {number - 1} more" if number > 1 else ""
    kept = f" ({num_kept} of {number} kept from before)" if num_kept else ""
    return f"{entrant.name} on {place.env}, {place.setting}{more}, {place.lifetime:,} steps{kept}"


def _scaled(config: Config, factor: float) -> Config:
    ppo = dataclasses.replace(config.inner.ppo, learning_rate=config.inner.ppo.learning_rate * factor)
    return dataclasses.replace(config, inner=dataclasses.replace(config.inner, ppo=ppo))


def _train_or_load(group: Sequence[_Job], env: Env, num_seeds: int, output: Path) -> tuple[dict[str, Lifetimes], int]:
    """Return the lifetimes of a group by the `repr` of their config, and how many of them were kept from before."""
    configs = {repr(job.config): job.config for job in group}
    identity = {"env": group[0].place.env, "seeds": num_seeds, "objective": group[0].entrant.identity}
    stores = {key: CellStore(output / "cells", config) for key, config in configs.items()}
    kept = {key: store.load(identity, Lifetimes._fields) for key, store in stores.items()}
    found = {key: Lifetimes(**arrays) for key, arrays in kept.items() if arrays is not None}
    missing = [key for key in configs if key not in found]
    num_kept = len(found)
    if missing:
        objective, shared = group[0].entrant.objective, [configs[key] for key in missing]
        for key, lifetimes in zip(missing, run_lifetimes(objective, env, shared, num_seeds), strict=True):
            stores[key].keep(identity, lifetimes._asdict())
            found[key] = lifetimes
    return found, num_kept
