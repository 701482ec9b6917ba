"""Figures of a search of settings, drawn of made-up scores."""

import numpy as np
import pytest
from layout import assert_well_laid_out, legend_of

from metadisco.plotting import look
from metadisco.plotting.tuning import tuned_figures
from metadisco.tuning.plan import make_plan
from metadisco.tuning.results import Judged, Tuned
from metadisco.tuning.trials import Trial

RANGES = {
    "inner.ppo.learning_rate": {"log": [2.5e-4, 2e-2]},
    "inner.ppo.gae_lambda": {"linear": [0.8, 1.0]},
    "inner.ppo.max_grad_norm": {"log": [0.1, 10.0]},
    "objective.clip_eps": {"linear": [0.05, 0.4]},
    "inner.ppo.num_epochs": [4, 8],
}


def tuned(envs, keys):
    plan = make_plan({"space": {key: RANGES[key] for key in keys}, "envs": envs, "num_settings": 32})
    rng = np.random.default_rng(0)
    ranges = plan.ranges["ppo"]
    trials = [Trial({each.key: each.at(rng.uniform()) for each in ranges}, score) for score in rng.normal(size=32)]
    values = max(trials, key=lambda trial: trial.score).values
    report = rng.normal(size=(8, len(envs)))
    judged = Judged(values, 2.0, 1.8, report, report - 1, [], {key: 1 / len(keys) for key in keys})
    return Tuned(plan, {"ppo": judged}, {"ppo": trials}, {"search": 64}, [])


@pytest.mark.parametrize("style", [None, pytest.param("paper", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("envs", "keys"),
    [
        (("gymnax/CartPole-v1", "gymnax/Acrobot-v1"), tuple(RANGES)),
        pytest.param(("gymnax/CartPole-v1",), tuple(RANGES)[:1], marks=pytest.mark.slow),
    ],
)
def test_nothing_leaves_a_figure_or_covers_something_else(envs, keys, style):
    with look(style):
        figures = dict(tuned_figures(tuned(list(envs), keys)))
        for figure in figures.values():
            assert_well_laid_out(figure)
    assert set(figures) == {"best_so_far", "settings"} | ({"pairs"} if len(keys) > 1 else set())
    jittered = [entry for entry in legend_of(figures["settings"]) if "jittered" in entry]
    assert bool(jittered) == ("inner.ppo.num_epochs" in keys)
