"""Descriptions of training settings in words, for the header of a file and for a web page."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

from .ppo import EVALUATION_SETTINGS, PPOConfig
from .ranges import Range
from .root import TaskConfig

ADVANTAGES = {
    "minibatch": "advantages standardised per minibatch",
    "batch": "advantages standardised per batch",
    "none": "advantages not standardised",
}
"""Description of each value of normalise_advantages."""


class TaskDescriptions(NamedTuple):
    """Descriptions of tasks in words."""

    common: list[str]
    """Settings shared by all tasks; empty for a single task."""
    each: list[tuple[str, list[str]]]
    """For each environment its lifetime, and the settings that are not shared."""


def describe_tasks(tasks: Sequence[TaskConfig]) -> TaskDescriptions:
    """Describe environments, their lifetimes and the settings of PPO; shared settings are listed once."""
    settings = [[*_settings(task.ppo), *map(_drawn, task.randomise)] for task in tasks]
    common = [words for words in settings[0] if len(tasks) > 1 and all(words in other for other in settings)]
    each = [
        (_environment(task), [lifetime(task.ppo), *(words for words in own if words not in common)])
        for task, own in zip(tasks, settings, strict=True)
    ]
    return TaskDescriptions(common, each)


def lifetime(ppo: PPOConfig) -> str:
    """Describe the length of a lifetime."""
    return f"{ppo.executed_env_steps:,} environment steps"


def _environment(task: TaskConfig) -> str:
    """Return the name of a task with the settings of its environment."""
    own = ", ".join(f"{key} {value}" for key, value in task.env_settings.items())
    return f"{task.name} ({own})" if own else task.name


def _settings(ppo: PPOConfig) -> list[str]:
    """Describe the settings that are needed to reproduce the training.

    Common settings are always included; other settings appear by their keys if they differ from the defaults.
    """
    defaults = PPOConfig()
    rest = [
        field.name for field in dataclasses.fields(ppo) if field.name not in (*ALWAYS_DESCRIBED, *EVALUATION_SETTINGS)
    ]
    differing = [key for key in rest if getattr(ppo, key) != getattr(defaults, key)]
    return [*_common_settings(ppo), *(f"{key} {_value(getattr(ppo, key))}" for key in differing)]


ALWAYS_DESCRIBED = (
    *("num_env_steps", "num_envs", "num_steps", "num_epochs", "num_minibatches", "learning_rate"),
    *("anneal_learning_rate", "value_coef", "entropy_coef", "gamma", "gae_lambda", "max_grad_norm"),
    *("normalise_advantages", "normalise_rewards", "reward_scale", "normalise_observations"),
    *("hidden_sizes", "activation"),
)
"""Settings that `lifetime` and `_common_settings` describe."""


def _common_settings(ppo: PPOConfig) -> list[str]:
    scale = "" if ppo.reward_scale == 1 else f" times {ppo.reward_scale:g}"
    norm = ppo.max_grad_norm
    return [
        f"{ppo.num_envs} environments x {ppo.num_steps} steps",
        f"{ppo.num_epochs} epochs x {ppo.num_minibatches} minibatches",
        f"learning rate {ppo.learning_rate:g}, {'annealed to 0' if ppo.anneal_learning_rate else 'not annealed'}",
        f"value_coef {ppo.value_coef:g}",
        f"entropy_coef {ppo.entropy_coef:g}",
        f"gamma {ppo.gamma:g}",
        f"lambda {ppo.gae_lambda:g}",
        "gradients not clipped" if norm is None else f"max_grad_norm {norm:g}",
        ADVANTAGES[ppo.normalise_advantages],
        f"rewards{scale} normalised" if ppo.normalise_rewards else f"rewards{scale or ' as they are'}",
        f"observations {'standardised' if ppo.normalise_observations else 'as they are'}",
        f"hidden layers {_value(ppo.hidden_sizes)} {ppo.activation}",
    ]


def _drawn(each: Range) -> str:
    """Describe the range from which a setting is drawn."""
    return f"{each.name} drawn from {each.low:g} to {each.high:g}{', log-uniformly' if each.log else ''}"


def _value(value: Any) -> str:
    """Format the value of a setting."""
    if isinstance(value, tuple):
        return "-".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
