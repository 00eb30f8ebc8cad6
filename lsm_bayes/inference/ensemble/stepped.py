"""A calibration of one site, stepped from window to window: what the ensemble Kalman filter runs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pytensor
import pytensor.tensor as pt
import xarray as xr
from numpy.typing import NDArray

from lsm_bayes.calibration.choices import Calibration, SiteRecord
from lsm_bayes.calibration.operators import predicted_series, simulated_inputs
from lsm_bayes.calibration.predict import calibration_of
from lsm_bayes.calibration.streams import PreparedStream
from lsm_bayes.lanes import lanes_for
from lsm_bayes.nested import nested_program
from lsm_bayes.observations.aggregation import aggregation
from lsm_bayes.programs import Program, program
from lsm_bayes.simulation import numeric_inputs
from lsm_bayes.trajectory import Trajectory

from ..flat import Vector
from ..inverse import InverseProblem

LEAST = 1e-12
"""Below this a state is not carried as a logarithm."""


@dataclass(frozen=True)
class Seen:
    """Observations of one stream in one window.

    Attributes
    ----------
    stream : PreparedStream
        The stream.
    steps : numpy.ndarray of int
        Observed steps, from the start of the window.
    first : numpy.ndarray of int
        For each observation, place of its first step in ``steps``.
    places : numpy.ndarray of int
        Of the observations in the vector of all.
    """

    stream: PreparedStream
    steps: NDArray
    first: NDArray
    places: NDArray

    def mean(self, series: NDArray) -> NDArray:
        """Average a series, time last, over each observation."""
        count = np.diff(self.first, append=self.steps.size)
        return np.asarray(np.add.reduceat(series[..., self.steps], self.first, axis=-1) / count)


class SteppedModel:
    """The process model and the observations of a calibration in windows.

    Parameters
    ----------
    problem : InverseProblem
        Of a model from `lsm_bayes.build_model` with one site and independent errors.
    members : int
        Members that run side by side.
    window : {"day", "week", "month", "year"}
        Calendar periods at whose ends the ensemble is updated.

    Attributes
    ----------
    states : tuple of str
        States that are carried from window to window.
    ends : numpy.ndarray of int
        One past the last step of each window.
    observed : list of numpy.ndarray
        Whitened observations of each window.

    Raises
    ------
    TypeError
        When the model was not made by `build_model`.
    ValueError
        For several sites, observations that reach over windows, and predictions that windows do not give.
    """

    def __init__(self, problem: InverseProblem, members: int, window: Literal["day", "week", "month", "year"]) -> None:
        self.problem, self._members = problem, members
        self._calibration: Calibration = calibration_of(problem.model)
        if len(self._calibration.records) != 1:
            sites = ", ".join(r.name for r in self._calibration.records)
            raise ValueError(f"the filter steps one site at a time, and the calibration has {sites}; build a model of each")
        self._record = self._calibration.records[0]
        steps, model = self._record.fitted_steps, self._calibration.process_model
        wanted = {n for p in self._calibration.streams for n in simulated_inputs(model, p.operator)}
        self._fluxes = tuple(n for n in model.flux_quantities if n in wanted)
        names, folded = tuple(model.state._fields), self._record.forcing.folded  # type: ignore[attr-defined]
        derived: Any = (
            program(model, self._fluxes, names, folded) if model.nested is None else nested_program(model, self._fluxes, (), folded)
        )
        self.states: tuple[str, ...] = tuple(derived.state_names)
        ((_, _, *columns),), *_ = numeric_inputs(model, derived, self._record.forcing, None)
        self._columns, self._length = columns, self._record.forcing.time.size
        inputs = [pt.dmatrix("parameter"), pt.dmatrix("initial"), *(pt.dtensor3("column") for _ in columns)]
        lanes = lanes_for(members) if isinstance(derived, Program) else 0
        self._run = pytensor.function(inputs, Trajectory(derived, lanes=lanes)(*inputs, return_list=True), mode="NUMBA")
        time = self._record.forcing.time[:steps]
        a = aggregation(time, np.ones(steps, dtype=bool), window)
        self.ends = np.unique(np.append(a.steps[a.last - 1] + 1 if a.last.size else a.steps + 1, steps))
        self._starts = np.concatenate([[0], self.ends[:-1]])
        self._seen = self._place_observations(window)
        self.observed = [problem.observed[np.concatenate([s.places for s in found])] if found else np.zeros(0) for found in self._seen]
        # Independent errors: whitening is a division by the standard deviation.
        self._precision = problem.whiten(np.ones(problem.observed.size))
        self._check()

    def _place_observations(self, window: str) -> list[list[Seen]]:
        starts, at = {}, 0
        by_name = {p.name: p for p in self._calibration.streams}
        for rv in self.problem.model.observed_RVs:
            starts[rv.name] = at
            at += by_name[rv.name].series[0].values.size if rv.name in by_name else 0
        if at != self.problem.observed.size:
            raise ValueError("the model has observed variables that are no streams of build_model; the filter cannot place them in time")
        found: list[list[Seen]] = [[] for _ in self.ends]
        for name, start in starts.items():
            a = by_name[name].fitted[0]
            last = a.last if a.last.size else np.arange(1, a.steps.size + 1)
            first = np.concatenate([[0], last[:-1]])
            where, begun = (np.searchsorted(self.ends, a.steps[k], side="right") for k in (last - 1, first))
            if np.any(where != begun):
                period = by_name[name].stream.period
                raise ValueError(
                    f"{int(np.sum(where != begun))} means of the stream {name!r} (period {period!r}) reach over the end of a window; got"
                    f" window={window!r}, give a longer one"
                )
            for k in np.unique(where):
                mine = np.flatnonzero(where == k)
                chosen = slice(first[mine[0]], last[mine[-1]])
                found[k].append(Seen(by_name[name], a.steps[chosen] - self._starts[k], first[mine] - first[mine[0]], start + mine))
        return found

    def days(self, window: int) -> float:
        """Length of a window, d."""
        time = self._record.forcing.time
        return float((time[self.ends[window] - 1] - time[self._starts[window]]).total_seconds() / 86400.0) + self._step

    @property
    def _step(self) -> float:
        time = self._record.forcing.time
        return float((time[1] - time[0]).total_seconds() / 86400.0)

    @property
    def end_times(self) -> NDArray:
        """Start of the last step of each window."""
        return self._record.forcing.time[self.ends - 1].values

    @property
    def declared_states(self) -> dict[str, str]:
        """Units by state."""
        table = self._calibration.process_model.state_parameters
        return {n: table[n][0].unit if n in table else "" for n in self.states}

    def parameters(self, x: NDArray) -> dict[str, NDArray]:
        """Parameters and initial states of members.

        Parameters
        ----------
        x : numpy.ndarray
            Active elements, shape (N, d).

        Returns
        -------
        dict of str to numpy.ndarray
            Shape (N,), by full name.
        """
        c, values = self._calibration, self.problem.expand(self.problem.positions(x))
        return {n: np.full(len(x), c.fixed[n]) if n in c.fixed else values[n].reshape(len(x), -1)[:, 0] for n in c.declared}

    def initial(self, x: NDArray) -> NDArray:
        """Return initial states of members, shape (N, states)."""
        values = self.parameters(x)
        return np.stack([values[n] for n in self.states], axis=1) if self.states else np.zeros((len(x), 0))

    def step(self, window: int, x: NDArray, states: NDArray) -> tuple[NDArray, NDArray]:
        """Run one window.

        Parameters
        ----------
        window : int
            Which.
        x : numpy.ndarray
            Active elements, shape (N, d).
        states : numpy.ndarray
            States at its start, shape (N, states).

        Returns
        -------
        tuple of numpy.ndarray
            States at its end, shape (N, states), and whitened predictions of its observations, shape (N, m).
        """
        model, values = self._calibration.process_model, self.parameters(x)
        fields = model.parameters._fields  # type: ignore[attr-defined]
        matrix = np.stack([values[n] for n in fields]) if fields else np.zeros((0, len(x)))
        start, end = int(self._starts[window]), int(self.ends[window])
        parts = [np.ascontiguousarray(c[:, start * self._rate(c) : end * self._rate(c)]) for c in self._columns]
        path, *fluxes = self._run(np.ascontiguousarray(matrix), np.ascontiguousarray(states.T), *parts)
        variables: dict[str, Any] = {n: (("time", "draw"), fluxes[0][i]) for i, n in enumerate(self._fluxes)}
        variables |= {n: (("instant", "draw"), path[i]) for i, n in enumerate(self.states)}
        run = xr.Dataset(variables).expand_dims("chain")
        draws = {n: xr.DataArray(v[None], dims=("chain", "draw")) for n, v in values.items()}
        predicted = [self._predicted(seen, window, run, draws, len(x)) for seen in self._seen[window]]
        return np.ascontiguousarray(path[:, -1].T), np.concatenate([np.zeros((len(x), 0)), *predicted], axis=1)

    def _rate(self, column: NDArray) -> int:
        return column.shape[1] // self._length

    def _predicted(self, seen: Seen, window: int, run: xr.Dataset, draws: Mapping[str, xr.DataArray], number: int) -> NDArray:
        series, _ = predicted_series(self._calibration, seen.stream, self._cut(window), run, draws)
        return seen.mean(series.reshape(number, -1)) * self._precision[seen.places]

    def _cut(self, window: int) -> SiteRecord:
        """Cut the record to one window."""
        part = slice(int(self._starts[window]), int(self.ends[window]))
        forcing = self._record.forcing
        length = forcing.time.size
        # The time axis of nested forcing is the first one, that of sites was taken off.
        varying = {n: v[part] if v.shape[:1] == (length,) else v for n, v in forcing.varying.items()}
        cut = replace(forcing, varying=varying, time=forcing.time[part])
        return replace(self._record, data=self._record.data.isel(time=part), forcing=cut, training=self._record.training[part])

    def _check(self) -> None:
        """Refuse models whose predictions are not those of the windows: correlated errors, biases, operators with a memory."""
        x = np.repeat(self.problem.prior[0][None], self._members, axis=0)
        whole, states = self.problem.predict(x[0]), self.initial(x)
        found = np.full(whole.size, np.nan)
        for k, seen in enumerate(self._seen):
            states, predicted = self.step(k, x, states)
            if seen:
                found[np.concatenate([s.places for s in seen])] = predicted[0]
        if not np.allclose(found, whole, rtol=1e-6, atol=1e-6 * float(np.nanstd(whole)), equal_nan=True):
            names = [s.stream.name for seen in self._seen for s in seen if not np.allclose(found[s.places], whole[s.places], rtol=1e-5)]
            raise ValueError(
                f"run in windows, the predictions of {', '.join(dict.fromkeys(names))} are not those of the whole record. The filter takes "
                "independent errors (ErrorModel(correlation=None, discrepancy=None)) without biases, and observation operators without "
                "memory"
            )


def check_noise(given: Mapping[str, float], states: tuple[str, ...]) -> Vector:
    """Return process noise by state, zero where none is given.

    Parameters
    ----------
    given : mapping of str to float
        Standard deviation by state.
    states : tuple of str
        All states.

    Returns
    -------
    numpy.ndarray
        Shape (states,).

    Raises
    ------
    KeyError
        For unknown states.
    ValueError
        For negative values.
    """
    unknown = set(given) - set(states)
    if unknown:
        raise KeyError(f"process noise for {sorted(unknown)}; the states are {', '.join(states)}")
    if min(given.values(), default=0.0) < 0:
        raise ValueError(f"process noise is a standard deviation, got {dict(given)}")
    return np.array([float(given.get(n, 0.0)) for n in states])
