"""Meta-problems: what the outer loop judges. The only place that sees inner lives and parametrisations alike."""

from metadisco.problems.objective_discovery import ObjectiveDiscovery
from metadisco.problems.registry import make_problem
from metadisco.problems.tasks import Task, make_fitness, make_task, make_tasks

__all__ = ["ObjectiveDiscovery", "Task", "make_fitness", "make_problem", "make_task", "make_tasks"]
