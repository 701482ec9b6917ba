"""A grid of PPO settings over which objectives are judged, as a file describes it."""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from metadisco.errors import UserError, nearest, shown

from .fields import Float, PositiveInt, Text, settings
from .names import check_env_name
from .parse import build_settings
from .ppo import PPOConfig
from .presets import PRESETS

PPO_KEYS = tuple(f"inner.ppo.{field.name}" for field in dataclasses.fields(PPOConfig))
LIFETIME = "inner.ppo.num_env_steps"
CONTROL = (0.25, 0.5, 2.0, 4.0)
SECTIONS = {
    "settings": "Points of the grid: cleanrl, purejaxrl or sb3, the defaults of these libraries; settings with a "
    "`name`, and `from` for the defaults that they start from; or `grid`, all combinations of lists of values.",
    "lifetimes": "Lengths of the trainings, in environment steps; empty for that of the config.",
    "envs": "Settings that an environment needs at every point: a section by its name, with dotted keys.",
    "scale": "Returns of random actions and of tuned PPO that are known and need not be measured.",
    "control": "Factors of the learning rate in the control row; an empty list for no such row.",
}
"""Sections of the file, with their meanings."""


@settings
class GivenScale:
    """Known scores of random actions and of tuned PPO, which are then not measured."""

    env: Text
    """`suite/name` of the environment."""
    lifetime: PositiveInt
    """Environment steps."""
    score: Literal["final_return", "area_under_curve"]
    """Whose scale it is."""
    random: Float
    """Mean return of random actions."""
    tuned: Float
    """Mean score of tuned PPO."""

    def __post_init__(self) -> None:
        """Check that the scale has an extent."""
        if self.tuned <= self.random:
            raise ValueError(f"tuned: got {self.tuned}, allowed: a number above random, {self.random}")


class SettingsPoint(NamedTuple):
    """One point of the grid."""

    name: str
    preset: str | None
    """Name of the defaults that it starts from, one of PRESETS; None for those of the config."""
    values: Mapping[str, Any]
    """Settings that replace all others, by dotted key."""


class SettingsGrid(NamedTuple):
    """Settings of PPO, and the other parts of a comparison over them."""

    points: tuple[SettingsPoint, ...]
    lifetimes: tuple[int, ...]
    """Environment steps; empty for that of the config."""
    envs: Mapping[str, Mapping[str, Any]]
    """Settings that environments need at every point, by dotted key. Values of a point replace them."""
    scale: tuple[GivenScale, ...]
    control: tuple[float, ...]
    """Factors of the learning rate in the control row; empty for none."""


def settings_grid(data: Mapping[str, Any]) -> SettingsGrid:
    """Return the grid that a mapping with the sections SECTIONS describes.

    Raises:
        UserError: naming the section and the entry.
    """
    for key in data:
        if key not in SECTIONS:
            raise UserError(
                f"settings: unknown section {shown(key)}{nearest(key, SECTIONS)} (allowed: {', '.join(SECTIONS)})"
            )
    points = [point for entry in _listed(data, "settings") for point in _points(entry)]
    if not points:
        raise UserError("settings: got no point, allowed: one or more")
    names = [point.name for point in points]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"settings: got the name {name!r} twice, allowed: each once")
    lifetimes = _lifetimes(data)
    if lifetimes:
        for point in points:
            if LIFETIME in point.values:
                raise UserError(f"settings: {point.name!r} sets {LIFETIME} beside `lifetimes`, allowed: one of them")
    scale = [build_settings(GivenScale, _section(each, "scale"), "settings: scale.") for each in _listed(data, "scale")]
    return SettingsGrid(tuple(points), lifetimes, _envs(data), tuple(scale), _control(data))


def _listed(data: Mapping[str, Any], section: str) -> Sequence[Any]:
    entries = data.get(section, [])
    if not isinstance(entries, list):
        raise UserError(f"settings: got {shown(entries)} as {section}, allowed: a list")
    return entries


def _section(entry: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(entry, Mapping):
        raise UserError(f"settings: got {shown(entry)} in {where}, allowed: keys and values")
    return entry


def _points(entry: Any) -> list[SettingsPoint]:
    """Return the points of an entry: the name of a preset, settings with a name, or a grid of settings."""
    if isinstance(entry, str):
        return [SettingsPoint(entry, _preset(entry), {})]
    given = dict(_section(entry, "the list of settings"))
    name, base, grid = given.pop("name", None), given.pop("from", None), given.pop("grid", None)
    if name is not None and (not isinstance(name, str) or not name.strip()):
        raise UserError(f"settings: got the name {shown(name)}, allowed: text")
    preset = None if base is None else _preset(base)
    if grid is None:
        if name is None:
            raise UserError(f"settings: got {shown(entry)}, allowed: a `name` beside its settings")
        return [SettingsPoint(name, preset, _checked(given, name))]
    choices = [_choices(key, values) for key, values in _section(grid, "a grid").items()]
    points = []
    for combination in itertools.product(*choices):
        called = ", ".join([*([name] if name else []), *(word for word, _ in combination)])
        values = {key: value for _, chosen in combination for key, value in chosen.items()}
        points.append(SettingsPoint(called, preset, _checked({**given, **values}, called)))
    return points


def _preset(name: Any) -> str:
    if not isinstance(name, str) or name not in PRESETS:
        hint = nearest(str(name), PRESETS)
        raise UserError(f"settings: got {shown(name)}, allowed: {', '.join(PRESETS)}, or settings with a name{hint}")
    return name


def _choices(key: str, values: Any) -> list[tuple[str, dict[str, Any]]]:
    """Return the name of each choice, and its settings; a choice may be a section with a name and several settings."""
    if not isinstance(values, list) or not values:
        raise UserError(f"settings: got {shown(values)} as {key} of a grid, allowed: a list of values")
    found = []
    for value in values:
        if isinstance(value, Mapping):
            section = dict(value)
            name = section.pop("name", None)
            if not isinstance(name, str):
                raise UserError(f"settings: got {shown(value)} in {key} of a grid, allowed: settings with a `name`")
            found.append((name, section))
        else:
            shorter = f"{value:g}" if isinstance(value, float) else str(value)
            found.append((f"{key.rpartition('.')[2]} {shorter}", {key: value}))
    return found


def _checked(values: dict[str, Any], where: str) -> dict[str, Any]:
    for key in values:
        if key not in PPO_KEYS:
            raise UserError(
                f"settings: unknown key {key!r} in {where!r}{nearest(key, PPO_KEYS)} (allowed: inner.ppo.SETTING)"
            )
    return values


def _lifetimes(data: Mapping[str, Any]) -> tuple[int, ...]:
    found = _listed(data, "lifetimes")
    for each in found:
        whole = isinstance(each, int | float) and not isinstance(each, bool) and float(each).is_integer()
        if not whole or each < 1:
            raise UserError(f"settings: got {shown(each)} in lifetimes, allowed: environment steps")
        if list(found).count(each) > 1:
            raise UserError(f"settings: got the lifetime {each} twice, allowed: each once")
    return tuple(int(each) for each in found)


def _envs(data: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for env, values in _section(data.get("envs", {}), "envs").items():
        try:
            check_env_name(env, key="envs")
        except UserError as error:
            raise UserError(f"settings: {error}") from error
        own = dict(_section(values, f"envs of {env}"))
        _checked({key: value for key, value in own.items() if not key.startswith("inner.env_settings")}, env)
        found[env] = own
    return found


def _control(data: Mapping[str, Any]) -> tuple[float, ...]:
    factors = data.get("control", list(CONTROL))
    given: list[Any] = factors if isinstance(factors, list) else [None]
    for each in given:
        number = isinstance(each, int | float) and not isinstance(each, bool)
        if not number or not math.isfinite(each) or each <= 0 or each == 1 or given.count(each) > 1:
            raise UserError(
                f"settings: got {shown(factors)} as control, allowed: a list of factors of the learning rate, positive "
                "numbers other than 1, or an empty list"
            )
    return tuple(float(each) for each in given)
