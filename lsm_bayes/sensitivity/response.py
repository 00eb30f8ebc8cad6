"""What is asked of a model: scalars as a function of independent standard normal coordinates of its prior, with derivatives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytensor.tensor as pt
import xarray as xr
from numpy.typing import NDArray
from pytensor.graph.replace import clone_replace
from rich.progress import track

from lsm_bayes.calibration.priors import value
from lsm_bayes.declare import Parameter, ProcessModel
from lsm_bayes.diagnostics.information import jacobian
from lsm_bayes.graphs import COMPILED
from lsm_bayes.inference.compiled import flat_outputs
from lsm_bayes.inference.flat import FlatSpace, Vector

from .adjoint import Adjoint
from .cube import PriorCube
from .outputs import MEASURES, Period, named_outputs, prior_of_process_model, stream_outputs
from .varied import choose, label_of, of_values


@dataclass
class Response:
    """Scalars of a model as a function of independent standard normal coordinates, one for each parameter that varies.

    Attributes
    ----------
    names : list of str
        Of the parameters, d of them.
    table : pandas.DataFrame
        A row for each of k scalars: ``output``, ``stream``, ``time`` (NaN for the whole record).
    position : callable or None
        Flat unconstrained vector of the model at coordinates (d,); None for a function.
    runs, failures, derivative_runs : int
        Spent so far; failures are runs in which an output was not finite.
    notes : list of str
        What is approximate or left out.
    """

    names: list[str]
    table: pd.DataFrame
    run: Callable[[Vector], Vector]
    adjoint: Callable[[Vector, Vector], tuple[Vector, Vector]] | None = None
    position: Callable[[Vector], Vector] | None = None
    run_ahead: Callable[[NDArray], None] | None = None
    notes: list[str] = field(default_factory=list)
    runs: int = 0
    failures: int = 0
    derivative_runs: int = 0

    @property
    def size(self) -> int:
        """Number of parameters d."""
        return len(self.names)

    def __call__(self, z: NDArray, *, progress: bool = False) -> NDArray:
        """Run the model.

        Parameters
        ----------
        z : numpy.ndarray
            Standard normal coordinates, shape (n, d).
        progress : bool
            Whether to show a bar. After an interrupt the rows that are not done are NaN.

        Returns
        -------
        numpy.ndarray
            Shape (n, k); a run that failed is a row of NaN.
        """
        z = np.ascontiguousarray(z, dtype="float64")
        found = np.full((len(z), len(self.table)), np.nan)
        if self.run_ahead is not None:
            self.run_ahead(z)
        try:
            for i, row in enumerate(track(z, description="runs", disable=not progress, transient=True)):
                self.runs += 1
                try:
                    values = self.run(row)
                except (ArithmeticError, ValueError, np.linalg.LinAlgError):
                    values = np.full(found.shape[1], np.nan)
                if np.all(np.isfinite(values)):
                    found[i] = values
                else:
                    self.failures += 1
        except KeyboardInterrupt:
            self.notes.append(f"interrupted after {i} of {len(z)} runs")
        return found

    def gradient(self, z: Vector, weights: Vector) -> tuple[Vector, Vector]:
        """Differentiate a weighted sum of the outputs, with the adjoint.

        Parameters
        ----------
        z : numpy.ndarray
            Shape (d,).
        weights : numpy.ndarray
            Shape (k,).

        Returns
        -------
        tuple of numpy.ndarray
            Outputs (k,) and gradient (d,), NaN where a run failed.

        Raises
        ------
        TypeError
            For a function, which has no derivatives.
        """
        if self.adjoint is None:
            raise TypeError("a function without derivatives; use morris, sobol or rbd_fast, or write it as a PyMC model")
        self.derivative_runs += 1
        try:
            values, slope = self.adjoint(np.ascontiguousarray(z, dtype="float64"), np.asarray(weights, dtype="float64"))
        except (ArithmeticError, ValueError, np.linalg.LinAlgError):
            values, slope = np.full(len(self.table), np.nan), np.full(self.size, np.nan)
        self.failures += int(not (np.all(np.isfinite(values)) and np.all(np.isfinite(slope))))
        return values, slope

    def jacobian(self, z: Vector) -> NDArray:
        """Differentiate all outputs, by central differences of fourth order: four runs for each parameter, however many outputs.

        Parameters
        ----------
        z : numpy.ndarray
            Shape (d,).

        Returns
        -------
        numpy.ndarray
            Shape (k, d), NaN where a run failed.
        """
        return jacobian(lambda x: self(x[None])[0], np.asarray(z, dtype="float64"))[0]

    def dataset(self, variables: Mapping[str, tuple[tuple[str, ...], NDArray]], **attrs: Any) -> xr.Dataset:
        """Label results by parameter and output, with what they cost."""
        coords = {
            "parameter": self.names,
            "output": self.table["output"].to_numpy(dtype=str),
            "stream": ("output", self.table["stream"].to_numpy(dtype=str)),
            "time": ("output", self.table["time"].to_numpy()),
        }
        used = {c: v for c, v in coords.items() if any(c in dims or c in ("stream", "time") for dims, _ in variables.values())}
        return xr.Dataset(variables, coords=used, attrs={**attrs, "notes": "; ".join(dict.fromkeys(self.notes))})


def response_of(
    model: pm.Model | FlatSpace | ProcessModel,
    outputs: str | Sequence[str] | Mapping[str, Any] = "rmse",
    *,
    by: Period = "record",
    vary: Sequence[str] | None = None,
    hold: Mapping[str, object] | None = None,
    data: xr.Dataset | None = None,
    cores: int = 1,
) -> Response:
    """Say of which scalars of a model sensitivities are asked, and to what.

    Parameters
    ----------
    model : pymc.Model, Density, InverseProblem or ProcessModel
        A process model is run with `data`, its parameters and initial pools drawn from the declared priors.
    outputs : str, sequence of str, or mapping of str to tensor
        ``"rmse"``, ``"mean"`` or ``"log_likelihood"``, of each stream and, for the last, in total; or names of variables of the model;
        or expressions of them. Of a process model: fluxes or states, their mean. Indices of a sum are those of the mean.
    by : {"record", "year", "month", "month_of_year", "step"}
        Outputs by period.
    vary : sequence of str, optional
        Free variables that vary. Default: the coordinates of the parameters and initial pools of `build_model`, of other models those on
        which predictions (or the outputs that are named) depend: not what only the errors need.
    hold : mapping of str to array, optional
        Constrained values of free variables that do not vary; default are the model's starting values, which for the parameters of the
        error models matter to the log-likelihood.
    data : xarray.Dataset, optional
        Forcing, for a process model.
    cores : int
        Runs of an external model at a time.

    Returns
    -------
    Response
        To be given to `morris`, `sobol`, `rbd_fast`, `sample_gradients`.

    Raises
    ------
    TypeError
        For something else than a model.
    ValueError
        For unknown outputs or variables, or where nothing varies.
    """
    if isinstance(model, ProcessModel):
        if data is None:
            raise ValueError("a process model needs forcing: give data=")
        if not isinstance(outputs, str | Sequence):
            raise TypeError("of a process model name fluxes or states as outputs")
        model, tensors, table = prior_of_process_model(model, data, [outputs] if isinstance(outputs, str) else list(outputs), by)
        return _compiled(FlatSpace(model), tensors, table, None, hold, cores)
    space = model if isinstance(model, FlatSpace) else FlatSpace(model) if isinstance(model, pm.Model) else None
    if space is None:
        raise TypeError(f"Got {type(model).__name__}; give a pymc.Model, Density, InverseProblem or ProcessModel.")
    if isinstance(outputs, str) and outputs in MEASURES:
        tensors, table = stream_outputs(space.model, outputs, by)
    else:
        if by != "record":
            raise ValueError(f"by={by!r} is for {', '.join(MEASURES)}; of a named variable each element is an output")
        names = [outputs] if isinstance(outputs, str) else outputs
        absent = [] if isinstance(names, Mapping) else [n for n in names if n not in space.model.named_vars]
        if absent:
            raise ValueError(f"unknown outputs {absent}: give one of {', '.join(MEASURES)}, or variables of the model")
        tensors, table = named_outputs(names if isinstance(names, Mapping) else {n: space.model[n] for n in names})
    return _compiled(space, tensors, table, vary, hold, cores)


def _compiled(
    space: FlatSpace, tensors: list[Any], table: pd.DataFrame, vary: Sequence[str] | None, hold: Mapping[str, object] | None, cores: int
) -> Response:
    model = space.model
    graphs = model.replace_rvs_by_values(tensors) if not of_values(model, tensors) else tensors
    active, base = choose(space, graphs, vary, hold)
    cube = PriorCube(space, active, base)
    flat, found = flat_outputs(model, graphs)
    z = cube.coordinates
    (whole,) = clone_replace([pt.concatenate([v.ravel() for v in found])], {flat: cube.position}, rebuild_strict=False)
    compile_, notes = _once(lambda i, o: pytensor.function(i, o, mode=COMPILED, on_unused_input="ignore")), [*cube.notes]
    if model.potentials:
        notes.append(f"potentials are left out: {', '.join(v.name for v in model.potentials)}")
    position = compile_("position", lambda: ([z], cube.position))
    external: Any = getattr(model, "external", None)

    def ahead(rows: NDArray) -> None:
        external.run_ahead(space.expand(np.stack([position(r) for r in rows])), cores=cores)

    return Response(
        [label_of(space, i) for i in active],
        table,
        compile_("run", lambda: ([z], whole)),
        Adjoint(z, whole, len(table)),
        position,
        None if external is None else ahead,
        notes,
    )


def _once(compile_: Callable[[Any, Any], Any]) -> Callable[[str, Callable[[], tuple[Any, Any]]], Callable[..., Any]]:
    """Compile a function when it is first called: most responses need one or two of four."""
    made: dict[str, Any] = {}

    def later(name: str, graphs: Callable[[], tuple[Any, Any]]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if name not in made:
                made[name] = compile_(*graphs())
            return made[name](*arguments)

        return call

    return later


def response_of_function(
    function: Callable[[dict[str, float]], Any], parameters: Mapping[str, Parameter], outputs: Sequence[str]
) -> Response:
    """Ask a black box.

    Parameters
    ----------
    function : callable
        Takes values by name and returns one number for each output; one that raises an ArithmeticError or ValueError, or gives NaN, failed.
    parameters : mapping of str to Parameter
        Declarations with bounds and priors.
    outputs : sequence of str
        Names of what it returns.

    Returns
    -------
    Response
        Without derivatives.
    """
    names = list(parameters)
    z = pt.vector("z", shape=(len(names),))
    values = pytensor.function([z], pt.stack([value(z[i], p) for i, p in enumerate(parameters.values())]), mode=COMPILED)
    table = pd.DataFrame({"output": list(outputs), "stream": list(outputs), "time": np.nan})

    def run(row: Vector) -> Vector:
        return np.atleast_1d(np.asarray(function(dict(zip(names, map(float, values(row)), strict=True))), dtype=float))

    return Response(names, table, run)


def as_response(model: Any) -> Response:
    """Pass on a `Response`, or ask a model for the misfit of each stream."""
    return model if isinstance(model, Response) else response_of(model)
