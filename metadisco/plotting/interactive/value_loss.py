"""A value loss with a slider over generations, and as a surface where it has a second input. Axes: G errors."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from metadisco.distillation.features import quantiles, squared_error_scale
from metadisco.distillation.surfaces import ValueLossCurve, ValueLossSurface
from metadisco.evaluation.histograms import VALUE_EDGES
from metadisco.plotting.interactive.drift import MET
from metadisco.plotting.interactive.look import HEIGHT, LINES, figure_of, rounded, slider
from metadisco.plotting.interactive.surfaces import Panel, Quantity, limit_of, surfaces_figure
from metadisco.plotting.style import robust_limits

LOSS, DERIVATIVE = "φ(δ) − φ(0)", "∂φ/∂V"
SECOND = {"target": "target", "old_value": "V_old − target"}
SQUARED = "squared error, scaled"


def value_loss_slider_figure(
    history: Mapping[int, ValueLossCurve],
    *,
    name: str,
    title: str,
    error_counts: Int[np.ndarray, "N"] | None = None,
) -> go.Figure:
    """Draw a value loss and its derivative beside the squared error, after generations that a slider chooses.

    Args:
        history: by number of generations, on one grid.
        name: of the learned one.
        title: of the figure.
        error_counts: histogram of the value errors in minibatches, by VALUE_EDGES: the middle 90 % are shaded.
    """
    generations = sorted(history)
    last = history[generations[-1]]
    drawn = [_squared(last), *history.values()]
    names = [str(generation) for generation in generations]
    return figure_of(
        [*_lines(name, last, 0), *_lines(SQUARED, _squared(last), 1)],
        [_frame(each, history[each]) for each in generations] if len(generations) > 1 else (),
        title={"text": title},
        height=HEIGHT + 90 * (len(generations) > 1),
        hovermode="x unified",
        legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0},
        grid={"rows": 1, "columns": 2, "pattern": "independent", "xgap": 0.14},
        xaxis={"title": {"text": "value error δ = V − target"}},
        xaxis2={"title": {"text": "value error δ = V − target"}, "matches": "x"},
        yaxis={"title": {"text": LOSS}, "range": _limits([each.loss for each in drawn])},
        yaxis2={"title": {"text": DERIVATIVE}, "range": _limits([each.derivative for each in drawn])},
        sliders=slider(names, [f"{each:,}" for each in generations], "after generations: ", len(names) - 1, 62),
        shapes=_met(error_counts),
        meta={"stacked": 2},
    )


def _lines(name: str, curve: ValueLossCurve, number: int) -> list[go.Scatter]:
    style: dict[str, Any] = {
        "color": LINES[number],
        "width": 2 if number else 3.5,
        "dash": "dash" if number else "solid",
    }
    return [
        go.Scatter(
            x=rounded(curve.error), y=rounded(values), name=name, mode="lines", line=style, legendgroup=name,
            showlegend=place == 1, xaxis=f"x{place}", yaxis=f"y{place}", hovertemplate="%{y:.3g}",
        )
        for place, values in enumerate((curve.loss, curve.derivative), 1)
    ]  # fmt: skip


def _frame(generation: int, curve: ValueLossCurve) -> go.Frame:
    moved = [go.Scatter(y=rounded(values)) for values in (curve.loss, curve.derivative)]
    return go.Frame(name=str(generation), data=moved, traces=[0, 1])


def _squared(curve: ValueLossCurve) -> ValueLossCurve:
    """Return the squared error with the same root mean square derivative."""
    scale = squared_error_scale(curve.error, curve.derivative)
    return ValueLossCurve(curve.error, scale * np.square(curve.error) / 2, scale * curve.error)


def _limits(values: list[Float[np.ndarray, "G"]]) -> list[float]:
    return list(robust_limits(np.concatenate(values)))


def _met(counts: Int[np.ndarray, "N"] | None) -> list[dict[str, Any]]:
    """Return a band over the middle 90 % of the errors in minibatches, in either panel."""
    if counts is None or not counts.any():
        return []
    low, high = quantiles(counts, VALUE_EDGES, (0.05, 0.95))
    words = {"text": "90 % of errors in minibatches", "textposition": "bottom left", "font": {"size": 10}}
    band = {"type": "rect", "x0": low, "x1": high, "y0": 0, "y1": 1, "fillcolor": MET, "line": {"width": 0},
            "layer": "below"}  # fmt: skip
    return [
        {**band, "xref": f"x{place}", "yref": f"y{place} domain", **({} if place else {"label": words})}
        for place in ("", 2)
    ]


def value_loss_surfaces_figure(history: Mapping[int, ValueLossSurface], *, name: str, title: str) -> go.Figure:
    """Draw the derivative of a value loss over the error and a second input, and the loss by a button.

    Args:
        history: by number of generations, on one grid.
        name: of the learned one.
        title: of the figure.
    """
    last = history[max(history)]
    scale = squared_error_scale(last.error, np.sqrt(np.square(last.derivative).mean(1)))
    squared = last._replace(
        loss=np.broadcast_to(scale * np.square(last.error)[:, None] / 2, last.loss.shape),
        derivative=np.broadcast_to(scale * last.error[:, None], last.loss.shape),
    )
    drawn = [*history.values(), squared]
    losses = [each.loss for each in drawn]
    steepest, highest = limit_of([each.derivative for each in drawn]), limit_of(losses)
    quantities = [
        Quantity(DERIVATIVE, "PuOr_r", True, steepest, steepest),
        Quantity(LOSS, "cividis", bool(min(float(each.min()) for each in losses) < 0), highest, highest),
    ]
    axes = ({"title": {"text": "δ = V − target"}}, {"title": {"text": SECOND[last.second_input]}})
    return surfaces_figure(
        axes,
        (last.error, last.second),
        {generation: _panel(name, each) for generation, each in history.items()},
        [_panel(SQUARED, squared)],
        quantities,
        title=title,
    )


def _panel(name: str, surface: ValueLossSurface) -> Panel:
    return Panel(name, {DERIVATIVE: surface.derivative, LOSS: surface.loss})
