"""A two-pool model with known truth: plant and soil store observed, the model of OptIC in the setting of MacBean et al. (2016).

Raupach (2007), doi 10.5194/bg-4-875-2007; MacBean et al. (2016), doi 10.5194/gmd-9-3569-2016, whose forcing and noise were not recovered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr
from lsm_bayes.models import Reference

from lsm_bayes.calibration import CarriedPosterior, Stream, build_model
from lsm_bayes.declare import Parameter, Prior, ProcessModel
from lsm_bayes.errors import ErrorModel
from lsm_bayes.land import get
from lsm_bayes.observations import ObservationOperator
from lsm_bayes.simulation import simulate
from lsm_bayes.vocabulary import QUANTITIES

OPTIC = get("optic")


class Stores(NamedTuple):
    """The stores of OptIC under the names of the vocabulary, which MacBean et al. give them too."""

    aboveground_carbon: Annotated[float, Parameter("gC m-2", (0.01, 100.0), "plant store at the start")] = 4.0
    soil_carbon: Annotated[float, Parameter("gC m-2", (0.01, 100.0), "soil store at the start")] = 8.0


def _step(x: Any, f: Any, p: Any) -> tuple[Stores, Any]:
    following, fluxes = OPTIC.step(x, f, p)
    return Stores(*following), fluxes


LAND = replace(OPTIC, name="two_stores", step=_step, state=Stores, budgets={})
TRUTH = {n: default for n, (_, default) in LAND.parameter_table.items()}
START = {n: default for n, (_, default) in LAND.state_parameters.items()}
STORES = {"plant": "aboveground_carbon", "soil": "soil_carbon"}
OPERATORS = {n: ObservationOperator(f"{q}_seen", {q: (0.0, 1e5)}, lambda s, q=q: s[q], quantity=q) for n, q in STORES.items()}
STATED = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
STEPS, NOISE = 500, 0.1  # noise as a fraction of the mean of a store


@dataclass(frozen=True)
class Twin:
    """Forcing, true stores as means over each step, their noise, first guess, and random numbers (stream, time)."""

    data: xr.Dataset
    stores: dict[str, np.ndarray]
    sd: dict[str, float]
    priors: dict[str, Prior]
    noise: np.ndarray
    seed: int


def made(number: int, land: ProcessModel = LAND) -> Twin:
    """Make a twin: forcing exp(m - 0.125), m AR(1) with sd 0.5 and e-folding 10 days.

    Parameters
    ----------
    number : int
        Which; seed of its random numbers.
    land : ProcessModel
        Model that makes the truth.

    Returns
    -------
    Twin
        Without observations.
    """
    rng = np.random.default_rng([6, number])
    memory = np.exp(-0.1)
    m = 0.5 * with_memory(rng.standard_normal(STEPS), memory)
    days = pd.date_range("2001-01-01", periods=STEPS)
    forcing = ("time", np.exp(m - 0.125), QUANTITIES["resource_availability"].attrs())
    data = xr.Dataset({"resource_availability": forcing}, coords={"time": days})
    run = simulate(land, data, outputs=list(STORES.values()))
    ends = {n: run[q].values.ravel() for n, q in STORES.items()}
    stores = {n: 0.5 * (v[1:] + v[:-1]) for n, v in ends.items()}
    priors = {n: _guess(rng, *LAND.parameter_table[n][0].bounds, TRUTH[n]) for n in TRUTH}
    return Twin(data, stores, {n: NOISE * float(v.mean()) for n, v in stores.items()}, priors, rng.standard_normal((2, STEPS)), number)


def with_memory(white: np.ndarray, phi: float) -> np.ndarray:
    """Filter white noise to an AR(1) series of the same variance.

    Parameters
    ----------
    white : numpy.ndarray
        Shape (..., time).
    phi : float
        Correlation from one step to the next.

    Returns
    -------
    numpy.ndarray
        Same shape.
    """
    found = white.copy()
    for t in range(1, white.shape[-1]):
        found[..., t] = phi * found[..., t - 1] + np.sqrt(1 - phi**2) * white[..., t]
    return found


def _guess(rng: np.random.Generator, low: float, high: float, truth: float) -> Prior:
    spread = 0.4 * (high - low)
    while not low < (centre := truth + spread * rng.standard_normal()) < high:
        pass
    return Prior("normal", float(centre), spread)


def with_observations(twin: Twin, observed: Mapping[str, np.ndarray], sd: Mapping[str, float] | None = None) -> xr.Dataset:
    """Add series of the stores to the forcing of a twin.

    Parameters
    ----------
    twin : Twin
        From `made`.
    observed : mapping of str to numpy.ndarray
        ``plant``, ``soil`` or both, by day; NaN where nothing is observed.
    sd : mapping of str to float, optional
        Stated standard deviations; those of the twin without.

    Returns
    -------
    xarray.Dataset
        Data for `build`.
    """
    data = twin.data
    for n, v in observed.items():
        attrs = QUANTITIES[STORES[n]].attrs()
        stated = np.full(STEPS, (sd or twin.sd)[n])
        data = data.assign({f"{n}_observed": ("time", v, attrs), f"{n}_observed_uncertainty": ("time", stated, attrs)})
    return data


def build(
    data: xr.Dataset,
    *,
    priors: Mapping[str, Prior] | None = None,
    errors: Mapping[str, ErrorModel] | None = None,
    earlier: CarriedPosterior | None = None,
    land: ProcessModel = LAND,
) -> pm.Model:
    """Build the PyMC model.

    Parameters
    ----------
    data : xarray.Dataset
        From `with_observations`; a store that it does not observe has no stream.
    priors : mapping of str to Prior, optional
        Those of a twin, around its first guess; without, the declared ones.
    errors : mapping of str to ErrorModel, optional
        By store, in place of the stated error alone.
    earlier : CarriedPosterior, optional
        Posterior of other streams in place of the prior.
    land : ProcessModel
        Variant of the process model.

    Returns
    -------
    pymc.Model
        Four parameters; the stores at the start are known.
    """
    streams = [
        Stream(STORES[n], variable=f"{n}_observed", error=(errors or {}).get(n, STATED), operator=OPERATORS[n])
        for n in STORES
        if f"{n}_observed" in data
    ]
    return build_model(land, data, streams, fixed=START, priors=priors, prior_from=earlier)


def reference() -> Reference:
    """Say what the reference posterior is of.

    Returns
    -------
    Reference
        Twin 0, both stores observed on all days.
    """
    twin = made(0)
    observed = {n: twin.stores[n] + twin.sd[n] * e for n, e in zip(STORES, twin.noise, strict=True)}
    return Reference(with_observations(twin, observed), {"priors": twin.priors})
