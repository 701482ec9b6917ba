"""Lifetimes that fail, never end an episode, or are all equal are reported in rows and on the screen."""

import math

import pytest
from processes import rows_of

from metadisco.cli import main

pytestmark = pytest.mark.faults

MODULE = '''
import jax.numpy as jnp
from metadisco.inner.envs import auto_reset
from metadisco.inner.envs.base import Discrete, TimeStep
from dataclasses import dataclass
from metadisco import Objective, ppo


@dataclass(frozen=True)
class Broken:
    """PPO whose value loss is multiplied by a number."""

    factor: float = 1.0

    def init(self, key):
        return {"x": jnp.zeros(3)}

    def bind(self, meta_params):
        plain = ppo()
        factor = jnp.float32(self.factor) + 0 * meta_params["x"].sum()
        return Objective(plain.policy_loss, lambda sample: factor * plain.value_loss(sample))


def constant(result):
    return 0.0 * result.evaluation[-1].mean() + 7.0


def infinite(result):
    return result.evaluation[-1].mean() / 0.0
'''


@pytest.fixture
def ran(evolve, tmp_path, monkeypatch, capfd):
    """Return a function that runs twelve generations, and returns rows and output."""
    (tmp_path / "broken_parts.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))

    def run(*words):
        assert main(evolve(tmp_path / "run", "outer.num_generations=12", *words)) == 0
        return rows_of(tmp_path / "run"), capfd.readouterr().err

    return run


@pytest.mark.parametrize("factor", [".nan", ".inf"])
def test_losses_that_are_nan_or_infinite_in_all_lifetimes(factor, ran):
    rows, err = ran(f"parametrisation={{name: 'broken_parts:Broken', factor: {factor}}}")
    assert [row["failed_members"] for row in rows] == [4] * 12
    assert all(row["step_skipped"] and row["fitness_mean"] is None for row in rows)
    assert err.count("nothing learned: all members failed") == 12 + 2
    assert "for 5 generations in a row; the search stands still" in err
    assert "for 10 generations in a row" in err
    assert "centre failed" in err
    assert "done: 12 generations" in err and "in 12 of them nothing was learned" in err


def test_a_fitness_that_is_infinite_fails_the_member(ran):
    rows, err = ran("inner.fitness=broken_parts:infinite")
    assert all(row["failed_members"] == 4 and row["step_skipped"] for row in rows)
    assert "nothing learned: all members failed" in err


def test_a_fitness_that_is_constant_over_the_population(ran):
    rows, err = ran("inner.fitness=broken_parts:constant")
    assert all(row["failed_members"] == 0 and row["step_skipped"] for row in rows)
    assert [row["fitness_mean"] for row in rows] == [7.0] * 12
    assert [row["step_norm"] for row in rows] == [0.0] * 12
    assert err.count("nothing learned: all members have the same fitness") == 12 + 2
    assert "a larger outer.strategy.std" in err


def test_an_environment_that_never_ends_an_episode(ran):
    words = ["inner.env=gymnax/Pendulum-v1", "inner.env_settings={max_steps_in_episode: 1000}"]
    rows, err = ran(*words, "inner.fitness=area_under_curve")
    assert [row["lives_without_episode"] for row in rows] == [4] * 12
    assert all(math.isfinite(row["fitness_mean"]) for row in rows)
    assert err.count("in 4 lifetimes no episode ended: their fitness is the return of evaluation episodes") == 1
