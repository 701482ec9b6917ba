"""Default settings of PPO in other libraries, by name."""

from collections.abc import Mapping
from typing import Any, NamedTuple

_COMMON: dict[str, Any] = {
    "adam_b1": 0.9, "adam_b2": 0.999, "adam_eps": 1e-5, "max_grad_norm": 0.5,
    "gamma": 0.99, "gae_lambda": 0.95, "value_coef": 0.5,
    "normalise_advantages": "minibatch", "bootstrap_on_truncation": True,
    "hidden_sizes": [64, 64], "value_hidden_sizes": None, "activation": "tanh", "initialisation": "orthogonal",
    "shared_torso": False, "policy": "gaussian",
    "observation_clip": 10.0, "reward_clip": 10.0, "reward_scale": 1.0,
}  # fmt: skip
"""Settings common to these libraries."""
_PLAIN = {"normalise_observations": False, "normalise_rewards": False}
_NORMALISED = {"normalise_observations": True, "normalise_rewards": True}
_UNBOUNDED = 1e30


class Preset(NamedTuple):
    """Settings of `inner.ppo` by key: all but the length of the lifetime and the evaluation of the agent."""

    discrete: Mapping[str, Any]
    """For discrete actions."""
    continuous: Mapping[str, Any]
    """For actions in a box."""


_CLEANRL = {
    **_COMMON, **_PLAIN, "num_envs": 4, "num_steps": 128, "num_epochs": 4, "num_minibatches": 4,
    "learning_rate": 2.5e-4, "anneal_learning_rate": True, "entropy_coef": 0.01,
}  # fmt: skip
_SB3 = {
    **_COMMON, **_PLAIN, "num_envs": 1, "num_steps": 2048, "num_epochs": 10, "num_minibatches": 32,
    "learning_rate": 3e-4, "anneal_learning_rate": False, "entropy_coef": 0.0,
}  # fmt: skip

PRESETS = {
    "cleanrl": Preset(_CLEANRL, {**_SB3, **_NORMALISED, "anneal_learning_rate": True}),
    "purejaxrl": Preset(
        _CLEANRL,
        {
            **_COMMON, **_NORMALISED, "num_envs": 2048, "num_steps": 10, "num_epochs": 4, "num_minibatches": 32,
            "learning_rate": 3e-4, "anneal_learning_rate": False, "entropy_coef": 0.0, "hidden_sizes": [256, 256],
            "observation_clip": _UNBOUNDED, "reward_clip": _UNBOUNDED,
        },
    ),
    "sb3": Preset(_SB3, _SB3),
}  # fmt: skip
"""`cleanrl`: ppo.py and ppo_continuous_action.py (Huang et al., "CleanRL", JMLR 2022). `purejaxrl`: ppo.py and
ppo_continuous_action.py (Lu et al., "Discovered Policy Optimisation", 2022), the first with the settings of CleanRL's.
`sb3`: the arguments of Stable-Baselines3's PPO (Raffin et al., JMLR 2021), one environment of 2048 steps in minibatches
of 64.

Where we differ: truncated episodes are bootstrapped, which the first two do not do. Clipping, that of values included,
belongs to the objective; Stable-Baselines3 does not clip values.
"""
