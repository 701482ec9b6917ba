"""What the studies share: the commands that they consist of, and tables."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from metadisco.cli import main as metadisco
from metadisco.commands.settings import settings_for
from metadisco.commands.visiting import kept_visits
from metadisco.config import check_env_name, check_num_seeds
from metadisco.display import Display
from metadisco.distilled import FILE, read
from metadisco.errors import UserError
from metadisco.evaluation.visits import Visits
from metadisco.files import write_atomically
from metadisco.sources import find_source, short_names


class Study(NamedTuple):
    """A learned objective, and where what is found of it goes."""

    objective: str
    baselines: tuple[str, ...]
    env: str
    held_out: tuple[str, ...]
    config: Path | None
    num_seeds: int
    output: Path

    def make(self) -> None:
        """Draw, compare, distil."""
        config = [f"--config={self.config}"] if self.config else []
        run = find_source(self.objective).run
        settings = config or ([f"--config={run.config_path}"] if run else [])
        env = f"--env={self.env}"
        self._run("plot", self.objective, "--output", self.output / "figures", "--three-d", env, *config)
        self._run(
            "evaluate", "--objectives", *self.baselines, self.objective, "--envs", self.env, *self.held_out,
            "--seeds", self.num_seeds, "--output", self.output / "evaluation", *settings,
        )  # fmt: skip
        if not self._is_distilled():
            self._run("distil", self.objective, "--output", self.output / "distilled", env, *config)

    def _is_distilled(self) -> bool:
        """Whether the closed forms that are there are of this objective and environment, and whole."""
        path = self.output / "distilled" / FILE
        if not path.is_file() or not (self.output / "distilled" / "report.md").is_file():
            return False
        said = read(path)
        return (said.get("source"), said.get("visited", {}).get("env")) == (self.objective, self.env)

    def _run(self, *words: object) -> None:
        if metadisco([str(word) for word in words]) != 0:
            raise SystemExit(2)

    def visits(self) -> Visits:
        """Return what trainings visit, as counted for the figures."""
        source = find_source(self.objective)
        env, config = settings_for(source, self.env, self.config, {})
        return kept_visits(source, config, env, self.output / "figures", Display(quiet=True))

    def short(self, name: str) -> str:
        """Return what to call an objective."""
        return short_names([self.objective, *self.baselines])[name]

    def write(self, name: str, text: str) -> None:
        """Write a page of the study, and print it."""
        write_atomically(self.output / name, text)
        print(text)


def run(description: str, baselines: Sequence[str], features: Callable[[Study], str]) -> None:
    """Make the study that the command line asks for, and write what is particular about its objective.

    Args:
        description: of the study.
        baselines: what is compared with.
        features: returns a page of what is particular.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    study = _study_of(_with_options(parser).parse_args(), baselines)
    study.make()
    study.write("features.md", features(study))


def _with_options(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("objective", help="path of a run")
    parser.add_argument("--env", help="where agents train; the first environment of the run if left out")
    parser.add_argument("--held-out", nargs="*", default=[], help="environments that the search did not see")
    parser.add_argument("--config", type=Path, help="settings of PPO; those of the run if left out")
    parser.add_argument("--seeds", type=int, default=64, help="lives per objective and environment")
    parser.add_argument("--output", type=Path, required=True, help="folder of the study")
    return parser


def _study_of(options: argparse.Namespace, baselines: Sequence[str]) -> Study:
    """Return the study that the options describe."""
    try:
        env, _ = settings_for(find_source(options.objective), options.env, options.config, {})
        check_num_seeds(options.seeds)
        for name in options.held_out:
            check_env_name(name, key="--held-out")
    except UserError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from error
    return Study(
        options.objective, tuple(baselines), env, tuple(options.held_out), options.config, options.seeds, options.output
    )


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
