"""The notebooks run in a kernel, and the long one gives the numbers of the commands."""

import json
import os
import re
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

TUTORIALS = Path(__file__).parents[2] / "docs" / "tutorials"
NOTEBOOKS = sorted(path.stem for path in TUTORIALS.glob("*.ipynb"))
STUDY = "full_study"
SMALL = {
    STUDY: {
        "NUM_UPDATES": 16, "AGENTS_PER_SETTING": 2, "NUM_GENERATIONS": 5, "POPULATION_SIZE": 8, "NUM_SEEDS": 4,
    },
    "opponent_shaping": {"NUM_GENERATIONS": 25, "NUM_LIFETIMES": 32},
    "cheap_talk": {"NUM_GENERATIONS": 2, "NUM_SEEDS": 2},
}  # fmt: skip
"""Sizes in place of those that a notebook sets in a cell of their own."""
NUM_FIGURES = {STUDY: 6, "opponent_shaping": 3, "cheap_talk": 4}
TINY = {
    "parametrisation": {"name": "value_loss", "hidden_sizes": [8]},
    "inner": {
        "env": "gymnax/CartPole-v1",
        "env_settings": {"max_steps_in_episode": 60},
        "ppo": {"num_envs": 4, "num_steps": 16, "num_env_steps": 512, "hidden_sizes": [8]},
    },
    "outer": {"num_generations": 8, "strategy": {"population_size": 8}},
}
LEFT_RUNNING = """\
import metadisco
run = metadisco.evolve("long.yaml", "runs/long", overrides={"outer.num_generations": 1_000_000})
"""
PATIENCE = 1200  # seconds


def shown(cells: list[Any]) -> str:
    """Return all that cells showed, as text and in HTML."""
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return json.dumps(outputs)


def small(source: str, sizes: dict[str, int]) -> str:
    """Return a cell with smaller sizes, and two devices whatever the number of cores is."""
    for name, size in sizes.items():
        source = re.sub(rf"^{name} = \d+", f"{name} = {size}", source, flags=re.MULTILINE)
    return source.replace("use_cores()", "use_cores(2)")


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


def run_notebook(name: str) -> list[Any]:
    """Run a notebook with small sizes in a kernel that works here; return its cells with their outputs."""
    import nbclient
    import nbformat

    notebook = nbformat.read(TUTORIALS / f"{name}.ipynb", as_version=4)
    for cell in notebook.cells:
        cell.source = small(cell.source, SMALL[name])
    nbclient.NotebookClient(notebook, timeout=PATIENCE, kernel_name="python3").execute()
    return notebook.cells


@pytest.fixture(scope="module")
def study(folder: Path) -> list[Any]:
    """Run the long notebook; return its cells."""
    return run_notebook(STUDY)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_no_outputs_are_kept_in_the_file(name: str) -> None:
    code = [cell for cell in cells_of(name) if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_first_code_cell_installs_from_one_variable_and_one_cell_sets_all_sizes(name: str) -> None:
    sources = ["".join(cell["source"]) for cell in cells_of(name) if cell["cell_type"] == "code"]
    assert re.search(r'^SOURCE = "git\+https://', sources[0], re.MULTILINE)
    assert "%pip install --quiet {SOURCE}" in sources[0]
    sizes = [source for source in sources if re.search(r"^[A-Z_]+ = \d+", source, re.MULTILINE)]
    assert len(sizes) == 1
    assert set(re.findall(r"^([A-Z_]+) = \d+", sizes[0], re.MULTILINE)) == set(SMALL[name])


def cells_of(name: str) -> list[Any]:
    """Return the cells in a file."""
    cells: list[Any] = json.loads((TUTORIALS / f"{name}.ipynb").read_text())["cells"]
    return cells


@pytest.mark.slow
def test_the_study_shows_progress_tables_formulas_and_figures(study: list[Any]) -> None:
    text = shown(study)
    for part in ("generation 5/5", "fitness_mean", "squared_error", "text/latex", "relative error"):
        assert part in text
    assert text.count("image/png") == NUM_FIGURES[STUDY]
    assert "Warning" not in text


@pytest.mark.slow
def test_numbers_of_the_study_are_those_of_the_commands(study: list[Any], folder: Path) -> None:
    run = "runs/value_loss"
    assert main(["evolve", f"{run}/config.yaml", "--run", "again", "--quiet"]) == 0
    assert_same_run(Path("again"), Path(run))
    objectives = ["squared_error.zip", "ppo", run]
    evaluate = [
        "evaluate",
        "--objectives",
        *objectives,
        "--envs",
        "gymnax/CartPole-v1",
        "--seeds",
        "4",
        "--config",
        run,
    ]
    assert main([*evaluate, "--output", "compared", "--quiet"]) == 0
    ours, theirs = (Path(name, "results.json").read_text() for name in ("evaluation", "compared"))
    assert ours == theirs
    assert main(["distil", run, "--seeds", "0", "--max-terms", "2", "--output", "forms", "--quiet"]) == 0
    assert Path("forms/distilled.json").read_text() == Path(run, "distilled", "distilled.json").read_text()
    assert (
        main(["export", run, "--form", "closed", "--to", "jax", "--output", "exported/discovered.py", "--quiet"]) == 0
    )
    assert Path("exported/discovered.py").read_text() == Path("discovered.py").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(NOTEBOOKS) - {STUDY}))
def test_other_notebooks_run_and_show_figures(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / name).mkdir()
    monkeypatch.chdir(folder / name)
    text = shown(run_notebook(name))
    assert text.count("image/png") == NUM_FIGURES[name]
    assert "Warning" not in text


@pytest.mark.slow
def test_an_interrupted_kernel_stops_the_search_saved(folder: Path) -> None:
    from jupyter_client.manager import start_new_kernel

    Path("long.yaml").write_text(write_yaml(TINY))
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
