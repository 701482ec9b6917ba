"""Evolution strategies of evosax with a common interface, which maximises fitness and tolerates failed members.

Fitness is negated only in `_losses` and back in `_tell`; only `_complete` handles NaN. Axes: P population.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import Bool, Float, Int

from metadisco.config import StrategyConfig
from metadisco.errors import UserError, nearest
from metadisco.outer.shaping import SHAPING, tied_weights
from metadisco.types import Key, MetaParams

MARGIN = 1e-6  # relative; a few steps of float32
ADAM_B1 = 0.99  # evosax 0.0.4 to 0.1, under which DPO and the value loss were evolved
ADAM_EPS = 1e-5  # evosax's 1e-8 turns rounding error into steps of a third of the learning rate


RESERVED = {"self", "population_size", "solution", "fitness_shaping_fn", "metrics_fn", "std_schedule", "optimizer",
            "use_antithetic_sampling", "params", "params_path", "std_init", "radius_max"}  # fmt: skip
"""Arguments and parameters of evosax that users cannot set through `settings`."""


class StrategyState(NamedTuple):
    """The complete state of a strategy, except the key."""

    evosax: Any
    generation: Int[Array, ""]
    """Number of calls of `tell`, including skipped generations."""
    first: MetaParams | None
    """For population-based strategies the first generation, which `ask` returns until the first `tell`. Else None."""
    before: Any | None
    """Between `ask` and `tell`: evosax's state before `ask`, to be restored if the generation is skipped. Else None."""
    centre: MetaParams
    """The search centre: the mean, or for population-based strategies the best member of the last generation."""


class TellReport(NamedTuple):
    """Statistics of one call of `tell`."""

    failed: Int[Array, ""]
    """Number of members whose fitness was not finite."""
    skipped: Bool[Array, ""]
    """Whether the generation was skipped: all members failed, or all others had the same fitness."""
    step_norm: Float[Array, ""]
    """Euclidean distance by which the search centre moved."""
    std: Float[Array, ""]
    """Standard deviation of this generation's perturbations, averaged over dimensions; for CMA-ES variants σ."""


class Strategy(NamedTuple):
    """An evolution strategy; all functions are pure and jitted."""

    init: Callable[[Key, MetaParams], StrategyState]
    """(key, start) -> state; `start` are the initial meta-parameters."""
    ask: Callable[[Key, StrategyState], tuple[MetaParams, StrategyState]]
    """(key, state) -> (population[P, …], state)."""
    tell: Callable[[Key, MetaParams, Array, StrategyState], tuple[StrategyState, TellReport]]
    """(key, population, fitness[P], state) -> (state, report); higher fitness is better, NaN marks a failed member."""


def make_strategy(config: StrategyConfig, example: MetaParams) -> Strategy:
    """Return a strategy for pytrees with the structure of `example`.

    Args:
        config: name and settings of the strategy.
        example: a pytree of float32 arrays.

    Raises:
        UserError: for meta-parameters that are not float32, or a setting that the strategy does not have.
    """
    check_meta_params(example)
    algorithm, params = _make_algorithm(config, example)
    bound = partial(partial, config=config, algorithm=algorithm, params=params)
    return Strategy(init=jax.jit(bound(_init)), ask=jax.jit(bound(_ask)), tell=jax.jit(bound(_tell)))


def check_meta_params(example: MetaParams) -> None:
    """Reject meta-parameters that are not a pytree of float32 arrays.

    Raises:
        UserError: with the type that was found.
    """
    leaves = jax.tree.leaves(example)
    if sum(jnp.size(leaf) for leaf in leaves) == 0:
        raise UserError("meta-parameters: got a pytree without numbers, allowed: float32 arrays")
    for leaf in leaves:
        if not isinstance(leaf, jax.Array) or leaf.dtype != jnp.float32:
            got = str(leaf.dtype) if isinstance(leaf, jax.Array) else type(leaf).__name__
            raise UserError(f"meta-parameters: got a leaf of {got}, allowed: float32 arrays")


def _make_algorithm(config: StrategyConfig, example: MetaParams) -> tuple[Any, Any]:
    """Return evosax's algorithm and its parameters."""
    from evosax.algorithms import algorithms  # noqa: PLC0415 (at the top it would initialise JAX before `start_jax`)

    cls = algorithms[config.name]
    traits = config.traits
    arguments: dict[str, Any] = {}
    if traits.std_knob == "schedule":
        # evosax evaluates the schedule one generation late, so it gets the std of generation g + 1; see `_init`.
        arguments["std_schedule"] = lambda generation: std_at(config, generation + 1)
    if traits.has_optimizer:
        arguments["optimizer"] = optax.adam(partial(learning_rate_at, config), b1=ADAM_B1, eps=ADAM_EPS)
    if traits.antithetic == "choice":
        arguments["use_antithetic_sampling"] = config.antithetic
    if traits.shaping == "ranked":
        arguments["fitness_shaping_fn"] = lambda _, losses, __, params: tied_weights(params.weights, losses)
    if traits.shaping == "chosen":
        arguments["fitness_shaping_fn"] = lambda _, losses, __, ___: losses
    algorithm, rest = _construct(cls, config, example, arguments)
    params = algorithm.default_params
    if traits.std_knob in ("std_init", "radius_max"):
        params = params.replace(**{traits.std_knob: _like(getattr(params, traits.std_knob), config.std)})
    return algorithm, _with_settings(params, rest, config.name)


def _construct(
    cls: Any, config: StrategyConfig, example: MetaParams, arguments: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """Call evosax's constructor with the settings that it accepts; return the algorithm and the remaining settings."""
    known = set(inspect.signature(cls.__init__).parameters) - RESERVED
    taken = {name: value for name, value in config.settings.items() if name in known}
    rest = {name: value for name, value in config.settings.items() if name not in known}
    try:
        algorithm = cls(population_size=config.population_size, solution=example, **arguments, **taken)
    except (AssertionError, TypeError, ValueError) as error:
        raise UserError(f"outer.strategy: evosax's {config.name} rejected its settings {taken}: {error}") from error
    return algorithm, rest


def _with_settings(params: Any, settings: Mapping[str, Any], name: str) -> Any:
    """Set parameters of an algorithm by their names in evosax."""
    known = sorted(set(vars(params)) - RESERVED)
    for key, value in settings.items():
        if key not in known:
            raise UserError(
                f"outer.strategy.settings: {name} has no {key!r}{nearest(key, known)} "
                f"(allowed: {', '.join(known) or 'none'})"
            )
        default = getattr(params, key)
        kind = type(default) if isinstance(default, bool | int) else float
        if isinstance(value, bool) != (kind is bool) or not isinstance(value, int | float) or kind(value) != value:
            allowed = {bool: "true or false", int: "a whole number", float: "a number"}[kind]
            raise UserError(f"outer.strategy.settings.{key}: got {value!r}, allowed: {allowed}")
        params = params.replace(**{key: _like(default, value)})
    return params


def _like(default: Any, value: Any) -> Any:
    """Convert a setting to the shape and type of its default."""
    if isinstance(default, Array):
        return jnp.full(default.shape, value, default.dtype)
    return type(default)(value)


def std_at(config: StrategyConfig, generation: Int[Array, ""] | int) -> Float[Array, ""]:
    """Return the scheduled std of a generation: exponential decay with a lower bound."""
    assert config.std is not None and config.std_decay is not None and config.std_limit is not None
    return jnp.maximum(config.std * config.std_decay ** jnp.asarray(generation, jnp.float32), config.std_limit)


def learning_rate_at(config: StrategyConfig, step: Int[Array, ""] | int) -> Float[Array, ""]:
    """Return the learning rate of a step of the mean: exponential decay with a lower bound."""
    assert config.learning_rate is not None and config.learning_rate_decay is not None
    assert config.learning_rate_limit is not None
    decayed = config.learning_rate * config.learning_rate_decay ** jnp.asarray(step, jnp.float32)
    return jnp.maximum(decayed, config.learning_rate_limit)


def _strong(tree: Any) -> Any:
    """Convert weakly typed numbers to a fixed dtype, so that a state has the same type in every generation."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.asarray(leaf).dtype), tree)


def _init(key: Key, start: MetaParams, config: StrategyConfig, algorithm: Any, params: Any) -> StrategyState:
    key_state, key_first = jax.random.split(key)
    first = None
    if config.traits.population_based:
        first = _spread(key_first, start, config)
        no_fitness = jnp.full(config.population_size, jnp.inf)
        state = algorithm.init(key_state, first, no_fitness, params)
    else:
        state = algorithm.init(key_state, start, params)
    if config.traits.std_knob == "schedule":
        state = state.replace(std=jnp.broadcast_to(std_at(config, 0), jnp.shape(state.std)))
    return StrategyState(_strong(state), jnp.zeros((), jnp.int32), first, None, _strong(start))


def _spread(key: Key, start: MetaParams, config: StrategyConfig) -> MetaParams:
    """Return a first generation around `start`, whose first member is `start` itself."""
    assert config.std is not None
    std = config.std
    leaves, structure = jax.tree.flatten(start)
    keys = jax.random.split(key, len(leaves))

    def around(key: Key, leaf: Array) -> Array:
        noise = jax.random.normal(key, (config.population_size, *leaf.shape), leaf.dtype)
        return leaf + std * noise.at[0].set(0.0)

    return jax.tree.unflatten(structure, [around(key, leaf) for key, leaf in zip(keys, leaves, strict=True)])


def _ask(
    key: Key, state: StrategyState, config: StrategyConfig, algorithm: Any, params: Any
) -> tuple[MetaParams, StrategyState]:
    population, evosax_state = algorithm.ask(key, state.evosax, params)
    if config.traits.population_based:
        untold = jnp.isinf(state.evosax.fitness).all()
        population = jax.tree.map(partial(jnp.where, untold), state.first, population)
        evosax_state = jax.tree.map(partial(jnp.where, untold), state.evosax, evosax_state)
    return population, state._replace(evosax=_strong(evosax_state), before=state.evosax)


def _complete(
    fitness: Float[Array, "P"], incumbents: Float[Array, "P"] | None
) -> tuple[Float[Array, "P"], Bool[Array, "P"], Bool[Array, ""]]:
    """Replace the fitness of failed members by the worst finite fitness, or by less than that of all incumbents.

    Args:
        fitness: fitness of the members.
        incumbents: for population-based strategies, fitness of the current population; −inf if there is none yet.

    Returns:
        Fitness, which is finite unless all members failed; which members failed; whether to skip the generation.
    """
    failed = ~jnp.isfinite(fitness)
    worst = jnp.where(failed, jnp.inf, fitness).min()
    best = jnp.where(failed, -jnp.inf, fitness).max()
    skipped = ~(worst < best)
    if incumbents is not None:
        kept = jnp.where(jnp.isfinite(incumbents), incumbents, jnp.inf).min()
        worst = jnp.minimum(worst, kept)
        worst -= MARGIN * jnp.maximum(jnp.abs(worst), 1.0)  # strictly less, also near 0, where floats are flushed to 0
    return jnp.where(failed, worst, fitness), failed, skipped


def _losses(fitness: Float[Array, "P"], config: StrategyConfig) -> Float[Array, "P"]:
    """Return shaped losses, which evosax minimises."""
    return -SHAPING[config.fitness_shaping or "raw"](fitness)


def _tell(
    key: Key,
    population: MetaParams,
    fitness: Float[Array, "P"],
    state: StrategyState,
    config: StrategyConfig,
    algorithm: Any,
    params: Any,
) -> tuple[StrategyState, TellReport]:
    population_based = config.traits.population_based
    complete, failed, skipped = _complete(fitness, -state.evosax.fitness if population_based else None)
    # The result is discarded if the generation is skipped, so a NaN in it does no harm.
    told, _ = algorithm.tell(key, population, _losses(complete, config), state.evosax, params)
    if population_based:
        started = algorithm.init(key, population, _losses(complete, config), params)
        started = started.replace(generation_counter=started.generation_counter + 1)
        untold = jnp.isinf(state.evosax.fitness).all()
        told = jax.tree.map(partial(jnp.where, untold), _strong(started), _strong(told))
        best = jnp.argmax(complete)
        centre = jax.tree.map(lambda leaf: leaf[best], population)
    else:
        centre = algorithm.get_mean(told)
    keep = partial(jax.tree.map, partial(jnp.where, skipped))
    told, centre = keep(state.before, _strong(told)), keep(state.centre, centre)
    moved = jax.tree.map(lambda new, old: jnp.square(new - old).sum(), centre, state.centre)
    report = TellReport(
        failed=failed.sum(),
        skipped=skipped,
        step_norm=jnp.sqrt(sum(jax.tree.leaves(moved), start=jnp.zeros(()))),
        std=_std(state, population, config),
    )
    return StrategyState(told, state.generation + 1, state.first, None, centre), report


def _std(state: StrategyState, population: MetaParams, config: StrategyConfig) -> Float[Array, ""]:
    """Return the std of the strategy if it has one, else that of the population."""
    if config.traits.std_knob in ("schedule", "std_init"):
        return jnp.asarray(state.evosax.std).mean()
    spreads = [leaf.std(0).ravel() for leaf in jax.tree.leaves(population)]
    return jnp.concatenate(spreads).mean()
