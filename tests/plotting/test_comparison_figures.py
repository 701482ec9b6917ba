"""Figures of an evaluation, a grid and pilots: what they show, and that nothing is cut or covered."""

import json
import re

import numpy as np
import pytest
import scipy.stats
from layout import assert_well_laid_out, colour_bars_of, legend_of, panels_of

from metadisco.cli import main
from metadisco.evaluation.comparison import Cell, as_json, compare
from metadisco.evaluation.evaluate import Comparison
from metadisco.evaluation.lives import Lives
from metadisco.evaluation.training import Trained
from metadisco.plotting import (
    grid_figure,
    intervals_figure,
    learning_curves_figure,
    look,
    profiles_figure,
    returns_figure,
    save,
)
from metadisco.plotting.comparison import comparison_figures, draw_comparison

ENVS = {"gymnax/CartPole-v1": 9.0, "gymnax/MountainCarContinuous-v0": -30.0, "brax/ant": -100.0}
STEPS = [1000 * update for update in range(1, 13)]


def cell(objective, env, gain, num_seeds=6):
    rng = np.random.default_rng(int(100 * gain))
    rise = np.linspace(0, 1, 12) * gain * rng.uniform(0.5, 1.5, (num_seeds, 1))
    filled = (ENVS[env] + 100 * rise).astype(np.float32)
    return Cell(objective, env, None, Lives(filled[:, -1].copy(), filled.mean(1), filled, filled), STEPS)


def comparison(objectives=("ppo", "dpo", "runs/first"), envs=tuple(ENVS), num_seeds=6, fail=True):
    cells = [
        cell(objective, env, 1 + number / 8, num_seeds) for env in envs for number, objective in enumerate(objectives)
    ]
    if fail:
        cells[-1].lives.final_return[1] = np.nan
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
        ("three", None), ("three", "paper"), ("one objective", None), ("one environment", "paper"), ("one seed", None),
        ("eight", "paper"), pytest.param("eight", None, marks=pytest.mark.slow),
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


def test_these_numbers_are_those_of_scipy():
    rows = {(row.objective, row.env, row.score): row for row in CASES["three"].rows}
    scores = {(c.objective, c.env): c.lives.area_under_curve.astype(float) for c in CASES["three"].cells}
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
    assert "1 of 6 failed" in axes.get_xlabel()


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
    assert legend_of(figure) == ["ppo", "dpo"]
    assert all(0 <= path.vertices[:, 1].min() <= path.vertices[:, 1].max() <= 1
               for band in axes.collections for path in band.get_paths())  # fmt: skip


def test_there_are_no_profiles_without_a_common_scale():
    found = CASES["three"]._replace(random=dict.fromkeys(ENVS, 1e6))
    assert "profiles" not in dict(comparison_figures(found))


def grid(rates=(1e-4, 1e-3), epsilons=(0.1, 0.2, 0.3)):
    return [
        {"settings": {"inner.ppo.learning_rate": rate, "objective.clip_eps": epsilon, "seed": 3},
         "final_return": [1e4 * rate + epsilon, 1e4 * rate - epsilon, None]}
        for rate in rates for epsilon in epsilons
    ]  # fmt: skip


@pytest.mark.parametrize("style", [None, "paper"])
@pytest.mark.parametrize("points", [grid(), grid(np.logspace(-5, -1, 9).tolist(), np.arange(14).tolist())])
def test_a_grid_leaves_and_covers_nothing(points, style):
    with look(style):
        assert_well_laid_out(grid_figure(points, title="ppo on gymnax/CartPole-v1, 3 seeds"))


def test_a_grid_has_the_mean_of_the_seeds_that_did_not_fail():
    points = grid()
    points[1]["final_return"] = [None, None]
    figure = grid_figure(points, title="A")
    (axes,) = [axes for axes in panels_of(figure) if axes not in colour_bars_of(figure)]
    assert [text.get_text() for text in axes.texts if text.get_text()] == ["1", "1", "10", "10", "10", "failed"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("objective.clip_eps", "learning_rate")


def test_a_heat_map_is_of_two_settings():
    with pytest.raises(ValueError, match="got 1 settings"):
        grid_figure(grid(epsilons=[0.1]), title="A")


def test_a_figure_for_a_paper_is_a_column_wide_and_its_text_is_text(tmp_path):
    with look("paper", ["pdf"]) as chosen:
        figure = learning_curves_figure({"ppo": (STEPS, np.ones((2, 12)))}, title="A title")
        files = save(figure, tmp_path / "a")
    assert [file.name for file in files] == ["a.png", "a.svg", "a.pdf"]
    assert chosen.suffixes == ".png, .svg and .pdf"
    assert re.search(r"<text[^>]*>A title</text>", files[1].read_text())
    assert re.search(r'width="237\.\d+pt"', files[1].read_text())  # 3.3 inches
    assert b"/CIDFontType2" in files[2].read_bytes() and b"/Type3" not in files[2].read_bytes()


def test_what_was_laid_out_for_the_screen_is_made_to_fit(tmp_path):
    from metadisco.plotting import run_figure

    rows = [{"generation": n, "fitness_mean": 1.0 * n, "seconds": 1.0} for n in range(9)]
    with look("paper"):
        figure = run_figure(rows, title="A run")
        save(figure, tmp_path / "run")
        assert figure.get_figwidth() == pytest.approx(6.9)
        assert_well_laid_out(figure)
    sizes = {text.get_fontsize() for text in figure.findobj(lambda artist: hasattr(artist, "get_fontsize"))}
    assert min(sizes) >= 5 and max(sizes) <= 8


def test_a_look_ends_where_it_ends(tmp_path):
    with pytest.raises(ZeroDivisionError), look("paper", ["pdf"]):
        1 / 0  # noqa: B018
    figure = learning_curves_figure({"ppo": (STEPS, np.ones((2, 12)))}, title="A")
    assert [file.suffix for file in save(figure, tmp_path / "a")] == [".png", ".svg"]
    assert figure.get_figwidth() == 6.4


def test_the_files_have_their_names_and_equal_evaluations_give_equal_files(tmp_path):
    for folder in ("one", "two"):
        with look(None, ["pdf"]):
            draw_comparison(CASES["one environment"], tmp_path / folder)
    files = sorted((tmp_path / "one" / "figures").iterdir())
    names = ("brax_ant", "intervals", "profiles", "returns")
    assert [file.name for file in files] == [f"{name}.{kind}" for name in names for kind in ("pdf", "png", "svg")]
    for file in files:
        assert file.read_bytes() == (tmp_path / "two" / "figures" / file.name).read_bytes()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--figure", "grid.gif", "inner.ppo.gamma=[0.9,0.99]"], "--figure: got 'grid.gif'"),
        (["--figure", "grid.png"], "--figure: got 0 settings"),
        (["--figure", "grid.png", "inner.ppo.gamma=[0.9,0.99]", "seed=[1,1]"], "--figure: got 1 settings"),
    ],
)
def test_what_is_no_grid_of_two_settings_is_not_drawn(words, told, place, capsys):
    assert main(["train", "--objective", "ppo", "--env", "gymnax/CartPole-v1", *words]) == 2
    assert told in capsys.readouterr().err
    assert list(place.iterdir()) == []


def test_a_grid_of_trainings_is_drawn_and_replaced_with_force_alone(place, monkeypatch):
    def trained(objective, points, configs, num_seeds, **told):
        lives = Lives(np.ones(num_seeds), *np.ones((3, num_seeds, 1)))
        return [Trained(point, config, lives, None) for point, config in zip(points, configs, strict=True)]

    monkeypatch.setattr("metadisco.evaluation.training.train_points", trained)
    words = ["--quiet", "--figure", "new/grid.pdf", "inner.ppo.gamma=[0.9,0.99]", "objective.clip_eps=[0.1,0.2]"]
    command = ["train", "--objective", "ppo", "--env", "gymnax/CartPole-v1", *words]
    assert main(command) == 0
    assert (place / "new" / "grid.pdf").read_bytes().startswith(b"%PDF")
    assert main(command) == 2
    assert main([*command, "--force"]) == 0


@pytest.mark.slow
def test_every_figure_of_an_objective_fits_a_paper(place):
    words = ["--no-visits", "--three-d", "--style", "paper", "--format", "pdf", "--quiet"]
    assert main(["plot", "lpo_drift_classic", "--output", "out", *words]) == 0
    for file in (place / "out").glob("*.svg"):
        assert re.search(r'width="496\.\d+pt"', file.read_text())  # 6.9 inches
        assert file.with_suffix(".pdf").is_file()


def test_one_seed_has_marks_without_intervals_and_no_difference():
    rows = CASES["one seed"].rows
    means, differences, *_ = panels_of(intervals_figure(as_json(rows), "ppo", title="A"))
    marks, edges = drawn(means)
    assert len(marks) == 6 and not [edge for edge in edges if np.isfinite(edge).any()]
    assert [text.get_text() for text in differences.texts] == ["takes two seeds"]
    assert len(differences.get_xticks()) == 0
