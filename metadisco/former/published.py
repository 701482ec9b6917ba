"""Now `metadisco.discoveries.published`."""

from metadisco.discoveries.published import FOLDER

__all__ = ["FOLDER"]
