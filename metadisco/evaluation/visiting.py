"""What trainings visit, counted once and kept."""

from collections.abc import Callable
from pathlib import Path

from metadisco.config import Config
from metadisco.discoveries.load import load_objective
from metadisco.discoveries.sources import Source
from metadisco.evaluation.visits import Visits, count_visits
from metadisco.problems import make_task
from metadisco.storage.cells import CellStore

NUM_AGENTS = 8


def kept_visits(
    source: Source,
    config: Config,
    env: str,
    output: Path,
    say: Callable[[str], None],
    announced: Callable[[], None] | None = None,
) -> Visits:
    """Return what agents that train with an objective show to it; counted at the first call, and kept in a folder.

    Args:
        source: the objective.
        config: settings of the trainings.
        env: where they are.
        output: of the command; counts are in its folder `cells`.
        say: told of the trainings.
        announced: called once all that they need is there.
    """
    identity = {"visits": source.identity, "env": env, "agents": NUM_AGENTS}
    objective, made = load_objective(source.name), make_task(env, config.inner.env_settings, config.inner.ppo).env
    if announced is not None:
        announced()
    store = CellStore(output / "cells", config)
    kept = store.load(identity, Visits._fields)
    if kept is None:
        say(f"training {NUM_AGENTS} agents on {env} to see what {source.name} is shown")
        kept = count_visits(objective, made, config, NUM_AGENTS)._asdict()
        store.keep(identity, kept)
    return Visits(**kept)
