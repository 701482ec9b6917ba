"""What all interactive figures share: colours for light and dark pages, numbers in few digits, sliders and buttons."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.colors import to_hex

from metadisco.plotting.style import PALETTE

DIGITS = 4
"""Significant digits of what is drawn: a page holds some hundred thousand numbers as text."""
RATIOS = (0.05, 0.1, 0.2, 0.5, 0.8, 1, 1.25, 2, 5, 10, 20)
"""Ticks of a logarithmic axis of probability ratios."""
LINES = (PALETTE[0], PALETTE[1], PALETTE[2], PALETTE[3])
"""Colours that are read on light and on dark pages."""
DASHES = ("solid", "dash", "dot", "dashdot")
CLEAR = "rgba(0,0,0,0)"
LIGHT = {
    "letters": "#1a1a1a",
    "grid": "#d9d9d9",
    "zero": "#808080",
    "control": "#f0f2f4",
    "button": "#e3e7eb",
    "border": "#b8bec4",
}
DARK = {
    "letters": "#e6e6e6",
    "grid": "#3d434a",
    "zero": "#8c939b",
    "control": "#2b3036",
    "button": "#a4adb6",
    "border": "#555c64",
}
HEIGHT = 430
"""Pixels, of a row of panels."""


def template(colours: Mapping[str, str]) -> dict[str, Any]:
    """Return a template of Plotly: what figures look like on a page of these colours."""
    axis = {"gridcolor": colours["grid"], "zerolinecolor": colours["zero"], "linecolor": colours["border"],
            "automargin": True, "title": {"standoff": 8}}  # fmt: skip
    spatial = {"gridcolor": colours["grid"], "zerolinecolor": colours["zero"], "showbackground": False}
    control = {"bgcolor": colours["control"], "bordercolor": colours["border"], "font": {"color": colours["letters"]}}
    return {
        "layout": {
            "paper_bgcolor": CLEAR,
            "plot_bgcolor": CLEAR,
            "font": {"color": colours["letters"], "family": "system-ui, sans-serif", "size": 12},
            "title": {"font": {"size": 15}, "x": 0, "xanchor": "left"},
            "colorway": list(LINES),
            "xaxis": axis,
            "yaxis": axis,
            "scene": {"xaxis": spatial, "yaxis": spatial, "zaxis": spatial},
            "hoverlabel": {"bgcolor": colours["control"], "font": {"color": colours["letters"]}},
            "sliderdefaults": {**control, "activebgcolor": PALETTE[0], "tickcolor": colours["border"]},
            # Plotly draws the button that is pressed in a fixed, very light colour, on any page.
            "updatemenudefaults": {**control, "bgcolor": colours["button"], "font": {"color": LIGHT["letters"]}},
            "modebar": {"bgcolor": CLEAR, "color": colours["zero"], "activecolor": colours["letters"]},
        }
    }


def rounded(values: Float[np.ndarray, "..."] | Sequence[float]) -> list[Any]:
    """Return numbers as nested lists with DIGITS significant digits; None for what is not finite."""
    array = np.asarray(values, float)
    if array.ndim > 1:
        return [rounded(each) for each in array]
    return [float(f"{each:.{DIGITS}g}") if np.isfinite(each) else None for each in array.tolist()]


def colour_scale(name: str, darker: float = 1.0) -> list[list[Any]]:
    """Return a colour map of matplotlib as a colour scale of Plotly; white vanishes on a white page."""
    places = np.linspace(0, 1, 17).round(4).tolist()
    colours = darker * colormaps[name](places)[:, :3]
    return [[place, to_hex(tuple(colour))] for place, colour in zip(places, colours.tolist(), strict=True)]


def figure_of(traces: Sequence[Any], frames: Sequence[go.Frame] = (), **layout: Any) -> go.Figure:
    """Return a figure in the light template; `layout` are attributes of Plotly's layout."""
    figure = go.Figure(list(traces), frames=list(frames) or None)
    figure.update_layout(template=template(LIGHT), margin={"l": 10, "r": 10, "t": 60, "b": 10}, height=HEIGHT)
    figure.update_layout(**layout)
    return figure


def slider(
    names: Sequence[str], labels: Sequence[str], prefix: str, active: int, room: int = 28
) -> list[dict[str, Any]]:
    """Return a slider over frames, as Plotly's layout has it; none where there is only one frame.

    Args:
        names: of the frames.
        labels: what the slider shows for each.
        prefix: of the label of the current one.
        active: the frame that is drawn at first.
        room: pixels above it, for the labels of an axis.
    """
    if len(names) < 2:
        return []
    how = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    steps = [
        {"method": "animate", "label": label, "args": [[name], how]} for name, label in zip(names, labels, strict=True)
    ]
    shown = {"prefix": prefix, "xanchor": "left"}
    return [{"steps": steps, "active": active, "currentvalue": shown, "pad": {"t": room, "b": 4}, "len": 1.0}]


def buttons(choices: Sequence[tuple[str, Mapping[str, Any], Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return buttons above a figure; none where there is nothing to choose.

    Args:
        choices: label, and changes of the traces and of the layout.
    """
    if len(choices) < 2:
        return []
    made = [
        {"label": label, "method": "update", "args": [dict(traces), dict(layout)]} for label, traces, layout in choices
    ]
    place = {"x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom", "pad": {"b": 6}}
    return [{"type": "buttons", "direction": "right", "buttons": made, "showactive": True, **place}]


def ratio_axis(low: float, high: float) -> dict[str, Any]:
    """Return an axis of probability ratios, given the ends of log r."""
    limits = [low / np.log(10), high / np.log(10)]
    shown = [ratio for ratio in RATIOS if low - 1e-9 <= np.log(ratio) <= high + 1e-9]
    return {"type": "log", "range": limits, "tickvals": shown, "ticktext": [f"{each:g}" for each in shown],
            "title": {"text": "probability ratio r"}}  # fmt: skip
