"""`help` of the settings: every field with its default and its meaning, on one screen."""

import dataclasses
import inspect
import pydoc
import re

import pytest

import metadisco
from metadisco.config import PPOConfig

SETTINGS = [metadisco.PPOConfig, metadisco.OuterConfig, metadisco.StrategyConfig, metadisco.Config, metadisco.LPODrift]
MOST_LINES, MOST_CHARACTERS = 60, 700


def shown(cls: type) -> list[str]:
    """Return the lines of `help` down to the methods."""
    lines = pydoc.plain(pydoc.render_doc(cls)).split("\n")
    return lines[: next(place for place, line in enumerate(lines) if "Methods defined here" in line)]


@pytest.mark.parametrize("cls", SETTINGS, ids=lambda cls: cls.__name__)
class TestHelp:
    def test_every_field_stands_there_with_its_meaning(self, cls):
        text = "\n".join(shown(cls))
        for field in dataclasses.fields(cls):
            assert re.search(rf"^ \|      {field.name}( = .+)?: \S", text, re.MULTILINE), field.name

    def test_it_fits_on_a_screen(self, cls):
        assert len(shown(cls)) <= MOST_LINES
        assert len(str(inspect.signature(cls))) <= MOST_CHARACTERS

    def test_the_signature_has_every_field(self, cls):
        assert [*inspect.signature(cls).parameters] == [field.name for field in dataclasses.fields(cls)]


def test_a_field_is_shown_with_its_default_and_its_choices():
    text = " ".join((PPOConfig.__doc__ or "").split())
    assert "gamma = 0.99: Discount factor per environment step." in text
    assert "Choices: tanh, relu, swish." in text
    assert "inner = InnerConfig(): The inner loop" in (metadisco.Config.__doc__ or "")
