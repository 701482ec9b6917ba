"""Now `metadisco.objectives.expressions`."""

from metadisco.objectives.expressions import OPERATIONS, Node, add, apply, multiply

__all__ = ["OPERATIONS", "Node", "add", "apply", "multiply"]
