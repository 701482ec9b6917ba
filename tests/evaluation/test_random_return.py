"""The return of uniform actions, where it is known in closed form."""

import jax
import jax.numpy as jnp
import pytest
from compiling import QUICK
from probes import matching_action, rewarded_action, target_action

from metadisco.evaluation.reference import random_return
from metadisco.inner.envs import Discrete, MultiDiscrete, auto_reset

NUM_EPISODES = 4096


def paid_action():
    """One step, the reward is the number of the action, 0 to 4."""
    obs = jnp.zeros(1)
    return auto_reset(
        lambda key: (obs, obs),
        lambda key, state, action: (state, obs, action.astype(jnp.float32), jnp.ones((), bool)),
        obs_shape=(1,),
        action_space=Discrete(5),
        episode_length=3,
    )


def legal_action(space, legal):
    """One step, the reward is the number of the action or the sum of its numbers."""
    obs = jnp.array([0.0, *legal])
    return auto_reset(
        lambda key: (obs, obs),
        lambda key, state, action: (state, obs, action.sum().astype(jnp.float32), jnp.ones((), bool)),
        obs_shape=obs.shape,
        action_space=space,
        episode_length=3,
    )


def two_legal_actions():
    return legal_action(Discrete(5, masked=True), [0, 1, 0, 0, 1])


def two_choices_of_legal_actions():
    """The first is 1; the second is 0 or 2."""
    return legal_action(MultiDiscrete((2, 3), masked=True), [0, 1, 1, 0, 1])


def three_steps():
    """Three steps, each rewarded with 2: cut by the time limit."""
    obs = jnp.zeros(1)
    return auto_reset(
        lambda key: (obs, obs),
        lambda key, state, action: (state, obs, jnp.full((), 2.0), jnp.zeros((), bool)),
        obs_shape=(1,),
        action_space=Discrete(2),
        episode_length=3,
    )


@pytest.mark.parametrize(
    ("make_env", "mean", "std"),
    [
        (rewarded_action, 0, 1),
        (matching_action, 0, 1),
        (paid_action, 2, 2**0.5),
        (two_legal_actions, 2.5, 1.5),
        (two_choices_of_legal_actions, 2, 1),
        (lambda: legal_action(MultiDiscrete((2, 3)), []), 1.5, (1 / 4 + 2 / 3) ** 0.5),
        # −(a − ½)² with a uniform on [−1, 2]: with u uniform on [−1, 1] it is −(3u/2)².
        (target_action, -9 / 4 / 3, 9 / 4 * (1 / 5 - 1 / 9) ** 0.5),
        (three_steps, 6, 0),
    ],
)
def test_is_what_uniform_actions_are_worth(getkey, make_env, mean, std):
    value = jax.jit(lambda key: random_return(key, make_env(), NUM_EPISODES), compiler_options=QUICK)(getkey())
    assert value.shape == ()
    assert abs(float(value) - mean) <= 4 * std / NUM_EPISODES**0.5


def test_depends_on_the_key(getkey):
    play = jax.jit(lambda key: random_return(key, target_action()), compiler_options=QUICK)
    assert play(getkey()) != play(getkey())
