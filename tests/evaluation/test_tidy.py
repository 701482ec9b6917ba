"""Results of an evaluation as tidy data, CSV and LaTeX."""

import io
import re

import numpy as np
import pandas as pd
import pytest
from test_comparison import CELLS, ENVS, FINAL, RANDOM

from metadisco.config import parse_config
from metadisco.discoveries.sources import find_source
from metadisco.evaluation.comparison import Row, as_json, compare, from_json
from metadisco.evaluation.evaluate import Comparison
from metadisco.evaluation.results import write_results
from metadisco.evaluation.statistics import Estimate, half_width
from metadisco.evaluation.tables import in_latex, latex, short_envs

ROWS = compare(CELLS, "ppo", RANDOM)
COMPARISON = Comparison([], {}, 4, "ppo", CELLS, RANDOM, ROWS)


def test_there_is_a_row_per_objective_environment_and_seed():
    frame = COMPARISON.seeds()
    assert list(frame) == ["objective", "env", "seed", "final_return", "area_under_curve", "held_out", "failed"]
    assert len(frame) == sum(map(len, FINAL.values()))
    for (objective, env), scores in FINAL.items():
        part = frame[(frame.objective == objective) & (frame.env == env)]
        np.testing.assert_array_equal(part.seed, range(4))
        np.testing.assert_array_equal(part.final_return, scores)
        np.testing.assert_array_equal(part.area_under_curve, 2 * np.array(scores))
        np.testing.assert_array_equal(part.failed, np.isnan(scores))
        assert (part.held_out == (objective == "ours" and env == ENVS[1])).all()


def test_curves_have_a_row_per_update_too():
    frame = COMPARISON.curves()
    assert list(frame) == ["objective", "env", "seed", "env_steps", "return"]
    assert len(frame) == 3 * sum(map(len, FINAL.values()))
    part = frame[(frame.objective == "ours") & (frame.env == ENVS[0]) & (frame.seed == 1)]
    assert list(part.env_steps) == [8, 16, 24]
    assert list(part["return"]) == [5, 5, 6]


def test_a_summary_has_a_row_per_objective_environment_and_score():
    frame = COMPARISON.summary()
    assert len(frame) == len(ROWS)
    assert list(frame["env"].unique()) == [*ENVS, pd.NA]
    for (_, line), row in zip(frame.iterrows(), ROWS, strict=True):
        assert [line.objective, line.score, line["mean"]] == [row.objective, row.score, row.mean]
        ends = line[["difference", "difference_low", "difference_high"]].to_numpy(float)
        np.testing.assert_array_equal(ends, row.difference or (np.nan,) * 3)


def test_a_notebook_displays_tables_of_final_returns_and_a_console_one_line():
    comparison = COMPARISON._replace(cells=[each._replace(objective=f"<{each.objective}>") for each in CELLS])
    assert repr(comparison) == f"Comparison of <ppo>, <ours> on {', '.join(ENVS)}, 4 seeds each"
    shown = COMPARISON._replace(rows=[row._replace(objective=f"<{row.objective}>") for row in ROWS])._repr_html_()
    assert shown.count("<table>") == 3  # two environments, and both together
    assert shown.count("<tr>") == 3 * (1 + 2)
    assert "&lt;ours&gt;" in shown and "<ours>" not in shown


def test_rows_come_back_from_plain_data_also_from_those_of_an_earlier_version():
    assert str(from_json(as_json(ROWS))) == str([row._replace(difference=_estimate(row.difference)) for row in ROWS])
    earlier = [{k: v for k, v in row.items() if k not in ("half_width", "improvement")} for row in as_json(ROWS)]
    assert {row.improvement for row in from_json(earlier)} == {None}


def _estimate(difference):
    return None if difference is None else Estimate(*difference)


def entries(table):
    """Return the entries of each line of a LaTeX table."""
    return [line.removesuffix(r" \\").split(" & ") for line in table.splitlines() if line.endswith(r"\\")]


def test_the_table_has_environments_as_columns_and_objectives_as_rows():
    table = latex(ROWS, "ppo", 4)
    heading, *lines = entries(table)
    assert heading == ["objective", "one", "two:fast"]
    assert [line[0] for line in lines] == ["ppo", "ours"]
    assert table.count(r"\begin{") == table.count(r"\end{") == 2
    assert table.count("{") == table.count("}")
    assert "1 of 16" in table


def test_entries_are_mean_and_half_its_interval_and_the_best_is_bold():
    _, ppo, ours = entries(latex(ROWS, "ppo", 4))
    half = half_width(np.array(FINAL["ours", ENVS[0]]))
    assert ours[1] == rf"$\mathbf{{3.2}} \pm {half:.1f}$"
    assert [r"\mathbf" in entry for entry in ppo[1:]] == [False, True]
    assert [r"\mathbf" in entry for entry in ours[1:]] == [True, False]


@pytest.mark.parametrize(
    ("mean", "half", "entry"),
    [
        (3725.61, 102.13, r"$\mathbf{3{,}726} \pm 102$"),
        (0.51234, 0.0123, r"$\mathbf{0.512} \pm 0.012$"),
        (1.5, 0.0, r"$\mathbf{1.5} \pm 0$"),
        (500.0, None, r"$\mathbf{500}$"),
        (2e-9, 3e-10, r"$\mathbf{2\cdot 10^{-09}} \pm 3\cdot 10^{-10}$"),
    ],
)
def test_a_mean_has_as_many_digits_as_its_interval(mean, half, entry):
    row = Row("ppo", "a/b", "final_return", mean, Estimate(mean, mean, mean), None, None, 0, half_width=half)
    assert entries(latex([row], "ppo", 4))[1][1] == entry


def test_every_sign_is_set_as_it_is():
    assert in_latex(r"lpo_drift 50% {a}&b$#") == r"lpo\_drift 50\% \{a\}\&b\$\#"
    assert in_latex("~^\\") == r"\textasciitilde{}\textasciicircum{}\textbackslash{}"


def test_environments_are_called_by_their_last_names_if_these_differ():
    assert short_envs(["gymnax/A", "brax/b"]) == {"gymnax/A": "A", "brax/b": "b"}
    assert short_envs(["gymnax/A", "brax/A"]) == {"gymnax/A": "gymnax/A", "brax/A": "brax/A"}


def test_an_evaluation_writes_both_whole(tmp_path):
    found = COMPARISON._replace(
        cells=[cell._replace(objective="ppo" if cell.objective == "ppo" else "dpo") for cell in CELLS],
        sources=[find_source(name) for name in ("ppo", "dpo")],
        configs={env: parse_config({}) for env in ENVS},
    )
    write_results(found, tmp_path, None)
    frame = pd.read_csv(io.StringIO((tmp_path / "seeds.csv").read_text()))
    pd.testing.assert_frame_equal(frame, found.seeds(), check_dtype=False)
    assert (tmp_path / "table.tex").read_text() == latex(ROWS, "ppo", 4)
    assert re.search(r"\\end\{table\}\n$", latex(ROWS, "ppo", 4))
