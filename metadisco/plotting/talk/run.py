"""All figures of runs of cheap talk, and what a page says of one."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from metadisco.config import Config
from metadisco.discoveries.meta_problems import load_meta_params
from metadisco.discoveries.sources import Source
from metadisco.evaluation.conversations import Conversation, Episodes, conversations
from metadisco.evaluation.tables import SCORE_TITLES
from metadisco.evaluation.victims import POINTS
from metadisco.outer.devices import start_jax
from metadisco.plotting.curves import learning_curves_figure
from metadisco.plotting.families import Family
from metadisco.plotting.style import short
from metadisco.plotting.talk.control import goal_return_figure, reached_figure
from metadisco.plotting.talk.episodes import messages_figure, steering_figure
from metadisco.plotting.talk.interference import interference_figure
from metadisco.plotting.talk.message_map import message_map_figure, said_figure
from metadisco.plotting.talk.words import WITH_MESSAGE, WITH_ZEROS
from metadisco.problems.cheap_talk import CheapTalk

Named = Iterator[tuple[str, Figure]]

CAPTIONS = {
    "reached": "What trained victims, steered by a message, have reached at the end of an episode, over what was "
    "wanted; victims do not see the goal.",
    "goal_return": "Goal return over the generations of the search; the level line is that of fresh victims who go on "
    "hearing the message of their training.",
    "steering": "Some steered episodes, step by step: above what is wanted and what has been reached, below the "
    "message.",
    "learning": "Learning curves of fresh victims with the message, and of others on the same seeds with zeros in its "
    "place: means with 95 % bootstrap intervals.",
    "message_map": "The message over pairs of variables of the observation, the others at the median of what victims "
    "see; contours enclose shares of what they see over their training.",
    "said": "How the values of the message are distributed over what victims see.",
    "messages": "The message along episodes of trained victims, each of another one.",
    "interference": "Cosine between the policy gradients of the earlier and of the later states of episodes, while "
    "victims train: below 0 the two undo each other's steps. Means over victims with 95 % bootstrap intervals.",
}
ON = "_on_"
"""In names of figures of one of several environments."""
NUM_EPISODES = 4
"""Episodes that are drawn one by one."""
_LAST: dict[str, tuple[Conversation, ...]] = {}
"""What was last asked for: a page shows the numbers of its figures, and trains their victims once."""


def figures(sources: Sequence[Source], say: Callable[[str], None]) -> Named:
    """Give the figures of a run, each with its name; none of several runs.

    Args:
        sources: runs of this problem.
        say: told of the victims that are trained.

    Raises:
        UserError: for what cannot be loaded.
    """
    if len(sources) > 1:
        return
    (source,) = sources
    drawn: dict[str, Figure] = {}
    for talk in _conversations(source, say):
        several = source.config is not None and len(source.config.tasks) > 1
        apart = f"{ON}{_plain(talk.env)}" if several else ""
        drawn |= {f"{name}{apart}": figure for name, figure in _of(talk, source)}
    yield from sorted(drawn.items(), key=lambda item: list(CAPTIONS).index(_kind(item[0])))


def _conversations(source: Source, say: Callable[[str], None]) -> tuple[Conversation, ...]:
    """Return what a run's message says to fresh victims."""
    assert source.config is not None
    start_jax(source.config.outer.num_devices, source.config.deterministic)
    key = f"{source.name} {source.sha256}"
    if key not in _LAST:
        problem = CheapTalk.from_config(source.config)
        heard = tuple(conversations(problem, load_meta_params(source.name), source.config.outer, say))
        _LAST.clear()
        _LAST[key] = heard
    return _LAST[key]


def _of(talk: Conversation, source: Source) -> Named:
    """Give the figures of one environment."""
    scale, where = _scale(source, talk), f"{source.short_name} on {talk.env}"
    num = len(talk.heard.curve)
    if talk.steered is not None and talk.unsteered is not None:
        yield from _of_control(talk, talk.steered, talk.unsteered, source)
    curves = {name: (talk.env_steps.tolist(), each.curve) for name, each in _kinds(talk)}
    yield "learning", learning_curves_figure(curves, title=f"Learning curves of {2 * num} fresh victims: {where}")
    if talk.maps:
        yield "message_map", message_map_figure(talk.maps, scale=scale, env=talk.env, title=f"The message of {where}")
    else:
        yield "said", said_figure(talk.said, scale=scale, title=f"What {where} says")
    messages = [said[:length] for said, length in _first(talk.episodes.messages, talk.episodes)]
    returns = talk.episodes.episode_return[:, 0]
    title = f"The message along episodes of trained victims: {where}"
    yield "messages", messages_figure(messages, returns[: len(messages)].tolist(), scale=scale, title=title)
    cosines = {name: each.cosine for name, each in _kinds(talk)}
    yield "interference", interference_figure(np.array(POINTS), cosines, title=f"Interference of gradients: {where}")


def _of_control(talk: Conversation, steered: Episodes, unsteered: Episodes, source: Source) -> Named:
    """Give the figures of steered victims."""
    where = f"{source.short_name} on {talk.env}"
    if talk.unit:
        wanted, reached = (steered.at_the_end(each).ravel() for each in (steered.wanted, steered.reached))
        lasted = steered.length.ravel() >= talk.episode_length
        title = f"Wanted and reached in {len(wanted)} episodes: {where}"
        yield "reached", reached_figure(wanted, reached, lasted, unit=talk.unit, title=title)
        strips = (
            [values[:length] for values, length in _first(each, steered)]
            for each in (steered.wanted, steered.reached, steered.messages)
        )
        title = f"Steered episodes: {where}"
        yield "steering", steering_figure(*strips, unit=talk.unit, scale=_scale(source, talk), title=title)
    rows = source.run.metrics() if source.run is not None else []
    if rows and source.config is not None and len(source.config.tasks) == 1:
        guides = {"not steered": float(unsteered.episode_return.mean())}
        yield "goal_return", goal_return_figure(rows, title=f"Goal return over the search: {where}", guides=guides)


def _kinds(talk: Conversation) -> tuple[tuple[str, Any], ...]:
    return (WITH_MESSAGE, talk.heard), (WITH_ZEROS, talk.silent)


def _first(values: Float[np.ndarray, "S E T ..."], episodes: Episodes) -> list[tuple[np.ndarray, int]]:
    """Return the first episode of the first victims, and its length."""
    return [(values[each, 0], int(episodes.length[each, 0])) for each in range(min(len(values), NUM_EPISODES))]


def _scale(source: Source, talk: Conversation) -> float:
    """Return the largest absolute value of a message, or the largest one said where the message does not tell."""
    scale = (source.section or {}).get("scale")
    if isinstance(scale, (int, float)):
        return float(scale)
    return float(np.abs(talk.said).max()) or 1.0


def _plain(name: str) -> str:
    """Return a name as a part of the name of a file."""
    return re.sub(r"[^A-Za-z0-9.=]+", "_", name).strip("_")


def _kind(name: str) -> str:
    return name.partition(ON)[0]


def caption(name: str) -> str:
    """Return a sentence that explains the figure of a name."""
    return CAPTIONS.get(_kind(name), "")


def facts(source: Source) -> list[tuple[str, str]]:
    """Return what was asked, in words, and what it did to fresh victims."""
    assert source.config is not None
    problem, section = source.problem, source.section or {}
    found = [("Aim", str(problem.get("aim", "harm")))]
    if "num_channels" in section and "scale" in section:
        channels = section["num_channels"]
        plural = "" if channels == 1 else "s"
        found.append(("Channel", f"{channels} number{plural} of at most ±{short(float(section['scale']), 3)}"))
    found.append(("Victims minimise", str(problem.get("objective", "ppo"))))
    for talk in _conversations(source, lambda text: None):
        on = f" on {talk.env}" if len(source.config.tasks) > 1 else ""
        found.append((f"Fresh victims{on}", _effect(talk)))
        if talk.steered is not None and talk.unsteered is not None:
            steered, unsteered = (
                short(float(each.episode_return.mean()), 3) for each in (talk.steered, talk.unsteered)
            )
            found.append((f"Goal return{on}", f"{steered} when steered, {unsteered} when not"))
    return found


def _effect(talk: Conversation) -> str:
    """Return in words what a message does to fresh victims."""
    num = len(talk.heard.curve)
    areas, finals = (
        [_mean(values) for values in pair]
        for pair in (
            (talk.heard.area_under_curve, talk.silent.area_under_curve),
            (talk.heard.final_return, talk.silent.final_return),
        )
    )
    return (
        f"area under the learning curve {areas[0]} {WITH_MESSAGE}, {areas[1]} {WITH_ZEROS}; final return {finals[0]} "
        f"and {finals[1]} (means of {num} each)"
    )


def _mean(values: Float[np.ndarray, "S"]) -> str:
    known = values[np.isfinite(values)]
    return short(float(known.mean()), 3) if len(known) else "not known"


def fitness(config: Config) -> str:
    """Return what fitness is, which depends on the aim."""
    aim = config.problem.get("aim", "harm")
    if aim == "control":
        return "goal return of learners that it steers"
    score = SCORE_TITLES.get(config.inner.fitness, config.inner.fitness)
    return f"{'minus the ' if aim == 'harm' else ''}learners'\n{score}"


FAMILY = Family("What it says", figures, caption, facts, fitness)
