"""`metadisco export`: an objective as an artefact, or as one file for somebody else's code."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metadisco.config import InnerConfig, TaskConfig, build_settings, describe_tasks, parse_override
from metadisco.config.grid import split_objective
from metadisco.discoveries.distilled import FILE, read
from metadisco.discoveries.sources import Source, find_source
from metadisco.errors import UserError, nearest
from metadisco.storage.outputs import check_file, write_output
from metadisco.storage.package import ARTEFACT, check_package

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
TARGETS = ("artefact", "numpy", "jax", "torch")
FORMS = ("network", "closed")


def export(
    name: str, target: str, output: Path, form: str | None, words: Sequence[str], force: bool, quiet: bool
) -> int:
    """Write an objective for use elsewhere; return the exit code.

    Raises:
        UserError: for input that cannot be used; nothing was written then.
    """
    if target not in TARGETS:
        raise UserError(f"--to: got {target!r}, allowed: {', '.join(TARGETS)}{nearest(target, TARGETS)}")
    if form not in (None, *FORMS):
        raise UserError(f"--form: got {form!r}, allowed: {', '.join(FORMS)}")
    settings, rest = split_objective(dict(map(parse_override, words)))
    if rest:
        raise UserError(f"{next(iter(rest))}: allowed: objective.…, the constants of a closed objective")
    named = find_source(name, settings)
    source = _in_form(named, form)
    if target == "artefact":
        check_package(output, ARTEFACT, "--output", force)
    elif output.suffix != ".py":
        raise UserError(f"--output: got {str(output)!r}, allowed: a file that ends in .py")
    else:
        check_file(output, "--output", force)
    from metadisco.outer.devices import start_jax

    start_jax(None)

    from metadisco.discoveries.save import save_artefact

    if target == "artefact":
        save_artefact(source, output, force)
    else:
        write_output(output, _source_text(source, named, target, output), force)
    if not quiet:
        print(output)
    return 0


def _in_form(source: Source, form: str | None) -> Source:
    """Return the closed form of a run's objective where that is asked for; else what was named."""
    learned = source.section is not None
    if form == "network" and not learned:
        raise UserError(f"--form: {source.name!r} is a closed form, so that there is no network, allowed: closed")
    if form != "closed" or not learned:
        return source
    forms = source.run.path / "distilled" / FILE if source.run is not None else None
    if forms is None or not forms.is_file():
        raise UserError(
            f"--form: no closed form of {source.name!r} is {f'in {str(forms)!r}' if forms else 'with it'}; metadisco "
            "distil finds some, and O can be the path of its distilled.json"
        )
    if read(forms).get("source_sha256", source.sha256) != source.sha256:
        raise UserError(
            f"--form: what is in {str(forms)!r} was distilled from another objective than {source.name!r}; metadisco "
            "distil finds forms of this one, and O can be the path of its distilled.json"
        )
    return find_source(str(forms))


def _source_text(source: Source, named: Source, language: str, output: Path) -> str:
    from metadisco.discoveries.save import content_of, trained_on
    from metadisco.export.losses import losses_of
    from metadisco.export.source import About, check_source, write_source

    data, arrays = content_of(source)
    trained, described = data["trained_on"] or {}, data["objective"]
    tasks = _tasks(trained) or _tasks(trained_on(named) or {})
    losses = losses_of(described, arrays, source.name)
    about = About(
        name=named.short_name if source is named else f"{named.short_name}, as a closed form",
        file=output.name,
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
