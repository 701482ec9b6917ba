"""Now `metadisco.objectives.tabulate`."""

from metadisco.objectives.tabulate import TabulableLoss, tabulated

__all__ = ["TabulableLoss", "tabulated"]
