"""Tabulated functions: precision, and fallback to the function itself."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metadisco.objectives import ppo
from metadisco.objectives.tabulate import BOUND, NUM_NODES, TabulableLoss, _build, _value_and_slope, tabulated
from metadisco.parametrisations import ValueLoss

WIDTH = 32
NUM_POINTS = 2000


def network(params, x):
    """A tanh network of one number."""
    hidden = jnp.tanh(x[..., None] * params["w1"] + params["b1"])
    return jnp.tanh(hidden @ params["w2"] + params["b2"]) @ params["w3"] + params["b3"]


def precise(params, x):
    """The same network and its slope in double precision, by NumPy alone."""
    p = {name: np.asarray(leaf, np.float64) for name, leaf in params.items()}
    one = np.tanh(np.outer(x, p["w1"]) + p["b1"])
    two = np.tanh(one @ p["w2"] + p["b2"])
    slope = ((1 - two**2) * (((1 - one**2) * p["w1"]) @ p["w2"])) @ p["w3"]
    return two @ p["w3"] + p["b3"], slope


def drawn(seed, scale):
    shapes = {"w1": (WIDTH,), "b1": (WIDTH,), "w2": (WIDTH, WIDTH), "b2": (WIDTH,), "w3": (WIDTH,), "b3": ()}
    draw = np.random.default_rng(seed)
    return {name: jnp.asarray(scale * draw.normal(size=shape), jnp.float32) for name, shape in shapes.items()}


def points():
    """Both signs, all sizes, the edges of cells and the bound."""
    sizes = 10 ** np.random.default_rng(0).uniform(-4, np.log10(BOUND), NUM_POINTS)
    edges = 0.5 * 2.0 ** np.arange(0, 18) * 1.25 - 0.5
    some = np.concatenate([sizes, edges, [0.0, BOUND, 2 * BOUND]])
    return np.concatenate([some, -some]).astype(np.float32)


@jax.jit
def evaluate(params, x):
    values, pull = jax.vjp(tabulated(network, params), x)
    return values, pull(jnp.ones_like(x))[0], _build(partial(_value_and_slope, network, params)).good


@pytest.fixture(scope="module")
def own_digits():
    return jax.jit(lambda params, x: _value_and_slope(network, params, x))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("scale", [0.03, 0.3, 1.0])
def test_values_and_slopes_are_as_good_as_the_functions_own(scale, seed, own_digits):
    params, x = drawn(seed, scale), points()
    *got, _ = evaluate(params, x)
    for numbers, own, exact in zip(got, own_digits(params, x), precise(params, x), strict=True):
        unit = np.abs(exact).max()
        assert np.abs(numbers - exact).max() / unit < max(4 * np.abs(own - exact).max() / unit, 2e-6)


def test_moderate_weights_are_served_from_the_table():
    assert all(evaluate(drawn(seed, scale), points())[2] for seed in range(3) for scale in (0.03, 0.1, 0.3))


@pytest.mark.parametrize("scale", [3.0, 10.0])
def test_where_a_table_would_lose_digits_the_function_itself_is_used(scale, own_digits):
    params, x = drawn(0, scale), points()
    values, slopes, good = evaluate(params, x)
    assert not good
    for numbers, own in zip((values, slopes), own_digits(params, x), strict=True):
        np.testing.assert_allclose(numbers, own, rtol=1e-5, atol=1e-5 * np.abs(own).max())


def test_a_function_that_goes_on_rising_is_not_served_from_the_table():
    rising = tabulated(lambda slope, x: slope * x, jnp.float32(3.0))
    np.testing.assert_allclose(rising(jnp.float32([1e7, -1e7])), [3e7, -3e7])


def test_a_batch_is_served_from_tables_only_if_all_are_good_and_has_the_same_digits_either_way(own_digits):
    x = points()
    mild, steep = drawn(1, 0.1), drawn(1, 5.0)
    both = jax.tree.map(lambda *leaves: jnp.stack(leaves), mild, steep)
    values, slopes, good = jax.vmap(evaluate, (0, None))(both, x)
    assert good.tolist() == [True, False]
    for index, params in enumerate((mild, steep)):
        for numbers, own in zip((values[index], slopes[index]), own_digits(params, x), strict=True):
            np.testing.assert_allclose(numbers, own, rtol=1e-5, atol=1e-5 * np.abs(own).max())


def test_a_batch_of_batches_branches_once():
    """A condition that vmap turned into a selection would compute both sides."""
    four = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (2, 2, *leaf.shape)), drawn(0, 0.1))
    program = jax.make_jaxpr(jax.vmap(jax.vmap(lambda params: tabulated(network, params)(jnp.zeros(3)))))(four)
    assert "cond[" in str(program)
    predicates = [e.invars[0].aval.shape for e in _equations(program.jaxpr) if e.primitive.name == "cond"]
    assert predicates and all(shape == () for shape in predicates)


def _equations(jaxpr):
    for equation in jaxpr.eqns:
        yield equation
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from _equations(inner)


def test_nan_stays_nan_and_infinity_is_the_far_end():
    values, slopes, _ = evaluate(drawn(0, 0.3), jnp.float32([np.nan, np.inf, -np.inf]))
    assert np.isnan(values[0]) and np.isnan(slopes[0])
    ends, _ = precise(drawn(0, 0.3), np.array([1e9, -1e9]))
    np.testing.assert_allclose(values[1:], ends, rtol=1e-5)
    np.testing.assert_array_equal(slopes[1:], 0)


def test_parameters_that_are_not_numbers_give_none():
    params = drawn(0, 0.3) | {"b2": jnp.full(WIDTH, jnp.nan)}
    values, slopes, good = evaluate(params, jnp.float32([0.0, 1.0]))
    assert np.isnan(values).all() and np.isnan(slopes).all() and not good


def test_it_is_as_large_as_it_says():
    table = _build(partial(_value_and_slope, network, drawn(0, 0.1)))
    assert table.coefficients.size == 2 * NUM_NODES


@pytest.mark.parametrize(
    "function",
    [
        lambda _, x: jnp.tanh(x) + jnp.tanh(1640.27 * (x - 1.03125)),  # a step between two nodes
        lambda _, x: jnp.tanh(x) + jnp.tanh(0.03 * (x - 100351.5)),
        lambda _, x: jnp.tanh(x) + 5e-4 * jnp.tanh((x - 1e5) / 300),
    ],
)
def test_steps_that_slopes_at_the_nodes_do_not_show_are_seen_in_the_values(function):
    assert not _build(partial(_value_and_slope, function, ())).good


@pytest.mark.parametrize("function", [lambda _, x: jnp.tanh(x) + 100, lambda _, x: 0 * x, lambda _, x: 0 * x + 5])
def test_constants_do_not_matter(function):
    assert _build(partial(_value_and_slope, function, ())).good


def test_a_loss_whose_value_loss_was_replaced_is_the_new_one():
    objective = ValueLoss(hidden_sizes=(8, 8)).bind(ValueLoss(hidden_sizes=(8, 8)).init(jax.random.key(0)))
    assert isinstance(objective.value_loss, TabulableLoss)
    replaced = objective._replace(value_loss=ppo().value_loss)
    assert not isinstance(replaced.value_loss, TabulableLoss)
    two = ValueLoss(inputs=("error", "target"))
    assert not isinstance(two.bind(two.init(jax.random.key(0))).value_loss, TabulableLoss)
