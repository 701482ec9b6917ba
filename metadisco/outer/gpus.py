"""GPUs that JAX does not use."""

import importlib.metadata
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

DRIVERS = ("/dev/nvidia[0-9]*", "/proc/driver/nvidia/gpus/*")
"""What the driver of NVIDIA shows for each GPU."""
PLUGINS = ("jax-cuda12-plugin", "jax-cuda13-plugin")


def unused_gpu(platform: str) -> str:
    """Return in words why JAX computes on CPU although a GPU of NVIDIA is here; empty if there is none, or it is used.

    Args:
        platform: that JAX has started on, such as `cpu`.
    """
    if platform != "cpu" or not _present(DRIVERS):
        return ""
    return f"the NVIDIA GPU of this machine is NOT used: {reason(os.environ, _has_plugin())}"


def reason(variables: Mapping[str, str], has_plugin: bool) -> str:
    """Return why JAX does not use a GPU that is here, and what to do.

    Args:
        variables: of the environment.
        has_plugin: whether JAX has been installed with CUDA.
    """
    platforms, visible = variables.get("JAX_PLATFORMS", ""), variables.get("CUDA_VISIBLE_DEVICES")
    if platforms.split(",")[0] == "cpu":
        return f"JAX_PLATFORMS is {platforms}"
    if not has_plugin:
        return "JAX is installed without CUDA; pip install 'metadisco[cuda]'"
    if visible is not None and visible.strip() in ("", "-1"):
        return f"CUDA_VISIBLE_DEVICES is {visible!r}"
    return "CUDA does not start; JAX_PLATFORMS=cuda shows why"


def _present(patterns: Iterable[str]) -> bool:
    return any(any(Path("/").glob(pattern.lstrip("/"))) for pattern in patterns)


def _has_plugin() -> bool:
    """Return whether the plugin for CUDA is installed."""
    return any(each.name in PLUGINS for each in importlib.metadata.distributions())
