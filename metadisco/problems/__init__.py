"""Meta-problems, which the outer loop evaluates. Only this layer combines the inner loop with parametrisations."""

from metadisco.problems.objective_discovery import ObjectiveDiscovery
from metadisco.problems.registry import make_problem
from metadisco.problems.tasks import Task, make_fitness, make_task, make_tasks

__all__ = ["ObjectiveDiscovery", "Task", "make_fitness", "make_problem", "make_task", "make_tasks"]
