"""`metadisco evaluate`: objectives compared over environments, on the same seeds."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from metadisco.commands.display import Display
from metadisco.commands.overrides import is_setting, settings_in
from metadisco.commands.tables import print_table
from metadisco.config import check_env_name, check_num_seeds
from metadisco.config.grid import config_at, one_environment
from metadisco.discoveries.sources import find_source
from metadisco.errors import UserError
from metadisco.evaluation.announce import announce
from metadisco.evaluation.settings import settings_named
from metadisco.storage.files import check_writable


def evaluate(
    objectives: Sequence[str],
    envs: Sequence[str],
    num_seeds: int,
    output: Path,
    baseline: str | None,
    config_name: str | None,
    words: Sequence[str],
    formats: Sequence[str],
    style: str | None,
    quiet: bool,
) -> int:
    """Train every objective in every environment; write and print what came out; return the exit code.

    Args:
        objectives: by name; none twice. KEY=VALUE words may be among them.
        envs: by full name; none twice; likewise.
        num_seeds: lives per cell.
        output: folder.
        baseline: what is compared with; the first objective where it is None.
        config_name: a config file, or a discovery.
        words: settings in place of these, as KEY=VALUE.
        formats: of figures, beside PNG and SVG.
        style: of figures, as `look` takes it.
        quiet: print nothing.

    Raises:
        UserError: for input that cannot be used; nothing was written then.
    """
    settings = settings_named(config_name)
    words = [*words, *(word for word in (*objectives, *envs) if is_setting(word))]
    objectives, envs = ([word for word in names if not is_setting(word)] for names in (objectives, envs))
    check_num_seeds(num_seeds)
    overrides = _overrides(words)
    _check_names(objectives, envs)
    baseline = baseline or objectives[0]
    if baseline not in objectives:
        raise UserError(f"--baseline: got {baseline!r}, allowed: one of {', '.join(objectives)}")
    for env in envs:
        check_env_name(env, key="--envs")
    sources = [find_source(name) for name in objectives]
    configs = {env: config_at(one_environment(settings.base, env), overrides) for env in envs}
    check_writable(output, "--output")

    from metadisco.evaluation.evaluate import evaluate as compare
    from metadisco.evaluation.results import write_results
    from metadisco.evaluation.tables import tables
    from metadisco.plotting.comparison import draw_comparison
    from metadisco.plotting.look import look

    with Display(quiet) as display:
        announced = partial(announce, display.say, settings.origin, sources, list(configs.values()), overrides)
        progress = display.counting("cell")
        found = compare(sources, configs, num_seeds, baseline, output, announced=announced, progress=progress)
    write_results(found, output, settings.origin)
    with look(style, formats):
        draw_comparison(found, output)
    if not quiet:
        for title, headings, lines in tables(found.rows, found.held_out, baseline):
            print_table(title, headings, lines, named=True)
    return 0


def _overrides(words: Sequence[str]) -> dict[str, Any]:
    """Return settings by dotted key, after seeing that they may be set here."""
    overrides = settings_in(words, ", where objectives are several")
    for key, value in overrides.items():
        if key in ("inner.env", "inner.envs") or (isinstance(value, list) and key == "seed"):
            raise UserError(f"{key}: got {value!r}, but environments are named by --envs and seeds by --seeds")
    return overrides


def _check_names(objectives: Sequence[str], envs: Sequence[str]) -> None:
    """Refuse names that are given twice, or none."""
    for names, option in ((objectives, "--objectives"), (envs, "--envs")):
        twice = [name for name in names if list(names).count(name) > 1]
        if twice:
            raise UserError(f"{option}: got {twice[0]!r} twice, allowed: each once")
        if not names:
            raise UserError(f"{option}: got none, allowed: one or more")
