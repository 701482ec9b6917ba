"""Opponent shaping as a problem of the outer loop: fitness, tasks, self-play, and runs that repeat to the bit."""

from pathlib import Path

import jax
import numpy as np
import pytest
from processes import Process, assert_same_run, centres_of, rows_of

import metadisco
from metadisco.cli import main
from metadisco.config import parse_config, write_yaml
from metadisco.inner.games.lifetime import play_lifetimes
from metadisco.problems import make_problem
from metadisco.problems.players import as_player

OPPONENTS = ["naive", "tit_for_tat"]
NUM_GENERATIONS = 4
SELF_PLAY = {"from_share": 1.0, "to_share": 0.5, "over_generations": 2}


def config_of(**problem):
    return {
        "problem": {"name": "opponent_shaping", "opponents": OPPONENTS, **problem},
        "parametrisation": {"name": "meta_policy", "hidden_sizes": [4]},
        "inner": {"horizon": 3, "num_opponents": 8},
        "outer": {
            "num_generations": NUM_GENERATIONS, "num_devices": 1, "chunk_size": 1, "evaluate_every": 2,
            "checkpoint_every": 2, "strategy": {"population_size": 4, "std": 0.3},
        },
    }  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a folder with a run in which members also play against the centre, on one device."""
    assert jax.device_count() == 2  # started as other tests do, whichever test comes first
    path = tmp_path_factory.mktemp("shaping")
    (path / "self_play.yaml").write_text(write_yaml(config_of(self_play=SELF_PLAY)))
    assert main(["evolve", str(path / "self_play.yaml"), "--run", str(path / "run"), "--quiet"]) == 0
    return path


def test_fitness_is_the_mean_reward_against_each_opponent(getkey):
    problem = make_problem(parse_config(config_of()))
    assert [task.name for task in problem.tasks] == OPPONENTS
    assert problem.env_steps == 3 * 8 * len(OPPONENTS)
    key, meta_params = getkey(), problem.init(getkey())

    @jax.jit
    def both(key):
        player = as_player(problem.parametrisation.bind(meta_params))
        keys = jax.random.split(key, len(OPPONENTS))
        played = [
            play_lifetimes(key, player, opponent, problem.game, 3, 8)
            for key, opponent in zip(keys, problem.opponents, strict=True)
        ]
        return problem.evaluate(key, meta_params), played

    found, played = both(key)
    np.testing.assert_allclose(found.fitness, [each.own.mean() for each in played], rtol=1e-6)
    rewards = np.mean([each.other.mean() for each in played])
    np.testing.assert_allclose(found.metrics["opponent_reward"], rewards, rtol=1e-6)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"problem": {"opponents": []}}, "problem.opponents: got none"),
        ({"problem": {"opponents": [{"name": "naive:learning_rate=2", "learning_rate": 3}]}}, "a setting of .* twice"),
        ({"problem": {"opponents": ["lola:form=exact,form=first_paper"]}}, "a setting of .* twice"),
        ({"problem": {"game": "imp", "self_play": {}}}, "problem.self_play: got the game imp, allowed: one that is"),
        ({"parametrisation": {"num_states": 3}}, "parametrisation.num_states: got 3, allowed: 5, or null"),
        ({"problem": {"seat": True}}, "problem.seat: got True, allowed: a whole number"),
        ({"problem": {"seat": 3}}, "problem.seat: got 3, allowed: a number at most 2"),
        ({"inner": {"horizon": 2**31 - 1}}, "inner.horizon: got 2147483647, allowed: a number at most 16777216"),
    ],
)
def test_a_problem_that_makes_no_sense_is_refused(changed, told):
    sections = config_of()
    for name, section in changed.items():
        sections[name] = {**sections[name], **section}
    with pytest.raises(metadisco.UserError, match=told):
        make_problem(parse_config(sections))


class TestSelfPlay:
    def test_the_share_of_the_opponents_falls_as_it_is_told_whatever_the_length_of_the_run(self, folder):
        assert [row["metrics/opponent_share"] for row in rows_of(folder / "run")] == [1, 0.75, 0.5, 0.5]

    def test_fitness_is_both_rewards_weighted_by_the_share(self, folder):
        for row in rows_of(folder / "run"):
            share = row["metrics/opponent_share"]
            opponents, centre = row["metrics/reward_against_opponents"], row["metrics/reward_against_centre"]
            np.testing.assert_allclose(row["fitness_mean"], share * opponents + (1 - share) * centre, rtol=1e-5)
            assert opponents != centre

    def test_the_centre_is_judged_on_both_apart(self, folder):
        judged = [row for row in rows_of(folder / "run") if "centre_fitness" in row]
        assert [row["generation"] for row in judged] == [1, 3]
        for row in judged:
            assert row["centre/reward_against_opponents"] != row["centre/reward_against_centre"]
            assert -3 < row["centre/reward_against_centre"] < 0

    def test_every_opponent_is_a_task(self, folder):
        for row in rows_of(folder / "run"):
            assert {f"fitness_mean/{name}" for name in OPPONENTS} <= row.keys()


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(folder, tmp_path):
    words = ["evolve", str(folder / "self_play.yaml"), "--run", str(tmp_path / "run"), "--quiet"]
    for generations in (2, NUM_GENERATIONS):
        assert main([*words, f"outer.num_generations={generations}"]) == 0
    assert_same_run(tmp_path / "run", folder / "run")


@pytest.mark.ordinary
def test_two_devices_give_the_bits_of_one(folder, tmp_path):
    words = ["outer.num_devices=2", "--run", str(tmp_path / "run"), "--quiet"]
    assert main(["evolve", str(folder / "self_play.yaml"), *words]) == 0
    assert rows_of(tmp_path / "run") == rows_of(folder / "run")
    assert centres_of(tmp_path / "run") == centres_of(folder / "run")


@pytest.mark.slow
def test_two_processes_give_the_bits_of_one(folder, tmp_path):
    words = ["outer.num_devices=2", "--processes", "2", "--run", str(tmp_path / "run")]
    with Process(["evolve", str(folder / "self_play.yaml"), *words], tmp_path) as process:
        code, out, err = process.finish()
    assert (code, out) == (0, ""), err
    assert rows_of(tmp_path / "run") == rows_of(folder / "run")
    assert centres_of(tmp_path / "run") == centres_of(folder / "run")


def test_what_a_run_has_found_is_a_meta_policy(folder):
    meta_state = jax.numpy.linspace(0, 1, 10)
    for generation, name in ((None, "run"), (2, "run@2")):
        bound, loaded = metadisco.Run(folder / "run").bound(generation), metadisco.load_meta_policy(folder / name)
        logits, memory = bound.act(meta_state, bound.initial_memory())
        assert logits.shape == (5,)
        assert memory == ()
        np.testing.assert_array_equal(logits, loaded.act(meta_state, loaded.initial_memory())[0])


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ppo", "found by objective_discovery, allowed: a meta-policy"),
        ("naive", "got 'naive', allowed: the path of a meta-policy's run or artefact"),
        ("run@3", "no centre was kept after generation 3"),
    ],
)
def test_what_is_no_meta_policy_is_not_loaded(name, told, folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(metadisco.UserError, match=told):
        metadisco.load_meta_policy(name)
