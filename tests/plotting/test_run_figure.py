"""The figure of a run, from one row to a thousand."""

import math

import numpy as np
import pytest
from layout import assert_well_laid_out, panels_of

from metadisco.config import parse_config
from metadisco.evaluation.statistics import half_width
from metadisco.plotting import run_figure
from metadisco.plotting.fitness import CENTRE, POPULATION
from metadisco.plotting.objective import fitness_in_words

SMALL = {"step of the centre": "step_norm", "perturbations": "std", "speed": "env_steps_per_second"}
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


def lines_of(axes, colour):
    return [line for line in axes.lines if line.get_color() == colour and line.get_linestyle() == "-"]


def population(figure):
    (found,) = lines_of(panels_of(figure)[0], POPULATION)
    return found


def legend(figure):
    return [text.get_text() for text in panels_of(figure)[0].get_legend().get_texts()]


def ends(figure):
    """Return what is written at the ends of lines, without numbers."""
    return {text.get_text().split(",")[0] for text in panels_of(figure)[0].texts}


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
    rows = [row(g, **({"centre_half_width": 7.0} if g % 4 == 3 else {})) for g in range(24)]
    figure = run_figure(rows, title="A run")
    fitness = panels_of(figure)[0]
    assert population(figure).get_xdata().tolist() == list(range(24))
    assert population(figure).get_ydata().tolist() == [row["fitness_mean"] for row in rows]
    (centre,) = lines_of(fitness, CENTRE)
    evaluated = [row["centre_fitness"] for row in rows if "centre_fitness" in row]
    assert centre.get_xdata().tolist() == [4, 8, 12, 16, 20, 24]
    assert centre.get_ydata().tolist() == evaluated
    interval, spread = (band.get_paths()[0].vertices.tolist() for band in reversed(fitness.collections))
    assert [4.0, evaluated[0] - 7] in interval and [4.0, evaluated[0] + 7] in interval
    assert [5.0, rows[5]["fitness_mean"] - 20] in spread and [5.0, rows[5]["fitness_mean"] + 20] in spread
    for title, key in SMALL.items():
        (drawn, *_) = axes_by_title(figure)[title].lines
        assert list(drawn.get_ydata()) == [row[key] for row in rows]


def test_the_best_so_far_never_falls():
    figure = run_figure(RUNS["a short run"], title="A run")
    (best,) = (each for each in panels_of(figure)[0].lines if each.get_label().startswith("best evaluation"))
    centre = [row["centre_fitness"] for row in RUNS["a short run"] if "centre_fitness" in row]
    assert best.get_ydata().tolist() == np.maximum.accumulate(centre).tolist()
    assert legend(run_figure(RUNS["one row"], title="A run"))[-1] == "best member so far"


def test_without_intervals_in_the_rows_a_running_mean_of_the_centre_has_that_of_its_scatter():
    rng = np.random.default_rng(0)
    rows = [row(g, centre_fitness=5 + rng.normal()) for g in range(400)]
    figure = run_figure(rows, title="A run")
    line, *_ = lines_of(panels_of(figure)[0], CENTRE)
    assert np.std(line.get_ydata()) < 0.5
    assert "mean of 9 evaluations" in legend(figure)[0]
    interval = panels_of(figure)[0].collections[1].get_paths()[0].get_extents()
    values = np.array([row["centre_fitness"] for row in rows[100:109]])
    x = list(line.get_xdata()).index(105)
    assert line.get_ydata()[x] == pytest.approx(values.mean())
    assert interval.y1 > values.mean() + half_width(values) > interval.y0
    assert "mean of" not in legend(run_figure(RUNS["a short run"], title="A"))[0]  # six evaluations are too few


def test_numbers_of_single_generations_are_averaged_where_rows_are_many_or_thinned():
    rows = RUNS["a long run"]
    drawn = population(run_figure(rows, title="A run"))
    assert len(drawn.get_xdata()) == 25
    assert (drawn.get_xdata()[0], drawn.get_ydata()[0]) == (0, rows[0]["fitness_mean"])  # where the search began
    width = math.ceil(1024 / 24)
    assert drawn.get_ydata()[1] == pytest.approx(np.mean([row["fitness_mean"] for row in rows[1 : width + 1]]))
    thinned = [rows[g] for g in range(0, 96) if g % 8 == 0 or g % 16 == 15]
    drawn = population(run_figure(thinned, title="A run"))
    assert len(drawn.get_xdata()) <= len(thinned) / 2 + 2
    assert f"in bins of {width} generations" in legend(run_figure(rows, title="A"))[1]


def test_the_baseline_and_guides_are_level_lines_with_names_unless_they_are_far_off():
    rows = [row(g, baseline_fitness=90.0 + g % 2) for g in range(8)]
    figure = run_figure(rows, title="A run", guides={"PPO (reference)": 100.0, "far": 1e6}, scale="random actions 0")
    levels = [each.get_ydata()[0] for each in panels_of(figure)[0].lines if each.get_linestyle() == "--"]
    assert levels == [90.5, 100.0]
    assert ends(figure) == {"baseline", "PPO (reference)", "centre", "population"}
    assert "random actions 0" in panels_of(figure)[0].get_ylabel()


def test_what_is_zero_or_unknown_everywhere_has_no_panel():
    titles = set(axes_by_title(run_figure(RUNS["a short run"], title="A run"))) - {""}
    assert titles == set(SMALL)
    assert len(panels_of(run_figure(RUNS["nothing known"], title="A run"))) == 1


def test_rows_in_any_order_are_drawn_in_order():
    assert list(population(run_figure(RUNS["a short run"][::-1], title="A run")).get_xdata()) == list(range(24))


def test_the_title_tells_what_the_run_took():
    assert (
        "24 generations, 50.3 M environment steps, 8.0 min" in run_figure(RUNS["a short run"], title="A").get_suptitle()
    )
    assert run_figure(RUNS["one row"], title="A").get_suptitle() == "A\n1 generation, 2.1 M environment steps, 20 s"
    assert run_figure([], title="A").get_suptitle() == "A\n0 generations"


def test_a_generation_without_fitness_is_a_gap_and_one_between_two_gaps_a_marker():
    unknown = {"fitness_mean": None, "fitness_std": None}
    rows = [row(g, **(unknown if g in (2, 4) else {})) for g in range(7)]
    drawn = population(run_figure(rows, title="A run"))
    assert [math.isnan(y) for y in drawn.get_ydata()] == [False, False, True, False, True, False, False]
    assert (drawn.get_marker(), list(drawn.get_markevery())) == ("o", [3])


def test_one_row_is_seen():
    drawn = population(run_figure(RUNS["one row"], title="A run"))
    assert (drawn.get_marker(), list(drawn.get_markevery())) == ("o", [0])


def test_the_legend_leaves_out_what_is_not_known():
    assert [name.split(":")[0] for name in legend(run_figure(RUNS["one row"], title="A run"))] == [
        "population", "best member so far"
    ]  # fmt: skip


def test_failures_and_skipped_steps_have_panels_once_there_are_some():
    rows = [row(g, failed_members=3 * (g == 2), step_skipped=g == 4) for g in range(6)]
    titles = axes_by_title(run_figure(rows, title="A run"))
    for title, expected in (("failed members", [0, 0, 3, 0, 0, 0]), ("skipped steps", [0, 0, 0, 0, 1, 0])):
        (drawn,) = titles[title].lines
        assert list(drawn.get_ydata()) == expected


def test_several_environments_get_a_panel_each_on_its_own_scale():
    figure = run_figure(RUNS["five environments"], title="A run")
    titles = axes_by_title(figure)
    names = [key.split("/", 1)[1] for key in several(0) if key.startswith("fitness_mean/")]
    assert list(titles)[1:6] == names
    mean, centre = titles["gymnax/Breakout-MinAtar"].lines[:2]
    assert list(mean.get_ydata()) == [10.0] * 12
    assert centre.get_ydata() == pytest.approx(12.0 + np.arange(12.0), abs=1.01)  # a running mean
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


def test_a_metric_that_is_minus_the_fitness_has_no_panel():
    rows = [row(g, **{"metrics/loss": -row(g)["fitness_mean"], "metrics/other": 3.0 + g}) for g in range(6)]
    titles = axes_by_title(run_figure(rows, title="A run"))
    assert "other" in titles and "loss" not in titles


def test_a_first_generation_far_off_does_not_squeeze_the_rest_and_is_told():
    rows = [
        row(g, fitness_mean=1.0 + 0.01 * g if g else -90.0, fitness_std=0.1, fitness_best=2.0, centre_fitness=None)
        for g in range(9)
    ]
    fitness = panels_of(run_figure(rows, title="A run"))[0]
    low, _ = fitness.get_ylim()
    assert low > -30 and any("−90 at generation 0" in text.get_text() for text in fitness.texts)


def test_ppo_is_a_level_line_where_the_task_has_a_reference():
    references = {"brax/ant": 100.0, "brax/humanoid": 1e9}
    figure = run_figure(RUNS["five environments"], title="A run", references=references, unit="return")
    titles = axes_by_title(figure)
    dashed = {name: [each for each in axes.lines if each.get_linestyle() == "--"] for name, axes in titles.items()}
    assert [line.get_ydata()[0] for line in dashed["brax/ant"]] == [100.0]
    assert not dashed["brax/humanoid"] and titles["brax/ant"].get_ylabel() == "return"


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"inner": {"env": "gymnax/CartPole-v1", "fitness": "area_under_curve"}}, "area under the curve"),
        ({"problem": {"name": "opponent_shaping", "game": "ipd"}, "parametrisation": {"name": "meta_policy"}},
         "shaper's reward per round, mean over a lifetime"),
        ({"problem": {"name": "cheap_talk", "aim": "harm"}, "parametrisation": {"name": "message"},
          "inner": {"env": "gymnax/CartPole-v1", "fitness": "final_return"}}, "minus the learners' final return"),
    ],
)  # fmt: skip
def test_it_is_said_what_fitness_is(sections, words):
    assert fitness_in_words(parse_config(sections)).replace("\n", " ") == words
