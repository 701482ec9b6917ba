"""Facts about meta-policies in artefacts, and inputs for checking them.

Axes: Q sequences of meta-states, T decisions of each, N states of a policy.
"""

from pkgutil import resolve_name
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from metadisco.config import build_settings, to_plain
from metadisco.discoveries.checks import Family, Found
from metadisco.errors import UserError
from metadisco.inner.games import Game, make_game
from metadisco.inner.games.players import LEARNERS
from metadisco.inner.games.players.base import CERTAIN
from metadisco.inner.games.players.registry import parse_learner
from metadisco.types import MetaPolicy

NUM_SEQUENCES, NUM_DECISIONS = 3, 6
CALL = {
    "act": "(meta_state, memory) -> (logits, memory), for one lifetime; initial_memory() is the memory at its start",
    "meta_state": "probabilities of C: the own policy just played, then the other player's in the same play, each in "
    "the order of states, from the viewpoint of the player whose policy it is",
    "logits": "of C of the own next policy, in the order of states",
    "first": "before it has seen a play it has no policy; where it was evolved, logits N(0, 1) stood for it, unpaid",
    "memory": "of the policy, the time included; it lasts for the whole lifetime",
}


def _game(found: Found) -> Game:
    """Return the game, as the player sees it whose meta-policy was evolved.

    Raises:
        UserError: for a policy of another game.
    """
    game = make_game(found.problem.game)
    num_states = getattr(found.parametrisation, "num_states", None)
    if num_states not in (None, game.num_logits):
        raise UserError(f"num_states: got {num_states}, allowed: {game.num_logits} in {game.name}")
    return game.from_seat(found.problem.seat)


def facts(found: Found) -> dict[str, Any]:
    """Return facts about a meta-policy, and how to call it."""
    game, problem = _game(found), found.problem
    said = {
        "game": {
            "name": game.name,
            "payoffs": {"own": list(game.own), "other": list(game.other)},
            "outcomes": ["CC", "CD", "DC", "DD"],
            "gamma": game.gamma,
            "states": list(game.states),
            "viewpoint": "own: of the meta-policy's player, whose action is named first",
        },
        "seat": problem.seat,
        "reset": problem.reset,
        "horizon": found.inner.horizon,
        "opponents": [_opponent(spec) for spec in problem.opponents],
        "self_play": None if problem.self_play is None else to_plain(problem.self_play),
    }
    return {"meta_policy": said, "call": CALL}


def _opponent(spec: Any) -> dict[str, Any]:
    """Return an opponent with all its settings; a meta-policy or a user-defined class as in the config."""
    if isinstance(spec, str) and spec.partition(":")[0] not in LEARNERS:
        return {"name": spec}
    section = parse_learner(spec)
    if section["name"] not in LEARNERS:
        return section
    given = {key: value for key, value in section.items() if key != "name"}
    settings = build_settings(resolve_name(LEARNERS[section["name"]]), given, prefix="problem.opponents.")
    return {"name": section["name"], **to_plain(settings)}


def _inputs(found: Found) -> dict[str, np.ndarray]:
    """Return sequences of probabilities, some of which are 0 and 1."""
    shape = (NUM_SEQUENCES, NUM_DECISIONS, 2 * _game(found).num_logits)
    meta_states = np.random.default_rng(0).uniform(0.05, 0.95, shape).round(2)
    meta_states[1] = meta_states[1].round()
    return {"meta_states": meta_states}


def _outputs(found: Found, bound: Any, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return all logits of each sequence, and the game: four payoffs of each player, and γ, 0 where there is none."""
    game = _game(found)
    play = _decisions if isinstance(bound, MetaPolicy) else _steps_of_learning
    logits = jax.jit(jax.vmap(lambda meta_states: play(bound, meta_states, game)))(
        jnp.asarray(inputs["meta_states"], jnp.float32)
    )
    return {"logits": logits, "game": np.asarray([*game.own, *game.other, game.gamma or 0.0], np.float32)}


def _decisions(policy: MetaPolicy, meta_states: Float[Array, "T 2*N"], game: Game) -> Float[Array, "T N"]:
    """Return the logits that a meta-policy chooses after each meta-state of a lifetime."""
    del game

    def decide(memory: Any, meta_state: Array) -> tuple[Any, Array]:
        logits, memory = policy.act(meta_state, memory)
        return memory, logits

    return jax.lax.scan(decide, policy.initial_memory(), meta_states)[1]


def _steps_of_learning(player: Any, meta_states: Float[Array, "T 2*N"], game: Game) -> Float[Array, "T N"]:
    """Return the policies of a learner, which sees both policies as logits, before each step."""
    logits = jnp.clip(jnp.log(meta_states) - jnp.log1p(-meta_states), -CERTAIN, CERTAIN)

    def learn(state: Any, seen: Array) -> tuple[Any, Array]:
        own, other = jnp.split(seen, 2)
        return player.update(state, own, other, game), player.logits(state)

    return jax.lax.scan(learn, player.init(jax.random.key(0), game), logits)[1]


FAMILY = Family(facts, _inputs, _outputs)
