"""A session as in a notebook: every step in turn, in a program of its own, beside the commands."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from processes import centres_of, rows_of
from tiny import tiny_config

from metadisco.cli import main
from metadisco.config import write_yaml

SESSION = """\
import asyncio
import json

import metadisco

ENVS = ["gymnax/CartPole-v1", "gymnax/Acrobot-v1"]


async def cells():  # as the cells of a notebook, inside a running event loop
    assert metadisco.use_cores(2) == 2
    run = metadisco.evolve("demo.yaml", run="run", overrides={"outer.num_generations": 8}, progress=False)
    assert len(run.metrics) == 8
    figures = metadisco.plot(run, output="figures", progress=False)
    assert "value_loss" in figures
    settings = {"config": "run", "overrides": {"outer.chunk_size": 1}}
    found = metadisco.evaluate(["ppo", "run"], ENVS, num_seeds=4, output="found", progress=False, **settings)
    assert {row.env for row in found.rows} >= set(ENVS)
    metadisco.distil("run", "run/distilled", num_seeds=2, shapes=["tanh"], max_terms=1, progress=False)
    metadisco.report("run", "run.html", evaluation="found", visit=False, progress=False)
    metadisco.write_artefact("run", "run.zip")
    metadisco.write_source("run", "numpy", "loss.py")
    metadisco.write_source("run", "numpy", "closed.py", form="closed")


asyncio.run(cells())
"""
SMALL = ["gymnax/CartPole-v1", "gymnax/Acrobot-v1"]


@pytest.mark.slow
def test_a_session_gives_the_numbers_of_the_commands(tmp_path, monkeypatch):
    (tmp_path / "demo.yaml").write_text(write_yaml(tiny_config(num_generations=2, num_devices=2)))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", SESSION], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "Warning" not in done.stderr
    monkeypatch.chdir(tmp_path)
    assert main(["evolve", "demo.yaml", "outer.num_generations=8", "--run", "command", "--quiet"]) == 0
    assert rows_of(Path("command")) == rows_of(Path("run"))
    assert centres_of(Path("command")) == centres_of(Path("run"))
    words = ["--seeds", "4", "--config", "run", "outer.chunk_size=1", "--output", "compared", "--quiet"]
    assert main(["evaluate", "--objectives", "ppo", "run", "--envs", *SMALL, *words]) == 0
    ours, theirs = (json.loads((tmp_path / name / "results.json").read_text()) for name in ("found", "compared"))
    assert ours == theirs
    assert main(["export", "run", "--to", "numpy", "--output", "again/loss.py", "--quiet"]) == 0
    assert (tmp_path / "again" / "loss.py").read_text() == (tmp_path / "loss.py").read_text()
    assert np.isfinite(ours["rows"][0]["mean"])
