"""A search of settings as parallel coordinates: a line for each setting, through its values to its score."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import plotly.graph_objects as go

from metadisco.discoveries.sources import short_names
from metadisco.plotting.heat import MAGNITUDES
from metadisco.plotting.interactive.look import HEIGHT, colour_scale, figure_of, rounded
from metadisco.plotting.style import short
from metadisco.plotting.tuning import SCALED, Panel, panel_of, where, word
from metadisco.tuning.ranges import Range
from metadisco.tuning.results import Tuned, file_name

DECADES = (1.0, 3.0)
"""Ticks of a logarithmic axis, in each decade."""


def tuning_figures(tuned: Tuned) -> Iterator[tuple[str, go.Figure]]:
    """Give a figure for each objective of a search, with its name."""
    names = short_names(tuned.judged)
    for objective, called in names.items():
        end = f"_{file_name(called)}" if len(names) > 1 else ""
        panel = panel_of(tuned, objective)
        title = f"{called} on {where(tuned)}: {len(panel.trials)} settings; drag along an axis to choose among them"
        yield f"settings{end}", parallel_figure(panel, title=title)


def parallel_figure(panel: Panel, *, title: str) -> go.Figure:
    """Draw settings as lines, coloured by the rank of their score.

    Args:
        panel: settings of one objective and their scores.
        title: of the figure.
    """
    order = panel.order
    scores = panel.scores[order]
    dimensions = [_dimension(each, [panel.trials[place].values[each.key] for place in order]) for each in panel.ranges]
    dimensions.append({"label": panel.label, "values": rounded(scores)})
    ranks = {"color": rounded(np.linspace(0, 1, len(order))), "cmin": 0, "cmax": 1}
    ranks["colorscale"] = colour_scale(MAGNITUDES)
    lines = go.Parcoords(line=ranks, dimensions=dimensions, labelangle=-25, labelside="bottom")
    scale = f"<br><sub>{SCALED}</sub>" if panel.scaled else ""
    return figure_of(
        [lines], title={"text": title + scale}, height=HEIGHT, margin={"l": 60, "r": 60, "t": 70, "b": 110}
    )


def _dimension(range_: Range, values: list[Any]) -> dict[str, Any]:
    if range_.kind == "choices":
        places = [range_.choices.index(value) for value in values]
        texts = [word(choice) for choice in range_.choices]
        return {"label": range_.name, "values": places, "tickvals": list(range(len(texts))), "ticktext": texts}
    if range_.kind != "log":
        return {"label": range_.name, "values": rounded(values), "range": [range_.low, range_.high]}
    low, high = np.log10(range_.low), np.log10(range_.high)
    ticks = [step * 10.0**power for power in range(int(np.floor(low)), int(np.ceil(high)) + 1) for step in DECADES]
    ticks = [tick for tick in ticks if low - 1e-9 <= np.log10(tick) <= high + 1e-9]
    return {"label": range_.name, "values": rounded(np.log10(values)), "range": [low, high],
            "tickvals": rounded(np.log10(ticks)), "ticktext": [short(tick, 3) for tick in ticks]}  # fmt: skip
