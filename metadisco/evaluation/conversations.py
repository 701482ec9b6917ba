"""Messages and their effects on learners, in lifetimes that no search has used: data for figures.

Axes: S victims, E episodes, T steps, N channels, M observations, D numbers of an observation, G values of a variable.
"""

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from metadisco.config import OuterConfig
from metadisco.evaluation.lifetimes import map_over_devices
from metadisco.evaluation.victims import Victims, train_victims
from metadisco.inner.envs.base import Interface
from metadisco.inner.envs.cheap_talk import told_shape
from metadisco.inner.envs.goals import Goal
from metadisco.inner.networks import make_agent
from metadisco.inner.policy import Policy, choose
from metadisco.objectives.arithmetic import in_float32
from metadisco.problems.cheap_talk import CheapTalk
from metadisco.problems.tasks import Task
from metadisco.types import Key, Message, MessageFunctions, MetaParams

MAX_VICTIMS, MIN_VICTIMS = 16, 2
MAX_ENV_STEPS = 1_000_000
"""Of all victims together, unless MIN_VICTIMS take more."""
MAX_EPISODE = 1000
"""Steps of an episode that are followed."""
SEED = 2**31 - 23
"""Folded into the key, so that lifetimes differ from those of searches and evaluations."""
PAIRS: dict[str, tuple[tuple[int, int], ...]] = {"gymnax/CartPole-v1": ((2, 3), (0, 1))}
"""Variables that are mapped, by environment: in CartPole angle and angular velocity, position and velocity."""
NUM_PAIRS = 2
MANY = 8
"""Variables, beyond which those that matter most by themselves are paired."""
NUM_VALUES, NUM_COARSE = 81, 9
RANGE, MARGIN = (0.5, 99.5), 0.1
"""Percentiles between which variables are mapped, and room beside them."""


class MessageMap(NamedTuple):
    """A message over two variables of an observation; the others are at the medians of victims' observations."""

    variables: tuple[int, int]
    """Where they stand in an observation."""
    x: Float[np.ndarray, "G"]
    """Values of the first."""
    y: Float[np.ndarray, "G"]
    """Values of the second."""
    messages: Float[np.ndarray, "N G G"]
    """The first variable varies along the second axis."""
    visited: Float[np.ndarray, "M 2"]
    """Values of both variables in observations of victims."""


class Episodes(NamedTuple):
    """Episodes of trained victims; values after the end of an episode are meaningless."""

    messages: Float[np.ndarray, "S E T N"]
    reward: Float[np.ndarray, "S E T"]
    """The goal's, if there is one."""
    length: Int[np.ndarray, "S E"]
    """Steps of each episode, at most MAX_EPISODE."""
    wanted: Float[np.ndarray, "S E T"]
    """The goal's target after each step; NaN if nothing can be compared."""
    reached: Float[np.ndarray, "S E T"]
    """The value reached after each step."""

    @property
    def runs(self) -> Bool[np.ndarray, "S E T"]:
        """Which steps belong to the episode."""
        steps: np.ndarray = np.arange(self.reward.shape[-1])
        return steps < self.length[..., None]

    @property
    def episode_return(self) -> Float[np.ndarray, "S E"]:
        """Sum of the rewards."""
        total: np.ndarray = np.where(self.runs, self.reward, 0.0).sum(-1)
        return total

    def at_the_end(self, values: Float[np.ndarray, "S E T"]) -> Float[np.ndarray, "S E"]:
        """Return values after the last step of each episode."""
        return np.take_along_axis(values, self.length[..., None] - 1, axis=-1)[..., 0]


class Conversation(NamedTuple):
    """The messages in one environment, and their effects."""

    env: str
    """Name of the task."""
    heard: Victims
    """Trained beside the message."""
    silent: Victims
    """Trained on the same seeds beside zeros."""
    env_steps: Int[np.ndarray, "U"]
    """At the end of each update."""
    maps: tuple[MessageMap, ...]
    """None for observations with more than one axis, such as images, or of a single number."""
    said: Float[np.ndarray, "M N"]
    """Messages of the observations that victims see."""
    episodes: Episodes
    """One of each victim that heard the message, with the message."""
    steered: Episodes | None = None
    """Several of each of these victims toward goals, where the aim is control."""
    unsteered: Episodes | None = None
    """The same episodes with the message of training in place of the one that steers."""
    unit: str = ""
    """Name of the quantity that the goal compares; empty if there is none."""
    episode_length: int = 0
    """Longest episode, in steps."""


def num_victims(env_steps: int) -> int:
    """Return how many victims of either kind are trained, by the environment steps of a lifetime."""
    return min(max(MAX_ENV_STEPS // (2 * env_steps), MIN_VICTIMS), MAX_VICTIMS)


def conversations(
    problem: CheapTalk, meta_params: MetaParams, outer: OuterConfig, say: Callable[[str], None] = lambda text: None
) -> Iterator[Conversation]:
    """Train fresh victims with an evolved message, in each environment of its search.

    Args:
        problem: with which it was found; victims have its settings.
        meta_params: of the message.
        outer: gives devices and chunk size.
        say: called with a line for each training.
    """
    functions = in_float32(problem.parametrisation.bind)(meta_params)
    root = jax.random.fold_in(jax.random.key(0), SEED)
    for number, task in enumerate(problem.tasks):
        env_steps = task.ppo.executed_env_steps
        each = num_victims(env_steps)
        say(
            f"training {2 * each} victims for {env_steps:,} steps each on {task.name}: {each} with the message, {each} "
            "with zeros in its place, on seeds of their own"
        )
        goal = problem.goals[number] if problem.goals else None
        yield _converse(jax.random.fold_in(root, number), problem, functions, task, goal, outer)


def _converse(
    key: Key, problem: CheapTalk, functions: MessageFunctions, task: Task, goal: Goal | None, outer: OuterConfig
) -> Conversation:
    num_channels = int(jax.eval_shape(functions.message, jnp.zeros(task.env.obs_shape)).shape[0])
    key_train, key_play, key_steer = jax.random.split(key, 3)
    keys = jax.random.split(key_train, num_victims(task.ppo.executed_env_steps))
    heard, silent = train_victims(keys, task, functions.message, num_channels, problem.objective, outer)
    seen = heard.seen.reshape(-1, heard.seen.shape[-1])
    obs, said = seen[:, :-num_channels], seen[:, -num_channels:]
    per_update = task.ppo.num_envs * task.ppo.num_steps
    talk = Conversation(
        env=task.name,
        heard=heard,
        silent=silent,
        env_steps=per_update * np.arange(1, task.ppo.num_updates + 1),
        maps=message_maps(functions.message, obs, _pairs(task)) if len(task.env.obs_shape) == 1 else (),
        said=said,
        episodes=_play(key_play, heard.policy, task, functions, outer),
        episode_length=task.env.episode_length,
    )
    if goal is None:
        return talk
    steered, unsteered = _steer(key_steer, heard.policy, task, functions, goal, problem.num_episodes, outer)
    return talk._replace(steered=steered, unsteered=unsteered, unit=goal.unit if goal.compare else "")


def _pairs(task: Task) -> tuple[tuple[int, int], ...]:
    """Return the variables that are mapped by custom; none where the message is to choose."""
    return next((pairs for env, pairs in PAIRS.items() if task.name.startswith(env)), ())


@in_float32
def message_maps(
    message: Message, obs: Float[np.ndarray, "M D"], pairs: tuple[tuple[int, int], ...] = ()
) -> tuple[MessageMap, ...]:
    """Return a message over pairs of variables.

    Args:
        message: of an observation.
        obs: observations of victims.
        pairs: of variables; by default those over which the message varies most.
    """
    low, high = np.percentile(obs, RANGE, axis=0)
    margin = MARGIN * np.maximum(high - low, 1e-6)
    low, high, typical = low - margin, high + margin, np.median(obs, axis=0)
    said = jax.jit(jax.vmap(message))

    def over(pair: tuple[int, int], size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        x, y = (np.linspace(low[each], high[each], size) for each in pair)
        points = np.tile(typical, (size, size, 1))
        points[..., pair[0]], points[..., pair[1]] = x[:, None], y[None, :]
        messages = np.asarray(said(jnp.asarray(points.reshape(-1, obs.shape[1]), jnp.float32)))
        return x, y, np.moveaxis(messages.reshape(size, size, -1), -1, 0)

    def spread(pair: tuple[int, int]) -> float:
        return float(over(pair, NUM_COARSE)[2].std((1, 2)).mean())

    alone = sorted(range(obs.shape[1]), key=lambda each: -spread((each, each)))
    chosen = pairs or sorted(combinations(sorted(alone[:MANY]), 2), key=lambda pair: -spread(pair))[:NUM_PAIRS]
    return tuple(MessageMap(pair, *over(pair, NUM_VALUES), obs[:, list(pair)]) for pair in chosen)


NO_GOAL = Goal(lambda key: (), lambda state: jnp.zeros(0), lambda state, obs, reward: (state, reward), 0)


def _play(key: Key, policies: Policy, task: Task, functions: MessageFunctions, outer: OuterConfig) -> Episodes:
    """Let each victim play one episode as in its evaluations, with the message."""
    deterministic = task.ppo.deterministic_evaluation

    def episodes(key: Key, policy: Policy) -> Episodes:
        one = _episode(key, policy, task, lambda obs, goal_state: functions.message(obs), NO_GOAL, deterministic)
        return jax.tree.map(lambda leaf: leaf[None], one)

    num = len(jax.tree.leaves(policies)[0])
    played: Episodes = map_over_devices(in_float32(episodes), outer, jax.random.split(key, num), policies)
    return played


def _steer(
    key: Key,
    policies: Policy,
    task: Task,
    functions: MessageFunctions,
    goal: Goal,
    num_episodes: int,
    outer: OuterConfig,
) -> tuple[Episodes, Episodes]:
    """Let each victim, by its mode, play episodes with the message that steers, and the same with the usual one."""
    steer: Any = functions.steer

    def episodes(key: Key, policy: Policy, steers: Array) -> Episodes:
        def speak(obs: Array, goal_state: Any) -> Array:
            return jnp.where(steers, steer(obs, goal.features(goal_state)), functions.message(obs))

        keys = jax.random.split(key, num_episodes)
        return jax.vmap(lambda key: _episode(key, policy, task, speak, goal, deterministic=True))(keys)

    num = len(jax.tree.leaves(policies)[0])
    keys = jax.random.split(key, num)
    twice = jax.tree.map(lambda leaf: np.concatenate([leaf, leaf]), policies)
    both = map_over_devices(
        in_float32(episodes), outer, jnp.concatenate([keys, keys]), twice, jnp.repeat(jnp.array([True, False]), num)
    )
    steered, unsteered = (
        jax.tree.map(lambda leaf, half=half: leaf[half], both) for half in (slice(0, num), slice(num, None))
    )
    return steered, unsteered


def _episode(
    key: Key, policy: Policy, task: Task, speak: Callable[[Array, Any], Array], goal: Goal, deterministic: bool
) -> Episodes:
    """Return one episode, without the axes of victims and episodes."""
    key_goal, key_reset, key_steps = jax.random.split(key, 3)
    env_state, obs = task.env.reset(key_reset)
    goal_state = goal.draw(key_goal)
    num_channels = speak(obs, goal_state).shape[0]
    agent = make_agent(Interface(told_shape(task.env, num_channels), task.env.action_space), task.ppo)

    def step(carry: Any, key: Key) -> tuple[Any, tuple[Array, ...]]:
        env_state, obs, goal_state, over, length = carry
        key_act, key_env = jax.random.split(key)
        message = speak(obs, goal_state)
        told = jnp.concatenate([obs.ravel(), message])
        action = choose(key_act, policy, told[None], agent, deterministic=deterministic)[0]
        env_state, result = task.env.step(key_env, env_state, action)
        goal_state, reward = goal.pay(goal_state, result.final_obs, result.reward)
        nothing = jnp.full((), jnp.nan), jnp.full((), jnp.nan)
        compared = nothing if goal.compare is None else goal.compare(goal_state, result.final_obs)
        length = length + jnp.where(over, 0, 1)
        over = over | result.terminated | result.truncated
        return (env_state, result.obs, goal_state, over, length), (message, reward, *compared)

    start = (env_state, obs, goal_state, jnp.zeros((), bool), jnp.zeros((), jnp.int32))
    num_steps = min(task.env.episode_length, MAX_EPISODE)
    carry: Any  # its leaves are NumPy arrays after mapping, as in the next function
    played: Any
    carry, played = jax.lax.scan(step, start, jax.random.split(key_steps, num_steps))
    messages, reward, wanted, reached = played
    return Episodes(messages, reward, carry[-1], wanted, reached)
