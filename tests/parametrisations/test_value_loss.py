"""The learned value loss: initialisation, and escape from it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samples import make_sample

from metadisco.config import StrategyConfig
from metadisco.objectives import ppo
from metadisco.outer.strategy import make_strategy
from metadisco.parametrisations import ValueLoss

ERRORS = jnp.linspace(-3, 3, 13)
STARTS = ("squared_error", "random", "zeros")
POPULATION = 8


def sample_of(error, target=0.5, old_value=0.2):
    return make_sample(advantage=1.0, value=error + target, old_value=old_value, target=target, progress=0.0)


def value_loss(parametrisation, meta_params, error=ERRORS, **fields):
    return parametrisation.bind(meta_params).value_loss(sample_of(error, **fields))


def slope(parametrisation, meta_params, error=ERRORS):
    """dφ/dδ: all of a value loss that an agent notices."""
    return jax.grad(lambda error: value_loss(parametrisation, meta_params, error).sum())(error)


def make(start, **settings):
    return ValueLoss(start=start, hidden_sizes=(8, 8), **settings)


@pytest.fixture(scope="module")
def strategy():
    """The default strategy with a small population; its compiled functions serve all starts."""
    return make_strategy(StrategyConfig(population_size=POPULATION), make("random").init(jax.random.key(0)))


@pytest.mark.parametrize("inputs", [("error",), ("error", "target", "old_value")])
def test_the_start_squared_error_is_half_the_square_exactly(inputs, getkey):
    parametrisation = make("squared_error", inputs=inputs)
    meta_params = parametrisation.init(getkey())
    sample = sample_of(ERRORS)
    error = sample.value - sample.target
    np.testing.assert_array_equal(value_loss(parametrisation, meta_params), 0.5 * jnp.square(error))
    np.testing.assert_array_equal(slope(parametrisation, meta_params), error)


def test_the_start_squared_error_has_random_hidden_layers(getkey):
    meta_params = make("squared_error").init(getkey())
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(meta_params["output"]))
    hidden = {name: layer for name, layer in meta_params.items() if name != "output"}
    assert len(hidden) == 2
    assert all((layer["kernel"] != 0).all() for layer in hidden.values())


def test_the_start_zeros_is_zero_everywhere(getkey):
    meta_params = make("zeros").init(getkey())
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(meta_params))
    assert (value_loss(make("zeros"), meta_params) == 0).all()


def test_the_start_random_is_a_network_alone_and_another_for_each_key(getkey):
    parametrisation = make("random")
    one, other = (value_loss(parametrisation, parametrisation.init(getkey())) for _ in range(2))
    assert jnp.unique(one).size > 1
    assert (one != other).any()
    meta_params = parametrisation.init(getkey())
    difference = value_loss(make("squared_error"), meta_params) - value_loss(parametrisation, meta_params)
    np.testing.assert_allclose(difference, 0.5 * jnp.square(ERRORS), rtol=1e-5, atol=1e-6)


def test_the_output_scale_multiplies_what_is_learned_and_not_the_base(getkey):
    meta_params = make("random").init(getkey())
    learned = value_loss(make("random"), meta_params)
    np.testing.assert_allclose(value_loss(make("random", output_scale=3.0), meta_params), 3 * learned, rtol=1e-5)
    scaled = value_loss(make("squared_error", output_scale=3.0), meta_params)
    np.testing.assert_allclose(scaled - 3 * learned, 0.5 * jnp.square(ERRORS), rtol=1e-4, atol=1e-5)


def test_the_network_sees_the_chosen_inputs_and_no_others(getkey):
    for inputs in (("error",), ("error", "target"), ("error", "old_value"), ("old_value", "error", "target")):
        parametrisation = make("random", inputs=inputs)
        meta_params = parametrisation.init(getkey())
        usual = value_loss(parametrisation, meta_params, target=0.0)
        differs = {
            name: not np.allclose(value_loss(parametrisation, meta_params, **{"target": 0.0, name: 1.0}), usual, 1e-5)
            for name in ("target", "old_value")
        }
        assert differs == {"target": "target" in inputs, "old_value": "old_value" in inputs}


def test_the_policy_loss_is_that_of_ppo(getkey):
    parametrisation = make("random", clip_eps=0.1)
    sample = sample_of(ERRORS)._replace(log_ratio=ERRORS / 4, advantage=ERRORS)
    learned = parametrisation.bind(parametrisation.init(getkey())).policy_loss(sample)
    np.testing.assert_array_equal(learned, ppo(clip_eps=0.1).policy_loss(sample))
    assert (learned != ppo(clip_eps=0.2).policy_loss(sample)).any()


@pytest.mark.parametrize("inputs", [["target"], ["error", "error"], []])
def test_inputs_without_the_error_or_twice_the_same_are_refused(inputs):
    with pytest.raises(ValueError, match="allowed: 'error' and optionally"):
        ValueLoss(inputs=inputs)


@pytest.mark.parametrize("start", STARTS)
def test_generation_one_moves_from_each_start(start, strategy, getkey):
    parametrisation = make(start)
    centre = parametrisation.init(getkey())
    state = strategy.init(getkey(), centre)
    jax.tree.map(np.testing.assert_array_equal, state.centre, centre)

    population, state = strategy.ask(getkey(), state)
    slopes = np.asarray(jax.vmap(lambda member: slope(parametrisation, member))(population))
    assert slopes.shape == (POPULATION, ERRORS.size)
    apart = np.abs(slopes[:, None] - slopes[None]).max(-1)[~np.eye(POPULATION, dtype=bool)]
    assert (apart > 1e-5).all()  # every two members train differently, mirrored pairs included

    wanted = 2 * np.tanh(np.asarray(ERRORS))
    fitness = -jnp.asarray(np.square(slopes - wanted).mean(-1))
    state, report = strategy.tell(getkey(), population, fitness, state)
    assert report.failed == 0
    assert not report.skipped
    assert report.step_norm > 0
    moved = slope(parametrisation, state.centre)
    assert (jnp.abs(moved - slope(parametrisation, centre)) > 0).any()
