"""Goals towards which a message may steer a trained learner, and their rewards.

Rewards are those of Lu, Willi, Letcher, Foerster, "Adversarial Cheap Talk" (ICML 2023), except that they depend on the
state that a step led to, before any reset, and use the sine of Pendulum's angle where their code has the cosine twice.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from metadisco.config.code.imports import load_object
from metadisco.errors import UserError
from metadisco.types import Key

GoalState: TypeAlias = Any


class Goal(NamedTuple):
    """The goal of an episode, as pure functions."""

    draw: Callable[[Key], GoalState]
    """(key) -> goal state of a new episode, a pytree of arrays."""
    features: Callable[[GoalState], Float[Array, "G"]]
    """Numbers that the message may depend on. The docstring of a goal describes them, for exported files."""
    pay: Callable[[GoalState, Array, Array], tuple[GoalState, Float[Array, ""]]]
    """(goal state, final observation of a step, its reward) -> (next goal state, reward of the goal)."""
    num_features: int
    """G."""
    compare: Callable[[GoalState, Array], tuple[Float[Array, ""], Float[Array, ""]]] | None = None
    """For figures: (goal state after a step, final observation of it) -> wanted value, and value reached."""
    unit: str = ""
    """Name of the compared quantity, such as `position of the cart`."""


def cart_position() -> Goal:
    """CartPole: stand at x*, drawn from U(−2.4, 2.4); exp(−(x − x*)²) for each step.

    Features: x*.
    """

    def draw(key: Key) -> Array:
        return jax.random.uniform(key, (), minval=-2.4, maxval=2.4)

    def pay(wanted: Array, obs: Array, reward: Array) -> tuple[Array, Array]:
        del reward
        return wanted, jnp.exp(-jnp.square(obs[0] - wanted))

    def compare(wanted: Array, obs: Array) -> tuple[Array, Array]:
        return wanted, obs[0]

    return Goal(draw, lambda wanted: wanted[None], pay, 1, compare, "position of the cart")


def pendulum_angle() -> Goal:
    """Pendulum: point to θ*, drawn from U(0, 2π); exp(−‖(cos θ, sin θ) − (cos θ*, sin θ*)‖²) for each step.

    Features: cos θ*, sin θ*.
    """

    def draw(key: Key) -> Array:
        angle = jax.random.uniform(key, (), maxval=2 * jnp.pi)
        return jnp.stack([jnp.cos(angle), jnp.sin(angle)])

    def pay(wanted: Array, obs: Array, reward: Array) -> tuple[Array, Array]:
        del reward
        return wanted, jnp.exp(-jnp.square(obs[:2] - wanted).sum())

    def compare(wanted: Array, obs: Array) -> tuple[Array, Array]:
        angle, reached = (jnp.arctan2(each[1], each[0]) for each in (wanted, obs))
        return angle, angle + (reached - angle + jnp.pi) % (2 * jnp.pi) - jnp.pi  # no further apart than π

    return Goal(draw, lambda wanted: wanted, pay, 2, compare, "angle of the pole")


def breakout_score() -> Goal:
    """Breakout: score a number of points drawn from U(0, 50), and then no more.

    A reward counts as it is until the score exceeds the wanted one, and negated from then on. Features: the number
    wanted and the score so far, each divided by 50.
    """

    def draw(key: Key) -> tuple[Array, Array]:
        return jax.random.uniform(key, (), maxval=50.0), jnp.zeros(())

    def pay(state: tuple[Array, Array], obs: Array, reward: Array) -> tuple[tuple[Array, Array], Array]:
        del obs
        wanted, score = state
        score = score + reward
        return (wanted, score), jnp.where(score > wanted, -reward, reward)

    def features(state: tuple[Array, Array]) -> Array:
        return jnp.stack(state) / 50.0

    def compare(state: tuple[Array, Array], obs: Array) -> tuple[Array, Array]:
        del obs
        return state

    return Goal(draw, features, pay, 2, compare, "points")


GOALS: dict[str, Callable[[], Goal]] = {
    "gymnax/CartPole-v1": cart_position,
    "gymnax/Pendulum-v1": pendulum_angle,
    "gymnax/Breakout-MinAtar": breakout_score,
}
"""Goals by environment."""


def make_goal(env: str, name: str | None = None) -> Goal:
    """Return the goal of an environment, or one of the user's.

    Args:
        env: `suite/name` of the environment.
        name: `package.module:MyGoal`, called without arguments; the environment's own goal if left out.

    Raises:
        UserError: for an environment without a goal, or a name that gives none.
    """
    if name is None:
        if env not in GOALS:
            raise UserError(
                f"problem.goal: {env} has no goal, allowed: one of {', '.join(GOALS)}, or package.module:MyGoal"
            )
        return GOALS[env]()
    if ":" not in name:
        raise UserError(f"problem.goal: got {name!r}, allowed: null, or package.module:MyGoal")
    goal = load_object(name, key="problem.goal", arguments={})
    if not isinstance(goal, Goal):
        raise UserError(f"problem.goal: {name} returned {type(goal).__name__}, allowed: a metadisco Goal")
    shape = jax.eval_shape(lambda key: goal.features(goal.draw(key)), jax.random.key(0)).shape
    if shape != (goal.num_features,):
        raise UserError(
            f"problem.goal: {name} has features of shape {shape}, allowed: ({goal.num_features},), as it says"
        )
    return goal
