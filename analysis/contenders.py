"""Objectives that a discovery is compared with, besides closed ones: the start of its search, and random members."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax

from metadisco.discoveries.load import load_centre
from metadisco.discoveries.save import save_artefact
from metadisco.discoveries.sources import find_source
from metadisco.outer.devices import start_jax
from metadisco.outer.strategy import make_strategy
from metadisco.storage.arrays import to_arrays
from metadisco.storage.runs import RunDirectory

SEED = 20_261_127


class Closed(NamedTuple):
    """A closed objective as a study calls it."""

    label: str
    name: str
    settings: Mapping[str, Any] = {}
    """Constants that are not at their defaults."""


def closed_objective(closed: Closed, folder: Path) -> str:
    """Return the name by which a closed objective can be loaded: its own, or with constants the path of an artefact."""
    if not closed.settings:
        return closed.name
    path = folder / closed.label
    start_jax(None)
    save_artefact(find_source(closed.name, closed.settings), path, force=True)
    return str(path)


def random_members(run: RunDirectory, number: int, folder: Path) -> list[str]:
    """Return the paths of members of a first generation, as the search itself samples one around its start.

    Args:
        run: of which the first centre is kept.
        number: of members.
        folder: where each becomes a run without metrics.
    """
    config = run.config()
    _, start = load_centre(f"{run.path}@0")
    strategy = make_strategy(config.outer.strategy, start)
    key_init, key_ask = jax.random.split(jax.random.key(SEED))
    population, _ = strategy.ask(key_ask, strategy.init(key_init, start))
    paths = []
    for index in range(min(number, config.outer.strategy.population_size // 2)):
        # Where members come in mirrored pairs the second half mirrors the first.
        member = RunDirectory(folder / f"random_{index + 1}")
        member.create(config)
        member.write_centre(0, to_arrays(jax.tree.map(lambda leaf, index=index: leaf[index], population)))
        paths.append(str(member.path))
    return paths
