"""A comparison in a sentence: where a discovery is better than the baseline, level with it or worse."""

import math
from collections.abc import Sequence

from metadisco.discoveries.sources import short_names
from metadisco.evaluation.comparison import Row
from metadisco.evaluation.tables import NO_TALKER, short_envs, with_sign
from metadisco.evaluation.verdicts import Verdict, verdict

SCORES = {"area_under_curve": "averaged over training", "final_return": "by the final return"}
WORDS: dict[Verdict, str] = {"better": "better than", "level": "level with", "worse": "worse than"}
HEARD: dict[Verdict, str] = {"better": "more than", "level": "as much as", "worse": "less than"}


def in_a_sentence(rows: Sequence[Row], name: str, baseline: str) -> str:
    """Return how a discovery compares with the baseline on each environment, with 95 % intervals of the differences.

    It is better or worse where the interval excludes 0, and level otherwise.

    Args:
        rows: of the comparison.
        name: of the discovery.
        baseline: as in `Comparison`.

    Returns:
        A sentence; an empty one for the baseline itself, and where one seed leaves no interval.
    """
    parts = []
    for score, words in SCORES.items():
        found = _by_verdict([row for row in rows if row.objective == name and row.score == score and row.env])
        if found:
            parts.append(f"{words} {_compared(found, baseline)}")
    if not parts:
        return ""
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _by_verdict(rows: Sequence[Row]) -> dict[Verdict, list[str]]:
    """Return environments with their differences, by what they say."""
    short, found = short_envs(row.env for row in rows if row.env), {}
    for each in WORDS:
        of_these = [
            f"{short[row.env]} ({with_sign(row.difference)})"
            for row in rows
            if row.env and row.difference is not None and verdict_of(row) == each
        ]
        if of_these:
            found[each] = of_these
    return found


def verdict_of(row: Row) -> Verdict:
    """Return what the interval of a row says, regardless of the size of the difference."""
    assert row.difference is not None
    return verdict(row.difference, math.nan)  # type: ignore[arg-type]


def _compared(found: dict[Verdict, list[str]], baseline: str) -> str:
    if baseline == NO_TALKER:
        parts = [f"{HEARD[each]} with zeros on {listed(places)}" for each, places in found.items()]
        return f"learners that hear it return {listed(parts)}"
    (short,) = short_names([baseline]).values()
    return f"it is {listed([f'{WORDS[each]} {short} on {listed(places)}' for each, places in found.items()])}"


def listed(words: Sequence[str]) -> str:
    """Return words as a list in a sentence: a, b and c."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
