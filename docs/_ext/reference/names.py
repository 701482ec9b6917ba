"""The reference of names: environments, games, strategies, objectives and discoveries."""

import re
from collections.abc import Iterable
from pathlib import Path

from metadisco.config import EXCLUDED_STRATEGIES, STRATEGIES, SUITES
from metadisco.config.keys import key_groups
from metadisco.discoveries.published import FOLDER, published_names
from metadisco.inner.envs import kinds, names, not_offered
from metadisco.inner.games.registry import GAMES

from .markdown import bullets, plain, reasons, table


def environments() -> str:
    """Return the environments of every suite, and those that are not offered with the reason."""
    parts = []
    for suite in SUITES:
        parts += [f"## {suite}", f"Actions and observations: {kinds(suite)}."]
        parts.append(bullets(f"`{suite}/{name}`" for name in names(suite)))
        left_out = not_offered(suite)
        if left_out:
            parts += [f"Of {suite} these are not offered:", reasons(left_out)]
    return "\n\n".join(parts)


def games() -> str:
    """Return the repeated games by name, with their payoffs."""
    rows = [
        (
            f"`{name}`",
            _payoffs(game.own),
            _payoffs(game.other),
            "one round" if game.gamma is None else f"{game.gamma:g}",
        )
        for name, game in GAMES.items()
    ]
    return table(("game", "own rewards after CC, CD, DC, DD", "the other's", "γ"), rows)


def _payoffs(numbers: Iterable[float]) -> str:
    return ", ".join(f"{each:g}".replace("-", "−") for each in numbers)


def strategies() -> str:
    """Return the strategies with their hyperparameters, and those that are not offered with the reason."""
    knobs = {
        "schedule": "scheduled",
        "std_init": "at the start",
        "radius_max": "largest radius",
        "none": "first generation",
    }
    shaping = {"chosen": "chosen", "ranked": "by rank", "raw": "raw"}
    rows = [
        (
            f"`{name}`",
            knobs[traits.std_knob],
            "yes" if traits.has_optimizer else "no",
            {"choice": "optional", "always": "always", "never": "no"}[traits.antithetic],
            shaping[traits.shaping],
            "the best member" if traits.population_based else "the mean",
        )
        for name, traits in STRATEGIES.items()
    ]
    header = ("strategy", "std", "learning rate", "antithetic pairs", "fitness shaping", "search centre")
    return "\n\n".join([table(header, rows), "## Not offered", reasons(EXCLUDED_STRATEGIES)])


def objectives() -> str:
    """Return the closed-form objectives with their constants."""
    groups = [group for group in key_groups() if group.file == "objective"]
    rows = [
        (f"`{group.title.partition(': ')[2]}`", ", ".join(f"`{key.key}` {key.default}" for key in group.keys))
        for group in groups
    ]
    return table(("objective", "constants with their defaults"), rows)


def discoveries() -> str:
    """Return the discoveries that come with the package, each with the first sentence of its card."""
    rows = [(f"`{name}`", _first_sentence(FOLDER / name / "README.md")) for name in published_names()]
    return table(("name", "discovery"), rows)


def _first_sentence(card: Path) -> str:
    """Return the first sentence below the title of a card, without links."""
    text = re.sub(r"\A---\n.*?^---\n", "", card.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    paragraph = re.sub(r"\[([^\]]*)\]\([^)]*\)|\*\*", r"\1", text.partition("\n\n")[2].partition("\n\n")[0])
    return plain(re.split(r"(?<=[.:])\s", paragraph.strip(), maxsplit=1)[0].rstrip(":"))
