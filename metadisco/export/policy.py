"""A meta-policy as one Python file that requires only NumPy, JAX or PyTorch.

Axes: F features, H width of a memory, N states of a policy.
"""

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np

from metadisco._version import __version__
from metadisco.discoveries.checks import found_in
from metadisco.discoveries.meta_policies import facts
from metadisco.discoveries.meta_problems import load_meta_params
from metadisco.discoveries.save import content_of
from metadisco.discoveries.sources import Source
from metadisco.errors import UserError
from metadisco.export.languages import LANGUAGES
from metadisco.export.parts import check_itself, check_layer, entry, in_single, numbers, provenance
from metadisco.export.source import template
from metadisco.objectives.arithmetic import in_float32
from metadisco.outer.devices import start_jax
from metadisco.parametrisations.source_policy import SourcePolicy
from metadisco.types import MetaPolicy

ALLOWED = "metadisco.parametrisations.source_policy.SourcePolicy"
OTHERWISE = "got a source_policy that gives other numbers than bind, allowed: the same policy"
RESETS = {
    "shaper": "the opponent learned from a random policy in this player's seat",
    "players": "both players played the policies they start with; that of a meta-policy is random",
}
"""Description of the first, unpaid play, by problem.reset."""

SIGMOID = {"numpy": "1 / (1 + np.exp(-logits))", "jax": "jax.nn.sigmoid(logits)", "torch": "torch.sigmoid(logits)"}


def source_text(source: Source, named: Source, language: str, file: str) -> str:
    """Return the text of a file with a meta-policy.

    Args:
        source: of the discovery.
        named: the same again: a meta-policy has no other form.
        language: `numpy`, `jax` or `torch`.
        file: that the text will be in.

    Raises:
        UserError: if it cannot be written.
    """
    start_jax(None)
    data, _ = content_of(source)
    found = found_in(data["problem"], data["learned"])
    said: dict[str, Any] = {**data, **facts(found)}  # facts are computed anew, not read from an artefact
    policy = _policy(source, found.parametrisation, len(said["meta_policy"]["game"]["states"]))
    text = _render(policy, "numpy", said, named.short_name, file)
    check_itself(text, source.name, OTHERWISE)
    return _render(policy, language, said, named.short_name, file)


@in_float32
def _policy(source: Source, parametrisation: Any, num_states: int) -> SourcePolicy:
    """Return the description from which the source of a meta-policy is written."""
    meta_params, name = load_meta_params(source.name), (source.section or {}).get("name")
    if not isinstance(parametrisation.bind(meta_params), MetaPolicy):
        raise UserError(
            f"{source.name!r}: {name} is a learner and not a function of past plays, so no source can be written, "
            "allowed: artefact"
        )
    if not callable(getattr(parametrisation, "source_policy", None)):
        raise UserError(f"{source.name!r}: {name} has no source_policy, so no source can be written, allowed: artefact")
    return _checked(parametrisation.source_policy(meta_params), num_states)


def _checked(policy: Any, num_states: int) -> SourcePolicy:
    """Return a description of a meta-policy, with arrays of float32, after seeing that it is one of this game."""
    if not isinstance(policy, SourcePolicy):
        raise UserError(f"source_policy: got {type(policy).__name__}, allowed: {ALLOWED}")
    if policy.unit is not None and policy.time_scale is not None:
        raise UserError("source_policy: got time_scale beside unit, allowed: one of the two")
    layers = in_single(policy.layers)
    width = policy.num_features(num_states)
    unit = policy.unit
    if unit is not None:
        unit = unit._replace(**{name: np.asarray(array, np.float32) for name, array in unit._asdict().items()})
        check_layer("source_policy: unit.input", unit.input, unit.bias, width)
        width = len(unit.memory)
        check_layer("source_policy: unit.memory", unit.memory, unit.bias, width)
        if unit.bias.shape != (3 * width,):
            raise UserError(f"source_policy: unit.bias: got shape {unit.bias.shape}, allowed: ({3 * width},)")
    for number, (kernel, bias) in enumerate(layers):
        check_layer(f"source_policy: layers: {number}", kernel, bias, width)
        width = len(bias)
    if width != num_states or not layers:
        raise UserError(f"source_policy: layers: got {width} numbers at the end, allowed: {num_states}")
    return policy._replace(layers=layers, scale=float(policy.scale), unit=unit)


def _render(policy: SourcePolicy, language: str, data: Mapping[str, Any], name: str, file: str) -> str:
    """Return the text of a file."""
    module, library = LANGUAGES[language]
    said, checks = data["meta_policy"], data["checks"]
    constant = policy.unit is None and policy.num_features(1) == 0
    return template(f"policy_{language}.py.j2").render(
        checks=_checks(checks["inputs"]["meta_states"], checks["outputs"]["logits"]),
        constant=constant,
        file=file,
        game=said["game"],
        horizon=said["horizon"],
        library=library,
        licence=data["licence"],
        m=module,
        memory="unit" if policy.unit else "time" if policy.time_scale is not None else "none",
        memory_size=len(policy.unit.memory) if policy.unit else 0,
        name=name,
        num_logits=len(said["game"]["states"]),
        opponents=_opponents(said),
        policy=policy,
        provenance=provenance(data["trained_on"] or {}, "plays of the game"),
        reset=RESETS[said["reset"]],
        seat=said["seat"],
        sigmoid=SIGMOID[language],
        version=__version__,
        weights=_constant_logits(policy) if constant else _weights(policy),
    )


def _constant_logits(policy: SourcePolicy) -> str:
    """Return the weights of a policy without features: its logits."""
    x = np.zeros(0, np.float32)
    for kernel, bias in policy.layers[:-1]:
        x = np.tanh(x @ kernel + bias)
    kernel, bias = policy.layers[-1]
    return entry("logits", [(np.float32(policy.scale) * (x @ kernel + bias),)])


def _weights(policy: SourcePolicy) -> str:
    """Return the weights as entries of a dict."""
    entries = [entry("network", policy.layers)]
    if policy.unit is not None:
        entries.insert(0, entry("unit", [policy.unit]))
    return "\n".join(entries)


def _checks(meta_states: Any, logits: Any) -> str:
    """Return stored sequences as a list of lists of pairs."""
    sequences = []
    for states, outputs in zip(meta_states, logits, strict=True):
        pairs = (f"({numbers(state)},\n {numbers(output)})," for state, output in zip(states, outputs, strict=True))
        sequences.append("    [\n" + textwrap.indent("\n".join(pairs), " " * 8) + "\n    ],")
    return "\n".join(sequences)


def _opponents(said: Mapping[str, Any]) -> str:
    """Return the opponents in words, with their settings."""
    words = []
    for each in said["opponents"]:
        settings = ", ".join(f"{key} {value}" for key, value in each.items() if key != "name")
        words.append(f"{each['name']} ({settings})" if settings else each["name"])
    return ", ".join([*words, "itself"] if said["self_play"] else words)
