"""Rows of metrics in words."""

from collections.abc import Mapping
from typing import Any

from metadisco.storage.rows import format_number

Row = Mapping[str, Any]

POPULATION = {"fitness_mean": "mean", "fitness_std": "±", "fitness_best": "best"}
CENTRE = {"centre_fitness": "centre", "centre_half_width": "±", "baseline_fitness": "baseline"}
SPEED = "env_steps_per_second"
METRICS = "metrics/"
WIDTH = 8
"""Of a number in a column: 1,234,567 or -0.01234, rarely more."""


def describe(row: Row) -> str:
    """Return one line with the main numbers of a row; zeros are omitted, except for those of fitness."""
    parts = [f"{label} {number(row.get(name))}" for name, label in POPULATION.items()]
    parts += [f"centre {number(row['centre_fitness'])}"] if row.get("centre_fitness") else []
    parts += [f"failed {row['failed_members']}"] if row.get("failed_members") else []
    parts += [f"{name} {number(value)}" for name, value in under(METRICS, row).items() if value]
    parts += [f"steps/s {number(row[SPEED])}"] if row.get(SPEED) else []
    return "  ".join([*parts, *notes_of(row)])


def describe_in_columns(row: Row) -> str:
    """Return the numbers of a row in one line, zeros included, so that those of one search stand below each other."""
    columns = [f"{label} {number(row.get(name)):>{WIDTH}}" for name, label in POPULATION.items()]
    columns.append(f"failed {row.get('failed_members') or 0:>3}")
    columns.append(f"steps/s {number(row.get(SPEED)):>{WIDTH}}")
    columns += [f"{name} {number(value):>{WIDTH}}" for name, value in under(METRICS, row).items()]
    columns += [f"{label} {number(row[name]):>{WIDTH}}" for name, label in CENTRE.items() if row.get(name) is not None]
    return "  ".join([*columns, *notes_of(row)])


def number(value: float | None) -> str:
    """Return a number with about four digits; a dash for None."""
    return "-" if value is None else format_number(value)


def rough(value: float | None) -> str:
    """Return a spread with two digits; a dash for None."""
    return "-" if value is None else f"{value:,.0f}" if abs(value) >= 10 else f"{value:.2g}"


def under(prefix: str, row: Row) -> dict[str, float | None]:
    """Return the entries of a row whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}


def notes_of(row: Row) -> list[str]:
    """Return in words what went wrong in a generation."""
    failed = ["centre failed"] if "centre_fitness" in row and row["centre_fitness"] is None else []
    skip = describe_skip(row)
    return failed + ([skip] if skip else [])


def describe_skip(row: Row) -> str:
    """Return why a generation was skipped, or an empty string if it was not."""
    if not row.get("step_skipped"):
        return ""
    why = "all members failed" if row.get("fitness_mean") is None else "all members have the same fitness"
    return f"nothing learned: {why}"
