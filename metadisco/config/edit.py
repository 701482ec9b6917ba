"""Editing a YAML file in place: comments, order and quotes are preserved."""

import functools
import operator
from collections.abc import Mapping, Sequence
from typing import Any

from metadisco.errors import UserError

from .text import Layout, parse_yaml


def set_in_entries(text: str, path: Sequence[str], name: str, values: Sequence[Mapping[str, Any]]) -> str:
    """Return YAML text in which every entry of a list of sections has a section `name` with the given values.

    Args:
        text: valid YAML.
        path: keys that lead from the root to the list.
        name: key of the section; an existing section is replaced.
        values: one section of plain values per entry.

    Raises:
        UserError: if two entries are the same object through an alias, or the layout of the text is not supported.
    """
    where, layout, wanted = ".".join(path), Layout(text), parse_yaml(text)
    entries, plain_entries = (functools.reduce(operator.getitem, path, data) for data in (layout.data, wanted))
    if len({id(entry) for entry in entries}) < len(entries):
        raise UserError(f"{where}: two entries share one YAML alias, so their {name} cannot differ")
    if not all(isinstance(entry, dict) for entry in entries):
        raise UserError(f"{where}: an entry is not a section of keys and values")
    for entry, plain, section in zip(entries, plain_entries, values, strict=True):
        layout.put(entry, name, section)
        plain[name] = {**section}
    result = layout.text()
    if parse_yaml(result) != wanted:
        raise UserError(f"{where}: cannot insert {name} into this YAML layout; allowed: a plain list of sections")
    return result
