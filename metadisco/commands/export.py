"""`metadisco export`: a discovery as an artefact, or as one source file for other code."""

from collections.abc import Sequence
from pathlib import Path

from metadisco.api.exporting import write_artefact, write_source
from metadisco.commands.overrides import settings_in
from metadisco.errors import UserError, nearest
from metadisco.export.languages import LANGUAGES

TARGETS = ("artefact", *LANGUAGES)


def export(
    name: str, target: str, output: Path, form: str | None, words: Sequence[str], force: bool, quiet: bool
) -> int:
    """Write a discovery for use elsewhere; return the exit code.

    Raises:
        UserError: for input that cannot be used; nothing is written then.
    """
    if target not in TARGETS:
        raise UserError(f"--to: got {target!r}, allowed: {', '.join(TARGETS)}{nearest(target, TARGETS)}")
    overrides = settings_in(words)
    if target == "artefact":
        write_artefact(name, output, form=form, overrides=overrides, force=force)
    else:
        write_source(name, target, output, form=form, overrides=overrides, force=force)
    if not quiet:
        print(output)
    return 0
