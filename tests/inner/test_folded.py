"""Games of several players as environments of one agent: rewards, and turns of the agent."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import QUICK
from pgx_games import NUM_GAMES, rules

from metadisco.inner.envs import Discrete
from metadisco.inner.envs.folded import Game, folded
from metadisco.inner.envs.opponents import random_mover


class Ledger(NamedTuple):
    """A state of a game, with the rewards of all moves so far."""

    game: Any
    paid: Any
    moves_in_a_row: Any

    current_player = property(lambda self: self.game.current_player)
    rewards = property(lambda self: self.game.rewards)
    terminated = property(lambda self: self.game.terminated)
    legal_action_mask = property(lambda self: self.game.legal_action_mask)


def with_ledger(game: Game) -> Game:
    """Show rewards, who is to move, whether the opponent moved twice in a row, and whether the game is over."""

    def move(key, state, action):
        after = game.move(key, state.game, action)
        again = (after.current_player == state.current_player) & (state.current_player != 0) & ~after.terminated
        return Ledger(after, state.paid + after.rewards, state.moves_in_a_row | again)

    def observe(state):
        facts = [state.current_player, state.moves_in_a_row, state.terminated]
        return jnp.concatenate([state.paid, jnp.stack(facts), state.legal_action_mask], dtype=jnp.float32)

    def init(key):
        state = game.init(key)
        return Ledger(state, jnp.zeros_like(state.rewards), jnp.zeros((), bool))

    return Game(init, move, observe)


def ledger_env(name: str, episode_length: int):
    game = with_ledger(rules(name))
    state = jax.eval_shape(game.init, jax.random.key(0))
    num_actions, num_players = state.legal_action_mask.size, state.rewards.size
    env = folded(
        game,
        random_mover(),
        obs_shape=(num_players + 3 + num_actions,),
        action_space=Discrete(num_actions, masked=True),
        episode_length=episode_length,
        indicators=(),
    )
    return env, num_players


def play_randomly(env, num_steps, key):
    """Return the time steps [N, T] of random legal actions."""

    def one(key):
        key_reset, key_steps = jax.random.split(key)

        def step(carry, key):
            state, obs = carry
            key_act, key_step = jax.random.split(key)
            legal = obs[-env.action_space.num_actions :] > 0.5
            action = jax.random.categorical(key_act, jnp.where(legal, 0.0, -jnp.inf))
            state, seen = env.step(key_step, state, action)
            return (state, seen.obs), seen

        return jax.lax.scan(step, env.reset(key_reset), jax.random.split(key_steps, num_steps))[1]

    return jax.jit(jax.vmap(one), compiler_options=QUICK)(jax.random.split(key, NUM_GAMES))


def first_ends(done):
    """Return the index of the first end of each row; all rows have one."""
    assert done.any(1).all()
    return done.argmax(1)


def assert_accounts(name, num_steps, *, several):
    """Check that complete random games pay the rewards of the library, and that the agent is always to move."""
    env, num_players = ledger_env(name, 10_000)
    steps = jax.tree.map(np.asarray, play_randomly(env, num_steps, jax.random.key(0)))
    ends = first_ends(steps.terminated)
    rows = np.arange(NUM_GAMES)
    returns = np.array([steps.reward[row, : end + 1].sum() for row, end in zip(rows, ends, strict=True)])
    last = steps.final_obs[rows, ends]
    np.testing.assert_allclose(returns, last[:, 0], rtol=1e-6)
    assert (last[:, num_players + 2] == 1).all()
    assert returns.min() < 0 < returns.max()  # both sides win, and both are paid
    inside = np.arange(steps.reward.shape[1]) < ends[:, None]
    assert (steps.final_obs[inside][:, num_players] == 0).all()
    assert last[:, num_players + 1].any() == several
    assert not steps.truncated.any()


def test_a_folded_game_pays_its_outcome_where_players_move_twice_running():
    assert_accounts("leduc_holdem", 8, several=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "num_steps", "several"),
    [("tic_tac_toe", 5, False), ("connect_four", 21, False), ("kuhn_poker", 3, False), ("backgammon", 400, True)],
)
def test_every_kind_of_game_pays_its_outcome(name, num_steps, several):
    assert_accounts(name, num_steps, several=several)


@pytest.mark.slow
def test_a_time_limit_falls_on_the_turn_of_the_agent():
    env, num_players = ledger_env("tic_tac_toe", 2)
    steps = jax.tree.map(np.asarray, play_randomly(env, 8, jax.random.key(1)))
    cut = steps.truncated & ~steps.terminated
    assert cut.any()
    assert (steps.final_obs[cut][:, num_players] == 0).all()
    assert (steps.final_obs[cut][:, num_players + 2] == 0).all()
    assert (steps.final_obs[cut][:, num_players + 3 :].sum(1) > 0).all()  # there would be something to do
