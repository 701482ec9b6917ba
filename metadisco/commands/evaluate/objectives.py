"""`metadisco evaluate --objectives`: comparison of objectives over environments, on the same seeds."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from metadisco.api import comparing
from metadisco.commands.figure_style import figure_style
from metadisco.commands.overrides import is_setting, settings_in
from metadisco.commands.tables import print_comparison, print_tables


def evaluate(
    objectives: Sequence[str],
    envs: Sequence[str],
    output: Path,
    words: Sequence[str],
    formats: Sequence[str],
    quiet: bool,
    num_seeds: int | None = None,
    baseline: str | None = None,
    config: str | None = None,
    style: str | None = None,
    settings: str | None = None,
) -> int:
    """Train every objective in every environment; write and print the results; return the exit code.

    Args:
        objectives: distinct names; KEY=VALUE words may be among them.
        envs: distinct full names; KEY=VALUE words may be among them.
        output: folder.
        words: settings that replace those of the config, as KEY=VALUE.
        formats: further formats of figures, beside PNG and SVG.
        quiet: print nothing.
        num_seeds: agents per cell; None for the default.
        baseline: the objective that the others are compared with; None for the first one.
        config: a config file, or a discovery.
        style: of figures, as in `look`.
        settings: a file with a grid of PPO settings over which objectives are judged; None for one setting.

    Raises:
        UserError: for input that cannot be used; nothing is written then.
    """
    words = [*words, *(word for word in (*objectives, *envs) if is_setting(word))]
    objectives, envs = ([word for word in names if not is_setting(word)] for names in (objectives, envs))
    given = {
        "baseline": baseline or None, "config": config, "overrides": settings_in(words), "output": output,
        "progress": not quiet, **({} if num_seeds is None else {"num_seeds": num_seeds}),
    }  # fmt: skip
    with figure_style(style, formats):
        show = _compare(objectives, envs, settings, given)
    if not quiet:
        show()
    return 0


def _compare(
    objectives: Sequence[str], envs: Sequence[str], settings: str | None, given: Mapping[str, Any]
) -> Callable[[], None]:
    """Compare, at one setting or over several; return a function that prints the tables."""
    if settings is None:
        return partial(print_comparison, comparing.evaluate(objectives, envs, **given), given["output"])
    from metadisco.api.over_settings import evaluate_settings
    from metadisco.evaluation.settings_tables import settings_tables

    judged = evaluate_settings(objectives, envs, settings, **given)
    found = settings_tables(judged.judgements["area_under_curve"], judged.baseline, judged.places, cells=False)
    return partial(print_tables, found)
