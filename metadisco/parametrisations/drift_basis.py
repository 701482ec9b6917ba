"""A drift of few coefficients: settings, terms, constraint, initialisation, and source."""

from typing import Annotated, ClassVar

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float
from pydantic import Field

from metadisco.config.fields import Bool, PositiveFloat, settings
from metadisco.config.fields import Float as Number
from metadisco.objectives.arithmetic import in_float32
from metadisco.objectives.closed import mirror, probability_ratio, value_loss
from metadisco.objectives.expressions import Expression, add, apply, multiply
from metadisco.objectives.losses import Losses, ppo_value_loss
from metadisco.types import Key, Loss, MetaParams, Objective, Sample

LEAST_BAND = 0.02
"""A penalty with its kink at r = 1 keeps a policy uniform where advantages say little; with this band it does not."""
START_EDGE = 0.05  # of the terms that PPO does not have, at the start

TERMS = (
    "A+ max(0, r - 1 - e1)",
    "A- max(0, 1 - e2 - r)",
    "A+ max(0, 1 - e3 - r)",
    "A- max(0, r - 1 - e3)",
    "max(0, |r - 1| - e4)",
    "max(0, |r - 1| - e4)^2",
)
"""The terms, one for each weight; A+ is max(0, A), A- is max(0, -A), and e1 to e4 are the edges."""
NUM_EDGES = 4


@settings
class DriftBasis:
    """A drift D = relu(Σ wᵢ·termᵢ(r, A)) of six weights and four edges, with PPO's value loss.

    Its terms are hinges: of the ratio beyond an edge, times the advantage where that calls for the move (PPO's own),
    where it calls for the opposite, and whatever it is. Every edge is at least `band` from r = 1, whatever is evolved.
    So D = 0 for |r − 1| ≤ band, and with it D = ∂D/∂r = 0 at r = 1; the ReLU ensures D ≥ 0. With the weights 1, 1, 0,
    0, 0, 0 and the first two edges at ε it is PPO's drift.
    """

    learns: ClassVar[tuple[str, ...]] = ("policy",)
    features: ClassVar[tuple[int, str]] = (1, "; ".join(TERMS))
    ppo_init: Bool = True
    """Start the search at PPO's drift; else without a drift."""
    clip_eps: PositiveFloat = 0.2
    """PPO's clipping range, at which its two edges start; at least band."""
    band: Annotated[Number, Field(ge=LEAST_BAND, lt=1)] = LEAST_BAND
    """Width of the band |r − 1| ≤ band in which the drift is zero."""
    value_clip_eps: PositiveFloat | None = 0.2
    """Clipping range of PPO's clipped value loss; null for the plain squared error."""

    def __post_init__(self) -> None:
        """Check constraints between fields."""
        if self.clip_eps < self.band:
            raise ValueError(f"clip_eps: got {self.clip_eps}, allowed: at least band, {self.band}")

    @in_float32
    def init(self, key: Key) -> MetaParams:
        """Return the initial meta-parameters of the search; the key does not matter."""
        weights = [1.0, 1.0] if self.ppo_init else [0.0, 0.0]
        other = max(START_EDGE, self.band)
        return {
            "weights": jnp.asarray([*weights, 0.0, 0.0, 0.0, 0.0], jnp.float32),
            "edges": jnp.asarray([self.clip_eps, self.clip_eps, other, other], jnp.float32),
        }

    def bind(self, meta_params: MetaParams) -> Objective:
        """Return the policy loss of the drift with these meta-parameters, and PPO's value loss."""
        return Objective(mirror(self._drift(meta_params)), value_loss(self.value_clip_eps))

    def _drift(self, meta_params: MetaParams) -> Loss:
        edges = jnp.maximum(meta_params["edges"], self.band)

        def drift(sample: Sample) -> Array:
            terms = drift_terms(sample, edges)
            return jax.nn.relu(sum(weight * term for weight, term in zip(meta_params["weights"], terms, strict=True)))

        return drift

    def source_losses(self, meta_params: MetaParams) -> Losses:
        """Return both losses in symbolic form, for exporting source: the drift is a closed form already."""
        weights = [float(weight) for weight in meta_params["weights"]]
        pairs = zip(weights, _expressions(jnp.maximum(meta_params["edges"], self.band)), strict=True)
        terms = [multiply(weight, term) for weight, term in pairs if weight != 0]
        return Losses(apply("relu", add(*terms)) if terms else 0, ppo_value_loss(self.value_clip_eps))


def drift_terms(sample: Sample, edges: Float[Array, "E"]) -> tuple[Float[Array, "..."], ...]:
    """Return the terms of a drift, in the order of `TERMS`.

    Args:
        sample: ratio and advantage of any shape.
        edges: distances from r = 1 beyond which the terms are not zero.
    """
    ratio, advantage = probability_ratio(sample), sample.advantage
    good, bad = jax.nn.relu(advantage), jax.nn.relu(-advantage)
    above, below, against, any_move = edges
    beyond = jax.nn.relu(ratio - (1 + any_move)) + jax.nn.relu((1 - any_move) - ratio)
    return (
        good * jax.nn.relu(ratio - (1 + above)),
        bad * jax.nn.relu((1 - below) - ratio),
        good * jax.nn.relu((1 - against) - ratio),
        bad * jax.nn.relu(ratio - (1 + against)),
        beyond,
        jnp.square(beyond),
    )


def _expressions(edges: Float[Array, "E"]) -> list[Expression]:
    """Return the terms in symbolic form, in the order of `TERMS`."""
    above, below, against, any_move = edges
    good, bad = apply("relu", "A"), apply("relu", apply("negate", "A"))
    beyond = add(_hinge_above(any_move), _hinge_below(any_move))
    return [
        multiply(good, _hinge_above(above)),
        multiply(bad, _hinge_below(below)),
        multiply(good, _hinge_below(against)),
        multiply(bad, _hinge_above(against)),
        beyond,
        apply("square", beyond),
    ]


def _hinge_above(edge: Float[Array, ""]) -> Expression:
    return apply("relu", apply("subtract", "r", float(1 + edge)))  # rounded as in `drift_terms`


def _hinge_below(edge: Float[Array, ""]) -> Expression:
    return apply("relu", apply("subtract", float(1 - edge), "r"))
