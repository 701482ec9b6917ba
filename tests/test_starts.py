"""Starting beside a clone and as a module, and the cache of compiled programs."""

import configparser
import os
import subprocess
import sys
from pathlib import Path

import pytest

from metadisco.cli import main
from metadisco.config import SUITES


def run(words, folder, **variables):
    """Run Python in a folder, with installed packages only."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", *variables)}
    environment |= {name: value for name, value in variables.items() if value is not None}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_package_is_found_beside_a_clone_of_it(tmp_path):
    """A folder of its name without `__init__.py`, as a clone is, is a package too, for whoever finds nothing better."""
    (tmp_path / "metadisco").mkdir()
    done = run(["-c", "import metadisco; print(metadisco.PPOConfig().num_envs)"], tmp_path)
    assert (done.returncode, done.stdout) == (0, "4\n"), done.stderr


@pytest.mark.parametrize("words", [["train", "--help"], ["evlove"]])
def test_as_a_module_it_is_the_command(words, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    done = run(["-m", "metadisco", *words], tmp_path, COLUMNS="80")
    try:
        code = main(words)
    except SystemExit as end:
        code = end.code
    told = capsys.readouterr()
    assert (done.returncode, done.stdout, done.stderr) == (code, told.out, told.err)
    assert code == (0 if told.out else 2)


FOUND_AGAIN = """
import logging
import jax
import jax.numpy as jnp
from metadisco.outer.devices import start_jax

logging.getLogger("jax").setLevel(logging.ERROR)
start_jax(1)
for _ in range(2):
    jax.block_until_ready(jax.jit(lambda x: jnp.sin(x @ x))(jnp.ones((4, 4))))
    jax.clear_caches()
assert logging.getLogger("jax").level == logging.ERROR
"""


@pytest.mark.parametrize("level", [None, pytest.param("1", marks=pytest.mark.slow)])
def test_programs_that_are_found_again_are_not_described(level, tmp_path):
    """In a program that has imported JAX, which reads the variable then, and sets it to 1 where it is missing."""
    done = run(["-c", FOUND_AGAIN], tmp_path, XDG_CACHE_HOME=str(tmp_path), TF_CPP_MIN_LOG_LEVEL=level)
    assert (done.returncode, done.stderr) == (0, "")
    assert any((tmp_path / "metadisco" / "compiled").iterdir())


class TestWhatIsInstalled:
    @pytest.fixture
    def declared(self):
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(Path(__file__).parents[1] / "setup.cfg")
        return {section: {key: value.split() for key, value in parser[section].items()} for section in parser}

    def test_every_suite_works_after_the_plain_installation(self, declared):
        required = declared["options"]["install_requires"]
        extra = {"craftax"}
        assert all(any(each.startswith(f"{suite}>=") for each in required) for suite in set(SUITES) - extra)
        for suite in extra:
            (each,) = declared["options.extras_require"][suite]
            assert each in declared["options.extras_require"]["dev"]  # or its tests would never run
        assert declared["options.extras_require"]["brax"] == []  # a former extra can still be requested

    def test_jax_for_cuda_is_of_the_same_versions(self, declared):
        (jax,) = (each for each in declared["options"]["install_requires"] if each.startswith("jax>"))
        assert declared["options.extras_require"]["cuda"] == [jax.replace("jax", "jax[cuda12]", 1)]
