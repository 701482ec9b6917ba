"""Minibatch histograms of trainings, computed once and cached."""

from collections.abc import Callable
from pathlib import Path

from metadisco.config import Config
from metadisco.discoveries.load import load_objective
from metadisco.discoveries.sources import Source
from metadisco.evaluation.histograms import MinibatchHistograms, collect_histograms
from metadisco.problems import make_task
from metadisco.storage.cells import CellStore

NUM_AGENTS = 8


def cached_histograms(
    source: Source,
    config: Config,
    env: str,
    output: Path,
    say: Callable[[str], None],
    announced: Callable[[], None] | None = None,
) -> MinibatchHistograms:
    """Return the minibatch histograms of agents that train with an objective; cached in a folder.

    Args:
        source: the objective.
        config: settings of the trainings.
        env: environment of the trainings.
        output: output folder of the command; its subfolder `cells` is the cache.
        say: receives a message before trainings.
        announced: called once the objective and the environment are loaded.
    """
    identity = {"visits": source.identity, "env": env, "agents": NUM_AGENTS}
    objective, made = load_objective(source.name), make_task(env, config.inner.env_settings, config.inner.ppo).env
    if announced is not None:
        announced()
    store = CellStore(output / "cells", config)
    kept = store.load(identity, MinibatchHistograms._fields)
    if kept is None:
        say(f"training {NUM_AGENTS} agents on {env} to collect the minibatch statistics of {source.name}")
        kept = collect_histograms(objective, made, config, NUM_AGENTS)._asdict()
        store.keep(identity, kept)
    return MinibatchHistograms(**kept)
