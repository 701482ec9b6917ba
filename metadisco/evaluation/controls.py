"""Controls of a cross table: players that isolate the effects of adapting, reacting and meta-training."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from metadisco.config import OuterConfig, StrategyConfig, to_plain
from metadisco.inner.games import Game
from metadisco.inner.games.lifetime import Reset
from metadisco.inner.games.matrix import Logits
from metadisco.inner.games.players import ByLifetime, Player
from metadisco.inner.games.players.base import random_logits
from metadisco.outer.evaluate import Evaluator
from metadisco.outer.search import Progress, SearchState, search
from metadisco.parametrisations.meta_policy import FeedForwardPolicy, GamePolicy
from metadisco.parametrisations.open_loop_policy import OpenLoopPolicy
from metadisco.parametrisations.static_policy import StaticPolicy
from metadisco.problems.opponent_shaping import OpponentShaping
from metadisco.problems.players import as_player
from metadisco.storage.arrays import from_arrays, to_arrays
from metadisco.storage.cells import CellStore
from metadisco.types import Key, MetaParams, TaskInfo


class Match(NamedTuple):
    """The opponent, the game and the rules of a player's lifetimes."""

    game: Game
    """From the player's seat."""
    opponent: Player
    horizon: int
    reset: Reset
    seed: int
    identity: Mapping[str, Any]
    """All of it as plain data."""
    store: CellStore
    """Store of the controls that are evolved for it."""


class Budget(NamedTuple):
    """The parametrisation of an evolved control, and the settings of its search."""

    parametrisation: GamePolicy
    num_opponents: int
    """Lifetimes of a member in each generation."""
    outer: OuterConfig
    start: Callable[[Key, OpponentShaping], MetaParams] | None = None
    """(key, problem) -> where the search starts; that of the parametrisation if left out."""


START = 7
"""Number of the random stream on which starts are compared."""
NEARLY_PURE = 3.0
"""Absolute value of the logits of nearly pure strategies: probabilities of 0.05 and 0.95."""


def best_nearly_pure(key: Key, problem: OpponentShaping) -> MetaParams:
    """Return the best of all nearly pure strategies and ½ in every state, on the same lifetimes.

    Searches that start at ½ end at mutual defection against some learners, where extortion earns more.

    Args:
        key: of lifetimes; consumed.
        problem: its parametrisation is a `StaticPolicy`.
    """
    policy: Any = problem.parametrisation
    signs = jnp.array(list(itertools.product((-1.0, 1.0), repeat=policy.num_logits)))
    starts = jnp.concatenate([jnp.zeros((1, policy.num_logits)), NEARLY_PURE / policy.output_scale * signs])
    rewards = jax.jit(jax.vmap(lambda logits: problem.evaluate(key, {"logits": logits}).fitness.mean()))(starts)
    return {"logits": starts[jnp.argmax(jnp.nan_to_num(rewards, nan=-jnp.inf))]}


class _StartedAt(NamedTuple):
    """A parametrisation whose search starts elsewhere."""

    parametrisation: Any
    start: MetaParams

    def init(self, key: Key) -> MetaParams:
        """Return where the search starts."""
        del key
        return self.start

    def bind(self, meta_params: MetaParams) -> Any:
        """Return the player that meta-parameters define."""
        return self.parametrisation.bind(meta_params)


def _outer(num_generations: int, population_size: int, std: float, learning_rate: float) -> OuterConfig:
    """Return settings of a search that is small and silent."""
    return OuterConfig(
        num_generations=num_generations,
        num_devices=1,
        evaluate_every=0,
        checkpoint_every=num_generations,
        strategy=StrategyConfig(
            population_size=population_size, std=std, std_decay=0.97, learning_rate=learning_rate,
            learning_rate_decay=0.98,
        ),
    )  # fmt: skip


BUDGETS = {
    "best_static": Budget(StaticPolicy(), 32, _outer(100, 64, std=0.3, learning_rate=0.1), best_nearly_pure),
    "open_loop": Budget(OpenLoopPolicy(), 32, _outer(100, 64, std=0.1, learning_rate=0.05)),
}
"""Controls that are evolved for each match: the best memory-one strategy, and the best plan that sees only the time."""


def evolved(name: str, match: Match) -> Player:
    """Return a control that is evolved against the opponent of a match, or kept from before.

    Args:
        name: one of `BUDGETS`.
        match: that it is evolved for, on lifetimes other than those on which it is evaluated.
    """
    budget = BUDGETS[name]
    problem = OpponentShaping(
        parametrisation=budget.parametrisation.for_game(match.game.num_logits),  # type: ignore[arg-type]
        game=match.game,
        tasks=[TaskInfo("opponent")],
        opponents=[match.opponent],
        horizon=match.horizon,
        num_opponents=budget.num_opponents,
        reset=match.reset,
    )
    template = jax.eval_shape(problem.init, jax.random.key(0))
    start = None if budget.start is None else budget.start.__name__
    identity = {**match.identity, "evolved": name, "budget": [budget.num_opponents, to_plain(budget.outer), start]}
    arrays = match.store.load(identity, [*to_arrays(jax.tree.map(lambda leaf: jax.numpy.zeros(leaf.shape), template))])
    if arrays is None:
        arrays = to_arrays(search(_started(problem, budget, match.seed), budget.outer, _Nowhere(), seed=match.seed))
        match.store.keep(identity, arrays)
    return as_player(problem.parametrisation.bind(from_arrays(arrays, template, name)))


def _started(problem: OpponentShaping, budget: Budget, seed: int) -> OpponentShaping:
    """Return the problem whose search starts where the budget says."""
    if budget.start is None:
        return problem
    start = budget.start(jax.random.fold_in(jax.random.key(seed), START), problem)
    return replace(problem, parametrisation=_StartedAt(problem.parametrisation, start))


class _Nowhere:
    """A recorder that keeps nothing."""

    def restore(self, template: SearchState) -> tuple[SearchState, Progress] | None:
        """Return nothing."""

    def start(self, evaluator: Evaluator) -> None:
        """Do nothing."""

    def log(self, row: dict[str, Any]) -> None:
        """Do nothing."""

    def save(self, state: SearchState, progress: Progress) -> None:
        """Do nothing."""


class _Elsewhere(NamedTuple):
    """Both players of a lifetime whose rewards do not count."""

    player: Any
    opponent: Any


class Shuffled(NamedTuple):
    """A meta-policy that observes a lifetime other than the one in which it plays.

    A second lifetime runs beside each one, against an opponent of the same kind with a different start. The policies
    that the meta-policy chooses there are played here: their distribution is unchanged, but they react to nothing here.
    """

    player: Player
    opponent: Player
    game: Game

    def init(self, key: Key, game: Game) -> _Elsewhere:
        """Return the start of the other lifetime."""
        key_player, key_opponent = jax.random.split(key)
        return _Elsewhere(self.player.init(key_player, game), self.opponent.init(key_opponent, game.swapped))

    def logits(self, state: _Elsewhere) -> Logits:
        """Return the policy that is played in the other lifetime."""
        return self.player.logits(state.player)

    def update(self, state: _Elsewhere, own_logits: Logits, other_logits: Logits, game: Game) -> _Elsewhere:
        """Return the other lifetime after a play; the policies played in this lifetime are ignored."""
        del own_logits, other_logits
        own, other = self.player.logits(state.player), self.opponent.logits(state.opponent)
        return _Elsewhere(
            player=self.player.update(state.player, own, other, game),
            opponent=self.opponent.update(state.opponent, other, own, game.swapped),
        )


class _Drawn(NamedTuple):
    """A lifetime of a random meta-policy."""

    meta_params: MetaParams
    policy: Logits


class RandomPolicy(NamedTuple):
    """A meta-policy with random weights, which are drawn anew for each lifetime."""

    parametrisation: FeedForwardPolicy

    def init(self, key: Key, game: Game) -> _Drawn:
        """Return weights, and the policy of the first play."""
        key_weights, key_start = jax.random.split(key)
        return _Drawn(self.parametrisation.init(key_weights), random_logits(key_start, game))

    def logits(self, state: _Drawn) -> Logits:
        """Return the last policy that the meta-policy chose."""
        return state.policy

    def update(self, state: _Drawn, own_logits: Logits, other_logits: Logits, game: Game) -> _Drawn:
        """Return the meta-policy's next policy after a play."""
        policy = self.parametrisation.bind(state.meta_params)
        meta_state = jax.nn.sigmoid(jax.numpy.concatenate([own_logits, other_logits]))
        return state._replace(policy=policy.act(meta_state, policy.initial_memory())[0])


def random_policy(game: Game) -> Player:
    """Return the control that was never trained."""
    return ByLifetime(RandomPolicy(FeedForwardPolicy(start="random", num_states=game.num_logits)))
