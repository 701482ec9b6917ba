"""Players: their behaviour, and refusals."""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from game_samples import ALL, STRATEGIES, plain_values, policies, reference_values

from metadisco.errors import UserError
from metadisco.inner.games import GAMES
from metadisco.inner.games.matrix import values
from metadisco.inner.games.players import ByLifetime, MetaPlayer, make_learner
from metadisco.inner.games.players.lola import anticipating_gradient
from metadisco.inner.games.players.registry import parse_learner

IPD, CHICKEN = GAMES["ipd"], GAMES["chicken"]
KEY = jax.random.key(0)


class Averse(NamedTuple):
    """A user-defined learner whose arithmetic is only right for one lifetime."""

    step: float = 0.1

    def init(self, key, game):
        return {"policy": jnp.zeros(game.num_logits), "plays": jnp.int32(0)}

    def logits(self, state):
        return state["policy"]

    def update(self, state, own_logits, other_logits, game):
        towards = other_logits / jnp.sqrt(jnp.square(other_logits).sum())
        return {"policy": own_logits - self.step * towards, "plays": state["plays"] + 1}


class TooMany(Averse):
    def init(self, key, game):
        return {"policy": jnp.zeros(7), "plays": jnp.int32(0)}


class Growing(Averse):
    def update(self, state, own_logits, other_logits, game):
        return {"policy": own_logits, "plays": jnp.float32(1)}


def no_player():
    return object()


@pytest.mark.parametrize("form", ["exact", "first_paper", "look_ahead"])
def test_lola_follows_what_nested_automatic_differentiation_does(form):
    game = ALL["odd"]
    own, other = policies(game)

    def step_of_other(own, other):
        return jax.grad(lambda y: plain_values(game, own, y)[1])(other)

    def own_by_other(own, other):
        return jax.grad(lambda y: plain_values(game, own, y)[0])(other)

    @jax.jit
    def nested(own, other):
        stop = jax.lax.stop_gradient
        products = {
            "exact": lambda x: own_by_other(x, other) @ step_of_other(x, other),
            "first_paper": lambda x: stop(own_by_other(x, other)) @ step_of_other(x, other),
            "look_ahead": lambda x: own_by_other(x, other) @ stop(step_of_other(x, other)),
        }
        return jax.grad(lambda x: plain_values(game, x, other)[0])(own) + 0.5 * jax.grad(products[form])(own)

    got = anticipating_gradient(game, own, other, 0.5, form)
    np.testing.assert_allclose(got, nested(own, other), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", STRATEGIES)
def test_strategies_play_what_their_names_say_for_ever(name):
    player = make_learner(name, IPD)
    state = player.init(KEY, IPD)
    np.testing.assert_allclose(jax.nn.sigmoid(player.logits(state)), STRATEGIES[name], atol=1e-7)
    after = player.update(state, state, policies(IPD)[0], IPD)
    np.testing.assert_array_equal(player.logits(after), player.logits(state))


@pytest.mark.parametrize("chi", [1, 3, 6])
def test_extortion_of_full_cooperation_earns_what_press_and_dyson_say(chi):
    extortioner, victim = (make_learner(name, IPD) for name in (f"zero_determinant:chi={chi}", "all_cooperate"))
    patient = replace(IPD, gamma=1 - 1e-6)
    own, other = (
        x * patient.scale for x in reference_values(patient, extortioner.init(KEY, IPD), victim.init(KEY, IPD))
    )
    assert own == pytest.approx((-2 - chi) / (1 + 2 * chi), abs=1e-4)
    assert own + 2 == pytest.approx(chi * (other + 2), abs=1e-4)


@pytest.mark.parametrize(("against", "reward"), [("tit_for_tat", -1), ("all_defect", -2), ("all_cooperate", 0)])
def test_best_responses_to_strategies_are_known(against, reward):
    player = make_learner({"name": "best_response", "num_steps": 300}, IPD)
    theirs = make_learner(against, IPD).init(KEY, IPD)
    state = player.init(jax.random.key(1), IPD)
    answer = player.logits(jax.jit(player.update, static_argnums=3)(state, state.policy, theirs, IPD))
    assert values(IPD, answer, theirs)[0] * IPD.scale == pytest.approx(reward, abs=0.02)


def test_naive_learners_start_at_random_and_m_maml_where_it_is_told():
    naive, maml = make_learner("naive", CHICKEN), make_learner("m_maml:0.5", CHICKEN)
    keys = jax.random.split(KEY, 500)
    starts = jax.vmap(lambda key: naive.init(key, CHICKEN))(keys)
    assert (float(starts.mean()), float(starts.std())) == pytest.approx((0, 1), abs=0.1)
    start = maml.init(KEY, CHICKEN)
    np.testing.assert_array_equal(start, [0.5])
    other = policies(CHICKEN)[1]
    np.testing.assert_array_equal(maml.update(start, start, other, CHICKEN), naive.update(start, start, other, CHICKEN))


def test_a_meta_player_sees_both_policies_each_in_its_own_order_and_keeps_its_memory():
    player = MetaPlayer(act=lambda seen, memory: (seen[:5] + 10 * seen[5:], memory + 1), initial_memory=jnp.zeros(()))
    state = jax.vmap(lambda key: player.init(key, IPD), out_axes=-1)(jax.random.split(KEY, 3))
    own, other = policies(IPD, 3)
    after = player.update(state, own, other, IPD)
    expected = jax.nn.sigmoid(own) + 10 * jax.nn.sigmoid(other)
    np.testing.assert_allclose(player.logits(after), expected, rtol=1e-6)
    np.testing.assert_array_equal(after.memory, [1, 1, 1])


def test_a_learner_of_ones_own_is_written_for_one_lifetime():
    player = make_learner({"name": "test_players:Averse", "step": 0.5}, IPD)
    own, other = policies(IPD, 3)
    state = jax.vmap(lambda key: player.init(key, IPD), out_axes=-1)(jax.random.split(KEY, 3))
    after = player.update(state, own, other, IPD)
    np.testing.assert_allclose(after["policy"], own - 0.5 * other / np.linalg.norm(other, axis=0), rtol=1e-5)
    np.testing.assert_array_equal(after["plays"], [1, 1, 1])
    assert player == ByLifetime(Averse(step=0.5))


@pytest.mark.parametrize(
    ("words", "section"),
    [
        ("naive", {"name": "naive"}),
        ("zero_determinant:chi=4", {"name": "zero_determinant", "chi": 4.0}),
        ("lola:learning_rate=0.5,form=first_paper", {"name": "lola", "learning_rate": 0.5, "form": "first_paper"}),
        ("static:0,1,0,1,0.5", {"name": "static", "probabilities": [0.0, 1.0, 0.0, 1.0, 0.5]}),
        ("m_maml:0,0,0,0,0", {"name": "m_maml", "initial_logits": [0.0] * 5}),
        ("my.module:Learner", {"name": "my.module:Learner"}),
        ({"name": "lola", "look_ahead": 2}, {"name": "lola", "look_ahead": 2}),
    ],
)
def test_players_may_be_written_in_a_word(words, section):
    assert parse_learner(words) == section


@pytest.mark.parametrize(
    ("spec", "game", "sentence"),
    [
        ("naiv", IPD, "problem.opponents: got 'naiv', allowed: naive, lola, .*; did you mean 'naive'?"),
        (3, IPD, "problem.opponents: got 3, allowed: a name, or a section with name and settings"),
        ("lola:2", IPD, r"got 'lola:2', allowed: lola:SETTING=VALUE\[,SETTING=VALUE …\]"),
        ("static:0,x", IPD, "got 'static:0,x', allowed: static:SETTING=VALUE.*, or numbers"),
        (
            "lola:rate=2",
            IPD,
            "unknown key 'problem.opponents.rate'.*allowed here: form, initial_std, learning_rate",
        ),
        ("naive:learning_rate=0", IPD, "learning_rate: got 0.0, allowed: a number above 0"),
        ("static:0,1", IPD, "probabilities: got 2 numbers, allowed: 5 in ipd, after start, CC, CD, DC, DD"),
        ("static:0,1,2,0,0", IPD, "probabilities.2: got 2.0, allowed: a number at most 1"),
        ("m_maml:0,0", CHICKEN, "initial_logits: got 2 numbers, allowed: 1 in chicken, after start"),
        ("tit_for_tat", CHICKEN, "tit_for_tat: got chicken, a game of one round, allowed: an iterated game"),
        ("zero_determinant:chi=0.5", IPD, "chi: got 0.5, allowed: a number of at least 1"),
        ("zero_determinant:chi=4,phi=0.2", IPD, "phi: got 0.2, allowed: .* at most 0.111111 for chi 4 in ipd"),
        ("zero_determinant", GAMES["stag_hunt"], "got stag_hunt, allowed: .* payoffs of a prisoner's dilemma"),
        (
            "test_players:TooMany",
            IPD,
            r"got policies float32\[7, 2\] of a player in two lifetimes of ipd, allowed: float32\[5, 2\]",
        ),
        ("test_players:Growing", IPD, "got a state of other shapes or types after an update"),
        ("test_players:no_player", IPD, "test_players:no_player has no method 'init', which a player needs"),
    ],
)
def test_players_that_cannot_be_are_refused_in_one_sentence(spec, game, sentence):
    with pytest.raises(UserError, match=sentence.replace("?", r"\?")) as error:
        make_learner(spec, game)
    assert "\n" not in str(error.value)
