"""Samplers on a known score: how close they come, and that a batch depends only on its seed and earlier scores."""

import pytest
from made_up import distances, plan_of, search

from metadisco.tuning.samplers import SAMPLERS, Proposals, propose
from metadisco.tuning.trials import Trial

LEARNING = ("tpe", "cma_es")


@pytest.mark.parametrize("sampler", LEARNING)
def test_samplers_that_learn_come_within_a_tenth_of_each_range_in_200_trials(sampler, tmp_path):
    plan = plan_of(sampler=sampler, num_settings=200, num_seeds=1, num_finalists=1)
    tuned, _ = search(plan, tmp_path / "out")
    assert max(distances(plan, tuned)) < 0.1
    below = -tuned.frame()["score"]
    assert below[-100:].median() < 0.5 * below[:13].median()  # it has learned, and was not lucky


@pytest.mark.slow
@pytest.mark.parametrize("sampler", LEARNING)
def test_samplers_that_learn_do_so_with_every_seed(sampler, tmp_path):
    for seed in range(1, 6):
        plan = plan_of(sampler=sampler, num_settings=200, num_seeds=1, seed=seed, num_finalists=1)
        tuned, _ = search(plan, tmp_path / f"{seed}", noise=0.01)
        assert max(distances(plan, tuned)) < 0.1


@pytest.mark.parametrize("sampler", ["random", "quasi_random"])
def test_samplers_that_do_not_learn_cover_the_ranges_alike_to_the_end(sampler, tmp_path):
    tuned, _ = search(plan_of(sampler=sampler, num_settings=200, num_seeds=1, num_finalists=1), tmp_path / "out")
    gamma = tuned.frame()["inner.ppo.gae_lambda"]
    assert abs(gamma[:100].mean() - 0.5) < 0.1 > abs(gamma[100:].mean() - 0.5)
    assert gamma.min() < 0.05 and gamma.max() > 0.95


def test_quasi_random_settings_fill_every_eighth_of_a_range_equally(tmp_path):
    tuned, _ = search(plan_of(sampler="quasi_random", num_settings=64, num_seeds=1, batch=10), tmp_path / "out")
    eighths = (tuned.frame()["inner.ppo.gae_lambda"] * 8).astype(int)
    assert eighths.value_counts().eq(8).all()


def test_a_grid_is_that_of_train_in_order(tmp_path):
    space = {"inner.ppo.gae_lambda": [0.9, 0.5], "inner.ppo.learning_rate": [1e-3, 1e-2, 1e-1]}
    plan = plan_of(sampler="grid", space=space, batch=4, num_seeds=1)
    asked = [propose("grid", Proposals(plan.ranges["ppo"], 0, 0, batch, 4, 6, [])) for batch in (0, 1)]
    assert [tuple(values.values()) for batch in asked for values in batch] == [
        (a, b) for a in (0.9, 0.5) for b in (1e-3, 1e-2, 1e-1)
    ]


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "grid"])
def test_a_batch_depends_on_seed_batch_and_scores_alone(sampler):
    ranges = plan_of().ranges["ppo"]
    first = propose(sampler, Proposals(ranges, 3, 0, 0, 8, 24, []))
    trials = [Trial(values, -float(number)) for number, values in enumerate(first)]
    asked = Proposals(ranges, 3, 0, 1, 8, 24, trials)
    again = propose(sampler, asked)
    assert len(first) == len(again) == 8
    assert propose(sampler, asked) == again
    assert propose(sampler, asked._replace(seed=4)) != again
    assert propose(sampler, asked._replace(objective=1)) != again
    assert all(each.low <= values[each.key] <= each.high for values in again for each in ranges)


@pytest.mark.parametrize("sampler", ["tpe", "random", "quasi_random"])
def test_choices_and_whole_numbers_are_proposed(sampler):
    space = {
        "inner.ppo.num_epochs": {"whole": [1, 3]},
        "inner.ppo.hidden_sizes": [[8], [16, 16]],
        "inner.ppo.max_grad_norm": [0.5, None],
        "inner.ppo.anneal_learning_rate": [True, False],
    }
    ranges = plan_of(space=space).ranges["ppo"]
    first = propose(sampler, Proposals(ranges, 0, 0, 0, 32, 64, []))
    told = [Trial(values, float(values["inner.ppo.num_epochs"])) for values in first]
    for values in (*first, *propose(sampler, Proposals(ranges, 0, 0, 1, 32, 64, told))):
        assert all(values[each.key] in each.all_values for each in ranges)
    for each in ranges:
        assert {repr(values[each.key]) for values in first} == set(map(repr, each.all_values))
