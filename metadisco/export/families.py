"""Who writes the source of a discovery, by the problem that found it. JAX is not started."""

from collections.abc import Callable
from pkgutil import resolve_name

from metadisco.config.problems import DEFAULT_PROBLEM, describe_discovery
from metadisco.discoveries.sources import Source
from metadisco.errors import UserError

SOURCE_TEXTS: dict[str, str] = {
    DEFAULT_PROBLEM: "metadisco.export.source_of:source_text",
    "opponent_shaping": "metadisco.export.policy:source_text",
    "cheap_talk": "metadisco.export.message:source_text",
}
"""Functions (source, named, language, file) -> text, as module and name."""


def check_has_source(source: Source) -> None:
    """Refuse what no source can be written of.

    Raises:
        UserError: saying what it is.
    """
    if source.problem["name"] not in SOURCE_TEXTS:
        found = describe_discovery(source.problem)
        raise UserError(
            f"{source.name!r}: got {found}, allowed: what {' or '.join(SOURCE_TEXTS)} found; as an artefact, anything"
        )


def source_text(source: Source, named: Source, language: str, file: str) -> str:
    """Return the text of a file with a discovery.

    Args:
        source: what is written.
        named: the objective that it is the closed form of; or the same again.
        language: `numpy`, `jax` or `torch`.
        file: that the text will be in.

    Raises:
        UserError: if it cannot be written.
    """
    write: Callable[[Source, Source, str, str], str] = resolve_name(SOURCE_TEXTS[source.problem["name"]])
    return write(source, named, language, file)
