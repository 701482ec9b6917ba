"""Every environment that Gymnasium also has, in lockstep with it: equal states must give equal results."""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from lockstep import along, leap, travel, uniform_actions

from metadisco.inner import envs

TOLERANCE = 1e-5
NUM_ENVS, NUM_STEPS, NUM_STATES = 8, 600, 4000
CLASSIC = {
    "CartPole-v1": ("x x_dot theta theta_dot", [2.4, 3, 0.209, 3]),
    "Acrobot-v1": ("joint_angle1 joint_angle2 velocity_1 velocity_2", [np.pi, np.pi, 4, 9]),
    "Pendulum-v1": ("theta theta_dot", [20, 8]),
    "MountainCar-v0": ("position velocity", [1.2, 0.07]),
    "MountainCarContinuous-v0": ("position velocity", [1.2, 0.07]),
}
"""Fields of the state in Gymnasium's order, and how far from zero they are drawn."""
CLIMBING = {
    "Acrobot-v1": lambda key, obs: along(4, 2, 0)(key, obs).astype(jnp.int32),
    "MountainCar-v0": lambda key, obs: along(1, 0, 2)(key, obs).astype(jnp.int32),
    "MountainCarContinuous-v0": lambda key, obs: along(1, -1.0, 1.0)(key, obs)[None],
}
"""Policies that reach the goal."""


def largest_difference(name: str, journey) -> tuple[float, int]:
    """Return the largest difference in observation, reward and flags, and how many episodes terminated."""
    reference = gymnasium.make(name).unwrapped
    reference.reset(seed=0)
    largest, terminations = 0.0, 0
    for moment in journey:
        state = np.array([getattr(moment.state, field) for field in CLASSIC[name][0].split()], np.float64)
        reference.state = state
        reference.steps_beyond_terminated = None  # CartPole's
        action = moment.action if moment.action.ndim else int(moment.action)
        obs, reward, terminated, *_ = reference.step(action)
        found = np.array([*moment.step.final_obs, moment.step.reward], np.float64)
        expected = np.array([*obs, reward], np.float64)
        largest = max(largest, np.abs(found - expected).max())
        assert bool(moment.step.terminated) == terminated, (state, action)
        terminations += terminated
    return largest, terminations


@pytest.fixture(scope="module", params=CLASSIC)
def classic(request):
    return request.param, envs.make(f"gymnax/{request.param}")


@pytest.mark.slow
def test_random_actions_lead_to_the_same(classic):
    name, env = classic
    difference, _ = largest_difference(name, travel(env, uniform_actions(env), NUM_ENVS, NUM_STEPS))
    print(f"{name}: {difference:.1e} over {NUM_ENVS * NUM_STEPS} steps")
    assert difference <= TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("name", CLIMBING)
def test_the_way_to_the_goal_is_the_same(name):
    env = envs.make(f"gymnax/{name}")
    difference, terminations = largest_difference(name, travel(env, CLIMBING[name], NUM_ENVS, NUM_STEPS))
    print(f"{name}: {difference:.1e} over {NUM_ENVS * NUM_STEPS} steps, {terminations} terminations")
    assert difference <= TOLERANCE
    assert terminations > NUM_ENVS


@pytest.mark.slow
def test_from_anywhere_in_the_state_space_one_step_is_the_same(classic):
    name, env = classic
    fields, span = CLASSIC[name]
    drawn = np.random.default_rng(0).uniform(-1, 1, (NUM_STATES, len(span))) * np.array(span)
    if "MountainCar" in name:
        drawn[:, 0] = np.clip(drawn[:, 0] - 0.3, -1.2, 0.44)  # those at 0.45 or 0.5 are beyond the goal
    start, _ = jax.vmap(env.reset)(jax.random.split(jax.random.key(0), NUM_STATES))
    states = start.replace(**{field: jnp.asarray(drawn[:, i], jnp.float32) for i, field in enumerate(fields.split())})
    actions = jax.vmap(lambda key: uniform_actions(env)(key, None))(jax.random.split(jax.random.key(1), NUM_STATES))
    difference, _ = largest_difference(name, leap(env, states, actions))
    print(f"{name}: {difference:.1e} over {NUM_STATES} states")
    assert difference <= TOLERANCE


@pytest.mark.slow
def test_frozen_lake_slips_as_in_gymnasium():
    """Where chance enters, every outcome is one of Gymnasium's, and each direction comes as often."""
    env = envs.make("gymnax/FrozenLake-misc")
    reference = gymnasium.make("FrozenLake-v1").unwrapped
    outcomes = np.zeros(3)
    for moment in travel(env, uniform_actions(env), NUM_ENVS, NUM_STEPS):
        possible = reference.P[int(moment.state.position)][int(moment.action)]
        step = moment.step
        found = (int(step.final_obs.argmax()), float(step.reward), bool(step.terminated))
        matching = [outcome[1:] == found for outcome in possible]
        assert any(matching)
        if sum(matching) == 1:
            outcomes[matching.index(True)] += 1
    assert outcomes.sum() > 1000
    np.testing.assert_allclose(outcomes / outcomes.sum(), 1 / 3, atol=0.05)


@pytest.mark.parametrize("name", [*CLASSIC, "FrozenLake-v1"])
def test_time_limits_are_gymnasiums(name):
    ours = envs.make("gymnax/FrozenLake-misc" if name.startswith("Frozen") else f"gymnax/{name}")
    assert ours.episode_length == gymnasium.spec(name).max_episode_steps
