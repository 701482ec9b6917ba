"""Players that never learn: memory-one strategies by name, or by their probabilities."""

from typing import ClassVar

from metadisco.config.fields import Fraction, settings
from metadisco.errors import UserError
from metadisco.inner.games.matrix import Game, Logits
from metadisco.inner.games.players.base import PolicyIsState, check_numbers, logits_of
from metadisco.types import Key


class Fixed(PolicyIsState):
    """Base of players that do not learn: updates have no effect."""

    def update(
        self,
        state: Logits,
        own_logits: Logits,
        other_logits: Logits,
        game: Game,
    ) -> Logits:
        """Return the same policy."""
        return state


@settings
class Static(Fixed):
    """Any memory-one strategy."""

    probabilities: tuple[Fraction, ...]
    """Of C after start, CC, CD, DC, DD, own action first; a single one in a game of one round."""

    def init(self, key: Key, game: Game) -> Logits:
        """Return its policy.

        Raises:
            UserError: if it has another number of probabilities than policies of the game have.
        """
        check_numbers(self.probabilities, game, "probabilities")
        return logits_of(self.probabilities)


class Named(Fixed):
    """A strategy with a name; in a game of one round only if it is the same after every state."""

    strategy: ClassVar[str]
    """Its name."""
    after: ClassVar[tuple[float, ...]]
    """Probabilities of C after start, CC, CD, DC, DD, own action first."""

    def init(self, key: Key, game: Game) -> Logits:
        """Return its policy.

        Raises:
            UserError: if it depends on the previous round, and the game has one round.
        """
        if game.gamma is None and len(set(self.after)) > 1:
            raise UserError(f"{self.strategy}: got {game.name}, a game of one round, allowed: an iterated game")
        return logits_of(self.after[: game.num_logits])


@settings
class AllDefect(Named):
    """D for ever."""

    strategy: ClassVar[str] = "all_defect"
    after: ClassVar[tuple[float, ...]] = (0.0, 0.0, 0.0, 0.0, 0.0)


@settings
class AllCooperate(Named):
    """C for ever."""

    strategy: ClassVar[str] = "all_cooperate"
    after: ClassVar[tuple[float, ...]] = (1.0, 1.0, 1.0, 1.0, 1.0)


@settings
class Half(Named):
    """Either action, at random."""

    strategy: ClassVar[str] = "half"
    after: ClassVar[tuple[float, ...]] = (0.5, 0.5, 0.5, 0.5, 0.5)


@settings
class TitForTat(Named):
    """C first, then the other player's previous action."""

    strategy: ClassVar[str] = "tit_for_tat"
    after: ClassVar[tuple[float, ...]] = (1.0, 1.0, 0.0, 1.0, 0.0)


@settings
class Grim(Named):
    """C until anybody has played D."""

    strategy: ClassVar[str] = "grim"
    after: ClassVar[tuple[float, ...]] = (1.0, 1.0, 0.0, 0.0, 0.0)


@settings
class WinStayLoseShift(Named):
    """C first, then the same action after CC and DC, the other one after CD and DD."""

    strategy: ClassVar[str] = "win_stay_lose_shift"
    after: ClassVar[tuple[float, ...]] = (1.0, 1.0, 0.0, 0.0, 1.0)
