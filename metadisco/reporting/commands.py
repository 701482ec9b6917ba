"""The commands that a page about a run suggests next, and the name of the run in them."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metadisco.discoveries.published import is_published, located
from metadisco.discoveries.sources import Source
from metadisco.reporting.paths import shown
from metadisco.storage.runs import CONFIG

FIND = "from metadisco.discoveries.published import FOLDER"


def commands_for(source: Source) -> dict[str, Any]:
    """Return the words of commands, quoted for a shell, and where what they write is not found without a word."""
    assert source.run is not None and source.config is not None
    envs = list(dict.fromkeys(task.env for task in source.config.tasks))
    apart = is_published(source.run.path) or generation_of(source) is not None
    place = f"{source.short_name}_" if apart else f"{folder_of(source)}/"
    paths = {"evaluation": f"{place}evaluation", "distilled": f"{place}distilled"}
    words = {"objective": name_of(source), "config": str(folder_of(source) / CONFIG), **paths}
    if is_published(source.run.path):  # settings go by its name, too
        words["config"] = source.run.path.name
    quoted = {key: shlex.quote(word) for key, word in words.items()}
    return {
        "quoted": quoted,
        "in_package": source.run.path.name if located(source.name) != source.name else None,
        "envs": " ".join(map(shlex.quote, envs)),
        "env": shlex.quote(envs[0]) if envs else "",
        "apart": apart,
        "find": FIND,
        "compare": compare_command(source, quoted),
    }


def compare_command(source: Source, quoted: Mapping[str, str]) -> str:
    """Return the command that compares a discovery, in lines; empty where nothing does.

    Args:
        source: the discovery.
        quoted: its name, its config and the output of the command.
    """
    assert source.config is not None
    envs = " ".join(shlex.quote(env) for env in dict.fromkeys(task.env for task in source.config.tasks))
    mine, end = quoted["objective"], f"--output {quoted['evaluation']}"
    problem = source.config.problem
    if source.is_objective:
        parts = [f"--objectives ppo {mine}", f"--envs {envs} --seeds 64", f"--config {quoted['config']}", end]
    elif problem["name"] == "cheap_talk":
        parts = [
            f"--talkers random:0 scrambled:{mine} {mine}", f"--envs {envs}", f"--config {quoted['config']}", end
        ]  # fmt: skip
    elif problem["name"] == "opponent_shaping" and isinstance(problem.get("game"), str):
        named = [each for each in problem.get("opponents") or () if isinstance(each, str)]
        against = " ".join(map(shlex.quote, named or ["naive"]))
        parts = [f"--players {mine} best_static naive", f"--opponents {against} --games {problem['game']}", end]
    else:
        return ""
    return " \\\n  ".join(["metadisco evaluate", *parts])


def generation_of(source: Source) -> str | None:
    """Return the generation that was named, as it was."""
    assert source.centre is not None
    _, at, generation = source.name.rpartition("@")
    named = bool(at) and generation.isdigit() and source.centre.stem == f"{int(generation):06d}"
    return generation if named else None


def folder_of(source: Source) -> Path:
    """Return the run's folder as the page shows it, which may be sent to anybody."""
    place, generation = located(source.name), generation_of(source)
    assert source.run is not None
    return shown(Path(place if generation is None else place.rpartition("@")[0]), source.run.path)


def name_of(source: Source) -> str:
    """Return the name of a run's objective, as it was given or as the page shows its folder."""
    if not Path(source.name).is_absolute():
        return source.name
    generation = generation_of(source)
    return str(folder_of(source)) if generation is None else f"{folder_of(source)}@{generation}"
