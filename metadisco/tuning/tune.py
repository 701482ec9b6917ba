"""A search in its folder: locked, resumed, and written up."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from metadisco._version import __version__
from metadisco.config import to_plain, write_yaml
from metadisco.errors import UserError
from metadisco.storage.files import write_atomically
from metadisco.storage.lock import RunLock
from metadisco.tuning.plan import Plan
from metadisco.tuning.read import FILE as RESULTS
from metadisco.tuning.results import Tuned, judge
from metadisco.tuning.search import Progress, Search, Train
from metadisco.tuning.train import Trainer
from metadisco.tuning.trials import FILE, FORMAT, VERSION, Trials
from metadisco.tuning.written import BEST, OBJECTIVE, write_results

SPACE = "space.yaml"
NUM_REFERENCE_SEEDS = 16
"""Lifetimes of PPO by which the scale of each environment is measured."""

Scale = dict[str, tuple[float, float]]
Start = Callable[[Plan], tuple[Train, Callable[[], Scale]]]
"""Returns functions that train the agents of a plan and measure the scale of its environments."""


def start_trainer(plan: Plan) -> tuple[Train, Callable[[], Scale]]:
    """Return a `Trainer`; objectives and environments are loaded."""
    trainer = Trainer(plan)
    return trainer, lambda: trainer.references(NUM_REFERENCE_SEEDS)


def tune(
    plan: Plan,
    output: Path,
    *,
    say: Callable[[str], None] = lambda text: None,
    progress: Progress = lambda done, total, last: None,
    start: Start = start_trainer,
) -> Tuned:
    """Search, choose and report, and write the results; a stopped search resumes.

    Args:
        plan: of the search.
        output: its folder; created if necessary.
        say: receives a few sentences about what will be trained.
        progress: called after each part of the search.
        start: returns the functions that train and measure.

    Raises:
        UserError: if the folder is in use or of another search, or an objective or environment cannot be used.
    """
    header = header_of(plan)
    _check_folder(output)
    with RunLock(output, say, "output"):
        trials = Trials(output / FILE, header)
        train, measure = start(plan)
        for sentence in announcement(plan):
            say(sentence)
        scale = _scale(plan, trials, measure)
        trials.begin()
        if not (output / SPACE).exists():
            write_atomically(output / SPACE, write_yaml(to_plain(plan.space)))
        search = Search(plan, trials, train, scale, progress)
        best = search.run()
        tuned = judge(plan, search, trials, best, scale)
        write_results(tuned, trials, scale, output)
    return tuned


def _check_folder(output: Path) -> None:
    """Refuse a folder whose files a search would replace, though they are of something else."""
    for name in (SPACE, RESULTS, f"{BEST}.yaml", OBJECTIVE):
        if (output / name).exists() and not (output / FILE).exists():
            raise UserError(f"output: {str(output)!r} holds {name} of something else, allowed: a new folder")


def header_of(plan: Plan) -> dict[str, Any]:
    """Return the identity of a search: equal headers mean equal numbers on one machine."""
    objectives = {name: source.sha256 for name, source in plan.sources.items()}
    search = to_plain(plan.space)
    return {"format": FORMAT, "version": VERSION, "metadisco": __version__, "search": search, "objectives": objectives}


def _scale(plan: Plan, trials: Trials, measure: Callable[[], Scale]) -> Scale:
    """Return the scores that count as 0 and 1 by environment: as given, kept or measured; none for one environment."""
    if len(plan.configs) == 1:
        return {}
    if plan.references:
        return dict(plan.references)
    if not set(plan.configs) <= trials.references.keys():
        trials.keep_references(measure())
    return {env: (zero, one) for env, (zero, one) in trials.references.items()}


def announcement(plan: Plan) -> list[str]:
    """Return sentences that say what a search will cost."""
    space, each = plan.space, plan.lifetimes
    factor = len(plan.configs) * len(plan.ranges)
    rounds = ", then ".join(
        f"{number} settings on {seeds} seeds" for number, seeds in zip(plan.survivors, space.rounds, strict=True)
    )
    choice = (
        f"the best {plan.num_finalists} on {space.num_choice_seeds} other seeds, which choose, and "
        if each["choice"]
        else ""
    )
    sentences = [
        f"search by {space.sampler}, for each objective: {rounds}; then {choice}the winner "
        f"on {space.num_report_seeds} further seeds, beside the settings before tuning",
        f"objectives: {', '.join(plan.ranges)}; environments: {', '.join(plan.configs)}; agents: "
        f"{each['search'] * factor:,} search, {each['choice'] * factor:,} choose, {each['report'] * factor:,} judge",
    ]
    if space.lifetime < 1:
        sentences.append(
            f"lifetimes of the search are {space.lifetime:g} of those that count: with the learning rate annealed to 0 "
            "that is another problem, whose best settings may be others"
        )
    return sentences
