"""Settings of PPO for the lifetime of an agent."""

import math
from typing import Literal

from .fields import (
    MAX_INT,
    Bool,
    Float,
    Fraction,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ProperFraction,
    Sizes,
    settings,
)

EVALUATION_SETTINGS = ("num_evaluations", "num_evaluation_episodes", "deterministic_evaluation")
"""Settings of the evaluation of an agent, which do not affect its training."""


@settings
class PPOConfig:
    """Static settings of PPO for the lifetime (one training run) of an agent; immutable and hashable.

    The defaults are those of CleanRL's `ppo.py` for CartPole-v1 (Huang et al., "CleanRL", JMLR 2022), except that
    truncated episodes are bootstrapped. PPO's clipping constants belong to the objective and are not set here.

    Raises:
        pydantic.ValidationError: a ValueError naming the field, for a value that is not allowed.
    """

    num_envs: PositiveInt = 4
    """Parallel environments of one agent."""
    num_steps: PositiveInt = 128
    """Steps of each environment per update (length of a rollout)."""
    num_env_steps: PositiveInt = 500_000
    """Total environment steps of the lifetime; rounded down to whole updates."""
    num_epochs: PositiveInt = 4
    """Passes over the batch per update."""
    num_minibatches: PositiveInt = 4
    """Minibatches per epoch; must divide num_envs × num_steps."""

    learning_rate: NonNegativeFloat = 2.5e-4
    """Adam's learning rate at the start of the lifetime."""
    anneal_learning_rate: Bool = True
    """Anneal the learning rate linearly to zero, once per update."""
    adam_b1: ProperFraction = 0.9
    """Decay rate of Adam's first moment, per gradient step."""
    adam_b2: ProperFraction = 0.999
    """Decay rate of Adam's second moment, per gradient step."""
    adam_eps: PositiveFloat = 1e-5
    """Adam's ε, added to the denominator."""
    max_grad_norm: PositiveFloat | None = 0.5
    """Maximum Euclidean norm of the joint gradient of actor and critic; null: no clipping."""

    gamma: Fraction = 0.99
    """Discount factor per environment step."""
    gae_lambda: Fraction = 0.95
    """λ of generalised advantage estimation."""
    value_coef: NonNegativeFloat = 0.5
    """Coefficient of the value loss."""
    entropy_coef: Float = 0.01
    """Coefficient of the entropy bonus; the entropy is in nats."""
    normalise_advantages: Literal["minibatch", "batch", "none"] = "minibatch"
    """Set over which advantages are standardised."""
    bootstrap_on_truncation: Bool = True
    """Bootstrap at truncation; false: as at termination (CleanRL)."""

    hidden_sizes: Sizes = (64, 64)
    """Widths of the hidden layers of actor and critic, in units."""
    value_hidden_sizes: Sizes | None = None
    """Widths of the critic's hidden layers; null: as the actor's."""
    activation: Literal["tanh", "relu", "swish"] = "tanh"
    """Activation function of the hidden layers."""
    initialisation: Literal["orthogonal", "lecun_uniform"] = "orthogonal"
    """Initialisation of the weights: orthogonal with PPO's gains (CleanRL), or LeCun uniform (Brax)."""
    shared_torso: Bool = False
    """Share one torso between actor and critic, instead of two networks."""
    policy: Literal["gaussian", "tanh_gaussian"] = "gaussian"
    """Distribution of continuous actions: state-independent std, or tanh-squashed with state-dependent std."""

    normalise_observations: Bool = False
    """Standardise observations by running statistics."""
    observation_clip: PositiveFloat = 10.0
    """Standardised observations are clipped to ± this many standard deviations."""
    normalise_rewards: Bool = False
    """Divide rewards by the running std of the discounted return."""
    reward_clip: PositiveFloat = 10.0
    """Normalised rewards are clipped to ± this value."""
    reward_scale: PositiveFloat = 1.0
    """Factor on training rewards; reported returns are not scaled."""

    num_evaluations: PositiveInt = 1
    """Evaluations of the agent, evenly spread over the lifetime, the last at its end."""
    num_evaluation_episodes: PositiveInt = 8
    """Episodes per evaluation, each in a fresh environment."""
    deterministic_evaluation: Bool = False
    """Evaluate with the most likely actions, not with samples."""

    def __post_init__(self) -> None:
        """Check constraints between fields."""
        if self.batch_size > MAX_INT:
            raise ValueError(f"num_envs × num_steps: got {self.batch_size}, allowed: at most {MAX_INT}")
        if self.batch_size % self.num_minibatches:
            wanted = self.num_minibatches
            nearby = range(max(wanted - 1000, 1), min(wanted + 1000, self.batch_size))
            divisors = {math.gcd(wanted, self.batch_size), *(n for n in nearby if self.batch_size % n == 0)}
            near = sorted(sorted(divisors, key=lambda n: abs(n - wanted))[:2])
            raise ValueError(
                f"num_minibatches: got {wanted}, allowed: a divisor of num_envs × num_steps = {self.batch_size}, "
                f"such as {' or '.join(map(str, near))}"
            )
        if self.num_env_steps < self.batch_size:
            raise ValueError(
                f"num_env_steps: got {self.num_env_steps}, allowed: at least one update of num_envs × num_steps = "
                f"{self.batch_size}"
            )
        if {"minibatch": self.minibatch_size, "batch": self.batch_size}.get(self.normalise_advantages) == 1:
            raise ValueError(
                f"normalise_advantages: got {self.normalise_advantages!r}, but a {self.normalise_advantages} has one "
                "sample, whose standardised advantage is 0, so no policy learns; allowed: 'none', or more samples "
                f"(num_envs × num_steps is {self.batch_size}, num_minibatches {self.num_minibatches})"
            )
        if self.shared_torso and self.value_hidden_sizes is not None:
            raise ValueError(
                f"value_hidden_sizes: got {list(self.value_hidden_sizes)}, allowed: null with shared_torso, as "
                "actor and critic then share their hidden layers"
            )
        if self.num_evaluations > self.num_updates:
            raise ValueError(
                f"num_evaluations: got {self.num_evaluations}, allowed: at most {self.num_updates}, one per update"
            )

    @property
    def batch_size(self) -> int:
        """Transitions per update."""
        return self.num_envs * self.num_steps

    @property
    def minibatch_size(self) -> int:
        """Transitions per gradient step."""
        return self.batch_size // self.num_minibatches

    @property
    def num_updates(self) -> int:
        """Whole updates that fit into num_env_steps."""
        return self.num_env_steps // self.batch_size

    @property
    def executed_env_steps(self) -> int:
        """Environment steps actually taken: num_updates whole batches."""
        return self.num_updates * self.batch_size

    @property
    def env_steps_of_updates(self) -> list[int]:
        """Environment steps taken by the end of each update."""
        return [update * self.batch_size for update in range(1, self.num_updates + 1)]
