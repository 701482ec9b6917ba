"""Figures of an evaluation."""

from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure

from metadisco.discoveries.sources import short_names
from metadisco.evaluation.comparison import as_json, filled_scores, scaled_scores
from metadisco.evaluation.evaluate import Comparison
from metadisco.evaluation.results import figure_name
from metadisco.evaluation.tables import short_envs
from metadisco.plotting.curves import curves_figure, learning_curves_figure
from metadisco.plotting.distributions import profiles_figure, returns_figure
from metadisco.plotting.intervals import intervals_figure
from metadisco.plotting.look import current
from metadisco.plotting.style import save


def comparison_figures(comparison: Comparison) -> Iterator[tuple[str, Figure]]:
    """Give the figures of an evaluation, each with its name.

    Learning curves are drawn for each environment and, of several, for all in one figure; all else in one figure each.
    Performance profiles are drawn only where all environments have a scale in common.
    """
    short = short_names(cell.objective for cell in comparison.cells)
    envs = dict.fromkeys(cell.env for cell in comparison.cells)
    called = short_envs(envs) if current().paper else {env: env for env in envs}
    seeds = f"{comparison.num_seeds} seed{'' if comparison.num_seeds == 1 else 's'}"
    where = next(iter(called.values())) if len(called) == 1 else f"{len(called)} environments"
    curves = {
        env: {
            short[cell.objective]: (cell.env_steps, cell.lives.filled) for cell in comparison.cells if cell.env == env
        }
        for env in envs
    }
    for env, each in curves.items():
        yield figure_name(env), learning_curves_figure(each, title=f"{called[env]}, {seeds}")
    if len(envs) > 1:
        together = {called[env]: each for env, each in curves.items()}
        yield "curves", curves_figure(together, title=f"Learning curves, {where}, {seeds}")
    returns = {
        called[env]: {short[cell.objective]: cell.lives.final_return for cell in comparison.cells if cell.env == env}
        for env in envs
    }
    yield "returns", returns_figure(returns, title=f"Final returns, {where}, {seeds}")
    rows = as_json(comparison.rows)
    yield "intervals", intervals_figure(rows, comparison.baseline, title=f"Estimates with 95 % intervals, {seeds}")
    filled = filled_scores(comparison.cells, comparison.random, "final_return")
    scaled = scaled_scores(filled, comparison.baseline, comparison.random)
    if scaled:
        label = f"final return (random actions 0, mean of {short[comparison.baseline]} 1)"
        profiles = {short[objective]: scores for objective, scores in scaled.items()}
        yield "profiles", profiles_figure(profiles, label=label, title=f"Performance profiles, {where}, {seeds}")


def draw_comparison(comparison: Comparison, output: Path) -> None:
    """Write the figures of an evaluation into the folder `figures` of its output, as `save` does."""
    for name, figure in comparison_figures(comparison):
        save(figure, output / "figures" / name)
