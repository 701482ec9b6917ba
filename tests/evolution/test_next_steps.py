"""What to do with a finished run: every command is one that exists and names the run."""

import shlex
from pathlib import Path

import pytest

from metadisco.commands.evaluate.families import family_of
from metadisco.commands.options import make_parser
from metadisco.config import parse_config
from metadisco.evolution.next_steps import next_steps

CONFIGS = {
    "objective_discovery": ({}, ["plot", "evaluate", "export", "report"]),
    "schedules": ({"parametrisation": {"name": "schedules"}}, ["plot", "evaluate", "export", "report"]),
    "opponent_shaping": ({"problem": {"name": "opponent_shaping"}}, ["plot", "evaluate", "export", "report"]),
    "cheap_talk": ({"problem": {"name": "cheap_talk"}}, ["plot", "evaluate", "export", "report"]),
    "a game without a name": (
        {"problem": {"name": "opponent_shaping", "game": {"payoffs": {"own": [1, 2, 3, 4], "other": [1, 3, 2, 4]}}}},
        ["plot", "export", "report"],
    ),
    "your own": ({"problem": {"name": "my.module:Mine"}}, ["plot", "report"]),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_every_command_is_one_that_the_parser_takes(name):
    data, commands = CONFIGS[name]
    given = [shlex.split(command) for _, command in next_steps(parse_config(data), Path("my runs/first"))]
    assert [words[:2] for words in given] == [["metadisco", command] for command in commands]
    for _, *words in given:
        options = make_parser().parse_args(words)
        assert any("my runs/first" in word for word in words)
        if options.command == "evaluate":
            family_of(vars(options))  # which refuses options that do not belong together


def test_losses_that_have_no_source_are_exported_as_an_artefact():
    steps = dict(next_steps(parse_config(CONFIGS["schedules"][0]), Path("runs/first")))
    assert steps["to use it elsewhere"] == "metadisco export runs/first --to artefact --output runs/first.zip"
