"""Objectives compared with settings of their own, which a search has found, from Python."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metadisco.api.comparing import check_names, checked_settings, compare_and_write
from metadisco.api.inputs import Overrides, settings_of, texts_of
from metadisco.config import check_env_name, check_num_seeds
from metadisco.config.code.own_code import forget_edited
from metadisco.config.grid import config_at, one_environment, split_objective
from metadisco.discoveries.sources import Source, find_source
from metadisco.errors import UserError
from metadisco.storage.files import Name, text_of

if TYPE_CHECKING:
    from metadisco.evaluation.evaluate import Comparison


def evaluate_tuned(
    tuned: Name,
    envs: str | Sequence[str] | None = None,
    num_seeds: int = 64,
    *,
    baseline: Name | None = None,
    overrides: Overrides = None,
    output: Name | None = None,
    progress: bool = True,
) -> "Comparison":
    """Compare the objectives of a search, each with its own best settings, as `metadisco evaluate --tuned` does.

    Args:
        tuned: output of `metadisco.tune`.
        envs: suite/name of each; those of the search if left out.
        num_seeds: agents per objective and environment, S; on seeds that the search did not use.
        baseline: the objective that the others are compared with; the first one if left out.
        overrides: settings of all trainings by dotted key, which replace those that were found.
        output: a folder as for `evaluate`; nothing is kept if left out.
        progress: show settings and progress, on stderr.

    Returns:
        A `Comparison`, as `evaluate` does.

    Raises:
        UserError: for input that cannot be used; nothing was written then.

    Example:
        found = metadisco.evaluate_tuned("tuned", num_seeds=4)
        found.summary()[["objective", "env", "score", "mean"]]
    """
    from metadisco.evaluation.evaluate import OwnSettings
    from metadisco.tuning.read import read_results

    forget_edited()
    found = read_results(Path(text_of(tuned, "tuned")), "tuned")
    places = found["search"]["envs"] if envs is None else texts_of(envs, "envs")
    given = checked_settings(settings_of(overrides, ", as those that were found are used"))
    check_num_seeds(num_seeds)
    best = {name: split_objective(each["best"]) for name, each in found["objectives"].items()}
    check_names({"envs": places})
    for env in places if envs is not None else ():
        check_env_name(env, key="envs")
    compared = next(iter(best)) if baseline is None else text_of(baseline, "baseline")
    if compared not in best:
        raise UserError(f"baseline: got {compared!r}, allowed: one of {', '.join(best)}")
    base = {"inner": found["search"]["inner"], "outer": found["search"]["outer"], "seed": found["search"]["seed"]}
    sources = [_unchanged(name, constants, found) for name, (constants, _) in best.items()]
    configs = {env: one_environment(base, env) for env in places}
    own = {
        name: OwnSettings(constants, {env: config_at(configs[env], {**values, **given}) for env in places})
        for name, (constants, values) in best.items()
    }
    before = {env: config_at(configs[env], given) for env in places}
    return compare_and_write(sources, before, num_seeds, compared, output, progress, str(tuned), given, own)


def _unchanged(name: str, constants: Mapping[str, Any], found: Mapping[str, Any]) -> Source:
    """Return an objective of a search with its best constants; refuse one that has changed since."""
    if find_source(name).sha256 != found["objectives"][name]["sha256"]:
        raise UserError(f"tuned: {name} has changed since the search, allowed: to search again in a new folder")
    return find_source(name, constants)
