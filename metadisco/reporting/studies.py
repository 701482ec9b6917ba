"""What the card of a discovery says of it, as HTML: what studies found out about a published one."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from markdown_it import MarkdownIt
from markupsafe import Markup

from metadisco.discoveries.sources import Source
from metadisco.evaluation.in_words import WORDS, listed
from metadisco.evaluation.statistics import Difference
from metadisco.evaluation.verdicts import Verdict, verdict
from metadisco.reporting.card import written_text

COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
LINK = re.compile(r"\[([^\]]*)\]\((?![a-z]+://)[^)]*\)")
"""A link to another file of the repository, which a page does not have beside it."""
LEFT_OUT = ("## Closed form",)
"""Sections that the page has by itself."""
MINUS = re.compile(r"minus (.+) \[95 %\]")
"""Heading of a column of differences from a baseline, with their intervals."""
DIFFERENCE = re.compile(r"([+−-]?[\d.,]+) \[([+−-]?[\d.,]+), ([+−-]?[\d.,]+)\]")


class Study(NamedTuple):
    """What a card says."""

    verdict: Markup
    """Whether the discovery is better, in a paragraph or two."""
    sections: Markup
    """Its sections."""


def study_of(source: Source) -> Study | None:
    """Return what the card in the folder of a discovery says; None where there is none."""
    text = written_text(source)
    if text is None:
        return None
    head, *sections = re.split(r"^(?=## )", LINK.sub(r"\1", COMMENT.sub("", text)), flags=re.MULTILINE)
    paragraphs = [each for each in head.split("\n\n") if each.strip() and not each.startswith(("#", "```", "|", ">"))]
    kept = "\n".join(each for each in sections if not each.startswith(LEFT_OUT))
    summary = "\n\n".join(filter(None, [*paragraphs[:1], _compared(kept) or _first_row(kept)]))
    return Study(_html(summary), _html(kept.replace("## ", "### ")))


def _compared(text: str) -> str:
    """Return where a discovery is better, level and worse by the first table that has differences and intervals."""
    for headings, *lines in _tables(text):
        found = next((MINUS.fullmatch(heading) for heading in headings if MINUS.fullmatch(heading)), None)
        if found is None:
            continue
        place, by_verdict = headings.index(found[0]), dict[Verdict, list[str]]()
        for line in lines:
            numbers = DIFFERENCE.fullmatch(line[place])
            if numbers is not None:
                low, high = (float(each.replace("−", "-").replace(",", "")) for each in numbers.groups()[1:])
                says = verdict(Difference(0.0, low, high), float("nan"))
                by_verdict.setdefault(says, []).append(f"{line[0]} ({line[place]})")
        parts = [f"{WORDS[each]} {found[1]} on {listed(by_verdict[each])}" for each in WORDS if each in by_verdict]
        return f"By its card it is {listed(parts)}." if parts else ""
    return ""


def _first_row(text: str) -> str:
    """Return the row of the first table that is about the discovery itself, else the first one, in a sentence."""
    for headings, *lines in _tables(text):
        line = next((each for each in lines if each[0].startswith("this")), lines[0] if lines else [])
        entries = [f"{name} {entry}" for name, entry in zip(headings[1:], line[1:], strict=False) if entry]
        return f"{headings[0].capitalize()} {line[0]}: {', '.join(entries)}." if entries else ""
    return ""


def _tables(text: str) -> Iterator[list[list[str]]]:
    """Give the tables of a text in Markdown: headings, and lines of entries."""
    for block in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
        lines = [[entry.strip() for entry in line.strip("|").split("|")] for line in block.splitlines()]
        yield [line for line in lines if not all(set(entry) <= set("-: ") for entry in line)]


def _html(markdown: str) -> Markup:
    """Return Markdown as HTML, without any HTML that it may hold; wide tables scroll."""
    text = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    return Markup(text.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>"))
