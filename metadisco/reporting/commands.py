"""The commands that a page about a run suggests next, and the name of the run in them."""

import os
import shlex
from pathlib import Path
from typing import Any

from metadisco.discoveries.published import is_published, located
from metadisco.discoveries.sources import Source
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
    quoted = {key: shlex.quote(word) for key, word in words.items()}
    in_package = located(source.name) != source.name
    if in_package:  # wherever that is installed
        quoted["config"] = f"\"$(python -c '{FIND}; print(FOLDER)')/{source.run.path.name}/{CONFIG}\""
    return {
        "quoted": quoted,
        "in_package": source.run.path.name if in_package else None,
        "envs": " ".join(map(shlex.quote, envs)),
        "env": shlex.quote(envs[0]) if envs else "",
        "apart": apart,
        "find": FIND,
    }


def generation_of(source: Source) -> str | None:
    """Return the generation that was named, as it was."""
    assert source.centre is not None
    _, at, generation = source.name.rpartition("@")
    named = bool(at) and generation.isdigit() and source.centre.stem == f"{int(generation):06d}"
    return generation if named else None


def folder_of(source: Source) -> Path:
    """Return the run's folder as it was named, or as seen from the working directory if that is shorter.

    The page may be sent to anybody, so it must not show paths of the machine that it was made on.
    """
    place, generation = located(source.name), generation_of(source)
    path = Path(place if generation is None else place.rpartition("@")[0])
    if not path.is_absolute():
        return path
    is_named = path == Path(source.name) or (generation is not None and f"{path}@{generation}" == source.name)
    if is_named and not path.is_relative_to(Path.cwd()):
        return path
    return Path(os.path.relpath(path))


def name_of(source: Source) -> str:
    """Return the name of a run's objective, as it was given or as seen from the working directory."""
    if not Path(source.name).is_absolute():
        return source.name
    generation = generation_of(source)
    return str(folder_of(source)) if generation is None else f"{folder_of(source)}@{generation}"
