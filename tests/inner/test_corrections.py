"""Corrections of gymnax fix deviations from the original environments, and change nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import QUICK
from lockstep import along, leap, travel, uniform_actions

from metadisco.inner import envs
from metadisco.inner.envs.corrections import CORRECTIONS

NUM_KEYS = 24


def car(position, velocity, action, **settings):
    """Return position, velocity, reward and whether the episode terminated, one step later."""
    env = envs.make("gymnax/MountainCarContinuous-v0", **settings)
    state, _ = env.reset(jax.random.key(0))
    state = state.replace(position=jnp.float32(position), velocity=jnp.float32(velocity))
    _, step = env.step(jax.random.key(1), state, jnp.array([action], jnp.float32))
    return [*step.final_obs.tolist(), float(step.reward), bool(step.terminated)]


def test_the_car_stops_at_the_left_wall_and_nowhere_else():
    # Gymnasium's own results.
    assert car(-1.180539, -0.037259, -1.0) == pytest.approx([-1.2, 0.0, -0.1, False])
    assert car(-1.0, -0.04, -1.0) == pytest.approx([-1.0390251, -0.0390250, -0.1, False], abs=1e-6)
    assert car(0.449, 0.01, 1.0) == pytest.approx([0.4599452, 0.0109452, 99.9, True], abs=1e-5)


def test_a_car_too_slow_for_the_goal_may_turn_back_beyond_it():
    *moving, terminated = car(0.6, -0.001, -1.0, goal_velocity=0.05)
    assert not terminated
    assert moving == pytest.approx([0.5980680, -0.0019320, -0.1], abs=1e-6)


@pytest.fixture(scope="module")
def spawn():
    """(filled rows) -> rows that are filled one step later, for many keys, when an entity is due in Asterix."""
    env = envs.make("gymnax/Asterix-MinAtar")
    start, _ = env.reset(jax.random.key(0))
    rows = jnp.stack([jnp.full(8, 3), jnp.arange(1, 9), jnp.zeros(8, int), jnp.ones(8, int), jnp.ones(8, int)], 1)

    def one(key, filled):
        state = start.replace(entities=rows * filled[:, None], spawn_timer=jnp.zeros_like(start.spawn_timer))
        return env.step(key, state, jnp.int32(0))[0].entities[:, 4]

    def spawn(*free):
        filled = jnp.ones(8, int).at[jnp.array(free, int)].set(0)
        return np.asarray(many(jax.random.split(jax.random.key(5), NUM_KEYS), filled))

    many = jax.jit(jax.vmap(one, (0, None)), compiler_options=QUICK)
    return spawn


def test_the_last_free_row_is_always_filled(spawn):
    for row in range(8):
        assert spawn(row).all()


def test_where_no_row_is_free_nothing_is_lost(spawn):
    assert spawn().all()


def test_of_several_free_rows_each_may_be_filled(spawn):
    filled = spawn(1, 4, 7)
    np.testing.assert_array_equal(filled.sum(1), 6)
    assert set(np.argwhere(filled[:, [1, 4, 7]])[:, 1]) == {0, 1, 2}


@pytest.mark.slow
@pytest.mark.parametrize("name", CORRECTIONS)
def test_what_was_right_stays_bit_for_bit(name, monkeypatch):
    env = envs.make(f"gymnax/{name}")
    monkeypatch.setattr("metadisco.inner.envs.gymnax.CORRECTIONS", {})
    plain = envs.make(f"gymnax/{name}")
    at_car = along(1, -1.0, 1.0)
    act = uniform_actions(env) if name.startswith("Asterix") else lambda key, obs: at_car(key, obs)[None]
    visited = list(travel(env, act, 4, 500))
    states, actions = jax.tree.map(lambda *leaves: jnp.stack(leaves), *((each.state, each.action) for each in visited))
    corrected = 0
    for ours, theirs in zip(leap(env, states, actions), leap(plain, states, actions), strict=True):
        if name == "MountainCarContinuous-v0" and ours.step.final_obs[0] == np.float32(-1.2):
            corrected += 1
            continue
        for found, expected in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)
    assert corrected < len(visited) // 10
    assert (corrected > 0) == (name == "MountainCarContinuous-v0")
