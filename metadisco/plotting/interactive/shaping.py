"""Meta-episodes of opponent shaping, whose numbers show where the pointer is. Axes: T meta-steps, N lifetimes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from metadisco.evaluation.meetings import Followed
from metadisco.inner.games import Game
from metadisco.inner.games.lifetime import Spread, Trace
from metadisco.plotting.interactive.look import CLEAR, HEIGHT, buttons, figure_of, rounded, slider
from metadisco.plotting.shaping.plane import feasible_corners
from metadisco.plotting.shaping.words import (
    META_STEP,
    OPPONENT,
    OUTCOMES,
    REWARD,
    SHAPER,
    Names,
    by_round,
    panel_titles,
)

BANDS = {SHAPER: "rgba(0,114,178,0.18)", OPPONENT: "rgba(213,94,0,0.18)"}
MOST = 41
"""Places of the slider over meta-steps."""
FEASIBLE = "rgba(128,128,128,0.15)"


def meta_episode_figure(trace: Trace, game: Game, names: Names) -> go.Figure:
    """Draw rewards and cooperation of both players over a meta-episode; buttons choose after which outcome.

    Args:
        trace: of many lifetimes; the first and last of its quantiles are the bands.
        game: from the shaper's seat.
        names: for the title.
    """
    played = np.asarray(trace.visits)
    own_share, other_share = played[:, :2].sum(1), played[:, [0, 2]].sum(1)
    rewards = [
        *_spread(trace.own_reward, SHAPER, names.shaper, 1),
        *_spread(trace.other_reward, OPPONENT, names.called, 1),
    ]
    shown = [[_line(own_share, SHAPER, names.shaper, 2), _line(other_share, OPPONENT, names.called, 2)]]
    labels = (
        ["C played", *(title.replace("\n", " ") for title in panel_titles(game))]
        if game.num_logits > 1
        else ["C played"]
    )
    means = np.asarray(trace.own_policy.mean), by_round(np.asarray(trace.other_policy.mean))
    for state in range(len(labels) - 1):
        pairs = zip(means, (SHAPER, OPPONENT), (names.shaper, names.called), strict=True)
        shown.append([_line(mean[:, state], colour, name, 2) for mean, colour, name in pairs])
    groups = [0] * len(rewards) + [group for group, lines in enumerate(shown) for _ in lines]
    traces = [*rewards, *(line for lines in shown for line in lines)]
    for trace_, group in zip(traces, groups, strict=True):
        trace_.visible = group == 0

    def choice(group: int) -> dict[str, Any]:
        return {"visible": [number < len(rewards) or each == group for number, each in enumerate(groups)]}

    whole = {"title": {"text": META_STEP}}
    return figure_of(
        traces,
        title={"text": names.title("Meta-episode", game), "yref": "container", "y": 0.98},
        height=HEIGHT + 40,
        margin={"l": 10, "r": 10, "t": 120, "b": 10},
        hovermode="x unified",
        legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0},
        grid={"rows": 1, "columns": 2, "pattern": "independent", "xgap": 0.14},
        xaxis=whole,
        xaxis2={**whole, "matches": "x"},
        yaxis={"title": {"text": REWARD}},
        yaxis2={"title": {"text": "share or probability of C"}, "range": [-0.03, 1.03]},
        updatemenus=[
            {**menu, "y": 1.12} for menu in buttons([(label, choice(group), {}) for group, label in enumerate(labels)])
        ],
        meta={"stacked": 2},
    )


def _line(values: Float[np.ndarray, "N"], colour: str, name: str, place: int, **more: Any) -> go.Scatter:
    style: dict[str, Any] = {"line": {"color": colour, "width": 2.5}, "hovertemplate": "%{y:.3g}", **more}
    return go.Scatter(
        x=list(range(1, len(values) + 1)), y=rounded(values), name=name, mode="lines" if len(values) > 1 else "markers",
        legendgroup=name, showlegend=place == 1 and "fill" not in more, xaxis=f"x{place}", yaxis=f"y{place}", **style,
    )  # fmt: skip


def _spread(spread: Spread, colour: str, name: str, place: int) -> list[go.Scatter]:
    """Return a mean, and a band between the outermost quantiles."""
    edge = {"line": {"width": 0, "color": CLEAR}, "hoverinfo": "skip", "hovertemplate": None}
    low, high = np.asarray(spread.quantiles[:, 0]), np.asarray(spread.quantiles[:, -1])
    return [
        _line(low, colour, name, place, **edge, fill="none"),
        _line(high, colour, name, place, **edge, fill="tonexty", fillcolor=BANDS[colour]),
        _line(np.asarray(spread.mean), colour, name, place),
    ]


def payoff_plane_figure(followed: Followed, game: Game, names: Names) -> go.Figure:
    """Draw lifetimes as dots in the plane of both players' rewards, at a meta-step that a slider chooses.

    Args:
        followed: some lifetimes.
        game: from the shaper's seat.
        names: for the title.
    """
    horizon = followed.own.shape[1]
    steps = _steps(horizon)
    corners = feasible_corners(game)
    closed = np.vstack([corners, corners[:1]])
    polygon = go.Scatter(
        x=rounded(closed[:, 0]), y=rounded(closed[:, 1]), fill="toself", fillcolor=FEASIBLE, mode="lines",
        hoverinfo="skip",
        line={"color": "#808080", "width": 1}, name="all that the game can pay", showlegend=False,
    )  # fmt: skip
    labels = go.Scatter(
        x=list(game.own),
        y=list(game.other),
        mode="text",
        text=list(OUTCOMES.values()),
        hoverinfo="skip",
        showlegend=False,
    )
    first = [_trails(followed, steps[-1]), _dots(followed, steps[-1])]
    frames = [
        go.Frame(name=str(step), data=[_trails(followed, step), _dots(followed, step)], traces=[2, 3]) for step in steps
    ]
    texts = [str(step) for step in steps]
    return figure_of(
        [polygon, labels, *first],
        frames if len(frames) > 1 else (),
        title={"text": names.title(f"{len(followed.own)} lifetimes", game)},
        height=HEIGHT + 90,
        xaxis={"title": {"text": f"{names.shaper}: {REWARD}"}},
        yaxis={"title": {"text": f"{names.called}: {REWARD}"}},
        sliders=slider(texts, texts, f"{META_STEP} ", len(steps) - 1, 62),
    )


def _steps(last: int) -> list[int]:
    """Return meta-steps up to one: all of them, or those that are evenly spread on a logarithmic scale."""
    return sorted({round(each) for each in np.geomspace(1, last, MOST)}) if last > MOST else list(range(1, last + 1))


def _dots(followed: Followed, step: int) -> go.Scatter:
    return go.Scatter(
        x=rounded(followed.own[:, step - 1]), y=rounded(followed.other[:, step - 1]), mode="markers", showlegend=False,
        marker={"color": OPPONENT, "size": 8, "line": {"color": "white", "width": 1}},
        hovertemplate="own %{x:.3f}<br>opponent's %{y:.3f}<extra></extra>",
    )  # fmt: skip


def _trails(followed: Followed, step: int) -> go.Scatter:
    """Return the way of each lifetime up to a meta-step, at places that the slider has, too."""
    places = [each - 1 for each in _steps(step)]
    x, y = (_joined(each[:, places]) for each in (followed.own, followed.other))
    return go.Scatter(
        x=x, y=y, mode="lines", line={"color": SHAPER, "width": 1}, opacity=0.5, hoverinfo="skip", showlegend=False
    )


def _joined(ways: Float[np.ndarray, "N P"]) -> Sequence[float | None]:
    """Return several lines as one, with gaps between."""
    return [each for way in ways for each in (*rounded(way), None)]
