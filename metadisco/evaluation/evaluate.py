"""Objectives trained in several environments on the same seeds, and compared."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from metadisco.config import Config
from metadisco.discoveries.load import load_objective
from metadisco.discoveries.sources import Source, plain_env
from metadisco.evaluation.comparison import Cell, Row, compare
from metadisco.evaluation.lives import RANDOM, Lives, live, seed_keys, train_lives
from metadisco.evaluation.reference import random_return
from metadisco.evaluation.tables import html
from metadisco.evaluation.tidy import curves_frame, seeds_frame, summary_frame
from metadisco.inner.envs import Env
from metadisco.outer.devices import start_jax
from metadisco.problems import make_task
from metadisco.storage.cells import CellStore
from metadisco.types import Objective

if TYPE_CHECKING:
    import pandas

Progress: TypeAlias = Callable[[int, int, str], None]
"""Told how many are done, of how many, and what the last one was; of none before the first."""


class Comparison(NamedTuple):
    """What an evaluation found; in a notebook it shows as tables of final returns.

    `metadisco.plot` draws it, and `seeds`, `curves` and `summary` give tidy pandas data. Returns are undiscounted, and
    intervals 95 %.
    """

    sources: Sequence[Source]
    """The objectives."""
    configs: Mapping[str, Config]
    """Settings of the trainings, by environment."""
    num_seeds: int
    """Agents per objective and environment."""
    baseline: str
    """What is compared with."""
    cells: Sequence[Cell]
    """How the agents of each objective fared in each environment."""
    random: Mapping[str, float]
    """Mean return of random actions, by environment."""
    rows: Sequence[Row]
    """How the objectives compare, in each environment and, where there are several, over all of them."""

    @property
    def held_out(self) -> dict[tuple[str, str], bool | None]:
        """By objective and environment, as `Cell` has it."""
        return {(cell.objective, cell.env): cell.held_out for cell in self.cells}

    def seeds(self) -> "pandas.DataFrame":
        """Return a row per objective, environment and seed, as `seeds_frame` does."""
        return seeds_frame(self.cells)

    def curves(self) -> "pandas.DataFrame":
        """Return a row per objective, environment, seed and update, as `curves_frame` does."""
        return curves_frame(self.cells)

    def summary(self) -> "pandas.DataFrame":
        """Return a row per objective, environment and score, as `summary_frame` does."""
        return summary_frame(self.rows)

    def __repr__(self) -> str:
        objectives, envs = (list(dict.fromkeys(names)) for names in zip(*self.held_out, strict=True))
        return f"Comparison of {', '.join(objectives)} on {', '.join(envs)}, {self.num_seeds} seeds each"

    def _repr_html_(self) -> str:
        """Return tables of the final returns, as a notebook shows them."""
        returns = [row for row in self.rows if row.score == "final_return"]
        return html(returns, self.held_out, self.baseline)


def evaluate(
    sources: Sequence[Source],
    configs: Mapping[str, Config],
    num_seeds: int,
    baseline: str,
    output: Path,
    *,
    announced: Callable[[], None] = lambda: None,
    progress: Progress = lambda done, total, last: None,
) -> Comparison:
    """Train every objective in every environment, except for what is kept from before; compare what came out.

    Args:
        sources: the objectives.
        configs: settings of the trainings, by environment; the first one says how JAX starts.
        num_seeds: lives per objective and environment.
        baseline: name of the objective that the others are compared with.
        output: folder, in which `cells` keeps what was trained.
        announced: called once all that the trainings need is there.
        progress: told of each objective in each environment.

    Raises:
        UserError: if an objective or an environment cannot be used; nothing was written then.
    """
    first = next(iter(configs.values()))
    start_jax(first.outer.num_devices, first.deterministic)
    loaded = {source.name: load_objective(source.name) for source in sources}
    envs = {env: make_task(env, config.inner.env_settings, config.inner.ppo).env for env, config in configs.items()}
    announced()
    total = len(sources) * len(configs)
    progress(0, total, "")
    cells: list[Cell] = []
    random = {}
    for env, config in configs.items():
        store, facts = CellStore(output / "cells", config), {"env": env, "seeds": num_seeds}
        random[env] = _random(store, facts, envs[env], config, num_seeds)
        for source in sources:
            lives, kept = _lives(store, facts, source, loaded[source.name], envs[env], config, num_seeds)
            held_out = None if source.trained_on is None else plain_env(env) not in source.trained_on
            cells.append(Cell(source.name, env, held_out, lives, config.inner.ppo.env_steps_of_updates))
            progress(len(cells), total, f"{source.name} on {env}{' (kept from before)' if kept else ''}")
    return Comparison(sources, configs, num_seeds, baseline, cells, random, compare(cells, baseline, random))


def _random(store: CellStore, facts: dict[str, Any], env: Env, config: Config, num_seeds: int) -> float:
    """Return the mean return of random actions."""
    kept = store.load(facts, ("random",))
    if kept is None:
        keys = seed_keys(config.seed, num_seeds, RANDOM)
        kept = {"random": np.asarray(live(lambda key: random_return(key, env), config.outer, keys))}
        store.keep(facts, kept)
    return float(kept["random"].mean())


def _lives(
    store: CellStore,
    facts: dict[str, Any],
    source: Source,
    objective: Objective,
    env: Env,
    config: Config,
    num_seeds: int,
) -> tuple[Lives, bool]:
    """Return how agents fared, and whether that was kept from before."""
    identity = facts | {"objective": source.identity}
    kept = store.load(identity, Lives._fields)
    if kept is not None:
        return Lives(**kept), True
    (lives,) = train_lives(objective, env, [config], num_seeds)
    store.keep(identity, lives._asdict())
    return lives, False
