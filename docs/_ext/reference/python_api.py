"""The reference of the Python API: directives of Sphinx for all public names."""

import ast
import dataclasses
import importlib
import importlib.util
import inspect
from pathlib import Path
from typing import Any, TypeVar

import metadisco

from .markdown import bullets, fenced

API: dict[str, tuple[str, ...]] = {
    "Searching": ("evolve", "Run", "measure_reference", "use_cores"),
    "Training agents": ("train_agents", "rollout", "load_policy"),
    "Comparing": (
        *("evaluate", "Comparison", "evaluate_settings", "SettingsComparison", "evaluate_tuned"),
        *("evaluate_players", "evaluate_talkers"),
    ),
    "Tuning": ("tune",),
    "Figures, closed forms and pages": ("plot", "distil", "report"),
    "Loading and exporting discoveries": (
        *("load_objective", "load_meta_policy", "load_message", "load_meta_params"),
        *("write_artefact", "write_source", "write_card", "as_policy_loss", "as_value_loss"),
    ),
    "Settings": ("Config", "PPOConfig", "OuterConfig", "StrategyConfig"),
    "PPO and its objectives": (
        *("train", "TrainResult", "Objective", "Sample", "ppo", "dpo", "mirror", "clip_drift", "dpo_drift"),
    ),
    "Environments": ("make", "Env", "TimeStep", "Discrete", "MultiDiscrete", "Box"),
    "Meta-problems and the outer loop": (
        *("search", "MetaProblem", "ObjectiveDiscovery", "Task", "TaskInfo", "Evaluation"),
        *("Parametrisation", "ValueLoss", "LPODrift", "PolicyAndValue", "MetaPolicy", "MessageFunctions"),
    ),
    "Errors": ("UserError",),
}
"""All public names of `metadisco`, by topic."""

MODULES: dict[str, str] = {
    "metadisco.types": "Types that all parts share.",
    "metadisco.config": "Settings, their validation, and configuration files.",
    "metadisco.config.keys": "All keys of a configuration with their types, defaults and meanings.",
    "metadisco.objectives": "Closed-form objectives, drifts and penalties, and what to build others from.",
    "metadisco.objectives.expressions": "Losses in symbolic form.",
    "metadisco.objectives.losses": "Losses in symbolic form that contain a network, for exporting source.",
    "metadisco.parametrisations": "Learned functions by name.",
    "metadisco.inner.envs": "Environments, and what wrappers are made of.",
    "metadisco.inner.envs.opponents": "Opponents of games of several players.",
    "metadisco.inner.fitness": "Fitness functions.",
    "metadisco.inner.games": "Repeated games between learners.",
    "metadisco.problems": "Meta-problems by name, and the problem of finding an objective.",
    "metadisco.plotting": "Figures: arrays in, a matplotlib Figure out.",
}
"""Public modules below `metadisco`, each with a page."""


def api() -> str:
    """Return directives that document every public name of `metadisco`, by topic."""
    parts = []
    for topic, names in API.items():
        parts += [f"## {topic}", *(_directive("metadisco", name, getattr(metadisco, name)) for name in names)]
    return "\n\n".join(parts)


def modules() -> str:
    """Return the list of public modules, which links their pages."""
    return bullets(f"[`{name}`](modules/{name}.md): {about}" for name, about in MODULES.items())


def module(name: str) -> str:
    """Return directives that document the public names of a module.

    What is a name of `metadisco`, too, is documented there.
    """
    here = importlib.import_module(name)
    ours = {id(getattr(metadisco, each)): each for each in metadisco.__all__ if each != "__version__"}
    parts, elsewhere = [], []
    for each in public_names(name):
        thing = getattr(here, each)
        if id(thing) in ours:
            elsewhere.append(f"{{py:obj}}`~metadisco.{ours[id(thing)]}`")
        else:
            parts.append(_directive(name, each, thing))
    common = f"Documented with [the Python API](../api.md): {', '.join(elsewhere)}." if elsewhere else ""
    return "\n\n".join(filter(None, [MODULES[name], common, *parts]))


def public_names(module: str) -> list[str]:
    """Return the names of a module that are public: `__all__`, or what it defines without an underscore."""
    here = importlib.import_module(module)
    if hasattr(here, "__all__"):
        return sorted(here.__all__, key=str.lower)
    defined = [name for node in _parsed(module).body for name in _names_of(node) if not name.startswith("_")]
    return [name for name in dict.fromkeys(defined) if not isinstance(getattr(here, name), TypeVar)]


def _names_of(node: ast.stmt) -> list[str]:
    """Return the names that a statement of a module defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [each.id for each in targets if isinstance(each, ast.Name)]


def _directive(module: str, name: str, thing: Any) -> str:
    """Return a directive for one name."""
    full = f"{module}.{name}"
    if inspect.isclass(thing) and thing.__name__ == name:
        members = [f"   :members: {', '.join(own_members(thing))}"] if own_members(thing) else []
        return fenced("{eval-rst}", "\n".join([f".. autoclass:: {full}", *members]))
    if inspect.isroutine(inspect.unwrap(thing)):
        return fenced("{eval-rst}", f".. autofunction:: {full}")
    text = docstring_of_data(module, name)
    body = "\n".join(f"   {line}" if line else "" for line in text.split("\n"))
    return fenced("{eval-rst}", f".. py:data:: {full}\n\n{body}")


def own_members(cls: type) -> list[str]:
    """Return the documented members of a class: methods and properties, and fields unless it holds settings."""
    fields = [] if hasattr(cls, "__pydantic_fields__") else [*getattr(cls, "_fields", ())]
    if dataclasses.is_dataclass(cls) and not hasattr(cls, "__pydantic_fields__"):
        documented = inspect.getdoc(cls) or ""
        fields += [each.name for each in dataclasses.fields(cls) if "Attributes:" not in documented]
    methods = [
        name
        for name, each in vars(cls).items()
        if not name.startswith("_")
        and isinstance(each, property | classmethod | staticmethod) | inspect.isroutine(each)
        and inspect.getdoc(each)
    ]
    return [*fields, *(name for name in methods if name not in fields)]


def docstring_of_data(module: str, name: str) -> str:
    """Return the string below the assignment of a name, in the module that defines it; empty if there is none."""
    tree = _parsed(module)
    for node, after in zip(tree.body, [*tree.body[1:], None], strict=True):
        for alias in node.names if isinstance(node, ast.ImportFrom) else ():
            if (alias.asname or alias.name) == name and isinstance(node, ast.ImportFrom):
                origin = "." * node.level + (node.module or "")
                return docstring_of_data(importlib.util.resolve_name(origin, module), alias.name)
        if name in _names_of(node) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            return inspect.cleandoc(str(after.value.value))
    return ""


def _parsed(module: str) -> ast.Module:
    return ast.parse(Path(importlib.import_module(module).__file__ or "").read_text(encoding="utf-8"))
