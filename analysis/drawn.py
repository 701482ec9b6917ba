"""What a drift of ten numbers is worth that was evolved under settings drawn at random.

    metadisco reference experiments/lpo_drift/drawn.yaml
    metadisco evolve experiments/lpo_drift/drawn.yaml --run runs/drawn_0
    metadisco evolve experiments/lpo_drift/drawn.yaml seed=1 --run runs/drawn_1
    python analysis/drawn.py runs/drawn_0 runs/drawn_1

The last makes all tables and figures of `drawn.md`. What was made before is not made again. `--quick` tries the script
on a few short lifetimes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from judging import judged
from sections import make_page, parsed, parser_of
from steps import draw
from summary import markdown_table

from metadisco.discoveries.load import load_centre
from metadisco.parametrisations.drift_basis import TERMS

GRIDS = Path(__file__).parent.parent / "experiments" / "evaluation"
JUDGEMENT = 3_000_000  # seed of agents that no search, no tuning and no other study trained
BASELINES = ("ppo_total_variation",)
TRAINED = ("gymnax/CartPole-v1", "gymnax/Acrobot-v1", "gymnax/Pendulum-v1")
HELD_OUT = (
    "gymnax/MountainCarContinuous-v0", "gymnax/Breakout-MinAtar", "jumanji/Snake-v1", "pgx/connect_four",
    "brax/inverted_pendulum",
)  # fmt: skip


class Part(NamedTuple):
    """Part of the judgement."""

    grid: str
    """Name of a file of GRIDS."""
    envs: tuple[str, ...]
    seeds_times: int = 1
    """How many times as many seeds as asked for."""


PARTS = {
    "trained": Part("grid", TRAINED),
    "held_out": Part("held_out", HELD_OUT),
    "cleanrl": Part("cleanrl", TRAINED, seeds_times=2),
}
QUICK = {"settings": [{"name": "quick", "inner.ppo.num_steps": 16}], "lifetimes": [256], "control": []}


def found(runs: Sequence[str]) -> str:
    """Return a table of the weights and edges that searches ended with."""
    centres = {Path(run).name: load_centre(run)[1] for run in runs}
    rows = [[f"`{term}`".replace("|", r"\|"), *(f"{centre['weights'][index]:+.2f}" for centre in centres.values())]
            for index, term in enumerate(TERMS)]  # fmt: skip
    edges = next(iter(centres.values()))["edges"].size
    rows += [[f"e{index + 1}", *(f"{centre['edges'][index]:.3f}" for centre in centres.values())]
             for index in range(edges)]  # fmt: skip
    return markdown_table(["weight or edge", *centres], rows)


def shown(runs: Sequence[str], output: Path) -> str:
    """Draw the first run; return what all of them found."""
    draw(runs[0], TRAINED[0], None, output / "figures")
    return found(runs)


def judged_over(name: str, runs: Sequence[str], output: Path, num_seeds: int, quick: bool) -> str:
    """Return the tables of a part of the judgement."""
    part = PARTS[name]
    grid, envs = (QUICK, part.envs[:1]) if quick else (GRIDS / f"{part.grid}.yaml", part.envs)
    return judged([*runs, *BASELINES], envs, grid, JUDGEMENT, num_seeds * part.seeds_times, output / name)


def main() -> None:
    """Make the tables, and fill the page in."""
    parser = parser_of(__file__, __doc__, ["found", *PARTS])
    parser.add_argument("runs", nargs="+", help="runs of the search, with different meta-seeds")
    options = parsed(parser)
    given = options.runs, options.output, options.seeds, options.quick
    makers = {
        "found": lambda: shown(options.runs, options.output),
        **{name: lambda name=name: judged_over(name, *given) for name in PARTS},
    }
    make_page(parser, options, makers)


if __name__ == "__main__":
    main()
