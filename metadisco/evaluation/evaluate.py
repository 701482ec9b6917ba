"""Trains contenders under several conditions on the same seeds and compares them.

Objectives are contenders where environments are the conditions; talkers are contenders where the conditions are
environments with the learner's settings and objective.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from metadisco.config import Config
from metadisco.discoveries.load import load_objective
from metadisco.discoveries.sources import Source, plain_env
from metadisco.evaluation.comparison import Cell, Row, compare
from metadisco.evaluation.control_rows import ControlRow, control_tables
from metadisco.evaluation.lifetimes import RANDOM, Lifetimes, map_over_devices, run_lifetimes, seed_keys
from metadisco.evaluation.reference import random_return
from metadisco.evaluation.tables import in_html, tables
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
    intervals have a confidence of 95 %. Where talkers are compared, they stand in place of objectives, and a victim
    with settings of its own is named behind its environment.
    """

    sources: Sequence[Source]
    """The objectives, or the talkers."""
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
    control: Sequence[ControlRow] = ()
    """Goal returns of steered learners, for each talker that steers."""
    own: Mapping[str, "OwnSettings"] = {}
    """Settings of single objectives, where these have their own."""

    def config_of(self, objective: str, env: str) -> Config:
        """Return the settings with which an objective was trained in an environment."""
        return self.own[objective].configs[env] if objective in self.own else self.configs[env]

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
        return in_html([*tables(returns, self.held_out, self.baseline), *control_tables(self.control)])


class OwnSettings(NamedTuple):
    """Settings with which one objective is trained, and no other."""

    constants: Mapping[str, Any]
    """Of the objective."""
    configs: Mapping[str, Config]
    """By environment."""


class Condition(NamedTuple):
    """Where agents are trained, and how."""

    name: str
    """In tables: the environment, followed by the name of the victim where talkers meet several."""
    env: str
    """`suite/name` of the environment."""
    config: Config
    """Settings, with this environment only."""
    made: Env
    """The environment."""
    objective: Objective | None = None
    """Objective of the agents, for contenders without one."""
    identity: Mapping[str, Any] = {}
    """Everything beside environment and config that determines the numbers, as plain data."""


class Contender(NamedTuple):
    """An objective, or a wrapper of environments, that is compared with others."""

    name: str
    identity: Mapping[str, Any]
    """Everything that determines its numbers, as plain data."""
    trained_on: frozenset[str] | None = None
    """Environments of its meta-training, without backends; None if there was none."""
    objective: Objective | None = None
    """Objective of the agents; None for that of the condition."""
    wrap: Callable[[Condition], tuple[Env | Callable[[Any], Env], Any]] = lambda condition: (condition.made, None)
    """The environment in which agents train under a condition, and its parts, as for `run_lifetimes`."""
    settings: Callable[[Condition], Config] = lambda condition: condition.config
    """Settings of its agents under a condition."""


def evaluate(
    sources: Sequence[Source],
    configs: Mapping[str, Config],
    num_seeds: int,
    baseline: str,
    output: Path,
    *,
    own: Mapping[str, OwnSettings] = {},
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
        own: settings of single objectives, by name, in place of `configs`.
        announced: called once all objectives and environments are loaded.
        progress: called after each objective in each environment.

    Raises:
        UserError: if an objective or an environment cannot be used; nothing is written then.
    """
    first = next(iter(configs.values()))
    start_jax(first.outer.num_devices, first.deterministic)
    contenders = [_contender(source, own.get(source.name)) for source in sources]
    conditions = [Condition(env, env, config, make_env(env, config)) for env, config in configs.items()]
    announced()
    cells, random = train_all(contenders, conditions, num_seeds, output, progress)
    rows = compare(cells, baseline, random)
    return Comparison(sources, configs, num_seeds, baseline, cells, random, rows, own=own)


def _contender(source: Source, own: OwnSettings | None) -> Contender:
    """Return an objective as a contender, with settings of its own if it has some."""
    identity, loaded = {"objective": source.identity}, load_objective(source.name, **(own.constants if own else {}))
    contender = Contender(source.name, identity, source.trained_on, loaded)
    if own is None:
        return contender
    return contender._replace(settings=lambda condition: own.configs[condition.name])


def make_env(env: str, config: Config) -> Env:
    """Return an environment with the settings of a config.

    Raises:
        UserError: if it is unknown, or its episodes are too long to evaluate.
    """
    return make_task(env, config.inner.env_settings, config.inner.ppo).env


def train_all(
    contenders: Sequence[Contender],
    conditions: Sequence[Condition],
    num_seeds: int,
    output: Path,
    progress: Progress = lambda done, total, last: None,
) -> tuple[list[Cell], dict[str, float]]:
    """Train agents for each contender under each condition, on the same seeds; kept cells are not trained again.

    Args:
        contenders: that are compared.
        conditions: of distinct names.
        num_seeds: lifetimes per cell.
        output: folder; its subfolder `cells` keeps finished cells.
        progress: called after each cell.

    Returns:
        The cells, and the mean return of random actions by the name of the condition.
    """
    total = len(contenders) * len(conditions)
    progress(0, total, "")
    cells: list[Cell] = []
    random = {}
    for condition in conditions:
        store, facts = CellStore(output / "cells", condition.config), {"env": condition.env, "seeds": num_seeds}
        random[condition.name] = mean_random_return(store, facts, condition.made, condition.config, num_seeds)
        for contender in contenders:
            own = condition._replace(config=contender.settings(condition))
            store = CellStore(output / "cells", own.config)
            lifetimes, kept = _train_or_load(store, facts, contender, own, num_seeds)
            trained_on, env_steps = contender.trained_on, own.config.inner.ppo.env_steps_of_updates
            held_out = None if trained_on is None else plain_env(condition.env) not in trained_on
            cells.append(Cell(contender.name, condition.name, held_out, lifetimes, env_steps))
            said = f"{contender.name} on {condition.name}{' (kept from before)' if kept else ''}"
            progress(len(cells), total, said)
    return cells, random


def mean_random_return(store: CellStore, facts: dict[str, Any], env: Env, config: Config, num_seeds: int) -> float:
    """Return the mean return of random actions."""
    kept = store.load(facts, ("random",))
    if kept is None:
        keys = seed_keys(config.seed, num_seeds, RANDOM)
        kept = {"random": np.asarray(map_over_devices(lambda key: random_return(key, env), config.outer, keys))}
        store.keep(facts, kept)
    return float(kept["random"].mean())


def _train_or_load(
    store: CellStore, facts: dict[str, Any], contender: Contender, condition: Condition, num_seeds: int
) -> tuple[Lifetimes, bool]:
    """Return the lifetimes of agents, and whether they were kept from before."""
    identity = facts | dict(condition.identity) | dict(contender.identity)
    kept = store.load(identity, Lifetimes._fields)
    if kept is not None:
        return Lifetimes(**kept), True
    objective = contender.objective or condition.objective
    assert objective is not None, "a contender or its condition has the objective"
    env, given = contender.wrap(condition)
    (lifetimes,) = run_lifetimes(objective, env, [condition.config], num_seeds, given)
    store.keep(identity, lifetimes._asdict())
    return lifetimes, False
