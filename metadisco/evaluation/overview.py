"""The results of an evaluation in one table for the terminal: environments are columns, with a block for each score."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from metadisco.discoveries.sources import short_names
from metadisco.evaluation.comparison import Row
from metadisco.evaluation.digits import decimals_of, to_digits
from metadisco.evaluation.tables import NO_TALKER, SCORE_TITLES, HeldOut, short_envs, with_sign

ALL = "all"
ORDER = ("area_under_curve", "final_return")


class Overview(NamedTuple):
    """Text by row and column; entries may have several lines."""

    title: str
    headings: list[str]
    """Of the columns, the first of which names what is compared."""
    blocks: list[tuple[str, list[list[str]]]]
    """For each score its title, and its rows."""
    notes: list[str]
    """What entries mean, in sentences."""


def overview(rows: Sequence[Row], held_out: HeldOut, baseline: str) -> Overview:
    """Return means, and below them the differences from the baseline with their 95 % intervals.

    Args:
        rows: of an evaluation.
        held_out: whether an environment was absent from meta-training.
        baseline: name of what is compared with.
    """
    short = short_names([*(row.objective for row in rows), baseline])
    envs = list(dict.fromkeys(row.env for row in rows if row.env is not None))
    over_all = any(row.env is None for row in rows)
    places: list[str | None] = [*envs, *([None] if over_all else [])]
    cells = {(row.score, row.objective, row.env): row for row in rows}
    blocks = []
    for score in ORDER:
        names = dict.fromkeys(row.objective for row in rows if row.score == score)
        lines = [
            [short[name], *(_entry(cells.get((score, name, env)), held_out, short) for env in places)] for name in names
        ]
        blocks.append((SCORE_TITLES[score], lines))
    what = "talker" if baseline == NO_TALKER else "objective"
    notes = list(_notes(short[baseline], over_all, held_out))
    return Overview(
        f"mean, and difference from {short[baseline]} on the same seeds [95 %]",
        [what, *short_envs(envs).values(), *([ALL] if over_all else [])],
        blocks,
        notes,
    )


def _notes(baseline: str, over_all: bool, held_out: HeldOut) -> Iterator[str]:
    if over_all:
        yield f"{ALL}: on the scale where random actions have 0 and {baseline} has 1 in each environment"
    if any(held_out.values()):
        yield f"{MARK}: held out, not an environment of the meta-training"


MARK = "°"


def _entry(row: Row | None, held_out: HeldOut, short: "dict[str, str]") -> str:
    """Return the mean of a row; below it the difference from the baseline, those from others, and failures."""
    if row is None:
        return ""
    mark = MARK if held_out.get((row.objective, row.env or "")) else ""
    lines = [to_digits(row.mean, decimals_of(row.half_width)) + mark, with_sign(row.difference)]
    lines += [f"{with_sign(each)} from {short.get(name, name)}" for name, each in row.differences.items()]
    return "\n".join(filter(None, [*lines, f"{row.failed} failed" if row.failed else ""]))
