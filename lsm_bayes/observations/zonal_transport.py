"""A small transport of CO2: well-mixed latitude bands that exchange air with their neighbours."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from scipy.linalg import expm

from lsm_bayes.vocabulary import CARBON_MOLAR_MASS

EARTH_SURFACE = 4.0 * np.pi * 6.371e6**2  # m2
DRY_AIR = 5.1352e18 / 0.0289652  # mol: mass of Trenberth & Smith (2005), doi 10.1175/JCLI-3299.1, over the molar mass


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
