"""The adapter of Craftax, an extra. Its worlds take long to compile."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import QUICK
from env_contract import assert_contract

from metadisco.errors import UserError
from metadisco.inner import envs

pytest.importorskip("craftax")
from craftax.craftax_classic.envs.craftax_symbolic_env import CraftaxClassicSymbolicEnvNoAutoReset

CLASSIC = "craftax/Craftax-Classic-Symbolic-v1"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Craftax-Classic-Symbolic-v1", "Craftax-Symbolic-v1"])
def test_every_environment_keeps_the_contract(name):
    assert_contract(envs.make(f"craftax/{name}", num_initial_states=None))


@pytest.mark.slow
def test_steps_are_those_of_craftax_and_its_time_limit_is_a_truncation():

    limit = 12
    env, theirs = envs.make(CLASSIC, episode_length=limit, num_initial_states=4), CraftaxClassicSymbolicEnvNoAutoReset()
    params = theirs.default_params

    def both(key):
        state, obs = env.reset(key)

        def step(carry, key):
            state, world = carry
            key_act, key_step = jax.random.split(key)
            action = jax.random.randint(key_act, (), 0, 17)
            state, seen = env.step(key_step, state, action)
            # auto_reset splits the key of a step; the other half is for the reset.
            obs, world, reward, done, _ = theirs.step_env(jax.random.split(key_step)[0], world, action, params)
            return (state, world), (seen, obs, reward, done)

        steps = jax.lax.scan(step, (state, state[0]), jax.random.split(key, limit))[1]
        return obs, steps

    starts, (seen, obs, reward, done) = jax.jit(jax.vmap(both), compiler_options=QUICK)(
        jax.random.split(jax.random.key(0), 8)
    )
    assert 1 < len(np.unique(np.asarray(starts), axis=0)) <= 4  # from the bank
    going = ~np.asarray(done)[:, :-1].any(1)
    assert going.sum() > 2
    np.testing.assert_array_equal(seen.final_obs[going], obs[going])
    np.testing.assert_array_equal(seen.reward[going], reward[going])
    assert (np.asarray(seen.truncated)[going] == (np.arange(limit) == limit - 1)).all()
    assert not seen.terminated[going][:, :-1].any()
    (start, stop), *_ = env.indicators
    assert jnp.isin(seen.obs[..., start:stop], jnp.array([0.0, 1.0])).all()


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("Craftax-Pixels-v1", {}, ["Craftax-Pixels-v1", "images"]),
        ("Craftax-v1", {}, ["no environment 'Craftax-v1'"]),
        ("Craftax-Classic-Symbolic-v1", {"max_timesteps": 5}, ["max_timesteps", "episode_length"]),
        ("Craftax-Classic-Symbolic-v1", {"day_length": "long"}, ["day_length", "whole number"]),
        ("Craftax-Classic-Symbolic-v1", {"episode_length": 0}, ["episode_length"]),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_sentence(name, settings, words):
    with pytest.raises(UserError) as told:
        envs.make(f"craftax/{name}", **settings)
    assert "\n" not in str(told.value)
    assert all(word in str(told.value) for word in words), str(told.value)
