"""Objectives compared over environments, from Python."""

import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metadisco.api.inputs import Overrides, settings_of, texts_of
from metadisco.config import Config, check_env_name, check_num_seeds
from metadisco.config.code.own_code import forget_edited
from metadisco.config.grid import config_at, one_environment
from metadisco.discoveries.sources import Source, find_source
from metadisco.errors import UserError
from metadisco.evaluation.announce import announce
from metadisco.evaluation.settings import settings_named
from metadisco.evolution.display import Display
from metadisco.storage.files import Name, check_writable, text_of

if TYPE_CHECKING:
    from metadisco.evaluation.evaluate import Comparison, OwnSettings


def evaluate(
    objectives: Name | Sequence[Name],
    envs: str | Sequence[str],
    num_seeds: int = 64,
    *,
    baseline: Name | None = None,
    config: Name | None = None,
    overrides: Overrides = None,
    output: Name | None = None,
    progress: bool = True,
) -> "Comparison":
    """Train every objective in every environment on the same seeds, and compare, as `metadisco evaluate` does.

    Args:
        objectives: names as for `train_agents`; none twice.
        envs: suite/name of each; none twice.
        num_seeds: agents per objective and environment, S; used by no search and no `train_agents`.
        baseline: the objective that others are compared with; the first one if left out.
        config: a YAML file, or the name or path of a discovery, for the settings it was found with; CleanRL's settings
            for CartPole if left out.
        overrides: settings of all trainings by dotted key.
        output: a folder for results, tables, figures and finished trainings. Repeat the call to resume. Nothing
            is kept if left out.
        progress: show settings and progress, on stderr.

    Returns:
        A `Comparison`: `summary()` (means, interquartile means and differences from the baseline, with 95 % intervals),
        `seeds()` and `curves()` are pandas DataFrames; returns are undiscounted. `metadisco.plot` draws it.

    Raises:
        UserError: for input that cannot be used; nothing was written then.

    Example:
        found = metadisco.evaluate(["ppo", "runs/first"], "gymnax/CartPole-v1", num_seeds=4, config="runs/first")
        found.summary()[["objective", "env", "score", "interquartile_mean", "difference_low", "difference_high"]]
    """
    forget_edited()
    settings = settings_named(None if config is None else text_of(config, "config"))
    names, places = texts_of(objectives, "objectives"), texts_of(envs, "envs")
    check_num_seeds(num_seeds)
    given = checked_settings(settings_of(overrides, ", where objectives are several"))
    check_names({"objectives": names, "envs": places})
    compared = names[0] if baseline is None else text_of(baseline, "baseline")
    if compared not in names:
        raise UserError(f"baseline: got {compared!r}, allowed: one of {', '.join(names)}")
    for env in places:
        check_env_name(env, key="envs")
    sources = [find_source(name) for name in names]
    configs = {env: config_at(one_environment(settings.base, env), given) for env in places}
    return compare_and_write(sources, configs, num_seeds, compared, output, progress, settings.origin, given)


def compare_and_write(
    sources: Sequence[Source],
    configs: Mapping[str, Config],
    num_seeds: int,
    baseline: str,
    output: Name | None,
    progress: bool,
    origin: str | None,
    given: Collection[str],
    own: "Mapping[str, OwnSettings] | None" = None,
) -> "Comparison":
    """Compare objectives; write results and figures if there is an output.

    Args:
        sources: the objectives.
        configs: settings of the trainings, by environment.
        num_seeds: agents per objective and environment.
        baseline: name of the objective that the others are compared with.
        output: folder; nothing is kept if left out.
        progress: show settings and progress, on stderr.
        origin: of the settings.
        given: keys of settings that replace others.
        own: settings of single objectives by name, in place of `configs`.
    """
    if output is not None:
        check_writable(Path(output), "output")

    from metadisco.evaluation.evaluate import evaluate as compare
    from metadisco.evaluation.results import write_results

    with Display(not progress) as display, tempfile.TemporaryDirectory() as nowhere:
        announced = partial(_announce, display.say, origin, sources, configs, given, own or {})
        kept, counting = Path(nowhere if output is None else output), display.counting("cell")
        found = compare(
            sources, configs, num_seeds, baseline, kept, own=own or {}, announced=announced, progress=counting
        )
    if output is not None:
        from metadisco.plotting.comparison import draw_comparison

        write_results(found, Path(output), origin)
        draw_comparison(found, Path(output))
    return found


def _announce(
    say: Callable[[str], None],
    origin: str | None,
    sources: Sequence[Source],
    configs: Mapping[str, Config],
    given: Collection[str],
    own: "Mapping[str, OwnSettings]",
) -> None:
    """Announce common settings, or those of each objective."""
    common = [source for source in sources if source.name not in own]
    if common:
        announce(say, origin, common, list(configs.values()), given)
    for source in sources:
        if source.name in own:
            constants = "".join(f", {name} {value:g}" for name, value in own[source.name].constants.items())
            announce(
                lambda text, name=source.name, more=constants: say(f"{name}{more}: {text}"),  # type: ignore[misc]
                origin, [source], list(own[source.name].configs.values()), given,
            )  # fmt: skip


def checked_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings by dotted key.

    Raises:
        UserError: for one that may not be set where environments and seeds are arguments.
    """
    for key, value in settings.items():
        if key in ("inner.env", "inner.envs") or (isinstance(value, list) and key == "seed"):
            raise UserError(f"{key}: got {value!r}, but environments are named by `envs` and seeds by `num_seeds`")
    return settings


def check_names(given: Mapping[str, Sequence[str]]) -> None:
    """Refuse names that are given twice, or none.

    Args:
        given: names by argument.

    Raises:
        UserError: naming the argument.
    """
    for option, names in given.items():
        twice = [name for name in names if list(names).count(name) > 1]
        if twice:
            raise UserError(f"{option}: got {twice[0]!r} twice, allowed: each once")
        if not names:
            raise UserError(f"{option}: got none, allowed: one or more")
