"""Several runs in one figure, and which may be in one."""

import numpy as np
import pytest
from layout import assert_well_laid_out, legend_of, panels_of

from metadisco import UserError
from metadisco.config import parse_config
from metadisco.discoveries.sources import Source
from metadisco.distillation.surfaces import ValueLossCurve
from metadisco.plotting import look, runs_figure, value_losses_figure
from metadisco.plotting.several import check_comparable
from metadisco.storage.runs import RunDirectory

ERROR = np.linspace(-4, 4, 81)


def rows(start, number=12, **more):
    """Return lines of metrics.jsonl, the centre evaluated every third generation."""
    every = [
        {"generation": n, "fitness_mean": start + n, "fitness_std": 2.0, "env_steps": 10 * (n + 1)}
        for n in range(number)
    ]
    centre = {"centre_fitness": start, "centre_half_width": 1.5, **more}
    return [row | (centre if row["generation"] % 3 == 2 else {}) for row in every]


@pytest.mark.parametrize("style", [None, "paper"])
def test_runs_are_drawn_with_the_interval_of_their_centres_and_the_baseline_at_its_mean(style):
    with look(style):
        found = {"first": rows(5.0, baseline_fitness=2.0), "second": rows(7.0, baseline_fitness=4.0)}
        figure = runs_figure(found, title="Fitness of 2 runs", guides={"PPO (reference)": 1.0})
        assert_well_laid_out(figure)
    (axes,) = panels_of(figure)
    first, second, baseline, reference = axes.lines
    assert first.get_xdata().tolist() == [30, 60, 90, 120]
    assert set(first.get_ydata()) == {5.0} and set(second.get_ydata()) == {7.0}
    bands = [band.get_paths()[0].get_extents() for band in axes.collections]
    assert [(band.y0, band.y1) for band in bands] == [(3.5, 6.5), (5.5, 8.5)]
    assert set(baseline.get_ydata()) == {3.0} and set(reference.get_ydata()) == {1.0}
    assert set(legend_of(figure)) == {
        "first",
        "second",
        "baseline",
        "PPO (reference)",
        "band: 95 % interval of the mean",
    }


def test_where_a_run_never_evaluated_its_centre_all_are_drawn_by_their_populations():
    plain = [{"generation": n, "fitness_mean": 1.0 * n, "fitness_std": 2.0} for n in range(4)]
    (axes,) = panels_of(runs_figure({"first": rows(5.0), "second": plain}, title="A"))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("generation", "fitness of the population")
    assert axes.lines[0].get_ydata().tolist() == [5.0 + n for n in range(12)]


def test_value_losses_are_drawn_at_the_same_root_mean_square_derivative():
    curves = {
        "small": ValueLossCurve(ERROR, 0.01 * ERROR**2, 0.02 * ERROR),
        "cubic": ValueLossCurve(ERROR, ERROR**3 / 3, ERROR**2),
    }
    figure = value_losses_figure(curves, title="Two value losses", error_counts=None)
    assert_well_laid_out(figure)
    _, right = panels_of(figure)
    for line in right.lines[:3]:
        assert np.square(line.get_ydata()).mean() == pytest.approx(1)
    assert legend_of(figure) == ["small", "cubic", "squared error"]


def source(path, **inner):
    config = parse_config({"parametrisation": {"name": "value_loss"}, "inner": inner})
    return Source(str(path), [], None, ("value",), run=RunDirectory(path), config=config)


@pytest.mark.parametrize(
    ("inner", "told"),
    [
        ({"env": "gymnax/Acrobot-v1"}, "environments"), ({"fitness": "final_return"}, "fitness"),
        ({"ppo": {"num_env_steps": 1024}}, "environments"),
    ],
)  # fmt: skip
def test_runs_of_another_fitness_are_refused_in_one_sentence(inner, told, tmp_path):
    one, alike, other = (
        source(tmp_path / "a"),
        source(tmp_path / "b", ppo={"gamma": 0.9}),
        source(tmp_path / "c", **inner),
    )
    check_comparable([one, alike])
    with pytest.raises(
        UserError, match=rf"a' with {told} .*c' with .* allowed in one figure: runs of the same problem"
    ):
        check_comparable([one, alike, other])


def test_beside_a_run_only_runs_are_drawn(tmp_path):
    with pytest.raises(UserError, match="'ppo', which is no run"):
        check_comparable([source(tmp_path / "a"), Source("ppo", [], None, ("policy",))])
