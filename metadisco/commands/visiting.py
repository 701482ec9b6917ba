"""What trainings visit, counted once and kept."""

from pathlib import Path

from metadisco._version import __version__
from metadisco.config import Config, to_plain
from metadisco.display import Display
from metadisco.evaluation.store import CellStore
from metadisco.evaluation.visits import Visits, count_visits
from metadisco.export.load import load_objective
from metadisco.problems import make_task
from metadisco.sources import Source

NUM_AGENTS = 8


def kept_visits(source: Source, config: Config, env: str, output: Path, display: Display) -> Visits:
    """Return what agents that train with an objective show to it; counted at the first call, and kept in a folder.

    Args:
        source: the objective.
        config: settings of the trainings.
        env: where they are.
        output: of the command; counts are in its folder `cells`.
        display: told of the trainings.
    """
    identity = {"visits": source.identity, "env": env, "agents": NUM_AGENTS, "metadisco": __version__}
    identity |= {"inner": to_plain(config)["inner"], "seed": config.seed}
    store = CellStore(output / "cells")
    kept = store.load(identity, Visits._fields)
    if kept is None:
        display.say(f"training {NUM_AGENTS} agents on {env} to see what {source.name} is shown")
        made = make_task(env, config.inner.env_settings, config.inner.ppo).env
        kept = count_visits(load_objective(source.name), made, config, NUM_AGENTS)._asdict()
        store.keep(identity, kept)
    return Visits(**kept)
