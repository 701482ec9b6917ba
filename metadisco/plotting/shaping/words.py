"""Shared parts of figures of repeated games: the players' colours, and names of games and states."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.lines import Line2D

from metadisco.inner.games import Game
from metadisco.inner.games.matrix import OTHER_ORDER
from metadisco.plotting.style import GUIDE, PALETTE

SHAPER, OPPONENT = PALETTE[0], PALETTE[1]
REWARD = "reward per round"
META_STEP = "meta-step"
BAND = 0.2
"""Opacity of bands."""
OUTCOMES = {
    "CC": "both C",
    "CD": "shaper C, opponent D",
    "DC": "shaper D, opponent C",
    "DD": "both D",
}
"""What was played in a round, in the order of the shaper's states."""
EXPLAINED = {
    "pure extortion": "pure extortion: the shaper's best while the opponent gets as much as for both D (χ = ∞)",
    "best static": "best static: the best memory-one policy that never changes, evolved against the same opponent",
}
"""Level lines whose names do not say what they are."""
OPPONENTS = {"naive": "a naive learner", "itself": "itself"}
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

    @property
    def called(self) -> str:
        """Return the opponent in words."""
        return OPPONENTS.get(self.opponent, self.opponent)

    def title(self, what: str, game: Game) -> str:
        """Return the title of a figure."""
        return f"{what}\n{self.shaper} against {self.called} in {GAMES.get(game.name, game.name)}"


def panel_titles(game: Game) -> list[str]:
    """Return a name for each state of the shaper's policy: what was played in the round before."""
    if game.num_logits == 1:
        return [""]
    lines = [f"after {OUTCOMES[state]}".replace(", ", ",\n") for state in game.states[1:]]
    return ["first round", *lines]


def by_round(policies: Float[np.ndarray, "... S"]) -> Float[np.ndarray, "... S"]:
    """Return an opponent's policies, which are in the order of its own states, in the order of the shaper's.

    What an opponent calls CD, the shaper calls DC.
    """
    turned: np.ndarray = policies[..., list(OTHER_ORDER[: policies.shape[-1]])]
    return turned


def explanations(guides: Iterable[str]) -> list[Line2D]:
    """Return entries of a legend for those level lines that need one."""
    return [
        Line2D([], [], color=GUIDE, linewidth=0.8, linestyle=(0, (4, 3)), label=EXPLAINED[name])
        for name in guides
        if name in EXPLAINED
    ]
