"""Shared parts of figures of repeated games: the players' colours, and names of games and states."""

from typing import NamedTuple

from metadisco.inner.games import Game
from metadisco.plotting.style import PALETTE

SHAPER, OPPONENT = PALETTE[0], PALETTE[1]
REWARD = "reward per round"
META_STEP = "meta-step"
BAND = 0.2
"""Opacity of bands."""
GAMES = {
    "ipd": "the iterated prisoner's dilemma",
    "imp": "iterated matching pennies",
    "stag_hunt": "the iterated stag hunt",
}


class Names(NamedTuple):
    """Names for titles and labels."""

    shaper: str
    """Name of the meta-policy: that of its run."""
    opponent: str
    """Name of the opponent."""

    def title(self, what: str, game: Game) -> str:
        """Return the title of a figure."""
        return f"{what}\n{self.shaper} against {self.opponent} in {GAMES.get(game.name, game.name)}"


def panel_titles(game: Game) -> list[str]:
    """Return a name for each state of a policy."""
    if game.num_logits == 1:
        return [""]
    return ["first round" if state == "start" else f"after {state}" for state in game.states]
