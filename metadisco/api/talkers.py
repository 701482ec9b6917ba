"""Talkers compared over environments and victims, from Python."""

import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from metadisco.api.comparing import check_names, checked_settings
from metadisco.api.inputs import Overrides, overrides_of, texts_of
from metadisco.config import check_env_name, check_num_seeds
from metadisco.config.code.own_code import forget_edited
from metadisco.config.grid import config_at, one_environment, split_objective
from metadisco.discoveries.sources import find_source
from metadisco.errors import UserError, shown
from metadisco.evaluation.announce import announce
from metadisco.evaluation.settings import settings_named
from metadisco.evolution.display import Display
from metadisco.storage.files import Name, check_writable, text_of

if TYPE_CHECKING:
    from metadisco.evaluation.evaluate import Comparison
    from metadisco.evaluation.talkers import Victim

Victims: TypeAlias = Mapping[str, Mapping[str, Any]] | None
MAX_CHANNELS, MAX_SCALE = 2**16, 1e6


def evaluate_talkers(
    talkers: Name | Sequence[Name],
    envs: str | Sequence[str],
    num_seeds: int = 64,
    *,
    victims: Victims = None,
    config: Name | None = None,
    overrides: Overrides = None,
    channels: int | None = None,
    scale: float | None = None,
    output: Name | None = None,
    progress: bool = True,
) -> "Comparison":
    """Train learners beside every talker on the same seeds, as `metadisco evaluate --talkers` does.

    Differences are from `none` (no channel) and from `zero` (a silent one), which are added where they are missing.

    Args:
        talkers: runs (RUN, RUN@generation) and artefacts of cheap talk, and controls: `none`, `zero`, `constant` (the
            scale), `noise`, `copy` (the observation's first numbers), `random:SEED` (an untrained network),
            `scrambled:PATH` (the message of an unrelated observation), `frozen:PATH` (of the episode's first one).
        envs: suite/name of each; none twice.
        num_seeds: learners per talker, environment and victim; used by no search and no `train_agents`.
        victims: further learners by name, {"dpo": {"objective": "dpo"}, "fast": {"inner.ppo.learning_rate": 0.01}}:
            the objective (`objective.clip_eps` for a constant) and settings by dotted key; none if left out.
        config: a YAML file, or the name or path of a discovery, for the settings it was found with, the objective of
            its learners included; CleanRL's settings for CartPole and PPO if left out.
        overrides: settings of all trainings by dotted key, and `objective`.
        channels: numbers of a message; those of the messages among the talkers, or 2, if left out.
        scale: largest absolute value of each; that of the messages, or 2π, if left out.
        output: a folder for results, tables, figures and finished trainings. Repeat the call to resume. Nothing
            is kept if left out.
        progress: show settings and progress, on stderr.

    Returns:
        A `Comparison` as of `evaluate`, with talkers as objectives; `control` has goal returns of talkers that steer.

    Raises:
        UserError: for input that cannot be used; nothing was written then.

    Example:
        found = metadisco.evaluate_talkers(["random:0", "runs/harm"], "gymnax/CartPole-v1", 4, config="runs/harm")
        found.summary()[["objective", "env", "score", "mean", "difference", "difference_from_zero"]]
    """
    forget_edited()
    settings = settings_named(None if config is None else text_of(config, "config"))
    names, places = texts_of(talkers, "talkers"), texts_of(envs, "envs")
    check_num_seeds(num_seeds)
    _check_channel(channels, scale)
    check_names({"talkers": names, "envs": places})
    for env in places:
        check_env_name(env, key="envs")
    given = _settings_of(overrides, "overrides")
    learners = {"": {}, **_checked_victims(victims)}
    met = [_victim(settings.base, env, name, {**given, **own}) for env in places for name, own in learners.items()]
    output = None if output is None else text_of(output, "output")
    if output is not None:
        check_writable(Path(output), "output")

    from metadisco.evaluation.results import write_results
    from metadisco.evaluation.talkers import evaluate_talkers as compare
    from metadisco.problems.talkers import NONE, ZERO, channel_of, parse_talker

    parsed = [parse_talker(name) for name in [*(each for each in (NONE, ZERO) if each not in names), *names]]
    channel = channel_of(parsed, channels, scale)
    found_before = list({each.source.name: each.source for each in parsed if each.source is not None}.values())
    with Display(not progress) as display, tempfile.TemporaryDirectory() as nowhere:
        configs = [victim.config for victim in met]
        announced = partial(announce, display.say, settings.origin, found_before, configs, given)
        kept, counting = Path(nowhere if output is None else output), display.counting("cell")
        found = compare(parsed, channel, met, num_seeds, kept, announced=announced, progress=counting)
    if output is not None:
        from metadisco.plotting.comparison import draw_comparison

        write_results(found, Path(output), settings.origin)
        draw_comparison(found, Path(output))
    return found


def _check_channel(channels: int | None, scale: float | None) -> None:
    """Refuse a channel that cannot carry a message."""
    if channels is not None and (
        isinstance(channels, bool) or not isinstance(channels, int) or not 1 <= channels <= MAX_CHANNELS
    ):
        raise UserError(f"channels: got {shown(channels)}, allowed: a whole number from 1 to {MAX_CHANNELS}")
    if scale is not None and (
        isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < scale <= MAX_SCALE
    ):
        raise UserError(f"scale: got {shown(scale)}, allowed: a number above 0, up to {MAX_SCALE:g}")


def _settings_of(overrides: Overrides, key: str) -> dict[str, Any]:
    """Return settings and the objective by dotted key.

    Raises:
        UserError: for one that cannot be set here, or an objective that is not a name.
    """
    given = overrides_of(overrides, key)
    constants, settings = split_objective(given)
    objective = settings.pop("objective", None)
    if objective is not None and not isinstance(objective, str):
        raise UserError(f"{key}: got objective {shown(objective)}, allowed: the name of an objective")
    named = {} if objective is None else {"objective": objective}
    return {**checked_settings(settings), **named, **{f"objective.{name}": value for name, value in constants.items()}}


def _checked_victims(victims: Victims) -> dict[str, dict[str, Any]]:
    """Return the settings of further victims by name.

    Raises:
        UserError: if they are anything else.
    """
    if victims is not None and not isinstance(victims, Mapping):
        raise UserError(f'victims: got {shown(victims)}, allowed: settings by name, {{"dpo": {{"objective": "dpo"}}}}')
    learners = {}
    for name, own in (victims or {}).items():
        if not isinstance(name, str) or not name.strip() or "=" in name or not name.isprintable():
            raise UserError(f"victims: got the name {shown(name)}, allowed: a word without =")
        learners[name] = _settings_of(own, "victims")
        if not learners[name]:
            raise UserError(f"victims: {name} has no settings, allowed: one or more, such as objective=dpo")
    return learners


def _victim(base: Mapping[str, Any], env: str, name: str, given: Mapping[str, Any]) -> "Victim":
    """Return a learner in an environment.

    Args:
        base: settings as in a config file.
        env: the environment.
        name: of the victim; empty for the one with these settings.
        given: settings in place of these, and the objective.

    Raises:
        UserError: for an objective or settings that cannot be used.
    """
    from metadisco.evaluation.talkers import Victim

    constants, settings = split_objective(given)
    objective = settings.pop("objective", None)
    config = config_at(one_environment(base, env), settings)
    if objective is None:
        objective = config.problem.get("objective", "ppo")
        constants = {**config.problem.get("objective_settings", {}), **constants}
    source = find_source(objective, constants)
    return Victim(f"{env}, {name}" if name else env, env, config, source, constants)
