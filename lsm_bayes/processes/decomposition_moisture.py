"""Factors of decomposition rates with soil moisture, as functions of wetness: water content over that at saturation."""

from typing import Any

from lsm_bayes.processes.smoothing import clip, positive_part


def wetness(soil_water: Any, porosity: Any) -> Any:
    """Return the wetness of a soil.

    Parameters
    ----------
    soil_water : tensor
        percent, volumetric water content.
    porosity : tensor
        Volumetric water content at saturation, as a fraction.

    Returns
    -------
    tensor
        1; above 1 where the sensor reads more water than the pores hold.
    """
    return soil_water / (100.0 * porosity)


def rothc(wet: Any, wilting: Any, width: float = 0.0) -> Any:
    """Return the moisture factor that JULES uses in RothC: three straight pieces.

    Parameters
    ----------
    wet : tensor
        Wetness.
    wilting : tensor
        Wetness at the wilting point, below 0.416, where the optimum would fall below the driest point of the ramp.
    width : float
        Zero: exact, with kinks at ``1.7 wilting`` and ``(1 + wilting) / 2``. Otherwise the kinks are rounded over this wetness.

    Returns
    -------
    tensor
        1: 0.2 in dry soil, 1 at the optimum, falling beyond it, not below 0.2 (Clark et al. 2011, doi 10.5194/gmd-4-701-2011; the lower
        limit is reached in a soil that reads more water than its pores hold).
    """
    optimum, dry = 0.5 * (1.0 + wilting), 1.7 * wilting
    above_dry, above_optimum, above_pores = (positive_part(wet - w, width) for w in (dry, optimum, optimum + 1.0))
    return 0.2 + 0.8 * ((above_dry - above_optimum) / (optimum - dry) - above_optimum + above_pores)


def century(wet: Any, width: float = 0.0) -> Any:
    """Return the moisture factor of ORCHIDEE's CENTURY.

    Parameters
    ----------
    wet : tensor
        Wetness.
    width : float
        Zero: exact, with kinks where the parabola meets its limits. Otherwise they are rounded over this value of the factor.

    Returns
    -------
    tensor
        1: ``-1.1 w**2 + 2.4 w - 0.29`` between 0.25 and 1 (Krinner et al. 2005, doi 10.1029/2003GB002199; ORCHIDEE source). Where it stands
        at a limit its gradient to the porosity is zero.
    """
    return clip(-1.1 * wet**2 + 2.4 * wet - 0.29, 0.25, 1.0, width)


def casa(wet: Any) -> Any:
    """Return the moisture factor of CASA-CNP.

    Parameters
    ----------
    wet : tensor
        Water-filled pore space.

    Returns
    -------
    tensor
        1, largest at 0.55; constant below 0 and above 1.69 (Kelly et al. 2000, doi 10.1029/2000JD900259, as in Wang et al. 2010,
        doi 10.5194/bg-7-2261-2010: ``((w - 1.7) / (0.55 - 1.7))**6.6481 ((w + 0.007) / 0.557)**3.22``).
    """
    inside = clip(wet, 0.0, 1.69)  # powers of negative numbers beyond
    return ((1.7 - inside) / (1.7 - 0.55)) ** 6.6481 * ((inside + 0.007) / (0.55 + 0.007)) ** 3.22
