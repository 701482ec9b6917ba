"""Constants of known forms are recovered from tables, noisy tables and student networks."""

import math

import jax
import numpy as np
import pytest
from known_targets import huber, noisy, value_points

from metadisco.distillation.families import DRIFT_FAMILIES, NEGLIGIBLE, VALUE_FAMILIES, fit, fit_mixture, measure
from metadisco.distillation.network import train_student
from metadisco.distillation.surfaces import value_loss_points
from metadisco.distillation.targets import drift_target
from metadisco.evaluation.histograms import ADVANTAGE_EDGES, LOG_RATIO_EDGES, MinibatchHistograms
from metadisco.objectives import clip_drift, dpo, dpo_drift, kl_drift, mirror, ppo, quadratic_drift
from metadisco.objectives.expressions import apply
from metadisco.parametrisations import LPODrift, ValueLoss

FAMILIES = {family.name: family for family in (*DRIFT_FAMILIES, *VALUE_FAMILIES)}
MORE_SEEDS = (1, 2, 3, 4, 5)


def constants_of(name, target):
    found = fit(FAMILIES[name], target)
    assert found.name == name
    assert set(found.constants) == set(FAMILIES[name].starts)
    return found.constants


def table(drift, num_points=1000):
    return drift_target(mirror(drift), num_points=num_points)


@pytest.fixture(scope="module")
def tables():
    """DPO and PPO at the default number of points."""
    return {"dpo": drift_target(dpo().policy_loss), "ppo": drift_target(ppo().policy_loss)}


class TestDrifts:
    def test_the_constants_of_dpo_are_found(self, tables):
        found = fit(FAMILIES["dpo"], tables["dpo"])
        assert found.constants == pytest.approx({"alpha": 2.0, "beta": 0.6}, abs=1e-6)
        assert found.relative_error < 1e-6
        assert found.scale is None

    def test_the_constant_of_ppo_is_found(self, tables):
        found = fit(FAMILIES["ppo"], tables["ppo"])
        assert found.constants == pytest.approx({"epsilon": 0.2}, abs=1e-6)
        assert found.relative_error < 1e-6

    @pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in MORE_SEEDS)])
    def test_and_so_they_are_from_noisy_values_and_slopes(self, tables, seed):
        found = fit(FAMILIES["dpo"], noisy(tables["dpo"], seed))
        assert found.constants == pytest.approx({"alpha": 2.0, "beta": 0.6}, abs=0.02)
        assert found.relative_error == pytest.approx(0.05, rel=0.1)
        assert constants_of("ppo", noisy(tables["ppo"], seed)) == pytest.approx({"epsilon": 0.2}, abs=0.005)

    @pytest.mark.parametrize(("alpha", "beta"), [(1.0, 2.0), pytest.param(5.0, 0.1, marks=pytest.mark.slow)], ids=str)
    def test_other_constants_of_dpo_are_found_as_well(self, alpha, beta):
        target = noisy(table(dpo_drift(alpha, beta), 4000), 0)
        assert constants_of("dpo", target) == pytest.approx({"alpha": alpha, "beta": beta}, rel=0.03)

    @pytest.mark.parametrize("epsilon", [0.1, 0.3])
    def test_other_constants_of_ppo_are_found_as_well(self, epsilon):
        target = noisy(table(clip_drift(epsilon)), 0)
        assert constants_of("ppo", target) == pytest.approx({"epsilon": epsilon}, abs=0.005)

    @pytest.mark.parametrize(("name", "drift"), [("kl", kl_drift(0.03)), ("quadratic", quadratic_drift(40.0))])
    def test_the_weight_of_a_drift_is_found(self, name, drift):
        found = fit(FAMILIES[name], noisy(table(drift, 300), 0))
        assert found.constants == pytest.approx({"coef": {"kl": 0.03, "quadratic": 40.0}[name]}, rel=0.01)
        assert found.scale is None  # it weighs D against r·A, so that it is none

    @pytest.mark.slow
    def test_constants_are_found_where_policies_hardly_move(self, tables):
        rng = np.random.default_rng(0)
        nowhere = np.zeros((1, 1), int)
        near = np.histogram2d(
            0.1 * rng.standard_t(3, 50_000), rng.normal(size=50_000), (LOG_RATIO_EDGES, ADVANTAGE_EDGES)
        )[0].astype(int)
        visits = MinibatchHistograms(near, nowhere, nowhere)
        target = drift_target(ppo().policy_loss, visits)
        assert (target.weight @ (np.abs(target.x) < 0.25)) > 0.8
        assert constants_of("ppo", noisy(target, 0)) == pytest.approx({"epsilon": 0.2}, abs=0.005)
        target = drift_target(dpo().policy_loss, visits)
        assert constants_of("dpo", noisy(target, 0)) == pytest.approx({"alpha": 2.0, "beta": 0.6}, abs=0.02)

    def test_another_form_is_as_far_off_as_it_is(self, tables):
        assert fit(FAMILIES["ppo"], tables["dpo"]).relative_error > 0.3
        assert fit(FAMILIES["policy_gradient"], tables["dpo"]).relative_error == pytest.approx(1.0)


class TestMixtures:
    @pytest.mark.slow
    def test_a_sum_of_drifts_is_taken_apart_into_its_weights(self):
        kl, clip = kl_drift(0.5), clip_drift(0.3)
        target = table(lambda sample: kl(sample) + 2 * clip(sample), 500)
        found = fit_mixture(noisy(target, 0, 0.01))
        assert found.constants == pytest.approx({"kl_weight": 0.5, "ppo_weight": 2.0, "epsilon": 0.3}, rel=0.03)
        assert found.name == "mixture"
        assert found.relative_error < 0.02

    @pytest.mark.parametrize(
        "drift",
        [
            clip_drift(),
            *(pytest.param(drift, marks=pytest.mark.slow) for drift in (dpo_drift(), kl_drift(0.2), quadratic_drift())),
        ],
        ids=["ppo", "dpo", "kl", "quadratic"],
    )
    def test_what_is_one_drift_is_no_mixture(self, drift):
        assert fit_mixture(noisy(table(drift, 500), 0)) is None

    @pytest.mark.slow
    def test_what_hardly_counts_is_left_out_of_a_mixture(self):
        drift, other = quadratic_drift(), clip_drift()
        assert fit_mixture(table(lambda sample: drift(sample) + 0.2 * NEGLIGIBLE * other(sample), 500)) is None


LOSSES = {
    "asymmetric": (
        {"scale": 2.5, "left": 0.25},
        lambda x: 2.5 * np.where(x < 0, 0.25, 1) * x**2 / 2,
        lambda x: 2.5 * np.where(x < 0, 0.25, 1) * x,
    ),
    "quantile": (
        {"scale": 0.4, "left": 9.0},
        lambda x: 0.4 * np.where(x < 0, 9, 1) * np.abs(x),
        lambda x: 0.4 * np.where(x < 0, -9, 1),
    ),
    "log_cosh": (
        {"scale": 1.5, "width": 0.5},
        lambda x: 1.5 * 0.25 * np.log(np.cosh(x / 0.5)),
        lambda x: 1.5 * 0.5 * np.tanh(x / 0.5),
    ),
    "absolute_error": ({"scale": 3.0}, lambda x: 3 * np.abs(x), lambda x: 3 * np.sign(x)),
    "squared_error_shifted": ({"scale": 7.0, "shift": -0.4}, lambda x: 3.5 * (x + 0.4) ** 2, lambda x: 7 * (x + 0.4)),
    "huber_shifted": (
        {"scale": 2.0, "shift": 0.3, "threshold": 0.6},
        lambda x: 2 * np.where(np.abs(x - 0.3) < 0.6, (x - 0.3) ** 2 / 2, 0.6 * np.abs(x - 0.3) - 0.18),
        lambda x: 2 * np.clip(x - 0.3, -0.6, 0.6),
    ),
}
IN_ERRORS = ("threshold", "width", "shift")


class TestValueLosses:
    @pytest.mark.parametrize("unit", [0.1, 1.0, 100.0])
    def test_the_threshold_of_a_huber_loss_is_found_at_any_scale(self, unit):
        found = constants_of("huber", noisy(huber(0.7 * unit, unit), 0))
        assert found == pytest.approx({"scale": 1.0, "threshold": 0.7 * unit}, rel=0.02)

    @pytest.mark.slow
    @pytest.mark.parametrize("unit", [0.01, 0.3, 30.0, 1000.0])
    @pytest.mark.parametrize("share", [0.2, 1.0, 2.0])
    @pytest.mark.parametrize("seed", (0, 1))
    def test_and_at_any_other_and_at_any_share_of_the_errors(self, unit, share, seed):
        found = constants_of("huber", noisy(huber(share * unit, unit, 4000), seed))
        assert found == pytest.approx({"scale": 1.0, "threshold": share * unit}, rel=0.03)

    @pytest.mark.parametrize("name", LOSSES)
    def test_the_constants_of_other_losses_are_found(self, name):
        constants, loss, slope = LOSSES[name]
        found = fit(FAMILIES[name], noisy(value_points(loss, slope), 0))
        assert found.constants == pytest.approx(constants, rel=0.03)
        assert found.scale == found.constants["scale"]
        assert found.relative_error == pytest.approx(0.05, rel=0.15)

    @pytest.mark.slow
    @pytest.mark.parametrize("unit", [0.1, 100.0])
    @pytest.mark.parametrize("name", LOSSES)
    def test_and_so_they_are_at_other_scales(self, name, unit):
        constants, loss, slope = LOSSES[name]
        scaled = value_points(lambda x: unit**2 * loss(x / unit), lambda x: unit * slope(x / unit), unit)
        power = {"absolute_error": 1, "quantile": 1}.get(name, 0)
        expected = {key: value * unit if key in IN_ERRORS else value for key, value in constants.items()}
        expected["scale"] *= unit**power
        assert fit(FAMILIES[name], noisy(scaled, 0)).constants == pytest.approx(expected, rel=0.03)

    def test_an_additive_constant_is_ignored(self):
        target = huber(0.7)
        raised = fit(FAMILIES["huber"], target._replace(value=target.value + 1e3))
        assert raised.constants == pytest.approx({"scale": 1.0, "threshold": 0.7}, rel=1e-5)
        assert raised.relative_error == pytest.approx(0, abs=1e-6)

    @pytest.mark.parametrize(("name", "scale"), [("huber", 1e-3), ("huber", 1e4), ("huber_shifted", 250.0)])
    def test_the_scale_is_that_of_the_whole_loss(self, name, scale):
        target = huber(0.7)
        found = fit(FAMILIES[name], target._replace(value=scale * target.value, slope=scale * target.slope))
        assert found.scale == pytest.approx(scale, rel=1e-4)
        assert found.constants["threshold"] == pytest.approx(0.7, rel=1e-4)


class TestErrors:
    def test_are_weighted_root_mean_squares_over_those_of_what_is_fitted(self):
        rng = np.random.default_rng(1)
        target = noisy(huber(0.7, num_points=50), 0)
        target = target._replace(weight=rng.dirichlet(np.ones(50)))
        found = measure("half of it", apply("square", "error"), target)
        mean = lambda x: target.weight @ x  # noqa: E731
        miss = target.x**2 - target.value
        value_error = math.sqrt(mean((miss - mean(miss)) ** 2))
        slope_error = math.sqrt(mean((2 * target.x - target.slope) ** 2))
        assert found.value_error == pytest.approx(value_error)
        assert found.slope_error == pytest.approx(slope_error)
        spread = math.sqrt(mean((target.value - mean(target.value)) ** 2))
        size = math.sqrt(mean(target.slope**2))
        assert found.relative_error == pytest.approx(
            math.sqrt(((value_error / spread) ** 2 + (slope_error / size) ** 2) / 2)
        )
        assert (found.name, found.constants, found.scale) == ("half of it", {}, None)

    def test_the_values_of_a_drift_count_as_they_are(self):
        target = table(dpo_drift(), 50)
        found = measure("", apply("square", "A"), target)
        assert found.value_error == pytest.approx(math.sqrt(np.mean((target.others["A"] ** 2 - target.value) ** 2)))
        assert found.slope_error == pytest.approx(math.sqrt(np.mean(target.slope**2)))

    def test_points_without_weight_do_not_count(self):
        target = huber(0.7, num_points=400)
        outside = np.abs(target.x) > 1.5
        spoilt = target._replace(
            value=np.where(outside, 1e3, target.value),
            slope=np.where(outside, -50.0, target.slope),
            weight=np.where(outside, 0, 1) / (~outside).sum(),
        )
        assert constants_of("huber", spoilt) == pytest.approx({"scale": 1.0, "threshold": 0.7}, rel=1e-4)


class TestNetworks:
    """A student network of a form; only its values on points are used afterwards."""

    @pytest.mark.slow
    def test_a_network_that_is_dpo_returns_its_constants(self, tables):
        network = LPODrift(hidden_sizes=(32,), ppo_init=False, start="random")
        student = train_student(jax.random.key(0), network, [tables["dpo"]], 3000, 1e-2)
        learned = drift_target(network.bind(student.meta_params).policy_loss)
        found = fit(FAMILIES["dpo"], learned)
        assert found.constants == pytest.approx({"alpha": 2.0, "beta": 0.6}, abs=0.02)
        assert 1e-4 < found.relative_error < 0.05

    @pytest.mark.slow
    @pytest.mark.parametrize("seed", range(3))
    def test_and_so_does_one_that_was_taught_from_ppo_on(self, tables, seed):
        network = LPODrift()
        student = train_student(jax.random.key(seed), network, [tables["dpo"]])
        found = fit(FAMILIES["dpo"], drift_target(network.bind(student.meta_params).policy_loss))
        assert found.constants == pytest.approx({"alpha": 2.0, "beta": 0.6}, abs=0.02)

    def test_one_that_has_not_moved_from_ppo_returns_the_constant_of_ppo(self):
        network = LPODrift(clip_eps=0.3)
        start = network.bind(network.init(jax.random.key(0))).policy_loss
        assert constants_of("ppo", drift_target(start, num_points=1000)) == pytest.approx({"epsilon": 0.3}, abs=0.005)

    @pytest.mark.slow
    def test_and_so_does_one_that_was_taught_ppo(self, tables):
        network = LPODrift(hidden_sizes=(64, 64), ppo_init=False, start="random")  # one layer cannot bend so sharply
        student = train_student(jax.random.key(0), network, [tables["ppo"]], 20_000, 1e-2)
        learned = drift_target(network.bind(student.meta_params).policy_loss)
        assert constants_of("ppo", learned) == pytest.approx({"epsilon": 0.2}, abs=0.005)

    @pytest.mark.slow
    def test_a_network_that_is_a_huber_loss_returns_its_threshold(self):
        target = huber(0.7, num_points=1000)
        network = ValueLoss(hidden_sizes=(16,), start="random")
        student = train_student(jax.random.key(0), network, [target], 3000, 1e-2)
        zero = np.zeros_like(target.x)
        value, slope = value_loss_points(network.bind(student.meta_params).value_loss, target.x, zero, zero)
        found = fit(FAMILIES["huber"], target._replace(value=value, slope=slope))
        assert found.constants == pytest.approx({"scale": 1.0, "threshold": 0.7}, rel=0.03)
        assert 1e-4 < found.relative_error < 0.1
