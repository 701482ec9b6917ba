"""The types shared by all parts of metadisco. There is no logic here, and no import from metadisco.

Axes: P population, R rollouts, K tasks, B samples of a minibatch.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar, runtime_checkable

from jax import Array
from jaxtyping import Float, PRNGKeyArray

Key: TypeAlias = PRNGKeyArray
"""A typed JAX key, as made by `jax.random.key`."""

MetaParams: TypeAlias = Any
"""A pytree of float arrays, which the outer loop evolves."""


class Sample(NamedTuple):
    """Inputs of an objective, one entry per transition of a minibatch.

    Build it by keyword and read fields by name: later versions may add fields with defaults.
    """

    log_ratio: Float[Array, "B"]
    """log π_θ(a|s) − log π_old(a|s); differentiated."""
    advantage: Float[Array, "B"]
    """GAE(λ), normalised as the inner config specifies; constant."""
    value: Float[Array, "B"]
    """V_θ(s); differentiated."""
    old_value: Float[Array, "B"]
    """V(s) at the time the transition was collected; constant."""
    target: Float[Array, "B"]
    """λ-return, the advantage before normalisation plus the old value; constant."""
    progress: Float[Array, ""]
    """Elapsed fraction of the agent's lifetime, in [0, 1); a scalar."""


Loss: TypeAlias = Callable[[Sample], Float[Array, "B"]]
"""An elementwise loss to be minimised: one number per sample. The PPO update takes the mean."""


class Factors(NamedTuple):
    """Factors by which a schedule multiplies settings of PPO; 1 leaves a setting as the config has it."""

    learning_rate: Float[Array, ""] | float = 1.0
    """After annealing, if the config anneals."""
    entropy_coef: Float[Array, ""] | float = 1.0
    value_coef: Float[Array, ""] | float = 1.0
    clip_eps: Float[Array, ""] | float = 1.0
    """For information: the policy loss contains this one, as it contains ε."""


Schedule: TypeAlias = Callable[[Float[Array, ""]], Factors]
"""The elapsed fraction of the lifetime -> factors of settings; the same for all gradient steps of an update."""


class Objective(NamedTuple):
    """The losses that PPO minimises, apart from the entropy bonus. Each loss contains its own constants."""

    policy_loss: Loss
    """Loss of the policy, differentiated with respect to `log_ratio`."""
    value_loss: Loss
    """Loss of the value function, differentiated with respect to `value`. The update weights it by value_coef."""
    schedule: Schedule | None = None
    """Factors of settings of PPO over the lifetime; None leaves them as the config has them."""


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


Message: TypeAlias = Callable[[Float[Array, "..."]], Float[Array, "N"]]
"""An observation -> the message that is appended to it."""
Steer: TypeAlias = Callable[[Float[Array, "..."], Float[Array, "G"]], Float[Array, "N"]]
"""An observation and features of a goal -> the message that is appended to the observation."""


class MessageFunctions(NamedTuple):
    """Messages from an adversary to a learner; deterministic and without memory."""

    message: Message
    """While the learner trains."""
    steer: Steer | None = None
    """To the trained learner, toward a goal; None where the aim is not control."""


Bound_co = TypeVar("Bound_co", covariant=True)


@runtime_checkable
class Parametrisation(Protocol[Bound_co]):
    """A frozen dataclass of static settings, which defines the learned function."""

    def init(self, key: Key) -> MetaParams:
        """Return the initial meta-parameters of the search."""

    def bind(self, meta_params: MetaParams) -> Bound_co:
        """Return the learned function for these meta-parameters: an `Objective`, a message function, a meta-policy."""


class Evaluation(NamedTuple):
    """Result of one evaluation of meta-parameters: of one inner run, or of one per task."""

    fitness: Float[Array, "K"]
    """One entry per task, higher is better; NaN if that inner run failed."""
    metrics: dict[str, Array] = {}  # noqa: RUF012 - never changed
    """Scalars to report by name: `NAME` becomes `metrics/NAME` in the row of a generation."""


class TaskInfo(NamedTuple):
    """Name of a task and scale of its fitness, as the outer loop uses them."""

    name: str
    """Key of the task in the metrics."""
    zero: float = 0.0
    """Fitness that is normalised to 0, such as that of a random agent."""
    one: float = 1.0
    """Fitness that is normalised to 1, such as that of PPO."""


@runtime_checkable
class TaskLike(Protocol):
    """Anything with a name and a scale: a `TaskInfo`, or a task with more fields."""

    @property
    def name(self) -> str:
        """See `TaskInfo.name`."""

    @property
    def zero(self) -> float:
        """See `TaskInfo.zero`."""

    @property
    def one(self) -> float:
        """See `TaskInfo.one`."""


@runtime_checkable
class MetaProblem(Protocol):
    """A meta-learning problem, as the outer loop sees it: `evaluate` maps meta-parameters to fitness.

    The following members are optional:

    - `evaluate_against(key, meta_params, centre, generation)`, for self-play, is called instead of `evaluate`. It also
      receives the search centre and the generation (an int32 scalar); both are the same for all members.
    - `baseline(key)` returns the fitness [K] of a baseline. It is evaluated whenever the search centre is, with the
      same keys; for `outer.aggregate: capped_mean` also with those of every generation. None is as if left out.
    - `draws(key)` returns scalars by name: the settings that an evaluation with this key draws at random. A setting
      `NAME` of rollout r becomes `draw/NAME/r` in the row of a generation.
    - `over_all` maps keys of a row to names of metrics. These are aggregated over all evaluations, including failed
      ones.
    """

    @property
    def tasks(self) -> Sequence[TaskLike]:
        """Names and scales of the K tasks."""

    @property
    def env_steps(self) -> int:
        """Environment steps of one evaluation, over all tasks."""

    def init(self, key: Key) -> MetaParams:
        """Return the initial meta-parameters of the search."""

    def evaluate(self, key: Key, meta_params: MetaParams) -> Evaluation:
        """Evaluate meta-parameters on every task; pure, and safe under `jit` and `vmap`."""
