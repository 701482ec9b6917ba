"""Figures of what a built-in problem finds, by the problem: each names its own as text, `module:NAME`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from matplotlib.figure import Figure

from metadisco.config import Config
from metadisco.config.problems import part_of
from metadisco.discoveries.sources import Source

Say: TypeAlias = Callable[[str], None]


def _none(source: Source, say: Say) -> Iterator[tuple[str, Any]]:
    return iter(())


class Family(NamedTuple):
    """How runs of a problem are drawn and told of, beside what all problems have in common."""

    heading: str
    """Of the section on the page about a run."""
    figures: Callable[[Sequence[Source], Say], Iterator[tuple[str, Figure]]]
    """Gives figures of one run or several with their names, the most telling first, and says what takes long."""
    caption: Callable[[str], str]
    """Returns a sentence that explains the figure of a name."""
    facts: Callable[[Source], list[tuple[str, str]]]
    """Returns what was run, in words."""
    fitness: Callable[[Config], str]
    """Returns what fitness is, in words."""
    interactive: Callable[[Source, Say], Iterator[tuple[str, Any]]] = _none
    """Gives Plotly figures of a run with their names, and says what takes long."""


def family_of(problem: Mapping[str, Any]) -> Family | None:
    """Return how runs of a problem are drawn, by its section of a config; None where it has nothing of its own."""
    family: Family | None = part_of(problem, "figures")
    return family
