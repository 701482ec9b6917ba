"""The adapter of Jumanji: its trajectories are Jumanji's own, except for time limits, and their observations."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import QUICK
from env_contract import assert_contract, play

from metadisco.errors import UserError
from metadisco.evaluation.reference import random_return
from metadisco.inner import envs
from metadisco.inner.distributions import make_distribution, mask_logits
from metadisco.inner.envs import Box, Discrete, MultiDiscrete, mask_size, split_mask
from metadisco.inner.envs.jumanji_tasks import TASKS

SMALL_MAZE = {"generator": {"num_rows": 5, "num_cols": 5}}
SMALL = [
    ("Knapsack-v1", {"generator": {"num_items": 6, "total_budget": 1.5}}),
    ("Tetris-v0", {"num_rows": 5, "num_cols": 5}),
    ("LevelBasedForaging-v0", {}),
]
"""One choice, combined choices, and a row of the mask for each choice with a vector of rewards."""
NUM_STEPS = 40


def legal_action(key, env, obs):
    """Return a random legal action."""
    space = env.action_space
    if isinstance(space, Box):
        return jax.random.uniform(key, space.low.shape, minval=space.low, maxval=space.high)
    distribution = make_distribution(space, "gaussian")
    logits = jnp.zeros(distribution.num_outputs)
    return distribution.sample(key, mask_logits(logits, split_mask(obs, space)[1]) if space.masked else logits)


def encoded_action(env, theirs, action):
    """Return an action as Jumanji takes it."""
    spec = theirs.action_spec
    if isinstance(env.action_space, Discrete) and spec.shape:
        return jnp.stack(jnp.unravel_index(action, tuple(np.asarray(spec.num_values).tolist()))).astype(spec.dtype)
    return action.reshape(spec.shape).astype(spec.dtype)


def side_by_side(env, theirs, num_steps, key):
    """Play both from the same key with the same random legal actions; theirs is not reset."""
    key_reset, key_steps = jax.random.split(key)
    their_state, first = theirs.reset(key_reset)
    state, obs = env.reset(key_reset)
    as_array = lambda time_step: jax.tree.map(jnp.asarray, time_step)  # noqa: E731

    def step(carry, key):
        state, obs, their_state = carry
        key_act, key_step = jax.random.split(key)
        action = legal_action(key_act, env, obs)
        state, mine = env.step(key_step, state, action)
        after, other = theirs.step(jax.tree.map(lambda leaf: leaf, their_state), encoded_action(env, theirs, action))
        after = jax.tree.map(lambda new, old: jnp.asarray(new, jnp.asarray(old).dtype), after, their_state)
        return (state, mine.obs, after), (mine, as_array(other))

    start = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.asarray(leaf).dtype), their_state)
    steps = jax.lax.scan(step, (state, obs, start), jax.random.split(key_steps, num_steps))[1]
    return obs, as_array(first), *steps


def as_vector(observation):
    """Return the fields of observations [T, …], and then their masks, as rows."""
    masks = [observation.action_mask] if hasattr(observation, "action_mask") else []
    fields = [
        leaf for path, leaf in jax.tree_util.tree_leaves_with_path(observation) if "action_mask" not in str(path[0])
    ]
    return np.concatenate([np.asarray(leaf, np.float32).reshape(len(leaf), -1) for leaf in (*fields, *masks)], 1)


def assert_same_trajectory(name, settings, num_steps):
    """Play raw observations beside Jumanji until the first end."""
    import jumanji  # takes seconds, which collecting the tests should not

    env = envs.make(f"jumanji/{name}", num_initial_states=None, encoding="raw", **settings)
    generator = {"generator": type(default_generator(name))(**settings["generator"])} if "generator" in settings else {}
    theirs = jumanji.make(name, **{**settings, **generator})
    compiled = jax.jit(partial(side_by_side, env, theirs, num_steps), compiler_options=QUICK)
    obs, first, mine, other = compiled(jax.random.key(3))
    np.testing.assert_array_equal(obs, as_vector(jax.tree.map(lambda leaf: leaf[None], first.observation))[0])
    done = np.asarray(mine.terminated | mine.truncated)
    length = int(done.argmax()) + 1 if done.any() else num_steps
    # XLA may round a quotient differently in the two.
    np.testing.assert_array_max_ulp(np.asarray(mine.final_obs[:length]), as_vector(other.observation)[:length], 1)
    rewards = np.asarray(other.reward, np.float32).reshape(num_steps, -1).sum(1)
    np.testing.assert_allclose(mine.reward[:length], rewards[:length], rtol=1e-6)
    np.testing.assert_array_equal(other.step_type[:length] == 2, done[:length])
    masked = mask_size(env.action_space)
    if masked:
        assert np.isin(obs[-masked:], (0, 1)).all()
    return env, length, mine


def default_generator(name):
    import jumanji

    env = jumanji.make(name)
    return getattr(env, "generator", None) or env._generator


@pytest.mark.slow
@pytest.mark.parametrize(("name", "settings"), SMALL)
def test_steps_are_those_of_jumanji(name, settings):
    env, _, _ = assert_same_trajectory(name, settings, NUM_STEPS)
    assert_contract(env)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:scatter inputs have incompatible types:FutureWarning")  # of Jumanji itself
@pytest.mark.parametrize("name", TASKS)
def test_every_environment_steps_as_jumanji_does(name):
    env, length, _ = assert_same_trajectory(name, {}, 120)
    assert length > 1
    assert_contract(env)


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_every_encoding_is_finite_scaled_and_says_what_is_an_indicator(name):
    env = envs.make(f"jumanji/{name}", num_initial_states=8)
    assert_contract(env)

    def walk(key):
        key_reset, key_steps = jax.random.split(key)

        def step(carry, key):
            state, obs = carry
            key_act, key_step = jax.random.split(key)
            state, seen = env.step(key_step, state, legal_action(key_act, env, obs))
            return (state, seen.obs), seen

        return jax.lax.scan(step, env.reset(key_reset), jax.random.split(key_steps, 150))[1]

    steps = jax.jit(walk, compiler_options=QUICK)(jax.random.key(5))
    for obs in (steps.obs, steps.final_obs):
        assert np.isfinite(obs).all()
        assert np.abs(obs).max() <= 1.0 + 1e-6
        for start, stop in env.indicators:
            assert np.isin(obs[:, start:stop], (0, 1)).all()
        masked = mask_size(env.action_space)
        assert np.isin(obs[:, obs.shape[1] - masked :], (0, 1)).all()
    assert len(np.unique(np.asarray(steps.obs), axis=0)) > 1


def test_what_is_offered_is_all_that_works_without_a_network():
    import jumanji

    from metadisco.inner.envs.jumanji import UNAVAILABLE

    assert set(envs.names("jumanji")) == set(TASKS)
    assert set(jumanji.registered_environments()) - set(envs.names("jumanji")) == set(UNAVAILABLE) == {"Sokoban-v0"}


@pytest.fixture(scope="module")
def maze():
    return envs.make("jumanji/Maze-v0", num_initial_states=4, **SMALL_MAZE)


@pytest.fixture(scope="module")
def walk(maze):
    """Take actions from a state that is changed first."""

    def run(change, actions):
        (inner, time), _ = maze.reset(jax.random.key(1))
        state = (change(inner), time)
        return jax.lax.scan(lambda state, action: maze.step(jax.random.key(2), state, action), state, actions)[1]

    return jax.jit(run, static_argnums=0, compiler_options=QUICK)


class TestMaze:
    """Its own time limit terminates, ours does not."""

    def test_a_target_out_of_reach_ends_by_truncation(self, maze, walk):
        assert maze.episode_length == 25

        def walled_in(state):
            row, col = jnp.unravel_index(jnp.argmax(state.walls), state.walls.shape)
            return state.replace(target_position=type(state.agent_position)(row=row, col=col))

        steps = walk(walled_in, jnp.arange(26) % 4)
        assert steps.truncated.tolist() == [False] * 24 + [True, False]
        assert not steps.terminated.any()
        assert (steps.reward[:25] == 0).all()
        assert (steps.final_obs[24] != steps.obs[24]).any()  # the value beyond it is that of where the episode stopped

    def test_the_target_ends_by_termination(self, walk):
        def beside(state):
            place = type(state.agent_position)
            free = jnp.zeros_like(state.walls)
            legal = jnp.array([False, True, True, False])  # in the corner at the top left
            return state.replace(
                walls=free,
                agent_position=place(row=jnp.int32(0), col=jnp.int32(0)),
                target_position=place(row=jnp.int32(0), col=jnp.int32(1)),
                action_mask=legal,
            )

        steps = walk(beside, jnp.array([1]))
        assert steps.terminated.tolist() == [True] and steps.truncated.tolist() == [False]
        assert steps.reward.tolist() == [1]

    def test_walls_and_positions_are_indicators_and_the_mask_is_the_end(self, maze):
        assert_contract(maze)
        assert maze.obs_shape == (25 + 4 * 5 + 4,)
        assert maze.action_space == Discrete(4, masked=True)
        assert sum(stop - start for start, stop in maze.indicators) == 45
        _, obs = maze.reset(jax.random.key(0))
        codes = np.asarray(obs[25:45]).reshape(4, 5)
        np.testing.assert_array_equal(codes.sum(1), 1)
        agent = codes[:2].argmax(1)
        assert obs[:25].reshape(5, 5)[tuple(agent)] == 0  # no wall where the agent is

    @pytest.mark.slow
    def test_mazes_come_from_the_bank(self, maze):
        _, obs = jax.vmap(maze.reset)(jax.random.split(jax.random.key(9), 32))
        assert 1 < len(np.unique(np.asarray(obs), axis=0)) <= 4


@pytest.mark.slow
def test_episodes_from_one_state_of_the_bank_draw_random_numbers_of_their_own():
    """Pieces of Tetris are drawn from the key in the state."""
    env = envs.make("jumanji/Tetris-v0", num_initial_states=1, num_rows=5, num_cols=5)

    def one_step(key):
        state, obs = env.reset(key)
        return obs, env.step(key, state, jnp.argmax(obs[-20:]))[1].final_obs

    obs, later = jax.jit(jax.vmap(one_step), compiler_options=QUICK)(jax.random.split(jax.random.key(0), 8))
    assert len(np.unique(np.asarray(obs), axis=0)) == 1
    assert len(np.unique(np.asarray(later), axis=0)) > 1


@pytest.mark.slow
def test_ignoring_the_mask_makes_it_an_ordinary_input():
    settings = {"num_rows": 4, "num_cols": 4}
    free = envs.make("jumanji/Snake-v1", legal_actions=False, **settings)
    env = envs.make("jumanji/Snake-v1", **settings)
    assert env.obs_shape == free.obs_shape == (4 * 4 * 5 + 4,)
    assert free.action_space == Discrete(4)
    returns = jax.jit(random_return, static_argnums=1, compiler_options=QUICK)
    assert returns(jax.random.key(0), env) > returns(jax.random.key(0), free)


@pytest.mark.slow
def test_several_agents_are_one_with_several_choices(getkey):
    env = envs.make("jumanji/LevelBasedForaging-v0", episode_length=3)
    assert env.action_space == MultiDiscrete((6, 6), masked=True)
    _, steps = play(env, getkey(), jnp.zeros((7, 2), jnp.int32))
    np.testing.assert_array_equal(steps.truncated, [False, False, True, False, False, True, False])
    assert steps.reward.shape == (7,)


def test_settings_of_the_generator_keep_what_is_left_out():
    env = envs.make("jumanji/Knapsack-v1", generator={"num_items": 6})
    assert env.episode_length == 6
    _, obs = env.reset(jax.random.key(0))
    assert (obs[-6:] == 1).all()  # the default budget of 12.5 holds any six items


@pytest.mark.usefixtures("_types_unchecked")
@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("Sokoban-v0", {}, ["Sokoban-v0", "downloads its levels"]),
        ("Snake-v2", {}, ["Snake-v2", "did you mean 'Snake-v1'"]),
        ("Snake-v1", {"num_row": 3}, ["num_row", "did you mean 'num_rows'"]),
        ("Snake-v1", {"time_limit": 3}, ["time_limit", "episode_length"]),
        ("Snake-v1", {"num_rows": "six"}, ["num_rows", "'six'", "whole number"]),
        ("Snake-v1", {"generator": {"num_rows": 6}}, ["generator", "num_rows", "none"]),
        ("Maze-v0", {"generator": {"rows": 5}}, ["generator", "'rows'", "num_rows, num_cols"]),
        ("Maze-v0", {"generator": 5}, ["generator", "5", "by name"]),
        ("Maze-v0", {"generator": {"num_rows": 2.5}}, ["generator.num_rows", "2.5", "whole number"]),
        ("PacMan-v1", {"generator": {"maze": 5}}, ["'maze'", "none"]),
        ("Maze-v0", {"num_initial_states": 0}, ["num_initial_states", "0"]),
        ("Maze-v0", {"episode_length": 0}, ["episode_length", "0"]),
        ("Maze-v0", {"encoding": "flat"}, ["encoding", "'flat'", "learner, raw"]),
        ("Maze-v0", {"legal_actions": "no"}, ["legal_actions", "'no'", "true or false"]),
        ("RubiksCube-v0", {"generator": {"cube_size": 0}}, ["cube_size"]),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_sentence(name, settings, words):
    with pytest.raises(UserError) as refusal:
        envs.make(f"jumanji/{name}", **settings)
    message = str(refusal.value)
    assert "\n" not in message
    assert all(word in message for word in words), message
