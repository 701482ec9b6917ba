"""Meta-policies as source for NumPy and JAX: the outputs of the original, decision by decision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from policies import SECTIONS, STATELESS, TOLERANCE, check_all, file_logits, make_policy_run
from source_text import assert_helpers_are_used, assert_needs_its_library_alone, lint

from metadisco.parametrisations.meta_policy import FeedForwardPolicy
from metadisco.parametrisations.source_policy import SourcePolicy

IN_JAX = ("timed", "static", "recurrent")
FILES = [*((name, "numpy") for name in SECTIONS), *((name, "jax") for name in IN_JAX)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SECTIONS)
def test_logits_in_numpy_are_those_of_the_original(policies, name, dtype):
    given = file_logits(policies.module(name, "numpy"), policies.meta_states(name).astype(dtype))
    assert {logits.dtype for logits in given} == {np.dtype(dtype)}
    np.testing.assert_allclose(np.stack(given, 1), policies.original(name), atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("name", IN_JAX)
def test_logits_in_jax_are_those_of_the_original_under_jit_vmap_and_scan(policies, name):
    module = policies.module(name, "jax")

    def decide(memory, meta_state):
        logits, memory = module.act(meta_state, memory)
        return memory, logits

    lifetime = jax.jit(jax.vmap(lambda states: jax.lax.scan(decide, module.initial_memory(), states)[1]))
    states = jnp.asarray(policies.meta_states(name))
    np.testing.assert_allclose(lifetime(states), policies.original(name), atol=TOLERANCE, rtol=TOLERANCE)
    logits, _ = jax.jit(module.act)(states[:, None, 0], module.initial_memory((2, 1)))
    np.testing.assert_allclose(logits[:, 0], policies.original(name)[:, 0], atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("name", SECTIONS)
def test_further_axes_come_first(policies, name):
    module, states = policies.module(name, "numpy"), policies.meta_states(name)[:, :3]
    wide = states[:, None]  # [B, 1, T, 2N]
    memory, expected = module.initial_memory((2, 1)), file_logits(module, states)
    for decision, logits in enumerate(expected):
        ours, memory = module.act(wide[:, :, decision], memory)
        assert ours.shape == (2, 1, logits.shape[-1])
        np.testing.assert_allclose(ours[:, 0], logits, rtol=1e-6, atol=1e-6)
    alone = file_logits(module, states[1])
    assert alone[0].shape == expected[0].shape[1:]
    np.testing.assert_allclose(np.stack(alone), np.stack(expected, 1)[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", STATELESS)
def test_without_a_memory_logits_alone_are_returned(policies, name):
    module, states = policies.module(name, "numpy"), policies.meta_states(name)
    logits, memory = module.act(states, module.initial_memory())
    assert memory == module.initial_memory() == ()
    np.testing.assert_array_equal(module.act(states), logits)
    assert module.act(states[0, 0].tolist()).dtype == np.float64
    with pytest.raises(TypeError, match="memory"):
        policies.module("recurrent", "numpy").act(states)


@pytest.mark.parametrize(("language", "names"), [("numpy", tuple(SECTIONS)), ("jax", ("recurrent",))])
def test_a_file_checks_itself_and_finds_a_changed_weight(policies, language, names):
    for (_, changed), said in check_all(policies, names, language).items():
        assert ("SystemExit: differs from the original" in said) if changed else said == ""


@pytest.mark.parametrize(("name", "language"), FILES)
def test_a_file_is_what_a_person_would_have_written(policies, name, language):
    path = policies.path(name, language)
    assert_needs_its_library_alone(path, language)
    assert_helpers_are_used(path)
    assert lint(path) == ""


def test_the_head_of_a_file_says_game_training_and_use(policies):
    words = " ".join(policies.module("timed", "numpy").__doc__.split())
    for told in (
        "The game, stag_hunt, from the seat of its player 2",
        "the player gets 1.0, -2.0, 0.75, 0.25 and the other player 1.0, 0.75, -2.0, 0.25",
        "discounted by 0.96",
        "100 plays per lifetime, against lola (initial_std 1.0, learning_rate 0.5, look_ahead 1.0, form exact), naive "
        "(initial_std 1.0, learning_rate 2.0), itself.",
        "both players played the policies they start with",
        "7 generations, seed 5",
        "holds 10 probabilities of C",
        "start, CC, CD, DC, DD of its own player",
        "logits, memory = act(meta_state, memory)",
        "Licence: Apache-2.0",
    ):
        assert told in words
    words = " ".join(policies.module("chicken", "numpy").__doc__.split())
    assert "A play is one round" in words
    assert "holds 2 probabilities of C" in words
    assert "the opponent learned from a random policy" in words


OWN = """
from metadisco.parametrisations.meta_policy import FeedForwardPolicy

class Doubled(FeedForwardPolicy):
    def source_policy(self, meta_params):
        policy = super().source_policy(meta_params)
        return policy._replace({change})

class Silent(FeedForwardPolicy):
    source_policy = None
"""


class TestRefusals:
    @pytest.fixture
    def own(self, place, monkeypatch):
        """(class, change of its outputs) -> the run of a user-defined parametrisation."""

        def own(name, change=""):
            module = f"own_policy_{len(list(place.iterdir()))}"
            (place / f"{module}.py").write_text(OWN.format(change=change))
            monkeypatch.syspath_prepend(str(place))
            section = {"name": f"{module}:{name}", "num_states": 5, "hidden_sizes": [3]}
            return make_policy_run(place / f"run_{module}", "own", section)

        return own

    def test_a_learner_is_no_function(self, refused, place):
        run = make_policy_run(place / "maml", "maml", {"name": "initial_policy"})
        refused([run, "--to", "torch", "--output", "a.py"], "initial_policy is a learner", "allowed: artefact")

    def test_a_parametrisation_says_how_it_is_written(self, refused, own):
        refused([own("Silent"), "--to", "jax", "--output", "a.py"], "Silent has no source_policy", "allowed: artefact")

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ("scale=2 * policy.scale", "other numbers than bind"),
            ("time_scale=9.0", "layers: 0: got shapes (10, 3) and (3,), allowed: (11, n)"),
            ("layers=policy.layers[:1]", "layers: got 3 numbers at the end, allowed: 5"),
        ],
    )
    def test_what_it_says_is_held_to_what_it_does(self, refused, own, change, told):
        refused([own("Doubled", change), "--to", "numpy", "--output", "a.py"], "source_policy", told)

    @pytest.mark.parametrize("form", ["network", "closed"])
    def test_it_has_no_closed_form(self, refused, policies, form):
        run = policies.run("static")
        for target in ("numpy", "artefact"):
            refused([run, "--to", target, "--form", form, "--output", "a.py"], "allowed: an objective")


def test_a_constant_policy_may_have_hidden_layers():
    """Whatever a network without features gives is one set of logits."""
    from metadisco.export.policy import _checked, _constant_logits

    rng = np.random.default_rng(0)
    layers = [(np.zeros((0, 3)), rng.normal(size=3)), (rng.normal(size=(3, 5)), rng.normal(size=5))]
    policy = _checked(SourcePolicy(layers, scale=2.0, sees_policies=False), 5)
    entries: dict = {}
    exec(f"entries = {{{_constant_logits(policy)}}}", entries)
    expected = 2 * (np.tanh(layers[0][1]) @ layers[1][0] + layers[1][1])
    np.testing.assert_allclose(entries["entries"]["logits"][0][0], expected, rtol=1e-5)


def test_what_it_learns_is_what_is_written(policies):
    params = {"output": {"kernel": np.ones((10, 5)), "bias": np.arange(5.0)}}
    written = FeedForwardPolicy(hidden_sizes=(), num_states=5, time=False).source_policy(params)
    assert written.num_features(5) == 10
    assert [bias.tolist() for _, bias in written.layers] == [[0.0, 1.0, 2.0, 3.0, 4.0]]
