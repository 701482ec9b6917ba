"""Description of a message from which source is written: `source_message(meta_params)` of a parametrisation."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np


class SourceMessage(NamedTuple):
    """message = scale · tanh(network(flattened observation / input_scale)), and likewise to steer.

    Each layer is a kernel [in, out] and a bias [out].
    """

    message: Sequence[tuple[np.ndarray, np.ndarray]]
    """Layers of the network; the activation is after all but the last."""
    steer: Sequence[tuple[np.ndarray, np.ndarray]] | None = None
    """Those of the network that sees the features of a goal behind the observation; None where nothing is steered."""
    activation: Literal["relu", "tanh"] = "relu"
    scale: float = 1.0
    """Largest absolute value of each number of a message."""
    input_scale: float | Sequence[float] = 1.0
    """Divides observations: one number, or one for each number of the flattened observation."""
