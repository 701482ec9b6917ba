"""JAX's settings that computations here depend on, whatever the caller's own code needs."""

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
"""Arrays are float32 and int32; NaN is data: a gap in a learning curve, a member that failed; libraries promote."""


def in_float32(function: Callable[P, T]) -> Callable[P, T]:
    """Make a function compute with our settings, in a program that has others."""

    @functools.wraps(function)
    def alike(*args: P.args, **kwargs: P.kwargs) -> T:
        with contextlib.ExitStack() as stack:
            for name, value in SETTINGS.items():
                stack.enter_context(getattr(jax, name)(value))
            return function(*args, **kwargs)

    return alike


def gives_nan(function: Callable[P, T]) -> Callable[P, T]:
    """Refuse to trace a function whose results hold NaN on purpose where JAX lets none out of the caller's jit.

    Raises:
        UserError: saying how to let it.
    """

    @functools.wraps(function)
    def refusing(*args: P.args, **kwargs: P.kwargs) -> T:
        config: Any = jax.config  # whose settings only newer JAX declares
        with jax.transfer_guard("allow"):  # under vmap alone a constant is no tracer
            is_jitted = config.jax_debug_nans and isinstance(jnp.zeros(()), jax.core.Tracer)
        if is_jitted:
            raise UserError(
                f"jax_debug_nans: got True around {function.__name__}, allowed: False, as by `with "
                "jax.debug_nans(False):` around the call; NaN is where no episode ended"
            )
        return function(*args, **kwargs)

    return refusing
