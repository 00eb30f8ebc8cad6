"""A model that is linear in its parameters, made-up series for it, and made-up draws of the coordinates of any model."""

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr

from lsm_bayes.calibration import Stream, build_model
from lsm_bayes.declare import Parameter, Prior, ProcessModel
from lsm_bayes.errors import ErrorModel
from lsm_bayes.vocabulary import QUANTITIES

STATED = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
WIDE = Prior("normal", 0.0, 1.0)


def draws_of(model: pm.Model, mean: Any = 0.0, root: Any = 0.3, shape: Callable[[Any], Any] = lambda z: z, draws: int = 2000) -> xr.Dataset:
    """Make up draws of the coordinates: mean and covariance are exact where there is one block and the shape is normal."""
    rng, found = np.random.default_rng(5), {}
    for rv in model.free_RVs:
        dims = model.named_vars_to_dims.get(rv.name, ())
        if rv.name.startswith("z"):
            sizes = [len(model.coords[d]) for d in dims]
            white = shape(rng.normal(size=(2 * draws, int(np.prod(sizes)))))
            white = white - white.mean(axis=0)
            white = np.linalg.solve(np.linalg.cholesky(np.atleast_2d(np.cov(white.T))), white.T).T
            z = mean + white @ (np.asarray(root).T if np.ndim(root) == 2 else root * np.eye(white.shape[1]))
            found[rv.name] = (("chain", "draw", *dims), z.reshape(2, draws, *sizes))
    return xr.Dataset(found, coords={d: list(model.coords[d]) for dims, _ in found.values() for d in dims[2:]})


def bent(z: np.ndarray) -> np.ndarray:
    """Bend normal draws (n, D) to a ridge, where there is a second coordinate."""
    found = z.copy()
    found[:, 1:2] += z[:, :1] ** 2
    return found


class LinearParameters(NamedTuple):
    a: Annotated[float, Parameter("1", (-50.0, 50.0), "first slope", WIDE)] = 0.0
    b: Annotated[float, Parameter("1", (-50.0, 50.0), "second slope", WIDE)] = 0.0
    c: Annotated[float, Parameter("1", (-50.0, 50.0), "third slope", WIDE)] = 0.0


class OnePool(NamedTuple):
    soil_carbon: Annotated[float, Parameter("gC m-2", (1.0, 10.0), "does not change")] = 5.0


class Weather(NamedTuple):
    shortwave_down: float
    air_temperature: float
    step_length: float


class Fluxes(NamedTuple):
    nee: Any
    gpp: Any


def _linear_step(x: OnePool, f: Weather, p: LinearParameters) -> tuple[OnePool, Fluxes]:
    return x, Fluxes(p.a * f.shortwave_down + p.b * f.air_temperature + p.c, p.b * f.shortwave_down - p.a)


LINEAR = ProcessModel("linear", "Linear in its parameters", _linear_step, LinearParameters, OnePool, Weather, Fluxes)


def made_up_series() -> xr.Dataset:
    rng = np.random.default_rng(2)
    values = {n: rng.normal(size=310) for n in ("shortwave_down", "air_temperature", "nee", "gpp")}
    values["shortwave_down"] += 5.0
    return xr.Dataset(
        {n: ("time", v, QUANTITIES[n].attrs()) for n, v in values.items()}, coords={"time": pd.date_range("2001-01-01", periods=310)}
    )


def linear(data: xr.Dataset, streams: list[str], **choices: Any) -> pm.Model:
    known = {"soil_carbon": 5.0}
    return build_model(LINEAR, data, [Stream(s, error=STATED, uncertainty=4.0) for s in streams], fixed=known, **choices)
