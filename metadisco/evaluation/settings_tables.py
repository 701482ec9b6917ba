"""A judgement over PPO settings as tables and plain data."""

import math
from collections.abc import Sequence
from typing import Any

from metadisco.discoveries.sources import short_names
from metadisco.evaluation.settings_cells import Place
from metadisco.evaluation.settings_comparison import Judgement, Overall, SettingsRow
from metadisco.evaluation.statistics import Estimate
from metadisco.evaluation.tables import SCORE_TITLES, Table, with_sign
from metadisco.storage.rows import format_number

MARKS = {"worse": " ▼", "level": "", "better": " ▲"}
OVERALL_HEADINGS = [
    "objective", "worse / level / better", "after Holm", "mean (95 %)", "IQM (95 %)", "10 % quantile", "minimum",
]  # fmt: skip


def settings_tables(judgement: Judgement, baseline: str, places: Sequence[Place], cells: bool = True) -> list[Table]:
    """Return the tables of one score: over all cells, cell by cell, scales and controls.

    Args:
        judgement: verdicts by this score.
        baseline: the objective that the others were compared with.
        places: in the order of the judgement.
        cells: whether cells are listed one by one.
    """
    score = SCORE_TITLES[judgement.overall[0].score] if judgement.overall else ""
    short = short_names([baseline, *(row.entrant for row in judgement.overall)])
    found = []
    for env in dict.fromkeys(each.env for each in judgement.overall):
        title = f"{env or 'all environments'}: {score} minus {short[baseline]}, tuned {short[baseline]} − random = 1"
        lines = [_overall_line(each, short[each.entrant]) for each in judgement.overall if each.env == env]
        found.append(Table(title, OVERALL_HEADINGS, lines))
    for env, lifetime in dict.fromkeys((place.env, place.lifetime) for place in places if cells):
        title = f"{env}, {lifetime:,} steps: {score} minus {short[baseline]} (95 %); ▲ better, ▼ worse"
        found.append(_cells(judgement, baseline, places, (env, lifetime), title))
    found.append(_scales(judgement, score, short[baseline]))
    if judgement.control:
        lines = [[short_names([name])[name], f"{mean:+.3f}"] for name, mean in judgement.control.items()]
        found.append(Table(f"controls, {score}, on the seeds that choose one of them", ["control", "mean"], lines))
    return found


def _overall_line(each: Overall, name: str) -> list[str]:
    counts = (each.worse, each.level, each.better)
    corrected = (each.corrected_worse, each.corrected_level, each.corrected_better)
    shares = " / ".join(f"{number / each.num_cells:.0%}" for number in counts)
    head = [name, f"{' / '.join(map(str, counts))} ({shares})", " / ".join(map(str, corrected))]
    if each.spread is None:
        return [*head, "", "", "", ""]
    estimates = [_estimate(found) for found in (each.spread.mean, each.spread.interquartile_mean)]
    return [*head, *estimates, f"{each.spread.low_quantile:+.3f}", f"{each.spread.minimum:+.3f}"]


def _estimate(estimate: Estimate) -> str:
    return f"{estimate.value:+.3f} [{estimate.low:+.3f}, {estimate.high:+.3f}]"


def _cells(judgement: Judgement, baseline: str, places: Sequence[Place], task: tuple[str, int], title: str) -> Table:
    """Return the table of an environment and lifetime: a line for each setting, a column for each entrant."""
    entrants = list(dict.fromkeys(row.entrant for row in judgement.rows))
    short = short_names([baseline, *entrants])
    rows = {(row.entrant, row.place.key): row for row in judgement.rows}
    lines = []
    for place, mean in zip(places, judgement.means[baseline], strict=True):
        if (place.env, place.lifetime) == task:
            name = place.setting if place.same_as is None else f"{place.setting} (= {place.same_as})"
            found = [rows[entrant, place.key] for entrant in entrants]
            lines.append(
                [name, format_number(mean), *(f"{with_sign(row.difference)}{MARKS[row.verdict]}" for row in found)]
            )
    return Table(title, ["settings", short[baseline], *(short[entrant] for entrant in entrants)], lines)


def _scales(judgement: Judgement, score: str, baseline: str) -> Table:
    lines = []
    for (env, lifetime), scale in judgement.scales.items():
        where = "given" if scale.setting is None else scale.setting
        numbers = [format_number(scale.random), format_number(scale.tuned)]
        lines.append([f"{env}, {lifetime:,} steps", *numbers, where if scale.extent > 0 else f"{where}: no scale"])
    return Table(f"scales of the {score}", ["task", "random actions", f"tuned {baseline}", "best settings"], lines)


def row_as_json(row: SettingsRow) -> dict[str, Any]:
    """Return a row as plain data; null for unknown numbers."""
    return {
        "objective": row.entrant,
        **place_as_json(row.place),
        "score": row.score,
        "mean": row.mean,
        "difference": row.difference.mean,
        "difference_low": row.difference.low,
        "difference_high": row.difference.high,
        "normalised": _or_null(row.normalised),
        "verdict": row.verdict,
        "p_value_holm": row.p_value,
        "verdict_holm": row.corrected,
        "failed": row.failed,
    }


def place_as_json(place: Place) -> dict[str, Any]:
    """Return the name of a place as plain data."""
    return {"env": place.env, "lifetime": place.lifetime, "setting": place.setting, "same_as": place.same_as}


def overall_as_json(each: Overall) -> dict[str, Any]:
    """Return statistics over cells as plain data; an interval is a list [value, low, high]."""
    shares = {f"share_{name}": getattr(each, name) / each.num_cells for name in ("worse", "level", "better")}
    plain = {"objective": each.entrant, **each._asdict(), **shares}
    del plain["entrant"], plain["spread"]
    if each.spread is None:
        return plain | dict.fromkeys(("mean", "interquartile_mean", "quantile_10", "minimum"))
    found = each.spread
    return plain | {
        "mean": list(found.mean),
        "interquartile_mean": list(found.interquartile_mean),
        "quantile_10": found.low_quantile,
        "minimum": found.minimum,
    }


def _or_null(number: float) -> float | None:
    return number if math.isfinite(number) else None
