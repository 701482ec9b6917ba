"""Configuration as text: YAML files and KEY=VALUE overrides."""

import datetime
import io
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError
from ruamel.yaml.util import load_yaml_guess_indent

from metadisco.errors import UserError


def _yaml() -> YAML:
    """Return a reader and writer of YAML 1.2, in which 5e5 is a number and `no` is a string."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    return yaml


_NOT_YAML = (YAMLError, ValueError, TypeError, RecursionError)
"""Exceptions of ruamel for invalid text: invalid dates and numbers, infinite nesting."""


def _load(text: str) -> Any:
    """Read YAML as sections, lists, numbers and text; dates become text, self-references are errors."""
    return _plain(_yaml().load(text))


def _plain(data: Any) -> Any:
    """Copy loaded YAML, with dates as text; a cycle raises a RecursionError."""
    if isinstance(data, Mapping):
        for key in data:
            if not isinstance(key, str):
                raise ValueError(f"got the key {key!r}, allowed: text")
        return {key: _plain(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_plain(value) for value in data]
    if isinstance(data, bytes | set):
        raise ValueError(f"got {data!r}, allowed: sections, lists, numbers, text, true, false and null")
    return str(data) if isinstance(data, datetime.date) else data


def parse_yaml(text: str, what: str = "text") -> Any:
    """Read YAML.

    Args:
        text: the YAML.
        what: a description of it for messages.

    Raises:
        UserError: if it is not valid YAML.
    """
    try:
        return _load(text)
    except _NOT_YAML as error:
        raise UserError(f"{what} is not valid YAML: {' '.join(str(error).split())}") from error


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a mapping from a YAML file.

    Raises:
        UserError: if the file cannot be read, is not YAML, or is not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UserError(f"cannot read config {str(path)!r}: {reason}") from error
    data = parse_yaml(text, f"config {str(path)!r}")
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise UserError(f"config {str(path)!r}: got {type(data).__name__}, allowed: a mapping of keys to values")
    return data


class Layout:
    """Editable YAML text. Comments, order and quotes are preserved by ruamel's round-trip mode.

    Attributes:
        data: the parsed text, which `put` modifies.
    """

    def __init__(self, text: str):
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._yaml = YAML(pure=True)
        self._yaml.preserve_quotes = True
        self._yaml.width = 2**31
        self._yaml.representer.add_representer(
            type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
        )
        lines = text.replace("\r\n", "\n")
        self.data, indent, offset = load_yaml_guess_indent(lines, yaml=self._yaml)
        first = re.search(r"^( +)[\w'\"]", lines, re.MULTILINE)
        self._yaml.indent(mapping=len(first[1]) if first else 2, sequence=indent or 2, offset=offset or 0)

    def put(self, section: Any, name: str, values: Mapping[str, Any]) -> None:
        """Set a key of a section to a section of plain values, or update the section that is already there."""
        old = section.get(name)
        if isinstance(old, dict):
            old.update(values)
            return
        new = CommentedMap(values)
        new.fa.set_flow_style()
        if name in section:
            section[name] = new
        else:
            # Not at the end: the comment after the last key usually belongs to the next section.
            section.insert(min(1, len(section)), name, new)

    def text(self) -> str:
        """Return the text."""
        stream = io.StringIO()
        self._yaml.dump(self.data, stream)
        return stream.getvalue().replace("\n", self._newline)


def write_yaml(data: Mapping[str, Any]) -> str:
    """Return `data` as YAML text, with the order of keys preserved."""
    stream = io.StringIO()
    _yaml().dump(dict(data), stream)
    return stream.getvalue()


def parse_override(word: str) -> tuple[str, Any]:
    """Split `KEY=VALUE` and parse the value as YAML.

    Raises:
        UserError: if there is no `=`, or the value is not valid YAML.
    """
    key, separator, value = word.partition("=")
    if not separator or not key:
        raise UserError(f"got {word!r}, allowed: KEY=VALUE such as outer.num_generations=8")
    try:
        return key, _load(value)
    except _NOT_YAML as error:
        raise UserError(f"{key}: got {value!r}, which is not a YAML value") from error


def apply_overrides(data: Mapping[str, Any], overrides: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return `data` with dotted keys set; a number is an index into a list. The arguments are not modified.

    Raises:
        UserError: if a dotted key passes through a value that is not a section, or exceeds a list.
    """
    result: dict[str, Any] = _copy(data)
    for dotted, value in overrides:
        *path, last = dotted.split(".")
        section: Any = result
        for depth, name in enumerate(path):
            section = _child(section, name, dotted, ".".join(path[: depth + 1]))
        if isinstance(section, list):
            section[_place(section, last, dotted)] = _copy(value)
        else:
            section[last] = _copy(value)
    return result


def _child(section: Any, name: str, dotted: str, so_far: str) -> Any:
    """Return the section or list called `name`; a missing section is created."""
    child = section[_place(section, name, dotted)] if isinstance(section, list) else section.setdefault(name, {})
    if not isinstance(child, dict | list):
        raise UserError(f"{dotted}: {so_far} is a value, not a section")
    return child


def _place(section: list[Any], name: str, dotted: str) -> int:
    """Parse a part of a dotted key as an index into a list."""
    if not (name.isascii() and name.isdecimal() and len(name) < 10 and int(name) < len(section)):
        raise UserError(f"{dotted}: got {name!r}, allowed: an index from 0 into a list of {len(section)}")
    return int(name)


def _copy(data: Any) -> Any:
    """Copy sections and lists, but not the values in them."""
    if isinstance(data, Mapping):
        return {key: _copy(value) for key, value in data.items()}
    return [_copy(value) for value in data] if isinstance(data, list) else data


def flatten(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested sections into a mapping of dotted keys; empty sections and lists of values are kept as values."""
    flat: dict[str, Any] = {}
    for key, value in data.items():
        name = f"{prefix}{key}"
        sections = isinstance(value, list) and all(isinstance(item, Mapping) for item in value)
        child = {str(place): item for place, item in enumerate(value)} if sections else value
        if isinstance(child, Mapping) and child:
            flat.update(flatten(child, f"{name}."))
        else:
            flat[name] = value
    return flat
