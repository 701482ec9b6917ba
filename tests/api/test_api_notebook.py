"""The tutorial runs in a kernel, and gives the numbers of the commands."""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import pytest
from processes import assert_same_run, num_rows

import metadisco
from metadisco.cli import main
from metadisco.config import write_yaml

NOTEBOOK = Path(__file__).parents[2] / "docs" / "tutorials" / "python_first.ipynb"
ENVS = ["gymnax/CartPole-v1", "gymnax/Acrobot-v1"]
LEFT_RUNNING = """\
import metadisco
run = metadisco.evolve("long.yaml", "runs/long", overrides={"outer.num_generations": 1_000_000})
"""
PATIENCE = 600  # seconds


def shown(cells: list[Any]) -> str:
    """Return all that cells showed, as text and in HTML."""
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return json.dumps(outputs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Work in a folder in whose kernels the package is the one that is tested; all is compiled with less care here."""
    folder = tmp_path_factory.mktemp("notebook")
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        patch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
        patch.chdir(folder)
        yield folder
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture(scope="module")
def cells(folder: Path) -> list[Any]:
    """Run the notebook in a kernel; return its cells with what they showed."""
    import nbclient
    import nbformat

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=PATIENCE, kernel_name="python3").execute()
    return notebook.cells


def test_no_outputs_are_kept_in_the_file() -> None:
    code = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


@pytest.mark.slow
def test_it_shows_progress_tables_and_figures(cells: list[Any]) -> None:
    text = shown(cells)
    for part in ("generation 8/8", "<td>8 of 8</td>", "cell 4/4", "fitness_mean", "interquartile_mean"):
        assert part in text
    assert text.count("image/png") == 3
    assert "Warning" not in text


@pytest.mark.slow
def test_its_numbers_are_those_of_the_commands(cells: list[Any], folder: Path) -> None:
    run = metadisco.Run("runs/first")
    Path("config.yaml").write_text(write_yaml(given_config()))
    assert main(["evolve", "config.yaml", "--run", "again", "--quiet"]) == 0
    assert_same_run(Path("again"), run.path)
    evaluate = ["evaluate", "--objectives", "ppo", str(run), "--envs", *ENVS, "--seeds", "4", "--config", str(run)]
    assert main([*evaluate, "--output", "compared", "--quiet"]) == 0
    ours, theirs = (Path(name, "results.json").read_text() for name in ("evaluation", "compared"))
    assert ours == theirs
    forms = ["--seeds", "0", "--shapes", "tanh", "--max-terms", "1", "--output", "forms", "--quiet"]
    assert main(["distil", str(run), *forms]) == 0
    assert Path("forms/distilled.json").read_text() == (run.path / "distilled" / "distilled.json").read_text()
    assert main(["export", str(run), "--to", "numpy", "--output", "exported/value_loss.py", "--quiet"]) == 0
    assert Path("exported/value_loss.py").read_text() == Path("value_loss.py").read_text()
    assert len(metadisco.Run("runs/second").metrics) >= 1


def given_config() -> dict[str, Any]:
    """Return the config in the notebook."""
    sources = ["".join(cell["source"]) for cell in json.loads(NOTEBOOK.read_text())["cells"]]
    (source,) = [source for source in sources if source.startswith("config = ")]
    defined: dict[str, Any] = {}
    exec(source.partition("\nrun = ")[0], defined)
    return defined["config"]


@pytest.mark.slow
def test_an_interrupted_kernel_stops_the_search_saved(folder: Path) -> None:
    from jupyter_client.manager import start_new_kernel

    Path("long.yaml").write_text(write_yaml(given_config()))
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        asked, answered = client.execute(LEFT_RUNNING), {}
        while num_rows(Path("runs/long")) < 2:
            assert manager.is_alive()
            time.sleep(0.05)
        manager.interrupt_kernel()
        while answered.get("parent_header", {}).get("msg_id") != asked:  # others are answered, too
            answered = client.get_shell_msg(timeout=PATIENCE)
        assert answered["content"]["status"] == "ok"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    run = metadisco.Run("runs/long")
    assert 2 <= run.generations[-1] == len(run.metrics) < 1_000_000
