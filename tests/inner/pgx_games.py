"""Games of Pgx for tests of their adapter."""

from typing import Any

import jax.numpy as jnp

NUM_GAMES = 64
NOTHING = jnp.zeros(0)
"""Observation for opponents that look at the state."""


def rules(name: str) -> Any:
    """Return the rules of a game; the library takes seconds to import, which collecting the tests should not."""
    import pgx

    from metadisco.inner.envs.pgx import _game

    return _game(pgx.make(name))
