"""How temperature and soil moisture slow the turnover of carbon in TECO.

Luo et al. (2003), doi 10.1029/2002GB001923, and the source of Xu et al. (2006).
"""

from typing import Any

import pytensor.tensor as pt

AT_TEN_DEGREES = 0.65
DRY = 0.2  # m3 m-3, where moisture begins to limit


def turnover_factor(temperature: Any, soil_water: Any, q10: Any) -> Any:
    """Return the factor of all turnover rates.

    Parameters
    ----------
    temperature : tensor
        Air temperature, mean of the last ten days, degC.
    soil_water : tensor
        Volumetric soil water content, percent.
    q10 : float or tensor
        Factor for ten degrees; 2.2 in Xu et al. (2006).

    Returns
    -------
    tensor
        0.65 q10^((T - 10) / 10), which is one at 15.5 degC, the mean of the Duke forest, for 2.2; in soil drier than 20 percent times a
        factor that falls linearly to zero in soil without water.
    """
    moist = 0.01 * soil_water
    dryness = pt.switch(moist >= DRY, 1.0, 1.0 - 5.0 * (DRY - moist))
    return AT_TEN_DEGREES * q10 ** ((temperature - 10.0) / 10.0) * dryness
