"""Parsing plain data into typed settings, with a one-sentence message for each error."""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pkgutil import resolve_name
from typing import Any, TypeVar, get_args

from pydantic import TypeAdapter, ValidationError

from metadisco.errors import UserError, meant, nearest, shown

from .fields import MAX_INT
from .names import check_env_name, check_fitness_name
from .outer import OuterConfig
from .ppo import PPOConfig
from .problems import DEFAULT_PROBLEM, ProblemKind, finds_objective, problem_kind
from .root import Config, InnerConfig
from .text import flatten

T = TypeVar("T")

TYPO = 0.8
"""Similarity from which on a key is one beside it, misspelt; below it, other sections are looked through first."""
KEYS_MEANT = "metadisco.config.keys:keys_meant"
"""Which keys a word may mean; reads all settings classes, so that it is imported for a message only."""

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
    """Validate a whole configuration. The problem that it names determines which sections are valid.

    Settings of user-defined classes (`package.module:Name`) are checked when these are imported.

    Raises:
        UserError: one sentence with the key, the given value and the allowed values.
    """
    for key, value in flatten(data).items():
        if isinstance(value, float) and not math.isfinite(value):  # our files cannot store it
            raise UserError(f"{key}: got {value}, allowed: a finite number")
    config = build_settings(Config, data)
    name = config.problem.get("name", DEFAULT_PROBLEM)
    kind = problem_kind(name)
    _check_baseline(config.outer, name)
    given = {key: data.get(key, {}) for key in ("inner", "parametrisation")}
    if kind is None:
        for key, section in given.items():
            if not isinstance(section, Mapping):
                raise UserError(f"{key}: got {shown(section)}, allowed: a section of keys and values")
        own = given["parametrisation"]
        if own and not isinstance(own.get("name"), str):
            raise UserError(f"parametrisation.name: got {shown(own.get('name'))}, allowed: package.module:Name")
        return dataclasses.replace(config, **given)
    problem = _resolved(
        kind.settings, {key: value for key, value in config.problem.items() if key != "name"}, "problem."
    )
    inner: Any = build_settings(kind.inner, given["inner"], prefix="inner.")
    if isinstance(inner, InnerConfig):
        _check_inner(inner, kind.fitness_names)
    parametrisation = _parametrisation(kind, config.parametrisation if "parametrisation" in data else {})
    return dataclasses.replace(config, problem={"name": name, **problem}, parametrisation=parametrisation, inner=inner)


def _check_baseline(outer: OuterConfig, problem: str) -> None:
    """Reject a baseline that the problem does not train, and `capped_mean` without one."""
    trains = finds_objective({"name": problem})
    if outer.baseline is not None and not trains:
        raise UserError(
            f"outer.baseline: got {shown(outer.baseline)}, allowed: null with the problem {problem}, as objectives are "
            "compared by objective_discovery alone"
        )
    if outer.aggregate == "capped_mean" and trains and outer.baseline is None:
        raise UserError(
            "outer.baseline: got null, allowed: ppo or another objective with outer.aggregate=capped_mean, whose scale "
            "it is"
        )


def _parametrisation(kind: ProblemKind, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the section `parametrisation`; for a built-in one with all default settings filled in."""
    section = dict(given)
    name = section.pop("name", next(iter(kind.parametrisations)))
    allowed = ", ".join(kind.parametrisations) + " or package.module:Name"
    if not isinstance(name, str):
        raise UserError(f"parametrisation.name: got {name!r}, allowed: {allowed}")
    if ":" in name:
        return {"name": name, **section}
    if name not in kind.parametrisations:
        hint = nearest(name, kind.parametrisations)
        raise UserError(f"parametrisation.name: got {name!r}, allowed: {allowed}{hint}")
    return {"name": name, **_resolved(resolve_name(kind.parametrisations[name]), section, "parametrisation.")}


def _resolved(cls: type, given: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return plain settings with all defaults filled in."""
    return to_plain(build_settings(cls, given, prefix=prefix))


def _check_inner(inner: InnerConfig, fitness_names: Sequence[str]) -> None:
    """Reject unknown built-in names, and invalid settings of a single environment."""
    check_fitness_name(inner.fitness, fitness_names)
    if inner.env is not None:
        check_env_name(inner.env)
    for index, each in enumerate(inner.envs):
        check_env_name(each.env, key=f"inner.envs.{index}.env")
        build_settings(PPOConfig, {**to_plain(inner.ppo), **each.ppo}, prefix=f"inner.envs.{index}.ppo.")
    total = sum(task.ppo.executed_env_steps for task in inner.tasks)
    if total > MAX_INT:
        raise UserError(f"num_env_steps: got {total} over all environments of inner.envs, allowed: at most {MAX_INT}")


def check_references(config: Config) -> None:
    """Reject aggregation of fitness over environments whose returns are not normalised to a common scale.

    Raises:
        UserError: with the environment that lacks a reference.
    """
    how = config.outer.aggregate
    if how in ("mean_rank", "mean_rank_per_draw") or (len(config.tasks) < 2 and how != "capped_mean"):
        return
    for index, each in enumerate(config.tasks):
        if each.reference is None:
            where = f"inner.envs.{index}.reference" if config.inner.envs else "inner.envs"
            raise UserError(
                f"{where}: missing for {each.env}, allowed: random and ppo, which metadisco "
                "reference CONFIG.yaml writes, or outer.aggregate=mean_rank, which needs none"
            )


def build_settings(cls: type[T], data: Mapping[str, Any], prefix: str = "") -> T:
    """Validate `data` as the settings class `cls`; messages show keys with `prefix`.

    Raises:
        UserError: one sentence with the key, the given value and the allowed values.
    """
    adapter = TypeAdapter(cls)
    try:
        # Strict validation of JSON accepts lists as tuples, but neither true nor "3" as a number.
        return adapter.validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        raise UserError(_sentence(error.errors()[0], cls, prefix)) from None
    except TypeError as error:
        raise UserError(
            f"{prefix or 'config'}: {error}; allowed: numbers, text, true, false, null, lists, sections"
        ) from None


def _sentence(error: Any, cls: type, prefix: str) -> str:
    """Convert an error of pydantic into one sentence."""
    location = [str(part) for part in error["loc"]]
    key = (prefix + ".".join(location)).rstrip(".")
    kind, got = error["type"], error["input"]
    if kind == "unexpected_keyword_argument":
        allowed = _keys_beside(cls, location[:-1])
        typo = nearest(location[-1], allowed, cutoff=TYPO)
        hint = typo or _elsewhere(key, got) or nearest(location[-1], allowed)
        return f"unknown key {shown(key)}{hint} (allowed here: {', '.join(sorted(allowed))})"
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


def _elsewhere(key: str, got: Any) -> str:
    """Return a hint at keys that have this name in other sections; `got` may be a section that lacks its own one."""
    inside = flatten({key: got}) if isinstance(got, Mapping) and got else {key: got}
    return meant(resolve_name(KEYS_MEANT)(next(iter(inside))))


def _choices(expected: str) -> list[str]:
    return [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]


def _keys_beside(cls: type, path: list[str]) -> list[str]:
    """Return the field names of the section at `path` within `cls`."""
    section: Any = cls
    for name in path:
        if name.isdecimal():  # an index into a list of sections
            section = get_args(section)[0]
        else:
            section = next(field.type for field in dataclasses.fields(section) if field.name == name)
        if type(None) in get_args(section):  # an optional section
            section = get_args(section)[0]
    return [field.name for field in dataclasses.fields(section)]


def to_plain(config: Any) -> dict[str, Any]:
    """Return a settings object as plain data: dicts, lists, numbers and text."""
    plain = json.loads(TypeAdapter(type(config)).dump_json(config))
    empty = [key for key in ("inner", "parametrisation") if isinstance(config, Config) and plain[key] == {}]
    return {key: value for key, value in plain.items() if key not in empty}


def completed(config: Config, problem: Any) -> Config:
    """Return a configuration that includes the facts a problem passed to its parametrisation, such as `obs_size`.

    With these facts the learned function can be loaded without creating the environments of the problem.

    Args:
        config: the configuration as written.
        problem: the problem built from it. The attribute `facts` of its parametrisation, if any, lists such settings.

    Raises:
        UserError: if a fact is not a plain value, or contradicts the configuration.
    """
    parametrisation, section = getattr(problem, "parametrisation", None), config.parametrisation
    if not section:
        return config
    given = {name: getattr(parametrisation, name, None) for name in getattr(parametrisation, "facts", ())}
    facts = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
    for name, value in facts.items():
        if name == "name" or not isinstance(value, int | float | str | list):
            raise UserError(f"parametrisation.{name}: got the fact {shown(value)}, allowed: a number, text or a list")
        if section.get(name) not in (None, value):
            raise UserError(f"parametrisation.{name}: got {shown(section[name])}, allowed: {value}, set by the problem")
    return dataclasses.replace(config, parametrisation={**section, **facts})
