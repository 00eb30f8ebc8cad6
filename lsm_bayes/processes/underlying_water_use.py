"""Evapotranspiration from photosynthesis, vapour pressure deficit and radiation."""

from typing import Any

import pytensor.tensor as pt


def evapotranspiration(gpp: Any, vapour_pressure_deficit: Any, shortwave: Any, efficiency: Any, per_radiation: Any) -> Any:
    """Return evapotranspiration with a part that does not depend on photosynthesis.

    Parameters
    ----------
    gpp : tensor
        gC m-2 d-1.
    vapour_pressure_deficit : tensor
        hPa; at zero or below the first part is zero, and so is its derivative.
    shortwave : tensor
        MJ m-2 d-1.
    efficiency : tensor
        Underlying water use efficiency, gC hPa0.5 kg-1 (Zhou et al. 2014, doi 10.1016/j.agrformet.2014.01.008).
    per_radiation : tensor
        mm MJ-1 m2 (Boese et al. 2017, doi 10.5194/bg-14-3015-2017).

    Returns
    -------
    tensor
        mm d-1.
    """
    saturated = vapour_pressure_deficit <= 0  # False where it is NaN, which must come out again
    root = pt.switch(saturated, 0.0, pt.sqrt(pt.switch(saturated, 1.0, vapour_pressure_deficit)))
    return gpp * root / efficiency + per_radiation * shortwave
