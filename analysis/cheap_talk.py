"""Study of adversarial cheap talk: messages that harm, help and steer learners, on learners that no search has seen.

    python analysis/cheap_talk.py
    python analysis/cheap_talk.py --finished
    python analysis/cheap_talk.py --quick --runs runs/try --output runs/try/study

The first makes all figures and numbers of `cheap_talk.md`; existing results are kept. Searches take some hours
on two cores, most of them for control; `--leave-out` skips some. With `--finished` none is started: sections whose
searches exist are made, others stay unchanged. The third tries the script in a few minutes; its numbers mean nothing.
`--only` selects parts, and `--sb3` names a Python that has Stable-Baselines3, if this one has not.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from study import filled, search_options
from talk_figures import OF_A_MESSAGE, OF_CONTROL, draw_curves, draw_effects, draw_run, effects
from talk_sb3 import table_of_sb3
from talk_searches import AIMS, REMEDIES, SEARCHES, run_all
from talk_tables import AREA, FINAL, NONE, ZERO, Judge, by_victim, control, costs, medians, scrambled, talkers

from metadisco import Run
from metadisco.errors import UserError
from metadisco.storage.files import write_atomically

PAGE = Path(__file__).with_suffix(".md")
RUNS = Path("runs") / "cheap_talk"
NUM_VICTIMS, QUICK_VICTIMS = 64, 3
NUM_SLOW_VICTIMS = 32
"""In Breakout, where a learner takes as long as eight others."""
VICTIMS = {
    "normalised": {"inner.ppo.normalise_observations": True},
    "rate 0.0025": {"inner.ppo.learning_rate": 0.0025},
    "rate 0.01": {"inner.ppo.learning_rate": 0.01},
    "wider": {"inner.ppo.hidden_sizes": [64, 64]},
    "dpo": {"objective": "dpo"},
    "discovered drift": {"objective": "lpo_drift_classic"},
}
"""Learners that no search has seen."""
CALLED = {
    "": "as in the search", "normalised": "normalises observations", "rate 0.0025": "learning rate 0.0025",
    "rate 0.01": "learning rate 0.01", "wider": "hidden layers of 64", "dpo": "minimises DPO",
    "discovered drift": "minimises lpo_drift_classic",
}  # fmt: skip

PARTS = ("costs", "harm_help", "figures", "held_out", "sb3", "normalised", "pendulum", "breakout", "effect", "control")
"""Of the study, in the order in which they are made."""

Runs = Mapping[str, Sequence[Run]]


def main() -> None:
    """Make the study."""
    parser = search_options(__doc__, PAGE, RUNS, SEARCHES)
    parser.add_argument("--finished", action="store_true", help="begin no search, take those that are finished")
    parser.add_argument("--only", nargs="+", default=PARTS, choices=PARTS, help="parts to be made (default: all)")
    parser.add_argument("--sb3", default=sys.executable, help="a Python that has Stable-Baselines3 (default: this one)")
    options = parser.parse_args()
    try:
        runs = run_all(options.runs, options.quick, options.leave_out, options.finished)
        judge = Judge(options.output, QUICK_VICTIMS if options.quick else NUM_VICTIMS, options.quick)
        sections: dict[str, str] = {}
        for found in make(judge, runs, options.only, options.sb3):
            sections |= found
            write(sections, options.output, published=not options.quick and options.output == PAGE.with_suffix(""))
    except UserError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        raise SystemExit(2) from error


def write(sections: Mapping[str, str], output: Path, published: bool) -> None:
    """Write the results so far.

    Args:
        sections: as Markdown by name.
        output: folder of the study.
        published: whether the page is filled in, too.
    """
    output.mkdir(parents=True, exist_ok=True)
    write_atomically(output / "findings.md", "\n".join(f"## {name}\n\n{text}" for name, text in sections.items()))
    if published:
        write_atomically(PAGE, filled(PAGE.read_text(), sections))


def make(judge: Judge, runs: Runs, parts: Sequence[str], sb3: str) -> Iterator[dict[str, str]]:
    """Yield the results, part by part, as Markdown by the name of a section; parts without their searches are skipped.

    Args:
        judge: of messages.
        runs: of each search.
        parts: which are made.
        sb3: a Python that has Stable-Baselines3.
    """
    aims = {aim: runs[aim] for aim in AIMS if runs.get(aim)}
    first = {aim: group[0] for aim, group in aims.items()}
    elsewhere = {env: found for env in ("pendulum", "breakout") if (found := of_env(env, runs))}
    steering = {name: runs[name] for name in ("control", *REMEDIES) if runs.get(name)}
    folder = judge.output / "figures"
    makers: dict[str, Callable[[], dict[str, str]]] = {
        "effect": lambda: draw_effects(effects(judge, runs), folder),
        "figures": lambda: draw(runs, folder),
    }
    if runs:
        makers["costs"] = lambda: {"costs": costs(runs)}
    if len(aims) == len(AIMS):
        makers["harm_help"] = lambda: harm_and_help(judge, aims)
        makers["held_out"] = lambda: {"held_out": held_out(judge, aims)}
        makers["sb3"] = lambda: {"sb3": table_of_sb3(first, judge.output / "sb3", sb3, judge.quick)}
    if runs.get("harm_normalised"):
        makers["normalised"] = lambda: {"normalised": normalised(judge, runs["harm_normalised"][0], first)}
    for env, found in elsewhere.items():
        makers[env] = lambda env=env, found=found: {env: compared(judge, env, found)}
    if steering:
        makers["control"] = lambda: {"control": steered(judge, steering)}
    for part in PARTS:
        if part in parts and part in makers:
            yield {name: text for name, text in makers[part]().items() if text}


def of_env(env: str, runs: Runs) -> dict[str, Run]:
    """Return the messages found in another environment, by aim."""
    return {aim: runs[name][0] for aim in AIMS if runs.get(name := f"{env}_{aim}")}


def labelled(runs: Runs) -> dict[str, str]:
    """Return the labels of messages, by their names."""
    return {str(run): f"{aim}, meta-seed {run.config.seed}" for aim, group in runs.items() for run in group}


def controls(judge: Judge) -> dict[str, str]:
    """Return the labels of talkers that were not learned, by their names."""
    return {NONE: "none", ZERO: "zero", **{name: name.replace(":", " ") for name in judge.untrained}}


def of_unrelated(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels of messages of unrelated observations, by their names."""
    return {scrambled(name): f"{label}, scrambled" for name, label in labels.items()}


def harm_and_help(judge: Judge, aims: Runs) -> dict[str, str]:
    """Return tables of messages that harm and help, with controls, and draw learning curves."""
    messages = labelled(aims)
    labels = {**controls(judge), **messages, **of_unrelated(messages)}
    scores = judge.meet("harm_help", labels, aims["harm"][0])
    shown = {name: label for name, label in labels.items() if name in (NONE, ZERO, judge.untrained[0])}
    shown |= {str(group[0]): aim for aim, group in aims.items()}
    draw_curves(scores, shown, judge.output / "figures" / "curves")
    return {
        "harm_help": talkers(scores, labels, judge.untrained),
        "medians": medians(scores, aims, judge.untrained),
    }


def held_out(judge: Judge, aims: Runs) -> str:
    """Return tables of messages to learners that no search has seen."""
    labels = {judge.untrained[0]: "random 0"}
    labels |= {str(run): f"{aim} {run.config.seed}" for aim, group in aims.items() for run in group}
    victims = dict(list(VICTIMS.items())[:1]) if judge.quick else VICTIMS
    scores = judge.meet("held_out", labels, aims["harm"][0], victims=victims)
    called = {f"{scores.env}, {name}" if name else scores.env: CALLED[name] for name in ("", *victims)}
    return "\n".join(by_victim(scores, called, labels, score) for score in (AREA, FINAL))


def normalised(judge: Judge, run: Run, plain: Mapping[str, Run]) -> str:
    """Return a table of learners that normalise observations, with messages evolved against them and others."""
    messages = {str(run): "harm, evolved against them"}
    labels = {**controls(judge), **messages, **of_unrelated(messages)}
    labels |= {str(each): f"{aim}, evolved against others" for aim, each in plain.items()}
    return talkers(judge.meet("normalised", labels, run), labels, judge.untrained)


def compared(judge: Judge, env: str, found: Mapping[str, Run]) -> str:
    """Return a table of messages in another environment."""
    num_victims = NUM_SLOW_VICTIMS if env == "breakout" else None
    messages = {str(run): aim for aim, run in found.items()}
    labels = {NONE: "none", ZERO: "zero", judge.untrained[0]: "random 0", **messages, **of_unrelated(messages)}
    scores = judge.meet(env, labels, next(iter(found.values())), num_victims=num_victims)
    return talkers(scores, labels, judge.untrained[:1])


def steered(judge: Judge, searches: Runs) -> str:
    """Return a table of searches for control."""
    rows = {}
    for name, (run, *_) in searches.items():
        rows[name.replace("_", ", ")] = (run, judge.meet(name, [run], run).found.control)
    return control(rows)


def draw(runs: Runs, folder: Path) -> dict[str, str]:
    """Draw the messages of the first meta-seeds; no text."""
    for aim in AIMS:
        if runs.get(aim):
            draw_run(runs[aim][0], aim, folder, OF_A_MESSAGE)
    if runs.get("control"):
        draw_run(runs["control"][0], "control", folder, OF_CONTROL)
    return {}


if __name__ == "__main__":
    main()
