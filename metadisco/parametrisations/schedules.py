"""Schedules of PPO's settings over the lifetime: settings, curves, and initialisation."""

from dataclasses import field
from typing import Annotated, Any, ClassVar, Literal

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float
from pydantic import Field

from metadisco.config import build_settings, to_plain
from metadisco.config.fields import Int, PositiveFloat, settings
from metadisco.errors import UserError, nearest, shown
from metadisco.objectives.arithmetic import in_float32
from metadisco.objectives.closed import clip_drift, mirror, ppo
from metadisco.parametrisations.registry import PARAMETRISATIONS, built_in
from metadisco.types import Factors, Key, Loss, MetaParams, Objective, Sample, Schedule

Curve = Literal["learning_rate", "entropy_coef", "clip_eps", "value_coef"]
MAX_LOG_FACTOR = 7.0  # a factor of about a thousand, so that any meta-parameters give finite settings
MAX_KNOTS = 64


@settings
class Schedules:
    """Settings of PPO as curves over the lifetime, alone or together with a learned loss.

    A setting is its value in the config times exp(output_scale·w(progress)), where w interpolates linearly between
    knots that are evenly spaced over the lifetime. An annealed learning rate stays annealed: the curve multiplies it.
    The search starts with all knots at zero, at the settings of the config.
    """

    features: ClassVar[tuple[int, str]] = (1, "progress, interpolated linearly between evenly spaced knots")
    curves: Annotated[tuple[Curve, ...], Field(min_length=1)] = (
        "learning_rate",
        "entropy_coef",
        "clip_eps",
        "value_coef",
    )
    """Settings that have a curve; the others stay constant."""
    num_knots: Annotated[Int, Field(ge=1, le=MAX_KNOTS)] = 5
    """Knots of each curve, from the start of the lifetime to its end; 1 for a constant factor."""
    output_scale: PositiveFloat = 10.0
    """Logarithm of the factor where a knot is 1; 10 suits a search whose std is 0.03."""
    clip_eps: PositiveFloat = 0.2
    """PPO's clipping range, which the curve multiplies; unused with a loss that is learned in its place."""
    value_clip_eps: PositiveFloat | None = 0.2
    """Clipping range of PPO's clipped value loss; null for the plain squared error; unused with a learned loss."""
    loss: dict[str, Any] | None = field(default=None, hash=False)
    """A learned loss that is evolved together with the curves: name and settings of its parametrisation."""

    def __post_init__(self) -> None:
        """Check the curves, and fill in the settings of the loss."""
        if len(set(self.curves)) < len(self.curves):
            raise ValueError(f"curves: got {shown(list(self.curves))}, allowed: each setting once")
        if self.loss is not None:
            learned = _learned_loss(self.loss)
            object.__setattr__(self, "loss", {"name": self.loss["name"], **to_plain(learned)})
            if "clip_eps" in self.curves and "policy" in learned.learns:
                raise ValueError(
                    f"curves: got clip_eps with the loss {self.loss['name']}, which is learned in the place of PPO's "
                    "clipping, allowed: learning_rate, entropy_coef, value_coef"
                )

    @property
    def learns(self) -> tuple[str, ...]:
        """Losses that are learned or change over the lifetime."""
        learned = () if self.loss is None else _learned_loss(self.loss).learns
        return tuple(part for part in ("policy", "value") if part in learned or self._clips(part))

    def _clips(self, part: str) -> bool:
        return part == "policy" and "clip_eps" in self.curves

    @in_float32
    def init(self, key: Key) -> MetaParams:
        """Return the initial meta-parameters of the search: knots of zero, and those of the loss if there is one."""
        curves = {name: jnp.zeros(self.num_knots) for name in self.curves}
        return {"schedule": curves} | ({} if self.loss is None else {"loss": _learned_loss(self.loss).init(key)})

    def bind(self, meta_params: MetaParams) -> Objective:
        """Return the objective with its schedule."""
        schedule = self._schedule(meta_params["schedule"])
        if self.loss is None:
            objective = ppo(self.clip_eps, self.value_clip_eps)
        else:
            objective = _learned_loss(self.loss).bind(meta_params["loss"])
        if "clip_eps" in self.curves:
            clip_eps = self.clip_eps if self.loss is None else self.loss["clip_eps"]
            objective = objective._replace(policy_loss=mirror(_scheduled_clipping(clip_eps, schedule)))
        return objective._replace(schedule=schedule)

    def _schedule(self, knots: dict[str, Float[Array, "N"]]) -> Schedule:
        def schedule(progress: Float[Array, ""]) -> Factors:
            return Factors(**{name: factor_at(progress, knots[name], self.output_scale) for name in self.curves})

        return schedule


def factor_at(progress: Float[Array, ""], knots: Float[Array, "N"], output_scale: float) -> Float[Array, ""]:
    """Return the factor of a setting: exp(output_scale·w(progress)), at most a factor of about a thousand either way.

    Args:
        progress: elapsed fraction of the lifetime.
        knots: values of w, evenly spaced from progress 0 to 1.
        output_scale: scale of w.
    """
    between = jnp.interp(progress, jnp.linspace(0.0, 1.0, knots.shape[0]), knots)
    return jnp.exp(jnp.clip(output_scale * between, -MAX_LOG_FACTOR, MAX_LOG_FACTOR))


def _scheduled_clipping(clip_eps: float, schedule: Schedule) -> Loss:
    """Return PPO's drift with a clipping range that changes over the lifetime."""

    def drift(sample: Sample) -> Array:
        return clip_drift(clip_eps * schedule(sample.progress).clip_eps)(sample)

    return drift


def _learned_loss(section: dict[str, Any]) -> Any:
    """Return the parametrisation of a learned loss.

    Raises:
        ValueError: for an unknown name or setting, in one sentence that begins with `loss`.
    """
    names = [name for name in PARAMETRISATIONS if name != "schedules"]
    name = section.get("name")
    if name not in names:
        hint = nearest(name, names) if isinstance(name, str) else ""
        raise ValueError(f"loss.name: got {shown(name)}, allowed: {', '.join(names)}{hint}")
    given = {key: value for key, value in section.items() if key != "name"}
    try:
        return build_settings(built_in(name), given)
    except UserError as error:
        raise ValueError(f"loss: {error}") from error
