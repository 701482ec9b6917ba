"""The JAX settings that metadisco's computations require, independently of those of the caller."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp

from metadisco.errors import UserError

P = ParamSpec("P")
T = TypeVar("T")

SETTINGS: dict[str, Any] = {
    "enable_x64": False,
    "debug_nans": False,
    "debug_infs": False,
    "numpy_dtype_promotion": "standard",
    "numpy_rank_promotion": "allow",
    "transfer_guard": "allow",
}
"""Arrays are float32 and int32; NaN is data (a gap in a learning curve, a failed member); dtypes are promoted."""


def in_float32(function: Callable[P, T]) -> Callable[P, T]:
    """Make a function compute with metadisco's JAX settings, even if the program uses others."""

    @functools.wraps(function)
    def alike(*args: P.args, **kwargs: P.kwargs) -> T:
        with contextlib.ExitStack() as stack:
            for name, value in SETTINGS.items():
                stack.enter_context(getattr(jax, name)(value))
            return function(*args, **kwargs)

    return alike


def gives_nan(function: Callable[P, T]) -> Callable[P, T]:
    """Reject tracing a function whose results contain NaN on purpose if `jax_debug_nans` would raise in the caller.

    Raises:
        UserError: with the remedy.
    """

    @functools.wraps(function)
    def refusing(*args: P.args, **kwargs: P.kwargs) -> T:
        config: Any = jax.config  # older versions of JAX do not declare its settings
        with jax.transfer_guard("allow"):  # under vmap alone, a constant is not a tracer
            is_jitted = config.jax_debug_nans and isinstance(jnp.zeros(()), jax.core.Tracer)
        if is_jitted:
            raise UserError(
                f"jax_debug_nans: got True around {function.__name__}, allowed: False, as by `with "
                "jax.debug_nans(False):` around the call; NaN marks updates in which no episode ended"
            )
        return function(*args, **kwargs)

    return refusing
