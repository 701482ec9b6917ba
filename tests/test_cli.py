"""The command line: answers without JAX, and `metadisco train` and `list` in this process."""

import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from refusals import assert_refused

from metadisco import __version__
from metadisco.cli import main
from metadisco.config import EXCLUDED_STRATEGIES, STRATEGIES, parse_config
from metadisco.parametrisations import PARAMETRISATIONS, ValueLoss
from metadisco.storage.arrays import to_arrays
from metadisco.storage.runs import RunDirectory

HEAVY = ("jax", "jaxlib", "flax", "optax", "evosax", "gymnax", "brax", "mujoco", "gymnasium", "orbax", "matplotlib",
         "optuna", "pandas", "scipy", "seaborn", "sympy")  # fmt: skip
LIGHT = ("jax", "jaxlib", "flax")
"""Those that settings of a problem may import, as long as they do not start JAX."""
NEVER = ("torch", "tensorflow", "tensorflow_probability", "distrax", "wandb", "brax", "mujoco")
REPORT = "import sys; print('\\n'.join(sorted({name.split('.')[0] for name in sys.modules})), file=sys.stdout)"


def modules_after(code: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter holds after running some code."""
    done = subprocess.run([sys.executable, "-c", f"{code}\n{REPORT}"], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


class TestImports:
    def test_the_package_pulls_in_no_heavy_library(self):
        assert modules_after("import metadisco").isdisjoint({*HEAVY, *NEVER})

    def test_using_everything_of_the_package_pulls_in_no_unwanted_library(self):
        code = "import metadisco\nfor name in dir(metadisco): getattr(metadisco, name)"
        loaded = modules_after(code)
        assert "jax" in loaded  # else this would have looked at nothing
        assert loaded.isdisjoint(NEVER)

    def test_settings_are_at_hand_without_jax(self):
        assert modules_after("import metadisco.config").isdisjoint(HEAVY)

    def test_configs_are_checked_without_slow_libraries_and_without_starting_jax(self):
        code = "from metadisco.config import parse_config"
        for name in PARAMETRISATIONS:
            code += f"; parse_config({{'parametrisation': {{'name': {name!r}}}}})"
        loaded = modules_after(f"{code}; {NOT_STARTED}")
        assert "jax" in loaded
        assert loaded.isdisjoint({*HEAVY, *NEVER} - {*LIGHT})


NOT_STARTED = "from jax._src.xla_bridge import backends_are_initialized; assert not backends_are_initialized()"

ANSWERED_AT_ONCE = [
    (["--help"], 0, "evolve"),
    (["evolve", "--help"], 0, "outer.num_generations=8"),
    (["train", "--help"], 0, "inner.ppo.learning_rate=[1e-4"),
    (["tune", "--help"], 0, "objective.clip_eps"),
    (["tune", "nowhere.yaml", "--output", "RUN"], 2, "nowhere.yaml"),
    (["list", "--help"], 0, "example"),
    (["--version"], 0, __version__),
    ([], 0, "evolve"),
    (["help", "evolve"], 0, "outer.num_generations=8"),
    (["evlove"], 2, "did you mean 'evolve'"),
    (["evolve", "CONFIG"], 2, "--run"),
    (["evolve", "nowhere.yaml", "--run", "RUN"], 2, "nowhere.yaml"),
    (["train", "--env", "gymnax/CartPole-v1"], 2, "--objective"),
    (["train", "--objective", "ppo", "--seeds", "many"], 2, "--seeds"),
]
"""Without any heavy library."""
REFUSED_EARLY = [
    (["evolve", "CONFIG", "inner.ppo.gama=1", "--run", "RUN"], 2, "did you mean 'gamma'"),
    (["evolve", "CONFIG", "outer.strategy.name=CMAES", "--run", "RUN"], 2, "did you mean 'CMA_ES'"),
    (["evolve", "CONFIG", "outer.strategy.name=xNES", "--run", "RUN"], 2, "use SNES"),
    (["evolve", "CONFIG", "parametrisation.name=value_los", "--run", "RUN"], 2, "did you mean 'value_loss'"),
    (["evolve", "CONFIG", "inner.fitness=final_retrun", "--run", "RUN"], 2, "did you mean 'final_return'"),
    (["evolve", "CONFIG", "inner.env=gymnaks/CartPole-v1", "--run", "RUN"], 2, "did you mean 'gymnax'"),
    (["evolve", "CONFIG", "learning_rate=1", "--run", "RUN"], 2, "'inner.ppo.learning_rate', 'outer.strategy.learning"),
    (["evolve", "CONFIG", "ppo.gamma=1", "--run", "RUN"], 2, "did you mean 'inner.ppo.gamma'?"),
    (
        ["evolve", "CONFIG", "outer.population_size=4", "--run", "RUN"],
        2,
        "did you mean 'outer.strategy.population_size'",
    ),
    (["train", "--objective", "ppo", "num_envs=8"], 2, "did you mean 'inner.ppo.num_envs'?"),
    (["config", "gamma"], 0, "0.99"),
    (["config", "outer.strategy"], 0, "outer.strategy.std_decay"),
    (["config", "lpo_drift"], 0, "parametrisation.margin"),
    (["config"], 0, "inner.ppo"),
    (["config", "lerning_rate"], 2, "did you mean 'learning_rate'"),
    (["train", "--objective", "ppo", "--seeds", "0"], 2, "--seeds"),
    (["train", "--objective", "pppo", "--env", "gymnax/CartPole-v1"], 2, "did you mean 'ppo'"),
    (["train", "--objective", "ppo", "objective.clip=0.1"], 2, "did you mean 'clip_eps'"),
    (["train", "--objective", "ppo", "inner.ppo.learning_rate=[]"], 2, "inner.ppo.learning_rate"),
    (["train", "--objective", "ppo", "inner.ppo.learning_rate=[0.1,fast]"], 2, "'fast'"),
    (["train", "--objective", "ppo", "--output", "/dev/null/x.json"], 2, "--output"),
]
"""Without a slow library, and without starting JAX."""
ANSWERED = [*ANSWERED_AT_ONCE, *REFUSED_EARLY]


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Run all commands in interpreters without heavy libraries; return exit codes and output."""
    folder = tmp_path_factory.mktemp("answers")
    (folder / "config.yaml").write_text("seed: 1\n")
    early = tuple(name for name in HEAVY if name not in LIGHT)
    yield [
        *answers_without(HEAVY, ANSWERED_AT_ONCE, folder),
        *answers_without(early, REFUSED_EARLY, folder, NOT_STARTED),
    ]
    assert [path.name for path in folder.iterdir()] == ["config.yaml"]


def answers_without(libraries, cases, folder, finally_=""):
    """Ask in one interpreter that refuses some libraries."""
    places = {"CONFIG": str(folder / "config.yaml"), "RUN": str(folder / "run")}
    commands = [[places.get(word, word) for word in words] for words, _, _ in cases]
    code = f"""
import contextlib, io, json, sys


class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {libraries!r}:
            raise AssertionError(f'{{name}} is imported')


sys.meta_path.insert(0, Refuse())
import metadisco.cli
answers = []
for words in {commands!r}:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = metadisco.cli.main(words)
        except SystemExit as end:
            code = end.code or 0
        except Exception as error:
            code = repr(error)
    answers.append((code, out.getvalue(), err.getvalue()))
{finally_}
print(json.dumps(answers))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder)
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("JAX_NUM_CPU_DEVICES", "two", "JAX_NUM_CPU_DEVICES: got 'two', allowed: a whole number above 0"),
        ("JAX_PLATFORMS", "abacus", "JAX does not start: "),
        pytest.param("JAX_PLATFORMS", "cuda", "JAX does not start: ", marks=pytest.mark.slow),
        pytest.param("JAX_DEFAULT_DEVICE", "gpu", "JAX does not start: ", marks=pytest.mark.slow),
        pytest.param("JAX_DISABLE_JIT", "1", "JAX_DISABLE_JIT: got '1', allowed: ", marks=pytest.mark.slow),
        ("JAX_ENABLE_X64", "maybe", "JAX cannot be imported: "),
        pytest.param("JAX_SERIALIZATION_VERSION", "two", "JAX cannot be imported: ", marks=pytest.mark.slow),
    ],
)
def test_a_variable_with_which_jax_cannot_start_is_refused(variable, value, told, tmp_path):
    words = ["train", "--objective", "ppo", "--env", "gymnax/CartPole-v1", "inner.ppo.num_env_steps=512"]
    code = "from metadisco.cli import main; raise SystemExit(main())"
    environment = os.environ | {variable: value}
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"metadisco: {told}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("number", range(len(ANSWERED)), ids=[" ".join(case[0]) for case in ANSWERED])
def test_what_needs_no_heavy_library_is_answered_without_one(answers, number):
    _, expected, told = ANSWERED[number]
    code, out, err = answers[number]
    assert code == expected, err
    if code == 0:
        assert told in out
        assert err == ""
    else:
        assert told in err
        assert out == ""
        assert err.count("\n") == 1
        assert err.startswith("metadisco: ")


@pytest.mark.parametrize("words", [["list", "seed=3"], ["list", "extra"], ["list", "--nonsense"]])
def test_list_takes_no_settings(words, capsys):
    assert_refused(words, [], capsys)


def test_list_names_what_a_config_may_use(capsys, monkeypatch):
    monkeypatch.setattr("metadisco.commands.listing.SUITES", ("gymnax", "jumanji"))  # others take long to import
    assert main(["list"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    listed = set(out.split())
    assert "jumanji/Snake-v1" in listed
    for words in ("jumanji/Sokoban-v0: it downloads its levels", "environments of gymnax (one discrete choice"):
        assert words in out
    assert {"gymnax/CartPole-v1", "gymnax/Breakout-MinAtar", "ppo", "value_loss", "final_return"} <= listed
    assert set(STRATEGIES) <= listed
    for name, reason in EXCLUDED_STRATEGIES.items():
        assert f"{name}: {reason}" in out


def test_list_names_some_kinds_and_devices(capsys):
    assert main(["list", "devices", "strategies"]) == 0
    out, _ = capsys.readouterr()
    assert "cpu:0" in out
    assert "Open_ES" in out
    assert "gymnax/" not in out
    assert_refused(["list", "strategy"], ["'strategy'", "did you mean 'strategies'"], capsys)


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
