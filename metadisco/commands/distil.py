"""`metadisco distil`: closed forms of an objective, and trainings with them."""

from collections.abc import Sequence
from pathlib import Path

from metadisco.api import distilling
from metadisco.commands.overrides import settings_in
from metadisco.errors import UserError


def distil(
    name: str,
    output: Path,
    env: str | None,
    config: str | None,
    num_seeds: int,
    shapes: Sequence[str],
    max_terms: int | None,
    network: Sequence[str],
    words: Sequence[str],
    quiet: bool,
) -> int:
    """Find closed forms of an objective, write them, and retrain with them; return the exit code.

    Raises:
        UserError: for input that cannot be used; nothing is written then.
    """
    # Options with several values also collect the KEY=VALUE words that follow them.
    words = [*words, *(word for word in (*shapes, *network) if "=" in word)]
    shapes, network = ([word for word in given if "=" not in word] for given in (shapes, network))
    distilling.distil(
        name,
        output,
        env=env,
        config=config,
        overrides=settings_in(words),
        num_seeds=num_seeds,
        shapes=shapes,
        max_terms=max_terms,
        network=_widths(network),
        progress=not quiet,
    )
    if not quiet:
        print((output / "report.md").read_text(encoding="utf-8"))
    return 0


def _widths(words: Sequence[str]) -> list[int]:
    """Return the widths of hidden layers."""
    for word in words:
        if not (word.isascii() and word.isdigit()):
            raise UserError(f"--network: got {word!r}, allowed: positive widths, up to {distilling.MAX_WIDTH}")
    return [int(word) for word in words]
