"""Typed, frozen configuration. It imports JAX only to resolve a parametrisation, and never initialises it."""

from .edit import set_in_entries
from .names import FITNESS_NAMES, PARTIAL_FITNESS_NAMES, SUITES, check_env_name, check_fitness_name, check_num_seeds
from .objectives import (
    OBJECTIVE_SETTINGS,
    DPOObjectiveSettings,
    ObjectiveSettings,
    PPOObjectiveSettings,
    WeightedObjectiveSettings,
)
from .outer import OuterConfig, StrategyConfig
from .parse import build_settings, check_references, completed, parse_config, to_plain
from .ppo import EVALUATION_SETTINGS, PPOConfig
from .problems import PROBLEMS
from .ranges import Range
from .root import Config, EnvConfig, InnerConfig, LoggingConfig, Reference, TaskConfig
from .strategies import EXCLUDED_STRATEGIES, STRATEGIES, StrategyTraits
from .text import apply_overrides, flatten, parse_override, read_yaml, write_yaml
from .words import TaskDescriptions, describe_tasks, lifetime

__all__ = [
    "EVALUATION_SETTINGS",
    "EXCLUDED_STRATEGIES",
    "FITNESS_NAMES",
    "OBJECTIVE_SETTINGS",
    "PARTIAL_FITNESS_NAMES",
    "PROBLEMS",
    "STRATEGIES",
    "SUITES",
    "Config",
    "DPOObjectiveSettings",
    "EnvConfig",
    "InnerConfig",
    "LoggingConfig",
    "ObjectiveSettings",
    "OuterConfig",
    "PPOConfig",
    "PPOObjectiveSettings",
    "Range",
    "Reference",
    "StrategyConfig",
    "StrategyTraits",
    "TaskConfig",
    "TaskDescriptions",
    "WeightedObjectiveSettings",
    "apply_overrides",
    "build_settings",
    "check_env_name",
    "check_fitness_name",
    "check_num_seeds",
    "check_references",
    "completed",
    "describe_tasks",
    "flatten",
    "lifetime",
    "parse_config",
    "parse_override",
    "read_yaml",
    "set_in_entries",
    "to_plain",
    "write_yaml",
]
