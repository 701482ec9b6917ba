"""Commands for a shell, in lines that fit a terminal."""

import re

INDENT = "  "
END = " \\"


def broken(command: str, width: int) -> list[str]:
    """Return a command as indented lines, which end in a backslash where it goes on, so that it can be pasted.

    Args:
        command: quoted for the shell; empty for no lines.
        width: of the lines; a single word that is longer keeps its line.
    """
    lines: list[str] = []
    words = _words(command)
    for number, word in enumerate(words):
        room = width - (len(END) if number < len(words) - 1 else 0)
        if lines and len(lines[-1]) + 1 + len(word) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(INDENT * (2 if lines else 1) + word)
    return [f"{line}{END}" for line in lines[:-1]] + lines[-1:]


def _words(command: str) -> list[str]:
    """Split a command at the spaces between its words, with their quotes kept."""
    parts = re.findall(r"(?:'[^']*'|\"[^\"]*\"|\\.|[^\s'\"])+", command)
    return parts if " ".join(parts) == command else [command]
