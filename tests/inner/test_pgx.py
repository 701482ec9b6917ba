"""The adapter of Pgx: games offered, observations and masks, games for one player, and refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import QUICK
from env_contract import assert_contract

from metadisco.errors import UserError
from metadisco.inner import envs
from metadisco.inner.envs import Discrete

GAMES = (
    "2048", "animal_shogi", "backgammon", "chess", "connect_four", "gardner_chess", "go_19x19", "go_9x9", "hex",
    "kuhn_poker", "leduc_holdem", "othello", "shogi", "sparrow_mahjong", "tic_tac_toe",
)  # fmt: skip


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
