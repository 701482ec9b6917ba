"""Talkers compared on the same seeds, over environments and victims. Axes: M observations."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jax import Array
from jaxtyping import Float

from metadisco.config import Config
from metadisco.discoveries.load import load_objective
from metadisco.discoveries.sources import Source
from metadisco.evaluation.comparison import compare
from metadisco.evaluation.control import goal_returns, steers
from metadisco.evaluation.control_rows import ControlRow, control_rows
from metadisco.evaluation.evaluate import Comparison, Condition, Contender, Progress, make_env, train_all
from metadisco.evaluation.lifetimes import OBSERVING, map_over_devices, seed_keys
from metadisco.inner.envs import Env
from metadisco.inner.envs.cheap_talk import cheap_talk, obs_size
from metadisco.inner.envs.sampled import sampled
from metadisco.inner.envs.talkers import constant
from metadisco.inner.train import train
from metadisco.outer.devices import start_jax
from metadisco.problems.talkers import (
    NONE,
    PROBLEM,
    ZERO,
    Channel,
    TalkerName,
    check_talker,
    identity_of,
    make_talker,
)
from metadisco.storage.cells import CellStore
from metadisco.types import Key

NUM_OBSERVED, NUM_OBSERVATIONS = 8, 4096
"""Learners whose observations scrambled messages are about, and how many are kept of them all."""


class Victim(NamedTuple):
    """A learner in one environment."""

    name: str
    """In tables: the environment, followed by a name of its own."""
    env: str
    config: Config
    objective: Source
    """Objective that it minimises."""
    constants: dict[str, Any]
    """Of a closed objective."""


def evaluate_talkers(
    talkers: Sequence[TalkerName],
    channel: Channel,
    victims: Sequence[Victim],
    num_seeds: int,
    output: Path,
    *,
    announced: Callable[[], None] = lambda: None,
    progress: Progress = lambda done, total, last: None,
) -> Comparison:
    """Train every victim beside every talker and compare the scores; cells that were kept are not trained again.

    Args:
        talkers: `none` and `zero` among them.
        channel: that they share.
        victims: of distinct names; the first one decides how JAX starts.
        num_seeds: lifetimes per talker and victim.
        output: folder; its subfolder `cells` keeps finished cells.
        announced: called once all talkers and environments are loaded.
        progress: called after each talker for each victim.

    Raises:
        UserError: if a talker, an objective or an environment cannot be used; nothing is written then.
    """
    first = victims[0].config
    start_jax(first.outer.num_devices, first.deterministic)
    conditions = [_condition(victim) for victim in victims]
    for condition in conditions:
        for talker in talkers:
            check_talker(talker, channel, condition.env, condition.made)
            if talker.kind != NONE:  # refuses a message that cannot be loaded
                make_talker(talker, channel, condition.made, partial(np.zeros, (1, *condition.made.obs_shape)))
    contenders = [
        Contender(
            name=talker.name,
            identity={"talker": NONE if talker.kind == NONE else identity_of(talker, channel)},
            trained_on=None if talker.source is None else talker.source.trained_on,
            wrap=partial(_wrap, talker=talker, channel=channel, output=output),
        )
        for talker in talkers
    ]
    announced()
    cells, random = train_all(contenders, conditions, num_seeds, output, progress)
    control = [
        row
        for condition in conditions
        for talker in talkers
        for row in _control(talker, condition, channel, num_seeds, output)
    ]
    return Comparison(
        sources=[_as_source(talker, channel) for talker in talkers],
        configs={victim.name: victim.config for victim in victims},
        num_seeds=num_seeds,
        baseline=NONE,
        cells=cells,
        random=random,
        rows=compare(cells, NONE, random, [ZERO]),
        control=control,
    )


def _condition(victim: Victim) -> Condition:
    return Condition(
        name=victim.name,
        env=victim.env,
        config=victim.config,
        made=make_env(victim.env, victim.config),
        objective=load_objective(victim.objective.name, **victim.constants),
        identity={"objective": victim.objective.identity},
    )


def _as_source(talker: TalkerName, channel: Channel) -> Source:
    """Return a talker as results list it."""
    if talker.kind == "message" and talker.source is not None:
        return talker.source
    trained_on = None if talker.source is None else talker.source.trained_on
    return Source(talker.name, identity_of(talker, channel), trained_on, (), problem={"name": PROBLEM})


def _wrap(
    condition: Condition, talker: TalkerName, channel: Channel, output: Path
) -> tuple[Env | Callable[[Any], Env], Any]:
    """Return the environment of a condition in which a talker speaks, as a function of the talker's arrays."""
    made = condition.made
    if talker.kind == NONE:
        return made, None
    speaker, arrays = make_talker(talker, channel, made, lambda: _observations(condition, channel, output))
    return lambda given: cheap_talk(made, speaker(given), channel.num_channels), arrays


def _observations(condition: Condition, channel: Channel, output: Path) -> Float[np.ndarray, "M ..."]:
    """Return observations that learners met over their lifetimes beside a zero message, or kept from before."""
    ppo, objective, made = condition.config.inner.ppo, condition.objective, condition.made
    assert objective is not None
    steps = ppo.executed_env_steps // ppo.num_envs
    num_kept = min(steps, math.ceil(NUM_OBSERVATIONS / (NUM_OBSERVED * ppo.num_envs)))
    env = sampled(cheap_talk(made, constant(channel.num_channels, 0.0), channel.num_channels), num_kept)

    def lifetime(key: Key) -> Array:
        observations: Array = train(key, env, ppo, objective).state.rollout.env_state.observations
        return observations[..., : obs_size(made)]

    store = CellStore(output / "cells", condition.config)
    identity = {
        "observations": [NUM_OBSERVED, num_kept, channel.num_channels], "env": condition.env, **condition.identity
    }  # fmt: skip
    kept = store.load(identity, ("observations",))
    if kept is None:
        keys = seed_keys(condition.config.seed, NUM_OBSERVED, OBSERVING)
        observed = map_over_devices(lifetime, condition.config.outer, keys)
        kept = {"observations": np.asarray(observed).reshape((-1, *made.obs_shape))}
        store.keep(identity, kept)
    found: np.ndarray = kept["observations"]
    return found


def _control(
    talker: TalkerName, condition: Condition, channel: Channel, num_seeds: int, output: Path
) -> list[ControlRow]:
    """Return goal returns under a talker, if it steers."""
    if talker.kind != "message" or talker.source is None or not steers(talker.source):
        return []
    store = CellStore(output / "cells", condition.config)
    returns = goal_returns(talker.source, condition, channel.num_channels, num_seeds, store)
    return control_rows(talker.name, condition.name, returns)
