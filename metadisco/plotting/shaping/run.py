"""All figures of runs of opponent shaping, and their captions on a page."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from metadisco.config import Config
from metadisco.discoveries.meta_problems import load_meta_params
from metadisco.discoveries.sources import Source
from metadisco.evaluation.best_static import best_static
from metadisco.evaluation.meetings import Meeting, meetings
from metadisco.inner.games import Game
from metadisco.outer.devices import start_jax
from metadisco.plotting.families import Family
from metadisco.plotting.interactive.shaping import meta_episode_figure, payoff_plane_figure
from metadisco.plotting.shaping.answers import answers_figure
from metadisco.plotting.shaping.lifetime import cooperation_figure, rewards_figure, visits_figure
from metadisco.plotting.shaping.plane import extortion_end, feasible_corners, plane_figure
from metadisco.plotting.shaping.training import course_of, training_figure
from metadisco.plotting.shaping.words import Names
from metadisco.plotting.style import short
from metadisco.problems.opponent_shaping import OpponentShaping

Named = Iterator[tuple[str, Figure]]

CAPTIONS = {
    "cooperation": "Probability of C of both players after each outcome of the round before, over the meta-steps of a "
    "meta-episode; both lines of a panel are of the same round. Thick lines are means over lifetimes, thin ones single "
    "lifetimes.",
    "rewards": "Reward of both players over the meta-steps of a meta-episode; lines are means over lifetimes, bands "
    "hold 80 % of them. Pure extortion is the most that can be had while the opponent gets what mutual defection "
    "pays.",
    "training": "Reward of the shaper and of its opponents over the generations of the search. The line 'best static', "
    "where it is drawn, is what can be had without adapting: the mean reward of a memory-one strategy that was evolved "
    "against the same opponent; with several opponents, of one for each.",
    "payoff_plane": "Some lifetimes in the plane of both players' rewards, and their mean, along which meta-steps are "
    "numbered; grey is all that the game can pay. On the line of extortion with factor χ the shaper's surplus over "
    "mutual defection is χ times that of its opponent.",
    "visits": "What is played: shares of the four outcomes of a round.",
    "answers": "What the shaper plays next, by two of the opponent's probabilities of C, at the first and at the last "
    "meta-step; the dot is where the median opponent is then. All other inputs are at their medians of that meta-step.",
}
AGAINST = "_against_"
"""In names of figures of one of several opponents."""


def figures(sources: Sequence[Source], say: Callable[[str], None]) -> Named:
    """Give the figures of a run, each with its name; of several runs those that hold them together.

    Args:
        sources: runs of this problem with the same settings.
        say: called with a line before lifetimes are played.

    Raises:
        UserError: for a run that cannot be loaded.
    """
    first = sources[0]
    assert first.config is not None
    start_jax(first.config.outer.num_devices, first.config.deterministic)
    problem = OpponentShaping.from_config(first.config)
    if len(sources) > 1:
        yield from _training(sources, problem, f"{len(sources)} runs, mean and range", say)
        return
    drawn: dict[str, Figure] = {}
    for meeting in meetings(problem, load_meta_params(first.name), say):
        apart = f"{AGAINST}{_plain(meeting.opponent)}" if len(problem.tasks) > 1 or drawn else ""
        drawn |= {f"{name}{apart}": figure for name, figure in _of(meeting, problem.game, first.short_name)}
    drawn |= dict(_training(sources, problem, first.short_name, say))
    yield from sorted(drawn.items(), key=lambda item: list(CAPTIONS).index(_kind(item[0])))


def _of(meeting: Meeting, game: Game, name: str) -> Named:
    """Give the figures of lifetimes against one opponent."""
    names, trace, guides = Names(name, meeting.opponent), meeting.trace, reference_rewards(game)
    followed = meeting.followed
    yield "cooperation", cooperation_figure(trace, followed.own_policy, followed.other_policy, game, names)
    yield "rewards", rewards_figure(trace, game, names, guides)
    if len(feasible_corners(game)) > 2:  # where a game is zero-sum one reward says all
        yield "payoff_plane", plane_figure(followed, trace, game, names)
    yield "visits", visits_figure(trace, game, names)
    if meeting.answers is not None:
        yield "answers", answers_figure(*meeting.answers, game, names)


def interactive(source: Source, say: Callable[[str], None]) -> Iterator[tuple[str, Any]]:
    """Give the interactive figures of a run, each with its name; arguments and errors as for `figures`."""
    assert source.config is not None
    start_jax(source.config.outer.num_devices, source.config.deterministic)
    problem = OpponentShaping.from_config(source.config)
    met = list(meetings(problem, load_meta_params(source.name), say))
    for meeting in met:
        names = Names(source.short_name, meeting.opponent)
        apart = f"{AGAINST}{_plain(meeting.opponent)}" if len(met) > 1 else ""
        yield f"meta_episode{apart}", meta_episode_figure(meeting.trace, problem.game, names)
        if len(feasible_corners(problem.game)) > 2:
            yield f"payoff_plane{apart}", payoff_plane_figure(meeting.followed, problem.game, names)


def _training(sources: Sequence[Source], problem: OpponentShaping, title: str, say: Callable[[str], None]) -> Named:
    """Give the figure of meta-training; none where a run has no metrics yet."""
    runs = [source.run for source in sources if source.run is not None]
    rows, config = [run.metrics() for run in runs], sources[0].config
    assert config is not None
    if all(rows):
        guides = reference_rewards(problem.game)
        static = best_static(problem, config, [run.path / "evaluation" for run in runs], say)
        if static is not None:
            guides["best static"] = static
        title = f"Reward over meta-training: {title}"
        yield "training", training_figure(course_of(rows), title=title, guides=guides)


def reference_rewards(game: Game) -> dict[str, float]:
    """Return reference rewards for the shaper, by name: those if both always play C, and if both always play D.

    In a prisoner's dilemma also the most that extortion can bring: the other player gets what mutual defection pays.
    """
    if game.own[0] == game.own[3]:
        return {}  # where C and D are but names
    limit = extortion_end(game, float("inf"))
    extortion = {} if limit is None else {"pure extortion": limit[0]}
    return {"both C": game.own[0], "both D": game.own[3], **extortion}


def _plain(name: str) -> str:
    """Return a name as a part of the name of a file."""
    return re.sub(r"[^A-Za-z0-9.=]+", "_", name).strip("_")


def _kind(name: str) -> str:
    return name.partition(AGAINST)[0]


def caption(name: str) -> str:
    """Return a sentence that explains the figure of a name."""
    return CAPTIONS.get(_kind(name), "")


def facts(source: Source) -> list[tuple[str, str]]:
    """Return a description of the game and the opponents, and the rewards of the centre at its last evaluation."""
    assert source.config is not None and source.run is not None
    start_jax(source.config.outer.num_devices, source.config.deterministic)  # opponents may be computed
    problem = OpponentShaping.from_config(source.config)
    game, asked = problem.game, source.config.problem
    payoffs = ", ".join(
        f"{outcome} {short(own)} and {short(other)}"
        for outcome, own, other in zip(("CC", "CD", "DC", "DD"), game.own, game.other, strict=True)
    )
    length = "one round" if game.gamma is None else f"discount {game.gamma:g}"
    played = "against a random policy" if problem.reset == "shaper" else "by both players"
    found = [
        ("Game", f"{game.name}: {payoffs} (own and opponent's payoff, own action first), {length}"),
        ("Seat", str(asked.get("seat", 1))),
        ("Opponents", ", ".join(task.name for task in problem.tasks)),
        ("Reset", f"{problem.reset}: the unpaid first step is played {played}"),
        ("Horizon", f"{problem.horizon} meta-steps, {problem.num_opponents} lifetimes of each opponent an evaluation"),
    ]
    rows: list[dict[str, Any]] = source.run.metrics()
    course = course_of([rows])
    known = np.isfinite(course.own[0]) if rows else np.zeros(0, bool)
    if known.any():
        own, other = (short(float(each[0, known][-1]), 3) for each in (course.own, course.other))
        whose = "the centre" if course.of_centre else "the population"
        after = f"after {course.generation[known][-1]:,.0f} generations"
        found.append(("Rewards", f"{own} of {whose}, {other} of its opponents, per round, {after}"))
    return found


def fitness(config: Config) -> str:
    """Return what fitness is: of all meta-policies the same."""
    return "shaper's reward per round,\nmean over a lifetime"


FAMILY = Family("How it plays", figures, caption, facts, fitness, interactive)
