"""Discoveries written for use elsewhere, from Python."""

from pathlib import Path

from metadisco.api.inputs import Overrides, overrides_of
from metadisco.config.grid import split_objective
from metadisco.discoveries.sources import Source, check_objective, find_discovery
from metadisco.errors import UserError, nearest
from metadisco.export.families import check_has_source, source_text
from metadisco.export.form import FORMS, choose_form
from metadisco.export.languages import LANGUAGES
from metadisco.storage.files import Name, text_of
from metadisco.storage.outputs import check_file, write_output
from metadisco.storage.package import ARTEFACT, check_package


def write_artefact(
    discovery: Name, output: Name, *, form: str | None = None, overrides: Overrides = None, force: bool = False
) -> Path:
    """Write a discovery as an artefact: an objective by its path, without the run.

    Args:
        discovery: names as for `train_agents`, and those of discoveries of other problems.
        output: a zip file if it ends in .zip, else a folder.
        form: "network" (as learned) or "closed" (the closest form distilled); whatever it is if left out.
        overrides: constants of a closed objective, such as {"objective.clip_eps": 0.1}.
        force: overwrite an existing artefact.

    Returns:
        The path of the artefact.

    Raises:
        UserError: for input that cannot be used; nothing was written then.

    Example:
        path = metadisco.write_artefact("runs/first", "first.zip")
        objective = metadisco.load_objective(path)
    """
    path = Path(output)
    named = _named(discovery, form, overrides)
    if form:
        check_objective(named)
    source = choose_form(named, form)
    check_package(path, ARTEFACT, "output", force)

    from metadisco.discoveries.save import save_artefact
    from metadisco.outer.devices import start_jax

    start_jax(None)
    save_artefact(source, path, force)
    return path


def write_source(
    discovery: Name,
    language: str,
    output: Name,
    *,
    form: str | None = None,
    overrides: Overrides = None,
    force: bool = False,
) -> Path:
    """Write a discovery as one self-contained source file, which checks itself when it is run.

    An objective is its two losses; a meta-policy `initial_memory()` and `act(meta_state, memory)`; a message
    `message(obs)`, and `steer(obs, goal)` where the aim is control, for NumPy with `wrap(env)` for Gymnasium.

    Args:
        discovery: names as for `train_agents`, and of a meta-policy or a message.
        language: "numpy", "jax" or "torch", the only dependency of the file; or "discogen", for an objective: the file
            loss.py of DiscoGen's on-policy RL, which requires JAX.
        output: a file that ends in .py.
        form: "network" (as learned) or "closed" (the closest form distilled); whatever it is if left out.
        overrides: constants of a closed objective, such as {"objective.clip_eps": 0.1}.
        force: overwrite an existing file.

    Returns:
        The path of the file.

    Raises:
        UserError: for input that cannot be used; nothing was written then.

    Example:
        path = metadisco.write_source("runs/first", "numpy", "first_loss.py")
    """
    path = Path(output)
    if language not in LANGUAGES:
        raise UserError(
            f"language: got {language!r}, allowed: {', '.join(LANGUAGES)}{nearest(str(language), LANGUAGES)}"
        )
    named = _named(discovery, form, overrides)
    check_has_source(named)
    if form or language == "discogen":
        check_objective(named)
    source = choose_form(named, form)
    if path.suffix != ".py":
        raise UserError(f"output: got {str(path)!r}, allowed: a file that ends in .py")
    check_file(path, "output", force)

    write_output(path, source_text(source, named, language, path.name), force)
    return path


def _named(discovery: Name, form: str | None, overrides: Overrides) -> Source:
    """Return the named discovery, with its constants."""
    if form not in (None, *FORMS):
        raise UserError(f"form: got {form!r}, allowed: {', '.join(FORMS)}")
    settings, rest = split_objective(overrides_of(overrides))
    if rest:
        raise UserError(f"{next(iter(rest))}: allowed: objective.…, the constants of a closed objective")
    return find_discovery(text_of(discovery, "discovery"), settings)
