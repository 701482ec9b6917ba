"""Selects the function that writes the source of a discovery; each built-in problem names its own. Needs no JAX."""

from collections.abc import Callable

from metadisco.config.problems import PROBLEMS, describe_discovery, part_of
from metadisco.discoveries.sources import Source
from metadisco.errors import UserError


def check_has_source(source: Source) -> None:
    """Refuse a discovery without source.

    Raises:
        UserError: naming its kind.
    """
    if part_of(source.problem, "source") is None:
        found = describe_discovery(source.problem)
        writing = " or ".join(name for name in PROBLEMS if part_of({"name": name}, "source"))
        raise UserError(f"{source.name!r}: got {found}, allowed: a discovery of {writing}; as an artefact, any")


def source_text(source: Source, named: Source, language: str, file: str) -> str:
    """Return the text of a file with a discovery.

    Args:
        source: of the discovery.
        named: the objective that it is the closed form of; or the same again.
        language: `numpy`, `jax` or `torch`.
        file: that the text will be in.

    Raises:
        UserError: if it cannot be written.
    """
    write: Callable[[Source, Source, str, str], str] = part_of(source.problem, "source")
    return write(source, named, language, file)
