"""Typed, frozen configuration. JAX is imported where a parametrisation is named, and not started."""

from .edit import set_in_entries
from .names import FITNESS_NAMES, FITNESS_OF_A_PART, SUITES, check_env_name, check_fitness_name, check_num_seeds
from .objectives import (
    OBJECTIVE_SETTINGS,
    DPOObjectiveSettings,
    ObjectiveSettings,
    PPOObjectiveSettings,
    WeightedObjectiveSettings,
)
from .outer import OuterConfig, StrategyConfig
from .parse import build_settings, check_references, completed, parse_config, to_plain
from .ppo import MEASURING, PPOConfig
from .problems import PROBLEMS
from .root import Config, EnvConfig, InnerConfig, LoggingConfig, Reference, TaskConfig
from .strategies import EXCLUDED_STRATEGIES, STRATEGIES, StrategyTraits
from .text import apply_overrides, flatten, parse_override, read_yaml, write_yaml
from .words import Described, describe_tasks, lifetime

__all__ = [
    "EXCLUDED_STRATEGIES",
    "FITNESS_NAMES",
    "FITNESS_OF_A_PART",
    "MEASURING",
    "OBJECTIVE_SETTINGS",
    "PROBLEMS",
    "STRATEGIES",
    "SUITES",
    "Config",
    "DPOObjectiveSettings",
    "Described",
    "EnvConfig",
    "InnerConfig",
    "LoggingConfig",
    "ObjectiveSettings",
    "OuterConfig",
    "PPOConfig",
    "PPOObjectiveSettings",
    "Reference",
    "StrategyConfig",
    "StrategyTraits",
    "TaskConfig",
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
