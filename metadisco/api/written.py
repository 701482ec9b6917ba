"""Results that are kept even if writing them to disk fails."""

from typing import Generic, NamedTuple, TypeVar

from metadisco.errors import MachineError

T = TypeVar("T")


class Made(NamedTuple, Generic[T]):
    """A result, and the errors that occurred while writing it."""

    result: T
    troubles: list[str]

    def checked(self) -> T:
        """Return the result.

        Raises:
            MachineError: if some of it could not be written.
        """
        if self.troubles:
            raise MachineError("; ".join(self.troubles))
        return self.result
