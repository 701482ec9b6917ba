"""Initialisation of JAX from Python, also if the caller has initialised it already."""

import warnings

import pytest

from metadisco.errors import UserError
from metadisco.outer import devices


def test_the_devices_that_jax_has_can_be_asked_for_again():
    assert devices.use_cores(2) == 2


@pytest.mark.parametrize("num_devices", [1, 3])
def test_other_devices_are_refused_once_jax_has_started(num_devices):
    with pytest.raises(UserError, match=f"got {num_devices}, but JAX has started with 2"):
        devices.use_cores(num_devices)


def test_a_number_below_one_is_refused():
    with pytest.raises(UserError, match="got 0, allowed: at least 1"):
        devices.use_cores(0)


def test_that_jax_started_with_fewer_devices_is_said_once(monkeypatch):
    monkeypatch.delenv("JAX_NUM_CPU_DEVICES", raising=False)
    monkeypatch.setattr(devices, "num_cores", lambda: 99)
    devices.start_jax(None)  # with a number of devices that somebody chose
    monkeypatch.setattr(devices, "_nobody_chose", lambda: True)
    with pytest.warns(UserWarning, match=r"2 CPU devices instead of 99; call metadisco\.use_cores\(\) first"):
        devices.start_jax(None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        devices.start_jax(None)
