"""Settings of one inner life of PPO."""

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

MEASURING = ("num_evaluations", "num_evaluation_episodes", "deterministic_evaluation")
"""Settings that no agent learns by."""


@settings
class PPOConfig:
    """Static settings of one inner life; hashable, never mutated.

    The defaults are those of CleanRL's `ppo.py` for CartPole-v1 (Huang et al., "CleanRL", JMLR 2022), except that
    truncation is bootstrapped. The clipping constants of PPO are not here: they belong to the objective.

    Raises:
        pydantic.ValidationError: a ValueError naming the field, for a value that is not allowed.
    """

    num_envs: PositiveInt = 4
    """Environments stepped side by side by one agent."""
    num_steps: PositiveInt = 128
    """Environment steps that each environment takes between two updates."""
    num_env_steps: PositiveInt = 500_000
    """Environment steps of the whole life, over all environments; rounded down to whole updates."""
    num_epochs: PositiveInt = 4
    """Passes over the batch in one update."""
    num_minibatches: PositiveInt = 4
    """Minibatches of one pass; must divide num_envs × num_steps."""

    learning_rate: NonNegativeFloat = 2.5e-4
    """Adam's step size at the start of the life."""
    anneal_learning_rate: Bool = True
    """Lower the step size linearly to zero over the life, once per update."""
    adam_b1: ProperFraction = 0.9
    """Decay of Adam's first moment, per gradient step."""
    adam_b2: ProperFraction = 0.999
    """Decay of Adam's second moment, per gradient step."""
    adam_eps: PositiveFloat = 1e-5
    """Adam's ε."""
    max_grad_norm: PositiveFloat | None = 0.5
    """Global norm at which the gradient of actor and critic together is clipped; null for no clipping."""

    gamma: Fraction = 0.99
    """Discount per environment step."""
    gae_lambda: Fraction = 0.95
    """λ of generalised advantage estimation."""
    value_coef: NonNegativeFloat = 0.5
    """Weight of the value loss."""
    entropy_coef: Float = 0.01
    """Weight of the entropy bonus."""
    normalise_advantages: Literal["minibatch", "batch", "none"] = "minibatch"
    """Over which set advantages are standardised before the objective sees them."""
    bootstrap_on_truncation: Bool = True
    """Bootstrap from the final observation at a time limit; false treats it as termination (CleanRL, PureJaxRL)."""

    hidden_sizes: Sizes = (64, 64)
    """Widths of the hidden layers of actor and critic."""
    value_hidden_sizes: Sizes | None = None
    """Widths of the hidden layers of the critic, where they are others than the actor's; null for the same."""
    activation: Literal["tanh", "relu", "swish"] = "tanh"
    """Activation of the hidden layers."""
    initialisation: Literal["orthogonal", "lecun_uniform"] = "orthogonal"
    """Of the weights: orthogonal with PPO's gains (CleanRL), or LeCun's uniform in every layer (Brax)."""
    shared_torso: Bool = False
    """One torso with two heads instead of two networks."""
    policy: Literal["gaussian", "tanh_gaussian"] = "gaussian"
    """Distribution of continuous actions: state-free log-std, or squashed with a state-dependent std."""

    normalise_observations: Bool = False
    """Standardise observations by running statistics, frozen within an update."""
    observation_clip: PositiveFloat = 10.0
    """Bound of standardised observations."""
    normalise_rewards: Bool = False
    """Divide rewards by the running standard deviation of the discounted return."""
    reward_clip: PositiveFloat = 10.0
    """Bound of normalised rewards."""
    reward_scale: PositiveFloat = 1.0
    """Factor on rewards for learning; returns are reported unscaled."""

    num_evaluations: PositiveInt = 1
    """Evaluations, spread evenly over the life; the last is at its end."""
    num_evaluation_episodes: PositiveInt = 8
    """Episodes of one evaluation, each the first full one of its environment."""
    deterministic_evaluation: Bool = False
    """Act by the mode in evaluation, not by sampling."""

    def __post_init__(self) -> None:
        """Check what involves more than one field."""
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
                f"normalise_advantages: got {self.normalise_advantages!r} where a {self.normalise_advantages} is one "
                "sample, whose advantage becomes 0, so that no policy learns; allowed: 'none', or more samples "
                f"(num_envs × num_steps is {self.batch_size}, num_minibatches {self.num_minibatches})"
            )
        if self.shared_torso and self.value_hidden_sizes is not None:
            raise ValueError(
                f"value_hidden_sizes: got {list(self.value_hidden_sizes)}, allowed: null with shared_torso, where "
                "actor and critic have the same hidden layers"
            )
        if self.num_evaluations > self.num_updates:
            raise ValueError(
                f"num_evaluations: got {self.num_evaluations}, allowed: at most {self.num_updates}, one per update"
            )

    @property
    def batch_size(self) -> int:
        """Transitions of one update."""
        return self.num_envs * self.num_steps

    @property
    def minibatch_size(self) -> int:
        """Transitions of one gradient step."""
        return self.batch_size // self.num_minibatches

    @property
    def num_updates(self) -> int:
        """Whole updates that fit into num_env_steps."""
        return self.num_env_steps // self.batch_size

    @property
    def executed_env_steps(self) -> int:
        """Environment steps really taken: num_updates whole batches."""
        return self.num_updates * self.batch_size

    @property
    def env_steps_of_updates(self) -> list[int]:
        """Environment steps taken at the end of each update."""
        return [update * self.batch_size for update in range(1, self.num_updates + 1)]
