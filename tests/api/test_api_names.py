"""The public names: all are used in the typed example, and `help` describes each on one screen."""

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
"""The line of `help` after which the members follow that tuples, dataclasses and exceptions inherit."""


def test_the_typed_example_uses_each_name():
    tree = ast.parse(Path(__file__).with_name("typed_use.py").read_text(encoding="utf-8"))
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert used >= set(NAMES)


def described(name: str) -> str:
    """Return the text of `help` on a name, without inherited members."""
    text = pydoc.plain(pydoc.render_doc(getattr(metadisco, name)))
    return re.split(INHERITED, text, maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SETTINGS])
def test_help_fits_a_screen(name):
    lines = described(name).splitlines()
    assert 4 < sum(1 + len(line) // COLUMNS for line in lines) <= LINES


@pytest.mark.parametrize("name", NAMES)
def test_help_describes_the_default_of_every_optional_argument(name):
    thing = getattr(metadisco, name)
    if inspect.isclass(thing):
        return
    for argument in inspect.signature(thing).parameters.values():
        if argument.default is None and argument.name != "overrides":
            (meaning,) = re.findall(rf"^ +{argument.name}: (.*(?:\n {{12,}}.*)*)", f"{thing.__doc__}", re.MULTILINE)
            assert "left out" in meaning or "by default" in meaning, (argument.name, meaning)
