"""Initialising JAX: virtual devices on CPU, float32, and a cache of compiled programs."""

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

LEAST_SECONDS = 0.0  # minimum compile time of a cached program: small programs are many, so all are cached
LEVEL_OF_JAX = "1"  # log level of XLA that JAX sets by default


class NotStartedError(UserError):
    """JAX cannot be initialised, so this process cannot communicate with others either."""


def start_jax(num_devices: int | None, deterministic: bool = False, num_processes: int = 1) -> None:
    """Initialise JAX; on CPU with one virtual device per core, or with `num_devices` devices.

    Arrays are float32, checks for NaN are disabled, XLA does not log, and compiled programs are cached for the next
    start. If JAX is already initialised, its devices do not change; there is one warning if they are fewer than wanted
    and the user has not set their number. Without `num_devices`, the environment variable JAX_NUM_CPU_DEVICES takes
    precedence over the number of cores.

    Args:
        num_devices: number of devices of all processes together.
        deterministic: whether to use deterministic kernels on GPU.
        num_processes: number of processes that share the devices; 1 if not known.

    Raises:
        UserError: if JAX cannot be initialised (`NotStartedError`), jaxlib has a version that deadlocks on CPU, or
            there are not enough devices.
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
    """Initialise JAX to use all cores of this machine; call it first in a program or notebook.

    By default JAX has a single device on CPU, and so makes good use of one core only. This can only be changed before
    JAX is initialised. On a GPU this function only initialises JAX as the commands do: arrays are float32, checks for
    NaN are disabled, and compiled programs are cached for the next start.

    Args:
        num_devices: number of CPU devices; by default JAX_NUM_CPU_DEVICES, else one per core.

    Returns:
        The number of devices.

    Raises:
        UserError: if JAX is already initialised with another number of CPU devices, or cannot be initialised.

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
            "before any computation (in a notebook, restart the kernel first)"
        )
    return len(devices)


def _num_wanted(num_devices: int | None, num_processes: int = 1) -> int:
    """Return the number of CPU devices that this process should have."""
    here = -(-num_devices // num_processes) if num_devices else int(os.environ.get("JAX_NUM_CPU_DEVICES", "0"))
    return here or num_cores()


def _nobody_chose() -> bool:
    """Return whether the number of CPU devices is JAX's default."""
    config: Any = jax.config
    return int(config.jax_num_cpu_devices) < 1


@functools.cache
def _warn_of_devices(there: int, wanted: int) -> None:
    """Warn once that there are fewer devices than cores, with the remedy."""
    warnings.warn(
        f"JAX has started with {there} CPU device{'' if there == 1 else 's'} instead of {wanted}; "
        "call metadisco.use_cores() first to use all cores",
        stacklevel=3,
    )


def _start(num_devices: int, deterministic: bool = False) -> list[jax.Device]:
    """Configure and initialise JAX, with the given number of CPU devices if it has not started; return its devices."""
    _check_compiles()
    for name, value in SETTINGS.items():
        jax.config.update(f"jax_{name}", value)
    _quieten()
    _keep_programs()
    if deterministic:
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_deterministic_ops=true".strip()
    # If the caller has already initialised JAX, its devices cannot be changed.
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", num_devices)
    devices = _started()
    version = importlib.metadata.version("jaxlib")
    if devices[0].platform == "cpu" and version.startswith("0.10."):
        raise UserError(
            f"jaxlib {version} deadlocks on CPU when training runs are vmapped; "
            "allowed: 0.9 or 0.11 (pip install 'jax!=0.10.*')"
        )
    return devices


def _check_compiles() -> None:
    """Reject a JAX that is configured not to compile."""
    config: Any = jax.config
    if config.jax_disable_jit:
        raise NotStartedError(
            f"JAX_DISABLE_JIT: got {os.environ.get('JAX_DISABLE_JIT', 'true')!r}, allowed: unset, or false; without "
            "compilation, training would take days"
        )


def _started() -> list[jax.Device]:
    """Initialise JAX and return its devices."""
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
    """Let XLA log fatal errors only; otherwise it logs an error about the machine for each cached program.

    A log level set by the user is kept. So are those of Python's loggers, which JAX sets together with XLA's.
    """
    config: Any = jax.config
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") != LEVEL_OF_JAX or config.jax_logging_level not in (None, "NOTSET"):
        return
    loggers = [logging.getLogger(name) for name in ("jax", "jaxlib")]
    levels = [logger.level for logger in loggers]
    for level in ("CRITICAL", "NOTSET"):  # the second one does not change XLA's level
        jax.config.update("jax_logging_level", level)
    for logger, before in zip(loggers, levels, strict=True):
        logger.setLevel(before)


def _keep_programs() -> None:
    """Cache compiled programs for the next start in the user's cache directory, unless JAX has a cache already."""
    config: Any = jax.config  # older versions of JAX do not declare its settings
    if config.jax_compilation_cache_dir is not None:
        return
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    jax.config.update("jax_compilation_cache_dir", os.path.join(cache, "metadisco", "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", LEAST_SECONDS)
