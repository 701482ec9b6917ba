"""`metadisco plot`, `distil` and `report`: their files and refusals."""

import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from plotly.offline import get_plotlyjs
from quick import quick
from refusals import assert_refused

from metadisco import Sample, load_objective
from metadisco.cli import main
from metadisco.config import parse_config
from metadisco.evaluation import histograms
from metadisco.parametrisations import LPODrift, PolicyAndValue, make_parametrisation
from metadisco.storage.arrays import to_arrays
from metadisco.storage.runs import RunDirectory

ENV = "probes:rewarded_action"
PPO = {"num_envs": 2, "num_steps": 8, "num_env_steps": 64, "num_minibatches": 1, "hidden_sizes": [4]}
ROWS = [
    {"generation": n, "fitness_mean": 1.0, "fitness_best": 2.0, "fitness_worst": 0.0, "fitness_std": 0.5,
     "failed_members": 0, "step_skipped": False, "std": 0.1, "step_norm": 0.2, "env_steps": 64 * (n + 1),
     "seconds": 1.0, "env_steps_per_second": 64.0, "centre_fitness": 1.5}
    for n in range(2)
]  # fmt: skip


def make_run(path, parametrisation, **section):
    run = RunDirectory(path)
    run.create(
        parse_config({"parametrisation": section, "inner": {"env": ENV, "ppo": PPO}, "outer": {"num_devices": 1}})
    )
    for generation in range(3):
        run.write_centre(generation, to_arrays(parametrisation.init(jax.random.key(generation))))
    for row in ROWS:
        run.append_metrics(row)
    return run.path


@pytest.fixture(scope="module")
def drift_run(tmp_path_factory):
    settings = {"hidden_sizes": [4], "start": "random", "time_aware": True}
    parametrisation = LPODrift(**{**settings, "hidden_sizes": (4,)})
    return make_run(tmp_path_factory.mktemp("runs") / "drift", parametrisation, name="lpo_drift", **settings)


@pytest.fixture(scope="module")
def both_run(tmp_path_factory):
    """A run of a drift and a value loss that depends on the old value."""
    section = {
        "policy": {"hidden_sizes": [4]},
        "value": {"hidden_sizes": [4], "inputs": ["error", "old_value"], "start": "random"},
    }
    config = parse_config({"parametrisation": {"name": "policy_and_value", **section}})
    parametrisation = make_parametrisation(config.parametrisation)
    assert isinstance(parametrisation, PolicyAndValue)
    return make_run(tmp_path_factory.mktemp("runs") / "both", parametrisation, name="policy_and_value", **section)


@pytest.fixture(scope="module")
def figures(drift_run, both_run, tmp_path_factory):
    """Return a function that draws a run, and returns the names of the figures."""

    def draw(run, *words):
        output = tmp_path_factory.mktemp("figures")
        assert main(["plot", str(run), "--output", str(output), *words, "--quiet"]) == 0
        return {path.name for path in output.glob("*.*")}

    return {
        "drift": lambda: draw(drift_run),
        "both": lambda: draw(both_run),
    }


@pytest.fixture(scope="module")
def distilled(drift_run, tmp_path_factory):
    output = tmp_path_factory.mktemp("distilled") / "out"
    words = ["--shapes", "square", "hinge", "--max-terms", "1", "--seeds", "0", "--quiet"]
    assert main(["distil", str(drift_run), "--output", str(output), *words]) == 0
    return output


@pytest.fixture(scope="module")
def data(distilled):
    return json.loads((distilled / "distilled.json").read_text())


@pytest.fixture(scope="module")
def page(drift_run, tmp_path_factory):
    page = tmp_path_factory.mktemp("page") / "new" / "page.html"
    assert main(["report", str(drift_run), "--output", str(page), "--quiet"]) == 0
    return page.read_text()


class TestPlot:
    @pytest.mark.parametrize("run", quick(["drift", "both"], ["drift"]))
    def test_every_figure_is_there_as_png_and_svg(self, run, figures):
        expected = {
            "drift": ("run", "drift", "drift_slices", "drift_over_life", "drift_evolution"),
            "both": ("run", "drift", "drift_slices", "drift_evolution", "value_loss", "value_loss_evolution",
                     "value_loss_by_target", "value_loss_by_old_value"),
        }  # fmt: skip
        assert figures[run]() == {f"{name}.{kind}" for name in expected[run] for kind in ("png", "svg")}

    @pytest.mark.slow
    def test_what_is_visited_is_counted_once(self, drift_run, tmp_path, monkeypatch):
        words = ["plot", f"{drift_run}@1", "--output", str(tmp_path / "out"), "--quiet"]
        assert main(words) == 0
        monkeypatch.setattr(
            "metadisco.evaluation.histogram_cache.collect_histograms", lambda *_: pytest.fail("trained again")
        )
        assert main(words) == 0

    def test_without_visits_nothing_is_trained(self, tmp_path, monkeypatch):
        monkeypatch.setattr(
            "metadisco.evaluation.histogram_cache.collect_histograms", lambda *_: pytest.fail("trained")
        )
        assert main(["plot", "kl", "--no-visits", "--output", str(tmp_path / "out"), "--quiet"]) == 0
        assert {path.stem for path in (tmp_path / "out").iterdir()} == {"drift", "drift_slices"}


@pytest.mark.slow
class TestDistil:
    def test_forms_are_sorted_by_their_error(self, data):
        forms = data["policy"]["forms"]
        errors = [form["relative_error"] for form in forms.values()]
        assert errors == sorted(errors)
        assert data["policy"]["closest"] == next(iter(forms))
        assert {"ppo", "dpo", "kl", "quadratic", "policy_gradient"} <= set(forms)
        assert set(data["policy"]["rejected"]) == {"total_variation"}
        assert "value" not in data

    def test_each_form_is_an_objective_with_the_errors_that_are_stated(self, data, distilled, drift_run):
        counted = histograms.MinibatchHistograms(**np.load(next((distilled / "cells").glob("*.npz"))))
        from metadisco.distillation.surfaces import drift_points
        from metadisco.distillation.targets import drift_target

        target = drift_target(load_objective(drift_run).policy_loss, counted)
        for name, form in data["policy"]["forms"].items():
            loss = load_objective(f"{distilled}/distilled.json@{name}").policy_loss
            drift, slope = drift_points(loss, target.x, target.others["A"])
            errors = drift - target.value, target.others["A"] - slope - target.slope
            found = [float(np.sqrt(target.weight @ np.square(error))) for error in errors]
            np.testing.assert_allclose(found, (form["value_error"], form["slope_error"]), rtol=1e-6, atol=1e-9)

    def test_the_file_its_folder_and_the_name_of_its_closest_form_mean_the_same(self, data, distilled):
        zero = jnp.zeros(5)
        sample = Sample(jnp.linspace(-1, 1, 5), zero + 1, zero, zero, zero, jnp.zeros(()))
        names = (distilled, distilled / "distilled.json", f"{distilled / 'distilled.json'}@{data['policy']['closest']}")
        losses = [np.asarray(load_objective(name).policy_loss(sample)) for name in names]
        np.testing.assert_array_equal(losses[0], losses[1])
        np.testing.assert_array_equal(losses[0], losses[2])

    @pytest.mark.slow
    def test_agents_train_with_a_form_by_its_path(self, distilled, tmp_path):
        small = [f"inner.ppo.{name}={value}" for name, value in PPO.items()]
        words = ["--env", ENV, "--output", str(tmp_path / "out.json"), "--quiet", "outer.num_devices=1", *small]
        assert main(["train", "--objective", f"{distilled}/distilled.json", *words]) == 0
        assert len(json.loads((tmp_path / "out.json").read_text())["final_return"]) == 1

    def test_the_report_names_every_form(self, data, distilled):
        text = (distilled / "report.md").read_text()
        for name, form in data["policy"]["forms"].items():
            assert f"| {name} | `" in text
            assert form["text"].replace("|", "\\|") in text
        assert data["policy"]["rejected"]["total_variation"]["reason"] in text


@pytest.mark.slow
class TestRetraining:
    def test_the_closest_forms_and_the_student_are_trained_with(self, drift_run, tmp_path):
        words = ["--shapes", "square", "--max-terms", "1", "--network", "3", "--seeds", "2", "--quiet"]
        output = tmp_path / "out"
        assert main(["distil", str(drift_run), "--output", str(output), *words]) == 0
        cells = json.loads((output / "retrained" / "results.json").read_text())["cells"]
        trained = {cell["objective"]: cell["held_out"] for cell in cells}
        assert trained[str(drift_run)] is False
        assert trained["ppo"] is None
        assert trained[str(output / "network")] is False
        assert RunDirectory(output / "network").config().parametrisation["hidden_sizes"] == [3]
        forms = [name.rpartition("@")[2] for name in trained if "@" in name]
        assert json.loads((output / "distilled.json").read_text())["policy"]["closest"] in forms
        assert all(trained[f"{output / 'distilled.json'}@{form}"] is False for form in forms)

    def test_a_drift_and_a_value_loss_are_distilled_together(self, both_run, tmp_path):
        words = ["--shapes", "square", "--max-terms", "1", "--network", "3", "--seeds", "0", "--quiet"]
        assert main(["distil", str(both_run), "--output", str(tmp_path / "out"), *words]) == 0
        data = json.loads((tmp_path / "out" / "distilled.json").read_text())
        assert data["policy"]["forms"].keys() >= {"dpo"}
        assert data["value"]["forms"].keys() >= {"huber"}
        load_objective(tmp_path / "out")


@pytest.mark.slow
class TestReport:
    def test_it_needs_nothing_beside_itself(self, page):
        assert page.count('src="data:image/png;base64,') == 5
        assert page.count('class="interactive"') == 3
        without = page.replace(get_plotlyjs(), "")
        assert len(without.encode()) < 3_000_000 and len(page) > len(without) + 1_000_000
        assert not re.findall(r"<(?:script|link|img|a)[^>]*(?:src|href)=\"(?!data:|#)", without)
        assert "location.reload" not in without

    def test_it_says_what_was_run_and_what_to_do_next(self, page, drift_run):
        for words in ("lpo_drift", ENV, "metadisco evaluate", "metadisco distil", "1.5 when first evaluated"):
            assert words in page
        assert "load_objective(&#39;drift&#39;)" in page
        assert str(drift_run.parent) not in page


@pytest.mark.parametrize("tool", ["plot", "distil"])
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nothing"], ["no objective 'nothing'"]),
        (["ppo", "--env", "CartPole-v1"], ["--env", "gymnax/CartPole-v1"]),
        (["ppo", "objective.clip_eps=0.1"], ["objective.clip_eps", "constants cannot be set"]),
        (["ppo", "inner.ppo.num_envz=3"], ["inner.ppo.num_envz", "num_envs"]),
        (["ppo", "--config", "missing.yaml"], ["missing.yaml"]),
        (["ppo@3"], ["no objective 'ppo@3'"]),
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_written(tool, words, told, tmp_path, capsys):
    assert_refused([tool, *words, "--output", str(tmp_path / "out")], told, capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--seeds", "-1"], ["--seeds", "-1"]),
        (["--max-terms", "0"], ["--max-terms", "0", "1 to 4"]),
        (["--network", "0"], ["--network", "positive"]),
        (["--network", "8"], ["--network", "'ppo' was learned by no built-in parametrisation"]),
        (["--shapes", "tan"], ["--shapes", "'tan'", "tanh"]),
        (["--shapes", "bump"], ["--shapes", "bump", "drift"]),
    ],
)
def test_options_of_distil_are_checked(words, told, tmp_path, capsys):
    assert_refused(["distil", "ppo", "--output", str(tmp_path / "out"), *words], told, capsys)
    assert not (tmp_path / "out").exists()


def test_report_refuses_what_is_no_run_and_what_cannot_be_written(drift_run, tmp_path, capsys):
    page = str(tmp_path / "page.html")
    assert_refused(["report", "ppo", "--output", page], ["'ppo'", "no run"], capsys)
    assert_refused(["report", str(drift_run), "--output", str(tmp_path)], ["--output", ".html"], capsys)
    for option in ("--evaluation", "--distilled"):
        assert_refused(["report", str(drift_run), "--output", page, option, str(tmp_path)], [str(tmp_path)], capsys)
    assert not (tmp_path / "page.html").exists()
