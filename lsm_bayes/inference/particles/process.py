"""A process model with process error as a state-space model: it runs over segments, and pools are disturbed after each."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lsm_bayes.declare import ProcessModel
from lsm_bayes.forcing import forcing_arrays
from lsm_bayes.lanes import lanes_for
from lsm_bayes.programs import program
from lsm_bayes.simulation import compiled_run, numeric_inputs
from lsm_bayes.vocabulary import unknown

from .filter import Values

Spread = float | str
"""A number, or the name of the parameter that has it."""


class ProcessStateSpace:
    """Pools with multiplicative process error, fluxes and pools with normal observation error.

    After each segment a pool is multiplied by exp(s e - s^2 / 2) with standard normal e, so that its expectation is kept. All particles
    run together, in lanes.

    Parameters
    ----------
    model : ProcessModel
        The process model, without a nested step.
    forcing : xarray.Dataset
        Of one site; its length is a multiple of ``segment``.
    segment : int
        Steps between two disturbances and observations.
    noise : mapping of str to float or str
        Pool and sd s of its logarithm.
    observed : mapping of str to array
        Means of fluxes over segments and pools at the ends of segments, shape (segment,); NaN where nothing is observed.
    errors : mapping of str to float, array or str
        Standard deviation of each of them, in its unit.
    first_spread : mapping of str to float or str, optional
        Pool and sd of the logarithm at the start, in the same way.

    Raises
    ------
    KeyError
        For unknown pools and fluxes.
    ValueError
        For nested models, several sites, and lengths that do not fit.
    """

    def __init__(
        self,
        model: ProcessModel,
        forcing: xr.Dataset,
        segment: int,
        *,
        noise: Mapping[str, Spread],
        observed: Mapping[str, NDArray],
        errors: Mapping[str, Spread | NDArray],
        first_spread: Mapping[str, Spread] | None = None,
    ) -> None:
        if model.nested is not None:
            raise ValueError(f"{model.name} has a nested step; particles move models without one")
        if forcing.sizes.get("site", 1) != 1:
            raise ValueError(f"the forcing has {forcing.sizes['site']} sites; choose one: a filter follows one series")
        steps = forcing.sizes["time"]
        if segment < 1 or steps % segment:
            raise ValueError(f"the forcing has {steps} steps, which is no multiple of the segment of {segment}; cut it")
        self.model, self.segment, self._times = model, segment, steps // segment
        self.noise, self.first_spread = dict(noise), dict(first_spread or {})
        pools, fluxes = list(model.state._fields), list(model.flux_quantities)  # type: ignore[attr-defined]
        for name in [*self.noise, *self.first_spread]:
            if name not in pools:
                raise KeyError(f"{model.name}: {unknown('state', name, pools)}")
        for name in observed:
            if name not in [*pools, *fluxes]:
                raise KeyError(f"{model.name}: {unknown('flux or state', name, [*fluxes, *pools])}")
        if set(errors) != set(observed):
            raise KeyError(f"errors are given for {sorted(errors)}, observations for {sorted(observed)}; give both for each")
        self.observed = {n: np.asarray(v, dtype="float64") for n, v in observed.items()}
        wrong = {n: v.shape for n, v in self.observed.items() if v.shape != (self._times,)}
        if wrong:
            raise ValueError(f"observations have shapes {wrong}; there are {self._times} segments")
        self.errors = dict(errors)
        self._fluxes = tuple(n for n in fluxes if n in observed)
        arrays = forcing_arrays(model, forcing)
        self._program = program(model, self._fluxes, tuple(pools), arrays.folded)
        self.pools = tuple(self._program.state_names)
        ((self._parameters, self._initial, self._columns),) = numeric_inputs(model, self._program, arrays, None)[0]
        self._names: tuple[str, ...] = model.parameters._fields  # type: ignore[attr-defined]

    @property
    def times(self) -> int:
        """Number of segments."""
        return self._times

    def _value(self, spread: Spread | NDArray, values: Values, time: int = 0) -> float:
        found = np.asarray(values[spread] if isinstance(spread, str) else spread, dtype="float64")
        return float(found[time] if found.ndim else found)

    def _disturbed(self, states: NDArray, spreads: Mapping[str, Spread], values: Values, rng: np.random.Generator) -> NDArray:
        for name, spread in spreads.items():
            sd = self._value(spread, values)
            states[:, self.pools.index(name)] *= np.exp(sd * rng.standard_normal(len(states)) - 0.5 * sd**2)
        return states

    def begin(self, values: Values, particles: int, rng: np.random.Generator) -> NDArray:
        """Draw pools at the start; means over a segment, still zero, stand behind them."""
        first = [float(values.get(n, d)) for n, d in zip(self.pools, self._initial[:, 0], strict=True)]
        states = np.tile(np.array(first + [0.0] * len(self._fluxes)), (particles, 1))
        return self._disturbed(states, self.first_spread, values, rng)

    def advance(self, states: NDArray, time: int, values: Values, rng: np.random.Generator) -> NDArray:
        """Run a segment and disturb the pools at its end."""
        n, k = len(states), len(self.pools)
        matrix = np.array([float(values.get(p, d)) for p, d in zip(self._names, self._parameters[:, 0], strict=True)])
        here = slice(time * self.segment, (time + 1) * self.segment)
        run = compiled_run(self._program, lanes_for(n))
        found = run(
            np.repeat(matrix[:, None], n, axis=1), np.ascontiguousarray(states[:, :k].T), np.ascontiguousarray(self._columns[:, here])
        )
        moved = np.empty_like(states)
        moved[:, :k] = found[0][:, -1].T
        if self._fluxes:
            moved[:, k:] = found[1].mean(axis=1).T
        return self._disturbed(moved, self.noise, values, rng)

    def log_likelihood(self, states: NDArray, time: int, values: Values) -> NDArray:
        """Log density of the observations of a segment."""
        total = np.zeros(len(states))
        for name, series in self.observed.items():
            if np.isfinite(series[time]):
                sd = self._value(self.errors[name], values, time)
                column = len(self.pools) + self._fluxes.index(name) if name in self._fluxes else self.pools.index(name)
                total -= 0.5 * ((series[time] - states[:, column]) / sd) ** 2 + np.log(sd) + 0.5 * np.log(2 * np.pi)
        return total

    def simulate(self, values: Values, rng: np.random.Generator) -> dict[str, NDArray]:
        """Draw a series of observations without gaps.

        Parameters
        ----------
        values : mapping of str to array
            Parameters.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        dict of str to numpy.ndarray
            For each observed name, shape (segment,).
        """
        states, rows = self.begin(values, 1, rng), []
        for time in range(self.times):
            states = self.advance(states, time, values, rng)
            rows.append(states[0])
        series, found = np.array(rows), {}
        for name in self.observed:
            column = len(self.pools) + self._fluxes.index(name) if name in self._fluxes else self.pools.index(name)
            sd = np.array([self._value(self.errors[name], values, t) for t in range(self.times)])
            found[name] = series[:, column] + sd * rng.standard_normal(self.times)
        return found
