"""The header of an exported file describes the meta-training."""

import ast
import json

import pytest
from exporting import FORMS, export

from metadisco.config import parse_config
from metadisco.discoveries.artefact import read_artefact
from metadisco.discoveries.sources import find_source
from metadisco.storage.package import ARTEFACT, write_package
from metadisco.storage.runs import RunDirectory


def settings(text):
    """Return the settings in the header by environment; empty if there are none."""
    head = " ".join(ast.get_docstring(ast.parse(text)).split())
    if "discovered with these settings" not in head:
        return {}
    listed = head.partition("these settings of PPO: - ")[2].partition(" Usage:")[0]
    return dict(item.split(": ", 1) for item in listed.split(" - "))


@pytest.fixture
def run_of(place, learned):
    """(inner) -> a run with these settings."""

    def run_of(inner):
        run = RunDirectory(place / "run")
        section = {"parametrisation": RunDirectory(find_source(learned).run.path).config().parametrisation}
        run.create(parse_config({**section, "inner": inner}))
        run.centre_path(7).parent.mkdir()
        run.centre_path(7).write_bytes(find_source(learned).centre.read_bytes())
        return run

    return run_of


def head_of(name, place, *words, target="numpy"):
    export(str(name), target, place / "a.py", *words)
    return (place / "a.py").read_text()


SEVERAL = {
    "ppo": {"value_coef": 0.25, "num_envs": 8, "num_steps": 32, "num_minibatches": 2, "num_env_steps": 32_800},
    "envs": [
        {"env": "gymnax/CartPole-v1", "ppo": {"learning_rate": 0.005, "anneal_learning_rate": False}},
        {
            "env": "gymnax/Pendulum-v1",
            "env_settings": {"g": 9.0},
            "ppo": {"num_env_steps": 49_152, "gamma": 0.9, "value_coef": 1, "normalise_advantages": "batch",
                    "normalise_rewards": True, "num_epochs": 10, "entropy_coef": 0.0},
        },
    ],
}  # fmt: skip


class TestSeveralEnvironments:
    @pytest.fixture
    def text(self, run_of, place):
        return head_of(run_of(SEVERAL).path, place)

    def test_what_they_share_is_said_once(self, text):
        found = settings(text)
        assert list(found) == ["everywhere", "gymnax/CartPole-v1", "gymnax/Pendulum-v1 (g 9.0)"]
        for words in ["8 environments x 32 steps", "lambda 0.95", "max_grad_norm 0.5", "observations as they are"]:
            assert [words in each for each in found.values()] == [True, False, False]

    def test_each_has_its_own(self, text):
        _, cartpole, pendulum = settings(text).values()
        for words in ["32,768 environment steps", "learning rate 0.005, not annealed", "value_coef 0.25",
                      "gamma 0.99", "4 epochs x 2 minibatches", "per minibatch", "entropy_coef 0.01"]:  # fmt: skip
            assert words in cartpole
            assert words not in pendulum
        for words in ["49,152 environment steps", "learning rate 0.00025, annealed to 0", "value_coef 1", "gamma 0.9",
                      "10 epochs x 2 minibatches", "per batch", "entropy_coef 0,", "rewards normalised"]:  # fmt: skip
            assert words in pendulum

    def test_no_single_one_is_told_where_they_differ(self, text):
        usage = text.partition("Usage:")[2].partition('"""')[0]
        assert "0.25 during meta-training" not in usage
        assert "standardised per minibatch during meta-training" not in usage

    def test_an_artefact_of_it_says_the_same(self, run_of, place, text):
        export(str(place / "run"), "artefact", place / "a.zip")
        assert settings(head_of(place / "a.zip", place, "--force")) == settings(text)

    @pytest.mark.parametrize("target", ["jax", "torch"])
    def test_so_do_files_of_other_languages(self, place, text, target):
        assert settings(head_of(place / "run", place, "--force", target=target)) == settings(text)


class TestOneEnvironment:
    def test_all_is_said_of_it(self, run_of, place):
        inner = {"env": "gymnax/Acrobot-v1", "ppo": {"num_env_steps": 1024, "value_coef": 0.7, "max_grad_norm": None}}
        text = head_of(run_of(inner).path, place)
        ((env, found),) = settings(text).items()
        assert env == "gymnax/Acrobot-v1"
        for words in ["1,024 environment steps", "value_coef 0.7", "gradients not clipped", "gamma 0.99"]:
            assert words in found
        assert "Choose value_coef yourself (0.7 during meta-training)" in text

    def test_one_that_is_listed_is_set_as_it_is_there(self, run_of, place):
        envs = [{"env": "gymnax/Acrobot-v1", "ppo": {"value_coef": 0.7, "normalise_advantages": "none"}}]
        text = head_of(run_of({"ppo": {"value_coef": 0.1}, "envs": envs}).path, place)
        assert "Choose value_coef yourself (0.7 during meta-training)" in text
        assert "not standardised during meta-training" in text

    def test_a_closed_form_of_it_was_found_with_the_same(self, run_of, place):
        run = run_of({"ppo": {"num_env_steps": 1024}})
        (run.path / "distilled").mkdir()
        (run.path / "distilled" / "distilled.json").write_text(json.dumps(FORMS))
        network = settings(head_of(run.path, place))
        assert settings(head_of(run.path, place, "--form", "closed", "--force")) == network != {}


class TestWhatIsNotKnown:
    def test_nothing_is_said_of_a_closed_objective(self, place):
        text = head_of("dpo", place)
        assert settings(text) == {} and "during meta-training" not in text

    @pytest.mark.parametrize(
        "inner", [None, 3, {}, {"ppo": {"of_long_ago": 1}}, {"envs": [{"env": "x", "ppo": {"a": 1}}]}]
    )
    def test_settings_of_another_version_are_left_out(self, run_of, place, inner):
        export(str(run_of({}).path), "artefact", place / "a")
        artefact = read_artefact(place / "a")
        if inner != {}:  # which is that of an artefact by somebody else
            artefact.data["trained_on"]["inner"] = inner
        else:
            del artefact.data["trained_on"]["inner"]
        write_package(place / "a", ARTEFACT, artefact.data, artefact.arrays, force=True)
        text = head_of(place / "a", place)
        assert settings(text) == {} and "usually standardised" in text


def test_forms_that_were_distilled_from_another_objective_are_not_taken_for_its_own(run_of, place, capsys):
    from refusals import assert_refused

    run = run_of({})
    (run.path / "distilled").mkdir()
    file = run.path / "distilled" / "distilled.json"
    words = ["export", "run", "--form", "closed", "--to", "numpy", "--output", "a.py"]
    file.write_text(json.dumps({**FORMS, "source_sha256": "0" * 64}))
    assert_refused(words, ["--form", "another objective", "distil this one"], capsys)
    file.write_text(json.dumps({**FORMS, "source_sha256": find_source("run").sha256}))
    export("run", "numpy", place / "a.py", "--form", "closed")


def test_what_clips_no_more_is_named(place):
    assert "--clip-coef" in head_of("ppo", place, target="torch") and "--clip-vloss" in (place / "a.py").read_text()
    assert "CLIP_EPS" in head_of("ppo", place, "--force", target="jax")
