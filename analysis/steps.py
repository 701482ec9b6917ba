"""The steps of a study: figures, closed forms and comparisons, each as made by the command of that name."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from metadisco.config.grid import config_at, one_environment
from metadisco.discoveries.sources import find_source
from metadisco.distillation.distil import distil
from metadisco.evaluation.announce import announce
from metadisco.evaluation.evaluate import evaluate
from metadisco.evaluation.results import FILE, write_results
from metadisco.evaluation.settings import settings_for, settings_named
from metadisco.plotting.comparison import draw_comparison
from metadisco.plotting.objective import draw_objective

FRESH = 1_000_000  # seed of agents that no search trained


def say(text: str) -> None:
    """Print the current step."""
    print(text, file=sys.stderr)


def tell(done: int, total: int, last: str) -> None:
    """Tell how much of something is done."""
    if done:
        say(f"{done}/{total}  {last}")


def draw(name: str, env: str, config_name: Path | None, output: Path) -> None:
    """Draw all figures of an objective."""
    source = find_source(name)
    env, config, settings = settings_for(source, env, config_name, {})
    announced = partial(announce, say, settings.origin, [source], [config], {})
    for file in draw_objective(source, config, env, output, say=say, announced=announced):
        say(f"wrote {file}.png and .svg")


def find_forms(name: str, env: str, config_name: Path | None, output: Path) -> None:
    """Find closed forms of an objective."""
    source = find_source(name)
    env, config, settings = settings_for(source, env, config_name, {})
    announced = partial(announce, say, settings.origin, [source], [config], {})
    distil(source, config, env, output, say=say, announced=announced, progress=tell)


def compare(names: Sequence[str], envs: Sequence[str], config_name: Path | None, num_seeds: int, output: Path) -> Path:
    """Compare objectives, the first one being the baseline, on fresh agents; return the file of the results."""
    sources, (base, origin) = [find_source(name) for name in names], settings_named(config_name)
    configs = {env: config_at(one_environment(base, env), {"seed": FRESH}) for env in envs}
    announced = partial(announce, say, origin, sources, list(configs.values()), ["seed"])
    found = evaluate(sources, configs, num_seeds, names[0], output, announced=announced, progress=tell)
    write_results(found, output, origin)
    draw_comparison(found, output)
    return output / FILE
