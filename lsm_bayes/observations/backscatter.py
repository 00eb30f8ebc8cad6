"""Backscatter of radars over land: vegetation as a cloud of drops above a soil."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.declare import Parameter, Prior, extending
from lsm_bayes.observations.angles import cosine
from lsm_bayes.observations.leaf_area import mid_step
from lsm_bayes.observations.operator import ObservationOperator


class WaterCloud(NamedTuple):
    """Scattering of vegetation as a cloud of drops over a soil whose backscatter in dB is linear in its moisture."""

    # One parameter a line.
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


def _backscatter(series: Mapping[str, Any], opaque: Any, p: Any) -> Any:
    along = cosine(p.incidence_angle)
    two_way = pt.exp(-2.0 * p.attenuation * mid_step(series["lai"]) / along)
    soil = 10.0 ** ((p.dry_soil + p.soil_sensitivity * series["soil_moisture"]) / 10.0)
    return 10.0 * pt.log10(opaque * along * (1.0 - two_way) + two_way * soil)


def water_cloud(series: Mapping[str, Any], p: WaterCloud) -> Any:
    """Add the backscatter of vegetation and of the soil under it (form after Attema & Ulaby 1978).

    Parameters
    ----------
    series : mapping of str to tensor
        ``soil_moisture``, m3 m-3; ``lai``, m2 m-2, at the start of each step, for the water of the vegetation.
    p : WaterCloud
        Its coefficients.

    Returns
    -------
    tensor
        dB of A cos (1 - g2) + g2 10^((C + D theta) / 10) with g2 = exp(-2 B LAI / cos): the form of public codes of the model, with 1 and
        the leaf area for its two descriptors of vegetation. Not compared with the paper, whose soil term may differ.
    """
    return _backscatter(series, p.vegetation_scattering, p)


def leaf_cloud(series: Mapping[str, Any], p: Any) -> Any:
    """Let the backscatter of opaque vegetation grow with leaf area (form after Prévot et al. 1993; not checked in the paper).

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


_CLOUD = "form after Attema & Ulaby (1978), doi 10.1029/RS013i002p00357"
_INPUTS = {"soil_moisture": (0.02, 0.5), "lai": (0.0, 6.0)}

BACKSCATTER = ObservationOperator(
    "backscatter",
    _INPUTS,
    water_cloud,
    WaterCloud,
    citation=_CLOUD,
    error="normal, sd 0.2 dB of noise and 0.5 to 2 dB of representativeness",
)
BACKSCATTER_LEAF_AREA = ObservationOperator(
    "backscatter_leaf_area",
    _INPUTS,
    leaf_cloud,
    LeafCloud,
    quantity="backscatter",
    citation=f"{_CLOUD}; Prévot et al. (1993), Remote Sens. Environ. 46, 331-339: scattering with leaf area, soil linear in dB",
    error="normal, sd 0.2 dB of noise and 0.5 to 2 dB of representativeness",
)
