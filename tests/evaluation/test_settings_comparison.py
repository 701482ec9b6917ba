"""Judgement over settings on scores that are made up: scale, control, equal settings, failures. Axes: S seeds."""

import math
from dataclasses import replace

import numpy as np
import pytest

from metadisco.config import parse_config
from metadisco.config.settings_grid import GivenScale
from metadisco.evaluation.lifetimes import Lifetimes
from metadisco.evaluation.settings_cells import Place, SettingsCell
from metadisco.evaluation.settings_comparison import judge
from metadisco.evaluation.settings_tables import settings_tables

CONFIG = parse_config({})
ENV = "gymnax/CartPole-v1"
SCORE = "area_under_curve"
NOISE = np.array([-1.0, -1.0, 1.0, 1.0, -2.0, -2.0, 2.0, 2.0])  # the same in both halves
RANDOM = {ENV: 20.0}


def place(setting, lifetime=32_768, same_as=None):
    ppo = replace(CONFIG.inner.ppo, num_env_steps=lifetime)
    return Place(ENV, setting, replace(CONFIG, inner=replace(CONFIG.inner, ppo=ppo)), same_as)


SLOW, FAST, AGAIN = place("slow"), place("fast"), place("again", same_as="slow")


def cells(means, places=(SLOW, FAST)):
    """Cells with these means, by entrant and place; all entrants have the same noise up to a hundredth."""
    found = []
    for number, (entrant, several) in enumerate(means.items()):
        for where, mean in zip(places, several, strict=True):
            scores = np.asarray(mean + NOISE * (1 + 0.01 * number), np.float64)
            curve = scores[:, None]
            found.append(SettingsCell(entrant, where, Lifetimes(scores, scores, curve, curve)))
    return found


def verdicts(judgement):
    return {(row.entrant, row.place.setting): row.verdict for row in judgement.rows}


def test_the_scale_is_that_of_the_task_and_not_of_the_cell():
    """At the slow setting PPO is 10 above random actions, tuned it is 100 above: −4 is within a twentieth of that."""
    found = judge(cells({"ppo": [30.0, 120.0], "mine": [26.0, 110.0]}), "ppo", SCORE, RANDOM)
    scale = found.scales[ENV, 32_768]
    assert (scale.random, scale.setting) == (20.0, "fast")
    assert scale.tuned == pytest.approx(120)
    assert verdicts(found) == {("mine", "slow"): "level", ("mine", "fast"): "worse"}
    assert [row.normalised for row in found.rows] == pytest.approx([-0.04, -0.1])
    (overall,) = found.overall
    assert (overall.worse, overall.level, overall.better, overall.num_cells) == (1, 1, 0, 2)
    assert overall.spread.minimum == pytest.approx(-0.1)
    assert overall.spread.mean.value == pytest.approx(-0.07)


def test_a_scale_that_is_given_is_not_measured():
    given = [GivenScale(env=ENV, lifetime=32_768, score=SCORE, random=0.0, tuned=1000.0)]
    found = judge(cells({"ppo": [30.0, 120.0], "mine": [26.0, 110.0]}), "ppo", SCORE, RANDOM, given=given)
    assert set(verdicts(found).values()) == {"level"}
    assert found.scales[ENV, 32_768].extent == 1000


def test_where_ppo_learns_nothing_there_is_no_scale():
    found = judge(cells({"ppo": [10.0, 20.0], "mine": [30.0, 5.0]}), "ppo", SCORE, RANDOM)
    assert verdicts(found) == {("mine", "slow"): "better", ("mine", "fast"): "worse"}
    assert all(math.isnan(row.normalised) for row in found.rows)
    assert found.overall[0].spread is None
    assert "no scale" in settings_tables(found, "ppo", [SLOW, FAST])[-1].lines[0][-1]


def test_lifetimes_have_scales_of_their_own():
    places = (SLOW, place("slow", 200_000))
    found = judge(cells({"ppo": [30.0, 120.0], "mine": [26.0, 116.0]}, places), "ppo", SCORE, RANDOM)
    assert [row.normalised for row in found.rows] == pytest.approx([-0.4, -0.04])


def test_equal_settings_are_shown_twice_and_counted_once():
    found = judge(
        cells({"ppo": [30.0, 120.0, 30.0], "mine": [50.0, 110.0, 50.0]}, (SLOW, FAST, AGAIN)), "ppo", SCORE, RANDOM
    )
    assert verdicts(found)["mine", "again"] == "better"
    assert (found.overall[0].num_cells, found.overall[0].better) == (2, 1)
    table = settings_tables(found, "ppo", [SLOW, FAST, AGAIN])[1]
    assert [line[0] for line in table.lines] == ["slow", "fast", "again (= slow)"]


def test_the_control_is_chosen_on_one_half_of_the_seeds_and_judged_on_the_other():
    made = cells({"ppo": [30.0, 120.0], "half": [25.0, 125.0], "double": [60.0, 110.0]})
    for cell in made:
        if cell.entrant == "double":
            cell.lifetimes.area_under_curve[1::2] = 0.0  # on the half that judges it is a failure
    found = judge(made, "ppo", SCORE, RANDOM, controls=["half", "double"])
    assert {row.entrant for row in found.rows} == {"double"}
    assert found.control["double"] == pytest.approx(0.1, abs=0.01)
    assert found.control["half"] == pytest.approx(0.0, abs=0.01)
    assert {row.verdict for row in found.rows} == {"worse"}


def test_a_failed_lifetime_counts_as_the_worst_one_of_its_task():
    made = cells({"ppo": [30.0, 120.0], "mine": [30.0, 120.0]})
    made[3].lifetimes.area_under_curve[0] = np.nan
    found = judge(made, "ppo", SCORE, RANDOM)
    row = found.rows[1]
    worst = min(30.0 + (NOISE * factor).min() for factor in (1.0, 1.01))
    assert row.failed == 1
    assert row.mean == pytest.approx(np.mean([worst, *(120 + 1.01 * NOISE[1:])]))


def test_of_many_cells_that_differ_a_little_fewer_are_significant_after_holm():
    rng = np.random.default_rng(1)
    places = [place(f"point {number}") for number in range(20)]
    made = []
    for name, shift in (("ppo", 0.0), ("mine", -4.0)):
        for where in places:
            scores = 60 + shift + rng.normal(0, 5, 16)
            made.append(SettingsCell(name, where, Lifetimes(scores, scores, scores[:, None], scores[:, None])))
    (overall,) = judge(made, "ppo", SCORE, RANDOM).overall
    assert overall.num_cells == overall.worse + overall.level + overall.better
    assert overall.corrected_worse < overall.worse
