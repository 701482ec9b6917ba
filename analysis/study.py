"""Shared by all studies: figures, distillation, comparisons, and the pages that they fill in."""

import argparse
import itertools
import os
import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from contenders import Closed, closed_objective, random_members
from steps import compare, draw, find_forms
from summary import FIRST_SCORE, course, in_short, markdown_table, summary
from tuning import Grid, tuned_rows

from metadisco.config import check_env_name, check_num_seeds, parse_config, to_plain
from metadisco.discoveries.distilled import FILE, PARTS, read
from metadisco.discoveries.published import FOLDER, shadowed
from metadisco.discoveries.sources import find_source, short_names
from metadisco.errors import UserError
from metadisco.evaluation.histogram_cache import NUM_AGENTS, cached_histograms
from metadisco.evaluation.histograms import MinibatchHistograms
from metadisco.evaluation.settings import settings_for
from metadisco.evaluation.tables import SCORE_TITLES
from metadisco.outer.devices import start_jax
from metadisco.storage.files import write_atomically

NUM_RANDOM = 3

Sections = Mapping[str, str]
"""Results of a study, as Markdown by the name of a section."""


class Plan(NamedTuple):
    """A study of a kind of objective."""

    baselines: tuple[Closed, ...]
    """Objectives to compare with; differences are from the first."""
    published: str
    """The checkpoint that is studied where no other objective is named."""
    again: tuple[str, ...]
    """Checkpoints of the same search with other meta-seeds."""
    held_out: tuple[str, ...]
    """Environments that the search did not see."""
    config: Path
    """Settings of PPO in all environments."""
    grid: Grid
    """Settings of PPO that everybody is tuned over, in the environments of the search."""
    by_hand: tuple[tuple[str, str], ...] = ()
    """Closed forms that were read off by eye: label of each, and its path below the published discovery."""
    whole: tuple[tuple[str, ...], Path] | None = None
    """Environments and settings for lifetimes longer than those of the search, at common defaults."""


class Study(NamedTuple):
    """A learned objective, and the folder for results about it."""

    plan: Plan
    objective: str
    again: tuple[str, ...]
    env: str
    """Where its losses are looked at, and where settings are tuned."""
    held_out: tuple[str, ...]
    config: Path | None
    num_seeds: int
    output: Path
    forms: Path
    """Folder of the closed forms."""

    def make(self) -> Sections:
        """Draw, distil, compare; return the results."""
        draw(self.objective, self.env, self.config, self.output / "figures")
        if not self._is_distilled():
            find_forms(self.objective, self.env, self.config, self.forms)
        contenders, run = self.contenders(), find_source(self.objective).run
        everyone, envs = contenders | self._random_members(), [*self.trained(), *self.held_out]
        config = self.config or (run.config_path if run else None)
        sections = {"comparison": self._compare("evaluation", everyone, envs, config), "form": self._form()}
        sections["short"] = in_short(
            self.output / "evaluation" / "results.json", self.objective, next(iter(contenders))
        )
        sections["course"] = "\n".join(
            course(self.output / "evaluation" / "results.json", contenders, env) for env in self.trained()
        )
        if self.plan.whole and self.objective == self.plan.published:
            sections["whole"] = self._compare("whole_lives", contenders, *self.plan.whole)
        return sections | {"tuned": self._tuned()}

    def trained(self) -> list[str]:
        """Return the environments that the search saw, that of the study first."""
        run = find_source(self.objective).run
        seen = [task.env for task in run.config().inner.tasks] if run else []
        return [self.env, *(env for env in seen if env != self.env)]

    def contenders(self) -> dict[str, str]:
        """Return the labels of all objectives, by name; the baseline first."""
        names = {closed_objective(each, self.output / "contenders"): each.label for each in self.plan.baselines}
        names |= {name: self.short(name) for name in (self.objective, *self.again)}
        names |= {str(self.forms): "its closed form"}
        names |= {path: label for label, path in self._by_hand().items()}
        if self._knows_its_start:
            names |= {self._start: "start of the search"}
        return names

    @property
    def _start(self) -> str:
        """Label of the objective before its first generation."""
        centre = find_source(self.objective).centre
        assert centre is not None
        return f"{self.objective.removesuffix(f'@{int(centre.stem)}')}@0"

    def _by_hand(self) -> dict[str, str]:
        """Return paths of closed forms that were read off by eye, by their labels."""
        if self.objective != self.plan.published:
            return {}
        return {label: str(_published(self.objective) / path) for label, path in self.plan.by_hand}

    @property
    def _knows_its_start(self) -> bool:
        run = find_source(self.objective).run
        return run is not None and 0 in run.centre_generations()

    def _random_members(self) -> dict[str, str]:
        """Return members of a first generation, as `contenders` does."""
        run = find_source(self.objective).run
        if run is None or not self._knows_its_start:
            return {}
        members = random_members(run, NUM_RANDOM, self.output / "contenders")
        return {path: f"random member {number}" for number, path in enumerate(members, 1)}

    def _compare(self, folder: str, names: Mapping[str, str], envs: Sequence[str], config: Path | None) -> str:
        return summary(compare(list(names), envs, config, self.num_seeds, self.output / folder), names)

    def _tuned(self) -> str:
        """Return a table, for each environment of the search, of objectives at their own best settings."""
        folder = self.output / "contenders"
        names = {closed_objective(each, folder): each.label for each in self.plan.baselines}
        names |= {self.objective: self.short(self.objective), str(self.forms): "its closed form"}
        names |= {path: label for label, path in itertools.islice(self._by_hand().items(), 1)}  # the proposed one
        return "\n".join(self._tuned_on(env, names) for env in self.trained())

    def _tuned_on(self, env: str, names: Mapping[str, str]) -> str:
        config = settings_for(find_source(self.objective), env, self.config, {}).config
        start_jax(config.outer.num_devices, config.deterministic)
        rows = tuned_rows(names, env, config, self.plan.grid, self.num_seeds, self.output / "tuned")
        first, *_ = names.values()
        headings = [env.removeprefix("gymnax/"), "best settings", SCORE_TITLES[FIRST_SCORE], f"minus {first} (95 %)"]
        return markdown_table(headings, rows)

    def _form(self) -> str:
        """Return the closest closed form of each loss."""
        data = read(self.forms / FILE)
        lines = []
        for part in PARTS:
            if part in data:
                name = data[part]["closest"]
                form = data[part]["forms"][name]
                loss = "D" if part == "policy" else "φ"
                lines.append(f"`{loss} = {form['text']}`, {name}, relative error {form['relative_error']:.1%}")
        return "\n\n".join(lines) + "\n"

    def _is_distilled(self) -> bool:
        """Whether the closed forms that are there are of this objective, fitted where it is studied, and whole."""
        path, source = self.forms / FILE, find_source(self.objective)
        try:
            stated = read(path)
        except UserError:
            return False
        config = settings_for(source, self.env, self.config, {}).config
        visited = stated.get("visited") or {}
        inner = to_plain(parse_config({"inner": visited.get("inner", {})}))["inner"]  # with settings that came later
        fitted = {"env": self.env, "agents": NUM_AGENTS, "inner": to_plain(config)["inner"]}
        same = (stated.get("source_sha256"), {**visited, "inner": inner}) == (source.sha256, fitted)
        return same and (self.forms / "report.md").is_file()

    def visits(self, env: str) -> MinibatchHistograms:
        """Return the histograms of minibatches in an environment; for that of the study, as counted for the figures."""
        source = find_source(self.objective)
        env, config, _ = settings_for(source, env, self.config, {})
        return cached_histograms(source, config, env, self.output / "figures", say=lambda sentence: None)

    def short(self, name: str) -> str:
        """Return the label of an objective; that of a learned one never equals that of a baseline."""
        label = short_names([self.objective, *self.again, *(each.name for each in self.plan.baselines)])[name]
        taken = label in {each.label for each in self.plan.baselines} and name in (self.objective, *self.again)
        return f"{label} (learned)" if taken else label


def run(description: str, plan: Plan, features: Callable[[Study], str]) -> None:
    """Make the study that the command line asks for; of the published discovery its pages are filled in.

    Args:
        description: of the study.
        plan: objectives, environments and settings.
        features: returns the particular features of the objective.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options = _with_options(parser).parse_args()
    try:
        study = _study_of(options, plan)
        sections = {**study.make(), "features": features(study)}
    except UserError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    write_atomically(study.output / "findings.md", "\n".join(f"## {name}\n\n{text}" for name, text in sections.items()))
    if options == parser.parse_args([]):  # as the pages have it
        for page in (study.output.with_suffix(".md"), FOLDER / plan.published / "README.md"):
            if page.is_file():
                write_atomically(page, filled(page.read_text(), sections))


def _with_options(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("objective", nargs="?", help="path of a run; the published discovery if left out")
    parser.add_argument("--env", help="where agents train; the first environment of the run if left out")
    parser.add_argument("--held-out", nargs="*", help="environments that the search did not see")
    parser.add_argument("--config", type=Path, help="settings of PPO; those of the run if left out")
    parser.add_argument("--seeds", type=int, default=64, help="agents per objective and environment")
    parser.add_argument("--output", type=Path, help="folder of the study")
    return parser


def _study_of(options: argparse.Namespace, plan: Plan) -> Study:
    """Return the study that the options describe."""
    objective = plan.published if options.objective is None else options.objective
    published = objective == plan.published
    if published and (where := shadowed(objective)) is not None:
        raise UserError(
            f"{objective!r}: here is something else by that name, allowed: {str(where)!r}, or another folder"
        )
    held_out = options.held_out if options.held_out is not None else plan.held_out if published else ()
    config = options.config or (plan.config if published else None)
    output = options.output or (Path(sys.argv[0]).with_suffix("") if published else None)
    if output is None:
        raise UserError("--output: missing, allowed: a folder for the study")
    env = settings_for(find_source(objective), options.env, config, {}).env
    check_num_seeds(options.seeds)
    for name in held_out:
        check_env_name(name, key="--held-out")
    again = plan.again if published else ()
    # Closed forms belong to a published discovery as its page has them; any others to this study.
    as_published = published and options.env is None and config == plan.config
    forms = (_published(objective) if as_published else output) / "distilled"
    return Study(plan, objective, again, env, tuple(held_out), config, options.seeds, output, forms)


def _published(name: str) -> Path:
    """Return the folder of a published discovery, as people would write it."""
    return Path(os.path.relpath(FOLDER.resolve() / name))


def search_options(
    description: str | None, page: Path, runs: Path, searches: Collection[str]
) -> argparse.ArgumentParser:
    """Return a parser with the options of a study that makes its own searches.

    Args:
        description: of the study.
        page: that it fills in; tables and figures are beside it.
        runs: default folder of its searches.
        searches: names of all.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=runs, help=f"folder of the searches (default: {runs})")
    parser.add_argument("--output", type=Path, default=page.with_suffix(""), help="folder of tables and figures")
    parser.add_argument("--leave-out", nargs="*", default=[], choices=list(searches), help="searches to be left out")
    parser.add_argument("--quick", action="store_true", help="tiny searches, to try the script")
    return parser


def filled(page: str, sections: Sections) -> str:
    """Return a page with new text between the marks of each section that it has."""
    for name, text in sections.items():
        begin, end = f"<!-- {name}: made by the study -->", f"<!-- {name}: end -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        page = pattern.sub(lambda _, text=text, begin=begin, end=end: f"{begin}\n\n{text}\n{end}", page)
    return page
