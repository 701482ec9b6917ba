"""The learned drift: initialisation, escape from it, and features."""

from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import QUICK
from probes import matching_action
from samples import make_sample

from metadisco.config import OuterConfig, PPOConfig, StrategyConfig
from metadisco.inner.train import train
from metadisco.objectives import clip_drift, mirror, ppo
from metadisco.outer.search import search
from metadisco.parametrisations import LPODrift
from metadisco.parametrisations.lpo_drift import DriftNetwork, drift_features, learned_drift
from metadisco.types import Evaluation, Objective, TaskInfo

RATIOS = np.array([0.05, 0.3, 0.7, 0.79, 0.9, 1.0, 1.1, 1.21, 1.5, 3.0, 20.0], np.float32)
ADVANTAGES = np.array([-3.0, -0.5, 0.0, 0.7, 2.0], np.float32)
EPS = (0.05, 0.2, 0.5)
SMALL = LPODrift(hidden_sizes=(16,))
POPULATION = 8


RATIO, ADVANTAGE = np.meshgrid(RATIOS, ADVANTAGES, indexing="ij")
GRID = make_sample(np.log(RATIO), ADVANTAGE)
EXTREMES = make_sample(*np.meshgrid([-1e4, -80, -41, -1, 0, 1, 40.1, 80, 1e4], [-50.0, -1, -1e-8, 0, 1e-8, 1, 50]))


def drift(settings, meta_params, sample=GRID):
    return learned_drift(settings, meta_params)(sample)


def gradient(loss, sample=GRID):
    return jax.grad(lambda log_ratio: loss(sample._replace(log_ratio=log_ratio)).sum())(sample.log_ratio)


def normal(example, std=0.3):
    """Return meta-parameters of the same shapes, the same ones at each call."""
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: jnp.asarray(std * rng.normal(size=leaf.shape), jnp.float32), example)


def plus(one, other, factor=1):
    return jax.tree.map(lambda x, y: x + factor * y, one, other)


class TestStart:
    def test_the_network_of_the_paper_has_1152_weights_and_no_bias(self, getkey):
        meta_params = LPODrift().init(getkey())
        shapes = {(8, 128), (128, 1)}
        assert {leaf.shape for leaf in jax.tree.leaves(meta_params)} == shapes
        assert sum(leaf.size for leaf in jax.tree.leaves(meta_params)) == 1152

    def test_no_layer_has_a_bias(self, getkey):
        meta_params = LPODrift(hidden_sizes=(8, 4), time_aware=True, start="random").init(getkey())
        assert [set(layer) for layer in meta_params.values()] == [{"kernel"}] * 3

    @pytest.mark.parametrize("hidden_sizes", [(16,), (8, 4)])
    def test_the_output_is_zero_and_hidden_layers_are_random(self, hidden_sizes, getkey):
        settings = LPODrift(hidden_sizes=hidden_sizes)
        meta_params = settings.init(getkey())
        assert (meta_params["output"]["kernel"] == 0).all()
        hidden = [layer for name, layer in meta_params.items() if name != "output"]
        assert len(hidden) == len(hidden_sizes)
        assert all((layer["kernel"] != 0).all() for layer in hidden)
        assert (settings.init(getkey())["Dense_0"]["kernel"] != meta_params["Dense_0"]["kernel"]).all()

    @pytest.mark.parametrize("sample", [GRID, EXTREMES], ids=["usual", "extreme"])
    @pytest.mark.parametrize("clip_eps", EPS)
    def test_without_a_margin_the_start_is_ppo_bit_for_bit(self, clip_eps, sample, getkey):
        settings = replace(SMALL, clip_eps=clip_eps, margin=0.0)
        objective = settings.bind(settings.init(getkey()))
        expected = mirror(clip_drift(clip_eps))
        np.testing.assert_array_equal(objective.policy_loss(sample), expected(sample))
        np.testing.assert_array_equal(gradient(objective.policy_loss, sample), gradient(expected, sample))
        assert (objective.policy_loss(GRID) != mirror(clip_drift(0.1))(GRID)).any()

    @pytest.mark.parametrize("clip_eps", EPS)
    def test_with_the_margin_the_start_has_the_gradient_of_ppo_wherever_its_drift_exceeds_it(self, clip_eps, getkey):
        settings = replace(SMALL, clip_eps=clip_eps)
        assert settings.margin == 1e-4
        # Past the edge of the interval, where D_PPO = |r − edge|·A comes to half the margin or to twice for some A.
        near_the_edge = 1 + clip_eps + np.array([0.25, 1.0]) * settings.margin
        sample = make_sample(*np.meshgrid(np.log([*RATIOS, *near_the_edge]), ADVANTAGES))
        ppo_drift = np.asarray(clip_drift(clip_eps)(sample))
        beyond = ppo_drift > settings.margin
        assert ((ppo_drift > 0) & ~beyond).any()
        assert (np.abs(ppo_drift - settings.margin) > settings.margin / 4).all()  # rounding decides nothing

        meta_params = settings.init(getkey())
        actual = gradient(settings.bind(meta_params).policy_loss, sample)
        np.testing.assert_array_equal(actual[beyond], gradient(mirror(clip_drift(clip_eps)), sample)[beyond])
        unclipped = -np.exp(sample.log_ratio) * sample.advantage
        np.testing.assert_allclose(actual[~beyond], unclipped[~beyond], rtol=1e-6)
        offset = np.maximum(ppo_drift - settings.margin, 0)
        np.testing.assert_allclose(drift(settings, meta_params, sample), offset, rtol=1e-5, atol=1e-7)

    def test_without_ppo_the_start_is_no_drift(self, getkey):
        settings = replace(SMALL, ppo_init=False)
        assert (drift(settings, settings.init(getkey())) == 0).all()

    @pytest.mark.parametrize("ppo_init", [True, False])
    def test_a_random_start_is_neither_ppo_nor_no_drift_and_another_for_each_key(self, ppo_init, getkey):
        settings = replace(SMALL, start="random", ppo_init=ppo_init)
        one, other = (drift(settings, settings.init(getkey())) for _ in range(2))
        at_zero_output = drift(settings, replace(settings, start="zero_output").init(getkey()))
        assert jnp.abs(one - other).max() > 0.01
        for random in (one, other):
            assert jnp.abs(random - at_zero_output).max() > 0.01

    def test_the_value_loss_is_that_of_ppo(self, getkey):
        sample = make_sample(advantage=ADVANTAGES, value=ADVANTAGES, target=1.0)
        for value_clip_eps in (0.1, 0.4, None):
            objective = replace(SMALL, value_clip_eps=value_clip_eps).bind(SMALL.init(getkey()))
            expected = ppo(value_clip_eps=value_clip_eps).value_loss(sample)
            np.testing.assert_array_equal(objective.value_loss(sample), expected)


class TestFeatures:
    def test_are_powers_of_the_log_ratio_and_of_the_gap_alone_and_times_the_advantage(self):
        log_ratio, gap = np.log(RATIO), 1 - RATIO
        base = np.stack([log_ratio, log_ratio**2, gap, gap**2], -1)
        expected = np.concatenate([base, ADVANTAGE[..., None] * base], -1)
        np.testing.assert_allclose(drift_features(SMALL, GRID), expected, rtol=1e-4, atol=1e-6)
        clipped = drift_features(replace(SMALL, feature_clip=0.5), GRID)
        np.testing.assert_allclose(clipped, np.clip(expected, -0.5, 0.5), rtol=1e-4, atol=1e-6)
        late = GRID._replace(progress=jnp.float32(0.25))
        for feature_clip in (None, 0.5):
            once = expected if feature_clip is None else np.clip(expected, -0.5, 0.5)
            twice = drift_features(replace(SMALL, time_aware=True, feature_clip=feature_clip), late)
            np.testing.assert_allclose(twice, np.concatenate([once, once / 4], -1), rtol=1e-4, atol=1e-6)

    @pytest.mark.parametrize("hidden_sizes", [(16,), (8, 4)])
    def test_the_drift_is_the_rectified_sum_of_ppo_network_and_margin(self, hidden_sizes, getkey):
        settings = LPODrift(hidden_sizes=hidden_sizes, output_scale=3.0, margin=0.05, clip_eps=0.1)
        meta_params = normal(settings.init(getkey()))
        x = np.asarray(drift_features(settings, GRID), np.float64)
        for i in range(len(hidden_sizes)):
            x = np.tanh(x @ np.asarray(meta_params[f"Dense_{i}"]["kernel"]))
        learned = 3 * (x @ np.asarray(meta_params["output"]["kernel"]))[..., 0] - 0.05
        ppo_drift = RATIO * ADVANTAGE - np.minimum(RATIO * ADVANTAGE, np.clip(RATIO, 0.9, 1.1) * ADVANTAGE)
        np.testing.assert_allclose(
            drift(settings, meta_params), np.maximum(ppo_drift + learned, 0), rtol=1e-4, atol=1e-5
        )
        without = drift(replace(settings, ppo_init=False), meta_params)
        np.testing.assert_allclose(without, np.maximum(learned, 0), rtol=1e-4, atol=1e-5)
        assert 0 < (without == 0).mean() < 1

    def test_clipping_bounds_what_the_network_sees(self, getkey):
        settings = replace(SMALL, ppo_init=False, feature_clip=2.0, start="random")
        meta_params = settings.init(getkey())
        # From log r = 2 on log r, (log r)², |1 − r| and (1 − r)² are all at least 2.
        beyond, further = (make_sample(log_ratio, [3.0, -3.0, -20.0]) for log_ratio in (2.1, 3.0))
        np.testing.assert_array_equal(drift(settings, meta_params, beyond), drift(settings, meta_params, further))
        assert (drift(settings, meta_params, beyond) > 0).any()
        free = replace(settings, feature_clip=None)
        assert (drift(free, meta_params, beyond) != drift(free, meta_params, further)).any()

    def test_within_its_bound_clipping_changes_nothing(self, getkey):
        meta_params = replace(SMALL, start="random").init(getkey())
        sample = make_sample(np.log(RATIOS[2:8]), 1.5)
        bounded = drift(replace(SMALL, feature_clip=2.0), meta_params, sample)
        np.testing.assert_array_equal(bounded, drift(SMALL, meta_params, sample))
        assert (drift(replace(SMALL, feature_clip=0.1), meta_params, sample) != bounded).any()

    def test_a_time_aware_network_has_sixteen_inputs(self, getkey):
        meta_params = LPODrift(time_aware=True).init(getkey())
        assert meta_params["Dense_0"]["kernel"].shape == (16, 128)

    @pytest.mark.parametrize("progress", [0.0, 0.3, 0.999])
    def test_time_enters_through_the_second_half_of_the_inputs_alone(self, progress, getkey):
        settings = replace(SMALL, time_aware=True, start="random")
        meta_params = settings.init(getkey())
        other = jax.tree.map(jnp.copy, meta_params)
        other["Dense_0"]["kernel"] = other["Dense_0"]["kernel"].at[8:].add(1.0)
        sample = GRID._replace(progress=jnp.float32(progress))
        same = drift(settings, meta_params, sample) == drift(settings, other, sample)
        assert same.all() == (progress == 0)

    def test_at_the_start_of_a_lifetime_a_time_aware_drift_is_one_that_is_not(self, getkey):
        settings = replace(SMALL, time_aware=True, start="random")
        meta_params = settings.init(getkey())
        halved = {**meta_params, "Dense_0": {"kernel": meta_params["Dense_0"]["kernel"][:8]}}
        timeless = drift(SMALL, halved)
        at = lambda progress: drift(settings, meta_params, GRID._replace(progress=jnp.float32(progress)))  # noqa: E731
        np.testing.assert_allclose(at(0.0), timeless, rtol=1e-5, atol=1e-6)
        assert jnp.abs(at(0.5) - timeless).max() > 1e-3
        assert jnp.abs(at(0.999) - at(0.5)).max() > 1e-3

    def test_without_time_awareness_progress_does_not_matter(self, getkey):
        meta_params = replace(SMALL, start="random").init(getkey())
        early, late = (drift(SMALL, meta_params, GRID._replace(progress=jnp.float32(x))) for x in (0.0, 0.9))
        np.testing.assert_array_equal(early, late)


class TestExtremes:
    @pytest.mark.parametrize("std", [0.01, 1.0, 10.0])
    @pytest.mark.parametrize("settings", [SMALL, replace(SMALL, ppo_init=False, time_aware=True, feature_clip=2.0)])
    def test_a_diverging_policy_gives_finite_losses_and_gradients(self, settings, std, getkey):
        objective = settings.bind(normal(settings.init(getkey()), std))
        assert jnp.isfinite(objective.policy_loss(EXTREMES)).all()
        assert jnp.isfinite(gradient(objective.policy_loss, EXTREMES)).all()

    @pytest.mark.parametrize("settings", [SMALL, replace(SMALL, ppo_init=False, feature_clip=2.0)])
    @pytest.mark.parametrize("field", ["log_ratio", "advantage"])
    def test_what_is_not_a_number_stays_so_and_where_it_is(self, settings, field, getkey):
        objective = settings.bind(normal(settings.init(getkey())))
        sample = make_sample([0.1, 0.2, 0.3], 1.0)
        spoilt = sample._replace(**{field: getattr(sample, field).at[1].set(jnp.nan)})
        np.testing.assert_array_equal(jnp.isnan(objective.policy_loss(spoilt)), [False, True, False])


class TestMirroredMembers:
    """A network with one hidden tanh layer and no biases is an even function of its weights."""

    @pytest.mark.parametrize("hidden_sizes", [(16,), (8, 8, 8)])
    def test_about_zero_are_the_same_drift(self, hidden_sizes, getkey):
        settings = LPODrift(hidden_sizes=hidden_sizes)
        noise = normal(settings.init(getkey()))
        features = drift_features(settings, GRID)
        network = DriftNetwork(hidden_sizes)
        one, mirrored = (
            network.apply({"params": jax.tree.map(lambda x, sign=sign: sign * x, noise)}, features) for sign in (1, -1)
        )
        np.testing.assert_array_equal(one, mirrored)
        assert jnp.abs(one).max() > 0.1
        np.testing.assert_array_equal(drift(settings, noise), drift(settings, jax.tree.map(jnp.negative, noise)))

    @pytest.mark.parametrize("settings", [SMALL, LPODrift(hidden_sizes=(16, 16)), replace(SMALL, ppo_init=False)])
    def test_about_the_start_are_different_drifts(self, settings, getkey):
        start = settings.init(getkey())
        noise = normal(start, std=StrategyConfig().std)
        one, mirrored = (drift(settings, plus(start, noise, sign)) for sign in (1, -1))
        assert jnp.abs(one - mirrored).max() > 1e-3


WANTED = np.asarray(clip_drift(0.4)(GRID))


@dataclass(frozen=True)
class WantedDrift:
    """A meta-problem without agents: a drift that resembles the one of PPO with another ε."""

    zero: bool
    settings: LPODrift = SMALL
    tasks: ClassVar[tuple[TaskInfo, ...]] = (TaskInfo("the drift"),)
    env_steps: ClassVar[int] = 1

    def init(self, key):
        start = self.settings.init(key)
        return jax.tree.map(jnp.zeros_like, start) if self.zero else start

    def evaluate(self, key, meta_params):
        error = jnp.abs(drift(self.settings, meta_params) - WANTED).mean()
        return Evaluation(-error[None], {})


class Forgetful:
    """A recorder that keeps rows alone."""

    def __init__(self):
        self.rows = []

    def start(self, evaluator):
        pass

    def restore(self, template):
        return None

    def log(self, row):
        self.rows.append(row)

    def save(self, state, progress):
        pass


@pytest.mark.parametrize("zero", [False, True], ids=["from the start", "from zero"])
def test_the_first_generation_moves_from_the_start_but_would_not_from_zero(zero):
    strategy = StrategyConfig(name="Open_ES", population_size=POPULATION)
    assert strategy.antithetic
    recorder = Forgetful()
    config = OuterConfig(num_generations=30, strategy=strategy, num_devices=1, num_rollouts=1, evaluate_every=0)
    centre = search(WantedDrift(zero), config, recorder)
    first, *_, last = recorder.rows
    assert first["failed_members"] == 0
    assert first["fitness_std"] > 1e-4  # from zero the pairs differ, too, though not the two of a pair
    step = first["step_norm"] / np.sqrt(sum(leaf.size for leaf in jax.tree.leaves(centre)))
    if zero:
        assert step < 0.05 * strategy.learning_rate  # what Adam makes of rounding errors
    else:
        assert step > 0.5 * strategy.learning_rate
        assert last["fitness_mean"] > first["fitness_best"]


@pytest.mark.slow
def test_an_agent_trained_from_the_start_is_the_one_that_ppo_trains(getkey):
    settings = replace(SMALL, margin=0.0)
    sizes = {"num_envs": 4, "num_steps": 16, "num_minibatches": 2, "num_epochs": 4, "hidden_sizes": (8,)}
    config = PPOConfig(**sizes, num_env_steps=4 * 16 * 6, learning_rate=2e-2, max_grad_norm=None)
    env = matching_action()

    @partial(jax.jit, compiler_options=QUICK)
    def live(key, share, meta_params):
        """Train with a mixture of the objectives of PPO, 1 − `share`, and of the meta-parameters, `share`."""
        learned, closed = settings.bind(meta_params), ppo()

        def mixed(name):
            one, other = getattr(learned, name), getattr(closed, name)
            return lambda sample: share * one(sample) + (1 - share) * other(sample)

        return train(key, env, config, Objective(mixed("policy_loss"), mixed("value_loss")))

    key, start = getkey(), settings.init(getkey())
    expected, learned, other = (
        live(key, jnp.float32(share), meta_params)
        for share, meta_params in ((0, start), (1, start), (1, normal(start, std=1.0)))
    )
    same = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)
    jax.tree.map(same, learned.state.params, expected.state.params)
    same(learned.curve, expected.curve)
    differences = jax.tree.map(lambda x, y: jnp.abs(x - y).max(), other.state.params, expected.state.params)
    assert max(jax.tree.leaves(differences)) > 1e-2
