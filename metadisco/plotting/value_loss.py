"""The learned value loss as a curve."""

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

LEARNED, REFERENCE, ZERO = "#0072b2", "#d55e00", "#999999"  # Okabe and Ito's palette, safe for colour-blind readers


def value_loss_figure(
    error: Float[np.ndarray, "N"],
    loss: Float[np.ndarray, "N"],
    derivative: Float[np.ndarray, "N"],
    *,
    title: str,
) -> Figure:
    """Draw a value loss and its derivative beside those of the squared error.

    The loss is identified only up to a constant, so it is drawn as 0 at error 0; and its scale matters little to PPO,
    which clips the norm of the gradient, so the squared error is scaled to the same root mean square derivative.

    Args:
        error: V − target, in units of return, ascending.
        loss: φ(error).
        derivative: dφ/d error, which is all that PPO uses of it.
        title: of the whole figure.
    """
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    scale = np.sqrt(np.square(derivative).mean() / np.square(error).mean())
    dashed = {"color": REFERENCE, "linewidth": 2, "linestyle": "--"}
    left.plot(error, 0.5 * scale * error**2, label=f"squared error ½δ² × {scale:.2g}", **dashed)
    left.plot(error, loss - np.interp(0.0, error, loss), color=LEARNED, linewidth=2, label="evolved φ")
    left.set_ylabel("loss − loss at δ = 0")
    right.plot(error, scale * error, label=f"squared error δ × {scale:.2g}", **dashed)
    right.plot(error, derivative, color=LEARNED, linewidth=2, label="evolved φ′")
    right.set_ylabel("derivative by V")
    for axes in (left, right):
        axes.axhline(0.0, color=ZERO, linewidth=0.8)
        axes.axvline(0.0, color=ZERO, linewidth=0.8)
        axes.set_xlabel("value error δ = V − target (return)")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    figure.suptitle(title)
    return figure
