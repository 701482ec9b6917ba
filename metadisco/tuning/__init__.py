"""Tuning: settings of PPO and constants of objectives, searched with hundreds of agents at a time."""
