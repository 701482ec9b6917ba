"""Short `help` for settings classes: a signature without types, and a list of fields with defaults and meanings."""

import dataclasses
import inspect
import textwrap
from typing import Any, Literal, get_args, get_origin

WIDTH = 95  # of a line, beside the margin that `help` adds


def add_help(cls: Any) -> None:
    """Add the list of fields to the docstring of a settings class, and set its signature."""
    before, raises, after = inspect.cleandoc(cls.__doc__ or "").partition("\n\nRaises:")
    fields = dataclasses.fields(cls)
    lines = [_line(field, meaning_of(cls, field.name)) for field in fields]
    cls.__doc__ = "\n".join([before, *(["", "Fields:", *lines] if lines else [])]) + raises + after
    cls.__signature__ = inspect.Signature([_parameter(field) for field in fields])


def meaning_of(cls: type, name: str) -> str:
    """Return the string beneath a field; pydantic does not read those of base classes."""
    known = (vars(each).get("__pydantic_fields__", {}).get(name) for each in cls.__mro__)
    return next((" ".join(info.description.split()) for info in known if info and info.description), "")


def _line(field: dataclasses.Field[Any], meaning: str) -> str:
    """Return the default, the meaning and the choices of a field as wrapped text."""
    default = _default(field)
    given = "" if default is inspect.Parameter.empty else f" = {default!r}"
    choices = next((get_args(kind) for kind in (field.type, *get_args(field.type)) if get_origin(kind) is Literal), ())
    allowed = f" Choices: {', '.join(map(str, choices))}." if choices else ""
    text = f"{field.name}{given}: {meaning}{allowed}"
    return textwrap.fill(text, WIDTH, initial_indent=4 * " ", subsequent_indent=8 * " ", break_on_hyphens=False)


def _parameter(field: dataclasses.Field[Any]) -> inspect.Parameter:
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=_default(field))


class _Section:
    """Shows a default that is itself a settings object by its class: `PPOConfig()`."""

    def __init__(self, kind: type):
        self._kind = kind

    def __repr__(self) -> str:
        return f"{self._kind.__name__}()"


def _default(field: dataclasses.Field[Any]) -> Any:
    """Return the default of a field, in a form with a short `repr`."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    if field.default is dataclasses.MISSING:
        return inspect.Parameter.empty
    return _Section(type(field.default)) if dataclasses.is_dataclass(field.default) else field.default
