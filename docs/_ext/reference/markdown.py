"""Pieces of MyST Markdown."""

import re
from collections.abc import Iterable, Mapping


def plain(text: str) -> str:
    """Return a docstring as paragraphs of Markdown, with signs of its own escaped."""
    words = re.split(r"(`[^`]*`)", "\n\n".join(" ".join(part.split()) for part in text.split("\n\n")))
    return "".join(part if part.startswith("`") else re.sub(r"([*_<$\\[\]])", r"\\\1", part) for part in words)


def code(text: str) -> str:
    """Return inline code."""
    return f"`{text}`"


def bullets(items: Iterable[str]) -> str:
    """Return a list."""
    return "\n".join(f"- {item}" for item in items)


def reasons(left_out: Mapping[str, str]) -> str:
    """Return a list of names with reasons."""
    return bullets(f"`{name}`: {plain(reason)}" for name, reason in left_out.items())


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table of Markdown cells."""
    lines = [list(header), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def fenced(kind: str, text: str) -> str:
    """Return a code block, or a directive."""
    return f"```{kind}\n{text.strip(chr(10))}\n```"
