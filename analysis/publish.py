"""Make a checkpoint of a run: its discovery, of any kind, and the parts of the run that its study needs.

    python analysis/publish.py runs/value_loss value_loss_cartpole
    python analysis/publish.py runs/opponent_shaping/ipd_1 mfos_ipd
    python analysis/publish.py runs/cheap_talk/harm_1 talk_cartpole_harm

`checkpoints/NAME` becomes an artefact (`artefact.json`, `arrays.npz`) and a run that all commands read: its config,
its provenance, every eighth row of its metrics and those with a `centre_fitness`, and up to sixteen centres besides the
first. Then `load_objective("NAME")`, `load_meta_policy("NAME")` or `load_message("NAME")` loads it. The model card,
`README.md`, is written by hand. An existing checkpoint is not replaced: delete it first.
"""

import argparse
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

from metadisco.config import OBJECTIVE_SETTINGS
from metadisco.discoveries.names import find_centre
from metadisco.discoveries.save import save_artefact
from metadisco.discoveries.sources import find_discovery
from metadisco.errors import UserError
from metadisco.inner.games.players import LEARNERS
from metadisco.outer.devices import start_jax
from metadisco.problems.talkers import PLAIN, RANDOM
from metadisco.storage.files import write_atomically
from metadisco.storage.runs import CONFIG, RunDirectory

CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"
NUM_CENTRES = 17  # with the start of the search
EVERY = 8  # rows of metrics


def main() -> None:
    """Publish the run that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="run directory of metadisco evolve")
    parser.add_argument("name", help="of the checkpoint: lower-case letters, digits and _")
    options = parser.parse_args()
    try:
        folder = check_name(options.name)
        publish(check_run(options.run), folder)
    except UserError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        raise SystemExit(2) from error


def check_name(name: str) -> Path:
    """Return the folder that a discovery is to have.

    Raises:
        UserError: if it cannot have this name.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in {*OBJECTIVE_SETTINGS, *LEARNERS, *PLAIN, RANDOM}:
        raise UserError(
            f"name: got {name!r}, allowed: lower-case letters, digits and _, but no closed objective, learner or talker"
        )
    if (CHECKPOINTS / name).exists():
        raise UserError(f"name: got {name!r}, which is published, allowed: a new name")
    return CHECKPOINTS / name


def check_run(name: str) -> RunDirectory:
    """Return a run that is whole.

    Raises:
        UserError: if it is no run, or lacks something that is published.
    """
    run, centre = find_centre(name)
    if centre != run.centre_path(run.centre_generations()[-1]):
        raise UserError(f"run: got {name!r}, allowed: a run, whose last centre is published")
    if not run.metrics() or not run.last_start():
        raise UserError(f"run: {str(run.path)!r} has no metrics or does not say where it ran, allowed: a whole run")
    return run


def publish(run: RunDirectory, folder: Path) -> None:
    """Copy the published part of a run; all of it, or nothing.

    Args:
        run: whole.
        folder: does not exist yet.
    """
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as parent:
        made = Path(parent) / folder.name
        start_jax(None)
        save_artefact(find_discovery(str(run.path)), made)
        for name in (CONFIG, "provenance.json"):
            shutil.copyfile(run.path / name, made / name)
        rows = run.metrics()
        kept = [row for row in rows if row["generation"] % EVERY == 0 or "centre_fitness" in row or row is rows[-1]]
        write_atomically(made / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in kept))
        generations = run.centre_generations()
        (made / "centres").mkdir()
        for index in set(np.linspace(0, len(generations) - 1, NUM_CENTRES).round().astype(int).tolist()):
            file = run.centre_path(generations[index])
            shutil.copyfile(file, made / "centres" / file.name)
        made.rename(folder)
    print(folder)


if __name__ == "__main__":
    main()
