"""Messages as source for NumPy and JAX, and the wrapper of Gymnasium's environments."""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from messages import SECTIONS, TOLERANCE, check_all, goals, make_message_run, observations
from source_text import assert_helpers_are_used, assert_needs_its_library_alone, lint

IN_JAX = ("control", "grid")
FILES = [*((name, "numpy") for name in SECTIONS), *((name, "jax") for name in IN_JAX)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SECTIONS)
def test_messages_in_numpy_are_those_of_the_original(messages, name, dtype):
    module, obs = messages.module(name, "numpy"), observations(name).astype(dtype)
    assert module.message(obs).dtype == dtype
    np.testing.assert_allclose(module.message(obs), messages.said(name), atol=TOLERANCE, rtol=TOLERANCE)
    if name == "control":
        steered = module.steer(obs, goals(name).astype(dtype))
        assert steered.dtype == dtype
        np.testing.assert_allclose(steered, messages.steered(name), atol=TOLERANCE, rtol=TOLERANCE)
    else:
        assert not hasattr(module, "steer")


@pytest.mark.parametrize("name", IN_JAX)
def test_messages_in_jax_are_those_of_the_original_under_jit_and_vmap(messages, name):
    module, obs = messages.module(name, "jax"), jnp.asarray(observations(name))
    for message in (module.message, jax.vmap(module.message)):
        np.testing.assert_allclose(jax.jit(message)(obs), messages.said(name), atol=TOLERANCE, rtol=TOLERANCE)
    if name == "control":
        steered = jax.jit(module.steer)(obs, jnp.asarray(goals(name)))
        np.testing.assert_allclose(steered, messages.steered(name), atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("name", SECTIONS)
def test_further_axes_come_first(messages, name):
    module, obs = messages.module(name, "numpy"), observations(name)
    expected = module.message(obs)
    np.testing.assert_allclose(module.message(obs[:, None, None]), expected[:, None, None], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(module.message(obs[2]), expected[2], rtol=1e-5, atol=1e-6)
    assert module.message(obs[:0]).shape == (0, module.NUM_CHANNELS)
    assert module.message(obs[2].tolist()).dtype == np.float64
    assert np.abs(expected).max() <= module.SCALE
    if name == "control":
        one = module.steer(obs[:, None], goals(name)[0])
        np.testing.assert_allclose(one[0, 0], module.steer(obs[0], goals(name)[0]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "shape"), [("harm", (3,)), ("harm", ()), ("grid", (4, 10, 10)), ("grid", (400,))])
def test_observations_of_another_shape_are_refused(messages, name, shape):
    with pytest.raises(ValueError, match=r"obs: got shape .*, allowed: \[\.\.\., (4|10, 10, 4)\]"):
        messages.module(name, "numpy").message(np.zeros(shape))


@pytest.mark.parametrize(("language", "names"), [("numpy", tuple(SECTIONS)), ("jax", ("control",))])
def test_a_file_checks_itself_and_finds_a_changed_weight(messages, language, names):
    checked = check_all(messages, names, language)
    assert ("control", "steer") in checked
    for (_, changed), said in checked.items():
        assert ("SystemExit: differs from the original" in said) if changed else said == ""


@pytest.mark.parametrize(("name", "language"), FILES)
def test_a_file_is_what_a_person_would_have_written(messages, name, language):
    path = messages.path(name, language)
    assert_needs_its_library_alone(path, language, *(["gymnasium"] if language == "numpy" else []))
    assert_helpers_are_used(path)
    assert lint(path) == ""


def test_the_head_of_a_file_says_plainly_what_it_does_and_to_whom(messages):
    def head(name):
        return " ".join(messages.module(name, "numpy").__doc__.split())

    harm = head("harm")
    for told in (
        "A message is 3 numbers within ±2.5 that a learner sees beside its observation",
        "evolved to HARM learners",
        "7 generations, seed 5",
        "which minimise ppo (clip_eps 0.1)",
        "gymnax/CartPole-v1 (max_steps_in_episode 200)",
        "seen = np.concatenate([obs, message(obs)], -1)",
        "env = wrap(env)",
        "[..., 4]: its last axis is that of one observation",
        "Licence: Apache-2.0",
    ):
        assert told in harm
    assert "evolved to HELP learners" in head("help")
    assert "which minimise dpo" in head("help")
    control = head("control")
    assert "evolved to CONTROL learners" in control
    assert "Pendulum: point to θ*" in control
    assert "Features: cos θ*, sin θ*" in control
    assert "steer(obs, goal)" in control
    assert "[..., 10, 10, 4]: its last 3 axes are those of one observation" in head("grid")


class TestWrapper:
    def test_observations_have_their_messages_behind_them_and_all_else_stays(self, messages):
        module, plain = messages.module("harm", "numpy"), gymnasium.make("CartPole-v1")
        told = module.wrap(gymnasium.make("CartPole-v1"))
        assert told.observation_space.shape == (7,)
        assert told.observation_space.dtype == np.float32
        np.testing.assert_array_equal(told.observation_space.low[:4], plain.observation_space.low)
        np.testing.assert_array_equal(told.observation_space.high[4:], np.float32(2.5))
        np.testing.assert_array_equal(told.observation_space.low[4:], np.float32(-2.5))
        (obs, _), (seen, _) = plain.reset(seed=1), told.reset(seed=1)
        ended = False
        while not ended:  # the final observation, too
            np.testing.assert_array_equal(seen[:4], obs)
            np.testing.assert_array_equal(seen[4:], module.message(obs))
            assert told.observation_space.contains(seen)
            obs, reward, terminated, truncated, _ = plain.step(1)
            seen, *rest = told.step(1)
            assert rest[:3] == [reward, terminated, truncated]
            ended = terminated or truncated
        np.testing.assert_array_equal(seen, np.concatenate([obs, module.message(obs)]))

    def test_something_else_may_be_said(self, messages):
        module = messages.module("control", "numpy")
        goal = np.array([0.0, 1.0])
        told = module.wrap(gymnasium.make("Pendulum-v1"), lambda obs: module.steer(obs, goal))
        seen, _ = told.reset(seed=1)
        np.testing.assert_array_equal(seen[3:], module.steer(seen[:3], goal))
        silent = module.wrap(gymnasium.make("Pendulum-v1"), lambda obs: np.zeros(module.NUM_CHANNELS))
        assert silent.reset(seed=1)[0][3:].tolist() == [0, 0]

    @pytest.mark.parametrize("env", ["MountainCar-v0", "FrozenLake-v1"])
    def test_other_observations_are_refused(self, messages, env):
        with pytest.raises(ValueError, match=r"allowed: a Box of shape \(4,\)"):
            messages.module("harm", "numpy").wrap(gymnasium.make(env))


OWN = """
from metadisco.parametrisations.message import LearnedMessage

class Mine(LearnedMessage):
    def source_message(self, meta_params):
        message = super().source_message(meta_params)
        return message._replace({change})

class Silent(LearnedMessage):
    source_message = None
"""


class TestRefusals:
    @pytest.fixture
    def own(self, place, monkeypatch):
        """(class, change of its outputs) -> the run of a user-defined parametrisation."""

        def own(name, change=""):
            module = f"own_message_{len(list(place.iterdir()))}"
            (place / f"{module}.py").write_text(OWN.format(change=change))
            monkeypatch.syspath_prepend(str(place))
            return make_message_run(place / f"run_{module}", "own", {"name": f"{module}:{name}", "hidden_sizes": [3]})

        return own

    def test_a_parametrisation_says_how_it_is_written(self, refused, own):
        refused([own("Silent"), "--to", "jax", "--output", "a.py"], "Silent has no source_message", "allowed: artefact")

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ("scale=2 * message.scale", "other numbers than bind"),
            ("activation='gelu'", "activation: got 'gelu', allowed: relu, tanh"),
            ("input_scale=[1.0, 2.0]", "input_scale: got [1.0, 2.0], allowed: one positive number, or 4"),
            ("input_scale=0.0", "input_scale: got 0.0"),
            ("message=message.message[1:]", "message: 0: got shapes (3, 2) and (2,), allowed: (4, n)"),
            ("message=()", "message: got no layers"),
        ],
    )
    def test_what_it_says_is_held_to_what_it_does(self, refused, own, change, told):
        refused([own("Mine", change), "--to", "numpy", "--output", "a.py"], "source_message", told)

    def test_it_has_no_closed_form(self, refused, messages):
        run = messages.run("harm")
        refused([run, "--to", "numpy", "--form", "closed", "--output", "a.py"], "allowed: an objective")
