"""Small disks that can be filled up or made read-only; mounting them needs permission."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


def mount(*words: str) -> None:
    """Call mount, or skip the test where that is not allowed; a place that is being written to is busy for a moment."""
    for _ in range(100):
        done = subprocess.run(["mount", *words], check=False, capture_output=True, text=True)
        if "busy" not in done.stderr:
            break
        time.sleep(0.01)
    if done.returncode:
        pytest.skip(f"mount is not allowed here (make test-faults makes a namespace of its own): {done.stderr.strip()}")


@contextlib.contextmanager
def small_disk(path: Path, size: str) -> Iterator[Path]:
    """Mount an empty disk of a size in memory."""
    path.mkdir()
    mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path))
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


@contextlib.contextmanager
def read_only(path: Path) -> Iterator[None]:
    """Make a directory or file read-only, for root too, by mounting it over itself."""
    mount("--bind", str(path), str(path))
    try:
        mount("-o", "remount,bind,ro", str(path))
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill(path: Path, leave: int) -> Path:
    """Fill a disk up to some bytes; return the file that does it, to be removed."""
    filler = path / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)
    with filler.open("rb+") as file:
        file.truncate(filler.stat().st_size - leave)
    return filler
