"""Losses for your own training loop, for any shape and precision of the arrays."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import metadisco
from metadisco import PolicyAndValue, Sample, ppo
from metadisco.objectives import mirror
from metadisco.objectives.expressions import Node, drift_of, value_loss_of
from metadisco.parametrisations.lpo_drift import LearnedDrift
from metadisco.parametrisations.value_loss import LearnedValueLoss
from metadisco.types import Objective

SHAPES = ((), (5,), (2, 3))
BOTH = PolicyAndValue(
    policy=LearnedDrift(hidden_sizes=(8,), time_aware=True, start="random"),
    value=LearnedValueLoss(hidden_sizes=(8,), inputs=("error", "target", "old_value"), start="random"),
)


def random(parametrisation):
    leaves, tree = jax.tree.flatten(parametrisation.init(jax.random.key(0)))
    keys = jax.random.split(jax.random.key(1), len(leaves))
    noisy = [leaf + 0.3 * jax.random.normal(key, leaf.shape) for leaf, key in zip(leaves, keys, strict=True)]
    return parametrisation.bind(jax.tree.unflatten(tree, noisy))


TIMED_FORMS = Objective(
    mirror(drift_of(Node("multiply", ("progress", Node("square", ("log_ratio",)))))),
    value_loss_of(Node("multiply", (Node("subtract", (2, "progress")), Node("log_cosh", ("error",))))),
)
TIME_AWARE = ("both", "timed forms")


@pytest.fixture(scope="module")
def objectives():
    return {
        "ppo": ppo(),
        "both": random(BOTH),
        "timed forms": TIMED_FORMS,
    }


@pytest.fixture(params=["ppo", "both", "timed forms"])
def objective(request, objectives):
    return objectives[request.param]


def arrays(shape, dtype=np.float32):
    """Return log_prob, old_log_prob, advantage, value, old_value and target."""
    rng = np.random.default_rng(0)
    scales = np.array([0.5, 0.5, 1, 3, 3, 3]).reshape(6, *[1] * len(shape))
    return [jnp.asarray(x, dtype) for x in scales * rng.normal(size=(6, *shape))]


@functools.partial(jax.jit, static_argnums=0)
def expected(objective, given, progress):
    """Return both losses of a sample, and their derivatives by the log ratio and the value."""
    log_prob, old_log_prob, advantage, value, old_value, target = given
    sample = Sample(
        log_ratio=log_prob - old_log_prob, advantage=advantage, value=value, old_value=old_value, target=target,
        progress=jnp.asarray(progress, value.dtype),
    )  # fmt: skip
    by_ratio, by_value = (
        jax.grad(lambda x, loss=loss, by=by: loss(sample._replace(**{by: x})).sum())(getattr(sample, by))
        for loss, by in ((objective.policy_loss, "log_ratio"), (objective.value_loss, "value"))
    )
    return objective.policy_loss(sample), by_ratio, objective.value_loss(sample), by_value


@functools.partial(jax.jit, static_argnums=0)
def found(objective, given, *progress):
    """Return the same of the hooks, by the new log probability and the value."""
    policy_loss, value_loss = metadisco.as_policy_loss(objective), metadisco.as_value_loss(objective)
    results = []
    for loss, (x, *rest) in ((policy_loss, given[:3]), (value_loss, given[3:])):
        slope = jax.grad(lambda x, loss=loss, rest=rest: loss(x, *rest, *progress).sum())(x)
        results += [loss(x, *rest, *progress), slope]
    return results


def assert_same(ours, theirs, dtype=np.float32, tolerance=1e-6):
    for one, two in zip(ours, theirs, strict=True):
        assert one.dtype == two.dtype == dtype
        np.testing.assert_allclose(one, two, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("shape", SHAPES)
def test_losses_and_slopes_are_those_of_the_objective(objective, shape):
    given = arrays(shape)
    ours = found(objective, given, 0.25)
    assert [each.shape for each in ours] == [shape] * 4
    assert_same(ours, expected(objective, given, 0.25))


def test_gradients_are_not_all_zero(objective):
    _, by_log_prob, _, by_value = found(objective, arrays((5,)), 0.25)
    assert (by_log_prob != 0).any()
    assert (by_value != 0).any()


def test_progress_is_the_beginning_where_it_is_left_out(objective):
    given = arrays((5,))
    assert_same(found(objective, given), expected(objective, given, 0.0))


def test_progress_matters_to_what_is_time_aware_alone(objectives):
    given = arrays((5,))
    for name, objective in objectives.items():
        early, late = (found(objective, given, progress) for progress in (0.1, 0.9))
        assert (early[0] != late[0]).any() == (name in TIME_AWARE)
        assert (early[2] != late[2]).any() == (name == "timed forms")


@pytest.mark.parametrize("progress", [0.25, np.float32(0.25), jnp.float32(0.25)], ids=["float", "numpy", "jax"])
def test_progress_is_a_number_or_a_scalar_array(objectives, progress):
    for name in TIME_AWARE:
        given = arrays((5,))
        assert_same(found(objectives[name], given, progress), expected(objectives[name], given, 0.25))


def test_double_precision_stays_double(objective):
    with jax.enable_x64(True):
        given = arrays((5,), np.float64)
        ours, theirs = found(objective, given, 0.3), expected(objective, given, 0.3)
        assert_same(ours, theirs, np.float64, 1e-14)
        single = found(objective, [x.astype(np.float32) for x in given], 0.3)
        for one, two in zip(ours, single, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-4)
            assert (one != two).any()


@pytest.mark.parametrize("progress", [[], [0.3]], ids=["left out", "given"])
def test_single_precision_stays_single_where_double_is_switched_on(objective, progress):
    with jax.enable_x64(True):
        assert [each.dtype for each in found(objective, arrays((5,)), *progress)] == [np.float32] * 4


def test_nothing_has_to_be_compiled(objective):
    given = arrays((5,))
    with jax.disable_jit():
        assert_same(found(objective, given, 0.25), expected(objective, given, 0.25))


def test_a_batch_of_members_each_at_its_own_time_under_vmap(objective):
    given = arrays((2, 3))
    progress = jnp.asarray([0.1, 0.9])
    together = jax.vmap(lambda given, progress: found(objective, given, progress))(given, progress)
    for member in range(2):
        alone = expected(objective, [x[member] for x in given], progress[member])
        for one, all_ in zip(alone, together, strict=True):
            np.testing.assert_allclose(all_[member], one, rtol=1e-5, atol=1e-5)


def test_the_mean_over_a_minibatch_trains_toward_a_lower_loss(objective):
    """As a caller would use them: a step against the gradient lowers the mean."""
    given = arrays((2, 3))
    for loss, (x, *rest) in (
        (metadisco.as_policy_loss(objective), given[:3]),
        (metadisco.as_value_loss(objective), given[3:]),
    ):
        mean = jax.jit(jax.value_and_grad(lambda x, loss=loss, rest=rest: loss(x, *rest, 0.25).mean()))
        before, slope = mean(x)
        assert mean(x - 0.01 * slope)[0] < before
