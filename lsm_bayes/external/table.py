"""Declarations and tables of parameters in files."""

import csv
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lsm_bayes.declare import Parameter, Prior
from lsm_bayes.external.declaration import ExternalModel
from lsm_bayes.external.outputs import Output
from lsm_bayes.vocabulary import unknown

NEEDED = ("unit", "lower", "upper", "default", "description")
COLUMNS = (*NEEDED, "prior", "centre", "spread", "origin", "level", "fixed", "period")
FIELDS = (
    "name",
    "parameters",
    "outputs",
    "command",
    "templates",
    "files",
    "parameter_file",
    "environment",
    "timeout",
    "exit_status",
    "retries",
    "digits",
    "version",
)


def read_parameters(path: str | Path) -> dict[str, tuple[Parameter, float]]:
    """Read a table of parameters.

    Parameters
    ----------
    path : str or Path
        ``.csv`` with a column ``name``, or ``.toml``, ``.yaml`` or ``.json`` with one entry for each name. Columns or keys are
        ``unit``, ``lower`` and ``upper`` (or ``bounds``, a pair), ``default``, ``description``, and as needed ``prior`` (uniform,
        log_uniform, normal, log_normal; default uniform), ``centre`` and ``spread`` of normal ones, ``origin``, ``level``, ``fixed``,
        ``period``: see `lsm_bayes.Parameter` and `lsm_bayes.Prior`.

    Returns
    -------
    dict of str to (Parameter, float)
        Declaration and default of each.

    Raises
    ------
    ValueError
        For unknown or missing columns and values that are no numbers; the text names file, parameter and column.
    """
    path = Path(path)
    if path.suffix.lower() != ".csv":
        return parameters_of(_read(path), path.name)
    with path.open(newline="", encoding="utf-8-sig") as opened:
        rows = list(csv.DictReader(line for line in opened if line.strip() and not line.startswith("#")))
    if not rows or "name" not in rows[0]:
        raise ValueError(
            f"{path.name}: the table has {len(rows)} rows and the columns {', '.join(map(str, rows[0])) if rows else 'none'}; it needs "
            "at least one row, and a column 'name'"
        )
    names = [str(row["name"]).strip() for row in rows]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise ValueError(f"{path.name}: {', '.join(twice)} stands in the table more than once")
    found: dict[str, dict[str, Any]] = {}
    for name, row in zip(names, rows, strict=True):
        if None in row:
            raise ValueError(f"{path.name}: the row of {name!r} has more cells than the first line; quote texts with commas")
        found[name] = {k: v.strip() for k, v in row.items() if k != "name" and v is not None and v.strip()}
    return parameters_of(found, path.name)


def parameters_of(entries: Mapping[str, Any], where: str) -> dict[str, tuple[Parameter, float]]:
    """Make declarations of entries of a table.

    Parameters
    ----------
    entries : mapping of str to mapping
        For each name what `read_parameters` says.
    where : str
        File, for messages.

    Returns
    -------
    dict of str to (Parameter, float)
        Declaration and default of each.

    Raises
    ------
    ValueError
        As `read_parameters`.
    """
    return {name: _parameter(f"{where}: parameter {name!r}", entry) for name, entry in entries.items()}


def _parameter(where: str, entry: Any) -> tuple[Parameter, float]:
    if not isinstance(entry, Mapping):
        raise ValueError(f"{where} is {entry!r}; give {', '.join(NEEDED)}")
    given = dict(entry)
    if "bounds" in given:
        bounds = given.pop("bounds")
        if not isinstance(bounds, list) or len(bounds) != 2:
            raise ValueError(f"{where}: bounds are {bounds!r}; give a pair of numbers")
        given["lower"], given["upper"] = bounds
    for name in given:
        if name not in COLUMNS:
            raise ValueError(f"{where}: {unknown('column', name, [*COLUMNS, 'bounds'])}")
    missing = [n for n in NEEDED if n not in given]
    if missing:
        raise ValueError(f"{where} has no {', '.join(missing)}")
    low, high, default = (_number(where, n, given[n]) for n in ("lower", "upper", "default"))
    optional = {n: _number(where, n, given[n]) for n in ("centre", "spread", "origin") if n in given}
    fixed = given.get("fixed", False)
    if isinstance(fixed, str):
        if fixed.lower() not in ("true", "false", "1", "0", "yes", "no"):
            raise ValueError(f"{where}: fixed is {fixed!r}; write true or false")
        fixed = fixed.lower() in ("true", "1", "yes")
    try:
        prior = Prior(given.get("prior", "uniform"), **optional)
    except (ValueError, KeyError) as error:
        raise ValueError(f"{where}: {error.args[0]}") from error
    period = _number(where, "period", given["period"]) if "period" in given else None
    level = given.get("level", "site")
    return Parameter(str(given["unit"]), (low, high), str(given["description"]), prior, level, period, bool(fixed)), default


def _number(where: str, name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{where}: {name} is {value!r}, which is not a number") from None


def read_declaration(path: str | Path) -> ExternalModel:
    """Read the declaration of an external model.

    Parameters
    ----------
    path : str or Path
        ``.toml``, ``.yaml`` or ``.json`` with the fields of `ExternalModel` but ``function`` and ``base``, which is the folder of the
        file. ``parameters`` is the name of a table for `read_parameters`, or the entries themselves; ``templates`` and ``files`` map names
        in the working directory to files beside the declaration; ``outputs`` have the fields of `Output` but ``reader``.

    Returns
    -------
    ExternalModel
        The declaration, checked.

    Raises
    ------
    ValueError
        For unknown or missing fields; and whatever `ExternalModel` raises.
    """
    path = Path(path).resolve()
    given, base = _read(path), path.parent
    for name in given:
        if name not in FIELDS:
            raise ValueError(f"{path.name}: {unknown('field', name, FIELDS)}")
    missing = [n for n in ("name", "parameters", "outputs", "command") if n not in given]
    if missing:
        raise ValueError(f"{path.name} has no {', '.join(missing)}")
    table = given["parameters"]
    given["parameters"] = parameters_of(table, path.name) if isinstance(table, Mapping) else read_parameters(base / str(table))
    for name in ("templates", "files"):
        given[name] = {n: base / str(p) for n, p in given.get(name, {}).items()}
    given["exit_status"] = tuple(given.get("exit_status", (0,)))
    given["environment"] = {n: str(v) for n, v in given.get("environment", {}).items()}
    outputs = {}
    for name, entry in given["outputs"].items():
        try:
            outputs[name] = Output(**entry)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path.name}: output {name!r}: {error}") from error
    return ExternalModel(**{**given, "outputs": outputs}, base=base)


def _read(path: Path) -> dict[str, Any]:
    suffix, text = path.suffix.lower(), path.read_text(encoding="utf-8")
    try:
        if suffix == ".toml":
            found: Any = tomllib.loads(text)
        elif suffix == ".json":
            found = json.loads(text)
        elif suffix in (".yaml", ".yml"):
            found = _yaml(text)
        else:
            raise ValueError(f"a file that ends with {suffix!r} cannot be read; write TOML, YAML or JSON, or CSV for parameters")
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} holds a {type(found).__name__}, not names and values")
    return found


def _yaml(text: str) -> Any:
    try:
        import yaml  # type: ignore[import-untyped]
    except ImportError:
        raise ValueError("reading YAML needs the package pyyaml; install it, or write TOML or JSON") from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
