"""Advantages against a NumPy reference that sums TD errors forward in time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from metadisco.inner.gae import gae

NUM_STEPS, NUM_ENVS = 6, 3
SHAPE = (NUM_STEPS, NUM_ENVS)
COMPILED = jax.jit(gae)
NUMBERS = arrays(np.float32, SHAPE, elements=st.floats(-10, 10, width=32))
FLAGS = arrays(bool, SHAPE)
FRACTIONS = st.floats(0, 1, width=32)


def reference(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    """A_t = Σ_l (γλ)^l δ_{t+l}, over the rest of the episode that step t is in."""
    advantages = np.zeros(SHAPE)
    for env in range(NUM_ENVS):
        for start in range(NUM_STEPS):
            weight = 1.0
            for t in range(start, NUM_STEPS):
                bootstrap = 0.0 if terminated[t, env] else gamma * float(next_values[t, env])
                advantages[start, env] += weight * (float(rewards[t, env]) + bootstrap - float(values[t, env]))
                if terminated[t, env] or truncated[t, env]:
                    break
                weight *= gamma * gae_lambda
    return advantages


def compute(rewards, values, next_values, terminated, truncated, gamma=0.9, gae_lambda=0.8):
    arrays_ = (rewards, values, next_values, terminated, truncated)
    return np.asarray(COMPILED(*map(jnp.asarray, arrays_), jnp.float32(gamma), jnp.float32(gae_lambda)))


@pytest.fixture
def stream():
    rng = np.random.default_rng(0)
    return [rng.normal(size=SHAPE).astype(np.float32) for _ in range(3)]


def flags(*steps):
    """Return flags that are true in the first environment at `steps`."""
    marked = np.zeros(SHAPE, bool)
    marked[list(steps), 0] = True
    return marked


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(NUMBERS, NUMBERS, NUMBERS, FLAGS, FLAGS, FRACTIONS, FRACTIONS)
def test_advantages_equal_the_numpy_reference(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    inputs = (rewards, values, next_values, terminated, truncated, gamma, gae_lambda)
    np.testing.assert_allclose(compute(*inputs), reference(*inputs), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("terminated", "truncated"),
    [
        ((), ()),
        ((2,), ()),
        ((), (2,)),
        ((2,), (2,)),
        ((NUM_STEPS - 1,), ()),
        ((), (NUM_STEPS - 1,)),
        ((NUM_STEPS - 1,), (NUM_STEPS - 1,)),
        ((0, 4), (2,)),
    ],
)
def test_ends_of_episodes_anywhere_equal_the_numpy_reference(stream, terminated, truncated):
    inputs = (*stream, flags(*terminated), flags(*truncated))
    np.testing.assert_allclose(compute(*inputs), reference(*inputs, 0.9, 0.8), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("step", [2, NUM_STEPS - 1])
def test_termination_wins_where_a_step_is_truncated_too(stream, step):
    both = compute(*stream, flags(step), flags(step))
    np.testing.assert_array_equal(both, compute(*stream, flags(step), flags()))
    assert (both[: step + 1, 0] != compute(*stream, flags(), flags(step))[: step + 1, 0]).all()


@pytest.mark.parametrize("step", [2, NUM_STEPS - 1])
def test_a_truncated_step_bootstraps_and_a_terminated_one_does_not(stream, step):
    rewards, values, next_values = stream
    np.testing.assert_allclose(
        compute(*stream, flags(), flags(step))[step, 0],
        rewards[step, 0] + 0.9 * next_values[step, 0] - values[step, 0],
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        compute(*stream, flags(step), flags())[step, 0], rewards[step, 0] - values[step, 0], rtol=1e-5
    )


@pytest.mark.parametrize("which", ["terminated", "truncated"])
def test_nothing_leaks_backward_over_the_end_of_an_episode(stream, which):
    ends = (flags(2), flags()) if which == "terminated" else (flags(), flags(2))
    later = [np.where(np.arange(NUM_STEPS)[:, None] > 2, x + 100, x).astype(np.float32) for x in stream]
    before, after = compute(*stream, *ends), compute(*later, *ends)
    np.testing.assert_array_equal(before[:3, 0], after[:3, 0])
    assert (before[:3, 1:] != after[:3, 1:]).all()


def test_lambda_one_gives_discounted_returns_minus_values():
    zeros = np.zeros(SHAPE, np.float32)
    advantages = compute(zeros + 1, zeros + 3, zeros + 3, flags(NUM_STEPS - 1), flags(), gamma=0.5, gae_lambda=1.0)
    np.testing.assert_allclose(advantages[:, 0], [2 - 0.5 ** (5 - t) - 3 for t in range(NUM_STEPS)], rtol=1e-6)
