"""Distils a learned drift or value loss into another network, usually a smaller one."""

import operator
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from metadisco.distillation.targets import Target
from metadisco.types import Key, MetaParams, Parametrisation, Sample

BATCH = 512


class Student(NamedTuple):
    """A student network; its errors are relative to the root mean square of the target."""

    meta_params: MetaParams
    value_errors: tuple[float, ...]
    """By target."""
    slope_errors: tuple[float, ...]
    """By target."""


def train_student(
    key: Key,
    parametrisation: Parametrisation,
    targets: Sequence[Target],
    num_steps: int = 20_000,
    learning_rate: float = 3e-3,
) -> Student:
    """Fit the meta-parameters of a parametrisation to target losses.

    As in Goldie et al., "How Should We Meta-Learn Reinforcement Learning Algorithms?" (2025), who do this for LPO, the
    student matches the gradient of the loss, which is all that PPO uses. Unlike there, it also matches the values, and
    points are weighted by minibatch histograms.

    Args:
        key: consumed.
        parametrisation: of the student; `init` gives the initial meta-parameters.
        targets: one for each loss that it learns.
        num_steps: steps of Adam.
        learning_rate: initial value; decays to a hundredth on a cosine schedule.
    """
    key_init, key_batches = jax.random.split(key)
    optimiser = optax.adam(optax.cosine_decay_schedule(learning_rate, num_steps, 0.01))
    points = [_points(target) for target in targets]

    def loss(meta_params: MetaParams, chosen: Sequence[Array]) -> Array:
        total = jnp.zeros(())
        for target, data, index in zip(targets, points, chosen, strict=True):
            batch = jax.tree.map(operator.itemgetter(index), (*data[:-1], jnp.ones_like(data[-1])))  # drawn by weight
            values, slopes = _residuals(parametrisation, meta_params, target, batch)
            total += jnp.square(values).mean() + jnp.square(slopes).mean()
        return total

    def step(carry: tuple[MetaParams, optax.OptState], key: Key) -> tuple[tuple[MetaParams, optax.OptState], None]:
        meta_params, state = carry
        keys = jax.random.split(key, len(targets))
        chosen = [
            jax.random.choice(each, len(data[-1]), (BATCH,), p=data[-1])
            for each, data in zip(keys, points, strict=True)
        ]
        updates, state = optimiser.update(jax.grad(loss)(meta_params, chosen), state)
        return (optax.apply_updates(meta_params, updates), state), None

    @jax.jit
    def run(meta_params: MetaParams) -> tuple[MetaParams, list[tuple[Array, Array]]]:
        carry = (meta_params, optimiser.init(meta_params))
        (meta_params, _), _ = jax.lax.scan(step, carry, jax.random.split(key_batches, num_steps))
        results = []
        for target, data in zip(targets, points, strict=True):
            values, slopes = _residuals(parametrisation, meta_params, target, data)
            results.append((_root_mean_square(values, data[-1]), _root_mean_square(slopes, data[-1])))
        return meta_params, results

    meta_params, errors = run(parametrisation.init(key_init))
    return Student(meta_params, *(tuple(float(error[which]) for error in errors) for which in (0, 1)))


def _root_mean_square(errors: Array, weight: Array) -> Array:
    return jnp.sqrt(weight @ jnp.square(errors))


_Points = tuple[Array, dict[str, Array], Array, Array, Array]


def _points(target: Target) -> _Points:
    """Return x, the other variables, value, slope and weight in single precision."""
    points: _Points = jax.tree.map(
        lambda x: jnp.asarray(x, jnp.float32), (target.x, target.others, target.value, target.slope, target.weight)
    )
    return points


def _residuals(
    parametrisation: Parametrisation, meta_params: MetaParams, target: Target, points: _Points
) -> tuple[Array, Array]:
    """Return relative errors of values and slopes; for a value loss the mean error of values is subtracted."""
    x, others, value, slope, weight = points
    own_value, own_slope = _value_and_slope(parametrisation, meta_params, target.kind, x, others)
    miss = own_value - value
    if target.kind == "value":
        miss = miss - weight @ miss / weight.sum()
    value_norm, slope_norm = target.norms
    return miss / value_norm, (own_slope - slope) / slope_norm


def _value_and_slope(
    student: Parametrisation, meta_params: MetaParams, kind: str, x: Array, others: dict[str, Array]
) -> tuple[Array, Array]:
    """Return D and ∂D/∂r, or φ − φ(δ = 0) and ∂φ/∂V, of a student at points."""
    objective = student.bind(meta_params)
    zero, progress = jnp.zeros_like(x), jnp.asarray(0.5)
    if kind == "policy":
        advantage = others["A"]

        def drift(log_ratio: Array) -> Array:
            sample = Sample(log_ratio, advantage, zero, zero, zero, progress)
            return objective.policy_loss(sample) + jnp.exp(log_ratio) * advantage

        value, slope = jax.jvp(drift, (x,), (jnp.ones_like(x),))
        return value, slope / jnp.exp(x)
    target = others.get("target", zero)

    def value_loss(error: Array) -> Array:
        old_value = others.get("old_value", target)
        return objective.value_loss(Sample(zero, zero, target + error, old_value, target, progress))

    value, slope = jax.jvp(value_loss, (x,), (jnp.ones_like(x),))
    return value - value_loss(zero), slope
