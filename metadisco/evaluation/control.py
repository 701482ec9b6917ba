"""Fresh learners, trained beside a message and then steered toward goals. Axes: S seeds."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from metadisco.discoveries.meta_problems import load_meta_params
from metadisco.discoveries.sources import Source
from metadisco.evaluation.control_rows import BLIND, RANDOM_MESSAGE, STEERED, STEERINGS, UNSTEERED
from metadisco.evaluation.evaluate import Condition
from metadisco.evaluation.lifetimes import EVALUATION, STEERING, map_over_devices, seed_keys
from metadisco.inner.envs.cheap_talk import cheap_talk, memoryless, steered
from metadisco.inner.envs.goals import Goal, make_goal
from metadisco.inner.policy import Policy, play
from metadisco.inner.ppo import policy_of
from metadisco.inner.train import train
from metadisco.objectives.arithmetic import in_float32
from metadisco.problems.cheap_talk import CheapTalkSettings
from metadisco.problems.talkers import parametrisation_of
from metadisco.storage.cells import CellStore
from metadisco.types import Key, MetaParams, Steer

UNTRAINED = 0  # seed of the untrained message


def steers(source: Source | None) -> bool:
    """Return whether a message comes with a function that steers."""
    return source is not None and source.problem.get("aim") == "control"


def goal_returns(
    source: Source, condition: Condition, num_channels: int, num_seeds: int, store: CellStore
) -> dict[str, Float[np.ndarray, "S"]]:
    """Return the mean goal return of each learner by steering; stored cells are not trained again.

    The learners are those of the evaluation: trained on the same seeds, so that they are the same.

    Args:
        source: a message whose aim was control.
        condition: where learners are trained, and how.
        num_channels: N.
        num_seeds: S.
        store: of cells.
    """
    identity = {"goal returns": source.identity, "env": condition.env, "seeds": num_seeds, **condition.identity}
    names = {steering: steering.replace(" ", "_") for steering in STEERINGS}
    kept = store.load(identity, names.values())
    if kept is None:
        kept = dict(zip(names.values(), _steer(source, condition, num_channels, num_seeds), strict=True))
        store.keep(identity, kept)
    return {steering: kept[name] for steering, name in names.items()}


def _steer(source: Source, condition: Condition, num_channels: int, num_seeds: int) -> list[np.ndarray]:
    """Train learners and steer them; return goal returns in the order of STEERINGS."""
    asked = CheapTalkSettings(**{key: value for key, value in source.problem.items() if key != "name"})
    goal = make_goal(condition.env, asked.goal)
    parametrisation = parametrisation_of(source)
    meta_params = load_meta_params(source.name)
    untrained = in_float32(parametrisation.init)(jax.random.key(UNTRAINED))
    both = jax.tree.map(lambda *leaves: jnp.stack(leaves), meta_params, untrained)
    functions = parametrisation.bind(meta_params)
    ways: dict[str, Steer] = {
        STEERED: functions.steer,
        UNSTEERED: lambda obs, goal: functions.message(obs),
        BLIND: lambda obs, goal: jnp.zeros(num_channels),
    }

    def lifetime(key: Key, key_play: Key) -> list[Array]:
        def trained(meta_params: MetaParams) -> tuple[Policy, Array]:
            return _trained(key, parametrisation.bind(meta_params), condition, num_channels)

        policies, finite = jax.lax.map(trained, both)  # compiled once for both messages
        own, other = (jax.tree.map(lambda leaf, index=index: leaf[index], policies) for index in (0, 1))
        played = {
            name: _goal_return(key_play, own, steer, condition, num_channels, goal, asked.num_episodes)
            for name, steer in ways.items()
        }
        played[RANDOM_MESSAGE] = _goal_return(
            key_play, other, ways[STEERED], condition, num_channels, goal, asked.num_episodes
        )
        return [jnp.where(finite[int(name == RANDOM_MESSAGE)], played[name], jnp.nan) for name in STEERINGS]

    keys, keys_play = (seed_keys(condition.config.seed, num_seeds, stream) for stream in (EVALUATION, STEERING))
    returns: list[np.ndarray] = map_over_devices(in_float32(lifetime), condition.config.outer, keys, keys_play)
    return returns


def _trained(key: Key, functions: Any, condition: Condition, num_channels: int) -> tuple[Policy, Array]:
    """Return the policy of a learner, and whether its training did not fail."""
    assert condition.objective is not None
    env = cheap_talk(condition.made, memoryless(functions.message), num_channels)
    result = train(key, env, condition.config.inner.ppo, condition.objective)
    return policy_of(result.state), result.finite


def _goal_return(
    key: Key, policy: Policy, steer: Steer, condition: Condition, num_channels: int, goal: Goal, num_episodes: int
) -> Array:
    """Return the mean goal return of a learner that acts by its mode."""
    env = steered(condition.made, steer, num_channels, goal)
    return play(key, policy, env, condition.config.inner.ppo, num_episodes, deterministic=True).mean()
