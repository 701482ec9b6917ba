"""Now `metadisco.objectives.losses`."""

from metadisco.objectives.losses import Losses, Network, ppo_drift, ppo_value_loss

__all__ = ["Losses", "Network", "ppo_drift", "ppo_value_loss"]
