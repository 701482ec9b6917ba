"""What a drift of ten numbers is worth that was evolved under settings drawn at random.

    metadisco reference experiments/lpo_drift/drawn.yaml
    metadisco evolve experiments/lpo_drift/drawn.yaml --run runs/drawn_0
    metadisco evolve experiments/lpo_drift/drawn.yaml seed=1 --run runs/drawn_1
    python analysis/drawn.py runs/drawn_0 runs/drawn_1

The last makes all tables and figures of `drawn.md`. What was made before is not made again. `--quick` tries the script
on a few short lifetimes.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from judging import judged
from steps import draw
from study import filled
from summary import markdown_table

from metadisco.discoveries.load import load_centre
from metadisco.errors import UserError
from metadisco.outer.devices import start_jax
from metadisco.parametrisations.drift_basis import TERMS
from metadisco.storage.files import write_atomically

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
    rows = [[f"`{term}`", *(f"{centre['weights'][index]:+.2f}" for centre in centres.values())]
            for index, term in enumerate(TERMS)]  # fmt: skip
    edges = next(iter(centres.values()))["edges"].size
    rows += [[f"e{index + 1}", *(f"{centre['edges'][index]:.3f}" for centre in centres.values())]
             for index in range(edges)]  # fmt: skip
    return markdown_table(["weight of", *centres], rows)


def sections(runs: Sequence[str], only: Sequence[str], num_seeds: int, output: Path, quick: bool) -> Mapping[str, str]:
    """Draw the first run and judge all of them; return the sections of the page."""
    draw(runs[0], TRAINED[0], None, output / "figures")
    made = {"found": found(runs)}
    for name in only:
        part = PARTS[name]
        grid, envs = (QUICK, part.envs[:1]) if quick else (GRIDS / f"{part.grid}.yaml", part.envs)
        seeds = num_seeds * part.seeds_times
        made[name] = judged([*runs, *BASELINES], envs, grid, JUDGEMENT, seeds, output / name)
        write_atomically(output / f"{name}.md", made[name])
    return made


def main() -> None:
    """Make the tables, and fill the page in."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="runs of the search, with different meta-seeds")
    parser.add_argument("--seeds", type=int, default=16, help="agents per cell")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(""), help="folder of the study")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS), help="sections to make")
    parser.add_argument("--quick", action="store_true", help="a few short lifetimes, to try the script")
    options = parser.parse_args()
    page = Path(__file__).with_suffix(".md")
    if options.quick and options.output == parser.get_default("output"):
        parser.error("--quick: needs --output, as its numbers are not those of the page")
    start_jax(None)
    try:
        made = sections(
            options.runs, options.only, 4 if options.quick else options.seeds, options.output, options.quick
        )
    except UserError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    if not options.quick and options.output == parser.get_default("output"):
        write_atomically(page, filled(page.read_text(), made))


if __name__ == "__main__":
    main()
