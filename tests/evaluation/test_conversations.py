"""Messages to fresh victims, and the agreement of their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metadisco.config import parse_config
from metadisco.evaluation.conversations import conversations, message_maps, num_victims
from metadisco.evaluation.victims import agreement, times
from metadisco.inner.distributions import make_distribution
from metadisco.inner.envs import Discrete
from metadisco.inner.envs.goals import GOALS
from metadisco.inner.networks import Agent
from metadisco.inner.optimise import Batch
from metadisco.problems.cheap_talk import CheapTalk

CONFIG = {
    "problem": {"name": "cheap_talk", "aim": "control", "num_episodes": 3},
    "parametrisation": {"name": "message", "num_channels": 2, "hidden_sizes": [4], "scale": 3.0},
    "inner": {
        "env": "gymnax/CartPole-v1",
        "env_settings": {"max_steps_in_episode": 12},
        "ppo": {
            "num_envs": 2,
            "num_steps": 8,
            "num_env_steps": 32,
            "num_epochs": 1,
            "num_minibatches": 1,
            "hidden_sizes": [4],
            "shared_torso": True,
            "num_evaluation_episodes": 2,
        },
    },
}


@pytest.mark.slow  # three programs to compile
def test_victims_hear_the_message_or_zeros_and_are_steered_in_episodes_of_their_own():
    config, told = parse_config(CONFIG), []
    problem = CheapTalk.from_config(config)
    meta_params = problem.init(jax.random.key(1))
    (talk,) = conversations(problem, meta_params, config.outer, told.append)
    num, functions = num_victims(32), problem.parametrisation.bind(meta_params)
    assert f"training {2 * num} victims for 32 steps each on gymnax/CartPole-v1" in told[0]
    obs, said = talk.heard.seen[..., :-2], talk.heard.seen[..., -2:]
    assert said == pytest.approx(np.asarray(jnp.vectorize(functions.message, signature="(d)->(n)")(obs)), abs=1e-5)
    assert (talk.silent.seen[..., -2:] == 0).all() and talk.said == pytest.approx(said.reshape(-1, 2))
    assert talk.heard.curve.shape == talk.silent.curve.shape == (num, 2)
    assert talk.env_steps.tolist() == [16, 32]
    assert [each.variables for each in talk.maps] == [(2, 3), (0, 1)]
    steered = talk.steered
    paid = np.exp(-np.square(steered.reached - steered.wanted))
    assert steered.reward == pytest.approx(paid, abs=1e-5) and steered.length.max() <= 12
    assert (steered.wanted == steered.wanted[..., :1])[steered.runs].all()
    assert (talk.unsteered.wanted[..., 0] == steered.wanted[..., 0]).all()
    for place in np.ndindex(steered.length.shape):
        length = steered.length[place]
        assert steered.at_the_end(steered.reached)[place] == steered.reached[place][length - 1]
        assert steered.episode_return[place] == pytest.approx(paid[place][:length].sum(), rel=1e-4)


def test_steps_are_counted_from_the_start_of_each_episode():
    done = jnp.array([[False, True], [True, False], [False, False]])
    assert times(jnp.array([4, 0]), done).tolist() == [[4, 0], [5, 0], [0, 1]]


def test_gradients_agree_oppose_each_other_or_have_nothing_in_common():
    distribution = make_distribution(Discrete(2), "gaussian")
    agent = Agent(lambda key: None, lambda params, obs: (obs @ params, obs[:, 0]), distribution, None, None)
    early, zeros = jnp.array([True, False]), jnp.zeros(2)

    def cosine(obs, advantage):
        batch = Batch(jnp.array(obs), jnp.zeros(2, jnp.int32), zeros, zeros, jnp.array(advantage), zeros)
        return float(agreement(jnp.ones((2, 2)), batch, early, agent))

    first, second = [1.0, 0.0], [0.0, 1.0]
    assert cosine([first, second], [1.0, -1.0]) == pytest.approx(0)  # other states, other parameters
    assert cosine([first, first], [1.0, -1.0]) == pytest.approx(-1)  # one wants the action, the other does not
    assert cosine([first, [-1.0, 0.0]], [1.0, -1.0]) == pytest.approx(1)
    assert np.isnan(cosine([first, first], [1.0, 1.0]))  # no advantage, no gradient


def test_maps_show_the_message_where_it_varies_most():
    obs = np.random.default_rng(0).uniform((-1, -1, 4), (1, 1, 6), (200, 3))

    def message(obs):
        return jnp.stack([obs[0] + 2 * obs[2], 0.01 * obs[1]])

    (first, second) = message_maps(message, obs)
    assert first.variables == (0, 2) and second.variables == (1, 2)
    assert first.messages[0] == pytest.approx(first.x[:, None] + 2 * first.y, abs=1e-4)
    typical = np.median(obs, axis=0)
    assert second.messages[0][0] == pytest.approx(typical[0] + 2 * second.y, abs=1e-4)
    assert (first.visited == obs[:, [0, 2]]).all() and first.x[0] < obs[:, 0].min() < obs[:, 0].max() < first.x[-1]


def test_goals_compare_what_is_wanted_with_what_is_reached():
    angle = GOALS["gymnax/Pendulum-v1"]()
    wanted = jnp.array([jnp.cos(3.0), jnp.sin(3.0)])
    reached = jnp.array([jnp.cos(-3.0), jnp.sin(-3.0), 0.0])
    assert angle.compare(wanted, reached) == pytest.approx((3.0, 2 * np.pi - 3.0), abs=1e-5)
    points = GOALS["gymnax/Breakout-MinAtar"]()
    assert points.compare((jnp.array(7.0), jnp.array(3.0)), jnp.zeros(1)) == (7, 3)
