"""`metadisco evaluate --players`: outputs, resumption and refusals."""

import json
from dataclasses import replace
from shutil import copytree

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from refusals import assert_refused

import metadisco
from metadisco.cli import main
from metadisco.config import parse_config
from metadisco.discoveries.sources import find_discovery
from metadisco.evaluation import best_static as best_static_module
from metadisco.evaluation import controls, cross_table
from metadisco.evaluation.best_static import best_static
from metadisco.evaluation.controls import Budget, Shuffled, random_policy
from metadisco.evaluation.cross_results import read_results
from metadisco.evaluation.cross_table import Cell, rows_of
from metadisco.evaluation.lifetimes import PLAYING, seed_keys
from metadisco.evaluation.tables import in_markdown
from metadisco.inner.games import GAMES
from metadisco.inner.games.lifetime import play_lifetimes
from metadisco.inner.games.players import make_learner
from metadisco.parametrisations.meta_policy import FeedForwardPolicy
from metadisco.parametrisations.static_policy import StaticPolicy
from metadisco.problems.opponent_shaping import OpponentShaping
from metadisco.problems.players import as_player
from metadisco.reporting.parts import comparison_of
from metadisco.storage.arrays import to_arrays
from metadisco.storage.files import read_arrays
from metadisco.storage.runs import RunDirectory

IPD = GAMES["ipd"]
SMALL = ["--lifetimes", "8", "--horizon", "3"]
SMALL_SEARCH = Budget(StaticPolicy(), 2, controls._outer(2, 4, std=0.3, learning_rate=0.1))
GAME = "payoffs: {own: [3, 0, 5, 1], other: [3, 5, 0, 1]}\ngamma: 0.5\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on the prisoner's dilemma, with one centre."""
    policy = FeedForwardPolicy(hidden_sizes=(4,), start="random", num_states=5)
    section = {"name": "meta_policy", "hidden_sizes": [4], "num_states": 5}
    run = RunDirectory(tmp_path_factory.mktemp("runs") / "mfos")
    run.create(parse_config({"problem": {"name": "opponent_shaping"}, "parametrisation": section}))
    run.write_centre(0, to_arrays(policy.init(jax.random.key(1))))
    return run.path


def players_of(run):
    return ["all_defect", str(run), "best_static"]


def command(run, output):
    return ["evaluate", "--players", *players_of(run), "--opponents", "naive", *SMALL, "--output", str(output)]


@pytest.fixture(autouse=True)
def searches_are_small(monkeypatch):
    monkeypatch.setitem(controls.BUDGETS, "best_static", SMALL_SEARCH)


@pytest.fixture(scope="module")
def output(run, tmp_path_factory):
    output = tmp_path_factory.mktemp("evaluated") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(controls.BUDGETS, "best_static", SMALL_SEARCH)
        assert main([*command(run, output), "--quiet"]) == 0
    return output


@pytest.fixture(scope="module")
def results(output):
    return json.loads((output / "results.json").read_text())


def test_rewards_are_those_of_lifetimes_that_no_search_has_seen(results, run):
    naive = make_learner("naive", IPD.swapped)
    key = seed_keys(0, 1, PLAYING)[0]
    players = make_learner("all_defect", IPD), as_player(metadisco.load_meta_policy(run))
    for row, player in zip(results["rows"][:2], players, strict=True):
        outcome = jax.jit(lambda key, player=player: play_lifetimes(key, player, naive, IPD, 3, 8))(key)
        np.testing.assert_allclose(row["own"][0], outcome.own.mean(), rtol=1e-5)
        np.testing.assert_allclose(row["other"][0], outcome.other.mean(), rtol=1e-5)


def test_every_pair_is_compared_with_the_baseline_on_the_same_lifetimes(results, output, run):
    assert [row["player"] for row in results["rows"]] == players_of(run)
    assert results["baseline"] == "all_defect"
    assert results["rows"][0]["difference"] is None
    own, other = results["rows"][0]["own"][0], results["rows"][0]["other"][0]
    for row in results["rows"][1:]:
        np.testing.assert_allclose(row["difference"][0], row["own"][0] - own, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(row["other_difference"][0], row["other"][0] - other, rtol=1e-5, atol=1e-7)
        for value, low, high in (row["own"], row["other"], row["difference"]):
            assert low < value < high
    tidy = pd.read_csv(output / "cross_table.csv")
    np.testing.assert_allclose(tidy["own"], [row["own"][0] for row in results["rows"]])


def test_tables_and_figures_are_written(output):
    table = (output / "table.md").read_text()
    for words in ("Players in seat 1", "reset: shaper", "**ipd: reward of the opponent**", "| mfos |", "minus all_def"):
        assert words in table
    assert {path.name for path in (output / "figures").iterdir()} == {"cross_table_ipd.png", "cross_table_ipd.svg"}


def test_a_report_shows_what_was_evaluated_of_its_run_alone(output, run, tmp_path):
    source = find_discovery(str(run))
    shown = comparison_of(source, None, output)
    assert in_markdown(shown.content.tables) in (output / "table.md").read_text()
    assert [file.name for file in shown.figures] == ["cross_table_ipd.png"]
    assert "8 lifetimes of 3 meta-steps" in shown.content.words and shown.note == ""
    another = RunDirectory(copytree(run, tmp_path / "mfos"))
    another.write_centre(0, {name: array + 1 for name, array in read_arrays(another.centre_path(0)).items()})
    left_out = comparison_of(find_discovery(str(another.path)), None, output)
    assert left_out.content is None and "another discovery" in left_out.note
    with pytest.raises(metadisco.UserError, match="another discovery"):
        comparison_of(find_discovery(str(another.path)), output, output)


@pytest.mark.parametrize("damage", ["{}", "[", '{"rows": [1]}', None])
def test_a_cross_table_that_cannot_be_read_is_told_of(damage, output, tmp_path):
    data = json.loads((output / "results.json").read_text())
    del data["rows"][0]["own"]
    (tmp_path / "results.json").write_text(json.dumps(data) if damage is None else damage)
    with pytest.raises(metadisco.UserError, match="holds no cross table"):
        read_results(tmp_path / "results.json")


class EvolvedError(Exception):
    """That it would have been evolved."""


class TestTheBestStaticStrategy:
    """Of a search, for its figure of training."""

    @staticmethod
    def of_search(folder, opponents=("naive",), horizon=3, **problem):
        problem = {"name": "opponent_shaping", "opponents": list(opponents), **problem}
        config, said = parse_config({"problem": problem, "inner": {"horizon": horizon}}), []
        return best_static(OpponentShaping.from_config(config), config, [folder], said.append), said

    def test_is_that_of_an_evaluation_with_the_same_rules(self, output, results, monkeypatch):
        monkeypatch.setattr(controls, "search", None)
        (row,) = (row for row in results["rows"] if row["player"] == "best_static")
        assert self.of_search(output, [{"name": "naive"}, "naive"]) == (row["own"][0], [])

    @pytest.mark.parametrize(
        "other", [{"horizon": 4}, {"reset": "players"}, {"game": "imp"}, {"opponents": ["tit_for_tat"]}]
    )
    def test_is_not_that_of_an_evaluation_with_others(self, other, output, monkeypatch):
        def evolve(*args):
            raise EvolvedError

        monkeypatch.setattr(best_static_module, "cross_table", evolve)
        with pytest.raises(EvolvedError):
            self.of_search(output, **({"opponents": ["half"]} if other.get("game") == "imp" else {}) | other)

    def test_is_evolved_where_there_is_none(self, results, tmp_path):
        found, said = self.of_search(tmp_path)
        (row,) = (row for row in results["rows"] if row["player"] == "best_static")
        assert found == pytest.approx(row["own"][0], abs=1)  # on 1024 lifetimes in place of 8
        assert len(said) == 1 and list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("slow", [{"opponents": ["naive", "best_response"]}, {"horizon": 10_000}])
    def test_is_left_out_where_that_takes_long(self, slow, tmp_path):
        assert self.of_search(tmp_path, **slow) == (None, [])


def test_what_is_there_is_neither_played_nor_evolved_again(output, run, monkeypatch, capsys):
    before = (output / "results.json").read_bytes()
    monkeypatch.setattr(cross_table, "play_lifetimes", None)
    monkeypatch.setattr(controls, "search", None)
    assert main(command(run, output)) == 0
    assert capsys.readouterr().err.count("kept from before") == 3
    assert (output / "results.json").read_bytes() == before


def test_a_control_that_was_evolved_is_kept_by_itself(output, run, monkeypatch, capsys):
    before = (output / "results.json").read_bytes()
    for path in (output / "cells").iterdir():
        if "own" in np.load(path):
            path.unlink()
    monkeypatch.setattr(controls, "search", None)
    assert main(command(run, output)) == 0
    assert "kept from before" not in capsys.readouterr().err
    assert (output / "results.json").read_bytes() == before


def test_a_game_of_ones_own_comes_from_a_file_and_is_called_by_its_name(place):
    (place / "own.yaml").write_text(GAME)
    found = metadisco.evaluate_players(
        "all_defect", ["all_cooperate", {"name": "static", "probabilities": [0, 0, 0, 0, 0]}], ["ipd", "own.yaml"], 2,
        horizon=1, reset="players", progress=False,
    )  # fmt: skip
    rewards = {(row.game, row.opponent): (row.own.value, row.other.value) for row in found.rows}
    both = "static:probabilities=[0, 0, 0, 0, 0]"
    expected = {
        ("ipd", "all_cooperate"): (0, -3), ("ipd", both): (-2, -2),
        ("own", "all_cooperate"): (5, 0), ("own", both): (1, 1),
    }  # fmt: skip
    assert rewards.keys() == expected.keys()
    for pair, wanted in expected.items():
        np.testing.assert_allclose(rewards[pair], wanted, atol=1e-5)
    assert found.frame().shape == (4, 17)
    assert len(found.lifetimes()) == 8
    assert "all_cooperate" in found._repr_html_()
    assert [path.name for path in place.iterdir()] == ["own.yaml"]


def test_lifetimes_that_failed_are_counted_and_left_out():
    own, other = np.array([1.0, 2.0, np.nan, 3.0]), np.array([0.0, 0.0, 0.0, 1.0])
    cells = [Cell("a", "x", "ipd", own, other), Cell("b", "x", "ipd", own + np.array([1, 1, 1, 2]), other)]
    first, second = rows_of(cells, "a")
    assert (first.own.value, first.failed, first.difference) == (2, 1, None)
    assert second.difference.mean == pytest.approx(4 / 3)


def begun(player, key):
    """Return the starts of two lifetimes."""
    return jax.vmap(lambda each: player.init(each, IPD), out_axes=-1)(jax.random.split(key))


def test_a_shuffled_meta_policy_looks_at_another_lifetime(run, getkey):
    naive, policy = make_learner("naive", IPD.swapped), as_player(metadisco.load_meta_policy(run))
    shuffled = Shuffled(policy, naive, IPD)
    start = begun(shuffled, getkey())
    played = [jnp.full((5, 2), x) for x in (-1.0, 0.0, 2.0)]
    after = [shuffled.update(start, own, other, IPD) for own, other in (played[:2], played[1:])]
    np.testing.assert_array_equal(shuffled.logits(after[0]), shuffled.logits(after[1]))
    there = policy.update(start.player, policy.logits(start.player), naive.logits(start.opponent), IPD)
    np.testing.assert_array_equal(shuffled.logits(after[0]), policy.logits(there))
    assert not np.array_equal(shuffled.logits(after[0]), shuffled.logits(start))


def test_a_random_meta_policy_has_other_weights_in_each_lifetime(getkey):
    player, seen = random_policy(IPD), jnp.ones((5, 2))
    logits = player.logits(player.update(begun(player, getkey()), seen, seen, IPD))
    assert logits.shape == (5, 2)
    assert not np.allclose(logits[:, 0], logits[:, 1])


@pytest.mark.parametrize("name", ["naive", "lola", "look_ahead", "best_response"])
def test_learners_start_as_far_apart_as_they_are_told(name, getkey):
    key = getkey()
    one, three = (make_learner({"name": name, "initial_std": std}, IPD) for std in (1.0, 3.0))
    np.testing.assert_allclose(three.logits(three.init(key, IPD)), 3 * one.logits(one.init(key, IPD)), rtol=1e-6)


NAIVE = ["--players", "naive", "--opponents", "naive"]
THREE = "payoffs: {own: [3, 0, 5], other: [3, 5, 0, 1]}\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--players", "naiv", "--opponents", "naive"], ["--players: got 'naiv'", "did you mean 'naive'"]),
        (["--players", "niave:learning_rate=2", "--opponents", "naive"], ["got 'niave'", "did you mean 'naive'"]),
        (["--players", "best_statc", "--opponents", "naive"], ["did you mean 'best_static'"]),
        (["--players", "naive", "naive", "--opponents", "naive"], ["--players: got 'naive' twice"]),
        (["--players", "naive", "--opponents", "best_static"], ["--opponents: got the control 'best_static'"]),
        (["--players", "ppo", "--opponents", "naive"], ["--players: got 'ppo', found by objective_discovery"]),
        (["--players", "shuffled:nowhere", "--opponents", "naive"], ["--players: got 'nowhere'", "meta-policy"]),
        (["--players", "three.yaml", "--opponents", "naive"], ["--players: got 'three.yaml', allowed: naive"]),
        (["--players", "", "--opponents", "naive"], ["--players: got '', allowed: naive"]),
        (["--players", "mfos_ipd@7", "--opponents", "naive"], ["--players:", "no centre was kept after generation 7"]),
        (["--players", "zero_determinant:chi=0.5", "--opponents", "naive"], ["chi: got 0.5", "at least 1"]),
        (["--players", "zero_determinant:chi=3,phi=0.9", "--opponents", "naive"], ["phi: got 0.9", "at most 0.142"]),
        (["--players", "RUN", "--opponents", "naive", "--games", "imp"], ["evolved for ipd", "players of imp"]),
        ([*NAIVE, "--games", "idp"], ["--games: got 'idp'", "did you mean 'ipd'"]),
        ([*NAIVE, "--games", "three.yaml"], ["games.payoffs.own", "four numbers"]),
        ([*NAIVE, "--games", "gamma.yaml"], ["games.gamma: got 1.0", "0.9999"]),
        ([*NAIVE, "--games", "nowhere.yaml"], ["--games: cannot read config 'nowhere.yaml'"]),
        ([*NAIVE, "--games", "ipd", "ipd"], ["--games: got 'ipd' twice"]),
        ([*NAIVE, "--lifetimes", "0"], ["--lifetimes: got 0"]),
        ([*NAIVE, "--horizon", "0"], ["--horizon: got 0"]),
        ([*NAIVE, "--reset", "never"], ["--reset: got 'never'", "shaper or players"]),
        ([*NAIVE, "--baseline", "lola"], ["--baseline: got 'lola'", "one of naive"]),
        ([*NAIVE, "--seeds", "3"], ["--seeds: got it beside --players, allowed: beside --objectives"]),
        (["seed=3", *NAIVE], ["KEY=VALUE: got it beside --players"]),
        ([*NAIVE, "--objectives", "ppo"], ["got --objectives and --players", "one of"]),
        (["--opponents", "naive"], ["got none", "--objectives", "--players"]),
        (["--players", "naive"], ["--opponents: got none"]),
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_written(words, told, run, place, capsys):
    (place / "three.yaml").write_text(THREE)
    (place / "gamma.yaml").write_text(GAME.replace("0.5", "1.0"))
    words = [str(run) if word == "RUN" else word for word in words]
    assert_refused(["evaluate", *words, "--output", "out"], told, capsys)
    assert sorted(path.name for path in place.iterdir()) == ["gamma.yaml", "three.yaml"]


@pytest.mark.parametrize(("opponent", "cooperates"), [("all_cooperate", False), ("tit_for_tat", True)])
def test_the_best_static_strategy_is_sought_from_the_best_nearly_pure_one(opponent, cooperates):
    problem = OpponentShaping.from_config(
        parse_config({"problem": {"name": "opponent_shaping", "opponents": [opponent]}, "inner": {"horizon": 2}})
    )
    problem = replace(problem, parametrisation=StaticPolicy(num_states=5))
    start = controls.best_nearly_pure(jax.random.key(0), problem)["logits"]
    assert bool(start[0] > 0) is bool(start[1] > 0) is cooperates
