"""What to do with a finished run, as commands."""

import shlex
from pathlib import Path

from metadisco.config import Config
from metadisco.config.problems import problem_kind

WITHOUT_LOSSES = ("schedules",)
"""Parametrisations whose losses cannot be written as source."""


def next_steps(config: Config, run: Path) -> list[tuple[str, str]]:
    """Return purposes and commands that fit the problem of a run.

    Args:
        config: of the run.
        run: its directory, as it was given.
    """
    kind, name = problem_kind(config.problem["name"]), str(run)
    evaluate_words = getattr(kind, "evaluate_words", None)
    words: list[str] = evaluate_words(config, name) if evaluate_words is not None else []
    steps = {"to draw it": ["plot", name, "--output", str(run / "figures")]}
    if words:
        steps["to judge it on fresh seeds"] = ["evaluate", *words, "--output", str(run / "evaluation")]
    if hasattr(kind, "source"):
        source = config.parametrisation.get("name") not in WITHOUT_LOSSES
        target = ["torch", "--output", "discovered.py"] if source else ["artefact", "--output", f"{name}.zip"]
        steps["to use it elsewhere"] = ["export", name, "--to", *target]
    steps["to have it on one page"] = ["report", name, "--output", f"{name}.html"]
    return [(purpose, shlex.join(["metadisco", *step])) for purpose, step in steps.items()]
