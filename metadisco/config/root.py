"""The complete configuration, and the section `inner` of problems that train PPO."""

from dataclasses import field
from typing import Any, NamedTuple

from .fields import Bool, Float, Fraction, NonNegativeInt, Text, settings
from .names import PARTIAL_FITNESS_NAMES
from .outer import OuterConfig
from .ppo import PPOConfig
from .problems import DEFAULT_PROBLEM
from .ranges import Range, ranges_of

DEFAULT_ENV = "gymnax/CartPole-v1"
DEFAULT_PARAMETRISATION = "value_loss"


@settings
class Reference:
    """Reference returns that normalise the fitness of an environment to 0 and 1; see `metadisco reference`."""

    random: Float
    """Mean return of uniformly random actions; normalised to 0."""
    ppo: Float
    """Mean fitness of agents trained with PPO's objective, under this environment's settings; normalised to 1."""

    def __post_init__(self) -> None:
        """Check that the difference is positive."""
        if self.ppo <= self.random:
            raise ValueError(f"ppo: got {self.ppo}, allowed: a number above random, {self.random}")


@settings
class EnvConfig:
    """One of several environments."""

    env: Text
    """`suite/name`, or `package.module:make_env` for a user-defined environment."""
    env_settings: dict[str, Any] = field(default_factory=dict)
    """Parameters of the environment, under its own names."""
    ppo: dict[str, Any] = field(default_factory=dict)
    """Settings of PPO on this environment that differ from inner.ppo."""
    randomise: dict[str, Any] = field(default_factory=dict)
    """Ranges on this environment that differ from inner.randomise; null for a setting that is not drawn here."""
    reference: Reference | None = None
    """Reference returns for normalising fitness."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        ranges_of(self.randomise)


class TaskConfig(NamedTuple):
    """One environment with all settings for training an agent on it."""

    name: str
    """Name of the environment, with a number if it is listed more than once."""
    env: str
    env_settings: dict[str, Any]
    ppo: PPOConfig
    randomise: tuple[Range, ...]
    """Settings that each training of a search draws, instead of taking them from `ppo`."""
    reference: Reference | None


@settings
class InnerConfig:
    """Settings of the inner loop: one or several environments, PPO, and the fitness of an agent."""

    env: Text | None = None
    """`suite/name`, or `package.module:make_env`; gymnax/CartPole-v1 if neither env nor envs is set."""
    env_settings: dict[str, Any] = field(default_factory=dict)
    """Parameters of the environment, under its own names, e.g. max_steps_in_episode."""
    envs: tuple[EnvConfig, ...] = ()
    """Several environments instead of one; each evaluation trains one agent on each of them."""
    fitness: Text = "area_under_curve"
    """`final_return`, `mean_evaluation`, `area_under_curve`, or `package.module:my_fitness`."""
    fitness_part: tuple[Fraction, Fraction] = (0.0, 1.0)
    """Part of the lifetime over which `mean_evaluation` and `area_under_curve` average: start and end as fractions."""
    ppo: PPOConfig = PPOConfig()
    """Settings of PPO."""
    randomise: dict[str, Any] = field(default_factory=dict)
    """Settings of PPO that each training of a search draws, with their ranges: `{learning_rate: {log: [1e-4, 1e-2]}}`,
    or `linear` in place of `log`. The same for all members of a generation, new ones in each."""

    def __post_init__(self) -> None:
        """Check constraints between fields, and fill in the default environment."""
        ranges_of(self.randomise)
        if self.envs and (self.env is not None or self.env_settings):
            name, value = ("env", self.env) if self.env is not None else ("env_settings", self.env_settings)
            raise ValueError(f"{name}: got {value!r} beside envs, allowed: one of the two")
        if not self.envs and self.env is None:
            object.__setattr__(self, "env", DEFAULT_ENV)
        start, end = self.fitness_part
        if start >= end:
            raise ValueError(f"fitness_part: got {[start, end]}, allowed: two increasing fractions of the lifetime")
        if (start, end) != (0.0, 1.0) and self.fitness not in PARTIAL_FITNESS_NAMES:
            raise ValueError(
                f"fitness_part: got {[start, end]}, allowed: [0, 1], as {self.fitness} cannot be restricted to a part "
                f"of the lifetime (these can: {', '.join(PARTIAL_FITNESS_NAMES)})"
            )

    @property
    def tasks(self) -> tuple[TaskConfig, ...]:
        """The environments with their resolved settings, in order."""
        if self.env is not None:
            return (TaskConfig(self.env, self.env, self.env_settings, self.ppo, ranges_of(self.randomise), None),)
        names: list[str] = []
        for each in self.envs:
            number = sum(other.env == each.env for other in self.envs[: len(names)])
            names.append(f"{each.env}#{number + 1}" if number else each.env)
        return tuple(
            TaskConfig(
                name,
                each.env,
                each.env_settings,
                PPOConfig(**{**vars(self.ppo), **each.ppo}),
                ranges_of({**self.randomise, **each.randomise}),
                each.reference,
            )
            for name, each in zip(names, self.envs, strict=True)
        )


@settings
class LoggingConfig:
    """Loggers in addition to metrics.jsonl."""

    tensorboard: Bool = False
    """Write TensorBoard events into the run directory; requires the extra `tensorboard`."""
    wandb: Bool = False
    """Log to Weights & Biases, offline unless WANDB_MODE is set; requires the extra `wandb`."""
    wandb_project: Text = "metadisco"
    """Project name for Weights & Biases."""


@settings
class Config:
    """All settings of a search; `config.yaml` in a run directory is one, with all defaults filled in."""

    seed: NonNegativeInt = 0
    """Seed of the search; determines all random numbers."""
    deterministic: Bool = False
    """Use deterministic kernels on GPU, which are slower; CPU is always deterministic."""
    problem: dict[str, Any] = field(default_factory=lambda: {"name": DEFAULT_PROBLEM})
    """The meta-problem: `name` and its settings; a name may be `package.module:MyProblem`."""
    parametrisation: dict[str, Any] = field(default_factory=lambda: {"name": DEFAULT_PARAMETRISATION})
    """The learned function: `name` and its settings; a name may be `package.module:MyParametrisation`."""
    inner: Any = InnerConfig()
    """The inner loop: an `InnerConfig` for problems that train PPO, else settings defined by the problem; a plain
    mapping for a user-defined problem."""
    outer: OuterConfig = OuterConfig()
    """The outer loop."""
    logging: LoggingConfig = LoggingConfig()
    """Loggers."""

    @property
    def tasks(self) -> tuple[TaskConfig, ...]:
        """The environments of the inner loop; empty for a problem that does not train PPO."""
        return self.inner.tasks if isinstance(self.inner, InnerConfig) else ()
