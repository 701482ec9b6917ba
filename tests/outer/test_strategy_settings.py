"""Settings of a strategy, and rejection of unsupported ones."""

import jax.numpy as jnp
import pytest
from strategies import START, config_of, started, strategy_of

from metadisco.config import StrategyConfig, build_settings
from metadisco.errors import UserError
from metadisco.outer.strategy import make_strategy

WRONG_SETTINGS = [
    ("PGPE", {"std_lrr": 0.1}, "std_lrr"),
    ("PGPE", {"std_init": 0.1}, "std_init"),
    ("PGPE", {"std_lr": "much"}, "much"),
    ("PGPE", {"std_lr": [0.1]}, "std_lr"),
    ("PGPE", {"std_lr": True}, "True"),
    ("PGPE", {"std_lr": float("nan")}, "nan"),
    ("DifferentialEvolution", {"elitism": 0.3}, "0.3"),
    ("Open_ES", {"population_size": 8}, "population_size"),
    ("Open_ES", {"solution": 8}, "solution"),
    ("GESMR_GA", {"num_groups": 3}, "num_groups"),
    ("EvoTF_ES", {"max_context_len": "long"}, "long"),
]


@pytest.mark.parametrize(("name", "settings", "told"), WRONG_SETTINGS)
def test_settings_that_evosax_cannot_use_are_refused_by_name(name, settings, told):
    with pytest.raises(UserError, match=f"(?s)settings.*{told}"):
        make_strategy(build_settings(StrategyConfig, {"name": name, "settings": settings, "population_size": 8}), START)


def test_a_misspelt_setting_is_answered_with_the_nearest_name():
    with pytest.raises(UserError, match="did you mean 'std_lr'"):
        make_strategy(config_of("PGPE", settings={"std_lrr": 0.1}), START)


def test_a_setting_of_evosax_reaches_the_strategy():
    slow = strategy_of("SNES")
    fast = make_strategy(config_of("SNES", settings={"lr_std_init": 2.0}), START)
    stds = [float(jnp.mean(started(strategy, 2).evosax.std)) for strategy in (slow, fast)]
    assert stds[0] != stds[1]


WRONG_FIELDS = [
    ("CMA_ES", {"std_decay": 0.9}, "std_decay: CMA_ES has no such setting"),
    ("CMA_ES", {"std_limit": 0.1}, "std_limit: CMA_ES has no such setting"),
    ("CMA_ES", {"learning_rate": 0.1}, "learning_rate: CMA_ES has no such setting"),
    ("SimpleGA", {"learning_rate_decay": 0.9}, "learning_rate_decay: SimpleGA has no such setting"),
    ("PGPE", {"antithetic": True}, "antithetic: PGPE has no such setting"),
    ("SNES", {"fitness_shaping": "raw"}, "fitness_shaping: SNES has no such setting"),
    ("LES", {"fitness_shaping": "z_score"}, "fitness_shaping: LES has no such setting"),
    ("Open_ES", {"population_size": 7}, "population_size: got 7"),
    ("SNES", {"population_size": 3}, "population_size: got 3"),
    ("Open_SE", {}, "did you mean 'Open_ES'"),
    ("xNES", {}, "xNES is not offered"),
]


@pytest.mark.parametrize(("name", "fields", "told"), WRONG_FIELDS)
def test_fields_that_a_strategy_does_not_have_are_refused_by_name(name, fields, told):
    with pytest.raises(UserError, match=told):
        build_settings(StrategyConfig, {"name": name, **fields})


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("ESMC", {"population_size": 2}),
        ("CR_FM_NES", {"population_size": 5}),
        ("Open_ES", {"population_size": 3, "antithetic": False}),
    ],
)
def test_a_population_size_that_evosax_cannot_use_is_refused_by_name(name, fields):
    with pytest.raises(UserError, match="population_size: got"):
        make_strategy(build_settings(StrategyConfig, {"name": name, **fields}), START)
