"""Trains objectives in several environments on the same seeds and compares them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from metadisco.config import Config
from metadisco.discoveries.load import load_objective
from metadisco.discoveries.sources import Source, plain_env
from metadisco.evaluation.comparison import Cell, Row, compare
from metadisco.evaluation.lifetimes import RANDOM, Lifetimes, map_over_devices, run_lifetimes, seed_keys
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
"""Called with the number done, the total and the name of the last one; with 0 done before the first."""


class Comparison(NamedTuple):
    """Results of an evaluation, displayed in a notebook as tables of final returns.

    `metadisco.plot` draws it; `seeds`, `curves` and `summary` give tidy pandas data. Returns are undiscounted,
    intervals have a confidence of 95 %.
    """

    sources: Sequence[Source]
    """The objectives."""
    configs: Mapping[str, Config]
    """Settings of the trainings, by environment."""
    num_seeds: int
    """Agents per objective and environment."""
    baseline: str
    """Name of the objective that the others are compared with."""
    cells: Sequence[Cell]
    """Results of each objective in each environment."""
    random: Mapping[str, float]
    """Mean return of random actions, by environment."""
    rows: Sequence[Row]
    """Statistics of each objective in each environment and, if there are several, over all of them."""

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
        """Return tables of the final returns as HTML, for notebooks."""
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
    """Train every objective in every environment and compare the scores; cells that were kept are not trained again.

    Args:
        sources: the objectives.
        configs: settings of the trainings, by environment; the first one decides how JAX starts.
        num_seeds: lifetimes per objective and environment.
        baseline: name of the objective that the others are compared with.
        output: folder; its subfolder `cells` keeps finished cells.
        announced: called once all objectives and environments are loaded.
        progress: called after each objective in each environment.

    Raises:
        UserError: if an objective or an environment cannot be used; nothing is written then.
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
            lifetimes, kept = _train_or_load(store, facts, source, loaded[source.name], envs[env], config, num_seeds)
            held_out = None if source.trained_on is None else plain_env(env) not in source.trained_on
            cells.append(Cell(source.name, env, held_out, lifetimes, config.inner.ppo.env_steps_of_updates))
            progress(len(cells), total, f"{source.name} on {env}{' (kept from before)' if kept else ''}")
    return Comparison(sources, configs, num_seeds, baseline, cells, random, compare(cells, baseline, random))


def _random(store: CellStore, facts: dict[str, Any], env: Env, config: Config, num_seeds: int) -> float:
    """Return the mean return of random actions."""
    kept = store.load(facts, ("random",))
    if kept is None:
        keys = seed_keys(config.seed, num_seeds, RANDOM)
        kept = {"random": np.asarray(map_over_devices(lambda key: random_return(key, env), config.outer, keys))}
        store.keep(facts, kept)
    return float(kept["random"].mean())


def _train_or_load(
    store: CellStore,
    facts: dict[str, Any],
    source: Source,
    objective: Objective,
    env: Env,
    config: Config,
    num_seeds: int,
) -> tuple[Lifetimes, bool]:
    """Return the lifetimes of agents, and whether they were kept from before."""
    identity = facts | {"objective": source.identity}
    kept = store.load(identity, Lifetimes._fields)
    if kept is not None:
        return Lifetimes(**kept), True
    (lifetimes,) = run_lifetimes(objective, env, [config], num_seeds)
    store.keep(identity, lifetimes._asdict())
    return lifetimes, False
