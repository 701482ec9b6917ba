"""Games and policies that tests of games share."""

import jax
import jax.numpy as jnp
import numpy as np

from metadisco.inner.games import GAMES, Game

ODD = Game("odd", own=(3.0, -1.0, 2.0, 0.5), other=(1.0, 4.0, -2.0, 0.0), gamma=0.9)
"""Nothing about it is symmetric."""
ALL = {**GAMES, "odd": ODD}

STRATEGIES = {
    "all_defect": (0.0, 0.0, 0.0, 0.0, 0.0),
    "all_cooperate": (1.0, 1.0, 1.0, 1.0, 1.0),
    "tit_for_tat": (1.0, 1.0, 0.0, 1.0, 0.0),
    "grim": (1.0, 1.0, 0.0, 0.0, 0.0),
    "win_stay_lose_shift": (1.0, 1.0, 0.0, 0.0, 1.0),
    "half": (0.5, 0.5, 0.5, 0.5, 0.5),
}
"""Probabilities of C after start, CC, CD, DC, DD."""


def policies(game, *lifetimes, seed=0):
    """Return logits of both players, [S, *lifetimes]."""
    keys = jax.random.split(jax.random.key(seed), 2)
    return tuple(1.5 * jax.random.normal(key, (game.num_logits, *lifetimes)) for key in keys)


def reference_values(game, own, other):
    """Return both values in double precision, the chain solved by NumPy as one reads it in the paper."""
    p, q = (1 / (1 + np.exp(-np.asarray(x, np.float64))) for x in (own, other))
    if game.gamma is not None:
        q = q[[0, 1, 3, 2, 4]]  # the other player's CD is this one's DC
    rounds = np.stack([p * q, p * (1 - q), (1 - p) * q, (1 - p) * (1 - q)], -1)
    states = rounds[0]
    if game.gamma is not None:
        states = np.linalg.solve((np.eye(4) - game.gamma * rounds[1:]).T, rounds[0])
    return states @ np.array(game.own), states @ np.array(game.other)


def plain_values(game, own, other):
    """Return both values in the straightforward way in JAX, for derivatives by nested automatic differentiation."""
    p, q = jax.nn.sigmoid(own), jax.nn.sigmoid(other)
    if game.gamma is not None:
        q = q[jnp.array([0, 1, 3, 2, 4])]
    rounds = jnp.stack([p * q, p * (1 - q), (1 - p) * q, (1 - p) * (1 - q)], -1)
    states = rounds[0]
    if game.gamma is not None:
        states = jnp.linalg.solve((jnp.eye(4) - game.gamma * rounds[1:]).T, rounds[0])
    return states @ jnp.array(game.own), states @ jnp.array(game.other)
