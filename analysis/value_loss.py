"""Study of a learned value loss: its figures, how it compares, its closed forms, and its features in numbers.

    python analysis/value_loss.py
    python analysis/value_loss.py runs/value_loss --output studies/value_loss

The first makes all figures and numbers of `value_loss.md`. Existing results are kept; most of the time
goes into the comparison.
"""

from pathlib import Path

import numpy as np
from contenders import Closed
from jaxtyping import Float
from study import Plan, Study, run
from summary import markdown_table

from metadisco import load_objective
from metadisco.distillation.features import (
    FLAT,
    asymmetry,
    flat_intervals,
    minimum,
    non_convex_intervals,
    quantiles,
)
from metadisco.distillation.surfaces import value_loss_curve
from metadisco.evaluation.histogram_cache import NUM_AGENTS
from metadisco.evaluation.histograms import VALUE_EDGES

PLAN = Plan(
    baselines=(Closed("squared_error", "ppo", {"value_clip_eps": None}), Closed("ppo", "ppo")),
    published="value_loss_cartpole",
    again=("value_loss_cartpole_1",),
    held_out=(
        "gymnax/Acrobot-v1", "gymnax/Pendulum-v1", "gymnax/MountainCarContinuous-v0", "gymnax/Breakout-MinAtar",
    ),
    config=Path(__file__).with_suffix(".yaml"),
    grid={
        "learning_rate": (2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2e-2),
        "value_coef": (1 / 64, 1 / 16, 1 / 4, 1.0, 4.0),
    },
    whole=(("gymnax/CartPole-v1",), Path(__file__).parents[1] / "experiments" / "value_loss" / "cartpole.yaml"),
)  # fmt: skip
SHARES = (0.001, 0.05, 0.25, 0.5, 0.75, 0.95, 0.999)


def features(study: Study) -> str:
    """Return the features of a value loss over the range of value errors in minibatches."""
    visited = quantiles(np.asarray(study.visits(study.env).error), VALUE_EDGES, SHARES)
    error = np.linspace(visited[0], visited[-1], 2001)
    _, loss, derivative = value_loss_curve(load_objective(study.objective).value_loss, error)
    least = minimum(error, loss, derivative)
    rows = [
        ["errors in minibatches, quantiles " + ", ".join(f"{share:.1%}" for share in SHARES), _list(visited)],
        [
            "pull on values (sum of the sizes of φ′), same quantiles",
            _list(quantiles(_pull(study), VALUE_EDGES, SHARES)),
        ],
        ["minimum at δ", f"{least.error:.3g}" + ("" if least.inside else ", the end of that range")],
        ["not convex in", _intervals(non_convex_intervals(error, derivative))],
        ["flat in", _intervals(flat_intervals(error, derivative))],
        ["asymmetry of the derivative (0 even loss, 1 odd)", f"{asymmetry(error, derivative):.2f}"],
    ]
    seen = error[np.abs(derivative) >= FLAT * np.abs(derivative).max()]
    low, high = float(seen[0]), float(seen[-1])
    beyond = "where φ is flat" if flat_intervals(error, derivative) else f"the range of {study.env}"
    return "\n".join(
        [
            f"On {study.env}, δ = V − target in units of return:",
            "",
            markdown_table(["feature", ""], rows),
            f"Value errors in the minibatches of {NUM_AGENTS} agents trained with it, by environment:",
            "",
            markdown_table(
                [
                    "",
                    "δ, quantiles 5 %, 50 %, 95 %",
                    f"share of errors outside {low:.3g} to {high:.3g}, {beyond}",
                ],
                [_met(study, env, low, high) for env in (*study.trained(), *study.held_out)],
            ),
        ]
    )


def _pull(study: Study) -> Float[np.ndarray, "N"]:
    """Return the sum of |φ′| over the errors in minibatches, by their bins."""
    middles = (VALUE_EDGES[1:] + VALUE_EDGES[:-1]) / 2
    _, _, derivative = value_loss_curve(load_objective(study.objective).value_loss, middles)
    return np.asarray(np.asarray(study.visits(study.env).error) * np.abs(derivative))


def _met(study: Study, env: str, low: float, high: float) -> list[str]:
    """Return quantiles of the value errors in an environment, and the share of them where the loss is nearly flat."""
    counts = np.asarray(study.visits(env).error)
    below = np.interp([low, high], VALUE_EDGES, np.append(0.0, np.cumsum(counts)) / counts.sum())
    share = 1 - (below[1] - below[0])
    return [env, _list(quantiles(counts, VALUE_EDGES, (0.05, 0.5, 0.95))), f"{share:.0%}"]


def _list(numbers: list[float]) -> str:
    return ", ".join(f"{number:.3g}" for number in numbers)


def _intervals(intervals: list[tuple[float, float]]) -> str:
    return ", ".join(f"[{low:.3g}, {high:.3g}]" for low, high in intervals) or "nowhere"


if __name__ == "__main__":
    run(__doc__, PLAN, features)
