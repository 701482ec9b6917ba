"""JAX as it is started: virtual devices on CPU, float32, compiled programs kept."""

import contextlib
import functools
import importlib.metadata
import logging
import os
import warnings
from typing import Any

import jax

from metadisco.errors import UserError, shown
from metadisco.objectives.arithmetic import SETTINGS
from metadisco.outer.team import num_cores

LEAST_SECONDS = 0.0  # of compiling, for a program to be worth keeping: small ones are many
LEVEL_OF_JAX = "1"  # of XLA's log, which JAX sets where the user has set none


class NotStartedError(UserError):
    """JAX does not start, so that nothing can be said to other processes either."""


def start_jax(num_devices: int | None, deterministic: bool = False, num_processes: int = 1) -> None:
    """Set up JAX before it starts: on CPU one virtual device per core, or `num_devices` of them.

    Arrays become float32 and checks for NaN are off, XLA is silent, and compiled programs are kept for the next start.
    Where JAX has already started its devices stay as they are; if nobody has said how many it is to have, and these are
    fewer than are wanted, this is said once, as a warning. Without `num_devices` JAX's own variable
    JAX_NUM_CPU_DEVICES goes before the number of cores.

    Args:
        num_devices: of all processes together.
        deterministic: whether a GPU must repeat its numbers.
        num_processes: over which the devices are shared out; 1 where that is not known, so that none is missing.

    Raises:
        UserError: if JAX does not start (`NotStartedError`), jaxlib is one that deadlocks on CPU, or there are fewer
            devices.
    """
    wanted = _num_wanted(num_devices, num_processes)
    devices = _start(wanted, deterministic)
    if num_devices is not None and num_devices > len(devices):
        raise UserError(
            f"outer.num_devices: got {num_devices}, allowed: at most the {len(devices)} "
            f"{devices[0].platform} devices here"
        )
    if devices[0].platform == "cpu" and len(devices) < wanted and _nobody_chose():
        _warn_of_devices(len(devices), wanted)


def use_cores(num_devices: int | None = None) -> int:
    """Set up JAX for the cores of this machine, before anything is computed: first in a program or notebook.

    On CPU JAX has one device, and so uses one core well, unless it is told before it starts. On a GPU there is nothing
    to choose, and this only starts JAX as commands do: arrays are float32, checks for NaN are off, compiled programs
    are kept for the next start.

    Args:
        num_devices: of JAX on CPU; one per core if left out, or as JAX_NUM_CPU_DEVICES says.

    Returns:
        How many devices there are.

    Raises:
        UserError: if JAX has started with another number of CPU devices, or does not start.

    Example:
        metadisco.use_cores()
    """
    if num_devices is not None and num_devices < 1:
        raise UserError(f"num_devices: got {num_devices}, allowed: at least 1")
    wanted = _num_wanted(num_devices)
    devices = _start(wanted)
    if devices[0].platform == "cpu" and len(devices) != wanted:
        raise UserError(
            f"num_devices: got {wanted}, but JAX has started with {len(devices)}; allowed: metadisco.use_cores() "
            "before anything is computed; in a notebook restart its kernel first"
        )
    return len(devices)


def _num_wanted(num_devices: int | None, num_processes: int = 1) -> int:
    """Return how many CPU devices this process should have."""
    here = -(-num_devices // num_processes) if num_devices else int(os.environ.get("JAX_NUM_CPU_DEVICES", "0"))
    return here or num_cores()


def _nobody_chose() -> bool:
    """Whether the number of CPU devices is what JAX has by itself."""
    config: Any = jax.config
    return int(config.jax_num_cpu_devices) < 1


@functools.cache
def _warn_of_devices(there: int, wanted: int) -> None:
    """Say once how to have a device for every core."""
    warnings.warn(
        f"JAX has started with {there} CPU device{'' if there == 1 else 's'}, and {wanted} are wanted; "
        "metadisco.use_cores(), called first, sets them up",
        stacklevel=3,
    )


def _start(num_devices: int, deterministic: bool = False) -> list[jax.Device]:
    """Set up JAX, with so many devices on CPU if it has not started, and start it; return the devices there are."""
    _check_compiles()
    for name, value in SETTINGS.items():
        jax.config.update(f"jax_{name}", value)
    _quieten()
    _keep_programs()
    if deterministic:
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_deterministic_ops=true".strip()
    # A caller from Python may have started JAX already; then its devices are what there is.
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", num_devices)
    devices = _started()
    version = importlib.metadata.version("jaxlib")
    if devices[0].platform == "cpu" and version.startswith("0.10."):
        raise UserError(
            f"jaxlib {version} deadlocks on CPU when trainings are vmapped; "
            "allowed: 0.9 or 0.11 (pip install 'jax!=0.10.*')"
        )
    return devices


def _check_compiles() -> None:
    """Refuse JAX where it is told to compile nothing."""
    config: Any = jax.config
    if config.jax_disable_jit:
        raise NotStartedError(
            f"JAX_DISABLE_JIT: got {os.environ.get('JAX_DISABLE_JIT', 'true')!r}, allowed: unset, or false; without "
            "compiling trainings would take days"
        )


def _started() -> list[jax.Device]:
    """Return the devices of JAX, which starts by that."""
    try:
        devices = jax.devices()
        jax.device_put(0)  # to JAX_DEFAULT_DEVICE
    except (RuntimeError, AssertionError) as error:  # the latter where the plugin of JAX_PLATFORMS is not installed
        why = shown(error) if str(error) else "nothing is installed for its platform (NVIDIA's GPUs: the extra `cuda`)"
        raise NotStartedError(
            f"JAX does not start: {why}; JAX_PLATFORMS (got {os.environ.get('JAX_PLATFORMS', '')!r}) may name a "
            "platform that is here"
        ) from error
    return devices


def _quieten() -> None:
    """Let XLA say only what is fatal: else it describes the machine, as an error, for each program that it finds again.

    A level that the user has set stays, and so do the loggers of Python, which JAX sets together with XLA's.
    """
    config: Any = jax.config
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") != LEVEL_OF_JAX or config.jax_logging_level not in (None, "NOTSET"):
        return
    loggers = [logging.getLogger(name) for name in ("jax", "jaxlib")]
    levels = [logger.level for logger in loggers]
    for level in ("CRITICAL", "NOTSET"):  # the second one leaves XLA's as it is
        jax.config.update("jax_logging_level", level)
    for logger, before in zip(loggers, levels, strict=True):
        logger.setLevel(before)


def _keep_programs() -> None:
    """Keep compiled programs for the next start, in the user's cache directory; JAX's own settings go first."""
    config: Any = jax.config  # whose settings only newer JAX declares
    if config.jax_compilation_cache_dir is not None:
        return
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    jax.config.update("jax_compilation_cache_dir", os.path.join(cache, "metadisco", "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", LEAST_SECONDS)
