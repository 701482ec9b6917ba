"""`metadisco export`: an objective as an artefact, or as one file for somebody else's code."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metadisco.commands.grid import split_objective
from metadisco.config import parse_override
from metadisco.distilled import FILE
from metadisco.errors import UserError, nearest
from metadisco.files import check_file, write_atomically
from metadisco.package import ARTEFACT, check_package
from metadisco.sources import Source, find_source

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


def export(name: str, target: str, output: Path, form: str | None, words: Sequence[str], quiet: bool) -> int:
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
    source = _in_form(find_source(name, settings), form)
    if target == "artefact":
        check_package(output, ARTEFACT, "--output")
        from metadisco.outer.devices import start_jax

        start_jax(None)

        from metadisco.export.save import save_artefact

        save_artefact(source, output)
    else:
        if output.suffix != ".py":
            raise UserError(f"--output: got {str(output)!r}, allowed: a file that ends in .py")
        check_file(output, "--output")
        write_atomically(output, _source_text(source, target, output))
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
    return find_source(str(forms))


def _source_text(source: Source, language: str, output: Path) -> str:
    from metadisco.outer.devices import start_jax

    start_jax(None)

    from metadisco.export.losses import losses_of
    from metadisco.export.save import content_of
    from metadisco.export.source import write_source

    data, arrays = content_of(source)
    trained, described = data["trained_on"] or {}, data["objective"]
    ppo = (trained.get("inner") or {}).get("ppo") or {}
    coef = ppo.get("value_coef")
    return write_source(
        losses_of(described, arrays),
        language,
        name=source.short_name,
        file=output.name,
        about=_constants(described) if described["kind"] == "closed" else _provenance(trained),
        advantage=ADVANTAGES.get(str(ppo.get("normalise_advantages")), "usually standardised per minibatch"),
        value_coef=coef if isinstance(coef, int | float) else None,
        licence=data["licence"],
        pairs=data["pairs"],
    )


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
