"""From plain data to typed settings, with one readable sentence for whatever is wrong."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import TypeAdapter, ValidationError

from metadisco.errors import UserError, nearest, shown

from .fields import MAX_INT
from .names import check_env_name, check_fitness_name
from .objectives import PARAMETRISATION_SETTINGS
from .ppo import PPOConfig
from .root import DEFAULT_PARAMETRISATION, Config, InnerConfig

T = TypeVar("T")

_ALLOWED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "dict_type": "a section of keys and values",
    "dataclass_type": "a section of keys and values",
}


def parse_config(data: Mapping[str, Any]) -> Config:
    """Validate a whole configuration and resolve the settings of a built-in parametrisation.

    Settings of a parametrisation of one's own (`package.module:Name`) are checked where it is imported.

    Raises:
        UserError: one sentence with the key, what was got and what is allowed.
    """
    config = build_settings(Config, data)
    _check_inner(config.inner)
    section = dict(config.parametrisation)
    name = section.pop("name", DEFAULT_PARAMETRISATION)
    if not isinstance(name, str):
        raise UserError(f"parametrisation.name: got {name!r}, allowed: {_names(PARAMETRISATION_SETTINGS)}")
    if ":" in name:
        return config
    if name not in PARAMETRISATION_SETTINGS:
        raise UserError(
            f"parametrisation.name: got {name!r}, allowed: {_names(PARAMETRISATION_SETTINGS)}"
            f"{nearest(name, PARAMETRISATION_SETTINGS)}"
        )
    resolved: Any = build_settings(PARAMETRISATION_SETTINGS[name], section, prefix="parametrisation.")
    return dataclasses.replace(config, parametrisation={"name": name, **to_plain(resolved)})


def _check_inner(inner: InnerConfig) -> None:
    """Refuse names of ours that do not exist, and settings of one environment that do not fit."""
    check_fitness_name(inner.fitness)
    if inner.env is not None:
        check_env_name(inner.env)
    for index, each in enumerate(inner.envs):
        check_env_name(each.env, key=f"inner.envs.{index}.env")
        build_settings(PPOConfig, {**to_plain(inner.ppo), **each.ppo}, prefix=f"inner.envs.{index}.ppo.")
    total = sum(task.ppo.executed_env_steps for task in inner.tasks)
    if total > MAX_INT:
        raise UserError(f"num_env_steps: got {total} over all environments of inner.envs, allowed: at most {MAX_INT}")


def check_references(config: Config) -> None:
    """Refuse to aggregate fitness over environments whose returns are not on one scale.

    Raises:
        UserError: naming the environment that lacks a reference.
    """
    if len(config.inner.envs) < 2 or config.outer.aggregate == "mean_rank":
        return
    for index, each in enumerate(config.inner.envs):
        if each.reference is None:
            raise UserError(
                f"inner.envs.{index}.reference: missing for {each.env}, allowed: random and ppo, which metadisco "
                "reference CONFIG.yaml writes, or outer.aggregate=mean_rank, which needs none"
            )


def _names(table: Mapping[str, Any]) -> str:
    return ", ".join(table) + " or package.module:Name"


def build_settings(cls: type[T], data: Mapping[str, Any], prefix: str = "") -> T:
    """Validate `data` as the settings class `cls`; `prefix` is put before keys in messages.

    Raises:
        UserError: one sentence with the key, what was got and what is allowed.
    """
    adapter = TypeAdapter(cls)
    try:
        # JSON in strict mode: lists are tuples there, but true is no number and "3" neither.
        return adapter.validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        raise UserError(_sentence(error.errors()[0], cls, prefix)) from None
    except TypeError as error:
        raise UserError(
            f"{prefix or 'config'}: {error}; allowed: numbers, text, true, false, null, lists, sections"
        ) from None


def _sentence(error: Any, cls: type, prefix: str) -> str:
    """Turn one of pydantic's errors into our sentence."""
    location = [str(part) for part in error["loc"]]
    key = prefix + ".".join(location)
    kind, got = error["type"], error["input"]
    if kind == "unexpected_keyword_argument":
        allowed = _keys_beside(cls, location[:-1])
        return f"unknown key {shown(key)}{nearest(location[-1], allowed)} (allowed here: {', '.join(sorted(allowed))})"
    if kind.startswith("missing"):
        return f"{key}: missing, allowed: a value"
    if kind == "value_error":
        section = f"{key}." if key and not key.endswith(".") else key
        return f"{section}{error['ctx']['error']}"
    context = error.get("ctx", {})
    bounds = {"greater_than": "gt", "greater_than_equal": "ge", "less_than": "lt", "less_than_equal": "le"}
    if kind in bounds:
        words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
        bound = context[bounds[kind]]
        allowed_text = f"a number {words[bounds[kind]]} {bound if isinstance(bound, int) else f'{bound:g}'}"
    elif kind == "too_short":
        allowed_text = f"a list of at least {context['min_length']}"
    elif kind == "literal_error":
        allowed_text = context["expected"] + (
            nearest(got, _choices(context["expected"])) if isinstance(got, str) else ""
        )
    else:
        allowed_text = _ALLOWED.get(kind, error["msg"][0].lower() + error["msg"][1:])
    return f"{key}: got {shown(got)}, allowed: {allowed_text}"


def _choices(expected: str) -> list[str]:
    return [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]


def _keys_beside(cls: type, path: list[str]) -> list[str]:
    """Names of the fields of the section at `path` below `cls`."""
    section: Any = cls
    for name in path:
        if name.isdecimal():  # the place in a list of sections
            section = get_args(section)[0]
        else:
            section = next(field.type for field in dataclasses.fields(section) if field.name == name)
        if type(None) in get_args(section):  # an optional section
            section = get_args(section)[0]
    return [field.name for field in dataclasses.fields(section)]


def to_plain(config: Any) -> dict[str, Any]:
    """Return a settings object as plain data: dicts, lists, numbers and text."""
    plain = json.loads(TypeAdapter(type(config)).dump_json(config))
    return dict(plain)
