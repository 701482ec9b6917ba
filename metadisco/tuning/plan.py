"""The plan of a search, checked as a whole before anything is trained."""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from metadisco.config import Config, PPOConfig, build_settings, check_env_name, to_plain
from metadisco.config.grid import config_at, one_environment, split_objective
from metadisco.discoveries.sources import Source, find_source
from metadisco.errors import UserError
from metadisco.evaluation.settings import settings_named
from metadisco.tuning.config import SpaceConfig
from metadisco.tuning.ranges import PPO, Range, Values, make_ranges, shapes_of

OUTER = ("num_devices", "chunk_size")


class Plan(NamedTuple):
    """A complete search: its ranges, the settings that it starts from, and its environments."""

    space: SpaceConfig
    """As resolved: with all settings of trainings filled in."""
    origin: str | None
    """Source of the settings, as in `Settings`."""
    ranges: Mapping[str, Sequence[Range]]
    """By objective."""
    sources: Mapping[str, Source]
    """By objective."""
    configs: Mapping[str, Config]
    """Settings before tuning, by environment, with that environment only."""
    references: Mapping[str, tuple[float, float]]
    """Scores that count as 0 and 1, by environment, where the settings give them for all."""

    @property
    def num_settings(self) -> int:
        """Settings that are tried for each objective."""
        assert self.space.num_settings is not None
        return self.space.num_settings

    @property
    def survivors(self) -> list[int]:
        """Settings of an objective in each round of the search."""
        numbers = [self.num_settings]
        for _ in self.space.rounds[1:]:
            assert self.space.halving is not None
            numbers.append(max(math.ceil(round(self.space.halving.keep * numbers[-1], 6)), 1))
        return numbers

    @property
    def num_finalists(self) -> int:
        """Settings of an objective that agents choose among."""
        return min(self.space.num_finalists, self.survivors[-1])

    @property
    def lifetimes(self) -> dict[str, int]:
        """Agents that are trained for each objective and environment, by stage."""
        rounds = self.space.rounds
        new = [after - before for before, after in zip((0, *rounds), rounds, strict=False)]
        return {
            "search": sum(number * seeds for number, seeds in zip(self.survivors, new, strict=True)),
            "choice": self.num_finalists * self.space.num_choice_seeds if self.num_finalists > 1 else 0,
            "report": 2 * self.space.num_report_seeds,
        }

    def config(self, env: str, values: Values, lifetime: float = 1.0) -> Config:
        """Return the settings of agents in one environment, with proposed values.

        Args:
            env: one of `configs`.
            values: by dotted key; constants of the objective may be among them.
            lifetime: fraction of the environment steps.
        """
        return with_ppo(self.configs[env], values, lifetime)


def with_ppo(config: Config, values: Values, lifetime: float = 1.0) -> Config:
    """Return a config with proposed settings of PPO, and a lifetime shortened to a fraction of its steps.

    Raises:
        UserError: if they do not go together.
    """
    own = {key.removeprefix(PPO): value for key, value in split_objective(values)[1].items()}
    if lifetime < 1:
        own["num_env_steps"] = int(lifetime * config.inner.ppo.num_env_steps)
    ppo: Any = build_settings(PPOConfig, {**to_plain(config.inner.ppo), **own}, prefix=PPO)
    return dataclasses.replace(config, inner=dataclasses.replace(config.inner, ppo=ppo))


def make_plan(data: Mapping[str, Any]) -> Plan:
    """Return the plan of a space file, with everything checked that can be without training.

    Args:
        data: the content of the file.

    Raises:
        UserError: one sentence, for whatever cannot be searched.
    """
    space: SpaceConfig = build_settings(SpaceConfig, data)
    for key in space.outer:
        if key not in OUTER:
            raise UserError(f"outer.{key}: a search of settings has no such setting, allowed: {', '.join(OUTER)}")
    settings = settings_named(space.config)
    base = _merged(settings.base, {"inner": space.inner, "outer": space.outer, "seed": space.seed})
    whole = config_at(base, {})
    for env in space.envs:
        check_env_name(env, key="envs")
    envs = space.envs or tuple(task.name for task in whole.tasks)
    ranges = make_ranges(space.space, space.objectives)
    sources = {name: find_source(name) for name in space.objectives}
    configs = {env: config_at(one_environment(base, env), {}) for env in envs}
    for name, each in ranges.items():
        _check_values(name, each, configs.values(), space.lifetime)
    resolved = _resolved(space, whole, envs, ranges)
    return Plan(resolved, settings.origin, ranges, sources, configs, _references(whole, envs, space.score))


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings in which sections of one mapping replace those of another, key by key."""
    merged = dict(base)
    for key, value in over.items():
        there = merged.get(key)
        merged[key] = _merged(there, value) if isinstance(there, Mapping) and isinstance(value, Mapping) else value
    return merged


def _resolved(
    space: SpaceConfig, whole: Config, envs: tuple[str, ...], ranges: Mapping[str, Sequence[Range]]
) -> SpaceConfig:
    """Return the settings of a search with all defaults filled in, so that they need no other file."""
    if space.sampler == "grid":
        space = dataclasses.replace(space, num_settings=_size_of_grid(space, ranges))
    if space.sampler == "cma_es":
        for each in (each for several in ranges.values() for each in several if each.kind == "choices"):
            raise UserError(f"space.{each.key}: got choices, allowed: log, linear or whole for the sampler cma_es")
    plain = to_plain(whole)
    outer = {key: plain["outer"][key] for key in OUTER}
    return dataclasses.replace(space, config=None, envs=envs, inner=plain["inner"], outer=outer)


def _size_of_grid(space: SpaceConfig, ranges: Mapping[str, Sequence[Range]]) -> int:
    """Return the number of points of the grid."""
    sizes = {}
    for name, several in ranges.items():
        sizes[name] = 1
        for each in several:
            if each.all_values is None:
                raise UserError(f"space.{each.key}: got {each.kind}, allowed: whole or choices for the sampler grid")
            sizes[name] *= len(each.all_values)
    if len(set(sizes.values())) > 1:
        points = ", ".join(f"{size} of {name}" for name, size in sizes.items())
        raise UserError(f"space: got grids of different sizes ({points}), allowed: the same budget for all objectives")
    (size,) = set(sizes.values())
    if space.num_settings not in (None, size):
        raise UserError(f"num_settings: got {space.num_settings}, allowed: none, or the {size} points of the grid")
    return size


def _check_values(name: str, ranges: Sequence[Range], configs: Iterable[Config], lifetime: float) -> None:
    """Build all combinations of shapes, and the ends of traced ranges, so that nothing is refused half-way."""
    traced = [each for each in ranges if each.traced]
    ends = [{each.key: (each.choices or (each.low, each.high))[end] for each in traced} for end in (0, -1)]
    shapes = shapes_of(ranges)
    alone = [*ends, *({each.key: value} for each in traced for value in each.choices)]
    for config in {repr(each.inner.ppo): each for each in configs}.values():
        for shape in shapes:
            _check(name, config, shape, shape, lifetime)
        for values in alone:
            _check(name, config, {**shapes[0], **values}, {}, lifetime)


def _check(name: str, config: Config, values: Values, shape: Values, lifetime: float) -> None:
    """Refuse values that do not go together, naming those by which programs differ."""
    try:
        with_ppo(config, values, lifetime)
        if constants := split_objective(values)[0]:
            find_source(name, constants)
    except UserError as error:
        at = ", ".join(f"{key} {value}" for key, value in shape.items())
        raise UserError(f"space: {f'at {at}: ' if at else ''}{error}") from error


def _references(whole: Config, envs: Sequence[str], score: str) -> dict[str, tuple[float, float]]:
    """Return the scale that the settings give; nothing unless for all environments and for this score."""
    if whole.inner.fitness != score or tuple(whole.inner.fitness_part) != (0.0, 1.0):
        return {}
    given = {task.name: task.reference for task in whole.tasks if task.reference is not None}
    if not set(envs) <= given.keys():
        return {}
    return {env: (given[env].random, given[env].ppo) for env in envs}
