"""What a user declares of a model that is a program or a Python function of its own: parameters, outputs and how it is run."""

import hashlib
import json
import math
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lsm_bayes.declare import Parameter, checked_parameters, with_fields
from lsm_bayes.external.outputs import Output
from lsm_bayes.vocabulary import parse_unit, unknown

PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)(?::([^{}\n]*))?\}")
"""``{name}`` or ``{name:.6e}``; braces around anything else are left alone, as in JSON."""
OWN = ("base", "run", "python")
"""Placeholders beside the parameters."""
DIGITS = 12


class _Nothing(NamedTuple):
    pass


@dataclass(frozen=True)
class ExternalModel:
    """A black box: a table of parameters, named outputs, and a command or a Python function.

    Parameters
    ----------
    name : str
        Letters, digits, ``_`` and ``-``.
    parameters : mapping of str to (Parameter, float), or NamedTuple class
        Declaration and default of each; `read_parameters` reads them from a table.
    outputs : mapping of str to Output
        What a run gives.
    command : sequence of str
        Program and arguments; no shell is involved. ``{name}`` is replaced by the value of a parameter, ``{name:.6e}`` by its value in
        that format, ``{run}`` by the run's working directory, ``{base}`` by `base`, ``{python}`` by this Python.
    function : callable, optional
        In place of a command: takes a dict of parameters and returns a mapping of output name to array. It runs in this process, so it
        cannot be given a time-out, and functions that hold Python's lock do not run at the same time; a command can do both.
    templates : mapping of str to Path or str
        Input files to write into the working directory, by their name there: a ``Path`` to a text with placeholders, or the text.
    files : mapping of str to Path
        Input files that are the same for all runs, linked into the working directory under these names.
    parameter_file : str, optional
        Name of a JSON file of all parameters to write into the working directory.
    environment : mapping of str to str
        Variables to set beside those of this process; placeholders as in `command`.
    base : Path
        Folder of the program; default the current one.
    timeout : float, optional
        Seconds after which a run has failed.
    exit_status : tuple of int
        Those of a run that went well.
    retries : int
        How often a run that failed is tried again before it counts as failed.
    digits : int
        Significant digits of parameters; runs are told apart by their rounded values, which are what the program gets.
    version : str
        Of what the declaration does not see, such as the body of `function`; another version has other runs.

    Raises
    ------
    TypeError, ValueError
        For a declaration that cannot work; the text says what was got and what is accepted.
    FileNotFoundError
        When a template, an input file or the program does not exist.
    """

    name: str
    parameters: Any
    outputs: Mapping[str, Output]
    command: Sequence[str] = ()
    function: Callable[[dict[str, float]], Mapping[str, Any]] | None = None
    templates: Mapping[str, Path | str] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    parameter_file: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    base: Path = field(default_factory=Path.cwd)
    timeout: float | None = None
    exit_status: tuple[int, ...] = (0,)
    retries: int = 0
    digits: int = DIGITS
    version: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][\w-]*", self.name):
            raise ValueError(f"an external model cannot be called {self.name!r}; use letters, digits, '_' and '-'")
        if isinstance(self.command, str):
            raise TypeError(f"{self.name}: the command is the string {self.command!r}; write a list such as ['{{base}}/model']")
        if bool(self.command) == (self.function is not None):
            got = "both" if self.command else "neither"
            raise ValueError(f"{self.name}: got {got} of a command and a function; give one")
        if not self.outputs:
            raise ValueError(f"{self.name}: no output is declared; such as outputs={{'nee': Output('gC m-2 d-1', 365, ...)}}")
        if self.timeout is not None and not self.timeout > 0:
            raise ValueError(f"{self.name}: the time-out is {self.timeout!r}; give positive seconds, or None")
        if self.retries < 0 or not 6 <= self.digits <= 15:
            raise ValueError(f"{self.name}: retries are {self.retries} and digits {self.digits}; give at least 0, and 6 to 15")
        self._check_outputs()
        if not self.table:
            raise ValueError(f"{self.name}: no parameter is declared")
        if self.function is not None:
            self._check_function()
        else:
            self._check_command()

    def _check_outputs(self) -> None:
        for name, output in self.outputs.items():
            try:
                parse_unit(output.unit)
            except ValueError as error:
                raise ValueError(f"{self.name}: output {name!r}: {error}") from error
            if self.command and output.file is None and output.reader is None:
                raise ValueError(f"{self.name}: output {name!r} has no file and no reader, so nothing says where it is found")

    def _check_function(self) -> None:
        given = [n for n in ("templates", "files", "parameter_file", "environment", "timeout") if getattr(self, n)]
        if given:
            raise ValueError(f"{self.name}: {', '.join(given)} cannot be given with a function, which runs in this process; use a command")

    def _check_command(self) -> None:
        seen = set()
        for where, text in self._texts():
            for found in PLACEHOLDER.finditer(text):
                name, form = found.groups()
                if name not in self.table and name not in OWN:
                    known = [*self.table, *OWN]
                    raise ValueError(f"{self.name}: {where} has {found.group()}: {unknown('parameter', name, known)}")
                if form:
                    self._try_format(where, found.group(), name, form)
                seen.add(name)
        lost = [n for n in self.table if n not in seen]
        if lost and self.parameter_file is None:
            raise ValueError(
                f"{self.name}: {', '.join(lost)}: no value reaches the program; write {{{lost[0]}}} in the command or a template, "
                "or give parameter_file"
            )
        program = self.fill(self.command[0], self.defaults, Path())
        if shutil.which(program) is None:
            raise FileNotFoundError(f"{self.name}: there is no program {program!r}; write '{{base}}/...' for one in {self.base}")

    def _try_format(self, where: str, text: str, name: str, form: str) -> None:
        try:
            format(0.0 if name in self.table else "", form)
        except ValueError as error:
            raise ValueError(f"{self.name}: {where} has {text}: {error}; write a format of a number, such as {{{name}:.6e}}") from None

    def _texts(self) -> Iterator[tuple[str, str]]:
        yield from ((f"argument {i} of the command", text) for i, text in enumerate(self.command))
        yield from ((f"environment variable {n}", text) for n, text in self.environment.items())
        yield from ((f"template {n}", text) for n, text in self.texts.items())

    @cached_property
    def table(self) -> dict[str, tuple[Parameter, float]]:
        """Declaration and default of each parameter, checked."""
        owner = self.parameters
        if isinstance(owner, Mapping):
            odd = [n for n in owner if not str(n).isidentifier() or str(n).startswith("_") or n in OWN]
            if odd:
                raise ValueError(f"{self.name}: parameters cannot be called {', '.join(map(repr, odd))}; use letters, digits and '_'")
            owner = with_fields(_Nothing, owner)
        return checked_parameters(self.name, "parameter", owner)

    @cached_property
    def defaults(self) -> dict[str, float]:
        """Default of each parameter, rounded."""
        return self.rounded({n: default for n, (_, default) in self.table.items()})

    @cached_property
    def texts(self) -> dict[str, str]:
        """Texts of the templates, as they are when the model is declared."""
        return {n: t.read_text(encoding="utf-8") if isinstance(t, Path) else t for n, t in self.templates.items()}

    @cached_property
    def slices(self) -> dict[str, slice]:
        """Where each output lies when all stand behind each other."""
        ends = np.cumsum([o.size for o in self.outputs.values()])
        return {n: slice(int(e) - o.size, int(e)) for (n, o), e in zip(self.outputs.items(), ends, strict=True)}

    @property
    def size(self) -> int:
        """Number of values that a run gives."""
        return sum(o.size for o in self.outputs.values())

    def rounded(self, values: Mapping[str, float]) -> dict[str, float]:
        """Round parameters to the digits that tell runs apart.

        Parameters
        ----------
        values : mapping of str to float
            All parameters.

        Returns
        -------
        dict of str to float
            In the order of the table.

        Raises
        ------
        KeyError
            When a parameter is missing.
        """
        missing = [n for n in self.table if n not in values]
        if missing:
            raise KeyError(f"{self.name}: no value for {', '.join(missing)}")
        # Compiled functions differ in the last bit of the same value; -0.0 is 0.0.
        return {n: float(f"{float(values[n]):.{self.digits - 1}e}") + 0.0 for n in self.table}

    def fill(self, text: str, values: Mapping[str, float], run: Path) -> str:
        """Put values in the place of placeholders.

        Parameters
        ----------
        text : str
            Argument, variable or template.
        values : mapping of str to float
            Rounded parameters.
        run : Path
            Working directory.

        Returns
        -------
        str
            The text.
        """
        own = {"base": str(self.base), "run": str(run), "python": sys.executable}
        return PLACEHOLDER.sub(lambda m: own[m[1]] if m[1] in own else format(values[m[1]], m[2] or f".{self.digits}g"), text)

    @cached_property
    def identity(self) -> str:
        """SHA-256 of all that decides what a run gives: the program and its input files too, but neither time-outs nor retries."""
        command = [self.fill(t, {}, Path()) if {m[1] for m in PLACEHOLDER.finditer(t)} <= {"base", "python"} else t for t in self.command]
        paths = [*([shutil.which(command[0]) or command[0]] if command else []), *command[1:], *map(str, self.files.values())]
        digests = []
        for path in paths:
            if Path(path).is_file():
                with Path(path).open("rb") as opened:
                    digests.append(hashlib.file_digest(opened, "sha256").hexdigest())
        parts: list[Any] = [self.name, sorted(self.table), list(self.command), digests, dict(self.texts), sorted(self.files), self.version]
        parts += [self.parameter_file, dict(self.environment), self.digits, _origin(self.function)]
        parts += [[n, o.unit, o.size, o.file, o.column, o.variable, _origin(o.reader)] for n, o in self.outputs.items()]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def key(self, values: Mapping[str, float]) -> str:
        """Name of a run.

        Parameters
        ----------
        values : mapping of str to float
            Rounded parameters.

        Returns
        -------
        str
            20 hexadecimal digits of a hash of the values and of `identity`.
        """
        return hashlib.sha256(json.dumps([self.identity, [[n, values[n]] for n in sorted(self.table)]]).encode()).hexdigest()[:20]


def _origin(function: Any) -> str | None:
    if function is None:
        return None
    return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__name__)}"


def is_finite(values: Mapping[str, float]) -> bool:
    """Whether all parameters are numbers."""
    return all(math.isfinite(v) for v in values.values())
