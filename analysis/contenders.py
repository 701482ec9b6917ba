"""What a discovery is compared with, beside closed objectives: where its search began, and what no search found."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax

from metadisco.cli import main as metadisco
from metadisco.export.arrays import to_arrays
from metadisco.export.load import load_centre
from metadisco.runs import RunDirectory
from metadisco.types import MetaParams

SEED = 20_261_127


class Closed(NamedTuple):
    """A closed objective as a study calls it."""

    label: str
    name: str
    settings: tuple[str, ...] = ()
    """Its constants, as words KEY=VALUE."""


def closed_objective(closed: Closed, folder: Path) -> str:
    """Return by what name a closed objective can be loaded: its own, or with constants the path of an artefact."""
    if not closed.settings:
        return closed.name
    path = folder / closed.label
    words = ["export", closed.name, *closed.settings, "--to", "artefact", "--output", str(path), "--quiet"]
    if metadisco(words) != 0:
        raise SystemExit(2)
    return str(path)


def random_members(run: RunDirectory, number: int, folder: Path) -> list[str]:
    """Return the paths of members as the first generation of a search has them: its start and noise of its std.

    Args:
        run: of which the first centre is kept.
        number: of members.
        folder: where each becomes a run without metrics.
    """
    config = run.config()
    _, start = load_centre(f"{run.path}@0")
    paths = []
    for index, key in enumerate(jax.random.split(jax.random.key(SEED), number), 1):
        member = RunDirectory(folder / f"random_{index}")
        member.create(config)
        member.write_centre(0, to_arrays(_perturbed(start, key, config.outer.strategy.std or 0.0)))
        paths.append(str(member.path))
    return paths


def _perturbed(start: MetaParams, key: jax.Array, std: float) -> MetaParams:
    leaves, structure = jax.tree.flatten(start)
    keys: Sequence[jax.Array] = list(jax.random.split(key, len(leaves)))
    noisy = [leaf + std * jax.random.normal(each, leaf.shape) for leaf, each in zip(leaves, keys, strict=True)]
    return jax.tree.unflatten(structure, noisy)
