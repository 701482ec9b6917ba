"""What `metadisco evaluate` and `metadisco train` print."""

import math

import numpy as np
import pytest
import scipy.stats

from metadisco.commands.tables import _fitting
from metadisco.evaluation.comparison import Row
from metadisco.evaluation.overview import overview
from metadisco.evaluation.statistics import Difference, Estimate
from metadisco.evaluation.summary import in_words, summarise

ENVS = ("gymnax/CartPole-v1", "gymnax/Acrobot-v1", None)
HELD_OUT = {("runs/x", "gymnax/Acrobot-v1"): True, ("runs/x", "gymnax/CartPole-v1"): False}


def row(objective, env, score, mean, difference=None, failed=0):
    return Row(objective, env, score, mean, Estimate(mean, mean, mean), difference, None, failed, half_width=2.0)


ROWS = [
    row(name, env, score, 100.0 if name == "ppo" else 120.0, difference, failed)
    for score in ("final_return", "area_under_curve")
    for env in ENVS
    for name, difference, failed in (("ppo", None, 0), ("runs/x", Difference(20.0, 10.0, 30.0), 2))
]


def test_environments_are_columns_and_objectives_rows_of_each_score():
    shown = overview(ROWS, HELD_OUT, "ppo")
    assert shown.headings[1:3] == ["CartPole-v1", "Acrobot-v1"] and len(shown.headings) == 4
    assert [title for title, _ in shown.blocks] == ["area under the curve", "final return"]
    for _, lines in shown.blocks:
        assert [line[0] for line in lines] == ["ppo", "x"]
        assert lines[0][1] == "100.0"
        assert lines[1][1].split("\n") == ["120.0", "+20 [10, 30]", "2 failed"]


def test_what_is_held_out_is_marked_and_the_mark_explained():
    shown = overview(ROWS, HELD_OUT, "ppo")
    entries = shown.blocks[0][1][1]
    assert ["°" in entry for entry in entries] == [False, False, True, False]
    assert any("held out" in note for note in shown.notes)
    assert not any("held out" in note for note in overview(ROWS, {}, "ppo").notes)


@pytest.mark.parametrize("width", [20, 40, 50, 70, 200])
def test_columns_that_do_not_fit_go_into_further_tables(width):
    parts = list(_fitting(overview(ROWS, HELD_OUT, "ppo"), width))
    assert all(part[0] == 0 for part in parts)  # the names
    assert [each for part in parts for each in part[1:]] == [1, 2, 3]
    assert (len(parts) == 1) == (width >= 70)


class TestSummary:
    SCORES = np.array([3.0, math.nan, 5.0, 10.0, 4.0])

    def test_it_is_of_the_scores_that_are_finite(self):
        found = summarise(self.SCORES)
        known = self.SCORES[np.isfinite(self.SCORES)]
        expected = scipy.stats.t.interval(0.95, 3, known.mean(), scipy.stats.sem(known))
        assert (found.lowest, found.highest, found.failed) == (3, 10, 1)
        assert tuple(found.mean) == pytest.approx((known.mean(), *expected))
        assert found.interquartile_mean.value == 4.5  # of 4 and 5
        assert in_words(found)["range"] == "3.0 to 10.0"

    @pytest.mark.parametrize(("scores", "mean"), [([2.0], "2"), ([math.nan], "-"), ([], "-"), ([2.0, 2.0], "2 [2, 2]")])
    def test_few_or_equal_scores_are_summarised_too(self, scores, mean):
        assert in_words(summarise(np.array(scores)))["mean"] == mean
