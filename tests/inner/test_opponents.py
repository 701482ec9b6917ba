"""Who plays against the agent in a folded game: planners, saved agents, and pools of them."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import QUICK
from pgx_games import NOTHING, NUM_GAMES, rules

from metadisco.config import Config, InnerConfig, PPOConfig
from metadisco.discoveries.agents import save_agents
from metadisco.discoveries.environments import make
from metadisco.errors import UserError
from metadisco.inner import envs
from metadisco.inner.envs.opponents import one_of, planner, random_mover
from metadisco.inner.networks import make_agent
from metadisco.inner.normalise import init_statistics
from metadisco.inner.policy import Policy
from metadisco.storage.cells import CellStore
from metadisco.storage.package import digests_of_opponents


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
        """Return for each position and action: its reward, and the best reward of the reply to the other player."""
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
        names, digests, config = [], [], replace(Config(), inner=inner)
        for content in (b"one", b"two", b"one"):
            copy.write_bytes(content)
            names.append(CellStore(tmp_path, config)._name("cell"))
            digests.append(digests_of_opponents(config)[str(copy)])
        assert names[0] == names[2] != names[1]
        assert digests[0] == digests[2] != digests[1]


@pytest.mark.slow
def test_several_kinds_of_opponents_can_be_mixed():
    game = rules("tic_tac_toe")
    pool = one_of([random_mover(), planner(game.move, replies=False)])
    memory = pool.begin(jax.random.key(0))
    state = game.init(jax.random.key(1))
    assert 0 <= int(jax.jit(pool.act, compiler_options=QUICK)(jax.random.key(2), state, NOTHING, memory)) < 9
