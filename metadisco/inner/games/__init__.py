"""Two-player matrix games between learners, exact and sampled: values, players, and lifetimes. No environment."""

from metadisco.inner.games.matrix import Game as Game
from metadisco.inner.games.registry import GAMES as GAMES
from metadisco.inner.games.registry import make_game as make_game
