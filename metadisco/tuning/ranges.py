"""Ranges of settings in a space file, and the values that they contain."""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from metadisco.config import EVALUATION_SETTINGS, OBJECTIVE_SETTINGS, PPOConfig
from metadisco.errors import UserError, nearest, shown
from metadisco.inner.optimise import Hyperparameters

PPO, OBJECTIVE = "inner.ppo.", "objective."
KINDS = ("log", "linear", "whole")
FORMS = "{log: [1e-4, 1e-2]}, {linear: [0, 1]}, {whole: [1, 8]} or a list of choices"
FIXED = ("num_env_steps", *EVALUATION_SETTINGS)
"""Settings of PPO that say how long agents train and how they are judged; a search may not choose these."""
DIGITS = 6
"""Significant digits of proposed numbers, so that they can be read, and written again without loss."""
MAX_PROGRAMS = 1000

Values: TypeAlias = dict[str, Any]
"""Values by dotted key."""


class Range(NamedTuple):
    """The values that a search may give to one setting."""

    key: str
    kind: Literal["log", "linear", "whole", "choices"]
    low: float = 0.0
    high: float = 0.0
    choices: tuple[Any, ...] = ()
    traced: bool = False
    """Whether agents with different values share one compiled program."""

    @property
    def name(self) -> str:
        """Short name for tables and figures."""
        return self.key.removeprefix(PPO)

    @property
    def all_values(self) -> tuple[Any, ...] | None:
        """All values in order; None for a range of real numbers."""
        if self.kind == "choices":
            return self.choices
        return tuple(range(int(self.low), int(self.high) + 1)) if self.kind == "whole" else None

    def at(self, position: float) -> Any:
        """Return the value at a position from 0 to 1; equal parts of the unit interval are equally likely values."""
        values = self.all_values
        if values is not None:
            return values[min(int(position * len(values)), len(values) - 1)]
        if self.kind == "log":
            value = math.exp(math.log(self.low) + position * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + position * (self.high - self.low)
        return self.rounded(value)

    def rounded(self, value: float) -> float:
        """Return a number with few digits, within the range."""
        return min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)

    def position(self, value: Any) -> float:
        """Return the position of a value, from 0 to 1; of a choice that of the middle of its part."""
        if self.kind == "choices":
            return (self.choices.index(value) + 0.5) / len(self.choices)
        if self.kind == "log":
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def make_ranges(space: Mapping[str, Any], objectives: Sequence[str]) -> dict[str, list[Range]]:
    """Return the ranges of each objective.

    A constant, `objective.…`, belongs to the objectives that have it, or to those that `for` names.

    Raises:
        UserError: for an empty space, a key that does not exist, or a range that means nothing.
    """
    if not space:
        raise UserError(f"space: got none, allowed: a range for one or more settings, such as {PPO}learning_rate")
    found: dict[str, list[Range]] = {name: [] for name in objectives}
    for key, given in space.items():
        owners = _owners(key, given, objectives)
        made = _make_range(key, given)
        for name in owners:
            found[name].append(made)
    for name, ranges in found.items():
        if not ranges:
            raise UserError(f"space: got nothing for {name}, allowed: one or more ranges for each objective")
    return found


def constants_of(objective: str) -> tuple[str, ...]:
    """Return the constants of a closed objective; a learned one has none."""
    cls: Any = OBJECTIVE_SETTINGS.get(objective)
    return () if cls is None else tuple(field.name for field in dataclasses.fields(cls))


def _owners(key: str, given: Any, objectives: Sequence[str]) -> list[str]:
    """Return the objectives for which a key is searched."""
    having = {name: [f"{OBJECTIVE}{each}" for each in constants_of(name)] for name in objectives}
    settings = [f"{PPO}{each.name}" for each in dataclasses.fields(PPOConfig)]
    known = {*settings, *itertools.chain(*having.values())}
    if key not in known:
        raise UserError(f"space: unknown key {shown(key)}{nearest(key, known)} (allowed: {PPO}… and {OBJECTIVE}…)")
    if key.removeprefix(PPO) in FIXED and key.startswith(PPO):
        raise UserError(f"space.{key}: it says how agents are judged, allowed: settings by which they learn")
    named = given.get("for") if isinstance(given, Mapping) else None
    owners = list(objectives) if named is None else [named] if isinstance(named, str) else named
    if not isinstance(owners, list) or not owners or not all(each in objectives for each in owners):
        raise UserError(f"space.{key}.for: got {shown(named)}, allowed: one or more of {', '.join(objectives)}")
    if key.startswith(PPO):
        return owners
    lacking = [name for name in owners if key not in having[name]]
    if named is not None and lacking:
        has = ", ".join(constants_of(lacking[0])) or "none"
        raise UserError(f"space.{key}.for: got {lacking[0]}, which has other constants ({has})")
    return [name for name in owners if name not in lacking]


def _make_range(key: str, given: Any) -> Range:
    where = f"space.{key}"
    if isinstance(given, list):
        return _choices(key, given)
    if not isinstance(given, Mapping):
        raise UserError(f"{where}: got {shown(given)}, allowed: {FORMS}")
    form = {name: value for name, value in given.items() if name != "for"}
    if "choices" in form and len(form) == 1:
        return _choices(key, form["choices"])
    if len(form) > 1:
        raise UserError(f"{where}: got {' and '.join(form)}, allowed: one of {', '.join(KINDS)} and choices")
    if not form or next(iter(form)) not in KINDS:
        got = next(iter(form), None)
        hint = nearest(got, KINDS) if isinstance(got, str) else ""
        raise UserError(f"{where}: got {shown(got)}, allowed: {FORMS}{hint}")
    ((kind, bounds),) = form.items()
    low, high = _bounds(f"{where}.{kind}", bounds, kind)
    traced = _may_be_traced(key)
    if kind != "whole" and not traced:
        raise UserError(
            f"{where}: got {kind}, allowed: {'whole or ' if _is_whole(key) else ''}a list of choices, as each value "
            "is a compiled program of its own"
        )
    return Range(key, kind, low, high, (), traced)


def _bounds(where: str, bounds: Any, kind: str) -> tuple[float, float]:
    """Return the ends of a range."""
    numbers = isinstance(bounds, list) and len(bounds) == 2 and all(map(_is_number, bounds))
    if not numbers or (kind == "whole" and any(each != int(each) for each in bounds)):
        what = "two whole numbers" if kind == "whole" else "two numbers"
        raise UserError(f"{where}: got {shown(bounds)}, allowed: {what}, the smaller one first")
    low, high = bounds
    if low >= high:
        raise UserError(f"{where}: got {shown(bounds)}, allowed: the smaller number first")
    if kind == "log" and low <= 0:
        raise UserError(f"{where}: got {shown(bounds)}, allowed: numbers above 0, or linear")
    return (int(low), int(high)) if kind == "whole" else (float(low), float(high))


def _choices(key: str, given: Any) -> Range:
    if not isinstance(given, list) or not given:
        raise UserError(f"space.{key}: got {shown(given)}, allowed: {FORMS}")
    if any(value in given[:place] for place, value in enumerate(given)):
        raise UserError(f"space.{key}: got a choice twice in {shown(given)}, allowed: each once")
    numbers = all(map(_is_number, given))
    traced = _may_be_traced(key) and (numbers or key.startswith(PPO))
    return Range(key, "choices", 0.0, 0.0, tuple(given), traced)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(key: str) -> bool:
    return key.startswith(PPO) and type(getattr(PPOConfig(), key.removeprefix(PPO))) is int


def _may_be_traced(key: str) -> bool:
    """Whether numbers of this setting can be arguments of a compiled program."""
    return key.startswith(OBJECTIVE) or key.removeprefix(PPO) in Hyperparameters._fields


def shapes_of(ranges: Iterable[Range]) -> list[Values]:
    """Return all combinations of the values that cannot be traced; each is a compiled program.

    Raises:
        UserError: if there are more than a machine could compile.
    """
    values = {each.key: each.all_values for each in ranges if not each.traced}
    number = math.prod(len(all_values) for all_values in values.values() if all_values is not None)
    if number > MAX_PROGRAMS:
        raise UserError(
            f"space: got {number:,} combinations of {', '.join(values)}, each a compiled program of its own, "
            f"allowed: at most {MAX_PROGRAMS}"
        )
    combinations = itertools.product(*(all_values for all_values in values.values() if all_values is not None))
    return [dict(zip(values, combination, strict=True)) for combination in combinations]
