"""A message as one Python file that requires only NumPy, JAX or PyTorch. Axes: D numbers of an observation."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metadisco._version import __version__
from metadisco.config import TaskConfig
from metadisco.discoveries.checks import found_in
from metadisco.discoveries.messages import facts
from metadisco.discoveries.meta_problems import load_meta_params
from metadisco.discoveries.save import content_of
from metadisco.discoveries.sources import Source
from metadisco.errors import UserError
from metadisco.export.code import RELU
from metadisco.export.languages import LANGUAGES
from metadisco.export.parts import check_itself, check_layer, entry, in_single, learners, numbers, provenance
from metadisco.export.source import template
from metadisco.objectives.arithmetic import in_float32
from metadisco.outer.devices import start_jax
from metadisco.parametrisations.source_message import SourceMessage

ALLOWED = "metadisco.parametrisations.source_message.SourceMessage"
OTHERWISE = "got a source_message that gives other numbers than bind, allowed: the same message"
AIMS = {
    "harm": "This one was evolved to HARM learners: to make a learner that sees it while it trains learn less.",
    "help": "This one was evolved to HELP learners: to make a learner that sees it while it trains learn more.",
    "control": "This one was evolved to CONTROL learners: one that saw it while it trained, and is no longer trained, "
    "sees steer(obs, goal) in its place and is to follow a goal that it does not see.",
}
"""The effect of a message, by problem.aim."""


def source_text(source: Source, named: Source, language: str, file: str) -> str:
    """Return the text of a file with a message.

    Args:
        source: of the discovery.
        named: the same again: a message has no other form.
        language: `numpy`, `jax` or `torch`.
        file: that the text will be in.

    Raises:
        UserError: if it cannot be written.
    """
    start_jax(None)
    data, _ = content_of(source)
    found = found_in(data["problem"], data["learned"])
    said: dict[str, Any] = {**data, **facts(found)}  # facts are computed anew, not read from an artefact
    message = _message(source, found.parametrisation, said)
    text = _render(message, "numpy", said, found.inner.tasks, named.short_name, file)
    check_itself(text, source.name, OTHERWISE)
    return _render(message, language, said, found.inner.tasks, named.short_name, file)


@in_float32
def _message(source: Source, parametrisation: Any, said: Mapping[str, Any]) -> SourceMessage:
    """Return the description from which the source of a message is written."""
    name = (source.section or {}).get("name")
    if not callable(getattr(parametrisation, "source_message", None)):
        raise UserError(
            f"{source.name!r}: {name} has no source_message, so no source can be written, allowed: artefact"
        )
    goal = said["message"]["goal"]
    return _checked(
        parametrisation.source_message(load_meta_params(source.name)),
        math.prod(said["message"]["obs_shape"]),
        goal["num_features"] if goal else None,
    )


def _checked(message: Any, obs_size: int, num_goal_features: int | None) -> SourceMessage:
    """Return a description of a message, with arrays of float32, after seeing that it is one for these observations.

    Args:
        message: returned by `source_message`.
        obs_size: D.
        num_goal_features: None where nothing is steered.
    """
    if not isinstance(message, SourceMessage):
        raise UserError(f"source_message: got {type(message).__name__}, allowed: {ALLOWED}")
    if message.activation not in ("relu", "tanh"):
        raise UserError(f"source_message: activation: got {message.activation!r}, allowed: relu, tanh")
    scale = np.asarray(message.input_scale, np.float64)
    if scale.shape not in ((), (obs_size,)) or not (np.isfinite(scale).all() and (scale > 0).all()):
        raise UserError(
            f"source_message: input_scale: got {message.input_scale}, allowed: one positive number, or {obs_size}"
        )
    layers = _checked_layers("message", message.message, obs_size)
    steer = None
    if num_goal_features is not None:
        steer = _checked_layers("steer", message.steer or (), obs_size + num_goal_features)
        if len(steer[-1][1]) != len(layers[-1][1]):
            raise UserError(
                f"source_message: steer: got {len(steer[-1][1])} channels, allowed: {len(layers[-1][1])}, as in message"
            )
    return message._replace(message=layers, steer=steer, scale=float(message.scale), input_scale=scale.tolist())


def _checked_layers(part: str, layers: Sequence[Any], width: int) -> list[tuple[np.ndarray, np.ndarray]]:
    checked = in_single(layers)
    if not checked:
        raise UserError(f"source_message: {part}: got no layers, allowed: at least one")
    for number, (kernel, bias) in enumerate(checked):
        check_layer(f"source_message: {part}: {number}", kernel, bias, width)
        width = len(bias)
    return checked


def _render(
    message: SourceMessage, language: str, data: Mapping[str, Any], tasks: Sequence[TaskConfig], name: str, file: str
) -> str:
    """Return the text of a file."""
    module, library = LANGUAGES[language]
    said, scales = data["message"], message.input_scale
    parts = [("message", message.message), *([("steer", message.steer)] if message.steer else [])]
    hidden = RELU[module] if message.activation == "relu" else f"{module}.tanh({{}})"
    return template(f"message_{language}.py.j2").render(
        aim=AIMS[said["aim"]],
        bound=f"{message.scale:.4g}",
        checks=_checks(data["checks"]),
        file=file,
        goal=said["goal"],
        hidden=hidden.format("x @ weights + biases"),
        input_scale=_wrapped(scales) if isinstance(scales, list) else repr(scales),
        learners=learners(tasks),
        library=library,
        licence=data["licence"],
        m=module,
        name=name,
        num_channels=len(message.message[-1][1]),
        num_goal_features=said["goal"]["num_features"] if said["goal"] else 0,
        objective=_objective(said["objective"]),
        obs_shape=said["obs_shape"],
        obs_size=math.prod(said["obs_shape"]),
        provenance=provenance(data["trained_on"] or {}, "environment steps"),
        scale=message.scale,
        several_scales=isinstance(scales, list),
        version=__version__,
        weights="\n".join(entry(part, layers) for part, layers in parts),
    )


def _wrapped(scales: Sequence[float]) -> str:
    """Return numbers as a list over as many lines as it needs."""
    text = f"[{', '.join(map(repr, scales))}]"
    return textwrap.fill(text, 100, subsequent_indent=" " * 4, break_long_words=False, break_on_hyphens=False)


def _objective(said: Mapping[str, Any]) -> str:
    settings = ", ".join(f"{key} {value}" for key, value in said["settings"].items())
    return f"{said['name']} ({settings})" if settings else said["name"]


def _checks(checks: Mapping[str, Any]) -> str:
    """Return stored values as a list of tuples, one for each observation."""
    names = [("inputs", "observations"), ("outputs", "messages")]
    if "goals" in checks["inputs"]:
        names += [("inputs", "goals"), ("outputs", "steers")]
    columns = [checks[group][name] for group, name in names]
    rows = []
    for row in zip(*columns, strict=True):
        lines = ",\n".join(numbers(np.ravel(each)) for each in row)
        rows.append("    (\n" + textwrap.indent(lines, " " * 8) + ",\n    ),")
    return "\n".join(rows)
