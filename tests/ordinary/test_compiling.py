"""Compiling with XLA's ordinary flags, which `make test` does without: here XLA fuses as it does for users."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.ordinary
PROGRAM = Path(__file__).with_name("compile_training.py")
DEAR = 3  # times the CPU seconds with JAX's own keys; where kernels swallow each other it is hundreds


def train(*options: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "JAX_ENABLE_COMPILATION_CACHE": "false", "JAX_PLATFORMS": "cpu"}
    environment.pop("XLA_FLAGS", None)
    command = [sys.executable, str(PROGRAM), *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_training_compiles_about_as_fast_as_with_keys_of_jax_and_gives_the_same_numbers():
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    plain = train("--jax-keys")
    spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    assert plain.returncode == 0, plain.stderr
    straight = train("--cpu-seconds", str(round(DEAR * spent) + 1))
    assert straight.returncode == 0, f"after {DEAR} × {spent:.0f} CPU seconds: {straight.stderr}"
    assert straight.stdout == plain.stdout
