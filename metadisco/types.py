"""The types that the parts of metadisco meet in. No logic, and nothing of ours is imported.

Axes: P population, R rollouts, K tasks, B samples of a minibatch.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar, runtime_checkable

from jax import Array
from jaxtyping import Float, PRNGKeyArray

Key: TypeAlias = PRNGKeyArray
"""A typed JAX key, as made by `jax.random.key`."""

MetaParams: TypeAlias = Any
"""A pytree of float arrays: what the outer loop evolves."""


class Sample(NamedTuple):
    """What an objective may look at, one entry per transition of a minibatch.

    Built by keyword and read by name: later versions add fields with defaults.
    """

    log_ratio: Float[Array, "B"]
    """log π_θ(a|s) − log π_old(a|s); carries gradient."""
    advantage: Float[Array, "B"]
    """GAE(λ), normalised as the inner config says; constant."""
    value: Float[Array, "B"]
    """V_θ(s); carries gradient."""
    old_value: Float[Array, "B"]
    """V(s) when the transition was collected; constant."""
    target: Float[Array, "B"]
    """λ-return, the advantage before normalisation plus the old value; constant."""
    progress: Float[Array, ""]
    """Elapsed fraction of the inner life, in [0, 1); a scalar."""


Loss: TypeAlias = Callable[[Sample], Float[Array, "B"]]
"""Elementwise: one loss per sample, to be minimised. The PPO update takes the mean."""


class Objective(NamedTuple):
    """What PPO minimises, apart from its entropy bonus; the constants of the losses are inside them."""

    policy_loss: Loss
    """Loss of the policy; its gradient flows through `log_ratio`."""
    value_loss: Loss
    """Loss of the value function; its gradient flows through `value`. Weighted by value_coef in the update."""


class MetaPolicy(NamedTuple):
    """A policy over policies: it chooses the next policy of one player of a repeated game.

    A policy of the game has one logit per state: of the first action at the start and after CC, CD, DC and DD, the
    player's own action first; in a one-shot game at the start alone. N is the number of these states.
    """

    initial_memory: Callable[[], Any]
    """Return the memory before the first decision, a pytree of arrays; empty where the policy has none."""
    act: Callable[[Float[Array, "2*N"], Any], tuple[Float[Array, "N"], Any]]
    """Return the player's next logits and memory.

    The first argument holds the probabilities of the first action under both policies just played: its own, then the
    other player's, each from the viewpoint of the player whose policy it is.
    """


Bound_co = TypeVar("Bound_co", covariant=True)


@runtime_checkable
class Parametrisation(Protocol[Bound_co]):
    """A frozen dataclass of static settings that says what is learned, and what it becomes."""

    def init(self, key: Key) -> MetaParams:
        """Return meta-parameters to start the search from."""

    def bind(self, meta_params: MetaParams) -> Bound_co:
        """Return what these meta-parameters define: an `Objective`, a message function, a meta-policy."""


class Evaluation(NamedTuple):
    """How one evaluation of meta-parameters went: one inner run, or one per task."""

    fitness: Float[Array, "K"]
    """Higher is better, one entry per task; NaN: that inner run failed."""
    metrics: dict[str, Array] = {}  # noqa: RUF012 - never changed
    """Scalars to report by name: `NAME` becomes `metrics/NAME` in the row of a generation."""


class TaskInfo(NamedTuple):
    """What the outer loop knows of a task: what to call it, and the scale of its fitness."""

    name: str
    """Its key in the metrics."""
    zero: float = 0.0
    """The fitness that counts as 0, such as a random agent's."""
    one: float = 1.0
    """The fitness that counts as 1, such as PPO's."""


@runtime_checkable
class TaskLike(Protocol):
    """Anything with a name and a scale: a `TaskInfo`, or a task that holds more."""

    @property
    def name(self) -> str:
        """As of a `TaskInfo`."""

    @property
    def zero(self) -> float:
        """As of a `TaskInfo`."""

    @property
    def one(self) -> float:
        """As of a `TaskInfo`."""


@runtime_checkable
class MetaProblem(Protocol):
    """What the outer loop sees of the inner one: meta-parameters in, one whole evaluation, fitness out.

    Two further methods are optional. `evaluate_against(key, meta_params, centre, generation)`, for self-play, is
    called in place of `evaluate`: it sees the centre of the search and the generation, an int32 scalar, the same for
    all members. `baseline(key)` returns fitness [K] of what the centre is compared with, wherever that is evaluated.
    A further attribute, `over_all`, may name keys of a row, and the metric of each that is told there of all
    evaluations, failed ones included.
    """

    @property
    def tasks(self) -> Sequence[TaskLike]:
        """Names and scales of the K tasks."""

    @property
    def env_steps(self) -> int:
        """Environment steps of one evaluation, over all tasks."""

    def init(self, key: Key) -> MetaParams:
        """Return meta-parameters to start the search from."""

    def evaluate(self, key: Key, meta_params: MetaParams) -> Evaluation:
        """Judge meta-parameters on every task; pure, and safe under `jit` and `vmap`."""
