"""The adapter of Pgx: games folded into environments of one agent, what they pay, and who plays against it."""

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import QUICK
from env_contract import assert_contract
from jaxtyping import config as type_checks

from metadisco.config import Config, InnerConfig, PPOConfig
from metadisco.discoveries.agents import save_agents
from metadisco.discoveries.environments import make
from metadisco.errors import UserError
from metadisco.inner import envs
from metadisco.inner.envs import Discrete
from metadisco.inner.envs.folded import Game, folded
from metadisco.inner.envs.opponents import one_of, planner, random_mover
from metadisco.inner.networks import make_agent
from metadisco.inner.normalise import init_statistics
from metadisco.inner.policy import Policy
from metadisco.storage.cells import CellStore

GAMES = (
    "2048", "animal_shogi", "backgammon", "chess", "connect_four", "gardner_chess", "go_19x19", "go_9x9", "hex",
    "kuhn_poker", "leduc_holdem", "othello", "shogi", "sparrow_mahjong", "tic_tac_toe",
)  # fmt: skip
NUM_GAMES = 64
NOTHING = jnp.zeros(0)
"""Observation for opponents that look at the state."""


def rules(name):
    """Return the rules of a game; the library takes seconds to import, which collecting the tests should not."""
    import pgx

    from metadisco.inner.envs.pgx import _game

    return _game(pgx.make(name))


class Ledger(NamedTuple):
    """A state of a game, with what was paid by all moves so far."""

    game: Any
    paid: Any
    moves_in_a_row: Any

    current_player = property(lambda self: self.game.current_player)
    rewards = property(lambda self: self.game.rewards)
    terminated = property(lambda self: self.game.terminated)
    legal_action_mask = property(lambda self: self.game.legal_action_mask)


def with_ledger(game: Game) -> Game:
    """Show what was paid, who is to move, whether the opponent moved twice in a row, and whether the game is over."""

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
    """Check that complete random games pay what the library says, and that the agent is always to move."""
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


@pytest.mark.slow
class TestPlanners:
    """On tic-tac-toe, where all moves can be looked at."""

    @pytest.fixture(scope="class")
    @staticmethod
    def positions():
        """Return the game and positions after two to six random moves, without those where it is over."""
        game = rules("tic_tac_toe")
        mover = random_mover()

        def walk(key):
            def step(state, key):
                key_act, key_move = jax.random.split(key)
                state = game.move(key_move, state, mover.act(key_act, state, NOTHING, ()))
                return state, state

            key_init, key_steps = jax.random.split(key)
            return jax.lax.scan(step, game.init(key_init), jax.random.split(key_steps, 6))[1]

        states = jax.jit(jax.vmap(walk), compiler_options=QUICK)(jax.random.split(jax.random.key(0), 100))
        flat = jax.tree.map(lambda leaf: leaf[:, 1:].reshape(-1, *leaf.shape[2:]), states)
        going = np.flatnonzero(~np.asarray(flat.terminated))
        return game, jax.tree.map(lambda leaf: leaf[going], flat)

    @pytest.fixture(scope="class")
    @staticmethod
    def consequences(positions):
        """Return for each position and action: what it pays, and the best that the answer can pay to the other."""
        game, states = positions
        actions = jnp.arange(9)

        def after(state, action):
            one = game.move(jax.random.key(0), state, action)
            two = jax.vmap(partial(game.move, jax.random.key(0), one))(actions)
            answers = jnp.where(one.legal_action_mask & ~one.terminated, two.rewards[:, one.current_player], -1)
            return one.rewards[state.current_player], jnp.maximum(answers.max(), 0)

        both = jax.vmap(jax.vmap(after, (None, 0)), (0, None))
        return jax.tree.map(np.asarray, jax.jit(both, compiler_options=QUICK)(states, actions))

    def moves_of(self, positions, *, replies):
        game, states = positions
        act = planner(game.move, replies=replies).act
        number = len(states.terminated)
        keys = jax.random.split(jax.random.key(2), number)
        chosen = jax.jit(jax.vmap(lambda key, state: act(key, state, NOTHING, ())), compiler_options=QUICK)(
            keys, states
        )
        legal = np.asarray(states.legal_action_mask)
        assert legal[np.arange(number), chosen].all()
        return np.asarray(chosen), legal

    def test_one_ply_wins_where_it_can(self, positions, consequences):
        chosen, legal = self.moves_of(positions, replies=False)
        won = np.where(legal, consequences[0], -1)
        able = won.max(1) == 1
        assert 0 < able.sum() < able.size
        np.testing.assert_array_equal(won[np.arange(able.size), chosen][able], 1)
        assert len(np.unique(chosen[~able])) > 3

    def test_two_ply_also_hands_over_no_win(self, positions, consequences):
        chosen, legal = self.moves_of(positions, replies=True)
        won, lost = consequences
        rows = np.arange(len(chosen))
        able = np.where(legal, won, -1).max(1) == 1
        np.testing.assert_array_equal(won[rows, chosen][able], 1)
        safe = (np.where(legal, lost, 2).min(1) == 0) & ~able
        threatened = safe & (np.where(legal, lost, 0).max(1) == 1)
        assert threatened.any()
        assert (lost[rows, chosen][safe] == 0).all()


CONFIG = PPOConfig(hidden_sizes=(4,), num_envs=2, num_steps=4, num_env_steps=16, num_evaluation_episodes=2)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return the path of three fresh agents of tic-tac-toe, the second of which failed."""
    env = envs.make("pgx/tic_tac_toe")
    path = tmp_path_factory.mktemp("saved") / "agents.zip"
    network = make_agent(env, CONFIG)
    params = jax.vmap(network.init)(jax.random.split(jax.random.key(0), 3))
    # Logits of agent i are so large for action i that it takes no other where that is legal.
    bias = 50.0 * jnp.eye(3, 9) + params["policy"]["bias"]
    params = {**params, "policy": {**params["policy"], "bias": bias}}
    statistics = jax.tree.map(lambda leaf: jnp.stack([leaf] * 3), init_statistics(env.obs_shape))
    config = Config(inner=InnerConfig(env="pgx/tic_tac_toe", ppo=CONFIG))
    returns = np.array([0.5, np.nan, 0.1], np.float32)
    save_agents(path, env, config, "ppo", returns, Policy(params, statistics))
    return str(path)


class TestSavedAgents:
    def openings(self, opponent):
        """Return where the opponent's first stone is, in the games in which it moves first."""
        env = make("pgx/tic_tac_toe", opponent=opponent)
        _, obs = jax.jit(jax.vmap(env.reset), compiler_options=QUICK)(jax.random.split(jax.random.key(4), NUM_GAMES))
        boards = np.asarray(obs[:, :18]).reshape(-1, 9, 2)
        theirs = boards[boards[:, :, 1].any(1)][:, :, 1]
        assert 10 < len(theirs) < NUM_GAMES - 10
        return set(theirs.argmax(1).tolist())

    @pytest.mark.slow
    def test_a_path_means_all_agents_that_did_not_fail(self, saved):
        assert self.openings(saved) == {0, 2}

    @pytest.mark.slow
    def test_one_agent_can_be_named(self, saved):
        assert self.openings({"agents": saved, "agent": 1}) == {1}

    @pytest.mark.slow
    def test_a_list_is_a_pool(self, saved):
        assert self.openings([{"agents": saved, "agent": 0}, {"agents": saved, "agent": 1}]) == {0, 1}

    def test_agents_of_another_game_are_refused(self, saved):
        with pytest.raises(UserError, match=r"agents of pgx/tic_tac_toe, allowed: agents of pgx/connect_four") as told:
            make("pgx/connect_four", opponent=saved)
        assert "\n" not in str(told.value)

    @pytest.mark.parametrize(
        ("opponent", "words"),
        [
            ({"agents": "{saved}", "agent": 7}, ["agent", "7", "0 to 2"]),
            ({"agents": "{saved}"}, ["opponent", "agent: INDEX"]),
            ({"agents": "{saved}", "agent": "first"}, ["opponent", "whole number"]),
            ("nowhere/agents.zip", ["opponent", "'nowhere/agents.zip'", "one_ply"]),
        ],
    )
    def test_what_is_no_agent_is_refused(self, saved, opponent, words):
        given = (
            {key: saved if value == "{saved}" else value for key, value in opponent.items()}
            if isinstance(opponent, dict)
            else opponent
        )
        with pytest.raises(UserError) as told:
            make("pgx/tic_tac_toe", opponent=given)
        assert all(word in str(told.value) for word in words), str(told.value)

    def test_kept_trainings_know_the_agents_that_they_played_against(self, saved, tmp_path):
        copy = tmp_path / "copy.zip"
        copy.write_bytes(b"one")
        inner = InnerConfig(env="pgx/tic_tac_toe", env_settings={"opponent": ["random", str(copy)]}, ppo=CONFIG)
        names = []
        for content in (b"one", b"two", b"one"):
            copy.write_bytes(content)
            names.append(CellStore(tmp_path, replace(Config(), inner=inner))._name("cell"))
        assert names[0] == names[2] != names[1]


@pytest.mark.slow
def test_several_kinds_of_opponents_can_be_mixed():
    game = rules("tic_tac_toe")
    pool = one_of([random_mover(), planner(game.move, replies=False)])
    memory = pool.begin(jax.random.key(0))
    state = game.init(jax.random.key(1))
    assert 0 <= int(jax.jit(pool.act, compiler_options=QUICK)(jax.random.key(2), state, NOTHING, memory)) < 9


def test_an_environment_shows_the_flat_observation_and_then_the_mask(getkey):
    env = envs.make("pgx/tic_tac_toe")
    assert_contract(env)
    assert env.obs_shape == (18 + 9,) and env.indicators == ((0, 18),)
    assert env.action_space == Discrete(9, masked=True)
    free = envs.make("pgx/tic_tac_toe", legal_actions=False)
    assert free.action_space == Discrete(9) and free.obs_shape == env.obs_shape


@pytest.mark.slow
@pytest.mark.parametrize("name", GAMES)
def test_every_game_keeps_the_contract(name):
    assert_contract(envs.make(f"pgx/{name}"))


@pytest.mark.slow
def test_a_game_for_one_player_steps_as_pgx_does():
    import pgx

    env, theirs = envs.make("pgx/2048"), pgx.make("2048")

    def both(key):
        key_reset, key_steps = jax.random.split(key)

        def step(carry, key):
            state, obs, other = carry
            action = jnp.argmax(obs[-4:])
            state, seen = env.step(key, state, action)
            other = theirs.step(other, action, jax.random.split(key)[0])
            return (state, seen.obs, other), (seen.final_obs[:-4], seen.reward, other.observation, other.rewards[0])

        start = *env.reset(key_reset), theirs.init(key_reset)
        return jax.lax.scan(step, start, jax.random.split(key_steps, 30))[1]

    obs, reward, their_obs, their_reward = jax.jit(both, compiler_options=QUICK)(jax.random.key(0))
    np.testing.assert_array_equal(obs, their_obs.reshape(30, -1))
    np.testing.assert_array_equal(reward, their_reward)
    assert reward.sum() > 0


def test_what_is_offered_is_all_that_pgx_can_make_but_for_minatar():
    import pgx

    from metadisco.inner.envs.pgx import UNAVAILABLE

    assert tuple(envs.names("pgx")) == GAMES
    left_out = set(pgx.available_envs()) - set(envs.names("pgx"))
    assert left_out == {name for name in UNAVAILABLE if name.startswith("minatar")}


@pytest.fixture
def _types_unchecked(monkeypatch):
    """As users have it: what they hand over is for us to check."""
    monkeypatch.setattr(type_checks, "jaxtyping_disable", True)


@pytest.mark.usefixtures("_types_unchecked")
@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("minatar-breakout", {}, ["minatar-breakout", "GPL-3", "gymnax"]),
        ("connect_for", {}, ["did you mean 'connect_four'"]),
        ("tic_tac_toe", {"opponent": "one_pl"}, ["'one_pl'", "did you mean 'one_ply'"]),
        ("tic_tac_toe", {"opponent": 3}, ["opponent", "got 3"]),
        ("tic_tac_toe", {"opponent": []}, ["opponent", "empty"]),
        ("kuhn_poker", {"opponent": "one_ply"}, ["hidden cards", "random"]),
        ("backgammon", {"opponent": "two_ply"}, ["24,336", "20,000"]),
        ("tic_tac_toe", {"episode_length": 0}, ["episode_length"]),
        ("tic_tac_toe", {"legal_actions": 1}, ["legal_actions", "true or false"]),
        ("tic_tac_toe", {"komi": 1}, ["komi", "opponent"]),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_sentence(name, settings, words):
    with pytest.raises(UserError) as told:
        envs.make(f"pgx/{name}", **settings)
    assert "\n" not in str(told.value)
    assert all(word in str(told.value) for word in words), str(told.value)
