"""`metadisco distil`: closed forms of an objective, and how they train."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from metadisco.commands.display import Display
from metadisco.commands.overrides import settings_in
from metadisco.config import check_num_seeds
from metadisco.discoveries.sources import Source, find_source
from metadisco.errors import UserError
from metadisco.evaluation.announce import announce
from metadisco.evaluation.settings import settings_for
from metadisco.parametrisations import PARAMETRISATIONS
from metadisco.storage.files import check_writable

MAX_TERMS = 4
MAX_WIDTH = 4096


def distil(
    name: str,
    output: Path,
    env: str | None,
    config_name: str | None,
    num_seeds: int,
    shapes: Sequence[str],
    max_terms: int | None,
    network: Sequence[str],
    words: Sequence[str],
    quiet: bool,
) -> int:
    """Find closed forms of an objective, write them, and retrain with them; return the exit code.

    Raises:
        UserError: for input that cannot be used; nothing was written then.
    """
    words = [
        *words,
        *(word for word in (*shapes, *network) if "=" in word),
    ]  # options that take several take these, too
    shapes, network = ([word for word in given if "=" not in word] for given in (shapes, network))
    overrides = _check_options(num_seeds, max_terms, words)
    hidden_sizes = _widths(network)
    source = find_source(name)
    if hidden_sizes and (source.section is None or source.section["name"] not in PARAMETRISATIONS):
        raise UserError(
            f"--network: {name!r} was learned by no built-in parametrisation, so that there is none to make smaller"
        )
    env, config, settings = settings_for(source, env, config_name, overrides)
    _check_apart(source, output)
    check_writable(output, "--output")

    from metadisco.distillation.distil import distil as distilled
    from metadisco.plotting.comparison import draw_comparison

    with Display(quiet) as display:
        distilled(
            source,
            config,
            env,
            output,
            origin=settings.origin,
            num_seeds=num_seeds,
            shapes=shapes,
            max_terms=max_terms,
            hidden_sizes=hidden_sizes,
            say=display.say,
            announced=partial(announce, display.say, settings.origin, [source], [config], overrides),
            progress=display.counting("step"),
            draw=draw_comparison,
        )
    if not quiet:
        print((output / "report.md").read_text(encoding="utf-8"))
    return 0


def _check_options(num_seeds: int, max_terms: int | None, words: Sequence[str]) -> dict[str, Any]:
    """Refuse options out of range; return the overrides."""
    overrides = settings_in(words)
    if num_seeds < 0:
        raise UserError(f"--seeds: got {num_seeds}, allowed: 0 (no retraining) or more")
    if max_terms is not None and not 1 <= max_terms <= MAX_TERMS:
        raise UserError(f"--max-terms: got {max_terms}, allowed: 1 to {MAX_TERMS}")
    if num_seeds > 0:
        check_num_seeds(num_seeds)
    return overrides


def _widths(words: Sequence[str]) -> list[int]:
    """Return the widths of hidden layers."""
    for word in words:
        if not (word.isascii() and word.isdigit() and 0 < int(word) <= MAX_WIDTH):
            raise UserError(f"--network: got {word!r}, allowed: positive widths, up to {MAX_WIDTH}")
    return [int(word) for word in words]


def _check_apart(source: Source, output: Path) -> None:
    """Refuse to write among the files of what is distilled."""
    where = (source.run, source.artefact)
    own = next((each.path for each in where if each is not None), None)
    if source.distilled is not None:
        own = source.distilled.path.parent
    if own is not None and output.resolve() == own.resolve():
        raise UserError(f"--output: got {str(output)!r}, where {source.name!r} itself is, allowed: another folder")
