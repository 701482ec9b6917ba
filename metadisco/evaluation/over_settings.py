"""Trains objectives over PPO settings and judges them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from metadisco.config import Config
from metadisco.config.settings_grid import SettingsGrid
from metadisco.discoveries.load import load_objective
from metadisco.discoveries.sources import Source
from metadisco.evaluation.comparison import SCORES
from metadisco.evaluation.evaluate import Progress, make_env, mean_random_return
from metadisco.evaluation.settings_cells import Entrant, Place, SettingsCell, env_config, places, train_everywhere
from metadisco.evaluation.settings_comparison import Judgement, judge
from metadisco.evaluation.settings_tables import overall_as_json, row_as_json, settings_tables
from metadisco.evaluation.tables import in_html
from metadisco.inner.envs import Env
from metadisco.outer.devices import start_jax
from metadisco.storage.cells import CellStore

if TYPE_CHECKING:
    import pandas


class SettingsComparison(NamedTuple):
    """Results of a judgement over PPO settings, displayed in a notebook as tables; `metadisco.plot` does not draw it.

    Returns are undiscounted, intervals have a confidence of 95 %.
    """

    sources: Sequence[Source]
    """The objectives; the baseline first."""
    num_seeds: int
    """Agents per cell."""
    baseline: str
    """Name of the objective that the others are compared with."""
    cells: Sequence[SettingsCell]
    """Of the objectives and the controls in every place."""
    random: Mapping[str, float]
    """Mean return of random actions by environment."""
    judgements: Mapping[str, Judgement]
    """By score."""

    @property
    def places(self) -> list[Place]:
        """All environments, lifetimes and settings."""
        return list({cell.place.key: cell.place for cell in self.cells}.values())

    def summary(self) -> "pandas.DataFrame":
        """Return a row per objective, environment (or all) and score: numbers of cells and normalised differences."""
        import pandas as pd  # noqa: PLC0415 - takes a second

        return pd.DataFrame([overall_as_json(row) for each in self.judgements.values() for row in each.overall])

    def rows(self) -> "pandas.DataFrame":
        """Return a row per objective, environment, lifetime, setting and score, with the difference and the verdict."""
        import pandas as pd  # noqa: PLC0415 - takes a second

        return pd.DataFrame([row_as_json(row) for each in self.judgements.values() for row in each.rows])

    def __repr__(self) -> str:
        envs = ", ".join(dict.fromkeys(place.env for place in self.places))
        names = ", ".join(source.name for source in self.sources)
        return f"SettingsComparison of {names} on {envs}, {len(self.places)} places, {self.num_seeds} seeds each"

    def _repr_html_(self) -> str:
        """Return the tables of the area under the curve as HTML, for notebooks."""
        return in_html(settings_tables(self.judgements["area_under_curve"], self.baseline, self.places))


def evaluate_over(
    sources: Sequence[Source],
    envs: Sequence[str],
    grid: SettingsGrid,
    base: Mapping[str, Any],
    overrides: Mapping[str, Any],
    num_seeds: int,
    output: Path,
    *,
    announced: Callable[[Sequence[Place], int], None] = lambda places, number: None,
    progress: Progress = lambda done, total, last: None,
) -> SettingsComparison:
    """Train every objective in every environment under every setting for every lifetime, and judge.

    Args:
        sources: the objectives; the first one is the baseline.
        envs: suite/name of each.
        grid: of PPO settings.
        base: data of the config; its first environment decides how JAX starts.
        overrides: settings of all trainings by dotted key.
        num_seeds: lifetimes per cell, at least 4.
        output: folder; its subfolder `cells` keeps finished cells.
        announced: called with the places and the number of cells in each, once everything is loaded.
        progress: called after each group of cells.

    Raises:
        UserError: if an objective, an environment or settings cannot be used; nothing is trained then.
    """
    configs = {env: env_config(base, env, grid, overrides) for env in envs}
    first = next(iter(configs.values()))
    start_jax(first.outer.num_devices, first.deterministic)
    entrants = [Entrant(source.name, load_objective(source.name), source.identity) for source in sources]
    baseline = entrants[0]
    controls = [
        baseline._replace(name=f"{baseline.name}, learning rate × {factor:g}", factor=factor) for factor in grid.control
    ]
    made = {env: make_env(env, config) for env, config in configs.items()}
    where = places(base, made, grid, overrides)
    announced(where, len(entrants) + len(controls))
    random = {env: _random(env, made[env], config, num_seeds, output) for env, config in configs.items()}
    cells = train_everywhere([*entrants, *controls], where, made, num_seeds, output, progress)
    judgements = {
        score: judge(cells, baseline.name, score, random, given=grid.scale, controls=[each.name for each in controls])
        for score in SCORES
    }
    return SettingsComparison(sources, num_seeds, baseline.name, cells, random, judgements)


def _random(env: str, made: Env, config: Config, num_seeds: int, output: Path) -> float:
    store = CellStore(output / "cells", config)
    return mean_random_return(store, {"env": env, "seeds": num_seeds}, made, config, num_seeds)
