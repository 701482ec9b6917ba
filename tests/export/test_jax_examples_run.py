"""The examples in JAX as programs: their imports, training and refusals."""

import ast
import re
from pathlib import Path

import jax
import pytest
from jax_examples import AT_PROGRESS, EXAMPLES

from metadisco.cli import main

pytestmark = pytest.mark.usefixtures("programs_compile_fast")


def test_a_single_file_does_not_import_metadisco(files):
    for path in (EXAMPLES / "purejaxrl_style_ppo.py", *files.values()):
        tree = ast.walk(ast.parse(Path(path).read_text()))
        imports = (node for node in tree if isinstance(node, ast.Import | ast.ImportFrom))
        imported = [
            name for node in imports for name in (getattr(node, "module", ""), *(each.name for each in node.names))
        ]
        assert "metadisco" not in {name.partition(".")[0] for name in imported}


@pytest.mark.slow
def test_the_single_file_trains_with_an_exported_file(one_file, files, capsys):
    one_file.main(["--losses", files["dpo"], "--steps", "1024", "--seed", "1"])
    assert re.fullmatch(r"mean return over the last tenth of the training: \d+\.\d\n", capsys.readouterr().out)


def test_the_loop_trains_with_an_artefact(loop, tmp_path, capsys):
    assert main(["export", "dpo", "--to", "artefact", "--output", str(tmp_path / "dpo.zip"), "--quiet"]) == 0
    loop.main(["--objective", str(tmp_path / "dpo.zip"), "--steps", "256"])
    assert re.fullmatch(r"mean return of the last 100 episodes: \d+\.\d\n", capsys.readouterr().out)


NOT_JAX = """
import numpy as np

def policy_loss(log_prob, old_log_prob, advantage):
    return np.asarray(log_prob) * advantage

value_loss = policy_loss
"""
REFUSED = [
    ("one_file", ["--losses", "nowhere.py"], "nowhere.py"),
    ("one_file", ["--losses", "half.py"], "half.py' has no function value_loss"),
    ("one_file", ["--losses", "broken.py"], "broken.py"),
    ("one_file", ["--losses", "torn.py"], "no_such_module"),
    ("one_file", ["--losses", "not_jax.py"], "policy_loss of 'not_jax.py' does not take arrays of JAX"),
    ("one_file", ["--env", "Pendulum-v1"], "Pendulum-v1 has no discrete actions"),
    ("one_file", ["--env", "CartPole"], "CartPole is not in registered"),
    ("one_file", ["--steps", "511"], "512 or more"),
    ("loop", ["--objective", "pppo"], "did you mean 'ppo'"),
    ("loop", ["--env", "gymnax/CartPole"], "did you mean 'CartPole-v1'"),
    ("loop", ["--env", "gymnax/Pendulum-v1"], "gymnax/Pendulum-v1 has no discrete actions"),
]


@pytest.mark.parametrize(("example", "words", "told"), REFUSED, ids=[" ".join(case[1]) for case in REFUSED])
def test_what_cannot_be_used_is_refused_in_one_sentence(request, example, words, told, tmp_path, monkeypatch, capsys):
    module = request.getfixturevalue(example)
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "half.py": AT_PROGRESS.partition("\n\n")[0], "broken.py": "def policy_loss(:\n",
        "torn.py": "import no_such_module\n", "not_jax.py": NOT_JAX,
    }.items():  # fmt: skip
        Path(name).write_text(text)
    with pytest.raises(SystemExit) as ended:
        module.main(words)
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert told in err


@pytest.mark.slow
@pytest.mark.usefixtures("programs_run_fast")
@pytest.mark.parametrize("losses", ["own", "dpo"])
def test_the_single_file_learns_cartpole(one_file, own, files, losses):
    chosen = own["own"] if losses == "own" else one_file.load_losses(files[losses])
    train = jax.jit(jax.vmap(one_file.make_train(one_file.Config(), chosen)))
    _, (returns, episodes) = train(jax.random.split(jax.random.key(0), 3))
    last = slice(-len(returns[0]) // 10, None)
    assert (returns[:, last].sum(1) / episodes[:, last].sum(1)).min() > 450
