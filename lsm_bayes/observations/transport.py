"""CO2 in the air from surface fluxes: mole fractions and columns through a linear transport, and a small transport of latitude bands.

Not observation operators of a site: they take the fluxes of all regions and times at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt
import xarray as xr
from pytensor.graph.basic import Variable
from scipy.linalg import expm

from lsm_bayes.vocabulary import CARBON_MOLAR_MASS

EARTH_SURFACE = 4.0 * np.pi * 6.371e6**2  # m2
DRY_AIR = 5.1352e18 / 0.0289652  # mol: mass of Trenberth & Smith (2005), doi 10.1175/JCLI-3299.1, over the molar mass


@dataclass(frozen=True)
class LinearTransport:
    """Mole fractions as a linear function of fluxes.

    Parameters
    ----------
    jacobian : xarray.DataArray
        Dims ``observation`` and then those of the fluxes, such as ``source`` or ``time``, ``region``: change of the mole fraction with
        each flux, umol mol-1 per flux unit.
    background : array_like
        Mole fraction without these fluxes (initial, fossil, ocean), umol mol-1, a number or one for each observation.
    """

    jacobian: xr.DataArray
    background: Any = 0.0

    def __post_init__(self) -> None:
        dims = self.jacobian.dims
        if dims[:1] != ("observation",) or len(dims) < 2:
            raise ValueError(f"the dims of a transport Jacobian are ('observation', ...) with those of the fluxes behind; got {dims}")
        if not np.isfinite(self.jacobian.values).all():
            raise ValueError("the transport Jacobian has values that are not finite")
        if np.ndim(self.background) and np.shape(self.background) != self.jacobian.shape[:1]:
            raise ValueError(
                f"the background is a number or has one value for each of {self.jacobian.shape[0]} observations; got the shape "
                f"{np.shape(self.background)}"
            )

    def mole_fraction(self, fluxes: Any) -> Any:
        """Transport fluxes.

        Parameters
        ----------
        fluxes : DataArray, array or tensor
            Last dimensions those of the Jacobian behind ``observation``, in that order, positive to the atmosphere; others in front. A
            DataArray is put in that order by the names of its dims.

        Returns
        -------
        array or tensor
            umol mol-1, others in front, observation last.

        Raises
        ------
        ValueError
            When the fluxes do not fit the Jacobian.
        """
        wanted, sources = self.jacobian.dims[1:], self.jacobian.shape[1:]
        if isinstance(fluxes, xr.DataArray):
            if not set(wanted) <= set(fluxes.dims):
                raise ValueError(f"fluxes need the dims {wanted}; got {fluxes.dims}")
            xr.align(self.jacobian, fluxes, join="exact")
            fluxes = fluxes.transpose(..., *wanted).values
        symbolic = isinstance(fluxes, Variable)
        fluxes = fluxes if symbolic else np.asarray(fluxes, dtype=float)
        got = tuple(fluxes.type.shape if symbolic else fluxes.shape)
        last = got[-len(sources) :]
        if len(last) < len(sources) or any(a is not None and a != b for a, b in zip(last, sources, strict=True)):
            raise ValueError(f"the last dimensions of the fluxes must be {dict(zip(wanted, sources, strict=True))}; got the shape {got}")
        front = [fluxes.shape[k] for k in range(len(got) - len(sources))]
        flat = fluxes.reshape((*front, int(np.prod(sources))))
        matrix = self.jacobian.values.reshape(self.jacobian.shape[0], -1).T
        return self.background + (flat @ pt.as_tensor(matrix) if symbolic else flat @ matrix)


def column_mole_fraction(profile: Any, averaging_kernel: Any, prior_profile: Any, pressure_weights: Any) -> Any:
    """Return the column that a retrieval would report for a profile (Rodgers & Connor 2003, doi 10.1029/2002JD002299).

    Parameters
    ----------
    profile : array or tensor
        Mole fraction in dry air, umol mol-1, level last.
    averaging_kernel : array_like
        Column averaging kernel divided by the pressure weights: about 1 where the retrieval sees a level fully. Some products give
        the product with the weights.
    prior_profile : array_like
        Of the retrieval, umol mol-1.
    pressure_weights : array_like
        Dry air of each level over that of the column; their sum is 1.

    Returns
    -------
    array or tensor
        sum h [x_a + a (x - x_a)], umol mol-1, without the level dimension (from memory, not checked in the paper).

    Raises
    ------
    ValueError
        When the weights do not add up to 1.
    """
    kernel, prior = np.asarray(averaging_kernel, dtype=float), np.asarray(prior_profile, dtype=float)
    weights = _pressure_weights(pressure_weights)
    return (weights * (prior + kernel * (profile - prior))).sum(axis=-1)


def column_transport(
    jacobian: xr.DataArray, background: Any, averaging_kernel: Any, prior_profile: Any, pressure_weights: Any
) -> LinearTransport:
    """Make the transport of columns, XCO2, from that of profiles.

    Parameters
    ----------
    jacobian : xarray.DataArray
        Dims ``observation``, ``level`` and those of the fluxes: umol mol-1 per flux unit.
    background : array_like
        Profile without these fluxes, umol mol-1, (observation, level) or what broadcasts against it.
    averaging_kernel, prior_profile, pressure_weights : array_like
        As for `column_mole_fraction`, (observation, level) or (level,).

    Returns
    -------
    LinearTransport
        Its `mole_fraction` is XCO2, umol mol-1.

    Raises
    ------
    ValueError
        When a dim is missing or the weights do not add up to 1.
    """
    if jacobian.dims[:2] != ("observation", "level"):
        raise ValueError(f"the dims of a profile Jacobian are ('observation', 'level', ...); got {jacobian.dims}")
    shape = jacobian.shape[:2]
    seen = np.broadcast_to(_pressure_weights(pressure_weights) * np.asarray(averaging_kernel, dtype=float), shape)
    profile = np.broadcast_to(np.asarray(background, dtype=float), shape)
    return LinearTransport(
        (jacobian * xr.DataArray(seen, dims=("observation", "level"))).sum("level"),
        column_mole_fraction(profile, averaging_kernel, prior_profile, pressure_weights),
    )


def _pressure_weights(given: Any) -> np.ndarray:
    weights = np.asarray(given, dtype=float)
    totals = weights.sum(axis=-1)
    if not np.allclose(totals, 1.0, atol=1e-3):
        raise ValueError(f"pressure weights add up to 1 over the levels; got {totals.min():.4g} to {totals.max():.4g}")
    return weights


def zonal_transport(edges: Sequence[float], exchange_times: Sequence[float], steps: int, step_length: float = 1.0) -> xr.DataArray:
    """Make the Jacobian of well-mixed latitude bands that exchange air with their neighbours.

    Parameters
    ----------
    edges : sequence of float
        Edges of the bands from -90 to 90, degrees_north.
    exchange_times : sequence of float
        For each edge between two bands, d: in which their difference falls to 1/e if they exchanged with each other only. For two
        hemispheres half of their exchange time, which is about a year.
    steps : int
        How many. The Jacobian has the square of steps times bands entries.
    step_length : float
        d.

    Returns
    -------
    xarray.DataArray
        Dims ``observation`` (step after step, all bands at the end of each), ``time`` and ``region`` (bands from the south):
        umol mol-1 per gC m-2 d-1 over all of the area of a band, constant over a step; exact in time. Carbon is conserved: air of
        the bands times their mole fractions grows by what the surface emits. Coordinates ``step`` and ``band`` of each observation.

    Raises
    ------
    ValueError
        When the edges do not ascend from pole to pole, or there is not one positive time for each edge inside.
    """
    limits, times = np.asarray(edges, dtype=float), np.asarray(exchange_times, dtype=float)
    if limits.size < 2 or limits[0] != -90 or limits[-1] != 90 or not (np.diff(limits) > 0).all():
        raise ValueError(f"edges of latitude bands ascend from -90 to 90; got {limits.tolist()}")
    n = limits.size - 1
    if times.shape != (n - 1,) or not (times > 0).all():
        raise ValueError(f"{n} bands have {n - 1} exchange times, each above 0; got {times.tolist()}")
    air = 0.5 * np.diff(np.sin(np.deg2rad(limits)))  # fraction of the atmosphere, and of the surface
    rates = np.zeros((n, n))
    for k, time in enumerate(times):
        # One and the same flow of air both ways, so no carbon is made or lost.
        flow = air[k] * air[k + 1] / (air[k] + air[k + 1]) / time
        for here, there in ((k, k + 1), (k + 1, k)):
            rates[here, there] += flow / air[here]
            rates[here, here] -= flow / air[here]
    # exp of [[A, 1], [0, 0]] t holds exp(A t) and its integral, by which constant emissions act.
    joint = expm(np.block([[rates, np.eye(n)], [np.zeros((n, 2 * n))]]) * step_length)
    kept = joint[:n, :n]
    response = joint[:n, n:] * 1e6 * EARTH_SURFACE / (CARBON_MOLAR_MASS * DRY_AIR)
    jacobian = np.zeros((steps, n, steps, n))
    for lag in range(steps):
        later = np.arange(lag, steps)
        jacobian[later, :, later - lag, :] = response
        response = kept @ response
    middle = 0.5 * (limits[:-1] + limits[1:])
    return xr.DataArray(
        jacobian.reshape(steps * n, steps, n),
        dims=("observation", "time", "region"),
        coords={
            "region": ("region", middle, {"units": "degrees_north"}),
            "step": ("observation", np.repeat(np.arange(steps), n)),
            "band": ("observation", np.tile(middle, steps)),
        },
        attrs={"units": "umol mol-1 / (gC m-2 d-1)"},
    )
