"""Tasks that workers of tests import: quick ones, one that fails, and ones that kill their own process."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import xarray as xr


def draw(*, seed: int, size: int = 3, counts: Path | None = None) -> xr.Dataset:
    """Draw random numbers; each call leaves a file, by which calls are counted."""
    if counts is not None:
        (counts / f"{seed}-{time.time_ns()}-{os.getpid()}").touch()
    return xr.Dataset({"x": ("draw", np.random.default_rng(seed).normal(size=size), {"units": "1"})}, attrs={"method": "draw"})


def product(*, seed: int, size: int) -> xr.Dataset:
    """Multiply matrices that are large enough for several threads of BLAS."""
    a = np.random.default_rng(seed).normal(size=(size, size))
    return xr.Dataset({"x": (("i", "j"), a @ a)})


def die_once(*, seed: int, mark: Path, counts: Path | None = None) -> xr.Dataset:
    """Kill the own process at the first attempt, in the middle of the work."""
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return draw(seed=seed, counts=counts)


def die(*, seed: int) -> xr.Dataset:
    """Kill the own process, always."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("not reached")


def fail(*, seed: int, mended: Path) -> xr.Dataset:
    """Raise an error until a file is there."""
    if not mended.exists():
        raise ValueError("the canopy\n is   dead")
    return draw(seed=seed)


def interrupt(*, seed: int, mark: Path) -> xr.Dataset:
    """Behave as if the user pressed Ctrl-C, the first time."""
    if not mark.exists():
        mark.touch()
        raise KeyboardInterrupt
    return draw(seed=seed)


def nothing(*, seed: int) -> None:
    """Return no dataset."""


def leave(pipe: object) -> None:
    """Stand in for a worker that ends before it is ready."""
