"""A meta-policy and its opponents in lifetimes that no search has used: data for figures.

Axes: N followed lifetimes, T meta-steps, S states of a policy, G probabilities.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from metadisco.inner.games.lifetime import Trace, trace_lifetimes
from metadisco.inner.games.players import Player
from metadisco.objectives.arithmetic import in_float32
from metadisco.problems.opponent_shaping import OpponentShaping, SelfPlay
from metadisco.problems.players import as_player
from metadisco.types import Key, MetaParams, MetaPolicy

NUM_LIFETIMES = 1024
"""Number of lifetimes over which means and quantiles are taken."""
NUM_FOLLOWED = 24
"""Lifetimes that are followed one by one."""
QUANTILES = (0.1, 0.5, 0.9)
LOW, MEDIAN, HIGH = range(3)
"""Where each of QUANTILES stands in a `Trace`."""
NUM_PROBABILITIES = 41
SEED = 2**31 - 22
"""Folded into the key, so that lifetimes differ from those of searches and evaluations."""
ITSELF = "itself"
"""Name of a meta-policy as its own opponent."""


class Followed(NamedTuple):
    """Some lifetimes, one by one."""

    own: Float[np.ndarray, "N T"]
    """Reward of the shaper at each meta-step."""
    other: Float[np.ndarray, "N T"]
    """The same of the opponent."""
    own_policy: Float[np.ndarray, "N T S"]
    """Probabilities of C of the shaper, in the order of its own states."""
    other_policy: Float[np.ndarray, "N T S"]
    """Those of the opponent, in the order of *its* own states."""


class Answers(NamedTuple):
    """The next policy of a meta-policy, as a function of two of the probabilities that it observes.

    In a repeated game these are the opponent's probabilities of C after CC and after DC, from its own viewpoint; in a
    game of one round the opponent's and the shaper's own. All other inputs are at their medians over lifetimes at a
    meta-step; a memory is that after such medians of the meta-steps before it.
    """

    meta_step: tuple[int, ...]
    """Meta-steps at which the other inputs are, M of them, counted from 1: the first and the last."""
    probability: Float[np.ndarray, "G"]
    """Values of either input."""
    answer: Float[np.ndarray, "M S G G"]
    """Next probabilities of C of the shaper; the first input varies along the third axis."""
    seen: Float[np.ndarray, "M 2"]
    """Medians of both inputs at these meta-steps."""


class Meeting(NamedTuple):
    """A meta-policy and one of its opponents."""

    opponent: str
    """Name of the opponent."""
    trace: Trace
    """Over NUM_LIFETIMES lifetimes, with QUANTILES; arrays of NumPy."""
    followed: Followed
    """NUM_FOLLOWED lifetimes."""
    answers: Answers | None
    """None for players other than meta-policies, such as a learner with a learned start."""


def meetings(
    problem: OpponentShaping, meta_params: MetaParams, say: Callable[[str], None] = lambda text: None
) -> Iterator[Meeting]:
    """Let a meta-policy meet each of its opponents, and itself if it was evolved in self-play.

    Args:
        problem: for which it was evolved; lifetimes have the same length and the same kind of start.
        meta_params: of the meta-policy.
        say: called with a line before lifetimes are played.
    """
    bound: Any = in_float32(problem.parametrisation.bind)(meta_params)
    opponents = {task.name: player for task, player in zip(problem.tasks, problem.opponents, strict=True)}
    if isinstance(problem, SelfPlay):
        opponents[ITSELF] = as_player(bound)
    say(
        f"playing {NUM_LIFETIMES + NUM_FOLLOWED:,} lifetimes of {problem.horizon} meta-steps against "
        f"{', '.join(opponents)}: {problem.game.name}, reset: {problem.reset}, on seeds of their own"
    )
    root = jax.random.fold_in(jax.random.key(0), SEED)
    for number, (name, opponent) in enumerate(opponents.items()):
        yield _meet(jax.random.fold_in(root, number), problem, bound, name, opponent)


@in_float32
def _meet(key: Key, problem: OpponentShaping, bound: Any, name: str, opponent: Player) -> Meeting:
    key_trace, key_followed = jax.random.split(key)
    play = partial(
        trace_lifetimes,
        player=as_player(bound),
        opponent=opponent,
        game=problem.game,
        horizon=problem.horizon,
        reset=problem.reset,
        quantiles=QUANTILES,
    )
    trace: Trace = jax.tree.map(np.asarray, jax.jit(partial(play, num_lifetimes=NUM_LIFETIMES))(key_trace))

    def follow(key: Key) -> tuple[Array, ...]:
        alone: Trace = play(key, num_lifetimes=1)
        spreads = (alone.own_reward, alone.other_reward, alone.own_policy, alone.other_policy)
        return tuple(each.mean for each in spreads)

    followed = Followed(*map(np.asarray, jax.jit(jax.vmap(follow))(jax.random.split(key_followed, NUM_FOLLOWED))))
    answers = answers_of(bound, trace) if isinstance(bound, MetaPolicy) else None
    return Meeting(name, trace, followed, answers)


@in_float32
def answers_of(policy: MetaPolicy, trace: Trace) -> Answers:
    """Return the next policy of a meta-policy around the states that it visited.

    Args:
        policy: which one.
        trace: of its lifetimes, with QUANTILES.
    """
    seen = np.concatenate([trace.own_policy.quantiles[:, MEDIAN], trace.other_policy.quantiles[:, MEDIAN]], axis=1)
    num_states = seen.shape[1] // 2
    first, second = (num_states, 0) if num_states == 1 else (num_states + 1, num_states + 3)
    grid = jnp.linspace(0.0, 1.0, NUM_PROBABILITIES)

    def answer(typical: Array, memory: Any, x: Array, y: Array) -> Array:
        return jax.nn.sigmoid(policy.act(typical.at[first].set(x).at[second].set(y), memory)[0])

    along_second = jax.vmap(answer, (None, None, None, 0), 1)
    surface = jax.jit(jax.vmap(along_second, (None, None, 0, None), 1))
    moments = sorted({0, len(seen) - 1})
    memory, memories = policy.initial_memory(), {}
    for moment, meta_state in enumerate(seen):
        memories[moment] = memory
        if jax.tree.leaves(memory):
            _, memory = policy.act(jnp.asarray(meta_state), memory)
    answers = [surface(jnp.asarray(seen[moment]), memories[moment], grid, grid) for moment in moments]
    steps = tuple(moment + 1 for moment in moments)
    return Answers(steps, np.asarray(grid), np.stack(answers), seen[np.ix_(moments, [first, second])])
