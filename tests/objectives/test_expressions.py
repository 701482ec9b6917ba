"""Formulas as data: semantics of operations, serialisation, and conversion to losses."""

import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samples import make_sample

from metadisco.distillation.families import DRIFT_FAMILIES
from metadisco.errors import UserError
from metadisco.export.losses import CLIPPED
from metadisco.objectives import DRIFTS, PENALTIES, mirror
from metadisco.objectives.expressions import (
    OPERATIONS,
    POLICY_VARIABLES,
    VALUE_VARIABLES,
    Node,
    add,
    apply,
    complexity,
    drift_of,
    evaluate,
    from_json,
    multiply,
    substitute,
    to_json,
    value_loss_of,
)

X = np.array([-3.2, -0.9, -0.25, 0.3, 1.1, 2.7])
Y = np.array([1.4, -2.1, 0.35, -0.7, 0.6, 3.3])
Z = np.array([-1.2, 0.4, 2.2, -0.1, 0.8, 1.7])
IN_NUMPY = {
    "add": (np.add, (X, Y)),
    "subtract": (np.subtract, (X, Y)),
    "multiply": (np.multiply, (X, Y)),
    "divide": (np.divide, (X, Y)),
    "minimum": (np.minimum, (X, Y)),
    "maximum": (np.maximum, (X, Y)),
    "negate": (np.negative, (X,)),
    "square": (np.square, (X,)),
    "absolute": (np.abs, (X,)),
    "relu": (lambda x: np.where(x > 0, x, 0), (X,)),
    "tanh": (np.tanh, (X,)),
    "exp": (np.exp, (X,)),
    "sqrt": (np.sqrt, (np.abs(X),)),
    "log_cosh": (lambda x: np.log(np.cosh(x)), (X,)),
    "excess": (lambda x: np.exp(x) - 1 - x, (X,)),
    "where_negative": (lambda x, y, z: np.where(x < 0, y, z), (X, Y, Z)),
}
STEP = 1e-6
GAP = apply("subtract", "r", 1)
DRIFT = apply("where_negative", "A", apply("square", GAP), multiply(0.5, apply("absolute", "log_ratio"), "progress"))
CONSTANTS = {
    "ppo": ({"epsilon": 0.2}, {"clip_eps": 0.2}),
    "dpo": ({"alpha": 2.0, "beta": 0.6}, {}),
    "kl": ({"coef": 1.7}, {"coef": 1.7}),
    "quadratic": ({"coef": 0.3}, {"coef": 0.3}),
    "total_variation": ({"coef": 2.5}, {"coef": 2.5}),
    "policy_gradient": ({}, {}),
}
FAMILIES = {family.name: substitute(family.expression, CONSTANTS[family.name][0]) for family in DRIFT_FAMILIES}


def operate(name, *arguments):
    return evaluate(Node(name, tuple("xyz"[: len(arguments)])), dict(zip("xyz", arguments, strict=False)))


def with_slope(drift, sample):
    """Return a drift and its derivative by log r."""
    values, pull = jax.vjp(lambda log_ratio: drift(sample._replace(log_ratio=log_ratio)), sample.log_ratio)
    return values, pull(jnp.ones_like(values))[0]


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_that_of_numpy(name):
    function, arguments = IN_NUMPY[name]
    assert OPERATIONS[name].arity == len(arguments)
    with jax.enable_x64(True):
        value = operate(name, *map(jnp.asarray, arguments))
        assert value.dtype == jnp.float64
        np.testing.assert_allclose(value, function(*arguments), rtol=1e-14)


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_derivative_of_an_operation_is_what_finite_differences_say(name):
    function, arguments = IN_NUMPY[name]
    with jax.enable_x64(True):
        values, pull = jax.vjp(lambda *xs: operate(name, *xs), *map(jnp.asarray, arguments))
        for place, slope in enumerate(pull(jnp.ones_like(values))):
            ahead, back = (
                function(*(x + (direction * STEP if i == place else 0) for i, x in enumerate(arguments)))
                for direction in (1, -1)
            )
            np.testing.assert_allclose(slope, (ahead - back) / (2 * STEP), rtol=1e-7, atol=1e-8)


def test_every_operation_is_compared_with_numpy():
    assert set(IN_NUMPY) == set(OPERATIONS)


@pytest.mark.parametrize("name", ["absolute", "relu"])
def test_where_a_function_bends_at_zero_its_derivative_there_is_zero(name):
    assert jax.grad(lambda x: operate(name, x))(0.0) == 0


def test_an_exponential_is_clipped_and_so_is_log_cosh_from_overflow():
    far = jnp.array([-1e4, 39.0, 1e4])
    np.testing.assert_allclose(operate("exp", far), np.exp([-1e4, 39.0, 40.0]), rtol=1e-5)
    np.testing.assert_allclose(operate("log_cosh", far), np.abs(far) - math.log(2), rtol=1e-6)
    for name in ("exp", "log_cosh"):
        assert jnp.isfinite(jax.vmap(jax.grad(lambda x, name=name: operate(name, x)))(far)).all()


def test_zero_counts_as_not_negative():
    assert operate("where_negative", jnp.zeros(()), 1.0, 2.0) == 2


def test_variables_and_numbers_are_broadcast_over_a_grid():
    x, y = np.ones((3, 1)), np.full(4, 2.0)
    np.testing.assert_array_equal(evaluate(add("x", multiply("y", 3)), {"x": x, "y": y}), np.full((3, 4), 7.0))


def test_sums_and_products_take_any_number_of_terms_and_factors_of_one_are_left_out():
    assert add("r", 1, "A") == Node("add", (Node("add", ("r", 1)), "A"))
    assert add("r") == "r"
    assert multiply(1, "A", 1, "r", 1.0) == Node("multiply", ("A", "r"))
    assert multiply(1, "A") == "A"
    assert multiply(1, 1) == 1


def test_names_are_replaced_by_numbers_or_expressions_wherever_they_stand():
    before = add(multiply("c", apply("square", "r")), "c", 2)
    assert substitute(before, {"c": 0.5}) == add(multiply(0.5, apply("square", "r")), 0.5, 2)
    assert substitute("c", {"c": GAP}) == GAP
    swapped = substitute(apply("divide", "r", "A"), {"r": "A", "A": "r"})
    assert swapped == apply("divide", "A", "r")
    assert substitute(before, {}) == before


@pytest.mark.parametrize(
    ("expression", "nodes"), [("r", 1), (0.5, 1), (GAP, 3), (apply("square", GAP), 4), (DRIFT, 12)]
)
def test_complexity_counts_operations_variables_and_numbers(expression, nodes):
    assert complexity(expression) == nodes


@pytest.mark.parametrize("expression", ["A", 3, -0.1, 1e-300, GAP, DRIFT, *FAMILIES.values()], ids=str)
def test_an_expression_survives_json(expression):
    text = json.dumps(to_json(expression), allow_nan=False)
    assert from_json(json.loads(text), POLICY_VARIABLES, "here") == expression


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("a", "'a', allowed: r, log_ratio, A, progress"),
        ("error", "'error', allowed: r"),
        ("", "''"),
        ("add", "'add', allowed: r"),
        (math.nan, "the number nan, allowed: finite"),
        (math.inf, "the number inf"),
        (-math.inf, "the number -inf"),
        (10**400, "number"),
        (True, "True"),
        (None, "None"),
        ({}, "{}"),
        ({"operation": "add"}, "a list that begins with an operation"),
        ([], "[]"),
        (["r"], "'r'"),
        ([["add", 1, 2]], "['add', 1, 2]"),
        ([1, 2], "got 1"),
        ([None], "None"),
        ([{}], "{}"),
        (["power", "r", 2], "'power'"),
        (["Add", "r", 2], "'Add'"),
        (["__class__", "r"], "'__class__'"),
        (["add", "r"], "1 arguments of add, allowed: 2"),
        (["add", "r", 1, 2], "3 arguments of add, allowed: 2"),
        (["square"], "0 arguments of square, allowed: 1"),
        (["where_negative", "A", 1], "2 arguments of where_negative, allowed: 3"),
        (["add", "r", ["square", ["negate", "B"]]], "'B'"),
        (["add", "r", ["square", [[]]]], "[]"),
        (["add", "r", True], "True"),
        (["add", ["multiply", 1, math.nan], "r"], "nan"),
        (("add", 1, 2), "('add', 1, 2)"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_no_expression_is_refused_in_a_sentence_that_names_where(data, told):
    with pytest.raises(UserError) as refused:
        from_json(data, POLICY_VARIABLES, "folder/forms.json: policy")
    sentence = str(refused.value)
    assert sentence.startswith("folder/forms.json: policy: ")
    assert told in sentence
    assert "\n" not in sentence
    assert len(sentence) < 500


@pytest.mark.parametrize("depth", [100, 600, 5000])
def test_however_deep_an_expression_is_it_is_read_and_used_or_refused(depth):
    data = "r"
    for _ in range(depth):
        data = ["negate", data]
    try:
        expression = from_json(data, POLICY_VARIABLES, "forms.json")
    except UserError as refused:
        assert depth > 100
        assert str(refused).startswith("forms.json: ")
    else:
        np.testing.assert_allclose(drift_of(expression)(make_sample([0.0])), [1.0])


def test_the_variables_of_the_other_loss_are_refused():
    for name in VALUE_VARIABLES:
        assert from_json(name, VALUE_VARIABLES, "here") == name
    for name in ("r", "log_ratio", "A", "value"):
        with pytest.raises(UserError, match="error, target, old_value, progress"):
            from_json(name, VALUE_VARIABLES, "here")


def test_a_drift_sees_ratio_log_ratio_advantage_and_progress():
    sample = make_sample(np.log([0.5, 2.0, 3.0]), [-1.0, 1.0, -2.0], progress=0.25)
    np.testing.assert_allclose(drift_of(DRIFT)(sample), [0.25, 0.125 * np.log(2), 4.0], rtol=1e-6)


def test_a_value_loss_sees_error_target_old_value_and_progress():
    sample = make_sample(value=[3.0, -1.0], target=[1.0, 2.0], old_value=[5.0, 7.0], progress=0.25)
    for name, expected in zip(VALUE_VARIABLES, ([2, -3], [1, 2], [5, 7], [0.25, 0.25]), strict=True):
        np.testing.assert_array_equal(value_loss_of(name)(sample), expected)


@pytest.mark.parametrize("expression", [0, 1.5, "progress"])
def test_what_is_constant_is_a_loss_for_each_sample_all_the_same(expression):
    sample = make_sample(np.zeros((2, 3)))
    for loss in (drift_of(expression), value_loss_of(expression)):
        assert loss(sample).shape == (2, 3)
        assert jax.jit(loss)(sample).shape == (2, 3)


@pytest.mark.parametrize(("make", "field"), [(drift_of, "log_ratio"), (value_loss_of, "value")])
def test_losses_are_compiled_mapped_and_differentiated(make, field):
    rng = np.random.default_rng(0)
    sample = make_sample(*rng.normal(size=(5, 4, 3)))
    expression = DRIFT if make is drift_of else multiply(apply("log_cosh", "error"), apply("tanh", "target"))
    loss = make(expression)
    plain = loss(sample)
    np.testing.assert_allclose(jax.jit(loss)(sample), plain, rtol=1e-6)
    axes = sample._replace(**dict.fromkeys(sample._fields[:-1], 0), progress=None)
    np.testing.assert_allclose(jax.vmap(loss, (axes,))(sample), plain, rtol=1e-6)

    with jax.enable_x64(True):
        precise = make_sample(*rng.normal(size=(5, 6)))
        total = lambda moved: loss(precise._replace(**{field: moved})).sum()  # noqa: E731
        start = getattr(precise, field)
        ahead, back = (loss(precise._replace(**{field: start + step})) for step in (STEP, -STEP))
        np.testing.assert_allclose(jax.grad(total)(start), (ahead - back) / (2 * STEP), rtol=1e-6, atol=1e-8)


def test_a_constant_of_a_loss_may_be_traced():
    sample = make_sample([0.3, -0.2])
    weighted = lambda weight: evaluate(multiply("w", GAP), {"w": weight, "r": jnp.exp(sample.log_ratio)})  # noqa: E731
    np.testing.assert_allclose(jax.jit(jax.jacfwd(weighted))(2.0), np.exp([0.3, -0.2]) - 1, rtol=1e-6)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_diverging_policy_gives_finite_losses_and_gradients(name):
    log_ratio, advantage = np.meshgrid([-100.0, -40.0, -1e-7, 0.0, 1e-7, 40.0, 100.0], [-8.0, -1e-8, 0.0, 1.0, 8.0])
    sample = make_sample(log_ratio, advantage)
    assert sample.log_ratio.dtype == jnp.float32
    for result in with_slope(mirror(drift_of(FAMILIES[name])), sample):
        assert jnp.isfinite(result).all()


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_the_drift_of_the_objective_of_its_name(name):
    log_ratio = np.concatenate([[-39.0, -10.0, 0.0, 10.0, 39.0], np.linspace(-3, 3, 60)])
    sample_at = np.meshgrid(log_ratio, [-4.0, -0.3, 0.0, 0.2, 3.0])
    with jax.enable_x64(True):
        sample = make_sample(*sample_at)
        ours = with_slope(drift_of(FAMILIES[name]), sample)
        theirs = with_slope({**DRIFTS, **PENALTIES}[name](**CONSTANTS[name][1]), sample)
        for one, other in zip(ours, theirs, strict=True):
            assert one.dtype == jnp.float64
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


def test_every_closed_objective_without_a_second_term_has_a_family():
    assert set(FAMILIES) == (set(DRIFTS) | set(PENALTIES)) - set(CLIPPED)
