"""Figures of an evaluation: what they show, and that nothing is cut or covered."""

import json

import numpy as np
import pytest
import scipy.stats
from layout import assert_well_laid_out, legend_of, panels_of

from metadisco.evaluation.comparison import Cell, as_json, compare
from metadisco.evaluation.evaluate import Comparison
from metadisco.evaluation.lifetimes import Lifetimes
from metadisco.plotting import (
    intervals_figure,
    learning_curves_figure,
    look,
    profiles_figure,
    returns_figure,
)
from metadisco.plotting.comparison import comparison_figures, draw_comparison

ENVS = {"gymnax/CartPole-v1": 9.0, "gymnax/MountainCarContinuous-v0": -30.0, "brax/ant": -100.0}
STEPS = [1000 * update for update in range(1, 13)]


def cell(objective, env, gain, num_seeds=6):
    rng = np.random.default_rng(int(100 * gain))
    rise = np.linspace(0, 1, 12) * gain * rng.uniform(0.5, 1.5, (num_seeds, 1))
    filled = (ENVS[env] + 100 * rise).astype(np.float32)
    return Cell(objective, env, None, Lifetimes(filled[:, -1].copy(), filled.mean(1), filled, filled), STEPS)


def comparison(objectives=("ppo", "dpo", "runs/first"), envs=tuple(ENVS), num_seeds=6, fail=True):
    cells = [
        cell(objective, env, 1 + number / 8, num_seeds) for env in envs for number, objective in enumerate(objectives)
    ]
    if fail:
        cells[-1].lifetimes.final_return[1] = np.nan
    random = {env: ENVS[env] for env in envs}
    return Comparison([], {}, num_seeds, objectives[0], cells, random, compare(cells, objectives[0], random))


CASES = {
    "three": comparison(),
    "one objective": comparison(("ppo",), fail=False),
    "one environment": comparison(envs=("brax/ant",)),
    "one seed": comparison(num_seeds=1, fail=False),
    "eight": comparison(tuple(f"a/long path/of an objective {number}" for number in range(8)), tuple(ENVS)[:2]),
}


@pytest.mark.parametrize(
    ("case", "style"),
    [
        ("three", "paper"),
        *(
            pytest.param(case, style, marks=pytest.mark.slow)
            for case, style in [
                ("three", None), ("one seed", None), ("one objective", None), ("one environment", "paper"),
                ("eight", "paper"), ("eight", None),
            ]
        ),
    ],
)  # fmt: skip
def test_figures_of_an_evaluation_leave_and_cover_nothing(case, style):
    with look(style):
        figures = dict(comparison_figures(CASES[case]))
        for figure in figures.values():
            assert_well_laid_out(figure)
    assert {"intervals", "returns", "profiles"} < figures.keys()
    if style:
        assert {figure.get_figwidth() for figure in figures.values()} <= {3.3, 6.9}


def drawn(axes):
    """Return the values, and the edges of the intervals that are known, of a panel of intervals."""
    marks = {line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"}
    edges = {tuple(path.vertices[:, 0]) for each in axes.collections for path in each.get_paths()}
    return marks, edges


def test_the_figure_of_intervals_has_the_numbers_of_results_json():
    rows = json.loads(json.dumps(as_json(CASES["three"].rows)))
    panels = panels_of(intervals_figure(rows, "ppo", title="A"))
    columns = ("interquartile_mean", "difference", "improvement")
    for index, env in enumerate([*ENVS, None]):
        for axes, key in zip(panels[3 * index : 3 * index + 3], columns, strict=True):
            known = [row[key] for row in rows if row["env"] == env and row[key] is not None]
            marks, edges = drawn(axes)
            assert marks == {value for value, _, _ in known}
            assert edges == {(low, high) for _, low, high in known}


def test_a_score_looks_alike_where_the_other_has_no_row():
    rows = [row for row in as_json(CASES["three"].rows) if row["env"] or row["score"] == "area_under_curve"]
    *_, axes = panels_of(intervals_figure(rows, "ppo", title="A"))
    assert {line.get_markerfacecolor() for line in axes.lines if line.get_marker() == "o"} == {"white"}


def test_these_numbers_are_those_of_scipy():
    rows = {(row.objective, row.env, row.score): row for row in CASES["three"].rows}
    scores = {(c.objective, c.env): c.lifetimes.area_under_curve.astype(float) for c in CASES["three"].cells}
    for (objective, env), ours in scores.items():
        row = rows[objective, env, "area_under_curve"]
        assert row.interquartile_mean.value == pytest.approx(scipy.stats.trim_mean(ours, 0.25))
        if objective != "ppo":
            theirs = scores["ppo", env]
            u = scipy.stats.mannwhitneyu(ours, theirs).statistic
            assert row.improvement.value == row.probability_of_improvement == pytest.approx(u / 36)
            interval = scipy.stats.ttest_rel(ours, theirs).confidence_interval()
            np.testing.assert_allclose(row.difference[1:], interval)


def test_an_earlier_versions_probabilities_have_no_interval():
    rows = as_json(CASES["one environment"].rows)
    for row in rows:
        del row["improvement"]
    *_, axes = panels_of(intervals_figure(rows, "ppo", title="A"))
    marks, edges = drawn(axes)
    assert marks == {row["probability_of_improvement"] for row in rows if row["probability_of_improvement"] is not None}
    assert not [edge for edge in edges if np.isfinite(edge).any()]


def test_bands_of_learning_curves_lie_between_the_worst_and_the_best_seed():
    returns = np.where(np.random.default_rng(0).random((8, 12)) < 0.1, 0.0, 500.0)
    (axes,) = panels_of(learning_curves_figure({"ppo": (STEPS, returns)}, title="A"))
    (band,) = axes.collections
    (path,) = band.get_paths()
    for step, low, high in zip(STEPS, returns.min(0), returns.max(0), strict=True):
        edges = path.vertices[path.vertices[:, 0] == step, 1]
        assert len(edges) >= 2
        assert low <= edges.min() <= edges.max() <= high


def test_every_seed_is_a_point_and_those_that_failed_are_counted():
    returns = {"env": {"ppo": np.array([1.0, 2.0, np.nan]), "dpo": np.array([5.0, 4.0, 3.0])}}
    (axes,) = panels_of(returns_figure(returns, title="A"))
    points = [sorted(each.get_offsets()[:, 0]) for each in axes.collections if len(each.get_offsets())]
    assert points == [[1, 2], [3, 4, 5]]
    assert "ppo 1 of 3" in axes.get_xlabel() and "dpo" not in axes.get_xlabel()


def test_points_are_moved_apart_alike_each_time_and_nobody_elses_numbers_are():
    returns = {"env": {"ppo": np.arange(9.0)}}
    np.random.seed(1)
    expected = np.random.uniform()
    np.random.seed(1)
    first, second = (
        panels_of(returns_figure(returns, title="A"))[0].collections[0].get_offsets().tolist() for _ in range(2)
    )
    assert first == second
    assert np.random.uniform() == expected


def test_no_returns_are_said_to_be_none():
    (axes,) = panels_of(returns_figure({"env": {"ppo": np.full(3, np.nan)}}, title="A"))
    assert [text.get_text() for text in axes.texts] == ["no returns"]


def test_a_profile_is_the_share_of_agents_above_each_score():
    scores = {"ppo": np.array([[0.0, 1.0], [0.5, 1.0]]), "dpo": np.array([[2.0, 1.5], [1.0, 1.0]])}
    figure = profiles_figure(scores, label="score", title="A")
    (axes,) = panels_of(figure)
    for line, values in zip(axes.lines, scores.values(), strict=True):
        steps, shares = line.get_data()
        for at in (-0.01, 0.2, 0.7, 1.2, 1.7):
            assert shares[np.searchsorted(steps, at, "right") - 1] == (values > at).mean()
    assert legend_of(figure)[:2] == ["ppo", "dpo"]
    assert all(0 <= path.vertices[:, 1].min() <= path.vertices[:, 1].max() <= 1
               for band in axes.collections for path in band.get_paths())  # fmt: skip


def test_there_are_no_profiles_without_a_common_scale():
    found = CASES["three"]._replace(random=dict.fromkeys(ENVS, 1e6))
    assert "profiles" not in dict(comparison_figures(found))


@pytest.mark.slow
def test_the_files_have_their_names_and_equal_evaluations_give_equal_files(tmp_path):
    for folder in ("one", "two"):
        with look(None, ["pdf"]):
            draw_comparison(CASES["one environment"], tmp_path / folder)
    files = sorted((tmp_path / "one" / "figures").iterdir())
    names = ("brax_ant", "intervals", "profiles", "returns")
    assert [file.name for file in files] == [f"{name}.{kind}" for name in names for kind in ("pdf", "png", "svg")]
    for file in files:
        assert file.read_bytes() == (tmp_path / "two" / "figures" / file.name).read_bytes()


def test_one_seed_has_marks_without_intervals_and_no_difference():
    rows = CASES["one seed"].rows
    means, differences, *_ = panels_of(intervals_figure(as_json(rows), "ppo", title="A"))
    marks, edges = drawn(means)
    assert len(marks) == 6 and not [edge for edge in edges if np.isfinite(edge).any()]
    assert [text.get_text() for text in differences.texts] == ["needs two seeds"]
    assert len(differences.get_xticks()) == 0
