"""What figures of cheap talk share: which kind of victim has which colour, and what variables are called."""

from metadisco.plotting.style import PALETTE

HEARD, SILENT = PALETTE[0], PALETTE[1]
WITH_MESSAGE, WITH_ZEROS = "with the message", "with zeros in its place"
CHANNELS = (*PALETTE[2:5], PALETTE[6], PALETTE[5], PALETTE[0], PALETTE[1], PALETTE[7])
"""Colours of channels, at first others than those of victims."""
BAND = 0.2
"""Opacity of bands."""

_ACROBOT = ("cos θ₁", "sin θ₁", "cos θ₂", "sin θ₂", "angular velocity 1", "angular velocity 2")
OBSERVATIONS: dict[str, tuple[str, ...]] = {
    "CartPole-v1": ("position", "velocity", "angle", "angular velocity"),
    "Pendulum-v1": ("cos θ", "sin θ", "angular velocity"),
    "Acrobot-v1": _ACROBOT,
    "MountainCar-v0": ("position", "velocity"),
    "MountainCarContinuous-v0": ("position", "velocity"),
}
"""What the numbers of an observation are called, by environment without its suite."""


def variable(env: str, number: int) -> str:
    """Return what a number of an observation is called.

    Args:
        env: `suite/name`, or the name of a task that starts so.
        number: where it stands in the flattened observation.
    """
    name = env.partition("/")[2].split()
    names = OBSERVATIONS.get(name[0], ()) if name else ()
    return names[number] if number < len(names) else f"observation {number}"


def channel(number: int, num_channels: int) -> str:
    """Return what a channel is called: by its number from 1, if there are several."""
    return "message" if num_channels == 1 else f"channel {number + 1}"
