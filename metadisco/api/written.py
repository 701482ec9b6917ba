"""What was computed stays, whatever becomes of writing it."""

from typing import Generic, NamedTuple, TypeVar

from metadisco.errors import MachineError

T = TypeVar("T")


class Made(NamedTuple, Generic[T]):
    """What was computed, and what was the matter with writing it."""

    result: T
    troubles: list[str]

    def checked(self) -> T:
        """Return what was computed.

        Raises:
            MachineError: if some of it could not be written.
        """
        if self.troubles:
            raise MachineError("; ".join(self.troubles))
        return self.result
