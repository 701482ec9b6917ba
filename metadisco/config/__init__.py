"""Typed, frozen configuration; nothing here imports JAX."""

from .names import FITNESS_NAMES, SUITES, check_env_name, check_fitness_name
from .objectives import (
    OBJECTIVE_SETTINGS,
    PARAMETRISATION_SETTINGS,
    PPOObjectiveSettings,
    ValueLossSettings,
)
from .outer import OuterConfig, StrategyConfig
from .parse import build_settings, parse_config, to_plain
from .ppo import PPOConfig
from .root import Config, InnerConfig, LoggingConfig
from .strategies import EXCLUDED_STRATEGIES, STRATEGIES, StrategyTraits
from .text import apply_overrides, flatten, parse_override, read_yaml, write_yaml

__all__ = [
    "EXCLUDED_STRATEGIES",
    "FITNESS_NAMES",
    "OBJECTIVE_SETTINGS",
    "PARAMETRISATION_SETTINGS",
    "STRATEGIES",
    "SUITES",
    "Config",
    "InnerConfig",
    "LoggingConfig",
    "OuterConfig",
    "PPOConfig",
    "PPOObjectiveSettings",
    "StrategyConfig",
    "StrategyTraits",
    "ValueLossSettings",
    "apply_overrides",
    "build_settings",
    "check_env_name",
    "check_fitness_name",
    "flatten",
    "parse_config",
    "parse_override",
    "read_yaml",
    "to_plain",
    "write_yaml",
]
