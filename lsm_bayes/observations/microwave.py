"""Microwaves that land emits: soil moisture, and brightness temperature of radiometers."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.declare import Parameter, Prior
from lsm_bayes.observations.angles import radians
from lsm_bayes.observations.backscatter import BACKSCATTER as BACKSCATTER
from lsm_bayes.observations.backscatter import BACKSCATTER_LEAF_AREA as BACKSCATTER_LEAF_AREA
from lsm_bayes.observations.backscatter import LeafCloud as LeafCloud
from lsm_bayes.observations.backscatter import WaterCloud as WaterCloud
from lsm_bayes.observations.backscatter import leaf_cloud as leaf_cloud
from lsm_bayes.observations.backscatter import water_cloud as water_cloud
from lsm_bayes.observations.leaf_area import mid_step
from lsm_bayes.observations.operator import ObservationOperator

KELVIN = 273.15


class Store(NamedTuple):
    """Water content of a soil from the water that plants can reach."""

    # One parameter a line.
    # fmt: off
    residual: Annotated[float, Parameter("m3 m-3", (0.0, 0.2), "water content without water for plants", Prior("normal", 0.08, 0.03))] = 0.08
    porosity: Annotated[float, Parameter("m3 m-3", (0.25, 0.7), "water content of saturated soil", Prior("normal", 0.45, 0.06))] = 0.45
    capacity: Annotated[float, Parameter("mm", (20.0, 2000.0), "plant-available water of saturated soil", Prior("log_normal", 250.0, 0.5))] = 250.0
    # fmt: on


class Emission(NamedTuple):
    """Opacity and scattering of vegetation, and roughness of the soil, at L-band."""

    # fmt: off
    opacity_of_leaves: Annotated[float, Parameter("1", (0.01, 0.3), "optical depth at nadir per leaf area index (b')", Prior("log_normal", 0.06, 0.4), level="pft")] = 0.06
    opacity_of_stems: Annotated[float, Parameter("1", (0.002, 1.5), "optical depth at nadir without leaves (b'')", Prior("log_normal", 0.08, 0.7), level="pft")] = 0.08
    scattering_albedo: Annotated[float, Parameter("1", (0.0, 0.2), "effective single-scattering albedo (omega)", Prior("normal", 0.05, 0.02), level="pft")] = 0.05
    roughness: Annotated[float, Parameter("1", (0.02, 1.5), "loss of reflectivity by roughness at nadir (h)", Prior("log_normal", 0.2, 0.5))] = 0.2
    incidence_angle: Annotated[float, Parameter("degree", (0.0, 65.0), "angle of incidence", Prior("normal", 40.0, 1.0), level="global", fixed=True)] = 40.0
    # fmt: on


def moisture_of_store(series: Mapping[str, Any], p: Store) -> Any:
    """Return the water content of a soil that is as wet as the whole root zone.

    Parameters
    ----------
    series : mapping of str to tensor
        ``plant_available_water``, mm.
    p : Store
        The stream sees the residual, and porosity less residual over capacity.

    Returns
    -------
    tensor
        m3 m-3: residual + (porosity - residual) W / capacity, above the porosity where the store exceeds its capacity.
    """
    return p.residual + (p.porosity - p.residual) * series["plant_available_water"] / p.capacity


def soil_permittivity(moisture: Any) -> Any:
    """Return the real part of the relative permittivity of unfrozen mineral soil (Topp et al. 1980).

    Parameters
    ----------
    moisture : tensor
        m3 m-3, 0 to 0.55.

    Returns
    -------
    tensor
        3.03 + 9.3 w + 146 w^2 - 76.7 w^3: 3.03 at no water, about 30 in wet soil. The coefficients are those of several public codes, and
        agree with the polynomial for moisture of the same paper to 0.015 m3 m-3 from 0.05 to 0.45 m3 m-3. Number of the equation not checked.
    """
    return 3.03 + moisture * (9.3 + moisture * (146.0 - 76.7 * moisture))


def horizontal_reflectivity(permittivity: Any, angle: Any) -> Any:
    """Return Fresnel's reflectivity of a smooth surface at horizontal polarisation, without absorption.

    Parameters
    ----------
    permittivity : tensor
        Real part, relative.
    angle : tensor
        Incidence, rad.

    Returns
    -------
    tensor
        0 to 1.
    """
    cosine, inside = pt.cos(angle), pt.sqrt(permittivity - pt.sin(angle) ** 2)
    return ((cosine - inside) / (cosine + inside)) ** 2


def tau_omega(series: Mapping[str, Any], canopy_temperature: Any, p: Emission) -> Any:
    """Add the emission of soil and vegetation (form after Mo et al. 1982, as radiometer retrievals use it).

    Parameters
    ----------
    series : mapping of str to tensor
        ``soil_moisture``, m3 m-3; ``soil_temperature``, degC, above freezing; ``lai``, m2 m-2, at the start of each step.
    canopy_temperature : tensor
        degC.
    p : Emission
        Optical depth at nadir is b' LAI + b'' (after Wigneron et al. 2007), roughness a factor exp(-h cos^2) on the reflectivity
        (Choudhury et al. 1979; CMEM has an exponent of the cosine for each polarisation in place of 2, and mixes polarisations above 2 GHz).

    Returns
    -------
    tensor
        K: Ts (1 - r) g + Tc (1 - omega) (1 - g) (1 + r g) with the transmissivity g = exp(-tau / cos); no sky, no air between. Compared with
        a public retrieval of optical depth; numbers of equations not checked.
    """
    angle = radians(p.incidence_angle)
    smooth = horizontal_reflectivity(soil_permittivity(series["soil_moisture"]), angle)
    r = smooth * pt.exp(-p.roughness * pt.cos(angle) ** 2)
    g = pt.exp(-(p.opacity_of_leaves * mid_step(series["lai"]) + p.opacity_of_stems) / pt.cos(angle))
    soil, canopy = series["soil_temperature"] + KELVIN, canopy_temperature + KELVIN
    return soil * (1.0 - r) * g + canopy * (1.0 - p.scattering_albedo) * (1.0 - g) * (1.0 + r * g)


_MOISTURE, _LEAVES, _UNFROZEN = (0.02, 0.5), (0.0, 6.0), (1.0, 35.0)
_EMISSION: dict[str, tuple[float, float]] = {"soil_moisture": _MOISTURE, "soil_temperature": _UNFROZEN, "lai": _LEAVES}
_TAU_OMEGA = "after Mo et al. (1982), doi 10.1029/JC087iC13p11229; Topp et al. (1980), doi 10.1029/WR016i003p00574; Choudhury et al. (1979), J. Geophys. Res. 84, 5699-5706; Wigneron et al. (2007), doi 10.1016/j.rse.2006.10.014"

SOIL_MOISTURE = ObservationOperator(
    "soil_moisture", {"soil_moisture": (0.0, 0.7)}, lambda s: s["soil_moisture"], error="normal, sd 0.04 m3 m-3 without bias, and a bias"
)
SOIL_MOISTURE_FROM_STORE = ObservationOperator(
    "soil_moisture_from_store",
    {"plant_available_water": (0.0, 400.0)},
    moisture_of_store,
    Store,
    quantity="soil_moisture",
    citation="linear between residual and saturated water content, after Wagner et al. (1999), doi 10.1016/S0034-4257(99)00036-X",
    error="normal, sd 0.04 m3 m-3 without bias, and a bias; the surface dries and wets before the root zone",
)
BRIGHTNESS_TEMPERATURE = ObservationOperator(
    "brightness_temperature",
    _EMISSION,
    lambda s, p: tau_omega(s, s["soil_temperature"], p),
    Emission,
    citation=f"{_TAU_OMEGA}; canopy as warm as the soil, for overpasses at sunrise",
    error="normal, sd 1.3 to 4 K",
)
BRIGHTNESS_TEMPERATURE_CANOPY = ObservationOperator(
    "brightness_temperature_canopy",
    {**_EMISSION, "canopy_temperature": _UNFROZEN},
    lambda s, p: tau_omega(s, s["canopy_temperature"], p),
    Emission,
    quantity="brightness_temperature",
    citation=_TAU_OMEGA,
    error="normal, sd 1.3 to 4 K",
)
