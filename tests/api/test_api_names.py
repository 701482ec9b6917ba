"""The public names: their types are used as users use them, and `help` says what each is on one screen."""

import ast
import inspect
import pydoc
import re
from pathlib import Path

import pytest

import metadisco

NAMES = sorted(set(metadisco.__all__) - {"__version__"})
SETTINGS = ("Config", "OuterConfig", "PPOConfig", "StrategyConfig")
LINES, COLUMNS = 60, 100
INHERITED = r"^ \|  (Method resolution order|Methods defined here|Data descriptors defined here|Methods inherited)"
"""Where `help` of a class begins to list what tuples, dataclasses and exceptions have by themselves."""


def test_each_name_is_in_what_mypy_checks():
    tree = ast.parse(Path(__file__).with_name("typed_use.py").read_text(encoding="utf-8"))
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert used >= set(NAMES)


def described(name: str) -> str:
    """Return what `help` shows of a name, without what a class inherits."""
    text = pydoc.plain(pydoc.render_doc(getattr(metadisco, name)))
    return re.split(INHERITED, text, maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SETTINGS])
def test_help_fits_a_screen(name):
    lines = described(name).splitlines()
    assert 4 < sum(1 + len(line) // COLUMNS for line in lines) <= LINES


@pytest.mark.parametrize("name", NAMES)
def test_help_says_what_is_meant_by_every_argument_that_may_be_left_out(name):
    thing = getattr(metadisco, name)
    if inspect.isclass(thing):
        return
    for argument in inspect.signature(thing).parameters.values():
        if argument.default is None and argument.name != "overrides":
            (said,) = re.findall(rf"^ +{argument.name}: (.*(?:\n {{12,}}.*)*)", f"{thing.__doc__}", re.MULTILINE)
            assert "left out" in said, (argument.name, said)
