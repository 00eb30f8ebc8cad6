"""Microwaves over land: soil moisture, brightness temperature of radiometers, backscatter of radars."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.declare import Parameter, Prior, extending
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


class WaterCloud(NamedTuple):
    """Scattering of vegetation as a cloud of drops over a soil whose backscatter in dB is linear in its moisture."""

    # fmt: off
    vegetation_scattering: Annotated[float, Parameter("1", (0.01, 1.0), "backscatter of opaque vegetation seen from above (A), power", Prior("log_normal", 0.12, 0.4), level="pft")] = 0.12
    attenuation: Annotated[float, Parameter("1", (0.01, 1.0), "one-way attenuation per leaf area index (B)", Prior("log_normal", 0.15, 0.5), level="pft")] = 0.15
    dry_soil: Annotated[float, Parameter("dB", (-30.0, -5.0), "backscatter of dry bare soil (C)", Prior("normal", -18.0, 3.0))] = -18.0
    soil_sensitivity: Annotated[float, Parameter("dB", (5.0, 80.0), "rise of bare-soil backscatter per volumetric water content (D)", Prior("normal", 35.0, 10.0))] = 35.0
    incidence_angle: Annotated[float, Parameter("degree", (0.0, 65.0), "angle of incidence", Prior("normal", 40.0, 1.0), level="global", fixed=True)] = 40.0
    # fmt: on


@extending(WaterCloud, without=("vegetation_scattering",))
class LeafCloud(NamedTuple):
    """The water cloud whose scattering grows with leaf area."""

    # fmt: off
    leaf_scattering: Annotated[float, Parameter("1", (0.001, 0.5), "backscatter of opaque vegetation seen from above per leaf area index (A), power", Prior("log_normal", 0.04, 0.5), level="pft")] = 0.04
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
    """Return the real part of the relative permittivity of unfrozen mineral soil (Topp et al. 1980, equation 7).

    Parameters
    ----------
    moisture : tensor
        m3 m-3, 0 to 0.55.

    Returns
    -------
    tensor
        3.03 at no water, about 30 in wet soil. Coefficients and number of the equation are from memory; they agree with
        the published inverse, equation 10, to 0.015 m3 m-3 from 0.05 to 0.45 m3 m-3.
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


def _radians(degrees: Any) -> Any:
    return pt.deg2rad(pt.cast(degrees, "float64"))  # a plain number such as 40.0 would be taken as single precision


def tau_omega(series: Mapping[str, Any], canopy_temperature: Any, p: Emission) -> Any:
    """Add the emission of soil and vegetation (Mo et al. 1982; equation 1 of the SMAP level-2 algorithm).

    Parameters
    ----------
    series : mapping of str to tensor
        ``soil_moisture``, m3 m-3; ``soil_temperature``, degC, above freezing; ``lai``, m2 m-2, at the start of each step.
    canopy_temperature : tensor
        degC.
    p : Emission
        Optical depth at nadir is b' LAI + b'' (Wigneron et al. 2007), roughness a factor exp(-h cos^2) on the reflectivity
        (Choudhury et al. 1979).

    Returns
    -------
    tensor
        K: Ts (1 - r) g + Tc (1 - omega) (1 - g) (1 + r g) with the transmissivity g = exp(-tau / cos); no sky, no air between.
    """
    angle = _radians(p.incidence_angle)
    smooth = horizontal_reflectivity(soil_permittivity(series["soil_moisture"]), angle)
    r = smooth * pt.exp(-p.roughness * pt.cos(angle) ** 2)
    g = pt.exp(-(p.opacity_of_leaves * mid_step(series["lai"]) + p.opacity_of_stems) / pt.cos(angle))
    soil, canopy = series["soil_temperature"] + KELVIN, canopy_temperature + KELVIN
    return soil * (1.0 - r) * g + canopy * (1.0 - p.scattering_albedo) * (1.0 - g) * (1.0 + r * g)


def _backscatter(series: Mapping[str, Any], opaque: Any, p: Any) -> Any:
    cosine = pt.cos(_radians(p.incidence_angle))
    two_way = pt.exp(-2.0 * p.attenuation * mid_step(series["lai"]) / cosine)
    soil = 10.0 ** ((p.dry_soil + p.soil_sensitivity * series["soil_moisture"]) / 10.0)
    return 10.0 * pt.log10(opaque * cosine * (1.0 - two_way) + two_way * soil)


def water_cloud(series: Mapping[str, Any], p: WaterCloud) -> Any:
    """Add the backscatter of vegetation and of the soil under it (Attema & Ulaby 1978; number of the equation not checked).

    Parameters
    ----------
    series : mapping of str to tensor
        ``soil_moisture``, m3 m-3; ``lai``, m2 m-2, at the start of each step, for the water of the vegetation.
    p : WaterCloud
        Its coefficients.

    Returns
    -------
    tensor
        dB of A cos (1 - g2) + g2 10^((C + D theta) / 10) with g2 = exp(-2 B LAI / cos).
    """
    return _backscatter(series, p.vegetation_scattering, p)


def leaf_cloud(series: Mapping[str, Any], p: Any) -> Any:
    """Let the backscatter of opaque vegetation grow with leaf area (the form of Prévot et al. 1993; not checked in the paper).

    Parameters
    ----------
    series : mapping of str to tensor
        As for `water_cloud`.
    p : LeafCloud
        Its coefficients.

    Returns
    -------
    tensor
        dB of A LAI cos (1 - g2) + g2 10^((C + D theta) / 10).
    """
    return _backscatter(series, p.leaf_scattering * mid_step(series["lai"]), p)


_MOISTURE, _LEAVES, _UNFROZEN = (0.02, 0.5), (0.0, 6.0), (1.0, 35.0)
_EMISSION: dict[str, tuple[float, float]] = {"soil_moisture": _MOISTURE, "soil_temperature": _UNFROZEN, "lai": _LEAVES}
_TAU_OMEGA = "Mo et al. (1982), doi 10.1029/JC087iC13p11229; Topp et al. (1980), doi 10.1029/WR016i003p00574, equation 7; Wigneron et al. (2007), doi 10.1016/j.rse.2006.10.014"
_CLOUD = "Attema & Ulaby (1978), doi 10.1029/RS013i002p00357"

SOIL_MOISTURE = ObservationOperator(
    "soil_moisture", {"soil_moisture": (0.0, 0.7)}, lambda s: s["soil_moisture"], error="normal, sd 0.04 m3 m-3 without bias, and a bias"
)
SOIL_MOISTURE_FROM_STORE = ObservationOperator(
    "soil_moisture_from_store",
    {"plant_available_water": (0.0, 400.0)},
    moisture_of_store,
    Store,
    quantity="soil_moisture",
    citation="linear between residual and saturated water content, as in Wagner et al. (1999), doi 10.1016/S0034-4257(99)00036-X",
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
BACKSCATTER = ObservationOperator(
    "backscatter",
    {"soil_moisture": _MOISTURE, "lai": _LEAVES},
    water_cloud,
    WaterCloud,
    citation=_CLOUD,
    error="normal, sd 0.2 dB of noise and 0.5 to 2 dB of representativeness",
)
BACKSCATTER_LEAF_AREA = ObservationOperator(
    "backscatter_leaf_area",
    {"soil_moisture": _MOISTURE, "lai": _LEAVES},
    leaf_cloud,
    LeafCloud,
    quantity="backscatter",
    citation=f"{_CLOUD}; Prévot et al. (1993), Remote Sensing of Environment 46, 331-339",
    error="normal, sd 0.2 dB of noise and 0.5 to 2 dB of representativeness",
)
