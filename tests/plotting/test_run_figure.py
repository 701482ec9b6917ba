"""The figure of a run, from one row to a thousand."""

import math

import numpy as np
import pytest
from layout import assert_well_laid_out, panels_of

from metadisco.plotting import run_figure

SMALL = ["failed members", "step of the centre", "perturbations", "speed"]
LONG = "Evolution in /some/folder/whose/name/has/no/space/" + "m" * 150


def row(generation, scale=1.0, **changes):
    """Return a line of metrics.jsonl, the centre evaluated every fourth generation."""
    mean = scale * (100 + 3 * generation % 7)
    values = {
        "generation": generation,
        "fitness_mean": mean,
        "fitness_best": mean + 50 * scale,
        "fitness_worst": mean - 80 * scale,
        "fitness_std": 20 * scale,
        "failed_members": 0,
        "step_skipped": False,
        "std": 0.04 * 0.999**generation,
        "step_norm": 0.1 * scale,
        "env_steps": (generation + 1) * 2**21,
        "seconds": 20.0,
        "env_steps_per_second": 2**21 / 20.0,
    }
    if generation % 4 == 3:
        values["centre_fitness"] = mean + 10 * scale
    return values | changes


def several(generation):
    names = ("gymnax/SpaceInvaders-MinAtar", "gymnax/Breakout-MinAtar", "brax/ant", "brax/halfcheetah", "brax/humanoid")
    means = {f"fitness_mean/{name}": 10.0**power for power, name in enumerate(names)}
    return row(generation, **means, **{f"centre_fitness/{names[1]}": 12.0 + generation})


def axes_by_title(figure):
    return {axes.get_title().replace("\n", ""): axes for axes in panels_of(figure)}


def line(axes, label):
    (found,) = (line for line in axes.lines if line.get_label() == label)
    return found


RUNS = {
    "one row": [row(0)],
    "a short run": [row(generation) for generation in range(24)],
    "a long run": [row(generation) for generation in range(1024)],
    "nothing known": [{"generation": generation, "fitness_mean": None} for generation in range(5)],
    "no rows": [],
    "tiny numbers": [row(generation, 1e-9) for generation in range(9)],
    "huge numbers": [row(generation, 1e9) for generation in range(9)],
    "negative fitness": [row(generation, fitness_mean=-1234.5 - generation) for generation in range(9)],
    "five environments": [several(generation) for generation in range(12)],
    "all failed": [row(g, failed_members=32, fitness_mean=None, step_skipped=True) for g in range(3)],
}


FEW = [RUNS[name] for name in ("a long run", "no rows", "five environments", "all failed")]


@pytest.mark.parametrize(
    "rows", [pytest.param(rows, id=name, marks=[] if rows in FEW else pytest.mark.slow) for name, rows in RUNS.items()]
)
def test_nothing_leaves_the_figure_or_covers_something_else(rows):
    assert_well_laid_out(run_figure(rows, title="A run"))


def test_a_long_title_is_wrapped():
    figure = run_figure(RUNS["one row"], title=LONG)
    assert_well_laid_out(figure)
    assert "m" * 20 in figure.get_suptitle()


def test_signs_of_mathematics_in_a_title_are_written_as_they_are():
    figure = run_figure(RUNS["one row"], title="cost: $5 or $6_a")
    assert figure.get_suptitle().startswith("cost: $5 or $6_a\n")
    assert not figure._suptitle.get_parse_math()


def test_what_is_drawn_is_what_the_rows_hold():
    rows = RUNS["a short run"]
    figure = run_figure(rows, title="A run")
    fitness = panels_of(figure)[0]
    for label, key in (("mean of the population", "fitness_mean"), ("best member", "fitness_best")):
        drawn = line(fitness, label)
        assert list(drawn.get_xdata()) == list(range(24))
        assert list(drawn.get_ydata()) == [row[key] for row in rows]
    centre = line(fitness, "centre")
    assert list(centre.get_xdata()) == [3, 7, 11, 15, 19, 23]
    assert list(centre.get_ydata()) == [row["centre_fitness"] for row in rows if "centre_fitness" in row]
    (band,) = (each for each in fitness.collections if each.get_label() == "mean ± std")
    corners = {tuple(corner) for corner in band.get_paths()[0].vertices}
    assert {(5.0, rows[5]["fitness_mean"] - 20), (5.0, rows[5]["fitness_mean"] + 20)} <= corners
    keys = dict(zip(SMALL, ("failed_members", "step_norm", "std", "env_steps_per_second"), strict=True))
    for title, key in keys.items():
        (drawn, *_) = axes_by_title(figure)[title].lines
        assert list(drawn.get_ydata()) == [row[key] for row in rows]


def test_rows_in_any_order_are_drawn_in_order():
    figure = run_figure(RUNS["a short run"][::-1], title="A run")
    assert list(line(panels_of(figure)[0], "mean of the population").get_xdata()) == list(range(24))


def test_the_title_tells_what_the_run_took():
    assert (
        "24 generations, 50.3 M environment steps, 8.0 min" in run_figure(RUNS["a short run"], title="A").get_suptitle()
    )
    assert run_figure(RUNS["one row"], title="A").get_suptitle() == "A\n1 generation, 2.1 M environment steps, 20 s"
    assert run_figure([], title="A").get_suptitle() == "A\n0 generations"


def test_a_generation_without_fitness_is_a_gap_and_one_between_two_gaps_a_marker():
    unknown = {"fitness_mean": None, "fitness_std": None}
    rows = [row(g, **(unknown if g in (2, 4) else {})) for g in range(7)]
    drawn = line(panels_of(run_figure(rows, title="A run"))[0], "mean of the population")
    assert [math.isnan(y) for y in drawn.get_ydata()] == [False, False, True, False, True, False, False]
    assert (drawn.get_marker(), list(drawn.get_markevery())) == ("o", [3])


def test_one_row_is_seen_as_markers_that_differ():
    fitness = panels_of(run_figure(RUNS["one row"], title="A run"))[0]
    markers = [each.get_marker() for each in fitness.lines if np.isfinite(each.get_ydata()).any()]
    assert sorted(markers) == ["^", "o", "v"]


def test_the_legend_leaves_out_what_is_not_known():
    fitness = panels_of(run_figure(RUNS["one row"], title="A run"))[0]
    names = [text.get_text() for text in fitness.get_legend().get_texts()]
    assert names == ["mean of the population", "mean ± std", "best member", "worst member"]


def test_one_catastrophic_member_in_a_long_run_does_not_flatten_the_rest_and_is_told():
    rows = [row(g, **({"fitness_worst": -1e7} if g == 500 else {})) for g in range(1024)]
    fitness = panels_of(run_figure(rows, title="A run"))[0]
    low, high = fitness.get_ylim()
    assert -1000 < low < 20
    assert 157 < high < 1000
    assert fitness.get_xlabel() == "generation (1 of 1,024 outside)"


def test_failures_and_skipped_steps_are_marked():
    rows = [row(g, failed_members=3 * (g == 2), step_skipped=g == 4) for g in range(6)]
    axes = axes_by_title(run_figure(rows, title="A run"))["failed members (×: no step)"]
    failed, skipped = axes.lines
    assert list(failed.get_ydata()) == [0, 0, 3, 0, 0, 0]
    assert list(skipped.get_xdata()) == [4]
    assert skipped.get_ydata()[0] < axes.get_ylim()[1]


def test_several_environments_get_a_panel_each_on_its_own_scale():
    figure = run_figure(RUNS["five environments"], title="A run")
    titles = axes_by_title(figure)
    names = [key.split("/", 1)[1] for key in several(0) if key.startswith("fitness_mean/")]
    assert list(titles)[5:] == names
    mean, centre = titles["gymnax/Breakout-MinAtar"].lines
    assert list(mean.get_ydata()) == [10.0] * 12
    assert list(centre.get_ydata()) == [12.0 + generation for generation in range(12)]
    low, high = titles["brax/humanoid"].get_ylim()
    assert low < 1e4 < high
    assert high - low < 1e4


def test_of_thinned_metrics_the_title_counts_all_generations_and_claims_no_time():
    kept = RUNS["a short run"][7::8]
    assert [row["generation"] for row in kept] == [7, 15, 23]
    assert run_figure(kept, title="A").get_suptitle() == "A\n24 generations, 50.3 M environment steps"


def test_ticks_are_at_whole_generations():
    for rows in (RUNS["one row"], RUNS["a short run"], RUNS["a long run"]):
        for axes in panels_of(run_figure(rows, title="A run")):
            low, high = axes.get_xlim()
            ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
            assert ticks
            assert all(tick == int(tick) for tick in ticks)
