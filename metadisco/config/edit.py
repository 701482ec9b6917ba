"""Changing a YAML file in place: what is not changed stays as it is, byte for byte."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from metadisco.errors import UserError

from .text import compose


class Splice(NamedTuple):
    """A piece of text to put in another's place."""

    start: int
    length: int
    text: str


def set_in_entries(text: str, path: Sequence[str], name: str, values: Sequence[Mapping[str, Any]]) -> str:
    """Return YAML text in which every entry of a list of sections has a section `name` of values.

    Args:
        text: valid YAML.
        path: keys from the top down to the list.
        name: key of the section; replaced where it is there.
        values: one section of plain values per entry.

    Raises:
        UserError: if two entries are one, by an alias, or there is no place for the section.
    """
    entries = compose(text)
    for key in path:
        _, entries = _child(entries, key)
    nodes = entries.value
    if len({id(node) for node in nodes}) < len(nodes):
        raise UserError(f"{'.'.join(path)}: two entries are one by an alias, so that their {name} cannot differ")
    newline = "\r\n" if "\r\n" in text else "\n"
    splices = [_splice(node, name, section, text, newline) for node, section in zip(nodes, values, strict=True)]
    for splice in sorted(splices, reverse=True):
        text = text[: splice.start] + splice.text + text[splice.start + splice.length :]
    return text


def _child(node: Any, key: str) -> tuple[Any, Any]:
    """Return the nodes of a key and its value, or None for either where there is no such key."""
    return next(((name, value) for name, value in node.value if name.value == key), (None, None))


def _splice(node: Any, name: str, section: Mapping[str, Any], text: str, newline: str) -> Splice:
    """Return the change that gives one entry its section, on one line."""
    new = "{" + ", ".join(f"{key}: {json.dumps(value)}" for key, value in section.items()) + "}"
    key, old = _child(node, name)
    if old is not None:
        start, end = old.start_mark.index, old.end_mark.index
        kept = text[start:end]
        if isinstance(old.value, list) and not old.flow_style:  # of several lines, up to the next key
            tail = len(kept) - len(kept.rstrip())
            return Splice(start, end - start - tail, new)
        if not kept:  # nothing behind the colon
            return Splice(text.index(":", key.end_mark.index) + 1, 0, f" {new}")
        return Splice(start, end - start, new)
    if node.flow_style:
        return Splice(node.end_mark.index - 1, 0, f", {name}: {new}")
    for key, value in node.value:
        if not isinstance(value.value, list):  # a key with a plain value ends where its line does
            end = text.find(newline, value.end_mark.index)
            indent = " " * key.start_mark.column
            return Splice(end if end >= 0 else len(text), 0, f"{newline}{indent}{name}: {new}")
    raise UserError(f"no line found to write {name} behind; written by hand it is {name}: {new}")
