"""A search with drawn settings, a baseline and real trainings."""

import pytest
from probes import matching_action
from rows import timeless
from toys import bits, ran

from metadisco.config import PPOConfig, Range
from metadisco.inner.fitness import area_under_curve
from metadisco.objectives import ppo
from metadisco.parametrisations import DriftBasis
from metadisco.problems import ObjectiveDiscovery, Task

NUM_ROLLOUTS = 2


@pytest.mark.slow
def test_a_search_with_real_trainings_is_continued_bit_for_bit():
    ppo_config = PPOConfig(
        num_envs=2, num_steps=8, num_env_steps=32, num_minibatches=1, num_epochs=2, hidden_sizes=(4,),
        num_evaluation_episodes=2,
    )  # fmt: skip
    ranges = (Range("learning_rate", 1e-2, 1.0, True), Range("gamma", 0.5, 1.0, False))
    task = Task(matching_action(), ppo_config, "a", -1.0, 1.0, ranges)
    problem = ObjectiveDiscovery(DriftBasis(), (task,), area_under_curve, compared_with=ppo())
    centre, recorder = ran(problem, num_generations=3, aggregate="capped_mean")
    again, continued = ran(problem, num_generations=3, aggregate="capped_mean", saved=recorder.states[1])
    assert timeless(continued.rows) == timeless(recorder.rows[1:])
    assert bits(again) == bits(centre)
    assert sum(row["fitness_std"] > 0 for row in recorder.rows) > 0
    keys = [f"draw/{name}/{rollout}" for name in ("learning_rate", "gamma") for rollout in range(NUM_ROLLOUTS)]
    assert len({row[key] for row in recorder.rows for key in keys}) == 3 * len(keys)
    assert recorder.rows[1]["centre_minus_baseline_error"] is not None
