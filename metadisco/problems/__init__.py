"""Meta-problems: what the outer loop judges. The only place that sees inner lives and parametrisations alike."""

from metadisco.problems.objective_discovery import (
    ObjectiveDiscovery,
    Task,
    make_fitness,
    make_objective_discovery,
    make_task,
    make_tasks,
    shorten,
    task_infos,
)

__all__ = [
    "ObjectiveDiscovery",
    "Task",
    "make_fitness",
    "make_objective_discovery",
    "make_task",
    "make_tasks",
    "shorten",
    "task_infos",
]
