"""The course of a search, whose numbers show where the pointer is. Axes: R rows of metrics."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from metadisco.plotting.interactive.look import CLEAR, LINES, figure_of, rounded
from metadisco.plotting.rows import column

MOST = 400
"""Rows of the population that are drawn; of more some are left out, evenly."""
BAND = "rgba(0,114,178,0.18)"


def course_figure(rows: Sequence[Mapping[str, Any]], *, title: str) -> go.Figure:
    """Draw the fitness of a search over its generations: the population, its centre and the baseline.

    Args:
        rows: lines of metrics.jsonl, in any order.
        title: of the figure.
    """
    rows = sorted(rows, key=lambda row: row["generation"])
    kept = _evenly(rows)
    judged = [row for row in rows if row.get("centre_fitness") is not None]
    mean, std = column(kept, "fitness_mean"), column(kept, "fitness_std")
    traces = [
        _line(kept, mean - std, "mean − std", {"width": 0, "color": CLEAR}, hoverinfo="skip", showlegend=False),
        _line(kept, mean + std, "population, mean ± std", {"width": 0, "color": CLEAR}, fill="tonexty", fillcolor=BAND,
              hoverinfo="skip"),
        _line(kept, mean, "mean of the population", {"color": LINES[0], "width": 1.5}),
        _line(judged, column(judged, "centre_fitness"), "centre", {"color": LINES[1], "width": 3}),
        _line(judged, column(judged, "baseline_fitness"), "baseline", {"color": LINES[2], "width": 2, "dash": "dot"}),
    ]  # fmt: skip
    return figure_of(
        [trace for trace in traces if any(each is not None for each in trace.y or ())],
        title={"text": title},
        hovermode="x unified",
        xaxis={"title": {"text": "generation"}},
        yaxis={"title": {"text": "fitness (higher is better)"}},
        legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0},
    )


def _evenly(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return rows at equal distances: those of a thinned file are denser where the centre was judged."""
    generations = [row["generation"] for row in rows]
    gap = max(np.diff(generations).max(initial=1), -(-len(rows) // MOST))
    kept: list[Mapping[str, Any]] = []
    for row in rows:
        if not kept or row["generation"] - kept[-1]["generation"] >= gap:
            kept.append(row)
    return kept


def _line(rows: Sequence[Mapping[str, Any]], y: np.ndarray, name: str, line: dict[str, Any], **more: Any) -> go.Scatter:
    marked = "lines+markers" if len(rows) == 1 else "lines"
    x = [row["generation"] + 1 for row in rows]
    return go.Scatter(x=x, y=rounded(y), name=name, mode=marked, line=line, **{"hovertemplate": "%{y:.4g}", **more})
