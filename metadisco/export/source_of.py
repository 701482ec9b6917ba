"""The text of a file with the losses of an objective, and what its header says of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from metadisco.config import InnerConfig, TaskConfig, build_settings, describe_tasks
from metadisco.discoveries.save import content_of, trained_on
from metadisco.discoveries.sources import Source
from metadisco.export.losses import losses_of
from metadisco.export.source import About, check_source, write_source
from metadisco.outer.devices import start_jax

ADVANTAGES = {
    "minibatch": "standardised per minibatch where it was found",
    "batch": "standardised per batch, not per minibatch, where it was found",
    "none": "not standardised where it was found",
}
"""What the advantages were, by inner.ppo.normalise_advantages."""
PAPERS = {
    "ppo": "PPO of Schulman et al. (2017)",
    "dpo": "DPO of Lu et al., Discovered Policy Optimisation (2022)",
}


def source_text(source: Source, named: Source, language: str, file: str) -> str:
    """Return the text of a file with both losses of an objective.

    Args:
        source: what is written.
        named: the objective that it is the closed form of; or the same again.
        language: `numpy`, `jax` or `torch`.
        file: that the text will be in.

    Raises:
        UserError: if the objective cannot be written.
    """
    start_jax(None)
    data, arrays = content_of(source)
    trained, described = data["trained_on"] or {}, data["objective"]
    tasks = _tasks(trained) or _tasks(trained_on(named) or {})
    losses = losses_of(described, arrays, source.name)
    about = About(
        name=named.short_name if source is named else f"{named.short_name}, as a closed form",
        file=file,
        lines=_constants(described) if described["kind"] == "closed" else _provenance(trained),
        settings=_settings(tasks),
        advantage=_advantage(tasks),
        value_coef=_value_coef(tasks),
        licence=data["licence"],
    )
    if described["kind"] == "learned":
        check_source(write_source(losses, "numpy", about, data["pairs"]), source.name)
    return write_source(losses, language, about, data["pairs"])


def _tasks(trained: Mapping[str, Any]) -> tuple[TaskConfig, ...]:
    """Return environments and settings of a meta-training; none where they are not known, or are of another version."""
    try:
        return build_settings(InnerConfig, trained["inner"]).tasks
    except (KeyError, TypeError, ValueError):
        return ()


def _settings(tasks: Sequence[TaskConfig]) -> list[str]:
    """Return lines that say with which settings it was found; one by environment where they are several."""
    if not tasks:
        return []
    common, each = describe_tasks(tasks)
    lines = [f"{env}: {', '.join(words)}" for env, words in each]
    return [f"everywhere: {', '.join(common)}", *lines] if common else lines


def _advantage(tasks: Sequence[TaskConfig]) -> str:
    ways = {task.ppo.normalise_advantages for task in tasks}
    if len(ways) > 1:
        return "standardised as said above where it was found"
    return ADVANTAGES[ways.pop()] if ways else "usually standardised per minibatch"


def _value_coef(tasks: Sequence[TaskConfig]) -> str:
    """Return what to say behind `value_coef is yours`."""
    coefs = {task.ppo.value_coef for task in tasks}
    if len(coefs) > 1:
        return " (above is what it was)"
    return f" ({coefs.pop():g} where it was found)" if coefs else ""


def _constants(described: dict[str, Any]) -> list[str]:
    """Return lines that say which closed objective it is."""
    constants = ", ".join(f"{key} {value}" for key, value in described["settings"].items())
    return [f"{PAPERS[described['name']]}, with {constants}." if described["name"] in PAPERS else f"With {constants}."]


def _provenance(trained: dict[str, Any]) -> list[str]:
    """Return lines that say how it was found, as far as that is known."""
    if not trained:
        return []
    spent = [
        f"{trained[key]:,} {words}"
        for key, words in (("generations", "generations"), ("env_steps", "environment steps"))
        if isinstance(trained.get(key), int)
    ]
    by = f" in {' and '.join(spent)}" if spent else ""
    seed = f", seed {trained['seed']}" if isinstance(trained.get("seed"), int) else ""
    commit = f", by commit {trained['commit'][:12]}" if isinstance(trained.get("commit"), str) else ""
    return [f"Found on {', '.join(trained['envs'])}{by}{seed}{commit}."]
