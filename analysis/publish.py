"""Make a checkpoint of a run: the objective that it found, and as much of the run as its study needs.

    python analysis/publish.py runs/value_loss value_loss_cartpole

`checkpoints/NAME` becomes an artefact (`artefact.json`, `arrays.npz`) and a run that all commands read: its config,
where it ran, every eighth row of its metrics and those with a `centre_fitness`, and sixteen centres beside the first.
It is `load_objective("NAME")` then. The model card, `README.md`, is written by hand.
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np

from metadisco.cli import main as metadisco
from metadisco.files import write_atomically
from metadisco.runs import CONFIG, RunDirectory

CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"
NUM_CENTRES = 17  # with the start of the search
EVERY = 8  # rows of metrics


def main() -> None:
    """Publish the run that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run directory of metadisco evolve")
    parser.add_argument("name", help="of the checkpoint")
    options = parser.parse_args()
    folder = CHECKPOINTS / options.name
    if metadisco(["export", str(options.run), "--to", "artefact", "--output", str(folder)]) != 0:
        raise SystemExit(2)
    publish(RunDirectory(options.run), folder)


def publish(run: RunDirectory, folder: Path) -> None:
    """Copy what is kept of a run."""
    for name in (CONFIG, "provenance.json"):
        shutil.copyfile(run.path / name, folder / name)
    rows = run.metrics()
    kept = [row for row in rows if row["generation"] % EVERY == 0 or "centre_fitness" in row or row is rows[-1]]
    write_atomically(folder / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in kept))
    generations = run.centre_generations()
    shutil.rmtree(folder / "centres", ignore_errors=True)
    (folder / "centres").mkdir()
    for index in np.linspace(0, len(generations) - 1, NUM_CENTRES).round().astype(int):
        file = run.centre_path(generations[index])
        shutil.copyfile(file, folder / "centres" / file.name)


if __name__ == "__main__":
    main()
