"""Messages as artefacts: their contents, and that one with other outputs is refused."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from damage import drop, packed_arrays, put, seal
from messages import make_message_run, observations

from metadisco import Run, UserError, load_meta_params, write_artefact, write_source
from metadisco.storage.runs import RunDirectory


@pytest.fixture(scope="module")
def written(messages, tmp_path_factory):
    """(name) -> (run, folder of its artefact)."""
    place, made = tmp_path_factory.mktemp("written"), {}

    def written(name):
        if name not in made:
            made[name] = messages.run(name), write_artefact(messages.run(name), place / name)
        return made[name]

    return written


def said(folder):
    return json.loads((folder / "artefact.json").read_text())


class TestContent:
    @pytest.mark.parametrize("name", ["harm", "control"])
    def test_meta_parameters_come_back_bit_for_bit(self, written, name, tmp_path):
        run, folder = written(name)
        archive = write_artefact(folder, tmp_path / "again.zip")
        for path in (folder, archive):
            jax.tree.map(np.testing.assert_array_equal, load_meta_params(path), load_meta_params(run))
        again = write_artefact(archive, tmp_path / "back").joinpath("artefact.json")
        assert again.read_bytes() == (folder / "artefact.json").read_bytes()

    def test_it_says_what_it_does_to_which_learners(self, written):
        content = said(written("harm")[1])
        message, (learner,) = content["message"], content["message"]["learners"]
        assert (message["aim"], message["num_channels"], message["scale"]) == ("harm", 3, 2.5)
        assert (message["obs_shape"], message["input_scale"], message["goal"]) == ([4], 1.0, None)
        assert (learner["env"], learner["env_settings"]) == ("gymnax/CartPole-v1", {"max_steps_in_episode": 200})
        assert {"learning_rate", "hidden_sizes", "normalise_observations"} <= learner["ppo"].keys()
        assert message["objective"] == {"name": "ppo", "settings": {"clip_eps": 0.1}}
        assert {"message", "observation", "learner"} == content["call"].keys()
        section = content["learned"]["parametrisation"]
        assert (section["obs_size"], section["num_goal_features"]) == (4, 0)
        assert (content["trained_on"]["generations"], content["trained_on"]["seed"]) == (7, 5)

    def test_it_says_toward_what_is_steered(self, written):
        content = said(written("control")[1])
        goal = content["message"]["goal"]
        assert (goal["num_features"], goal["num_episodes"]) == (2, 5)
        assert goal["words"].startswith("Pendulum: point to θ*")
        assert content["message"]["input_scale"] == [1.0, 1.0, 8.0]
        assert "steer" in content["call"]
        assert {"goals", "steers"} <= {*content["checks"]["inputs"], *content["checks"]["outputs"]}

    def test_checks_are_messages_that_are_not_all_at_their_bounds(self, written, messages):
        checks = said(written("harm")[1])["checks"]
        obs, given = (np.asarray(x) for x in (checks["inputs"]["observations"], checks["outputs"]["messages"]))
        np.testing.assert_allclose(messages.module("harm", "numpy").message(obs), given, rtol=1e-5, atol=1e-5)
        assert (np.abs(given) < 0.9 * 2.5).any(axis=1).sum() >= 3
        assert not obs[0].any()

    def test_observations_of_several_axes_are_kept_by_their_shape(self, written, messages):
        content = said(written("grid")[1])
        assert content["message"]["obs_shape"] == [10, 10, 4]
        assert messages.module("grid", "numpy").message(observations("grid")).shape == (5, 2)

    def test_source_is_written_of_it(self, written, messages, tmp_path):
        path = write_source(written("control")[1], "numpy", tmp_path / "control_numpy.py")
        assert path.read_text() == messages.path("control", "numpy").read_text()

    def test_numbers_that_are_not_finite_are_not_handed_on(self, tmp_path):
        run = make_message_run(tmp_path / "run", "harm")
        centre = RunDirectory(Path(run)).centre_path(7)
        with np.load(centre) as arrays:
            stored = {name: np.full_like(array, np.nan) for name, array in arrays.items()}
        np.savez(centre, **stored)
        with pytest.raises(UserError, match="messages that are no finite numbers"):
            write_artefact(run, tmp_path / "artefact")
        assert not (tmp_path / "artefact").exists()


def weights(change):
    return lambda content, arrays: (content, {name: change(name, array) for name, array in arrays.items()})


def content(change):
    return lambda data, arrays: (change(data), arrays)


SECTION = ("learned", "parametrisation")
INPUTS, OUTPUTS = ("checks", "inputs", "observations"), ("checks", "outputs", "messages")
DAMAGE = {
    "a weight": (weights(lambda name, x: x + 0.01 * (name == "message/output/kernel")), "messages of stored check"),
    "a weight to steer": (
        weights(lambda name, x: x * (1 + (name == "steer/Dense_0/kernel"))),
        "steers of stored check",
    ),
    "another scale": (content(put(*SECTION, "scale", 6.0)), "messages of stored check"),
    "another scale of inputs": (content(put(*SECTION, "input_scale", 2.0)), "messages of stored check"),
    "another activation": (content(put(*SECTION, "activation", "relu")), "messages of stored check"),
    "more channels": (content(put(*SECTION, "num_channels", 3)), "array "),
    "other observations": (content(put(*SECTION, "obs_size", 4)), "input_scale: got 3 numbers, allowed: 4"),
    "no such aim": (content(put("problem", "aim", "x")), "problem.aim: got 'x'"),
    "nothing to steer with": (content(put(*SECTION, "num_goal_features", 0)), "holds an array"),
    "no fact": (content(drop(*SECTION, "num_goal_features")), "lacks num_goal_features"),
    "no size": (content(drop(*SECTION, "obs_size")), "lacks obs_size"),
    "no checks": (content(drop("checks")), "checks are incomplete"),
    "no goals": (content(drop("checks", "inputs", "goals")), "checks are incomplete"),
    "no steers": (content(drop("checks", "outputs", "steers")), "checks are incomplete"),
    "no observation": (content(put(*INPUTS, [])), "checks are incomplete"),
    "another width": (content(put(*INPUTS, [[0.5] * 4] * 6)), "checks are incomplete"),
    "fewer messages": (content(put(*OUTPUTS, [[0.5] * 2] * 5)), "checks are incomplete"),
    "null": (content(put(*OUTPUTS, [[None] * 2] * 6)), "checks are incomplete"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_gives_something_else_than_it_gave_is_refused(written, damage, tmp_path):
    folder = written("control")[1]
    change, told = DAMAGE[damage]
    with np.load(folder / "arrays.npz") as stored:
        data, arrays = change(said(folder), dict(stored))
    packed = packed_arrays({name: np.asarray(array, np.float32) for name, array in arrays.items()})
    (tmp_path / "arrays.npz").write_bytes(packed)
    (tmp_path / "artefact.json").write_text(seal(data, packed))
    for use in (load_meta_params, lambda path: write_artefact(path, tmp_path / "again")):
        with pytest.raises(UserError) as refused:
            use(tmp_path)
        assert told in str(refused.value)
        assert str(tmp_path) in str(refused.value)
    assert not (tmp_path / "again").exists()


def test_the_checksum_finds_what_was_changed(written, tmp_path):
    folder = written("harm")[1]
    (tmp_path / "arrays.npz").write_bytes((folder / "arrays.npz").read_bytes())
    text = (folder / "artefact.json").read_text()
    assert '"harm"' in text
    (tmp_path / "artefact.json").write_text(text.replace('"harm"', '"help"'))
    with pytest.raises(UserError, match="checksum"):
        load_meta_params(tmp_path)


def test_a_message_for_other_observations_than_its_environment_gives_is_not_handed_on(tmp_path):
    run = make_message_run(tmp_path / "run", "harm")
    config = tmp_path / "run" / "config.yaml"
    config.write_text(config.read_text().replace("gymnax/CartPole-v1", "gymnax/Acrobot-v1"))
    with pytest.raises(UserError, match="obs_size: got 4, allowed: 6 in gymnax/Acrobot-v1"):
        write_artefact(run, tmp_path / "artefact")


def test_a_run_gives_functions(messages):
    functions = Run(messages.run("control")).bound()
    obs, goal = observations("control")[0], np.array([0.0, 1.0], np.float32)
    module = messages.module("control", "numpy")
    np.testing.assert_allclose(functions.message(obs), module.message(obs), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(functions.steer(obs, goal), module.steer(obs, goal), rtol=1e-5, atol=1e-5)
    assert Run(messages.run("harm")).bound().steer is None
