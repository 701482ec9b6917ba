"""The whole configuration of `metadisco evolve` and `metadisco train`."""

from dataclasses import field
from typing import Any

from .fields import Bool, NonNegativeInt, Text, settings
from .outer import OuterConfig
from .ppo import PPOConfig

DEFAULT_PARAMETRISATION = "value_loss"


@settings
class InnerConfig:
    """What one inner life is: an environment, a learner, and what counts as fitness."""

    env: Text = "gymnax/CartPole-v1"
    """`suite/name`, or `package.module:make_env` for one's own."""
    env_settings: dict[str, Any] = field(default_factory=dict)
    """Parameters of the environment under its own names, e.g. max_steps_in_episode."""
    fitness: Text = "area_under_curve"
    """`final_return`, `area_under_curve`, or `package.module:my_fitness`."""
    ppo: PPOConfig = PPOConfig()
    """The learner."""


@settings
class LoggingConfig:
    """Where metrics go besides metrics.jsonl."""

    tensorboard: Bool = False
    """Write TensorBoard events into the run directory; needs the extra `tensorboard`."""
    wandb: Bool = False
    """Log to Weights & Biases, offline unless WANDB_MODE says otherwise; needs the extra `wandb`."""
    wandb_project: Text = "metadisco"
    """Project name for Weights & Biases."""


@settings
class Config:
    """All settings of a meta-evolution; `config.yaml` of a run directory holds one, fully resolved."""

    seed: NonNegativeInt = 0
    """Meta-seed: everything random follows from it."""
    deterministic: Bool = False
    """Ask XLA for deterministic kernels on GPU, at a cost in speed; CPU is deterministic anyway."""
    parametrisation: dict[str, Any] = field(default_factory=lambda: {"name": DEFAULT_PARAMETRISATION})
    """What is learned: `name` and its settings; a name may be `package.module:MyParametrisation`."""
    inner: InnerConfig = InnerConfig()
    """One inner life."""
    outer: OuterConfig = OuterConfig()
    """The search."""
    logging: LoggingConfig = LoggingConfig()
    """Where metrics go."""
