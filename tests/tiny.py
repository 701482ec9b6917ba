"""A search on lifetimes so short that a generation takes milliseconds."""

from typing import Any


def tiny_config(num_env_steps: int = 128, **outer: Any) -> dict[str, Any]:
    """Return a config in which members soon differ and the centre moves; `outer` are further settings of the search."""
    return {
        "parametrisation": {"name": "value_loss", "hidden_sizes": [8]},
        "inner": {
            "env": "gymnax/CartPole-v1",
            "env_settings": {"max_steps_in_episode": 60},
            "ppo": {
                "num_envs": 2,
                "num_steps": 16,
                "num_env_steps": num_env_steps,
                "num_minibatches": 2,
                "num_epochs": 2,
                "learning_rate": 0.3,
                "value_coef": 5.0,
                "shared_torso": True,  # the value loss soon tells in the actions
                "hidden_sizes": [8],
                "num_evaluation_episodes": 2,
            },
        },
        "outer": {
            "checkpoint_every": 2,
            "evaluate_every": 5,
            "chunk_size": 1,
            "strategy": {"population_size": 4, "std": 3.0},
            **outer,
        },
    }
