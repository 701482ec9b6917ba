"""Commands for a shell, in lines that fit a terminal."""

import re

INDENT = "  "
END = " \\"
WORD = re.compile(r"(?:'[^']*'|\"[^\"]*\"|[^\s'\"])+")
"""A word as `shlex.join` writes it."""


def broken(command: str, width: int) -> list[str]:
    """Return a command as indented lines, which end in a backslash where it goes on, so that it can be pasted.

    Args:
        command: as `shlex.join` writes it; empty for no lines.
        width: of the lines; a single word that is longer keeps its line.
    """
    lines: list[str] = []
    parts = _parts(command)
    for number, part in enumerate(parts):
        room = width - (len(END) if number < len(parts) - 1 else 0)
        if lines and len(lines[-1]) + 1 + len(part) <= room:
            lines[-1] += f" {part}"
        else:
            lines.append(INDENT * (2 if lines else 1) + part)
    return [f"{line}{END}" for line in lines[:-1]] + lines[-1:]


def _parts(command: str) -> list[str]:
    """Split a command between its words, but for an option and the word after it."""
    words = WORD.findall(command)
    if " ".join(words) != command:
        return [command] if command else []
    parts: list[str] = []
    for word in words:
        if parts and parts[-1].startswith("-") and " " not in parts[-1] and not word.startswith("-"):
            parts[-1] += f" {word}"
        else:
            parts.append(word)
    return parts
