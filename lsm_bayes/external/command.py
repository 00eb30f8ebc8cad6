"""One run of a program in its own working directory."""

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lsm_bayes.external.declaration import ExternalModel
from lsm_bayes.external.outputs import RunFailed

STDOUT, STDERR = "stdout.txt", "stderr.txt"
LAST_LINES, LAST_CHARACTERS = 6, 1500


class Stopped(Exception):
    """The run was ended because the campaign was."""


class Children:
    """The programs that run now, so that all can be ended."""

    def __init__(self) -> None:
        self._lock, self._running, self.stopped = threading.Lock(), set[subprocess.Popen[bytes]](), False

    def start(self, command: list[str], folder: Path, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        """Start a program.

        Parameters
        ----------
        command : list of str
            Program and arguments.
        folder : Path
            Working directory; what it prints goes there.
        environment : mapping of str to str
            All variables.

        Returns
        -------
        subprocess.Popen
            The program, leader of its own process group.

        Raises
        ------
        Stopped
            After `stop`.
        """
        with self._lock, (folder / STDOUT).open("wb") as out, (folder / STDERR).open("wb") as err:
            if self.stopped:
                raise Stopped
            child = subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
            )
            self._running.add(child)
        return child

    def wait(self, child: "subprocess.Popen[bytes]", timeout: float | None) -> int | None:
        """Wait for a program, and end it when it takes too long or this thread is interrupted.

        Parameters
        ----------
        child : subprocess.Popen
            From `start`.
        timeout : float or None
            Seconds.

        Returns
        -------
        int or None
            Exit status, negative for a signal; None after the time-out.
        """
        try:
            return child.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if child.poll() is None:
                _kill(child)
            with self._lock:
                self._running.discard(child)

    def stop(self) -> None:
        """End all programs, and let none start."""
        with self._lock:
            self.stopped = True
            for child in self._running:
                _kill(child, wait=False)


def _kill(child: "subprocess.Popen[bytes]", wait: bool = True) -> None:
    # A model that is started by a script is a child of the child: the whole group ends.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    if wait:
        child.wait()


def prepare(model: ExternalModel, values: Mapping[str, float], folder: Path) -> None:
    """Write and link the input files of a run.

    Parameters
    ----------
    model : ExternalModel
        The declaration.
    values : mapping of str to float
        Rounded parameters.
    folder : Path
        Working directory.
    """
    for name, text in model.texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(model.fill(text, values, folder), encoding="utf-8")
    for name, source in model.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(Path(source).resolve())
    if model.parameter_file is not None:
        (folder / model.parameter_file).write_text(json.dumps(dict(values), indent=1), encoding="utf-8")


def execute(model: ExternalModel, values: Mapping[str, float], folder: Path, children: Children) -> np.ndarray:
    """Run the model once and read its outputs.

    Parameters
    ----------
    model : ExternalModel
        The declaration, of a command or a function.
    values : mapping of str to float
        Rounded parameters.
    folder : Path
        Empty working directory; a function uses none.
    children : Children
        Where the program is known while it runs.

    Returns
    -------
    numpy.ndarray
        All outputs behind each other, shape (size,).

    Raises
    ------
    RunFailed
        With the reason.
    Stopped
        When the campaign ended.
    """
    if model.function is not None:
        return _call(model, dict(values))
    prepare(model, values, folder)
    command = [model.fill(text, values, folder) for text in model.command]
    environment = os.environ | {n: model.fill(text, values, folder) for n, text in model.environment.items()}
    try:
        child = children.start(command, folder, environment)
    except OSError as error:
        raise RunFailed(f"{command[0]} did not start: {error}") from error
    status = children.wait(child, model.timeout)
    if children.stopped and status not in model.exit_status:
        raise Stopped
    if status is None:
        raise RunFailed(f"not finished after {model.timeout:g} s, the time-out{_last_lines(folder)}")
    if status not in model.exit_status:
        expected = " or ".join(map(str, model.exit_status))
        raise RunFailed((f"exit status {status}, expected {expected}" if status >= 0 else _signal(-status)) + _last_lines(folder))
    return np.concatenate([output.read(name, folder) for name, output in model.outputs.items()])


def _call(model: ExternalModel, values: dict[str, float]) -> np.ndarray:
    assert model.function is not None  # the caller has looked
    try:
        found = model.function(values)
    except Exception as error:
        raise RunFailed(f"the function raised {type(error).__name__}: {error}") from error
    if not isinstance(found, Mapping) or set(model.outputs) - set(found):
        got = ", ".join(map(str, found)) if isinstance(found, Mapping) else type(found).__name__
        raise RunFailed(f"the function returned {got}; expected a mapping with {', '.join(model.outputs)}")
    return np.concatenate([output.checked(name, found[name]) for name, output in model.outputs.items()])


def _signal(number: int) -> str:
    try:
        return f"ended by signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"ended by signal {number}"


def _last_lines(folder: Path) -> str:
    for name in (STDERR, STDOUT):
        path = folder / name
        if path.is_file() and path.stat().st_size:
            with path.open("rb") as opened:
                opened.seek(max(0, path.stat().st_size - LAST_CHARACTERS))
                lines = opened.read().decode("utf-8", "replace").strip().splitlines()[-LAST_LINES:]
            if lines:
                return f"; last lines of {name}: " + " | ".join(lines)
    return "; it printed nothing"
