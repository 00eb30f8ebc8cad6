"""Reflectance of the land surface in the red and the near infrared, and the vegetation index of the two.

Leaf area is clumped; the brightness of soil does not follow its wetness, and there is no snow. Under a uniform sky, or in the beam of the sun.
"""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from lsm_bayes.declare import Parameter, Prior, extending
from lsm_bayes.observations.angles import cosine
from lsm_bayes.observations.fapar import Canopy, absorbed_fraction
from lsm_bayes.observations.leaf_area import mid_step
from lsm_bayes.observations.operator import ObservationOperator
from lsm_bayes.observations.two_stream import black_sky, white_sky

# One parameter a line.
# fmt: off
Orientation = Annotated[float, Parameter("1", (-0.4, 0.6), "orientation of leaves: -1 vertical, 0 spherical, 1 horizontal (Ross)", Prior("normal", 0.1, 0.2), level="pft")]
LeafRed = Annotated[float, Parameter("1", (0.02, 0.2), "reflectance of a leaf in the red", Prior("log_normal", 0.07, 0.3), level="pft")]
LeafNir = Annotated[float, Parameter("1", (0.25, 0.6), "reflectance of a leaf in the near infrared", Prior("normal", 0.44, 0.05), level="pft")]
ThroughRed = Annotated[float, Parameter("1", (0.005, 0.15), "transmittance of a leaf in the red", Prior("log_normal", 0.04, 0.4), level="pft")]
ThroughNir = Annotated[float, Parameter("1", (0.05, 0.35), "transmittance of a leaf in the near infrared", Prior("normal", 0.25, 0.06), level="pft")]
SoilRed = Annotated[float, Parameter("1", (0.01, 0.5), "reflectance of soil in the red", Prior("log_normal", 0.12, 0.4), level="site")]
SoilNir = Annotated[float, Parameter("1", (0.02, 0.6), "reflectance of soil in the near infrared", Prior("log_normal", 0.2, 0.4), level="site")]


class Structure(NamedTuple):
    """What both bands see of the canopy."""

    leaf_orientation: Orientation = 0.1
    clumping: Annotated[float, Parameter("1", (0.4, 1.0), "clumping index: effective over true leaf area", Prior("normal", 0.75, 0.15), level="pft")] = 0.75


@extending(Structure)
class RedBand(NamedTuple):
    """Leaves and soil in the red."""

    leaf_reflectance_red: LeafRed = 0.07
    leaf_transmittance_red: ThroughRed = 0.04
    soil_reflectance_red: SoilRed = 0.12


@extending(Structure)
class NirBand(NamedTuple):
    """Leaves and soil in the near infrared."""

    leaf_reflectance_nir: LeafNir = 0.44
    leaf_transmittance_nir: ThroughNir = 0.25
    soil_reflectance_nir: SoilNir = 0.2


@extending(RedBand)
class TwoBands(NamedTuple):
    """Leaves and soil in both bands."""

    leaf_reflectance_nir: LeafNir = 0.44
    leaf_transmittance_nir: ThroughNir = 0.25
    soil_reflectance_nir: SoilNir = 0.2


@extending(Canopy)
class Linear(NamedTuple):
    """Absorbed light and a line."""

    offset: Annotated[float, Parameter("1", (-0.3, 0.5), "index of ground without green leaves", Prior("normal", 0.1, 0.1), level="pft")] = 0.1
    gain: Annotated[float, Parameter("1", (0.3, 1.5), "change of the index from no to full absorption of light", Prior("normal", 0.8, 0.15), level="pft")] = 0.8
# fmt: on


def _band(p: Any, band: str) -> tuple[tuple[Any, Any], Any, Any]:
    leaf = getattr(p, f"leaf_reflectance_{band}"), getattr(p, f"leaf_transmittance_{band}")
    return leaf, getattr(p, f"soil_reflectance_{band}"), p.leaf_orientation


def diffuse_reflectance(series: Mapping[str, Any], p: Any, band: str) -> Any:
    """Return the reflectance under a uniform sky in one band.

    Parameters
    ----------
    series : mapping of str to tensor
        ``lai``, m2 m-2, at the start of each step.
    p : RedBand, NirBand or TwoBands
        Leaves and soil.
    band : {"red", "nir"}
        Which.

    Returns
    -------
    tensor
        0 to 1.
    """
    return white_sky(p.clumping * mid_step(series["lai"]), *_band(p, band))


def beam_reflectance(series: Mapping[str, Any], p: Any, band: str) -> Any:
    """Return the reflectance of the beam of the sun in one band.

    Parameters
    ----------
    series : mapping of str to tensor
        ``lai``, m2 m-2, at the start of each step, and ``sun_zenith_angle``, degree, at the overpass.
    p : RedBand, NirBand or TwoBands
        Leaves and soil.
    band : {"red", "nir"}
        Which.

    Returns
    -------
    tensor
        0 to 1.
    """
    return black_sky(p.clumping * mid_step(series["lai"]), cosine(series["sun_zenith_angle"]), *_band(p, band))


def normalised_difference(red: Any, nir: Any) -> Any:
    """Return the vegetation index of two reflectances.

    Parameters
    ----------
    red, nir : tensor
        Reflectance in the red and in the near infrared.

    Returns
    -------
    tensor
        (nir - red) / (nir + red), -1 to 1 (Tucker 1979).
    """
    return (nir - red) / (nir + red)


def linear_index(series: Mapping[str, Any], p: Any) -> Any:
    """Return the vegetation index as a line of the absorbed fraction of light.

    MacBean et al. (2015) take the index as linear in the simulated absorbed fraction of light.

    Parameters
    ----------
    series : mapping of str to tensor
        ``lai``, m2 m-2, at the start of each step.
    p : Linear
        Offset, gain, and extinction and clumping of the absorbed fraction.

    Returns
    -------
    tensor
        offset + gain fAPAR.
    """
    return p.offset + p.gain * absorbed_fraction(series, p)


_DIFFUSE = {"lai": (0.0, 8.0)}
_BEAM = {"lai": (0.0, 8.0), "sun_zenith_angle": (0.0, 75.0)}
_SELLERS = "Sellers (1985), Int. J. Remote Sens. 6, 1335-1372, doi 10.1080/01431168508948283"
_ERROR = "normal, sd 5 to 10 % of the value plus 0.005, alike in both bands on a day"
_INDEX_ERROR = "normal, sd 0.02 to 0.05, and a gain and an offset by product"

REFLECTANCE_RED = ObservationOperator(
    "reflectance_red", _DIFFUSE, lambda s, p: diffuse_reflectance(s, p, "red"), RedBand, citation=_SELLERS, error=_ERROR
)
REFLECTANCE_NIR = ObservationOperator(
    "reflectance_nir", _DIFFUSE, lambda s, p: diffuse_reflectance(s, p, "nir"), NirBand, citation=_SELLERS, error=_ERROR
)
REFLECTANCE_RED_BEAM = ObservationOperator(
    "reflectance_red_beam",
    _BEAM,
    lambda s, p: beam_reflectance(s, p, "red"),
    RedBand,
    quantity="reflectance_red",
    citation=_SELLERS,
    error=_ERROR,
)
REFLECTANCE_NIR_BEAM = ObservationOperator(
    "reflectance_nir_beam",
    _BEAM,
    lambda s, p: beam_reflectance(s, p, "nir"),
    NirBand,
    quantity="reflectance_nir",
    citation=_SELLERS,
    error=_ERROR,
)
NDVI = ObservationOperator(
    "ndvi",
    _DIFFUSE,
    lambda s, p: normalised_difference(diffuse_reflectance(s, p, "red"), diffuse_reflectance(s, p, "nir")),
    TwoBands,
    citation=f"Tucker (1979), doi 10.1016/0034-4257(79)90013-0; {_SELLERS}",
    error=_INDEX_ERROR,
)
NDVI_BEAM = ObservationOperator(
    "ndvi_beam",
    _BEAM,
    lambda s, p: normalised_difference(beam_reflectance(s, p, "red"), beam_reflectance(s, p, "nir")),
    TwoBands,
    quantity="ndvi",
    citation=f"Tucker (1979), doi 10.1016/0034-4257(79)90013-0; {_SELLERS}",
    error=_INDEX_ERROR,
)
NDVI_LINEAR = ObservationOperator(
    "ndvi_linear",
    _DIFFUSE,
    linear_index,
    Linear,
    quantity="ndvi",
    citation="MacBean et al. (2015), Biogeosciences 12, 7185-7208, doi 10.5194/bg-12-7185-2015: index linear in absorbed light",
    error=_INDEX_ERROR,
)
