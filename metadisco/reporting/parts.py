"""What other commands wrote about what a run found, for a page about it; what is of another one is left out."""

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from metadisco.config.problems import part_of
from metadisco.discoveries.distilled import FILE, PARTS, read
from metadisco.discoveries.published import located
from metadisco.discoveries.sources import Source
from metadisco.errors import UserError
from metadisco.evaluation.results import Results, read_results
from metadisco.reporting.mathml import typeset
from metadisco.reporting.paths import shown, without_paths

RESULTS = "results.json"
MAX_LATEX = 4000  # letters


class Part(NamedTuple):
    """A part of the page."""

    content: Any
    """For the template: results, or forms by what is told of them; None where there is nothing to show."""
    note: str = ""
    """A sentence about whose it is, where that is not certain."""
    figures: tuple[Path, ...] = ()
    """Files of its figures."""
    in_place: bool = False
    """Whether it is where it is looked for without a word."""


def comparison_of(source: Source, given: Path | None, path: Path) -> Part:
    """Return tables and figures of an evaluation.

    Args:
        source: what it is to be of.
        given: the folder that was named; then it is an error if it is of another discovery.
        path: the folder to look in where none was named.

    Raises:
        UserError: for what cannot be read, or was named and is of another discovery.
    """
    read_those_of: Callable[[Path], Results] | None = part_of(source.problem, "results")
    if read_those_of is None:
        return Part(None)
    file = (given or path) / RESULTS
    if given is None and not file.is_file():
        return Part(None)
    try:
        found = read_those_of(file)
    except UserError as error:
        return Part(None, _left_out(error, given, "evaluation", _shown(file, source)))
    note, shown = _whose(source, found.hashes, found.names, "evaluation", given, path)
    return Part(found, note, found.figures) if shown else Part(None, note)


def forms_of(source: Source, given: Path | None, path: Path) -> Part:
    """Return closed forms and how they train; arguments and errors as for `comparison_of`."""
    folder = given or path
    if given is None and not (folder / FILE).is_file():
        return Part(None)
    try:
        data = read(folder / FILE)
    except UserError as error:
        return Part(None, _left_out(error, given, "distilled", _shown(folder / FILE, source)))
    stated = data.get("source_sha256")
    hashes = {stated} if isinstance(stated, str) else None
    note, shown = _whose(source, hashes, {str(data.get("source"))}, "distilled", given, path)
    if not shown:
        return Part(None, note)
    parts = {part: _forms(data[part], part) for part in PARTS if part in data}
    content: dict[str, Any] = {"parts": parts, "path": str(_shown(folder / FILE, source)), "retrained": None}
    retrained = folder / "retrained" / RESULTS
    if retrained.is_file():
        try:
            content["retrained"] = read_results(retrained)
        except UserError as error:
            note = " ".join(filter(None, (note, _left_out(error, given, "distilled", _shown(retrained, source)))))
    return Part(content, note, in_place=given is None)


def _shown(path: Path, source: Source) -> Path:
    return shown(path, None if source.run is None else source.run.path)


def _left_out(error: UserError, given: Path | None, option: str, where: Path) -> str:
    """Return a sentence about a file that cannot be read, if no option named it.

    Raises:
        UserError: if one did.
    """
    if given is not None:
        raise UserError(f"{option}: {error}") from error
    return f"{where} is left out: {without_paths(str(error))}."


def _whose(
    source: Source, hashes: Collection[Any] | None, names: Collection[str], option: str, given: Path | None, path: Path
) -> tuple[str, bool]:
    """Return a sentence about whether something is of a discovery, and whether it is to be shown.

    Args:
        source: the discovery.
        hashes: what tells the discoveries of it from others; None where an earlier version wrote it.
        names: of these when it was written.
        option: that names its folder.
        given: the folder that was named.
        path: the folder where none was named.
    """
    where = str(_shown(given or path, source))
    if hashes is not None:
        if source.sha256 in hashes:
            return "", True
        if given is not None:
            raise UserError(f"{option}: {where!r} is of another discovery than {source.name!r}")
        return (
            f"The files in {where} are of another discovery, or of this run at another time, and left out.",
            False,
        )
    if any(_means(name, source) for name in names):
        return (
            f"The files in {where} are of a discovery of this name, but do not tell its weights.",
            True,
        )
    left_out = ", and are left out" if given is None else ""
    return f"The files in {where} are not known to be of this run{left_out}.", given is not None


def _means(name: str, source: Source) -> bool:
    """Whether a name from another time is that of a discovery."""
    return Path(located(name)).resolve() == Path(located(source.name)).resolve()


def _forms(data: dict[str, Any], part: str) -> dict[str, Any]:
    """Return the forms of one loss as text and typeset; fields missing in a file written by hand are left empty."""
    rejected = data.get("rejected")
    closest = data["forms"].get(data.get("closest"), {})
    return {
        "closest": _typeset(closest),
        "error": _percent(closest.get("relative_error")),
        "forms": [
            (
                name,
                form.get("text", json.dumps(form["expression"])),
                _typeset(form),
                form.get("complexity", ""),
                _number(form.get("relative_error")),
                form.get("nonnegative", "") if part == "policy" else _number(form.get("scale")),
            )
            for name, form in data["forms"].items()
        ],
        "rejected": [
            (name, form.get("text", ""), form.get("reason", ""))
            for name, form in (rejected.items() if isinstance(rejected, dict) else ())
            if isinstance(form, dict)
        ],
    }


def _typeset(form: Mapping[str, Any]) -> Markup | None:
    """Return a form as MathML; None where the file has none that can be typeset."""
    latex = form.get("latex")
    if not isinstance(latex, str) or len(latex) > MAX_LATEX:
        return None
    try:
        return Markup(typeset(latex))
    except Exception:  # latex2mathml's errors share no class; the form then stands as text
        return None


def _percent(value: Any) -> str:
    return f"{value:.1%}" if isinstance(value, (int, float)) else ""


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, (int, float)) else ""
