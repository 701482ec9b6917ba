"""Meta-policies as artefacts: their contents, and that one with other outputs is refused."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from damage import drop, packed_arrays, put, seal
from policies import bound, make_policy_run, meta_states

from metadisco import UserError, load_meta_params, write_artefact, write_source
from metadisco.inner.games import GAMES
from metadisco.parametrisations import make_parametrisation
from metadisco.problems.players import load_player
from metadisco.storage.runs import RunDirectory

KINDS = ("feed_forward", "timed", "recurrent")


@pytest.fixture(scope="module")
def written(policies, tmp_path_factory):
    """(kind) -> (run, folder of its artefact)."""
    place, made = tmp_path_factory.mktemp("written"), {}

    def written(name):
        if name not in made:
            run = policies.run(name) if name != "learner" else make_policy_run(place / "r", name, LEARNER)
            made[name] = run, write_artefact(run, place / name)
        return made[name]

    return written


LEARNER = {"name": "initial_policy", "learning_rate": 0.5}


def said(folder):
    return json.loads((folder / "artefact.json").read_text())


class TestContent:
    @pytest.mark.parametrize("name", KINDS)
    def test_meta_parameters_come_back_bit_for_bit(self, written, name, tmp_path):
        run, folder = written(name)
        archive = write_artefact(folder, tmp_path / "again.zip")
        for path in (folder, archive):
            jax.tree.map(np.testing.assert_array_equal, load_meta_params(path), load_meta_params(run))
        assert (
            write_artefact(archive, tmp_path / "back").joinpath("artefact.json").read_bytes()
            == (folder / "artefact.json").read_bytes()
        )

    def test_it_says_what_was_played_against_whom(self, written):
        content = said(written("timed")[1])
        policy = content["meta_policy"]
        assert policy["game"]["payoffs"] == {"own": [1, -2, 0.75, 0.25], "other": [1, 0.75, -2, 0.25]}
        assert policy["game"]["states"] == ["start", "CC", "CD", "DC", "DD"]
        assert policy["game"]["gamma"] == 0.96
        assert (policy["seat"], policy["reset"], policy["horizon"]) == (2, "players", 100)
        lola = {"name": "lola", "initial_std": 1.0, "learning_rate": 0.5, "look_ahead": 1.0, "form": "exact"}
        assert policy["opponents"] == [lola, {"name": "naive", "initial_std": 1.0, "learning_rate": 2.0}]
        assert policy["self_play"]["over_generations"] == 3
        assert {"act", "meta_state", "logits"} <= content["call"].keys()
        assert content["learned"]["parametrisation"]["num_states"] == 5
        assert content["trained_on"]["generations"] == 7
        assert content["trained_on"]["seed"] == 5

    def test_checks_are_sequences_in_which_memory_counts(self, written):
        run, folder = written("recurrent")
        checks = said(folder)["checks"]
        states, logits = (
            jnp.asarray(x, jnp.float32) for x in (checks["inputs"]["meta_states"], checks["outputs"]["logits"])
        )
        policy = bound(run)
        first, memory = policy.act(states[0, 0], policy.initial_memory())
        np.testing.assert_allclose(first, logits[0, 0], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(policy.act(states[0, 1], memory)[0], logits[0, 1], rtol=1e-5, atol=1e-5)
        forgetful, _ = policy.act(states[0, 1], policy.initial_memory())
        assert np.abs(forgetful - logits[0, 1]).max() > 1e-3

    def test_it_plays_as_the_run_does(self, written):
        run, folder = written("feed_forward")
        state = jnp.asarray(meta_states(run)[0, 0])
        player = load_player(str(folder), GAMES["ipd"], "problem.opponents")
        expected, _ = bound(run).act(state, ())
        np.testing.assert_array_equal(player.act(state, player.initial_memory)[0], expected)

    def test_source_is_written_of_it(self, written, policies, tmp_path):
        path = write_source(written("recurrent")[1], "numpy", tmp_path / "recurrent_numpy.py")
        assert path.read_text() == policies.path("recurrent", "numpy").read_text()

    def test_numbers_that_are_not_finite_are_not_handed_on(self, tmp_path):
        run = make_policy_run(tmp_path / "run", "static", {"name": "static_policy"})
        np.savez(RunDirectory(Path(run)).centre_path(7), logits=np.full(5, np.nan, np.float32))
        with pytest.raises(UserError, match="logits that are no finite numbers"):
            write_artefact(run, tmp_path / "artefact")
        assert not (tmp_path / "artefact").exists()


def weights(change):
    return lambda content, arrays: (content, {name: change(name, array) for name, array in arrays.items()})


def content(change):
    return lambda data, arrays: (change(data), arrays)


SECTION = ("learned", "parametrisation")
INPUTS, OUTPUTS = ("checks", "inputs", "meta_states"), ("checks", "outputs", "logits")
DAMAGE = {
    "a weight": (weights(lambda name, x: x + 0.01 * (name == "unit/input")), "logits of stored check 0"),
    "a weight of the memory": (weights(lambda name, x: x * (1 + (name == "unit/memory"))), "logits of stored check"),
    "another scale": (content(put(*SECTION, "output_scale", 4.1)), "logits of stored check 0"),
    "another game": (content(put("problem", "game", "stag_hunt")), "game of stored check"),
    "another seat": (content(put("problem", "game", "imp")), "game of stored check"),
    "no such game": (content(put("problem", "game", "imd")), "problem.game: got 'imd'"),
    "no such reset": (content(put("problem", "reset", "x")), "problem.reset: got 'x'"),
    "a game of one round": (content(put("problem", "game", "chicken")), "num_states: got 5, allowed: 1"),
    "no fact": (content(drop(*SECTION, "num_states")), "lacks num_states"),
    "no name": (content(drop(*SECTION, "name")), "lacks a name"),
    "no checks": (content(drop("checks")), "checks are incomplete"),
    "no inputs": (content(drop(*INPUTS)), "checks are incomplete"),
    "no outputs": (content(drop(*OUTPUTS)), "checks are incomplete"),
    "no sequence": (content(put(*INPUTS, [])), "checks are incomplete"),
    "words": (content(put(*INPUTS, "words")), "checks are incomplete"),
    "another width": (content(put(*INPUTS, [[[0.5] * 9] * 6] * 3)), "checks are incomplete"),
    "sequences of several lengths": (content(put(*INPUTS, [[[0.5] * 10], [[0.5] * 10] * 2])), "checks are incomplete"),
    "fewer sequences": (content(put(*OUTPUTS, [[[0.5] * 5] * 6])), "checks are incomplete"),
    "large numbers": (content(put(*OUTPUTS, [[[1e300] * 5] * 6] * 3)), "checks are incomplete"),
    "null": (content(put(*OUTPUTS, [[[None] * 5] * 6] * 3)), "checks are incomplete"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_gives_something_else_than_it_gave_is_refused(written, damage, tmp_path):
    folder = written("recurrent")[1]
    change, told = DAMAGE[damage]
    with np.load(folder / "arrays.npz") as stored:
        data, arrays = change(said(folder), dict(stored))
    packed = packed_arrays({name: np.asarray(array, np.float32) for name, array in arrays.items()})
    (tmp_path / "arrays.npz").write_bytes(packed)
    (tmp_path / "artefact.json").write_text(seal(data, packed))
    for use in (load_meta_params, lambda path: write_artefact(path, tmp_path / "again")):
        with pytest.raises(UserError) as refused:
            use(tmp_path)
        assert str(tmp_path) in str(refused.value)
        assert told in str(refused.value)
    assert not (tmp_path / "again").exists()


def test_a_learner_that_learns_otherwise_is_refused(written, tmp_path):
    folder = written("learner")[1]
    packed = (folder / "arrays.npz").read_bytes()
    (tmp_path / "arrays.npz").write_bytes(packed)
    (tmp_path / "artefact.json").write_text(seal(put(*SECTION, "learning_rate", 1.0)(said(folder)), packed))
    with pytest.raises(UserError, match="logits of stored check 0"):
        load_meta_params(tmp_path)


def test_the_checksum_finds_what_was_changed(written, tmp_path):
    folder = written("recurrent")[1]
    (tmp_path / "arrays.npz").write_bytes((folder / "arrays.npz").read_bytes())
    (tmp_path / "artefact.json").write_text((folder / "artefact.json").read_text().replace("0.96", "0.95"))
    with pytest.raises(UserError, match="checksum"):
        load_meta_params(tmp_path)


def test_its_parametrisation_binds_what_was_loaded(written):
    run, folder = written("recurrent")
    policy = make_parametrisation(said(folder)["learned"]["parametrisation"]).bind(load_meta_params(folder))
    state = jnp.asarray(meta_states(run)[0, 0])
    np.testing.assert_array_equal(
        policy.act(state, policy.initial_memory())[0], bound(run).act(state, policy.initial_memory())[0]
    )
