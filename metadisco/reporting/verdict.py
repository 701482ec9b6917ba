"""The sentence with which a page about a run begins: whether what was found is better."""

from typing import NamedTuple

from markupsafe import Markup

from metadisco.discoveries.sources import Source
from metadisco.evaluation.results import Results
from metadisco.reporting.studies import Study
from metadisco.storage.rows import format_number


class Verdict(NamedTuple):
    """A sentence, and where it comes from."""

    sentence: str | Markup
    origin: str


def verdict_of(source: Source, comparison: Results | None, study: Study | None) -> Verdict:
    """Return what is known of a discovery: from a comparison on fresh seeds, else its card, else the search alone.

    Args:
        source: the run.
        comparison: an evaluation that may hold it.
        study: what its card says.
    """
    compared = "" if comparison is None else comparison.verdicts.get(source.sha256, "")
    if compared:
        return Verdict(compared, "Fresh agents on seeds that the search did not use; 95 % intervals.")
    if study is not None and study.verdict:
        return Verdict(study.verdict, "From the card of the discovery; more of it is below.")
    return Verdict(_of_search(source), "Not compared on fresh seeds yet.")


def _of_search(source: Source) -> str:
    """Return the fitness of the centre, beside that of the baseline where it was trained along."""
    rows = source.run.metrics() if source.run is not None else []
    judged = [row for row in rows if row.get("centre_fitness") is not None]
    if not judged:
        return "The search has not judged its centre yet."
    first, last = judged[0], judged[-1]
    words = f"In its search the centre's fitness is {format_number(last['centre_fitness'])}"
    words += f" after {last['generation'] + 1:,} generation{'s' if last['generation'] else ''}"
    if len(judged) > 1:
        words += f", from {format_number(first['centre_fitness'])} when it was first evaluated"
    if last.get("baseline_fitness") is not None:
        words += f"; the baseline's on the same seeds is {format_number(last['baseline_fitness'])}"
    return f"{words}."
