"""The text of a file with the losses of an objective, its header included."""

from collections.abc import Mapping, Sequence
from typing import Any

from metadisco.config import InnerConfig, TaskConfig, build_settings
from metadisco.discoveries.save import content_of, trained_on
from metadisco.discoveries.sources import Source
from metadisco.export.losses import losses_of
from metadisco.export.parts import learners
from metadisco.export.source import About, check_source, write_source
from metadisco.outer.devices import start_jax

ADVANTAGES = {
    "minibatch": "standardised per minibatch during meta-training",
    "batch": "standardised per batch, not per minibatch, during meta-training",
    "none": "not standardised during meta-training",
}
"""How advantages were standardised, by inner.ppo.normalise_advantages."""
PAPERS = {
    "ppo": "PPO of Schulman et al. (2017)",
    "dpo": "DPO of Lu et al., Discovered Policy Optimisation (2022)",
}


def source_text(source: Source, named: Source, language: str, file: str) -> str:
    """Return the text of a file with both losses of an objective.

    Args:
        source: the objective to write.
        named: the objective whose closed form `source` is; or `source` itself.
        language: `numpy`, `jax` or `torch`.
        file: name of the file.

    Raises:
        UserError: if the objective cannot be written as source.
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
        settings=learners(tasks),
        advantage=_advantage(tasks),
        value_coef=_value_coef(tasks),
        licence=data["licence"],
    )
    if described["kind"] == "learned":
        check_source(write_source(losses, "numpy", about, data["pairs"]), source.name)
    return write_source(losses, language, about, data["pairs"])


def _tasks(trained: Mapping[str, Any]) -> tuple[TaskConfig, ...]:
    """Return the tasks of a meta-training; none if they are unknown or of another version."""
    try:
        return build_settings(InnerConfig, trained["inner"]).tasks
    except (KeyError, TypeError, ValueError):
        return ()


def _advantage(tasks: Sequence[TaskConfig]) -> str:
    ways = {task.ppo.normalise_advantages for task in tasks}
    if len(ways) > 1:
        return "standardised during meta-training as listed above"
    return ADVANTAGES[ways.pop()] if ways else "usually standardised per minibatch"


def _value_coef(tasks: Sequence[TaskConfig]) -> str:
    """Return the value coefficient of the meta-training in parentheses; empty if unknown."""
    coefs = {task.ppo.value_coef for task in tasks}
    if len(coefs) > 1:
        return " (listed above for meta-training)"
    return f" ({coefs.pop():g} during meta-training)" if coefs else ""


def _constants(described: dict[str, Any]) -> list[str]:
    """Return a line that names a closed objective and its constants."""
    constants = ", ".join(f"{key} {value}" for key, value in described["settings"].items())
    return [f"{PAPERS[described['name']]}, with {constants}." if described["name"] in PAPERS else f"With {constants}."]


def _provenance(trained: dict[str, Any]) -> list[str]:
    """Return a line about the meta-training, as far as it is known."""
    if not trained:
        return []
    spent = [
        f"{trained[key]:,} {words}"
        for key, words in (("generations", "generations"), ("env_steps", "environment steps"))
        if isinstance(trained.get(key), int)
    ]
    by = f" in {' and '.join(spent)}" if spent else ""
    seed = f", seed {trained['seed']}" if isinstance(trained.get("seed"), int) else ""
    commit = f", commit {trained['commit'][:12]}" if isinstance(trained.get("commit"), str) else ""
    return [f"Discovered on {', '.join(trained['envs'])}{by}{seed}{commit}."]
