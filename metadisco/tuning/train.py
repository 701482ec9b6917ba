"""Trains the agents of a search: settings that differ only in traceable ones share one compiled program."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from metadisco.config import OBJECTIVE_SETTINGS, Config, build_settings
from metadisco.config.grid import split_objective
from metadisco.discoveries.load import load_objective
from metadisco.errors import UserError
from metadisco.evaluation.evaluate import make_env
from metadisco.evaluation.lifetimes import CHOOSING, REPORTING, TUNING, seed_keys
from metadisco.evaluation.programs import Program, by_program, program_key, share_of
from metadisco.evaluation.reference import measure_reference
from metadisco.inner.envs import Env
from metadisco.inner.optimise import Hyperparameters
from metadisco.objectives.closed import OBJECTIVES
from metadisco.outer.devices import start_jax
from metadisco.problems import make_fitness, make_task
from metadisco.tuning.plan import Plan
from metadisco.tuning.ranges import OBJECTIVE, Values, shapes_of
from metadisco.tuning.trials import SCORES, Job, Scores
from metadisco.types import Objective

STREAMS = {"search": TUNING, "choice": CHOOSING, "report": REPORTING}
"""Seeds of the stages, which have no key in common."""


class Trainer:
    """Trains the agents of jobs. Compiled programs are kept, and all have a fixed number of agents.

    Args:
        plan: of the search.

    Raises:
        UserError: if an objective or an environment cannot be used.
    """

    def __init__(self, plan: Plan):
        self._plan = plan
        first = next(iter(plan.configs.values()))
        start_jax(first.outer.num_devices, first.deterministic)
        self._learned: dict[str, Objective] = {
            name: load_objective(name) for name in plan.sources if name not in OBJECTIVE_SETTINGS
        }
        self._envs: dict[str, Env] = {
            env: make_env(config.tasks[0].env, config) for env, config in plan.configs.items()
        }
        self._programs: dict[Any, Program] = {}
        self._shares = {name: self._share(name) for name in plan.ranges}

    def _share(self, objective: str) -> int:
        """Return the agents of one device in a program: those of a batch, if its settings are spread over programs."""
        space = self._plan.space
        assert space.batch is not None
        agents = min(space.batch, self._plan.num_settings) * space.rounds[0]
        outer = next(iter(self._plan.configs.values())).outer
        return share_of(outer, math.ceil(agents / len(shapes_of(self._plan.ranges[objective]))))

    def __call__(self, job: Job) -> list[Scores]:
        """Train all agents of a job."""
        lifetime = self._plan.space.lifetime if job.stage == "search" else 1.0
        configs = [self._plan.config(job.env, values, lifetime) for values in job.values]
        constants = [self._constants(job.objective, values) for values in job.values]
        keys = seed_keys(self._plan.space.seed, job.seeds[1], STREAMS[job.stage])[job.seeds[0] :]
        waiting: list[tuple[list[int], Any]] = []
        for indices in by_program(configs, [static for static, _ in constants]):
            static, names = constants[indices[0]][0], tuple(constants[indices[0]][1])
            program = self._program(job, configs[indices[0]], static, names)
            settings = [Hyperparameters.from_config(configs[index].inner.ppo) for index in indices]
            traced = [constants[index][1] for index in indices]
            waiting.append((indices, program.start(keys, settings, traced)))
        scores: dict[int, Scores] = {}
        for indices, started in waiting:  # all are on their way before the first is awaited
            for index, (final, area) in zip(indices, started(), strict=True):
                scores[index] = dict(zip(SCORES, (area, final), strict=True))
        return [scores[index] for index in range(len(job.values))]

    def _constants(self, objective: str, values: Values) -> tuple[dict[str, Any], dict[str, float]]:
        """Return the constants of an objective: those that a program is made for, and those that it is given."""
        given, traced = split_objective(values)[0], {}
        if objective in OBJECTIVE_SETTINGS:
            checked: Any = build_settings(OBJECTIVE_SETTINGS[objective], given, prefix=OBJECTIVE)
            given = dict(vars(checked))
            searched = {each.key.removeprefix(OBJECTIVE) for each in self._plan.ranges[objective] if each.traced}
            traced = {name: float(value) for name, value in given.items() if name in searched}
        return {name: value for name, value in given.items() if name not in traced}, traced

    def _program(self, job: Job, config: Config, static: Mapping[str, Any], names: tuple[str, ...]) -> Program:
        key = (job.objective, job.env, program_key(config), repr(static))
        if key not in self._programs:
            make = self._objective(job.objective, static)
            self._programs[key] = Program(make, self._envs[job.env], config, names, self._shares[job.objective])
        return self._programs[key]

    def _objective(self, name: str, static: Mapping[str, Any]) -> Callable[..., Objective]:
        """Return a function of the traced constants of an objective."""
        if name in self._learned:
            return lambda **constants: self._learned[name]
        return lambda **constants: OBJECTIVES[name](**static, **constants)

    def references(self, num_seeds: int) -> dict[str, tuple[float, float]]:
        """Return mean returns of random actions, and mean scores of PPO with the settings before tuning.

        Args:
            num_seeds: lifetimes per environment.

        Raises:
            UserError: where PPO is not better than random actions.
        """
        found = {}
        fitness = make_fitness(self._plan.space.score)
        for env, config in self._plan.configs.items():
            (task,) = config.inner.tasks
            made = make_task(task.env, task.env_settings, task.ppo)
            measured = measure_reference(made, fitness, config.seed, num_seeds, config.outer)
            finite = measured.ppo[np.isfinite(measured.ppo)]
            zero, one = float(measured.random.mean()), float(finite.mean()) if finite.size else math.nan
            if not one > zero:
                raise UserError(
                    f"envs: PPO's score on {env} with the settings before tuning is {one:g}, not above random actions' "
                    f"{zero:g}, so that scores have no scale; allowed: references in inner.envs, or other settings"
                )
            found[env] = (zero, one)
        return found
