"""Temperature and fluxes of leaves from the linear energy balance; wet leaves and snow on leaves evaporate beside the stomata.

Ju et al. (2006), doi 10.1016/j.agrformet.2006.08.014, with the limits of BEPS.
"""

from typing import Any, NamedTuple

from lsm_bayes.processes.moist_air import PSYCHROMETER, Air
from lsm_bayes.processes.smoothing import clip, positive_part

COLDEST, WARMEST = -3.0, 5.0  # K from the air
WIDTH = 0.1  # K
WETTING = 100.0  # m s-1, conductance of a wet surface as the source adds it


class Paths(NamedTuple):
    """Conductances between a leaf and the air, m s-1."""

    stomatal: Any
    wet: Any
    heat: Any


def paths(canopy: Any, leaf: Any, stomata: Any) -> Paths:
    """Return the conductances of a leaf in series.

    Parameters
    ----------
    canopy, leaf, stomata : tensor
        Of the air above the canopy, of the boundary layer, and of the stomata, m s-1.

    Returns
    -------
    Paths
        The wet one has a conductance where a resistance belongs, as in the source: it is at most 0.01 m s-1.
    """
    return Paths(
        1.0 / (1.0 / canopy + 1.0 / leaf + 1.0 / stomata), 1.0 / (1.0 / canopy + 1.0 / leaf + WETTING), 1.0 / (1.0 / canopy + 0.5 / leaf)
    )


def temperature(air: Air, net: Any, through: Paths, wetted: Any, soft: float = 0.0) -> Any:
    """Return the temperature of a leaf.

    Parameters
    ----------
    air : Air
        Around it.
    net : tensor
        Net radiation, W m-2 of leaf.
    through : Paths
        Conductances.
    wetted : tensor
        Fraction under water plus fraction under snow.
    soft : float
        Width of the limits, times `WIDTH`; 0: exact.

    Returns
    -------
    tensor
        degC, between 3 K below and 5 K above the air.
    """
    vapour = (through.stomatal + through.wet * wetted) / PSYCHROMETER
    above = (net - air.deficit * air.heat * vapour) / (air.heat * (through.heat + air.slope * vapour))
    return air.temperature + clip(above, COLDEST, WARMEST, WIDTH * soft)


def latent(air: Air, leaf: Any, conductance: Any) -> Any:
    """Return the latent heat of a surface with saturated air inside.

    Parameters
    ----------
    air : Air
        Around it.
    leaf : tensor
        Its temperature, degC.
    conductance : tensor
        m s-1.

    Returns
    -------
    tensor
        W m-2; negative for dew.
    """
    return air.heat / PSYCHROMETER * (air.deficit + air.slope * (leaf - air.temperature)) * conductance


def no_dew(flux: Any, width: float = 0.0) -> Any:
    """Return a flux without its negative part.

    Parameters
    ----------
    flux : tensor
        Of one storey, any unit.
    width : float
        As in `smoothing.positive_part`.

    Returns
    -------
    tensor
        In the unit of `flux`.
    """
    return positive_part(flux, width)


def sensible(air: Air, leaf: Any, conductance: Any) -> Any:
    """Return the sensible heat of a surface.

    Parameters
    ----------
    air : Air
        Around it.
    leaf : tensor
        Its temperature, degC.
    conductance : tensor
        For heat, m s-1.

    Returns
    -------
    tensor
        W m-2, positive to the air.
    """
    return air.heat * conductance * (leaf - air.temperature)
