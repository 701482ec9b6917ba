"""What figures of repeated games share: who has which colour, and what games and states are called."""

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
    """What is drawn, in words for titles and labels."""

    shaper: str
    """What the meta-policy is called: its run."""
    opponent: str
    """What the opponent is called."""

    def title(self, what: str, game: Game) -> str:
        """Return the title of a figure."""
        return f"{what}: {self.shaper} against {self.opponent} in {GAMES.get(game.name, game.name)}"


def panel_titles(game: Game) -> list[str]:
    """Return what to call each state of a policy."""
    if game.num_logits == 1:
        return [""]
    return ["first round" if state == "start" else f"after {state}" for state in game.states]
