"""Rows of a comparison against hand-computed values, and the formats for other tools."""

import shutil

import jax
import numpy as np
import pytest

from metadisco.config import parse_config
from metadisco.evaluation.comparison import Cell, as_json, compare, marl_eval
from metadisco.evaluation.lifetimes import Lifetimes
from metadisco.evaluation.statistics import paired_difference
from metadisco.storage import cells as stores
from metadisco.storage.cells import CellStore

CONFIG = parse_config({})
ENVS = ("suite/one", "suite/two:fast")
FINAL = {
    ("ppo", ENVS[0]): [1.0, 3.0, 2.0, 2.0],
    ("ours", ENVS[0]): [2.0, 5.0, 2.0, 4.0],
    ("ppo", ENVS[1]): [-10.0, -20.0, -30.0, -20.0],
    ("ours", ENVS[1]): [-10.0, np.nan, -40.0, -10.0],
}
RANDOM = {ENVS[0]: 0.0, ENVS[1]: -60.0}


def cell(objective, env):
    final = np.array(FINAL[objective, env], np.float32)
    curve = np.stack([np.array([np.nan, value, value + 1]) for value in final])
    filled = np.stack([np.array([value, value, value + 1]) for value in final])
    return Cell(
        objective, env, objective == "ours" and env == ENVS[1], Lifetimes(final, 2 * final, curve, filled), [8, 16, 24]
    )


CELLS = [cell(*key) for key in FINAL]


@pytest.fixture(scope="module")
def rows():
    return {(row.objective, row.env, row.score): row for row in compare(CELLS, "ppo", RANDOM)}


def test_there_is_a_row_for_each_cell_and_score_and_for_all_environments(rows):
    assert set(rows) == {
        (objective, env, score)
        for objective in ("ppo", "ours")
        for env in (*ENVS, None)
        for score in ("final_return", "area_under_curve")
    }


def test_the_baseline_is_not_compared_with_itself(rows):
    for (objective, _, _), row in rows.items():
        assert (row.difference is None) == (row.probability_of_improvement is None) == (objective == "ppo")


def test_one_environment(rows):
    row = rows["ours", ENVS[0], "final_return"]
    assert (row.mean, row.interquartile_mean.value, row.failed) == (3.25, 3.0, 0)
    assert row.difference == paired_difference(np.array([2.0, 5, 2, 4]), np.array([1.0, 3, 2, 2]))
    # 2, 5, 2, 4 against 1, 3, 2, 2, a tie counting half.
    assert row.probability_of_improvement == (2 + 4 + 2 + 4) / 16


def test_a_life_that_failed_counts_as_the_worst_of_its_environment(rows):
    row = rows["ours", ENVS[1], "final_return"]
    assert row.failed == 1
    assert row.mean == (-10 - 40 - 40 - 10) / 4
    assert row.difference.mean == (0 - 20 - 10 + 10) / 4


def test_all_environments_are_on_the_scale_from_random_actions_to_the_baseline(rows):
    assert rows["ppo", None, "final_return"].mean == pytest.approx(1)
    ours = np.stack([np.array([2, 5, 2, 4]) / 2, (np.array([-10, -40, -40, -10]) + 60) / 40], 1)
    row = rows["ours", None, "final_return"]
    assert row.mean == pytest.approx(ours.mean())
    assert row.failed == 1
    assert row.difference.value == pytest.approx(ours.mean() - 1)
    assert row.difference.low < row.difference.value < row.difference.high


def test_no_common_scale_where_the_baseline_is_no_better_than_random_actions():
    rows = compare(CELLS, "ppo", {**RANDOM, ENVS[0]: 2.0})
    assert {row.env for row in rows if row.score == "final_return"} == set(ENVS)


def test_rows_are_plain_data(rows):
    plain = as_json(list(rows.values()))
    (row,) = (each for each in plain if (each["objective"], each["env"], each["score"]) == ("ours", *ENVS[:1], SCORE))
    assert row["difference"] == list(rows["ours", ENVS[0], SCORE].difference)
    assert len(row["interquartile_mean"]) == 3


SCORE = "final_return"


def test_marl_eval_finds_suites_tasks_algorithms_runs_and_steps():
    data = marl_eval(CELLS)
    assert set(data) == {"suite"}
    assert set(data["suite"]) == {"one", "two:fast"}
    runs = data["suite"]["one"]["ours"]
    assert list(runs) == [f"seed_{n}" for n in range(4)]
    assert runs["seed_1"] == {
        "step_0": {"step_count": 8, "return": [5.0]},
        "step_1": {"step_count": 16, "return": [5.0]},
        "step_2": {"step_count": 24, "return": [6.0]},
        "absolute_metrics": {"return": [5.0]},
    }
    known = np.concatenate(
        [x[np.isfinite(x)] for each in CELLS for x in (each.lifetimes.curve, each.lifetimes.final_return)]
    )
    failed = data["suite"]["two:fast"]["ours"]["seed_1"]
    assert [step["return"] for step in failed.values()] == 4 * [[known.min()]]


class TestStore:
    ARRAYS = CELLS[0].lifetimes._asdict()

    def test_what_was_kept_comes_back(self, tmp_path):
        CellStore(tmp_path / "cells", CONFIG).keep({"a": 1}, self.ARRAYS)
        kept = CellStore(tmp_path / "cells", CONFIG).load({"a": 1}, self.ARRAYS)
        assert kept.keys() == self.ARRAYS.keys()
        for name, array in self.ARRAYS.items():
            np.testing.assert_array_equal(kept[name], array)

    def test_another_cell_does_not(self, tmp_path):
        store = CellStore(tmp_path, CONFIG)
        assert store.load({"a": 1}, self.ARRAYS) is None
        store.keep({"a": 1}, self.ARRAYS)
        assert store.load({"a": 2}, self.ARRAYS) is None

    @pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
    def test_a_torn_file_counts_as_none(self, tmp_path, share):
        store = CellStore(tmp_path, CONFIG)
        store.keep("x", self.ARRAYS)
        (file,) = tmp_path.iterdir()
        file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
        assert store.load("x", self.ARRAYS) is None

    def test_a_file_without_all_arrays_counts_as_none(self, tmp_path):
        store = CellStore(tmp_path, CONFIG)
        store.keep("x", {"curve": np.zeros(2)})
        assert store.load("x", ("curve",)) is not None
        assert store.load("x", ("curve", "final_return")) is None

    def test_a_file_of_another_cell_counts_as_none(self, tmp_path):
        store = CellStore(tmp_path, CONFIG)
        store.keep("x", self.ARRAYS)
        (other,) = tmp_path.iterdir()
        store.keep("y", self.ARRAYS)
        (file,) = set(tmp_path.iterdir()) - {other}
        shutil.copy(other, file)
        assert store.load("y", self.ARRAYS) is None
        assert store.load("x", self.ARRAYS) is not None

    @pytest.mark.parametrize(
        "config",
        [
            {"seed": 1}, {"deterministic": True}, {"inner": {"ppo": {"gamma": 0.5}}}, {"inner": {"env": "gymnax/x"}},
            {"outer": {"chunk_size": 1}}, {"outer": {"num_devices": 1}},
        ],
    )  # fmt: skip
    def test_a_cell_of_other_settings_is_another_cell(self, tmp_path, config):
        CellStore(tmp_path, CONFIG).keep("x", self.ARRAYS)
        assert CellStore(tmp_path, parse_config(config)).load("x", self.ARRAYS) is None
        assert CellStore(tmp_path, parse_config({"outer": {"num_generations": 9}})).load("x", self.ARRAYS) is not None

    @pytest.mark.parametrize("changed", ["jax", "jaxlib", "numpy", "gymnax", "__version__", "_own_sources"])
    def test_a_cell_that_other_versions_computed_is_another_cell(self, tmp_path, changed, monkeypatch):
        CellStore(tmp_path, CONFIG).keep("x", self.ARRAYS)
        version_of = stores.version_of
        if changed == "__version__":
            monkeypatch.setattr(stores, changed, "0")
        elif changed == "_own_sources":
            monkeypatch.setattr(stores, changed, lambda: "edited")
        else:
            monkeypatch.setattr(stores, "version_of", lambda name: "0" if name == changed else version_of(name))
        assert CellStore(tmp_path, CONFIG).load("x", self.ARRAYS) is None

    @pytest.mark.parametrize(("library", "env", "taken"), [("brax", "brax/ant", True), ("brax", "gymnax/x", False)])
    def test_versions_of_a_suite_count_where_it_is_used(self, tmp_path, library, env, taken, monkeypatch):
        config = parse_config({"inner": {"env": env}})
        CellStore(tmp_path, config).keep("x", self.ARRAYS)
        version_of = stores.version_of
        monkeypatch.setattr(stores, "version_of", lambda name: "0" if name == library else version_of(name))
        assert (CellStore(tmp_path, config).load("x", self.ARRAYS) is None) == taken

    @pytest.mark.parametrize(
        ("setting", "value"),
        [
            ("default_prng_impl", "rbg"), ("threefry_partitionable", False), ("random_seed_offset", 1),
            ("default_matmul_precision", "float32"), ("disable_most_optimizations", True),
        ],
    )  # fmt: skip
    def test_a_cell_that_jax_computed_otherwise_is_another_cell(self, tmp_path, setting, value):
        CellStore(tmp_path, CONFIG).keep("x", self.ARRAYS)
        before = jax.config.values[f"jax_{setting}"]
        jax.config.update(f"jax_{setting}", value)
        try:
            assert CellStore(tmp_path, CONFIG).load("x", self.ARRAYS) is None
        finally:
            jax.config.update(f"jax_{setting}", before)
        assert CellStore(tmp_path, CONFIG).load("x", self.ARRAYS) is not None

    @pytest.mark.parametrize(
        ("flags", "same"),
        [
            ("--xla_cpu_a=1 --xla_b", True), ("--xla_b\n --xla_cpu_a=0 --xla_b --xla_cpu_a=1 ", True),
            ("--xla_cpu_a=1 --xla_cpu_a=0 --xla_b", False), ("--xla_b", False), (None, False),
        ],
    )  # fmt: skip
    def test_so_is_one_of_other_flags_of_xla_whatever_their_order(self, tmp_path, flags, same, monkeypatch):
        monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_a=1 --xla_b")
        CellStore(tmp_path, CONFIG).keep("x", self.ARRAYS)
        monkeypatch.delenv("XLA_FLAGS")
        if flags is not None:
            monkeypatch.setenv("XLA_FLAGS", flags)
        assert (CellStore(tmp_path, CONFIG).load("x", self.ARRAYS) is not None) == same

    @pytest.mark.parametrize(
        ("name", "tells"), [("inner/ppo.py", True), ("objectives.py", True), ("commands/plot.py", False)]
    )
    def test_edited_sources_of_what_trains_tell(self, name, tells, tmp_path, monkeypatch):
        shutil.copytree(stores.PACKAGE, tmp_path / "metadisco", ignore=shutil.ignore_patterns("published", "*.pyc"))
        monkeypatch.setattr(stores, "PACKAGE", tmp_path / "metadisco")
        before = stores._own_sources.__wrapped__()
        with (tmp_path / "metadisco" / name).open("a") as file:
            file.write("\n")
        assert (stores._own_sources.__wrapped__() != before) == tells

    def test_a_cell_keeps_its_name_while_it_is_trained(self, tmp_path, monkeypatch):
        """A file that is edited during the training did not compute the cell."""
        store = CellStore(tmp_path, CONFIG)
        assert store.load("x", self.ARRAYS) is None
        with monkeypatch.context() as patch:
            patch.setattr(stores, "code_of", lambda data: {"edited": "meanwhile"})
            store.keep("x", self.ARRAYS)
        assert CellStore(tmp_path, CONFIG).load("x", self.ARRAYS) is not None
