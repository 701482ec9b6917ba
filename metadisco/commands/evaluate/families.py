"""Which options of `metadisco evaluate` belong together."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from metadisco.errors import UserError


class Family(NamedTuple):
    """What is compared, by the option that names it, and the options that go with it."""

    against: str
    """Name of the option that must be given, too."""
    others: Mapping[str, str]
    """Further options by the name of their value."""

    @property
    def options(self) -> dict[str, str]:
        """All options that go with it, by the name of their value."""
        return {self.against: f"--{self.against}", **self.others}


COMMON = ("output", "formats", "style", "quiet")
"""Options of all families, by the names of their values."""

TRAININGS = {"num_seeds": "--seeds", "config": "--config", "words": "KEY=VALUE"}

FAMILIES = {
    "objectives": Family("envs", {**TRAININGS, "baseline": "--baseline"}),
    "tuned": Family(
        "tuned", {"envs": "--envs", "num_seeds": "--seeds", "words": "KEY=VALUE", "baseline": "--baseline"}
    ),
    "players": Family(
        "opponents",
        {"games": "--games", "num_lifetimes": "--lifetimes", "horizon": "--horizon", "reset": "--reset",
         "seed": "--seed", "baseline": "--baseline"},
    ),
    "talkers": Family("envs", {**TRAININGS, "victims": "--victim", "channels": "--channels", "scale": "--scale"}),
}  # fmt: skip
"""Each is a module of this folder with a function `evaluate`, which takes values by these names."""


def family_of(options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return which family is meant, and the values of its options that are given.

    Args:
        options: all values by name; None or empty where nothing was given.

    Raises:
        UserError: if it is none, several, or one with an option of another.
    """
    chosen = [name for name in FAMILIES if options[name]]
    if len(chosen) != 1:
        got = " and ".join(f"--{name}" for name in chosen) or "none"
        raise UserError(f"evaluate: got {got}, allowed: one of {', '.join(f'--{name}' for name in FAMILIES)}")
    (name,) = chosen
    family = FAMILIES[name]
    if not options[family.against]:
        raise UserError(f"--{family.against}: got none, allowed: one or more beside --{name}")
    for other, each in FAMILIES.items():
        for value, option in each.options.items():
            if value not in family.options and options[value] not in (None, []):
                raise UserError(f"{option}: got it beside --{name}, allowed: beside --{other}")
    names = (name, *family.options, *COMMON)
    return name, {each: options[each] for each in names if options[each] is not None}
