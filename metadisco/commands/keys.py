"""`metadisco config`: what the keys of a config mean."""

import textwrap
from collections.abc import Sequence
from itertools import groupby
from shutil import get_terminal_size

from metadisco.config.keys import REQUIRED, ConfigKey, KeyGroup, find_keys, key_groups

MAX_WIDTH = 100
FILES = {
    "config": "config of a search",
    "objective": "constants of objectives",
    "player": "settings of players",
    "game": "games",
    "space": "space of metadisco tune",
    "grid": "grid of metadisco evaluate --settings",
}
"""Kinds of files that have keys."""
HOW = (
    "metadisco config NAME explains a key (learning_rate, inner.ppo.gamma), a section (outer.strategy) or one of its "
    "forms (lpo_drift, naive)."
)


def explain(key: str | None) -> int:
    """Print the type, the default, the allowed values and the meaning of keys; return the exit code.

    Args:
        key: a key, its end, or a section; None for an overview of all sections.

    Raises:
        UserError: for an unknown key.
    """
    if key is None:
        _print_sections()
        return 0
    found = find_keys(key)
    if all(f".{each.key}".endswith(f".{key}") for _, each in found):
        _print_keys(found)
        return 0
    for group, pairs in groupby(found, lambda pair: pair[0]):
        _print_section(group, [each for _, each in pairs])
    return 0


def _width() -> int:
    return min(get_terminal_size().columns, MAX_WIDTH)


def _print_sections() -> None:
    """Print each section of a config with what it holds or the forms it has, and what other files have keys."""
    groups = list(key_groups())
    print("Sections of a config:\n")
    sections: dict[str, list[KeyGroup]] = {}
    for group in groups:
        if group.file == "config":
            sections.setdefault(group.title.partition(" (")[0], []).append(group)
    for name, (each, *others) in sections.items():
        forms = ", ".join(group.condition.partition(": ")[2] for group in (each, *others))
        text = f"Depends on {each.condition.partition(': ')[0]}: {forms}." if others else _paragraph(each.about)
        print(f"  {name}\n{_wrapped(text, 4)}")
    print("\nKeys of other files:\n")
    for file, of_file in groupby((each for each in groups if each.file != "config"), lambda each: each.file):
        titles = [each.title.rpartition(": ")[2] for each in of_file]
        print(f"  {FILES[file]}\n{_wrapped(', '.join(titles), 4)}")
    print(f"\n{_wrapped(HOW, 0)}")


def _print_section(group: KeyGroup, keys: Sequence[ConfigKey]) -> None:
    """Print the keys of a section, each with its default and meaning."""
    print(f"{group.title}: {_paragraph(group.about)}\n")
    for each in keys:
        default = REQUIRED if each.default == REQUIRED else f"= {each.default}"
        print(f"  {each.key} {default}\n{_wrapped(each.meaning, 4)}")
    print()


def _print_keys(found: Sequence[tuple[KeyGroup, ConfigKey]]) -> None:
    """Print everything about keys; where configs have some, the others are only named."""
    of_config = [(group, each) for group, each in found if group.file == "config"]
    for group, each in of_config or found:
        _print_key(group, each)
    others = [group.title for group, _ in found if group.file != "config"] if of_config else []
    if others:
        print(_wrapped(f"Also a key of {', '.join(others)} (metadisco config {others[0].rpartition(': ')[2]}).", 0))


def _print_key(group: KeyGroup, each: ConfigKey) -> None:
    """Print everything about a key."""
    facts = {"type": each.kind, "allowed": each.allowed, "default": each.default, "with": group.condition}
    where = "" if group.file == "config" else f" ({FILES[group.file]}: {group.title})"
    print(f"{each.key}{where}\n{_wrapped(each.meaning, 2)}")
    for name, fact in facts.items():
        if fact:
            print(textwrap.fill(f"  {name + ':':9} {fact}", _width(), subsequent_indent=12 * " "))
    print()


def _paragraph(text: str) -> str:
    """Return the first paragraph of a docstring."""
    return " ".join(text.partition("\n\n")[0].split())


def _wrapped(text: str, indent: int) -> str:
    """Return text in lines that fit the terminal."""
    return textwrap.fill(" ".join(text.split()), _width(), initial_indent=indent * " ", subsequent_indent=indent * " ")
