"""Players of matrix games: one file each, and a line in `registry.py`."""

from metadisco.inner.games.players.base import ByLifetime as ByLifetime
from metadisco.inner.games.players.base import Player as Player
from metadisco.inner.games.players.meta_player import MetaPlayer as MetaPlayer
from metadisco.inner.games.players.registry import LEARNERS as LEARNERS
from metadisco.inner.games.players.registry import make_learner as make_learner
