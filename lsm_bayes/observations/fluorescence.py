"""Sun-induced chlorophyll fluorescence at the top of the canopy, as means of a step.

Products that report the radiance at the overpass have to be scaled to a daily mean with the course of sunlight (Frankenberg et al. 2011).
"""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import numpy as np

from lsm_bayes.declare import Parameter, Prior, extending
from lsm_bayes.observations.fapar import Canopy, absorbed_fraction
from lsm_bayes.observations.operator import ObservationOperator
from lsm_bayes.observations.reflectance import TwoBands, diffuse_reflectance, normalised_difference

MILLIWATTS = 1e9 / 86400.0  # mW m-2 in 1 MJ m-2 d-1

# One parameter a line.
# fmt: off
Yield = Annotated[float, Parameter("nm-1", (5e-6, 5e-4), "fluorescence that leaves emit in the band per light absorbed, energies", Prior("log_normal", 5e-5, 0.5), level="pft")]
ParFraction = Annotated[float, Parameter("1", (0.4, 0.52), "photosynthetically active part of shortwave radiation, energies", Prior("normal", 0.46, 0.02), level="global")]


class Line(NamedTuple):
    """Fluorescence against photosynthesis."""

    slope: Annotated[float, Parameter("mW d nm-1 sr-1 gC-1", (0.02, 0.6), "fluorescence per gross primary production", Prior("log_normal", 0.12, 0.4), level="pft")] = 0.12
    offset: Annotated[float, Parameter("mW m-2 nm-1 sr-1", (-0.5, 0.5), "fluorescence without photosynthesis, offset of the retrieval included", Prior("normal", 0.0, 0.1), level="pft")] = 0.0


@extending(Canopy)
class Emission(NamedTuple):
    """Absorption of light and emission; only the product of yield, escape probability and PAR fraction is seen by this stream."""

    fluorescence_yield: Yield = 5e-5
    escape_probability: Annotated[float, Parameter("1", (0.1, 0.95), "fraction of the emitted fluorescence that leaves the canopy upwards", Prior("normal", 0.5, 0.15), level="pft")] = 0.5
    par_fraction: ParFraction = 0.46


@extending(TwoBands)
class ReflectedEmission(NamedTuple):
    """Emission from leaves that are seen as well as near-infrared light is reflected."""

    fluorescence_yield: Yield = 5e-5
    par_fraction: ParFraction = 0.46
# fmt: on


def linear(series: Mapping[str, Any], p: Line) -> Any:
    """Return fluorescence as a line of photosynthesis.

    Parameters
    ----------
    series : mapping of str to tensor
        ``gpp``, gC m-2 d-1.
    p : Line
        Slope and offset, which depend on the instrument and its wavelength.

    Returns
    -------
    tensor
        mW m-2 nm-1 sr-1.
    """
    return p.slope * series["gpp"] + p.offset


def _emitted(series: Mapping[str, Any], p: Any) -> Any:
    """Fluorescence per fraction of light absorbed, mW m-2 nm-1 sr-1: light that leaves in all directions alike has 1/pi per steradian."""
    return series["shortwave_down"] * MILLIWATTS * p.par_fraction * p.fluorescence_yield / np.pi


def light_use(series: Mapping[str, Any], p: Any) -> Any:
    """Return fluorescence as absorbed light times yield times escape probability.

    Parameters
    ----------
    series : mapping of str to tensor
        ``shortwave_down``, MJ m-2 d-1, and ``lai``, m2 m-2, at the start of each step.
    p : Emission
        Absorption and emission; the yield does not follow stress.

    Returns
    -------
    tensor
        mW m-2 nm-1 sr-1: PAR fAPAR phi f_esc / pi. Lee et al. (2015) have absorbed light and a yield that follows photochemistry, over a
        factor of carboxylation capacity in place of the escape (as in ClimaLand's source); Bacour et al. (2019) were not looked up.
    """
    return _emitted(series, p) * absorbed_fraction(series, p) * p.escape_probability


def reflected(series: Mapping[str, Any], p: Any) -> Any:
    """Return near-infrared fluorescence that escapes as near-infrared light does.

    With f_esc = NIRv / fAPAR (after Zeng et al. 2019; number of the equation not checked) the absorbed fraction cancels. NIRv is that of hemispherical reflectances, not of the angle of view.

    Parameters
    ----------
    series : mapping of str to tensor
        ``shortwave_down``, MJ m-2 d-1, and ``lai``, m2 m-2, at the start of each step.
    p : ReflectedEmission
        Leaves, soil and emission.

    Returns
    -------
    tensor
        mW m-2 nm-1 sr-1: PAR NIRv phi / pi, NIRv = NDVI times near-infrared reflectance.
    """
    red, nir = diffuse_reflectance(series, p, "red"), diffuse_reflectance(series, p, "nir")
    return _emitted(series, p) * normalised_difference(red, nir) * nir


_LIGHT = {"shortwave_down": (0.0, 35.0), "lai": (0.0, 8.0)}
_ERROR = "normal, sd of a sounding over the root of their number, and a scale by biome"

SIF_LINEAR = ObservationOperator(
    "sif_linear",
    {"gpp": (0.0, 25.0)},
    linear,
    Line,
    quantity="sif",
    citation="Frankenberg et al. (2011), doi 10.1029/2011GL048738; Guanter et al. (2012), doi 10.1016/j.rse.2012.02.006; MacBean et al. (2018), doi 10.1038/s41598-018-20024-w",
    error=_ERROR,
)
SIF_LIGHT_USE = ObservationOperator(
    "sif_light_use",
    _LIGHT,
    light_use,
    Emission,
    quantity="sif",
    citation="after Lee et al. (2015), doi 10.1111/gcb.12948; Bacour et al. (2019), doi 10.1029/2019JG005040: absorbed light times a constant yield and escape",
    error=_ERROR,
)
SIF_NIRV = ObservationOperator(
    "sif_nirv",
    _LIGHT,
    reflected,
    ReflectedEmission,
    quantity="sif",
    citation="Zeng et al. (2019), Remote Sens. Environ. 232, 111209, doi 10.1016/j.rse.2019.05.028: escape ratio NIRv / fAPAR",
    error=_ERROR,
)
