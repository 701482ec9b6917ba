"""Study of opponent shaping: searches, baselines, and meta-policies against learners of all kinds.

    python analysis/opponent_shaping.py
    python analysis/opponent_shaping.py --quick --runs runs/try --output runs/try/study

The first makes all figures and numbers of `opponent_shaping.md`; existing results are kept. Searches take three
quarters of an hour of CPU time, those against LOLA and in sampled games a third of it; `--leave-out` skips some.
The second tries the script in a few minutes; its numbers mean nothing.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from shaping_searches import SEARCHES, run_all
from shaping_tables import (
    Judge,
    baselines,
    cross,
    held_out,
    sampled,
    self_play,
    shapers,
    static_strategies,
)
from study import filled, search_options

from metadisco import Run, plot
from metadisco.errors import UserError
from metadisco.plotting.cross_table import cross_table_figure
from metadisco.plotting.style import save
from metadisco.storage.files import write_atomically

PAGE = Path(__file__).with_suffix(".md")
RUNS = Path("runs") / "opponent_shaping"
NUM_LIFETIMES, QUICK_LIFETIMES = 4096, 32
OTHER_LEARNERS = (
    "naive", "naive:learning_rate=0.25", "naive:learning_rate=0.5", "naive:learning_rate=2", "naive:learning_rate=4",
    "naive:initial_std=0.25", "naive:initial_std=2", "naive:initial_std=3", "lola",
)  # fmt: skip
LONG_HORIZON = 400
GAMES = {
    "imp": "The original: 0.81 (PPO), 0.59 (GA).",
    "chicken": "The original: 0.97.",
    "stag_hunt": "Two naive learners: 0.28. There is no original.",
}
EXTORTION = "zero_determinant:chi=4"

Runs = Mapping[str, Sequence[Run]]


def main() -> None:
    """Make the study."""
    parser = search_options(__doc__, PAGE, RUNS, SEARCHES)
    options = parser.parse_args()
    try:
        runs = run_all(options.runs, options.quick, options.leave_out)
        judge = Judge(options.output, QUICK_LIFETIMES if options.quick else NUM_LIFETIMES, options.quick)
        sections = make(judge, runs)
        draw(runs, options.output / "figures")
    except UserError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    write_atomically(judge.output / "findings.md", "\n".join(f"## {name}\n\n{text}" for name, text in sections.items()))
    if not options.quick and options.output == PAGE.with_suffix(""):
        write_atomically(PAGE, filled(PAGE.read_text(), sections))


def make(judge: Judge, runs: Runs) -> dict[str, str]:
    """Return the results, as Markdown by the name of a section."""
    maml = {game: runs[f"{game}_maml"] for game in ("ipd", "imp", "chicken") if runs.get(f"{game}_maml")}
    reference = "The original: −0.48 (PPO, own runs of its code), −0.69 (GA), −0.51 (paper). Prototype: −0.43 to −0.46."
    ipd = labelled(runs["ipd"])
    return {
        "baselines": baselines(judge, maml),
        "static": static_strategies(judge),
        "ipd": shapers(judge, "ipd", ipd | recurrent(runs), "naive", "ipd", reference),
        "held_out": held_out(judge, ipd, OTHER_LEARNERS, LONG_HORIZON),
        **{game: shapers(judge, game, labelled(runs[game]), "naive", game, GAMES[game]) for game in GAMES},
        "self_play": self_play(
            judge, {"share 1 to 0": runs["ipd_self_play"], "share 0 throughout": runs["ipd_self_play_alone"]}
        ),
        "maml": against_maml(judge, runs),
        "lola": against_lola(judge, runs),
        "sampled": against_ppo(judge, runs),
        "cross": cross_section(judge, runs),
    }


def labelled(runs: Sequence[Run]) -> dict[str, Run]:
    """Return runs by their labels: their meta-seeds."""
    return {f"M-FOS, meta-seed {run.config.seed}": run for run in runs}


def recurrent(runs: Runs) -> dict[str, Run]:
    """Return the run of the policy with a memory, if there is one."""
    return {f"recurrent, meta-seed {run.config.seed}": run for run in runs.get("ipd_recurrent", ())}


def against_maml(judge: Judge, runs: Runs) -> str:
    """Return a table of meta-policies evolved against our M-MAML, and of their control; nothing if left out."""
    if not runs.get("ipd_against_maml"):
        return "Left out.\n"
    opponent, found = runs["ipd_maml"][0], labelled(runs["ipd_against_maml"])
    return shapers(
        judge, "maml", found, opponent, "ipd", "The original, other initial policies: −0.92 (PPO), −0.53 (GA)."
    )


def against_lola(judge: Judge, runs: Runs) -> str:
    """Return a table of all meta-policies evolved against LOLA, and of those evolved against naive learners."""
    found = {"M-FOS of the naive learner": runs["ipd"][0]}
    for name, label in {"ipd_lola_small": "small search", "ipd_lola": "large search"}.items():
        found |= dict.fromkeys([label], runs[name][0]) if runs.get(name) else {}
    reference = "The original: −1.02 (PPO), −0.82, LOLA −2.09 (GA, 2048 × 128 lifetimes × 64 generations)."
    return shapers(judge, "lola", found, "lola", "ipd", reference)


def against_ppo(judge: Judge, runs: Runs) -> str:
    """Return a table of a meta-policy in sampled games against PPO on a table, and of fixed strategies there."""
    if not runs.get("sampled_ipd"):
        return "Left out.\n"
    return sampled(judge, ("all_defect", "tit_for_tat", EXTORTION), labelled(runs["sampled_ipd"]), "tabular_ppo")


def cross_section(judge: Judge, runs: Runs) -> str:
    """Return the cross table of final policies, and draw it."""
    players = {
        "naive": "naive", "LOLA": "lola", "extortion, χ = 4": EXTORTION, "M-FOS": str(runs["ipd"][0]),
        "M-FOS, self-play": str(runs["ipd_self_play"][0]),
    }  # fmt: skip
    text, table = cross(judge, players)
    labels = {name: label for label, name in players.items()}
    frame = table.frame().replace({"player": labels, "opponent": labels})
    figure = cross_table_figure(frame, title=f"ipd: mean reward per meta-step, {judge.num_lifetimes:,} lifetimes")
    save(figure, judge.output / "figures" / "cross_table")
    return text


def draw(runs: Runs, folder: Path) -> None:
    """Draw the meta-policy of the first meta-seed, and the training of all."""
    plot(runs["ipd"][0], output=folder)
    for name in ("ipd", "ipd_self_play"):
        save(plot(list(runs[name]))["training"], folder / f"training_{name}")


if __name__ == "__main__":
    main()
