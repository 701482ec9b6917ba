"""Field types of the configuration, and the decorator for settings classes.

They do not need JAX, so an invalid key or value is reported immediately.
"""

from typing import Annotated, Any, TypeVar, dataclass_transform

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

from .help import add_help

T = TypeVar("T")

MAX_INT = 2**31 - 1  # counters on the device are int32
MAX_FLOAT = 3.4e38  # numbers on the device are float32


def _whole(value: Any) -> Any:
    """Convert an integral float such as 5e5 to an int; leave 0.5 and true, which are rejected later."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _scales(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """Describe in one sentence what is allowed; pydantic has one sentence for each type of a union."""
    try:
        return check(tuple(value) if isinstance(value, list) else value)
    except ValidationError:
        raise PydanticCustomError("scales", "a number above 0, or a list of such numbers") from None


Int = Annotated[int, BeforeValidator(_whole), Strict()]
PositiveInt = Annotated[Int, Field(gt=0, le=MAX_INT)]
NonNegativeInt = Annotated[Int, Field(ge=0, le=MAX_INT)]
Bool = Annotated[bool, Strict()]
Float = Annotated[float, Strict(), Field(ge=-MAX_FLOAT, le=MAX_FLOAT)]
PositiveFloat = Annotated[Float, Field(gt=0)]
PositiveFloats = Annotated[PositiveFloat | tuple[PositiveFloat, ...], WrapValidator(_scales)]
NonNegativeFloat = Annotated[Float, Field(ge=0)]
Fraction = Annotated[Float, Field(ge=0, le=1)]
ProperFraction = Annotated[Float, Field(ge=0, lt=1)]
Decay = Annotated[Float, Field(gt=0, le=1)]
Text = Annotated[str, Strict()]
MAX_WIDTH = 65_536  # of a layer: one matrix of that size squared fills 16 GiB
Width = Annotated[Int, Field(gt=0, le=MAX_WIDTH)]
Sizes = tuple[Width, ...]


@dataclass_transform(frozen_default=True, kw_only_default=True)
def settings(cls: type[T]) -> type[T]:
    """Make `cls` a frozen, keyword-only dataclass that validates its fields and rejects unknown ones.

    Instances are hashable, so they can be static arguments of `jax.jit`. The string beneath a field documents it, and
    appears in the docstring of the class. An invalid value raises `pydantic.ValidationError`, a ValueError.
    """
    config = ConfigDict(extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)
    made = dataclass(frozen=True, kw_only=True, config=config)(cls)
    add_help(made)
    return made  # type: ignore[return-value]
