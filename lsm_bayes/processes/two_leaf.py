"""Light on sunlit and shaded leaves.

Goudriaan & van Laar (1994), doi 10.1007/978-94-011-0750-1; diffuse fraction of Spitters et al. (1986), doi
10.1016/0168-1923(86)90060-2; Wang et al. (2007) as in FöBAAR.
"""

import math
from typing import Any, NamedTuple

import pytensor.tensor as pt

SOLAR_CONSTANT = 1370.0  # W m-2
ABSORBED = 0.8  # by a leaf: one minus scattering
DIFFUSE_EXTINCTION = 0.8
DIFFUSE_REFLECTION = 0.057
SOIL_REFLECTION = 0.1


def sine_of_elevation(day_of_year: Any, solar_hour: Any, latitude: Any, pi: float = math.pi) -> Any:
    """Return the sine of the sun's elevation, the cosine of its zenith angle.

    Parameters
    ----------
    day_of_year : tensor
        d, 1 to 366.
    solar_hour : tensor
        Local solar time, h.
    latitude : tensor
        degrees, positive northwards.
    pi : float
        The number pi; FöBAAR codes 3.1416 (and 3.14 for the latitude).

    Returns
    -------
    tensor
        Negative at night (Goudriaan & van Laar 1994, section 3.2).
    """
    sine = -math.sin(23.45 * pi / 180.0) * pt.cos(2 * pi * (day_of_year + 10.0) / 365.0)
    cosine = pt.sqrt(1.0 - sine**2)
    angle = latitude * (math.pi / 180.0)
    return pt.sin(angle) * sine + pt.cos(angle) * cosine * pt.cos(2 * pi * (solar_hour / 24.0 - 0.5))


def diffuse_fraction(light: Any, elevation: Any, day_of_year: Any, pi: float = math.pi) -> Any:
    """Return the fraction of the light that is diffuse.

    Parameters
    ----------
    light : tensor
        Incoming light. FöBAAR compares photons in umol m-2 s-1 with the solar constant in W m-2.
    elevation : tensor
        Sine of the sun's elevation.
    day_of_year : tensor
        d.
    pi : float
        The number pi; FöBAAR codes 3.1416.

    Returns
    -------
    tensor
        0 to 1, in four pieces (Spitters et al. 1986, equation 20, for an hour); 1 when the sun is down.
    """
    down = elevation <= 0
    above = pt.switch(down, 1.0, elevation)
    outside = SOLAR_CONSTANT * (1.0 + 0.033 * pt.cos(2 * pi * (day_of_year - 10.0) / 365.0)) * above
    clearness = pt.switch(down, 0.0, light / outside)
    least = 0.847 - 1.61 * above + 1.04 * above**2
    cloudy = pt.switch(clearness <= 0.35, 1.0 - 6.4 * (clearness - 0.22) ** 2, 1.47 - 1.66 * clearness)
    partly = pt.switch(pt.or_(clearness <= 0.35, clearness <= (1.47 - least) / 1.66), cloudy, least)
    return pt.switch(clearness <= 0.22, 1.0, partly)


class Leaves(NamedTuple):
    """Fraction of the leaf area that is sunlit, and light absorbed per area of sunlit and of shaded leaves."""

    sunlit_fraction: Any
    sunlit: Any
    shaded: Any


def absorbed_light(light: Any, diffuse: Any, elevation: Any, lai: Any, orientation: float) -> Leaves:
    """Return the light absorbed by sunlit and by shaded leaves at the bottom of a canopy of one layer.

    Parameters
    ----------
    light : tensor
        Incoming light, in any unit per area and time.
    diffuse : tensor
        Its diffuse fraction.
    elevation : tensor
        Sine of the sun's elevation.
    lai : tensor
        Leaf area index, above zero.
    orientation : float
        Departure of leaf angles from the spherical distribution, -0.4 to 0.6.

    Returns
    -------
    Leaves
        Light in its own unit, per leaf area (Goudriaan & van Laar 1994, equations 6.19 to 6.27).
    """
    down = elevation <= 0
    phi1 = 0.5 - 0.633 * orientation - 0.33 * orientation**2
    phi2 = 0.877 * (1.0 - 2.0 * phi1)
    above = pt.switch(down, 1.0, elevation)
    beam = pt.switch(down, 100.0, (phi1 + phi2 * above) / above)
    sunlit_fraction = pt.switch(down, 0.0, (1.0 - pt.exp(-beam * lai)) / (beam * lai))
    root = math.sqrt(ABSORBED)
    horizontal = (1.0 - root) / (1.0 + root)
    reflection = 2.0 * beam * horizontal / (beam + DIFFUSE_EXTINCTION)

    def penetrating(extinction: Any, reflected: Any) -> Any:
        once = pt.exp(-extinction * lai)
        return extinction * (1.0 - (reflected + (SOIL_REFLECTION - reflected) * once**2)) * once

    scattered = penetrating(root * beam, reflection) - ABSORBED * beam * pt.exp(-beam * lai)
    direct = (1.0 - diffuse) * light
    shaded = diffuse * light * penetrating(root * DIFFUSE_EXTINCTION, DIFFUSE_REFLECTION) + direct * scattered
    return Leaves(sunlit_fraction, shaded + ABSORBED * beam * direct, shaded)
