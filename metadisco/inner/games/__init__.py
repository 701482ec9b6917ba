"""Two-player matrix games between learners: exact values, players, and lifetimes. No environment, and no PPO."""

from metadisco.inner.games.matrix import Game as Game
from metadisco.inner.games.registry import GAMES as GAMES
from metadisco.inner.games.registry import make_game as make_game
