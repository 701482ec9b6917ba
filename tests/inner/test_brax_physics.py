"""Environments of brax compared with brax itself; physics take long to compile."""

import subprocess
import sys
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from brax_envs import WARNINGS_OF_BRAX, brax
from compiling import QUICK
from env_contract import assert_contract, play

from metadisco.inner import envs

pytestmark = WARNINGS_OF_BRAX

FAR = jnp.ones(1)  # an action that makes the pendulum fall within some steps


class Compiled:
    """Reset and step of an environment of ours, and of brax's own, compiled."""

    def __init__(self, name: str, backend: str = "spring", **settings: Any):
        self.env = envs.make(f"brax/{name}:{backend}", **settings)
        self.reset, self.step = (jax.jit(each, compiler_options=QUICK) for each in (self.env.reset, self.env.step))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that brax is no longer developed
            theirs = brax.get_environment(name, backend=backend)
        self.their_reset, self.their_step = (
            jax.jit(each, compiler_options=QUICK) for each in (theirs.reset, theirs.step)
        )

    def play(self, key, actions):
        """Return the first observation and the time steps of a sequence of actions."""
        state, obs = self.reset(key)
        steps = []
        for number, action in enumerate(actions):
            state, step = self.step(jax.random.fold_in(key, number), state, action)
            steps.append(step)
        return obs, jax.tree.map(lambda *leaves: np.stack(leaves), *steps)

    def assert_as_in_brax(self, key, actions):
        """Compare with brax's own functions on the same key, up to the end of an episode; return how many steps."""
        state, obs = self.reset(key)
        theirs = self.their_reset(jax.random.key_data(key))
        np.testing.assert_allclose(obs, theirs.obs, rtol=1e-5, atol=1e-6)
        for number, action in enumerate(actions):
            state, step = self.step(key, state, action)
            theirs = self.their_step(theirs, action)
            np.testing.assert_allclose(step.final_obs, theirs.obs, rtol=1e-3, atol=1e-4)
            np.testing.assert_allclose(step.reward, theirs.reward, rtol=1e-3, atol=1e-4)
            assert bool(step.terminated) == (theirs.done == 1)
            assert not step.truncated
            if step.terminated:
                return number + 1
        return len(actions)


@pytest.fixture(scope="module")
def pendulum():
    return Compiled("inverted_pendulum")


class TestInvertedPendulum:
    @pytest.mark.slow
    def test_same_keys_and_actions_give_what_brax_gives(self, pendulum, getkey):
        actions = jax.random.uniform(getkey(), (40, 1), minval=-1, maxval=1)
        assert pendulum.assert_as_in_brax(getkey(), actions) > 5

    @pytest.mark.slow
    def test_it_falls_and_stands_up_somewhere_else(self, pendulum, getkey):
        first, steps = pendulum.play(getkey(), [FAR] * 40)
        assert steps.terminated.sum() >= 2
        assert not steps.truncated.any()
        np.testing.assert_array_equal(steps.reward, 1)
        angle = np.abs(steps.final_obs[:, 1])
        np.testing.assert_array_equal(steps.terminated, angle > 0.2)
        starts = np.stack([first, *steps.obs[steps.terminated]])
        assert (np.abs(starts) <= 0.01).all()
        assert len(np.unique(starts, axis=0)) == len(starts)
        np.testing.assert_array_equal(steps.obs[~steps.terminated], steps.final_obs[~steps.terminated])

    @pytest.mark.slow
    def test_repeats_end_where_it_fell(self, pendulum, getkey):
        key = getkey()
        _, single = pendulum.play(key, [FAR] * 20)
        fell = int(np.argmax(single.terminated)) + 1
        repeat = next(number for number in (3, 4, 5) if fell % number)  # so that it falls between two decisions
        env = envs.make("brax/inverted_pendulum", action_repeat=repeat)
        step = jax.jit(env.step, compiler_options=QUICK)
        state, _ = pendulum.reset(key)  # whose states are the same
        rewards = []
        for _ in range(-(-fell // repeat)):
            state, result = step(key, state, FAR)
            rewards.append(float(result.reward))
        assert bool(result.terminated)
        assert rewards == [repeat] * (fell // repeat) + [fell % repeat]
        np.testing.assert_allclose(result.final_obs, single.final_obs[fell - 1], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
class TestPhysics:
    def test_reacher_never_terminates(self, getkey):
        reacher = Compiled("reacher", episode_length=6)
        assert reacher.env.obs_shape == (11,)
        actions = jax.random.uniform(getkey(), (12, 2), minval=-1, maxval=1)
        assert reacher.assert_as_in_brax(getkey(), actions[:5]) == 5
        first, steps = reacher.play(getkey(), actions)
        assert np.isfinite(steps.obs).all()
        assert np.isfinite(steps.reward).all()
        assert not steps.terminated.any()
        np.testing.assert_array_equal(steps.truncated, np.arange(1, 13) % 6 == 0)
        goals = [first[4:6], steps.obs[5, 4:6], steps.obs[11, 4:6]]  # every episode has another
        assert len(np.unique(goals, axis=0)) == 3

    def test_ant_terminates_where_its_torso_is_out_of_range(self, getkey):
        low, high = 0.45, 0.7
        env = envs.make("brax/ant", healthy_z_range=[low, high])
        assert env.obs_shape == (27,)
        first, steps = play(env, getkey(), jax.random.uniform(getkey(), (100, 8), minval=-1, maxval=1))
        assert np.isfinite(steps.obs).all()
        assert np.isfinite(steps.reward).all()
        height = steps.final_obs[:, 0]
        np.testing.assert_array_equal(steps.terminated, (height < low) | (height > high))
        assert set(steps.terminated.tolist()) == {True, False}
        assert not steps.truncated.any()
        assert first.shape == (27,)

    def test_ant_goes_on_while_it_is_healthy(self, getkey):
        ant = Compiled("ant")
        actions = jax.random.uniform(getkey(), (5, 8), minval=-1, maxval=1)
        assert ant.assert_as_in_brax(getkey(), actions) == 5

    def test_another_backend_is_other_physics(self, pendulum, getkey):
        generalized = Compiled("inverted_pendulum", "generalized")
        key = getkey()
        assert generalized.assert_as_in_brax(key, [0.02 * FAR] * 10) > 3
        one, other = (each.play(key, [0.02 * FAR] * 3)[1].final_obs for each in (pendulum, generalized))
        assert (np.abs(one[:, 2:] - other[:, 2:]) > 1e-3).any()

    @pytest.mark.parametrize("name", envs.names("brax"))
    def test_every_listed_environment_keeps_the_contract(self, name):
        assert_contract(envs.make(f"brax/{name}", n_frames=2))

    def test_nothing_is_printed_or_written(self, tmp_path):
        """Brax's half cheetah is of an older MuJoCo, which says so in a file in the working directory."""
        code = "from metadisco.inner import envs; envs.make('brax/halfcheetah')"
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert (done.stdout, done.stderr) == ("", "")
        assert list(tmp_path.iterdir()) == []
