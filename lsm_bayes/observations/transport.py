"""CO2 in the air from surface fluxes: mole fractions and columns through a linear transport.

Not observation operators of a site: they take the fluxes of all regions and times at once.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt
import xarray as xr
from pytensor.graph.basic import Variable

from lsm_bayes.observations.zonal_transport import DRY_AIR as DRY_AIR
from lsm_bayes.observations.zonal_transport import EARTH_SURFACE as EARTH_SURFACE
from lsm_bayes.observations.zonal_transport import zonal_transport as zonal_transport


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
        sum h [x_a + a (x - x_a)], umol mol-1, without the level dimension: the form of the operator of GOSAT columns in the adjoint of
        GEOS-Chem. Number of the equation not checked.

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
