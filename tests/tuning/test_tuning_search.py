"""Training, records and results of a search: halving, resumption, seeds, failures, and the seeds of each evaluation."""

import json

import numpy as np
import pytest
from made_up import BEST, plan_of, search

from metadisco.config import parse_config
from metadisco.config.text import parse_yaml
from metadisco.errors import UserError
from metadisco.tuning.trials import BASE
from metadisco.tuning.written import best_config

HALVING = {"halving": {"num_seeds": [2, 8, 32], "keep": 0.25}, "num_settings": 32, "batch": 8}


def test_halving_spends_what_it_says_and_trains_no_seed_twice(tmp_path):
    plan = plan_of(**HALVING)
    _, trainer = search(plan, tmp_path / "out", noise=0.1)
    assert plan.survivors == [32, 8, 2]
    assert plan.lifetimes == {"search": 32 * 2 + 8 * 6 + 2 * 24, "choice": 2 * 2, "report": 2 * 3}
    assert trainer.num_agents == plan.lifetimes
    trained = [
        (number, seed)
        for job in trainer.jobs
        if job.stage == "search"
        for number in job.numbers
        for seed in range(*job.seeds)
    ]
    assert len(set(trained)) == len(trained)


def test_halving_goes_on_with_the_best(tmp_path):
    tuned, trainer = search(plan_of(**HALVING), tmp_path / "out")
    scores = np.array([trial.score for trial in tuned.trials["ppo"]])
    last = {number for job in trainer.jobs if job.seeds == (8, 32) for number in job.numbers}
    assert last == set(np.argsort(scores)[-2:])


@pytest.mark.parametrize("sampler", ["tpe", "cma_es", "random", "quasi_random"])
def test_a_stopped_search_goes_on_to_the_same_end(sampler, tmp_path):
    data = {"sampler": sampler, "num_settings": 16, "batch": 8, "num_seeds": 2, "objectives": ["ppo", "dpo"]}
    whole, trainer = search(plan_of(**data), tmp_path / "whole", noise=0.1)
    for stop_after in (0, 2, 1):
        with pytest.raises(KeyboardInterrupt):
            search(plan_of(**data), tmp_path / "stopped", noise=0.1, stop_after=stop_after)
    parts, rest = search(plan_of(**data), tmp_path / "stopped", noise=0.1)
    assert len(rest.jobs) == len(trainer.jobs) - 3
    assert parts.frame().equals(whole.frame())
    for name in ("trials.jsonl", "results.json", "space.yaml", "best_ppo.yaml", "best_dpo.yaml", "study.journal"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_a_torn_line_is_trained_again(tmp_path):
    plan = plan_of(num_settings=8, batch=4, num_seeds=2)
    _, trainer = search(plan, tmp_path / "out", noise=0.1)
    file = tmp_path / "out" / "trials.jsonl"
    results = (tmp_path / "out" / "results.json").read_bytes()
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:7]) + lines[7][:20])  # in the middle of the second batch
    _, again = search(plan, tmp_path / "out", noise=0.1)
    assert [job.stage for job in trainer.jobs] == ["search", "search", "choice", "report"]
    assert again.jobs == trainer.jobs[1:]
    assert (tmp_path / "out" / "results.json").read_bytes() == results


def test_a_finished_search_trains_nothing_anew(tmp_path):
    plan = plan_of(num_settings=8, num_seeds=2)
    first, _ = search(plan, tmp_path / "out", noise=0.1)
    again, trainer = search(plan, tmp_path / "out", noise=0.1)
    assert trainer.jobs == []
    assert again.frame().equals(first.frame())


def test_failed_lifetimes_count_as_the_worst(tmp_path):
    plan = plan_of(num_settings=16, num_seeds=2)
    tuned, _ = search(plan, tmp_path / "out", fails=lambda values: values["inner.ppo.gae_lambda"] > 0.5)
    failed = tuned.frame()["inner.ppo.gae_lambda"] > 0.5
    scores = tuned.frame()["score"]
    assert 0 < failed.sum() < 16
    assert (scores[failed] == scores[~failed].min()).all()
    rows = [json.loads(line) for line in (tmp_path / "out" / "trials.jsonl").read_text().splitlines()[1:]]
    assert any(None in row["area_under_curve"] for row in rows)


def test_everything_may_fail(tmp_path):
    tuned, _ = search(plan_of(num_settings=8, num_seeds=2), tmp_path / "out", fails=lambda values: True)
    assert np.isfinite(tuned.frame()["score"]).all()


def test_the_winner_is_chosen_on_other_seeds_and_judged_on_a_third_set(tmp_path):
    plan = plan_of(num_settings=16, num_seeds=2, num_finalists=4, num_choice_seeds=5, num_report_seeds=6)
    tuned, trainer = search(plan, tmp_path / "out", noise=0.3)
    assert [(job.seeds, len(job.numbers)) for job in trainer.jobs if job.stage != "search"] == [
        ((0, 5), 4),
        ((0, 6), 2),
    ]
    judged = tuned.judged["ppo"]
    assert len(judged.finalists) == 4
    assert judged.choice == max(each["choice"] for each in judged.finalists)
    assert [each["search"] for each in judged.finalists] == sorted(
        (t.score for t in tuned.trials["ppo"]), reverse=True
    )[:4]
    assert judged.report.shape == judged.base.shape == (6, 1)
    assert trainer.jobs[-1].numbers[1] == BASE and trainer.jobs[-1].values[1] == {}


def test_one_finalist_needs_no_choice(tmp_path):
    tuned, trainer = search(plan_of(num_settings=8, num_seeds=2, num_finalists=1), tmp_path / "out")
    assert {job.stage for job in trainer.jobs} == {"search", "report"}
    assert tuned.judged["ppo"].choice is None


def test_objectives_get_equal_budgets_and_their_own_constants(tmp_path):
    space = {
        "inner.ppo.learning_rate": {"log": [1e-4, 1e-1]},
        "inner.ppo.gae_lambda": {"linear": [0, 1]},
        "objective.clip_eps": {"linear": [0.1, 0.4]},
        "objective.alpha": {"linear": [1.0, 3.0], "for": "dpo"},
    }
    plan = plan_of(space=space, objectives=["ppo", "dpo", "lpo_drift_classic"], num_settings=8, num_seeds=2)
    tuned, trainer = search(plan, tmp_path / "out")
    spent = {
        name: sum(len(job.numbers) * job.num_seeds for job in trainer.jobs if job.objective == name)
        for name in plan.ranges
    }
    assert len(set(spent.values())) == 1
    own = {name: set(tuned.best(name)) - BEST.keys() for name in plan.ranges}
    assert own == {"ppo": {"objective.clip_eps"}, "dpo": {"objective.alpha"}, "lpo_drift_classic": set()}


def test_several_environments_are_averaged_on_a_scale(tmp_path):
    envs = [
        {"env": "gymnax/CartPole-v1", "reference": {"random": -1.0, "ppo": 1.0}},
        {"env": "gymnax/Acrobot-v1", "reference": {"random": -1.0, "ppo": 0.0}},
    ]
    plan = plan_of(inner={"envs": envs}, num_settings=8, num_seeds=2)
    tuned, trainer = search(plan, tmp_path / "out")
    assert {job.env for job in trainer.jobs} == {"gymnax/CartPole-v1", "gymnax/Acrobot-v1"}
    values = tuned.trials["ppo"][0].values
    raw = -sum((each.position(values[each.key]) - BEST[each.key]) ** 2 for each in plan.ranges["ppo"])
    assert tuned.trials["ppo"][0].score == pytest.approx(((raw + 1) / 2 + (raw + 1)) / 2)


def test_another_space_is_refused_in_the_same_folder(tmp_path):
    search(plan_of(num_settings=8, num_seeds=2), tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir() if path.is_file()}
    for other in ({"num_settings": 9}, {"seed": 1}, {"inner": {"ppo": {"gamma": 0.9}}}):
        with pytest.raises(UserError, match="another search"):
            search(plan_of(**{"num_settings": 8, "num_seeds": 2, **other}), tmp_path / "out")
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir() if path.is_file()} == before


def test_a_folder_with_files_of_something_else_is_refused(tmp_path):
    for name, content in {"results.json": "{}", "trials.jsonl": "mine", "trials.jsonl ": "{}\n"}.items():
        folder = tmp_path / name.replace(" ", "_")
        folder.mkdir()
        (folder / name.strip()).write_text(content)
        with pytest.raises(UserError, match="output: "):
            search(plan_of(num_settings=8, num_seeds=2), folder)
        assert [path.read_text() for path in folder.iterdir()] == [content]


def test_a_header_that_was_torn_is_written_again(tmp_path):
    plan = plan_of(num_settings=8, num_seeds=2)
    search(plan, tmp_path / "whole", noise=0.1)
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "trials.jsonl").write_bytes((tmp_path / "whole" / "trials.jsonl").read_bytes()[:50])
    search(plan, tmp_path / "torn", noise=0.1)
    assert (tmp_path / "torn" / "trials.jsonl").read_bytes() == (tmp_path / "whole" / "trials.jsonl").read_bytes()


@pytest.mark.parametrize(
    "envs", [["gymnax/CartPole-v1"], ["gymnax/Acrobot-v1"], ["gymnax/CartPole-v1", "gymnax/Acrobot-v1"]]
)
def test_the_best_settings_are_a_config_with_the_environments_of_the_search(envs):
    inner = {"env": "gymnax/CartPole-v1", "env_settings": {"max_steps_in_episode": 50}}
    plan = plan_of(envs=envs, inner=inner)
    text = best_config(plan, {"inner.ppo.learning_rate": 0.02, "inner.ppo.gae_lambda": 0.5})
    config = parse_config(parse_yaml(text))
    assert {task.env: task.env_settings for task in config.tasks} == {
        env: {"max_steps_in_episode": 50} if "CartPole" in env else {} for env in envs
    }
    assert {(task.ppo.learning_rate, task.ppo.gae_lambda) for task in config.tasks} == {(0.02, 0.5)}


def test_optuna_reads_the_journal(tmp_path):
    import optuna

    tuned, _ = search(plan_of(num_settings=12, num_seeds=2), tmp_path / "out")
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "out" / "study.journal"))
    study = optuna.load_study(study_name="ppo", storage=optuna.storages.JournalStorage(backend))
    assert [trial.value for trial in study.trials] == [trial.score for trial in tuned.trials["ppo"]]
    assert study.best_trial.params == max(tuned.trials["ppo"], key=lambda trial: trial.score).values


def test_what_matters_is_named_first(tmp_path):
    space = {
        "inner.ppo.entropy_coef": {"linear": [0, 0.1]},
        "inner.ppo.learning_rate": {"log": [1e-4, 1e-1]},
        "inner.ppo.gae_lambda": {"linear": [0, 1]},
    }
    tuned, _ = search(plan_of(space=space, num_settings=64, num_seeds=1), tmp_path / "out")
    names = list(tuned.judged["ppo"].importances)
    assert set(names[:2]) == set(BEST) and sum(tuned.judged["ppo"].importances.values()) == pytest.approx(1)
