import jax.numpy as jnp
import numpy as np
import pytest

from metadisco.outer.shaping import SHAPING, centred_rank, raw, tied_weights, z_score

FITNESS = jnp.asarray([3.0, -1.0, 10.0, 2.0])


@pytest.mark.parametrize("name", SHAPING)
def test_shaping_keeps_the_order_so_that_higher_stays_better(name):
    shaped = SHAPING[name](FITNESS)
    np.testing.assert_array_equal(np.argsort(shaped), np.argsort(FITNESS))


def test_centred_ranks_run_from_minus_a_half_to_a_half_evenly():
    np.testing.assert_allclose(centred_rank(FITNESS), [1 / 6, -0.5, 0.5, -1 / 6], rtol=1e-6)


def test_centred_ranks_do_not_depend_on_the_scale_of_fitness():
    np.testing.assert_array_equal(centred_rank(FITNESS), centred_rank(1e6 * FITNESS - 3.0))


def test_centred_ranks_of_ties_are_shared():
    shaped = centred_rank(jnp.asarray([5.0, 1.0, 5.0, 9.0, 1.0]))
    np.testing.assert_allclose(shaped, [0.125, -0.375, 0.125, 0.5, -0.375], rtol=1e-6)


def test_centred_ranks_of_equal_members_are_zero():
    np.testing.assert_array_equal(centred_rank(jnp.full(6, 7.0)), np.zeros(6))


def test_z_scores_have_mean_zero_and_deviation_one():
    shaped = np.asarray(z_score(FITNESS))
    np.testing.assert_allclose([shaped.mean(), shaped.std()], [0.0, 1.0], atol=1e-6)


def test_raw_fitness_is_left_as_it_is():
    np.testing.assert_array_equal(raw(FITNESS), FITNESS)


def loop_tied_weights(weights: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """Give each member the mean of the weights that its group of equal losses takes up, group by group."""
    shared = np.empty_like(weights)
    taken = 0
    for loss in sorted(set(losses.tolist())):
        group = losses == loss
        size = int(group.sum())
        shared[group] = weights[taken : taken + size].mean()
        taken += size
    return shared


@pytest.mark.parametrize(
    "losses",
    [
        [4.0, 2.0, 3.0, 1.0, 5.0, 6.0],
        [1.0, 1.0, 2.0, 2.0, 3.0, 3.0],
        [2.0, 1.0, 2.0, 1.0, 2.0, 0.0],
        [7.0, 7.0, 7.0, 7.0, 7.0, 7.0],
    ],
    ids=["distinct", "pairs", "a run of three", "all equal"],
)
def test_tied_weights_agree_with_a_loop_over_groups(losses):
    weights = np.asarray([0.6, 0.3, 0.1, -0.2, -0.3, -0.5])
    shared = tied_weights(jnp.asarray(weights), jnp.asarray(losses))
    np.testing.assert_allclose(shared, loop_tied_weights(weights, np.asarray(losses)), atol=1e-6)


def test_tied_weights_give_the_lowest_loss_the_first_weight():
    shared = tied_weights(jnp.asarray([1.0, 0.5, 0.0]), jnp.asarray([9.0, -2.0, 3.0]))
    np.testing.assert_allclose(shared, [0.0, 1.0, 0.5], atol=1e-6)


def test_tied_weights_keep_their_sum():
    weights = jnp.asarray([0.5, 0.3, 0.2, 0.0])
    np.testing.assert_allclose(tied_weights(weights, jnp.asarray([1.0, 1.0, 0.0, 1.0])).sum(), 1.0, rtol=1e-6)
