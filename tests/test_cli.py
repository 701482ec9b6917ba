"""The command line: answers without JAX, and `metadisco list` in this process."""

import json
import os
import subprocess
import sys

import pytest
from refusals import assert_refused

from metadisco import __version__
from metadisco.cli import main
from metadisco.config import EXCLUDED_STRATEGIES, STRATEGIES
from metadisco.parametrisations import PARAMETRISATIONS

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
        pytest.param("JAX_PLATFORMS", "abacus", "JAX does not start: ", marks=pytest.mark.slow),
        pytest.param("JAX_PLATFORMS", "cuda", "JAX does not start: ", marks=pytest.mark.slow),
        pytest.param("JAX_DEFAULT_DEVICE", "gpu", "JAX does not start: ", marks=pytest.mark.slow),
        pytest.param("JAX_DISABLE_JIT", "1", "JAX_DISABLE_JIT: got '1', allowed: ", marks=pytest.mark.slow),
        pytest.param("JAX_ENABLE_X64", "maybe", "JAX cannot be imported: ", marks=pytest.mark.slow),
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
