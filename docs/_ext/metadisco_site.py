"""The Sphinx extension of this site: generated pages, docstrings, and links to the rest of the repository."""

import posixpath
import re
from typing import Any

import reference
from reference.python_api import API, MODULES, public_names
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
LINK = re.compile(r"\]\((\.\.?/[^)#\s]+(?<!\.png)(?<!\.svg))(#[^)\s]*)?\)")
EXAMPLE = re.compile(r"^(Example|Examples):$")
FIELDS: dict[str, list[str]] = {}
"""Docstrings as they were before napoleon."""
LISTED = re.compile(r"^ *- ")
SIGN = re.compile(r"(\||(?<![*\w])\*(?=[\w\[])(?!\*))")
FIELD = re.compile(r"^    (\w+)( = .+?)?: (.*)$")


def _fill(app: Sphinx, page: str, source: list[str]) -> None:
    """Put generated text in place of markers, and the address of the repository before links that leave docs/."""
    folder = posixpath.join("docs", posixpath.dirname(page))

    def leaving(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, link[1]))
        if path.startswith("docs/"):
            return link[0]
        kind = "blob" if posixpath.splitext(path)[1] else "tree"
        return f"]({app.config.repository}/{kind}/main/{path}{link[2] or ''})"

    source[0] = LINK.sub(leaving, reference.filled(source[0]))


def _outdated(app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """Read generated pages anew in every build: they depend on the whole package."""
    return [page for page in env.found_docs if page.startswith("reference/")]


def _docstring(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Turn a docstring of this package into one that Sphinx reads; drop what tuples say of their fields."""
    lines[:] = [] if lines and lines[0].startswith("Alias for field number") else _converted(lines)
    FIELDS[name] = list(lines)


def _restore(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Undo what napoleon makes of the docstring of a field: it takes words before a colon for a type."""
    if what in ("attribute", "data", "property"):
        lines[:] = FIELDS[name]


def _resolve(app: Sphinx, env: BuildEnvironment, node: Any, content: Any) -> Any:
    """Link a type of a signature to where it is documented: `metadisco.types.Sample` is `metadisco.Sample`."""
    name = node.get("reftarget", "").rpartition(".")[2]
    domain = env.get_domain("py")
    places = [f"{module}.{name}" for module in ("metadisco", *MODULES)]
    known = next((place for place in places if place in domain.objects), None)  # type: ignore[attr-defined]
    if node.get("refdomain") != "py" or known is None or not _is_ours(node["reftarget"]):
        return None
    page = node.get("refdoc", "")
    return domain.resolve_xref(env, page, app.builder, "obj", known, node, content)


def _is_ours(name: str) -> bool:
    return name.startswith("metadisco.") or "." not in name


def _converted(lines: list[str]) -> list[str]:
    """Return a docstring in which examples are code blocks, fields of settings are a list, and signs are escaped."""
    found: list[str] = []
    section = ""
    for line in lines:
        if line and not line.startswith(" "):
            section = line if EXAMPLE.match(line) or line == "Fields:" else ""
            found += [".. rubric:: " + line.rstrip(":"), ""] if section else _text(line, found)
            found += [".. code-block:: python", ""] if EXAMPLE.match(section) else []
        elif section == "Fields:":
            field = FIELD.match(line)
            text = f"- ``{field[1]}{field[2] or ''}``: {field[3]}" if field else line and f"  {line.strip()}"
            found.append(_escaped(text))
        else:
            found += [line] if section else _text(line, found)
    return found


def _text(line: str, before: list[str]) -> list[str]:
    """Return a line of text; the first entry of a list gets the blank line that it needs."""
    first = line.lstrip().startswith("- ") and before and before[-1].strip() and not LISTED.match(before[-1])
    return ["", _escaped(line)] if first and _indent(line) >= _indent(before[-1]) else [_escaped(line)]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _escaped(line: str) -> str:
    """Escape signs that are mathematics here and markup for Sphinx, outside of code."""
    parts = re.split(r"(`+[^`]*`+)", line)
    return "".join(part if part.startswith("`") else SIGN.sub(r"\\\1", part) for part in parts)


def _check_names(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of every public name that no page documents; a strict build then fails."""
    documented = set(env.get_domain("py").objects)  # type: ignore[attr-defined]
    wanted = {f"metadisco.{name}" for names in API.values() for name in names}
    ours = {name.rpartition(".")[2] for name in wanted}
    wanted |= {f"{module}.{name}" for module in MODULES for name in public_names(module) if name not in ours}
    for name in sorted(wanted - documented):
        LOGGER.warning("%s is public, and no page documents it", name, type="metadisco", subtype="undocumented")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register what the site needs."""
    app.add_config_value("repository", "", "env", types=[str])
    app.connect("source-read", _fill)
    app.connect("env-get-outdated", _outdated)
    app.connect("autodoc-process-docstring", _docstring, priority=100)  # before napoleon
    app.connect("autodoc-process-docstring", _restore, priority=900)
    app.connect("missing-reference", _resolve)
    app.connect("env-check-consistency", _check_names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
