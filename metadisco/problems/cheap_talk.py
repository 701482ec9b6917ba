"""Adversarial cheap talk: a message beside the observation harms a learner, helps it, or makes it steerable.

Lu, Willi, Letcher, Foerster, "Adversarial Cheap Talk" (ICML 2023). Axes: K tasks.
"""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jax import Array

from metadisco.config import FITNESS_NAMES, Config, InnerConfig
from metadisco.config.fields import PositiveInt, Text, settings
from metadisco.discoveries.load import load_objective
from metadisco.discoveries.names import check_pinned
from metadisco.errors import UserError
from metadisco.inner.envs.cheap_talk import cheap_talk, memoryless, obs_size, steered
from metadisco.inner.envs.goals import Goal, make_goal
from metadisco.inner.fitness import Fitness
from metadisco.inner.policy import play
from metadisco.inner.ppo import policy_of
from metadisco.inner.train import TrainResult, train
from metadisco.objectives.arithmetic import gives_nan, in_float32
from metadisco.parametrisations import MESSAGES, make_parametrisation
from metadisco.problems.tasks import Task, as_number, draws_of, make_fitness, make_tasks, named, shorten
from metadisco.types import Evaluation, Key, MessageFunctions, MetaParams, Objective, Parametrisation


@settings
class CheapTalkSettings:
    """Settings of the problem: the aim of the message, and the objective that the learner minimises."""

    aim: Literal["harm", "help", "control"] = "harm"
    """Lower the learner's fitness, raise it, or make the trained learner follow a goal that it does not see."""
    objective: Text = "ppo"
    """Objective of the learner: names as for `metadisco train`; a run with its generation, such as runs/x@200."""
    objective_settings: dict[str, Any] = field(default_factory=dict)
    """Constants of a closed objective, such as clip_eps."""
    goal: Text | None = None
    """For control: `package.module:MyGoal`; null for the goal that the environment has."""
    num_episodes: PositiveInt = 16
    """For control: episodes in which each trained learner is steered, each toward a goal of its own."""


@dataclass(frozen=True)
class CheapTalk:
    """The meta-problem of finding a message.

    Attributes:
        parametrisation: the learned message; it binds to `MessageFunctions`.
        tasks: plain environments, with the learner's settings; one learner is trained on each.
        fitness: of a learner; its sign is reversed where the aim is harm.
        objective: that learners minimise.
        aim: harm, help or control.
        goals: of each task, where the aim is control.
        num_episodes: steered episodes of each learner.
    """

    finds: ClassVar[str] = "a message"
    settings: ClassVar[type] = CheapTalkSettings
    inner: ClassVar[type] = InnerConfig
    parametrisations: ClassVar[dict[str, str]] = MESSAGES
    fitness_names: ClassVar[tuple[str, ...]] = FITNESS_NAMES
    figures: ClassVar[str] = "metadisco.plotting.talk.run:FAMILY"
    checks: ClassVar[str] = "metadisco.discoveries.messages:FAMILY"
    source: ClassVar[str] = "metadisco.export.message:source_text"
    results: ClassVar[str] = "metadisco.evaluation.results:read_results"

    parametrisation: Parametrisation[MessageFunctions]
    tasks: tuple[Task, ...]
    fitness: Fitness
    objective: Objective
    aim: str = "harm"
    goals: tuple[Goal, ...] = ()
    num_episodes: int = 16

    def __post_init__(self) -> None:
        """Name tasks that have no name."""
        object.__setattr__(self, "tasks", named(self.tasks))

    @classmethod
    def from_config(cls, config: Config) -> "CheapTalk":
        """Create the problem that a config describes.

        Raises:
            UserError: for an unknown name, or settings that do not fit.
        """
        asked = CheapTalkSettings(**{key: value for key, value in config.problem.items() if key != "name"})
        if asked.aim != "control" and asked.goal is not None:
            raise UserError(f"problem.goal: got {asked.goal!r}, allowed: null where the aim is {asked.aim}")
        check_pinned("problem.objective", asked.objective)
        tasks = tuple(_aimed(task, asked.aim) for task in make_tasks(config))
        names = [task.env for task in config.tasks]
        goals = tuple(make_goal(name, asked.goal) for name in names) if asked.aim == "control" else ()
        num_goal_features = goals[0].num_features if goals else 0
        return cls(
            parametrisation=sized(make_parametrisation(config.parametrisation), _common_size(tasks), num_goal_features),
            tasks=tasks,
            fitness=make_fitness(config.inner.fitness, config.inner.fitness_part),
            objective=load_objective(asked.objective, **asked.objective_settings),
            aim=asked.aim,
            goals=goals,
            num_episodes=asked.num_episodes,
        )

    @staticmethod
    def evaluate_words(config: Config, run: str) -> list[str]:
        """Return the words of `metadisco evaluate` that compare a talker that a run found with an untrained one."""
        return [
            "--talkers",
            "random:0",
            run,
            "--envs",
            *dict.fromkeys(task.env for task in config.tasks),
            "--config",
            run,
        ]

    @property
    def env_steps(self) -> int:
        """Environment steps of one lifetime on each task; steered episodes count at their longest."""
        steered = self.num_episodes * sum(task.env.episode_length for task in self.tasks) if self.goals else 0
        return sum(task.ppo.executed_env_steps for task in self.tasks) + steered

    @in_float32
    def init(self, key: Key) -> MetaParams:
        """Return the meta-parameters at which the search starts."""
        return self.parametrisation.init(key)

    @gives_nan
    @in_float32
    def evaluate(self, key: Key, meta_params: MetaParams) -> Evaluation:
        """Train one learner per task with the message; the fitness of a task is NaN where it diverged."""
        functions = self.parametrisation.bind(meta_params)
        fitness, learned = [], []
        for number, (key_task, task) in enumerate(zip(jax.random.split(key, len(self.tasks)), self.tasks, strict=True)):
            key_train, key_steer = jax.random.split(key_task)
            num_channels = self._num_channels(functions, task)
            env = cheap_talk(task.env, memoryless(functions.message), num_channels)
            hyperparameters = task.hyperparameters(key_task)
            result = train(key_train, env, task.ppo, self.objective, hyperparameters=hyperparameters)
            score = as_number(self.fitness(result))
            learned.append(score)
            if self.goals:
                score = self._steered(key_steer, functions, task, self.goals[number], result)
            elif self.aim == "harm":
                score = -score
            fitness.append(jnp.where(result.finite, score, jnp.nan))
        return Evaluation(jnp.stack(fitness), {"learner_fitness": jnp.stack(learned).mean()})

    def draws(self, key: Key) -> dict[str, Array]:
        """Return the settings that the learners of an evaluation draw; see `draws_of`."""
        return draws_of(key, self.tasks)

    def _num_channels(self, functions: MessageFunctions, task: Task) -> int:
        shape = jax.eval_shape(functions.message, jnp.zeros(task.env.obs_shape)).shape
        if len(shape) != 1:
            raise UserError(f"parametrisation: got a message of shape {shape}, allowed: a vector")
        return int(shape[0])

    def _steered(self, key: Key, functions: MessageFunctions, task: Task, goal: Goal, result: TrainResult) -> Array:
        """Return the mean goal return of a trained learner that acts by its mode."""
        if functions.steer is None:
            raise UserError("parametrisation: binds to no steer function, allowed: one where problem.aim is control")
        env = steered(task.env, functions.steer, self._num_channels(functions, task), goal)
        returns = play(key, policy_of(result.state), env, task.ppo, self.num_episodes, deterministic=True)
        return returns.mean()

    def rehearsal(self, num_updates: int) -> "CheapTalk":
        """Return the same meta-problem with lifetimes of a few updates and no evaluation, to measure speed with."""
        tasks = tuple(shorten(task, num_updates) for task in self.tasks)
        return replace(self, tasks=tasks, fitness=lambda result: result.evaluation.mean())


def _aimed(task: Task, aim: str) -> Task:
    """Return a task whose scale is that of the aim: where harm is wanted, 0 is PPO's fitness and 1 a random agent's.

    Goal returns have no scale: the references are returns of the environment.
    """
    if aim == "control":
        return task._replace(zero=0.0, one=1.0)
    return task._replace(zero=-task.one, one=-task.zero) if aim == "harm" and (task.zero, task.one) != (0, 1) else task


def sized(parametrisation: Any, obs_size: int, num_goal_features: int) -> Parametrisation[MessageFunctions]:
    """Return a parametrisation for observations and goals of these sizes; one of the user's may know them by itself.

    Raises:
        UserError: if it has other sizes.
    """
    if not hasattr(parametrisation, "for_problem"):
        return parametrisation
    try:
        made: Parametrisation[MessageFunctions] = parametrisation.for_problem(obs_size, num_goal_features)
    except ValueError as error:
        raise UserError(f"parametrisation.{error}") from error
    return made


def _common_size(tasks: tuple[Task, ...]) -> int:
    """Return the size of the observations, which has to be the same in all environments."""
    sizes = {task.name: obs_size(task.env) for task in tasks}
    if len(set(sizes.values())) > 1:
        said = ", ".join(f"{size} in {name}" for name, size in sizes.items())
        raise UserError(f"inner.envs: got observations of different sizes, {said}; allowed: one message for one size")
    return next(iter(sizes.values()))
