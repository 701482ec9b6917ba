"""Extortion by a zero-determinant strategy (Press and Dyson, 2012)."""

from metadisco.config.fields import Float as Number
from metadisco.config.fields import Fraction, PositiveFloat, settings
from metadisco.errors import UserError
from metadisco.inner.games.matrix import SWAP, Game, Logits
from metadisco.inner.games.players.base import logits_of
from metadisco.inner.games.players.static import Fixed
from metadisco.types import Key


def is_dilemma(game: Game) -> bool:
    """Whether a game is an iterated prisoner's dilemma: the same for both players, with T > R > P > S."""
    reward, sucker, temptation, punishment = game.own
    symmetric = game.other == tuple(game.own[i] for i in SWAP)
    return game.gamma is not None and symmetric and temptation > reward > punishment > sucker


@settings
class ZeroDeterminant(Fixed):
    """A memory-one strategy under which its surplus over mutual defection is χ times the other player's.

    The relation is exact without discounting. The game must be a prisoner's dilemma: symmetric, with T > R > P > S.
    """

    chi: Number = 3.0
    """Extortion factor χ, 1 or more; at 1 both get the same."""
    phi: PositiveFloat | None = None
    """How strongly it answers, up to a bound that depends on χ and the payoffs; null: at the bound."""
    start: Fraction = 0.0
    """Probability of C in the first round."""

    def __post_init__(self) -> None:
        """Check constraints that types do not express."""
        if self.chi < 1:
            raise ValueError(f"chi: got {self.chi:g}, allowed: a number of at least 1")

    def init(self, key: Key, game: Game) -> Logits:
        """Return its policy.

        Raises:
            UserError: if the game is no prisoner's dilemma, or φ is above its bound.
        """
        return logits_of(self.probabilities(game))

    def probabilities(self, game: Game) -> tuple[float, ...]:
        """Return the probabilities of C after start, CC, CD, DC, DD.

        Raises:
            UserError: as `init`.
        """
        if not is_dilemma(game):
            raise UserError(
                f"zero_determinant: got {game.name}, allowed: an iterated game with payoffs of a prisoner's dilemma, "
                "the same for both players, DC above CC above DD above CD"
            )
        reward, sucker, temptation, punishment = game.own
        loss, gain, worth = punishment - sucker, temptation - punishment, reward - punishment
        demands = ((self.chi - 1) * worth, loss + self.chi * gain, self.chi * loss + gain)  # over loss: Press-Dyson
        bound = loss / max(demands)
        phi = bound if self.phi is None else self.phi
        if phi > bound:
            raise UserError(
                f"phi: got {phi:g}, allowed: a number above 0 and at most {bound:g} for chi {self.chi:g} in {game.name}"
            )
        after_cc, after_cd, after_dc = (phi * demand / loss for demand in demands)
        return (self.start, 1 - after_cc, max(1 - after_cd, 0.0), min(after_dc, 1.0), 0.0)
