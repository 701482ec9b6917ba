"""Networks of actor and critic."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from metadisco.config import PPOConfig
from metadisco.inner.cpu.dense import dense, narrow_dense
from metadisco.inner.distributions import Distribution, make_distribution, mask_logits
from metadisco.inner.envs.base import Env, Interface
from metadisco.inner.envs.legal_actions import mask_size, not_standardised, split_mask
from metadisco.types import Key

ACTIVATIONS = {"tanh": nn.tanh, "relu": nn.relu, "swish": nn.swish}
HIDDEN_GAIN = 2**0.5  # orthogonal gains of PPO in openai/baselines and CleanRL
POLICY_GAIN = 0.01
VALUE_GAIN = 1.0


class Agent(NamedTuple):
    """Network and action distribution of an agent, as functions of its parameters."""

    init: Callable[[Key], Any]
    """(key) -> parameters."""
    apply: Callable[[Any, Array], tuple[Array, Array]]
    """(parameters, obs[..., *obs_shape]) -> (distribution parameters[..., D], value[...]).

    The mask at the end of an observation is no input of the network; it replaces the logits of illegal actions.
    """
    distribution: Distribution
    config: PPOConfig
    """The config from which both were created."""
    not_standardised: np.ndarray | None
    """Which entries of an observation [*obs_shape] reach `apply` as they are; None if all may be standardised."""


def _initialiser(config: PPOConfig, gain: float) -> nn.initializers.Initializer:
    """Return the initialiser of a layer's weights; the gain applies to the orthogonal one only."""
    if config.initialisation == "lecun_uniform":
        return nn.initializers.lecun_uniform()
    return nn.initializers.orthogonal(gain)


class Torso(nn.Module):
    """Dense hidden layers, each followed by the activation function."""

    config: PPOConfig
    widths: Sequence[int]

    @nn.compact
    def __call__(self, x: Float[Array, "... D"]) -> Float[Array, "... H"]:
        """Return the features of the last hidden layer."""
        for index, width in enumerate(self.widths):
            x = Dense(self.config, width, HIDDEN_GAIN, dense, name=f"Dense_{index}")(x)
            x = ACTIVATIONS[self.config.activation](x)
        return x


class Dense(nn.Module):
    """The same as `nn.Dense`, computed by a function that is faster on CPU."""

    config: PPOConfig
    size: int
    gain: float
    layer: Callable[[Array, Array, Array], Array]

    @nn.compact
    def __call__(self, x: Float[Array, "... D"]) -> Float[Array, "... H"]:
        """Return x·kernel + bias."""
        kernel = self.param("kernel", _initialiser(self.config, self.gain), (x.shape[-1], self.size))
        return self.layer(x, kernel, self.param("bias", nn.initializers.zeros, (self.size,)))


class ActorCritic(nn.Module):
    """Policy head and value head, on a shared torso or on separate ones."""

    config: PPOConfig
    num_outputs: int
    state_free_log_std: bool

    @nn.compact
    def __call__(self, x: Float[Array, "... D"]) -> tuple[Float[Array, "... P"], Float[Array, "..."]]:
        """Return distribution parameters and value."""
        config = self.config
        value_sizes = config.hidden_sizes if config.value_hidden_sizes is None else config.value_hidden_sizes
        actor = Torso(config, config.hidden_sizes, name="actor")(x)
        critic = actor if config.shared_torso else Torso(config, value_sizes, name="critic")(x)
        heads = (("policy", self.num_outputs, POLICY_GAIN, actor), ("value", 1, VALUE_GAIN, critic))
        parameters, value = (
            Dense(config, size, gain, narrow_dense, name=name)(features) for name, size, gain, features in heads
        )
        if self.state_free_log_std:
            log_std = self.param("log_std", nn.initializers.zeros, (self.num_outputs,))
            parameters = jnp.concatenate([parameters, jnp.broadcast_to(log_std, parameters.shape)], -1)
        return parameters, value[..., 0]


def make_agent(env: Env | Interface, config: PPOConfig) -> Agent:
    """Return the agent for an environment; observations of any shape are flattened."""
    space = env.action_space
    distribution = make_distribution(space, config.policy)
    network = ActorCritic(config, distribution.num_outputs, distribution.state_free_log_std)
    num_axes, masked = len(env.obs_shape), mask_size(space) > 0

    def flat(obs: Array) -> Array:
        return obs.reshape((*obs.shape[: obs.ndim - num_axes], -1))

    def init(key: Key) -> Any:
        inputs, _ = split_mask(flat(jnp.zeros(env.obs_shape)), space)
        return network.init(key, inputs)["params"]

    def apply(params: Any, obs: Array) -> tuple[Array, Array]:
        inputs, legal = split_mask(flat(obs), space)
        outputs: tuple[Array, Array] = network.apply({"params": params}, inputs)  # type: ignore[assignment]
        parameters, value = outputs
        return (mask_logits(parameters, legal), value) if masked else outputs

    return Agent(init, apply, distribution, config, not_standardised(env))
