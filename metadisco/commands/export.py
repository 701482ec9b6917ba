"""`metadisco export`: an objective as an artefact, or as one file for somebody else's code."""

from collections.abc import Sequence
from pathlib import Path

from metadisco.config import parse_override
from metadisco.config.grid import split_objective
from metadisco.discoveries.sources import check_objective, find_discovery
from metadisco.errors import UserError, nearest
from metadisco.export.form import FORMS, in_form
from metadisco.storage.outputs import check_file, write_output
from metadisco.storage.package import ARTEFACT, check_package

TARGETS = ("artefact", "numpy", "jax", "torch")


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
    named = find_discovery(name, settings)
    if target != "artefact" or form:
        check_objective(named)
    source = in_form(named, form)
    if target == "artefact":
        check_package(output, ARTEFACT, "--output", force)
    elif output.suffix != ".py":
        raise UserError(f"--output: got {str(output)!r}, allowed: a file that ends in .py")
    else:
        check_file(output, "--output", force)
    if target == "artefact":
        from metadisco.discoveries.save import save_artefact
        from metadisco.outer.devices import start_jax

        start_jax(None)
        save_artefact(source, output, force)
    else:
        from metadisco.export.source_of import source_text

        write_output(output, source_text(source, named, target, output.name), force)
    if not quiet:
        print(output)
    return 0
