"""What a page says first, how it typesets forms, and what it keeps to itself."""

import pytest
from test_report import make_run, write_forms

from metadisco.discoveries.published import published_names
from metadisco.discoveries.sources import find_discovery
from metadisco.evaluation.comparison import Row
from metadisco.evaluation.in_words import in_a_sentence
from metadisco.evaluation.results import Results
from metadisco.evaluation.statistics import Difference, Estimate
from metadisco.reporting.commands import compare_command
from metadisco.reporting.mathml import typeset
from metadisco.reporting.parts import forms_of
from metadisco.reporting.paths import without_paths
from metadisco.reporting.studies import study_of
from metadisco.reporting.verdict import verdict_of

ENVS = ("gymnax/CartPole-v1", "gymnax/Acrobot-v1", "gymnax/Pendulum-v1")


def rows(*differences, baseline="ppo", score="area_under_curve"):
    found = [Row(baseline, env, score, 1.0, Estimate(1.0, 0.9, 1.1), None, None, 0) for env in ENVS]
    for env, difference in zip(ENVS, differences, strict=False):
        found.append(Row("run", env, score, 1.0, Estimate(1.0, 0.9, 1.1), Difference(*difference), 0.5, 0))
    return found


class TestVerdict:
    def test_it_says_where_a_discovery_is_better_level_and_worse_with_intervals(self):
        sentence = in_a_sentence(rows((57, 41, 72), (8, -25, 42), (-9, -12, -6)), "run", "ppo")
        assert sentence == (
            "Averaged over training it is better than ppo on CartPole-v1 (+57 [41, 72]), level with ppo on "
            "Acrobot-v1 (+8 [-25, 42]) and worse than ppo on Pendulum-v1 (-9.0 [-12.0, -6.0])."
        )

    def test_of_a_message_it_says_what_learners_return(self):
        sentence = in_a_sentence(rows((-57, -72, -41), baseline="none", score="final_return"), "run", "none")
        assert (
            sentence
            == "By the final return learners that hear it return less than with zeros on CartPole-v1 (-57 [-72, -41])."
        )

    def test_a_baseline_has_none(self):
        assert in_a_sentence(rows((1, 0, 2)), "ppo", "ppo") == ""

    def test_a_comparison_goes_before_the_card_and_the_card_before_the_search(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        judged = [{"generation": n, "centre_fitness": 2.0 + n, "baseline_fitness": 7.0} for n in (0, 8)]
        run = make_run(tmp_path / "run", rows=judged)
        source = find_discovery("run")
        alone = verdict_of(source, None, study_of(source)).sentence
        assert "10 after 9 generations" in alone and "from 2 " in alone and "same seeds is 7" in alone
        (run.path / "README.md").write_text("# run\n\nIt is **good**.\n\n## Results\n\nMore.\n")
        assert "<strong>good</strong>" in verdict_of(source, None, study_of(source)).sentence
        results = Results("", [], (), None, (), {source.sha256: "It is better."})
        assert verdict_of(source, results, study_of(source)).sentence == "It is better."


class TestStudies:
    @pytest.mark.parametrize("name", published_names())
    def test_a_published_discovery_shows_what_its_card_says(self, name):
        study = study_of(find_discovery(name))
        assert study.verdict.startswith("<p>")
        assert "<!--" not in study.sections and "](" not in study.sections and "Closed form</h3>" not in study.sections

    def test_a_table_of_differences_becomes_a_verdict(self):
        verdict = study_of(find_discovery("value_loss_cartpole")).verdict
        assert "better than squared_error on CartPole-v1 (" in verdict
        assert "worse than squared_error on Acrobot-v1" in verdict

    def test_a_card_cannot_bring_html_into_the_page(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        run = make_run(tmp_path / "run")
        (run.path / "README.md").write_text("# run\n\n<script>alert(1)</script>It.\n\n## Results\n\n<img src=x>\n")
        study = study_of(find_discovery("run"))
        assert "<script" not in study.verdict and "<img" not in study.sections


class TestForms:
    def test_forms_are_typeset(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        make_run(tmp_path / "run")
        form = {"expression": ["square", "error"], "latex": r"\delta^{2}", "relative_error": 0.25}
        write_forms(tmp_path / "forms", source="run", value={"closest": "plain", "forms": {"plain": form}})
        part = forms_of(find_discovery("run"), tmp_path / "forms", tmp_path / "forms").content["parts"]["value"]
        assert part["closest"] == typeset(r"\delta^{2}") and part["error"] == "25.0%"
        assert "<msup>" in part["forms"][0][2]

    @pytest.mark.parametrize("latex", [None, 3, r"\frac{", "x" * 10_000])
    def test_what_cannot_be_typeset_stays_text(self, latex, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        make_run(tmp_path / "run")
        form = {"expression": ["square", "error"], "text": "error**2", "latex": latex}
        write_forms(tmp_path / "forms", source="run", value={"closest": "plain", "forms": {"plain": form}})
        part = forms_of(find_discovery("run"), tmp_path / "forms", tmp_path / "forms").content["parts"]["value"]
        assert part["forms"][0][1] == "error**2" and not part["forms"][0][2]


def test_absolute_paths_are_shortened_to_their_last_part():
    assert without_paths([("Victims minimise", "/home/me/runs/loss@640"), ("Environments", "gymnax/CartPole-v1")]) == [
        ("Victims minimise", "loss@640"), ("Environments", "gymnax/CartPole-v1")
    ]  # fmt: skip
    assert (
        without_paths("objective: /a/b c\nsteps / s\nhttps://example.org/x")
        == "objective: b c\nsteps / s\nhttps://example.org/x"
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lpo_drift_classic", ("--objectives ppo lpo_drift_classic", "--seeds 64")),
        ("mfos_ipd_lola", ("--players mfos_ipd_lola", "--opponents lola --games ipd")),
        ("talk_cartpole_harm", ("--talkers random:0", "--envs gymnax/CartPole-v1")),
    ],
)
def test_the_comparison_that_fits_is_suggested(name, words):
    quoted = {"objective": name, "config": name, "evaluation": "out"}
    command = compare_command(find_discovery(name), quoted)
    assert command.startswith("metadisco evaluate \\\n") and command.endswith("--output out")
    assert all(each in command for each in words)
