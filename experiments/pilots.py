"""Short searches that differ from a config in a few settings, at equal cost: where an experiment's settings come from.

    python experiments/pilots.py experiments/value_loss/pilots.yaml --runs runs/value_loss_pilots

The file names a config, `words` that all pilots set, the budget of each in environment steps, and by pilot the settings
that it changes. Each pilot is a search in its own folder of --runs; rerun the command to resume. Its final centre then
trains agents on fresh seeds with the settings of the config, whatever the pilot changed, paired with those of a closed
objective. The results are `pilots.json` and `pilots.png` beside the file; --force replaces existing ones.
"""

import argparse
import dataclasses
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter
from pydantic import Field, PositiveFloat

from metadisco import evolve
from metadisco.config import Config, apply_overrides, build_settings, parse_config, parse_override, read_yaml, to_plain
from metadisco.config.fields import settings
from metadisco.discoveries.load import load_objective
from metadisco.errors import MachineError, UserError, in_options
from metadisco.evaluation.lifetimes import run_lifetimes
from metadisco.evaluation.statistics import paired_difference
from metadisco.outer.devices import start_jax
from metadisco.plotting import save
from metadisco.plotting.intervals import draw_interval, finish_intervals
from metadisco.plotting.style import GUIDE, line_style, set_legend, set_title, uncluttered, wrapped
from metadisco.problems.objective_discovery import make_tasks
from metadisco.storage.files import write_atomically
from metadisco.storage.outputs import check_file
from metadisco.storage.runs import RunDirectory
from metadisco.types import Objective

NUM_EVALUATIONS = 8
OUTPUTS = (".json", ".png", ".svg")
FRESH = 2_000_000  # added to the config's seed: agents that no search or evaluation trains


@settings
class Baseline:
    """A closed objective that pilots are compared with."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    """Its constants."""


@settings
class Plan:
    """A file of pilots."""

    config: str
    """File of the config beside it."""
    env_steps: PositiveFloat
    """Budget of each pilot."""
    seeds: Annotated[int, Field(ge=2, le=100_000)]
    """Fresh agents that the final centre of each pilot trains, per environment."""
    baseline: Baseline
    pilots: Annotated[dict[str, tuple[str, ...]], Field(min_length=1)]
    """Words KEY=VALUE that each sets, by its name."""
    words: tuple[str, ...] = ()
    """Words that all of them set."""


def main() -> None:
    """Run the unfinished pilots of a file, and write the results of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pilots", type=Path, help="file of pilots")
    parser.add_argument("--runs", type=Path, required=True, help="folder of their run directories")
    parser.add_argument("--force", action="store_true", help="replace existing results")
    options = parser.parse_args()
    try:
        plan = read_plan(options.pilots)
        check_outputs(options.pilots, options.force)
        run_pilots(plan, options.pilots, options.runs)
    except UserError as error:
        print(f"{parser.prog}: {in_options(str(error), {'force': '--force'})}", file=sys.stderr)
        raise SystemExit(2) from error
    except MachineError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        raise SystemExit(1) from error


def read_plan(path: Path) -> Plan:
    """Return the plan in a file of pilots.

    Raises:
        UserError: if any of it cannot be used.
    """
    plan = build_settings(Plan, read_yaml(path))
    folders: dict[str, str] = {}
    for name, words in plan.pilots.items():
        if not re.fullmatch(r"\w[\w ,.+-]*", name):
            raise UserError(f"pilots: got {name!r}, allowed: letters, digits, spaces and , . + - _, a letter first")
        other = folders.setdefault(folder_of(name), name)
        if other != name:
            raise UserError(f"pilots: got {name!r} and {other!r}, allowed: names that differ in more than spaces")
        config_of(path.with_name(plan.config), [*plan.words, *words])
    config_of(path.with_name(plan.config), [])
    load_objective(plan.baseline.name, **plan.baseline.settings)
    return plan


def check_outputs(path: Path, force: bool) -> None:
    """Refuse to overwrite the plan itself, or without `force` existing results.

    Raises:
        UserError: naming the file.
    """
    if path.suffix in OUTPUTS:
        raise UserError(f"pilots: got {str(path)!r}, allowed: a name that ends otherwise than the results: .yaml")
    for suffix in OUTPUTS:
        check_file(path.with_suffix(suffix), "pilots", force)


def folder_of(name: str) -> str:
    """Return the name of a pilot's run directory."""
    return name.replace(" ", "_")


def config_of(path: Path, words: Sequence[str]) -> Config:
    """Return a config with some settings changed."""
    return parse_config(apply_overrides(read_yaml(path), map(parse_override, words)))


def run_pilots(plan: Plan, path: Path, folder: Path) -> None:
    """Run the pilots of a plan, and write the results beside its file.

    Args:
        plan: that was read.
        path: of its file.
        folder: of their runs.
    """
    config_path = path.with_name(plan.config)
    runs = {name: folder / folder_of(name) for name in plan.pilots}
    for name, words in plan.pilots.items():
        run_pilot(config_path, [*plan.words, *words], plan.env_steps, runs[name])
    config = config_of(config_path, [])
    start_jax(None)
    baseline = load_objective(plan.baseline.name, **plan.baseline.settings)
    theirs = scores(baseline, config, plan.seeds)
    found = {name: outcome(RunDirectory(run), config, theirs) for name, run in runs.items()}
    plain = to_plain(plan)
    result = {**plain, "baseline": {**plain["baseline"], "score": float(theirs.mean())}, "found": found}
    write_atomically(path.with_suffix(".json"), json.dumps(result, indent=1) + "\n")
    save(draw(result), path.with_suffix(""))
    print(table(result))


def run_pilot(config_path: Path, words: Sequence[str], env_steps: float, run: Path) -> None:
    """Run one pilot for as many generations as its budget of environment steps allows."""
    config = config_of(config_path, words)
    lifetime = sum(task.ppo.executed_env_steps for task in config.inner.tasks)
    generations = max(1, round(env_steps / (lifetime * config.outer.num_evaluations)))
    lengths = [f"outer.num_generations={generations}", f"outer.evaluate_every={max(1, generations // NUM_EVALUATIONS)}"]
    evolve(config_path, run, overrides=dict(map(parse_override, [*words, *lengths])))
    if len(RunDirectory(run).metrics()) < generations:  # it was told to stop
        raise SystemExit(0)


def scores(objective: Objective, config: Config, num_seeds: int) -> np.ndarray:
    """Return the area under the curve of agents trained with an objective on fresh seeds.

    With several environments it is the mean over them, on the scale of their references. A failed agent counts as
    random actions, or as 0 without a reference.
    """
    total = np.zeros(num_seeds)
    for task, made in zip(config.inner.tasks, make_tasks(config), strict=True):
        inner = dataclasses.replace(config.inner, env=task.env, env_settings={}, envs=(), ppo=task.ppo)
        fresh = dataclasses.replace(config, inner=inner, seed=config.seed + FRESH)
        score = run_lifetimes(objective, made.env, [fresh], num_seeds)[0].area_under_curve.astype(float)
        if task.reference is not None:
            score = (score - task.reference.random) / (task.reference.ppo - task.reference.random)
        total += np.nan_to_num(score, nan=0.0) / len(config.inner.tasks)
    return total


def outcome(run: RunDirectory, config: Config, theirs: np.ndarray) -> dict[str, Any]:
    """Return the curve of a pilot, and how its last centre compares with the baseline."""
    rows = run.metrics()
    ours = scores(load_objective(run.path), config, len(theirs))
    gain = paired_difference(ours, theirs)
    curve = [[row["env_steps"], row["centre_fitness"]] for row in rows if row.get("centre_fitness") is not None]
    return {"generations": len(rows), "curve": curve, "score": float(ours.mean()), "gain": list(gain)}


def draw(result: Mapping[str, Any]) -> Figure:
    """Draw for each pilot the fitness of the centre over environment steps, and the difference on fresh seeds."""
    found = result["found"]
    figure = Figure(figsize=(11, max(4.8, 2.2 + 0.32 * len(found))), layout="constrained")
    axes, gains = figure.subplots(1, 2, width_ratios=(3, 2))
    lines = []
    for number, (name, each) in enumerate(found.items()):
        steps, fitness = zip(*each["curve"], strict=True)
        style = line_style(number)
        lines += axes.plot(steps, fitness, label=name, linewidth=1.8, **style)
        draw_interval(gains, number, each["gain"], style["color"])
    uncluttered(axes)
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.set_xlabel("environment steps of the search")
    axes.set_ylabel("fitness of the search centre (pilot's scale)")
    gains.axvline(0, color=GUIDE, linewidth=0.8, linestyle=":")
    finish_intervals(gains, len(found))
    gains.set_yticks(range(len(found)), [wrapped(figure, name, 10, 1.8) for name in found], parse_math=False)
    gains.set_xlabel(f"score minus {result['baseline']['name']} ({result['seeds']} fresh seeds, 95 % interval)")
    set_title(figure, f"Pilots of {result['config']}")
    set_legend(figure, lines)
    return figure


def table(result: Mapping[str, Any]) -> str:
    """Return a table in Markdown."""
    baseline = result["baseline"]
    lines = [
        "| pilot | changed | generations | fresh seeds | minus the baseline, same seeds (95 %) |",
        "|---|---|---|---|---|",
    ]
    for name, found in result["found"].items():
        mean, low, high = found["gain"]
        words = ", ".join(f"`{word}`" for word in result["pilots"][name]) or "nothing"
        interval = f"{mean:+.3g}, {low:.3g} to {high:.3g}"
        lines.append(f"| {name} | {words} | {found['generations']} | {found['score']:.4g} | {interval} |")
    return "\n".join([*lines, "", f"Baseline: {baseline['name']}, {baseline['score']:.4g} ({result['seeds']} seeds)."])


if __name__ == "__main__":
    main()
