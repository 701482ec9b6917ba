"""Changing a YAML file in place: what is not changed stays as it is, byte for byte."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from metadisco.errors import UserError

from .text import compose, parse_yaml


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
        UserError: if two entries are one, by an alias, or the text is written in a way that is not understood here.
    """
    entries = compose(text)
    for key in path:
        _, entries = _child(entries, key) if entries is not None else (None, None)
    if entries is None:
        raise UserError(f"{'.'.join(path)}: not found as keys of their own; allowed: no merged sections")
    nodes = entries.value
    if len({id(node) for node in nodes}) < len(nodes):
        raise UserError(f"{'.'.join(path)}: two entries are one by an alias, so that their {name} cannot differ")
    newline = "\r\n" if "\r\n" in text else "\n"
    if not all(isinstance(node.value, list) for node in nodes):
        raise UserError(f"{'.'.join(path)}: an entry is no section of keys and values")
    splices = [_splices(node, name, section, text, newline) for node, section in zip(nodes, values, strict=True)]
    result = text
    for splice in sorted((splice for several in splices for splice in several), reverse=True):
        result = result[: splice.start] + splice.text + result[splice.start + splice.length :]
    wanted = parse_yaml(text)
    section = wanted
    for key in path:
        section = section[key]
    for entry, value in zip(section, values, strict=True):
        entry[name] = {**value}
    try:
        done = parse_yaml(result) == wanted
    except UserError:
        done = False
    if not done:
        raise UserError(
            f"{'.'.join(path)}: written in a way that {name} cannot be put into; allowed: a list of sections, "
            "each with its keys on lines of their own"
        )
    return result


def _child(node: Any, key: str) -> tuple[Any, Any]:
    """Return the nodes of a key and its value, or None for either where there is no such key."""
    return next(((name, value) for name, value in node.value if name.value == key), (None, None))


def _splices(node: Any, name: str, section: Mapping[str, Any], text: str, newline: str) -> list[Splice]:
    """Return the changes that give one entry its section: in the old one's place, or else on one line."""
    new = "{" + ", ".join(f"{key}: {json.dumps(value)}" for key, value in section.items()) + "}"
    key, old = _child(node, name)
    if old is not None:
        start, end = old.start_mark.index, old.end_mark.index
        kept = text[start:end]
        if isinstance(old.value, list) and not old.flow_style:  # of several lines, perhaps with comments between them
            children = [(_child(old, each)[1], value) for each, value in section.items()]
            return [
                Splice(child.start_mark.index, child.end_mark.index - child.start_mark.index, json.dumps(value))
                for child, value in children
                if child is not None
            ]
        if not kept:  # nothing behind the colon
            return [Splice(text.index(":", key.end_mark.index) + 1, 0, f" {new}")]
        return [Splice(start, end - start, new)]
    if node.flow_style:
        inside = text[: node.end_mark.index - 1].rstrip()
        comma = "" if inside.endswith((",", "{")) else ","
        return [Splice(len(inside), 0, f"{comma} {name}: {new}")]
    for key, value in node.value:
        if not isinstance(value.value, list):  # a key with a plain value ends where its line does
            end = text.find(newline, value.end_mark.index)
            indent = " " * key.start_mark.column
            return [Splice(end if end >= 0 else len(text), 0, f"{newline}{indent}{name}: {new}")]
    return []
