"""Changing a YAML file: comments, order and quotes stay."""

import functools
import operator
from collections.abc import Mapping, Sequence
from typing import Any

from metadisco.errors import UserError

from .text import Layout, parse_yaml


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
    where, layout, wanted = ".".join(path), Layout(text), parse_yaml(text)
    entries, plain_entries = (functools.reduce(operator.getitem, path, data) for data in (layout.data, wanted))
    if len({id(entry) for entry in entries}) < len(entries):
        raise UserError(f"{where}: two entries are one by an alias, so that their {name} cannot differ")
    if not all(isinstance(entry, dict) for entry in entries):
        raise UserError(f"{where}: an entry is no section of keys and values")
    for entry, plain, section in zip(entries, plain_entries, values, strict=True):
        layout.put(entry, name, section)
        plain[name] = {**section}
    result = layout.text()
    if parse_yaml(result) != wanted:
        raise UserError(f"{where}: written in a way that {name} cannot be put into; allowed: a plain list of sections")
    return result
