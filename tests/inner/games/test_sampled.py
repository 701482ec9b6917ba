"""Sampled games: the plays, the observations of players, and tabular PPO that learns from them."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from game_samples import ODD, STRATEGIES, policies

from metadisco.errors import UserError
from metadisco.inner.games import GAMES
from metadisco.inner.games.lifetime import trace_lifetimes
from metadisco.inner.games.players import make_learner
from metadisco.inner.games.players.base import logits_of
from metadisco.inner.games.players.tabular_ppo import TabularPPO
from metadisco.inner.games.sampled import Experience, experience_of, sample_outcomes, shares, swapped
from metadisco.inner.games.seats import take_seats

IPD, CHICKEN = GAMES["ipd"], GAMES["chicken"]
KEY = jax.random.key(0)


class Given(NamedTuple):
    """Plays one policy for ever, which may be traced."""

    policy: Any

    def init(self, key, game):
        return self.policy

    def logits(self, state):
        return state

    def update(self, state, own_logits, other_logits, game):
        return state


class Recorder(NamedTuple):
    """Learns nothing, and keeps its last observation."""

    num_steps: int = 6
    num_envs: int = 2

    def init(self, key, game):
        empty = jnp.zeros((self.num_steps, self.num_envs), jnp.int32)
        return {"policy": jnp.zeros(game.num_logits), "seen": experience_of(empty[..., None], game)}

    def logits(self, state):
        return state["policy"]

    def update(self, state, own_logits, other_logits, game):
        raise AssertionError("shown policies")

    def learn(self, key, state, experience, game):
        return {**state, "seen": experience}


def mean_rewards(game, own, other, num_steps):
    """Return expected mean rewards per step of a finite episode, undiscounted, by NumPy."""
    p, q = (1 / (1 + np.exp(-np.asarray(x, np.float64))) for x in (own, other))
    q = q[[0, 1, 3, 2, 4]]
    rounds = np.stack([p * q, p * (1 - q), (1 - p) * q, (1 - p) * (1 - q)], -1)
    now, total = rounds[0], np.zeros(4)
    for _ in range(num_steps):
        total, now = total + now, now @ rounds[1:]
    return total @ game.own / num_steps, total @ game.other / num_steps


def test_rewards_are_those_of_an_undiscounted_episode_in_both_seats():
    own, other = policies(ODD)
    many = [jnp.tile(policy[:, None], 4000) for policy in (own, other)]
    outcomes = sample_outcomes(KEY, *many, ODD, num_steps=8, num_envs=2)
    seen, theirs = experience_of(outcomes, ODD), experience_of(swapped(outcomes), ODD.swapped)
    expected = mean_rewards(ODD, own, other, 8)
    for rewards, mean in zip((seen.reward, theirs.reward), expected, strict=True):
        of_lifetimes = rewards.mean((0, 1))
        assert abs(of_lifetimes.mean() - mean) < 4 * of_lifetimes.std() / 4000**0.5
        assert of_lifetimes.std() / 4000**0.5 < 0.02
    np.testing.assert_allclose(np.array(ODD.own) @ shares(outcomes), seen.reward.mean((0, 1)), rtol=1e-4, atol=1e-5)


def test_players_see_their_own_side_of_what_was_played():
    outcomes = jnp.array([0, 1, 2, 3, 2])[:, None, None]
    seen, theirs = experience_of(outcomes, ODD), experience_of(swapped(outcomes), ODD.swapped)
    np.testing.assert_array_equal(seen.state.ravel(), [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(theirs.state.ravel(), [0, 1, 3, 2, 4])
    np.testing.assert_array_equal(seen.first.ravel(), [True, True, False, False, False])
    np.testing.assert_array_equal(theirs.first.ravel(), [True, False, True, False, True])
    np.testing.assert_array_equal(seen.reward.ravel(), [3, -1, 2, 0.5, 2])
    np.testing.assert_array_equal(theirs.reward.ravel(), [1, 4, -2, 0, -2])
    assert (int(seen.last_state[0, 0]), int(theirs.last_state[0, 0])) == (3, 2)


def test_in_a_game_of_one_round_every_step_starts_anew():
    outcomes = jnp.array([3, 1])[:, None, None]
    seen = experience_of(swapped(outcomes), CHICKEN.swapped)
    np.testing.assert_array_equal(seen.state, jnp.zeros((2, 1, 1)))
    np.testing.assert_array_equal(seen.reward.ravel(), [-100, 1])


def test_a_learner_is_given_its_own_side_and_both_are_paid_what_was_played():
    """The player always cooperates after the start, CC and DC; the recorder plays at random."""
    policy = logits_of((1.0, 1.0, 0.0, 1.0, 0.0))
    seats = take_seats(Given(policy), Recorder(), ODD)
    table, play = jax.jit(lambda key: seats.play(seats.begin(key, 3, is_random=False)))(KEY)
    seen: Experience = table.table.opponent["seen"]
    np.testing.assert_allclose(play.other, seen.reward.mean((0, 1)), rtol=1e-6)
    np.testing.assert_allclose(play.own, np.array(ODD.own) @ play.visits, rtol=1e-5)
    np.testing.assert_array_equal(seen.state[0], np.zeros((2, 3)))
    # Tit for tat has just done what the recorder did before: states CC and CD follow C, as the recorder names them.
    their_last = np.isin(np.asarray(seen.state[2:]), [1, 3])
    np.testing.assert_array_equal(their_last, np.asarray(seen.first[:-2]))
    assert 0.2 < seen.first.mean() < 0.8


def plain_update(learner, parameters, experience, gamma):
    """Return a table after one gradient step on all steps of one lifetime, written as one reads it in the papers."""
    logits, values = parameters
    state, first, reward, last = (leaf[..., 0] for leaf in experience)
    advantages, following = [], jnp.zeros(last.shape)
    for t in reversed(range(state.shape[0])):
        after = values[state[t + 1]] if t + 1 < state.shape[0] else values[last]
        following = reward[t] + gamma * after - values[state[t]] + gamma * learner.gae_lambda * following
        advantages.insert(0, following)
    advantage = jnp.stack(advantages)
    target = advantage + values[state]
    normalised = (advantage - advantage.mean()) / advantage.std()

    def loss(parameters):
        logits, new_values = parameters
        log_probs = jax.nn.log_softmax(logits[:, state], axis=0)
        ratio = jnp.exp(jnp.where(first, log_probs[0], log_probs[1]) - old)
        surrogate = jnp.minimum(ratio * normalised, jnp.clip(ratio, 0.8, 1.2) * normalised)
        entropy = -(jnp.exp(log_probs) * log_probs).sum(0)
        value_loss = jnp.square(new_values[state] - target)
        return (-surrogate + 0.5 * value_loss - learner.entropy_coef * entropy).mean()

    log_probs = jax.nn.log_softmax(logits[:, state], axis=0)
    old = jnp.where(first, log_probs[0], log_probs[1])
    optimiser = optax.chain(optax.clip_by_global_norm(0.5), optax.adam(learner.learning_rate, eps=1e-5))
    grads = jax.grad(loss)(parameters)
    moves, _ = optimiser.update(grads, optimiser.init((logits, values)))
    return optax.apply_updates((logits, values), moves)


def test_an_update_is_that_of_the_papers_in_each_lifetime():
    """Episodes are cut and not ended, and lifetimes do not touch each other."""
    learner = TabularPPO(num_steps=6, num_envs=2, num_epochs=1, num_minibatches=1, learning_rate=0.1, initial_std=1.0)

    @jax.jit
    def both(key):
        state = jax.vmap(lambda key: learner.init(key, ODD), out_axes=-1)(jax.random.split(key, 2))
        parameters = state.parameters._replace(values=jax.random.normal(key, (5, 2)))
        state = state._replace(parameters=parameters)
        outcomes = sample_outcomes(key, learner.logits(state), policies(ODD, 2)[1], ODD, 6, 2)
        experience = experience_of(outcomes, ODD)
        plain = []
        for lifetime in (0, 1):
            before = tuple(leaf[..., lifetime] for leaf in parameters)
            of_one = [leaf[..., lifetime : lifetime + 1] for leaf in experience]
            plain.append(plain_update(learner, before, of_one, gamma=0.9))
        return learner.learn(key, state, experience, ODD).parameters, plain

    after, plain = both(KEY)
    for lifetime, expected in enumerate(plain):
        for got, wanted in zip(after, expected, strict=True):
            np.testing.assert_allclose(got[..., lifetime], wanted, rtol=1e-4, atol=1e-5)


@jax.jit
def met(key, policy):
    """Return lifetimes of a policy against a patient learner."""
    learner = make_learner({"name": "tabular_ppo", "learning_rate": 0.1, "num_steps": 40}, IPD.swapped)
    return trace_lifetimes(key, Given(policy), learner, IPD, horizon=60, num_lifetimes=16)


@pytest.mark.slow
def test_it_learns_to_defect_against_defection_and_to_cooperate_with_tit_for_tat():
    defector, tit_for_tat = (met(KEY, logits_of(STRATEGIES[name])) for name in ("all_defect", "tit_for_tat"))
    assert defector.other_policy.mean[-1, 4] < 0.1  # after DD
    assert defector.other_reward.mean[-1] == pytest.approx(-2, abs=0.1)
    assert tit_for_tat.other_policy.mean[-1, 1] > 0.9  # after CC
    assert tit_for_tat.visits[-1, 0] > 0.6  # CC
    np.testing.assert_allclose(tit_for_tat.visits.sum(-1), 1, rtol=1e-5)
    np.testing.assert_allclose(tit_for_tat.visits @ np.array(IPD.own), tit_for_tat.own_reward.mean, rtol=1e-4)
    np.testing.assert_allclose(tit_for_tat.visits @ np.array(IPD.other), tit_for_tat.other_reward.mean, rtol=1e-4)
    again = met(KEY, logits_of(STRATEGIES["tit_for_tat"]))
    jax.tree.map(np.testing.assert_array_equal, tit_for_tat, again)


def test_learners_that_cannot_be_are_refused_in_one_sentence():
    sentence = r"num_minibatches: got 3, allowed: a divisor of num_steps · num_envs, 200"
    with pytest.raises(UserError, match=sentence):
        make_learner("tabular_ppo:num_minibatches=3", IPD)
    one, other = (make_learner(f"tabular_ppo:num_envs={number}", IPD) for number in (2, 4))
    with pytest.raises(UserError, match=r"num_steps, num_envs: got \(100, 2\) and \(100, 4\) of two players, allowed"):
        take_seats(one, other, IPD)
