"""`metadisco train`, in this process."""

import json

import jax
import numpy as np
import pytest
from refusals import assert_refused

from metadisco.cli import main
from metadisco.config import parse_config
from metadisco.parametrisations import ValueLoss
from metadisco.storage.arrays import to_arrays
from metadisco.storage.runs import RunDirectory

TINY = (
    "inner.env_settings.max_steps_in_episode=20",
    "inner.ppo.num_envs=2",
    "inner.ppo.num_steps=8",
    "inner.ppo.num_env_steps=130",  # eight updates of 16
    "inner.ppo.num_minibatches=2",
    "inner.ppo.hidden_sizes=[8]",
    "inner.ppo.learning_rate=0.05",
    "inner.ppo.num_evaluation_episodes=2",
    "outer.chunk_size=1",
)
GRID = ("inner.ppo.learning_rate=[0.05,1e38]", "inner.ppo.gamma=[0.9,0.99]")  # the second rate ends in infinities


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    """Return a function that trains tiny agents and gives the JSON; the same words are trained once."""
    folder = tmp_path_factory.mktemp("trained")
    known: dict[tuple[str, ...], dict] = {}

    def trained(*words: str, objective: str = "ppo", seeds: int = 2) -> dict:
        key = (*words, objective, str(seeds))
        if key not in known:
            path = folder / f"{len(known)}.json"
            command = ["train", "--objective", objective, "--env", "gymnax/CartPole-v1", "--seeds", str(seeds)]
            assert main([*command, *TINY, *words, "--output", str(path), "--quiet"]) == 0
            text = path.read_text()
            assert "NaN" not in text
            assert "Infinity" not in text
            known[key] = json.loads(text)
        return known[key]

    return trained


class TestTrain:
    def test_json_says_what_was_trained_and_how_it_went(self, train):
        result = train()
        assert result["objective"] == "ppo"
        assert result["env"] == "gymnax/CartPole-v1"
        assert result["seeds"] == [0, 1]
        assert result["env_steps"] == [16 * (update + 1) for update in range(8)]
        assert [len(curve) for curve in result["curve"]] == [8, 8]
        assert all(1 <= value <= 20 for value in result["final_return"])

    def test_updates_in_which_no_episode_finished_are_null(self, train):
        """A pole does not fall in fewer than eight steps, which is one update."""
        for curve in train()["curve"]:
            assert curve[0] is None
            assert all(8 <= value <= 20 for value in curve if value is not None)
            assert any(value is not None for value in curve)

    @pytest.mark.slow
    def test_the_same_seed_gives_the_same_numbers_whatever_the_number_of_seeds(self, train):
        two, three = train(seeds=2), train(seeds=3)
        assert three["final_return"][:2] == two["final_return"]
        assert three["curve"][:2] == two["curve"]

    def test_seeds_differ(self, train):
        assert train()["curve"][0] != train()["curve"][1]

    def test_another_meta_seed_gives_other_numbers(self, train):
        assert train("seed=1")["curve"] != train()["curve"]

    @pytest.mark.slow
    def test_lists_for_single_values_span_a_grid(self, train):
        result = train(*GRID)
        assert "final_return" not in result
        points = {tuple(point["settings"].values()): point for point in result["grid"]}
        assert list(points) == [(0.05, 0.9), (0.05, 0.99), (1e38, 0.9), (1e38, 0.99)]
        assert set(result["grid"][0]["settings"]) == {"inner.ppo.gamma", "inner.ppo.learning_rate"}
        alone = train()  # gamma is 0.99 when it is left out
        assert points[0.05, 0.99]["curve"] == alone["curve"]
        assert points[0.05, 0.99]["final_return"] == alone["final_return"]
        assert points[0.05, 0.9]["curve"] != alone["curve"]

    @pytest.mark.slow
    def test_agents_whose_numbers_became_infinite_have_a_return_of_null(self, train):
        failed = [point["final_return"] for point in train(*GRID)["grid"][2:]]
        assert failed == [[None, None], [None, None]]

    def test_a_summary_goes_to_stdout_and_the_seeds_where_asked_for(self, capsys):
        command = ["train", "--objective", "ppo", "--env", "gymnax/CartPole-v1", "--seeds", "2", "--verbose"]
        assert main([*command, *TINY]) == 0
        out, err = capsys.readouterr()
        assert "┃ seed " in out
        assert "mean (95 %)" in out and "interquartile mean" in out and "range" in out
        assert "training 1/1" in err

    @pytest.mark.slow
    def test_a_table_of_the_grid_goes_to_stdout_best_first(self, capsys):
        command = ["train", "--objective", "ppo", "--env", "gymnax/CartPole-v1", "--seeds", "2"]
        assert main([*command, *TINY, *GRID]) == 0
        out, err = capsys.readouterr()
        assert "ppo on gymnax/CartPole-v1, 2 seeds" in out
        assert out.rindex(" 0.05 ") < out.index("1e+38")
        assert "Traceback" not in err

    @pytest.mark.slow
    def test_a_list_of_lists_is_a_grid_where_a_list_is_meant(self, train):
        result = train("inner.ppo.hidden_sizes=[[8],[4,4]]")
        assert [point["settings"]["inner.ppo.hidden_sizes"] for point in result["grid"]] == [[8], [4, 4]]
        assert result["grid"][0]["curve"] == train()["curve"]
        assert result["grid"][1]["curve"] != train()["curve"]

    @pytest.mark.slow
    def test_constants_of_the_objective_are_settings_too(self, train):
        clipped = train("objective.clip_eps=[0.2,1e-6]")
        assert clipped["grid"][0]["curve"] == train()["curve"]
        assert clipped["grid"][1]["curve"] != train()["curve"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with two centres: the first is the squared error, the second a loss that blows up."""
    parametrisation = ValueLoss(hidden_sizes=(8,))
    params = parametrisation.init(jax.random.key(0))
    run = RunDirectory(tmp_path_factory.mktemp("runs") / "run")
    run.create(parse_config({"parametrisation": {"name": "value_loss", "hidden_sizes": [8]}}))
    run.write_centre(0, to_arrays(params))
    run.write_centre(8, to_arrays(jax.tree.map(lambda leaf: leaf + np.float32(np.nan), params)))
    return run.path


class TestTrainWithARun:
    @pytest.mark.slow
    def test_its_newest_centre_is_trained_with(self, run, train):
        result = train(objective=str(run))
        assert result["objective"] == str(run)
        assert result["final_return"] == [None, None]

    @pytest.mark.slow
    def test_a_generation_is_trained_with_by_an_at_sign(self, run, train):
        """A search starts at the squared error: the same numbers as PPO without value clipping."""
        found, plain = train(objective=f"{run}@0"), train("objective.value_clip_eps=null")
        assert None not in found["final_return"]
        np.testing.assert_allclose(found["final_return"], plain["final_return"], rtol=1e-5)

    def test_what_is_no_objective_is_refused(self, tmp_path, capsys):
        words = ["--env", "gymnax/CartPole-v1", "--output", str(tmp_path / "x.json")]
        for objective in (str(tmp_path), "nowhere", f"{tmp_path}@3"):
            assert_refused(["train", "--objective", objective, *words], [], capsys)
        assert list(tmp_path.iterdir()) == []

    def test_constants_of_a_run_cannot_be_set(self, run, capsys):
        words = ["--env", "gymnax/CartPole-v1", "--quiet", "objective.clip_eps=0.1"]
        assert_refused(["train", "--objective", str(run), *words], ["clip_eps cannot be set"], capsys)
