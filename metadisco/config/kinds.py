"""Types of settings in words: what a key takes, and which values are allowed."""

import dataclasses
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from .fields import MAX_FLOAT, MAX_INT

ELEMENTS = {int: "whole numbers", float: "numbers", bool: "truth values", str: "texts", Any: "values"}
SCALARS = {int: "whole number", float: "number", bool: "true or false", str: "text", Any: "any value"}
BOUNDS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
UNLIMITED = (MAX_INT, MAX_FLOAT, -MAX_FLOAT)
"""Limits of numbers on the device, which are not repeated for every key."""


class Kind(NamedTuple):
    """The type of a setting in words."""

    name: str
    """Such as `number`, `list of whole numbers`, `choice`, `section`; `or null` follows where it may be."""
    allowed: str
    """Values that are allowed beyond the type, such as `above 0` or `tanh, relu, swish`; empty if all are."""


def kind_of(annotation: Any) -> Kind:
    """Return the type of a field in words, given its annotation."""
    names, allowed = [], []
    for part in _alternatives(annotation):
        name, limits = _described(*_split(part))
        names.append(name)
        allowed.extend([limits] if limits else [])
    return Kind(_joined(list(dict.fromkeys(names))), "; ".join(dict.fromkeys(allowed)))


def _joined(names: list[str]) -> str:
    """Join words: `a`, `a or b`, `a, b or c`."""
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def section_of(annotation: Any) -> tuple[type | None, bool]:
    """Return the settings class of a field that is a section, and whether the field is a list of such sections."""
    for part in _alternatives(annotation):
        base, _ = _split(part)
        if dataclasses.is_dataclass(base) and isinstance(base, type):
            return base, False
        if get_origin(base) is tuple:
            element, _ = _split(get_args(base)[0])
            if dataclasses.is_dataclass(element) and isinstance(element, type):
                return element, True
    return None, False


def _alternatives(annotation: Any) -> list[Any]:
    """Return the types of a union, each with the limits of the union; null is the last one."""
    base, limits = _split(annotation)
    if get_origin(base) not in (Union, types.UnionType):
        return [annotation]
    parts = sorted(get_args(base), key=lambda part: part is type(None))
    return [Annotated[part, *limits] if limits and part is not type(None) else part for part in parts]


def _split(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return a type without its annotations, and these."""
    if get_origin(annotation) is Annotated:
        base, *limits = get_args(annotation)
        return base, tuple(limits)
    return annotation, ()


def _described(base: Any, limits: tuple[Any, ...]) -> tuple[str, str]:
    """Return the name of a type that is no union, and its allowed values."""
    if base is type(None):
        return "null", ""
    if get_origin(base) is Literal:
        return "choice", ", ".join(map(str, get_args(base)))
    if get_origin(base) is tuple:
        return _list(get_args(base), limits)
    if get_origin(base) is dict or (dataclasses.is_dataclass(base) and isinstance(base, type)):
        return "section", ""
    return SCALARS.get(base, "value"), _range(base, limits)


def _list(elements: tuple[Any, ...], limits: tuple[Any, ...]) -> tuple[str, str]:
    """Return the name and the allowed values of a list."""
    base, inner = _split(elements[0])
    counted = "" if elements[-1] is Ellipsis else f"of {len(elements)} "
    if get_origin(base) is Literal:
        return f"list {counted}of choices", ", ".join(map(str, get_args(base)))
    sections = dataclasses.is_dataclass(base) or get_origin(base) is dict
    name = "sections" if sections else ELEMENTS.get(base, "values")
    least = next((each.min_length for each in _flat(limits) if getattr(each, "min_length", None)), 0)
    each = _range(base, inner)
    allowed = [each and f"each {each}", f"{least} or more of them" if least else ""]
    return f"list {counted}of {name}".replace("of 2 of", "of two"), "; ".join(filter(None, allowed))


def _range(base: Any, limits: tuple[Any, ...]) -> str:
    """Return the range of a number: `0 to 1`, `above 0`, `at least 1, below 5`."""
    found: dict[str, Any] = {}
    for each in _flat(limits):
        found.update({name: getattr(each, name) for name in BOUNDS if getattr(each, name, None) is not None})
    bounds = {name: bound for name, bound in found.items() if bound not in UNLIMITED}
    if bounds.get("gt") == 0 and base is int:
        bounds = {"ge": 1} | {name: bound for name, bound in bounds.items() if name != "gt"}
    if bounds.keys() == {"ge", "le"}:
        return f"{_number(bounds['ge'])} to {_number(bounds['le'])}"
    return ", ".join(f"{BOUNDS[name]} {_number(bounds[name])}" for name in BOUNDS if name in bounds)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _flat(limits: tuple[Any, ...]) -> Iterator[Any]:
    """Iterate over limits, and over those that pydantic keeps inside a `Field`."""
    for each in limits:
        yield each
        yield from getattr(each, "metadata", ())
