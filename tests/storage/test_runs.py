import json

import numpy as np
import pytest

from metadisco.config import parse_config, to_plain
from metadisco.errors import UserError
from metadisco.storage.rows import describe_numbers
from metadisco.storage.runs import RunDirectory


def config_of(**outer):
    return parse_config({"outer": outer})


@pytest.fixture
def run(tmp_path):
    run = RunDirectory(tmp_path / "deep" / "run")
    run.create(config_of())
    return run


class TestOpening:
    def test_writes_nothing(self, tmp_path):
        run = RunDirectory(tmp_path / "run")
        assert not run.exists
        assert list(tmp_path.iterdir()) == []

    def test_creating_writes_the_resolved_config(self, run):
        assert RunDirectory(run.path).exists
        assert run.config() == config_of()
        assert to_plain(run.config())["outer"]["strategy"]["std"] is not None

    def test_an_empty_directory_may_become_a_run(self, tmp_path):
        assert not RunDirectory(tmp_path).exists

    def test_a_start_that_was_killed_while_it_wrote_its_config_may_be_repeated(self, tmp_path):
        (tmp_path / "config.yaml.tmp").write_text("seed: ")
        run = RunDirectory(tmp_path)
        assert not run.exists
        run.create(config_of())
        assert run.config() == config_of()

    def test_a_file_is_refused(self, tmp_path):
        path = tmp_path / "file"
        path.touch()
        with pytest.raises(UserError, match=r"file.*is a file"):
            RunDirectory(path)

    def test_a_directory_of_something_else_is_refused(self, tmp_path):
        (tmp_path / "thesis.tex").touch()
        with pytest.raises(UserError, match="is no run directory"):
            RunDirectory(tmp_path)

    def test_a_place_that_cannot_be_written_is_refused(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(UserError, match="cannot write"):
            RunDirectory(tmp_path / "file" / "run").create(config_of())


class TestMetrics:
    def test_rows_come_back_in_order(self, run):
        rows = [{"generation": number, "fitness_mean": 1 / (number + 1), "text": None} for number in range(3)]
        for row in rows:
            run.append_metrics(row)
        assert run.metrics() == rows
        assert len(run.metrics_path.read_text().splitlines()) == 3

    def test_a_run_without_metrics_has_none(self, run):
        assert run.metrics() == []

    def test_numbers_that_json_cannot_hold_are_not_written(self, run):
        with pytest.raises(ValueError, match="JSON"):
            run.append_metrics({"generation": 0, "fitness_mean": float("nan")})
        assert run.metrics() == []

    @pytest.mark.parametrize("cut", range(1, 30, 4))
    def test_a_torn_last_line_is_left_out(self, run, cut):
        run.append_metrics({"generation": 0})
        run.append_metrics({"generation": 1, "fitness_mean": 3.25})
        text = run.metrics_path.read_text()
        run.metrics_path.write_text(text[:-cut])
        whole = [{"generation": 0}] if cut > 1 else [{"generation": 0}, {"generation": 1, "fitness_mean": 3.25}]
        assert run.metrics() == whole

    def test_cutting_drops_generations_from_there_on_and_torn_lines(self, run):
        for number in range(5):
            run.append_metrics({"generation": number})
        with run.metrics_path.open("a") as file:
            file.write('{"generation": 5, "fit')
        run.cut_metrics(3)
        run.append_metrics({"generation": 3})
        lines = run.metrics_path.read_text().splitlines()
        assert [json.loads(line)["generation"] for line in lines] == [0, 1, 2, 3]

    def test_cutting_keeps_numbers_bit_for_bit(self, run):
        row = {"generation": 0, "fitness_mean": 0.1 + 0.2, "small": 5e-324, "large": 2**62}
        run.append_metrics(row)
        before = run.metrics_path.read_text()
        run.cut_metrics(1)
        assert run.metrics_path.read_text() == before

    def test_rows_that_are_there_twice_or_in_disorder_are_healed(self, run):
        for number in (0, 1, 2, 1, 3):
            run.append_metrics({"generation": number, "fitness_mean": float(number)})
        assert [row["generation"] for row in run.metrics()] == [0, 1, 2, 3]

    def test_cutting_what_is_whole_touches_nothing(self, run):
        run.append_metrics({"generation": 0})
        before = run.metrics_path.stat()
        run.cut_metrics(1)
        assert run.metrics_path.stat() == before

    def test_cutting_a_run_without_metrics_writes_nothing(self, run):
        run.cut_metrics(0)
        assert not run.metrics_path.exists()


def test_numbers_in_words_draw_neighbours_together():
    assert describe_numbers([7, 3, 4, 5, 9, 10]) == "3 to 5, 7, 9 to 10"


def test_tidying_removes_half_written_files_only(run):
    run.write_centre(0, {"x": np.zeros(2)})
    for path in (run.path / "config.yaml.17.tmp", run.path / "centres" / "000001.npz.17.tmp"):
        path.touch()
    run.tidy()
    assert {path.name for path in run.path.rglob("*") if path.is_file()} == {"config.yaml", "000000.npz"}


class TestContinuing:
    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("num_generations", 300),
            ("num_devices", 2),
            ("chunk_size", 3),
            ("evaluate_every", 0),
            ("checkpoint_every", 1),
        ],
    )
    def test_what_does_not_change_the_search_may_differ_and_is_said(self, run, key, value):
        sentences = run.check_continues(config_of(**{key: value}))
        assert len(sentences) == 1
        assert f"outer.{key}" in sentences[0]
        assert str(value) in sentences[0]

    def test_logging_may_differ(self, run):
        assert run.check_continues(parse_config({"logging": {"tensorboard": True}}))

    def test_the_same_config_says_nothing(self, run):
        assert run.check_continues(config_of()) == []

    @pytest.mark.parametrize(
        "data",
        [
            {"seed": 1},
            {"deterministic": True},
            {"outer": {"num_rollouts": 2}},
            {"outer": {"aggregate": "minimum"}},
            {"outer": {"strategy": {"std": 0.5}}},
            {"inner": {"env": "gymnax/Acrobot-v1"}},
            {"inner": {"env_settings": {"max_steps_in_episode": 7}}},
            {"inner": {"fitness": "final_return"}},
            {"inner": {"ppo": {"gamma": 0.5}}},
            {"parametrisation": {"name": "value_loss", "output_scale": 2.0}},
            {"parametrisation": {"name": "mine:Mine"}},
        ],
    )
    def test_anything_else_is_refused(self, run, data):
        with pytest.raises(UserError, match="another configuration"):
            run.check_continues(parse_config(data))

    def test_the_refusal_lists_every_key_that_differs_with_both_values_and_no_other(self, run):
        config = parse_config({"seed": 5, "inner": {"ppo": {"gamma": 0.5}}, "outer": {"num_generations": 7}})
        with pytest.raises(UserError) as caught:
            run.check_continues(config)
        message = str(caught.value)
        assert "seed is 0 there and 5 here" in message
        assert "inner.ppo.gamma is 0.99 there and 0.5 here" in message
        assert "num_generations" not in message
        assert "\n" not in message


class TestProvenance:
    def test_every_start_appends_an_entry(self, run):
        assert run.last_start() == {}
        run.note_start({"devices": 2})
        first = json.loads((run.path / "provenance.json").read_text())
        run.note_start({"devices": 4})
        entries = json.loads((run.path / "provenance.json").read_text())
        assert entries[:1] == first
        assert [entry["devices"] for entry in entries] == [2, 4]
        assert run.last_start() == entries[-1]

    def test_an_entry_names_versions_and_the_time(self, run):
        run.note_start({})
        entry = run.last_start()
        assert {"metadisco", "python", "jax", "jaxlib", "evosax", "gymnax", "numpy", "commit", "time"} <= entry.keys()


class TestCentres:
    def test_generations_are_listed_in_order(self, run):
        for generation in (40, 0, 1_000_000, 8):
            run.write_centre(generation, {"x": np.zeros(2)})
        assert run.centre_generations() == [0, 8, 40, 1_000_000]

    def test_arrays_are_read_back_by_numpy_alone_bit_for_bit(self, run):
        arrays = {"Dense_0/kernel": np.asarray([[0.1, -0.0], [np.pi, 1e-45]], np.float32), "bias": np.zeros(0)}
        run.write_centre(3, arrays)
        with np.load(run.centre_path(3), allow_pickle=False) as read:
            assert set(read.files) == set(arrays)
            for name, array in arrays.items():
                assert read[name].dtype == array.dtype
                assert read[name].tobytes() == array.tobytes()

    def test_a_half_written_centre_is_not_listed(self, run):
        run.write_centre(0, {"x": np.zeros(2)})
        (run.path / "centres" / "tmpabc.tmp").write_bytes(b"PK")
        assert run.centre_generations() == [0]

    def test_writing_again_replaces(self, run):
        run.write_centre(0, {"x": np.zeros(2)})
        run.write_centre(0, {"x": np.ones(2)})
        with np.load(run.centre_path(0)) as read:
            np.testing.assert_array_equal(read["x"], np.ones(2))
        assert len(list((run.path / "centres").iterdir())) == 1
