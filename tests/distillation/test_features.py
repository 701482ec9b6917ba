"""Features of losses for which they are known."""

import math

import numpy as np
import pytest

from metadisco.distillation.features import (
    asymmetry,
    densest_levels,
    flat_intervals,
    minimum,
    mirror_image,
    nearest_huber,
    non_convex_intervals,
    optimism,
    quantiles,
    relative_gradient,
    rollback,
    squared_error_scale,
)
from metadisco.distillation.surfaces import DriftSurface

ERROR = np.linspace(-2.0, 2.0, 401)
SPACING = ERROR[1] - ERROR[0]
LOG_RATIO = np.linspace(-math.log(10), math.log(10), 461)
ADVANTAGE = np.linspace(-4.0, 4.0, 33)


def huber(threshold, scale=1.0, error=ERROR):
    """Return a Huber loss and its derivative, written as in Huber (1964)."""
    inside = np.abs(error) <= threshold
    loss = np.where(inside, 0.5 * error**2, threshold * (np.abs(error) - 0.5 * threshold))
    return scale * loss, scale * np.where(inside, error, threshold * np.sign(error))


def surface(slope, log_ratio=LOG_RATIO, advantage=ADVANTAGE):
    """Return a surface with a gradient given as a function of ratio and advantage; its drift is unused."""
    values = slope(np.exp(log_ratio)[:, None], advantage[None])
    return DriftSurface(log_ratio, advantage, np.zeros_like(values), values)


def policy_gradient(ratio, advantage):
    return advantage * np.ones_like(ratio)


def ppo(ratio, advantage):
    return np.where(np.where(advantage > 0, ratio > 1.2, ratio < 0.8), 0.0, advantage)


def dpo(ratio, advantage):
    """Return the gradient of DPO (Lu et al., 2022) with alpha = 2 and beta = 0.6."""
    up = advantage * np.where(ratio > 1, 1 / np.cosh((ratio - 1) * advantage / 2) ** 2, 1.0)
    down = advantage * np.where(ratio < 1, 1 - np.tanh(np.log(ratio) * advantage / 0.6) ** 2 / ratio, 1.0)
    return np.where(advantage < 0, down, up)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e9])
def test_the_squared_error_is_convex_symmetric_nowhere_flat_and_least_at_zero(scale):
    loss, derivative = scale * 0.5 * ERROR**2, scale * ERROR
    least = minimum(ERROR, loss, derivative)
    assert least.error == pytest.approx(0.0, abs=1e-12)
    assert least.inside
    assert non_convex_intervals(ERROR, derivative) == []
    assert flat_intervals(ERROR, derivative) == []
    assert asymmetry(ERROR, derivative) == pytest.approx(0.0, abs=1e-12)
    assert squared_error_scale(ERROR, derivative) == pytest.approx(scale)


def test_a_minimum_between_grid_points_is_found_by_where_the_derivative_passes_through_zero():
    least = minimum(ERROR, 0.5 * (ERROR - 0.7373) ** 2, ERROR - 0.7373)
    assert least.error == pytest.approx(0.7373, abs=1e-9)
    assert least.inside


def test_a_loss_that_falls_to_the_end_has_its_least_value_there_and_no_minimum_inside():
    least = minimum(ERROR, -ERROR, -np.ones_like(ERROR))
    assert (least.error, least.inside) == (2.0, False)


def test_a_constant_loss_has_no_minimum_and_is_flat_all_over():
    zero = np.zeros_like(ERROR)
    assert math.isnan(minimum(ERROR, zero, zero).error)
    assert not minimum(ERROR, zero, zero).inside
    assert flat_intervals(ERROR, zero) == [(-2.0, 2.0)]
    assert non_convex_intervals(ERROR, zero) == []
    assert math.isnan(asymmetry(ERROR, zero))


def test_of_a_flat_bottom_the_middle_is_the_minimum():
    gap = np.maximum(np.abs(ERROR) - 1, 0)
    assert minimum(ERROR, gap**2, 2 * gap * np.sign(ERROR)).error == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e9])
def test_a_double_well_is_not_convex_between_its_inflections(scale):
    derivative = scale * (4 * ERROR**3 - 2 * ERROR)
    ((low, high),) = non_convex_intervals(ERROR, derivative)
    assert low == pytest.approx(-1 / math.sqrt(6), abs=SPACING)
    assert high == pytest.approx(1 / math.sqrt(6), abs=SPACING)
    least = minimum(ERROR, scale * (ERROR**4 - ERROR**2), derivative)
    assert abs(least.error) == pytest.approx(1 / math.sqrt(2), abs=SPACING**2)
    assert least.inside


def test_several_intervals_are_told_apart():
    intervals = non_convex_intervals(ERROR, np.cos(2 * math.pi * ERROR))
    falls = [(start, start + 0.5) for start in (-2.0, -1.0, 0.0, 1.0)]
    assert np.asarray(intervals) == pytest.approx(np.asarray(falls), abs=2 * SPACING)


def test_rounding_is_no_fall():
    noise = 1e-15 * np.random.default_rng(0).normal(size=len(ERROR))
    assert non_convex_intervals(ERROR, 1 + noise) == []


def test_where_the_derivative_of_a_huber_loss_is_constant_it_is_neither_flat_nor_concave():
    loss, derivative = huber(0.5)
    assert flat_intervals(ERROR, derivative) == []
    assert non_convex_intervals(ERROR, derivative) == []
    assert minimum(ERROR, loss, derivative).error == pytest.approx(0.0, abs=1e-12)


def test_a_dead_zone_and_a_saturated_side_are_flat():
    dead = np.sign(ERROR) * np.maximum(np.abs(ERROR) - 1, 0)
    ((low, high),) = flat_intervals(ERROR, dead)
    assert (low, high) == pytest.approx((-1.02, 1.02), abs=2 * SPACING)
    ((low, high),) = flat_intervals(ERROR, np.where(ERROR > 1, 0.0, ERROR - 1))
    assert (low, high) == pytest.approx((0.94, 2.0), abs=2 * SPACING)


def test_asymmetry_is_the_share_of_the_even_part_of_the_derivative():
    assert asymmetry(ERROR, np.cosh(ERROR)) == pytest.approx(1.0)
    expected = 1 / np.sqrt(np.square(ERROR + 1).mean())
    assert asymmetry(ERROR, ERROR + 1) == pytest.approx(expected)
    assert asymmetry(ERROR, np.where(ERROR > 0, 2.0, 1.0) * ERROR) > 0.2


def test_asymmetry_looks_only_at_errors_whose_mirror_image_is_in_the_range():
    error = np.linspace(-1.0, 10.0, 1101)
    assert asymmetry(error, np.where(error > 1, -100.0, error)) == pytest.approx(0.0, abs=1e-9)
    assert math.isnan(asymmetry(np.linspace(1.0, 2.0, 11), np.ones(11)))


def test_a_mirror_image_is_turned_about_zero_and_unknown_beyond_the_range():
    error = np.array([-1.0, 0.0, 1.0, 2.0])
    assert mirror_image(error, np.array([5.0, 6.0, 7.0, 8.0])) == pytest.approx([7.0, 6.0, 5.0, math.nan], nan_ok=True)


@pytest.mark.parametrize(("threshold", "scale"), [(0.3, 0.7), (1.1, 1e-9), (0.05, 1e6)])
def test_the_nearest_huber_loss_of_a_huber_loss_is_itself(threshold, scale):
    loss, derivative = huber(threshold, scale)
    found = nearest_huber(ERROR, derivative)
    assert found.threshold == pytest.approx(threshold, rel=0.01)
    assert found.derivative(ERROR) == pytest.approx(derivative, rel=0.02)
    assert found.loss(ERROR) == pytest.approx(loss, rel=0.03)


def test_the_nearest_huber_loss_of_the_squared_error_has_its_threshold_at_the_end_of_the_range():
    assert nearest_huber(ERROR, ERROR).threshold == 2.0


def test_references_have_the_same_root_mean_square_derivative():
    derivative = np.tanh(3 * ERROR) + 0.3 * ERROR**2
    size = np.square(derivative).mean()
    assert np.square(nearest_huber(ERROR, derivative).derivative(ERROR)).mean() == pytest.approx(size)
    assert np.square(squared_error_scale(ERROR, derivative) * ERROR).mean() == pytest.approx(size)


def test_the_policy_gradient_pushes_by_one_per_advantage_in_its_direction():
    slope = relative_gradient(surface(policy_gradient))
    assert (slope == np.sign(ADVANTAGE)).all()


def test_where_the_advantage_is_zero_the_relative_slope_is_finite_and_keeps_its_sign():
    slope = relative_gradient(surface(lambda ratio, advantage: advantage - (1 - 1 / ratio)))
    assert np.isfinite(slope).all()
    zero = list(ADVANTAGE).index(0.0)
    assert (np.sign(slope[:, zero]) == np.sign(-LOG_RATIO)).all()


def test_only_dpo_rolls_back_of_ppo_dpo_and_the_policy_gradient():
    assert not rollback(surface(ppo)).any()
    assert not rollback(surface(policy_gradient)).any()
    assert rollback(surface(dpo)).any()


@pytest.mark.parametrize(("advantage", "boundary"), [(-0.25, 0.260), (-0.5, 0.405), (-1.0, 0.559), (-4.0, 0.804)])
def test_dpo_rolls_back_below_the_ratio_at_which_its_slope_changes_sign(advantage, boundary):
    back = rollback(surface(dpo))[:, list(ADVANTAGE).index(advantage)]
    highest = np.exp(LOG_RATIO[back].max())
    assert highest == pytest.approx(boundary, rel=0.02)
    assert back[np.exp(LOG_RATIO) <= highest].all()


def test_dpo_never_rolls_back_at_a_positive_advantage():
    assert not rollback(surface(dpo))[:, ADVANTAGE >= 0].any()


def test_ppo_is_no_optimist_and_the_policy_gradient_is_wherever_ppo_has_ceased():
    assert not optimism(surface(ppo)).any()
    ratio = np.exp(LOG_RATIO)[:, None]
    ceased = ((ratio > 1.2) & (ADVANTAGE > 0)) | ((ratio < 0.8) & (ADVANTAGE < 0))
    assert (optimism(surface(policy_gradient)) == ceased).all()
    assert optimism(surface(policy_gradient), clip_eps=0.5).sum() < ceased.sum()


def test_dpo_is_an_optimist_until_its_slope_has_decayed():
    column = optimism(surface(dpo))[:, list(ADVANTAGE).index(2.0)]
    ratio = np.exp(LOG_RATIO)
    # sech²(r − 1) = 0.01 at r = 1 + arcosh(10)
    assert (column == ((ratio > 1.2) & (ratio < 1 + math.acosh(10)))).all()


def test_no_region_is_both_rollback_and_optimism():
    shape = surface(lambda ratio, advantage: np.sin(5 * ratio) * np.cos(3 * advantage))
    assert not (rollback(shape) & optimism(shape)).any()


def test_levels_enclose_at_least_the_share_and_no_cell_more_than_needed():
    rng = np.random.default_rng(0)
    density, area = rng.exponential(size=(20, 30)), rng.uniform(0.1, 2.0, (20, 30))
    mass = density * area
    for share, level in zip((0.5, 0.9, 0.99), densest_levels(density, mass, (0.5, 0.9, 0.99)), strict=True):
        assert mass[density >= level].sum() >= share * mass.sum()
        assert mass[density > level].sum() < share * mass.sum()


def test_quantiles_are_linear_within_bins_of_any_width():
    edges = np.array([-1.0, 0.0, 0.5, 10.0])
    assert quantiles(np.array([50, 50, 0]), edges, (0.25, 0.5, 0.75)) == pytest.approx([-0.5, 0.0, 0.25])
    assert quantiles(np.array([0, 0, 4]), edges, (0.0, 0.5, 1.0)) == pytest.approx([0.5, 5.25, 10.0])


def test_quantiles_of_nothing_are_unknown():
    assert all(math.isnan(x) for x in quantiles(np.zeros(3, int), np.arange(4.0), (0.1, 0.9)))
