"""Evolved schedules of PPO's settings, compared with tuned constants and a tuned linear decay at equal budgets.

    for task in cartpole acrobot; do
      metadisco evolve experiments/schedules/$task.yaml --run runs/schedules/$task
      metadisco tune experiments/tuning/constants_$task.yaml --output runs/schedules/${task}_constants
      metadisco tune experiments/tuning/constants_$task.yaml inner.ppo.anneal_learning_rate=true \
        --output runs/schedules/${task}_decay
    done
    python analysis/schedules.py runs/schedules --seeds 128

The last makes all tables of `schedules.md`. `--quick` tries the script on a few short lifetimes.
"""

from functools import partial
from pathlib import Path
from typing import NamedTuple

from sections import make_page, parsed, parser_of
from summary import markdown_table

import metadisco
from metadisco.evaluation.digits import decimals_of, interval, to_digits
from metadisco.evaluation.lifetimes import Lifetimes
from metadisco.evaluation.statistics import half_width, paired_difference

TASKS = ("cartpole", "acrobot")
SEED = 4_000_000  # of agents that no search, no tuning and no other study trained


class Entrant(NamedTuple):
    """An objective and the settings at which it is judged."""

    objective: str
    config: str


def entrants(runs: Path, task: str) -> dict[str, Entrant]:
    """Return all entrants by label, that with which the others are compared first."""
    search, constants, decay = (runs / f"{task}{suffix}" for suffix in ("", "_constants", "_decay"))
    return {
        "tuned constants": Entrant(str(constants / "objective"), str(constants / "best.yaml")),
        "tuned linear decay": Entrant(str(decay / "objective"), str(decay / "best.yaml")),
        "evolved schedule": Entrant(str(search), str(search)),
        "constants of the search": Entrant("ppo", str(search)),
    }


def judged(runs: Path, task: str, num_seeds: int, quick: bool) -> str:
    """Train all entrants on the same seeds; return a table."""
    overrides = {"seed": SEED, **({"inner.ppo.num_env_steps": 1024} if quick else {})}
    trained: dict[str, Lifetimes] = {}
    for label, (objective, config) in entrants(runs, task).items():
        (each,) = metadisco.train_agents(objective, None, num_seeds, config=config, overrides=overrides, progress=False)
        trained[label] = each.lifetimes
    base, *_ = trained.values()
    headings = [
        "",
        "averaged over training",
        "minus tuned constants [95 %]",
        "final return",
        "minus tuned constants [95 %]",
    ]
    return markdown_table(headings, [[label, *_row(each, base)] for label, each in trained.items()])


def _row(ours: Lifetimes, base: Lifetimes) -> list[str]:
    """Return two means, each with its difference from the other's."""
    cells = []
    for score in ("area_under_curve", "final_return"):
        found, theirs = getattr(ours, score), getattr(base, score)
        mean = to_digits(float(found.mean()), decimals_of(half_width(found)))
        cells += [mean, "" if ours is base else interval(*paired_difference(found, theirs), signed=True)]
    return cells


def main() -> None:
    """Make the tables, and fill the page in."""
    parser = parser_of(__file__, __doc__, list(TASKS))
    parser.add_argument("runs", type=Path, help="folder of the searches")
    options = parsed(parser)
    given = {"num_seeds": options.seeds, "quick": options.quick}
    make_page(parser, options, {task: partial(judged, options.runs, task, **given) for task in TASKS})


if __name__ == "__main__":
    main()
