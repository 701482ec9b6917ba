"""The whole configuration of `metadisco evolve` and `metadisco train`, and the section `inner` of problems with PPO."""

from dataclasses import field
from typing import Any, NamedTuple

from .fields import Bool, Float, Fraction, NonNegativeInt, Text, settings
from .names import FITNESS_OF_A_PART
from .outer import OuterConfig
from .ppo import PPOConfig
from .problems import DEFAULT_PROBLEM

DEFAULT_ENV = "gymnax/CartPole-v1"
DEFAULT_PARAMETRISATION = "value_loss"


@settings
class Reference:
    """Where the normalised fitness of an environment is 0 and where it is 1; `metadisco reference` computes both."""

    random: Float
    """Mean return of uniformly random actions."""
    ppo: Float
    """Mean fitness of lives with PPO's objective, under the settings that the environment has here."""

    def __post_init__(self) -> None:
        """Check that one can divide by the difference."""
        if self.ppo <= self.random:
            raise ValueError(f"ppo: got {self.ppo}, allowed: a number above random, {self.random}")


@settings
class EnvConfig:
    """One of several environments."""

    env: Text
    """`suite/name`, or `package.module:make_env` for one's own."""
    env_settings: dict[str, Any] = field(default_factory=dict)
    """Parameters of the environment under its own names."""
    ppo: dict[str, Any] = field(default_factory=dict)
    """Settings of the learner that differ from inner.ppo here."""
    reference: Reference | None = None
    """Returns by which fitness is normalised."""


class TaskConfig(NamedTuple):
    """One environment with everything that an inner life there needs."""

    name: str
    """The environment's, with a number where it is listed more than once."""
    env: str
    env_settings: dict[str, Any]
    ppo: PPOConfig
    reference: Reference | None


@settings
class InnerConfig:
    """What one inner life is: an environment, or one of several, a learner, and what counts as fitness."""

    env: Text | None = None
    """`suite/name`, or `package.module:make_env` for one's own; without envs the default is gymnax/CartPole-v1."""
    env_settings: dict[str, Any] = field(default_factory=dict)
    """Parameters of the environment under its own names, e.g. max_steps_in_episode."""
    envs: tuple[EnvConfig, ...] = ()
    """Several environments instead of one; a member of the population lives one life in each."""
    fitness: Text = "area_under_curve"
    """`final_return`, `mean_evaluation`, `area_under_curve`, or `package.module:my_fitness`."""
    fitness_part: tuple[Fraction, Fraction] = (0.0, 1.0)
    """Which part of the life `mean_evaluation` and `area_under_curve` look at, as fractions of it."""
    ppo: PPOConfig = PPOConfig()
    """The learner."""

    def __post_init__(self) -> None:
        """Check what involves more than one field, and fill in the default environment."""
        if self.envs and (self.env is not None or self.env_settings):
            name, value = ("env", self.env) if self.env is not None else ("env_settings", self.env_settings)
            raise ValueError(f"{name}: got {value!r} beside envs, allowed: one of the two")
        if not self.envs and self.env is None:
            object.__setattr__(self, "env", DEFAULT_ENV)
        start, end = self.fitness_part
        if start >= end:
            raise ValueError(f"fitness_part: got {[start, end]}, allowed: two fractions of the life, the first smaller")
        if (start, end) != (0.0, 1.0) and self.fitness not in FITNESS_OF_A_PART:
            raise ValueError(
                f"fitness_part: got {[start, end]}, allowed: [0, 1], as {self.fitness} looks at no part of the life "
                f"(those that do: {', '.join(FITNESS_OF_A_PART)})"
            )

    @property
    def tasks(self) -> tuple[TaskConfig, ...]:
        """The environments with their settings resolved, in their order."""
        if self.env is not None:
            return (TaskConfig(self.env, self.env, self.env_settings, self.ppo, None),)
        names: list[str] = []
        for each in self.envs:
            number = sum(other.env == each.env for other in self.envs[: len(names)])
            names.append(f"{each.env}#{number + 1}" if number else each.env)
        return tuple(
            TaskConfig(name, each.env, each.env_settings, PPOConfig(**{**vars(self.ppo), **each.ppo}), each.reference)
            for name, each in zip(names, self.envs, strict=True)
        )


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
    problem: dict[str, Any] = field(default_factory=lambda: {"name": DEFAULT_PROBLEM})
    """What is asked: `name` and its settings; a name may be `package.module:MyProblem`."""
    parametrisation: dict[str, Any] = field(default_factory=lambda: {"name": DEFAULT_PARAMETRISATION})
    """What is learned: `name` and its settings; a name may be `package.module:MyParametrisation`."""
    inner: Any = InnerConfig()
    """How an evaluation runs: an `InnerConfig` where PPO is inside, else what the problem says; of a problem of one's
    own a mapping, as it was given."""
    outer: OuterConfig = OuterConfig()
    """The search."""
    logging: LoggingConfig = LoggingConfig()
    """Where metrics go."""

    @property
    def tasks(self) -> tuple[TaskConfig, ...]:
        """The environments of the inner runs; none where a problem has no PPO inside."""
        return self.inner.tasks if isinstance(self.inner, InnerConfig) else ()
