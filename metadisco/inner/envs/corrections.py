"""Corrections of gymnax environments that differ from the originals they are named after.

A correction wraps gymnax's transition function, so that all draws and all correct numbers stay the same bit for bit.
The tests step all environments together with their originals.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Int

from metadisco.types import Key

Transition: TypeAlias = Callable[[Key, Any, Array, Any], tuple[Array, Any, Array, Array, dict[str, Any]]]
"""gymnax's step_env: (key, state, action, params) -> (obs, state, reward, terminated, info), without auto-reset."""

FILLED = 4
"""Column of an Asterix entity that tells whether the entity exists; before it: x, y, moves right, is gold."""


def mountain_car_continuous(transition: Transition) -> Transition:
    """Stop the car at the left wall, as Gymnasium's MountainCarContinuous-v0 does.

    In gymnax the car keeps its velocity at the wall, and so stays there longer. Instead it loses its velocity beyond
    the goal, where it should be able to turn back if `goal_velocity` is set.
    """

    def corrected(key: Key, state: Any, action: Array, params: Any) -> tuple[Array, Any, Array, Array, dict[str, Any]]:
        no_goal = params.replace(goal_position=jnp.inf)  # disables gymnax's behaviour at the goal
        _, state, reward, _, info = transition(key, state, action, no_goal)
        at_wall = (state.position == params.min_position) & (state.velocity < 0)
        state = state.replace(velocity=jnp.where(at_wall, 0.0, state.velocity))
        terminated = (state.position >= params.goal_position) & (state.velocity >= params.goal_velocity)
        obs = jnp.stack([state.position, state.velocity])
        return obs, state, reward + 100 * terminated, terminated, info

    return corrected


def asterix(transition: Transition) -> Transition:
    """Let enemies and treasure appear as in MinAtar: in any free row, and nowhere if no row is free.

    Each time gymnax ignores one randomly chosen row of the eight. If no other row is free, it empties a row instead. If
    `init_move_interval` is small, its entities also stop permanently, as their speed exceeds its limit.
    """

    def corrected(key: Key, state: Any, action: Array, params: Any) -> tuple[Array, Any, Array, Array, dict[str, Any]]:
        due = state.spawn_timer == 0
        spawn_timer = jnp.where(due, state.spawn_speed, state.spawn_timer)
        entities = jnp.where(due, _spawn(key, state.entities), state.entities)
        not_due = jnp.ones_like(spawn_timer)  # for gymnax's own spawning
        ready = state.replace(entities=entities, spawn_timer=not_due)
        obs, after, reward, terminated, info = transition(key, ready, action, params)
        move_speed = jnp.maximum(after.move_speed, jnp.minimum(state.move_speed, 1))
        return obs, after.replace(spawn_timer=spawn_timer - 1, move_speed=move_speed), reward, terminated, info

    return corrected


def _spawn(key: Key, entities: Int[Array, "8 5"]) -> Int[Array, "8 5"]:
    """Return the entities with a new one in a random free row; the draws equal gymnax's whenever that finds a row."""
    key_direction, key_gold, key_row = jax.random.split(key, 3)
    to_right = jax.random.choice(key_direction, jnp.array([1, 0]))
    is_gold = jax.random.choice(key_gold, jnp.array([1, 0]), p=jnp.array([1 / 3, 2 / 3]))
    order = jnp.roll(jax.random.permutation(key_row, len(entities)), -1)  # gymnax begins with the second
    free = entities[order, FILLED] == 0
    row = order[jnp.argmax(free)]
    entity = jnp.array([9 * (1 - to_right), row + 1, to_right, is_gold, 1])
    return jnp.where(free.any(), entities.at[row].set(entity), entities)


CORRECTIONS = {"MountainCarContinuous-v0": mountain_car_continuous, "Asterix-MinAtar": asterix}
"""Corrections by the environments' names in gymnax."""
