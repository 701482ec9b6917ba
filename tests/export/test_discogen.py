"""Exported loss.py of DiscoGen's on-policy RL: its base loss for PPO, and a loop of its shape that learns with it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from exported import load
from refusals import assert_refused

from metadisco.cli import main

CONFIG = {"CLIP_EPS": 0.2, "VF_COEF": 0.5, "ENT_COEF": 0.01}
NUM_ACTIONS, SIZE, OBS_SIZE = 3, 256, 4


class Batch(NamedTuple):
    """The part of DiscoGen's transitions that a loss sees."""

    obs: jax.Array
    action: jax.Array
    value: jax.Array
    log_prob: jax.Array


class Policy(NamedTuple):
    """A distribution of discrete actions."""

    logits: jax.Array

    def log_prob(self, action):
        return jnp.take_along_axis(jax.nn.log_softmax(self.logits), action[:, None], -1)[:, 0]

    def entropy(self):
        log_prob = jax.nn.log_softmax(self.logits)
        return -(jnp.exp(log_prob) * log_prob).sum(-1)


class Network:
    """Linear in the observation."""

    @staticmethod
    def apply(params, obs):
        out = obs @ params
        return Policy(out[:, :NUM_ACTIONS]), out[:, NUM_ACTIONS]


def base_loss(params, batch, gae, targets):
    """Return the loss of DiscoGen's base template, from its formula."""
    policy, value = Network.apply(params, batch.obs)
    clipped = batch.value + jnp.clip(value - batch.value, -CONFIG["CLIP_EPS"], CONFIG["CLIP_EPS"])
    critic = jnp.maximum((value - targets) ** 2, (clipped - targets) ** 2).mean() / 2
    ratio = jnp.exp(policy.log_prob(batch.action) - batch.log_prob)
    advantage = (gae - gae.mean()) / (gae.std() + 1e-8)
    bounded = jnp.clip(ratio, 1 - CONFIG["CLIP_EPS"], 1 + CONFIG["CLIP_EPS"])
    actor = -jnp.minimum(ratio * advantage, bounded * advantage).mean()
    entropy = policy.entropy().mean()
    return actor + CONFIG["VF_COEF"] * critic - CONFIG["ENT_COEF"] * entropy, (critic, actor, entropy)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Return a function that loads the exported file of an objective."""

    def module(name):
        path = tmp_path_factory.mktemp("discogen") / "loss.py"
        assert main(["export", name, "--to", "discogen", "--output", str(path), "--quiet"]) == 0
        return load(path)

    return module


def random_batch(key):
    """Return parameters and a batch that other parameters collected, so that some ratios are clipped."""
    keys = jax.random.split(key, 6)
    params = jax.random.normal(keys[0], (OBS_SIZE, NUM_ACTIONS + 1))
    obs = jax.random.normal(keys[1], (SIZE, OBS_SIZE))
    policy, value = Network.apply(params + 0.3 * jax.random.normal(keys[2], params.shape), obs)
    action = jax.random.categorical(keys[3], policy.logits)
    gae, targets = 3 * jax.random.normal(keys[4], (SIZE,)), value + jax.random.normal(keys[5], (SIZE,))
    return params, Batch(obs, action, value, policy.log_prob(action)), gae, targets


def test_ppo_is_the_base_loss(exported):
    loss = exported("ppo").loss_actor_and_critic
    ours = jax.jit(jax.value_and_grad(lambda *batch: loss(*batch, Network, CONFIG), has_aux=True))
    theirs = jax.jit(jax.value_and_grad(base_loss, has_aux=True))
    for seed in range(5):
        batch = random_batch(jax.random.key(seed))
        ratio = jnp.exp(Network.apply(batch[0], batch[1].obs)[0].log_prob(batch[1].action) - batch[1].log_prob)
        assert 0.05 < (jnp.abs(ratio - 1) > 0.2).mean() < 0.95
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6), ours(*batch), theirs(*batch))


def test_a_published_drift_learns_in_a_loop_of_that_shape(exported):
    """A bandit with contexts: the best action is that whose entry of the observation is largest."""
    loss = exported("lpo_drift_classic").loss_actor_and_critic
    optimiser = optax.chain(optax.clip_by_global_norm(0.5), optax.adam(0.03))
    grad = jax.grad(lambda *batch: loss(*batch, Network, CONFIG), has_aux=True)

    def update(carry, key):
        params, state = carry
        key_obs, key_action = jax.random.split(key)
        obs = jax.random.normal(key_obs, (SIZE, OBS_SIZE))
        policy, value = Network.apply(params, obs)
        action = jax.random.categorical(key_action, policy.logits)
        reward = (action == obs[:, :NUM_ACTIONS].argmax(1)).astype(jnp.float32)
        batch = Batch(obs, action, value, policy.log_prob(action))
        for _ in range(4):
            gradients, _ = grad(params, batch, reward - value, reward)
            updates, state = optimiser.update(gradients, state)
            params = optax.apply_updates(params, updates)
        return (params, state), reward.mean()

    params = jnp.zeros((OBS_SIZE, NUM_ACTIONS + 1))
    _, rewards = jax.lax.scan(update, (params, optimiser.init(params)), jax.random.split(jax.random.key(0), 60))
    assert rewards[0] < 0.45
    assert rewards[-5:].mean() > 0.85


def test_only_objectives_that_need_no_progress(tmp_path, capsys):
    words = ["--to", "discogen", "--output", str(tmp_path / "loss.py")]
    assert_refused(["export", "mfos_ipd", *words], ["mfos_ipd", "opponent_shaping"], capsys)
    assert not (tmp_path / "loss.py").exists()
