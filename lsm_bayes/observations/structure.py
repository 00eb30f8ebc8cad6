"""Biomass above ground, height of the canopy, and relative heights of lidar waveforms."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.declare import Parameter, Prior, extending
from lsm_bayes.observations.leaf_area import mid_step
from lsm_bayes.observations.operator import ObservationOperator

KILOGRAM = 1e-3  # kg in 1 g

# One parameter a line.
# fmt: off
Belowground = Annotated[float, Parameter("1", (0.05, 0.5), "coarse roots as a fraction of wood carbon", Prior("normal", 0.22, 0.05), level="pft")]


class DryMatter(NamedTuple):
    """From carbon to dry matter above ground."""

    belowground_fraction: Belowground = 0.22
    carbon_fraction: Annotated[float, Parameter("1", (0.4, 0.55), "carbon in dry matter", Prior("normal", 0.47, 0.02), level="global")] = 0.47


class Allometry(NamedTuple):
    """Height of a stand; roots and scale are not told apart by this stream."""

    belowground_fraction: Belowground = 0.22
    height_scale: Annotated[float, Parameter("m", (2.0, 20.0), "height of a canopy with 1 kgC m-2 of wood above ground", Prior("log_normal", 8.0, 0.3), level="pft")] = 8.0
    height_exponent: Annotated[float, Parameter("1", (0.15, 0.8), "exponent of height with wood above ground", Prior("normal", 0.4, 0.08), level="pft")] = 0.4


@extending(Allometry)
class Waveform(NamedTuple):
    """Profile of leaves and how they and the ground return light."""

    nadir_extinction: Annotated[float, Parameter("1", (0.15, 0.8), "area projected on the ground per leaf area, clumping included", Prior("normal", 0.4, 0.1), level="pft")] = 0.4
    top_heaviness: Annotated[float, Parameter("1", (-0.9, 0.9), "leaf area density at the top minus at the ground, over their sum", Prior("normal", 0.4, 0.25), level="pft")] = 0.4
    ground_to_leaf: Annotated[float, Parameter("1", (0.2, 2.0), "reflectance of ground over that of leaves at the wavelength of the laser", Prior("log_normal", 0.67, 0.3), level="site")] = 0.67
# fmt: on


def dry_matter(series: Mapping[str, Any], p: DryMatter) -> Any:
    """Return the biomass above ground.

    Parameters
    ----------
    series : mapping of str to tensor
        ``wood_carbon``, coarse roots included, and ``foliage_carbon``, gC m-2.
    p : DryMatter
        Part below ground and carbon in dry matter.

    Returns
    -------
    tensor
        Dry matter, kg m-2; 1 kg m-2 is 10 Mg ha-1.
    """
    above = (1.0 - p.belowground_fraction) * series["wood_carbon"] + series["foliage_carbon"]
    return above * KILOGRAM / p.carbon_fraction


def height(series: Mapping[str, Any], p: Any) -> Any:
    """Return the height of the canopy.

    Parameters
    ----------
    series : mapping of str to tensor
        ``wood_carbon``, coarse roots included, gC m-2, above 0.
    p : Allometry or Waveform
        Scale and exponent.

    Returns
    -------
    tensor
        h = a W^b, m, with W in kgC m-2 above ground. TRIFFID has b = 0.4 and a = 7.7 m for broadleaf trees (Cox 2001;
        the exponent follows from the allometry in JULES's source, a from its parameters, which were not looked up).
    """
    return p.height_scale * ((1.0 - p.belowground_fraction) * KILOGRAM * series["wood_carbon"]) ** p.height_exponent


def relative_height(series: Mapping[str, Any], p: Any, share: float) -> Any:
    """Return the height below which a share of the energy of a lidar waveform returns.

    Light that passes a gap down to height z has the probability P(z); leaves return the part that they intercept, the ground the rest
    (after Ni-Meister et al. 2001), so that energy from above z is 1 - P(z) and the ground returns r P(0). Leaf area density changes linearly
    from the ground to the top; P is then inverted in closed form. The pulse is infinitely short.

    Parameters
    ----------
    series : mapping of str to tensor
        ``wood_carbon``, gC m-2, above 0, and ``lai``, m2 m-2, at the start of each step.
    p : Waveform
        Height, profile and reflectances.
    share : float
        0 to 1.

    Returns
    -------
    tensor
        m above ground. 0, with derivatives of 0, where the ground alone returns that share; the slope with leaf area jumps there, the height
        does not. A real pulse has a width, so that lidars report heights below 0 over open ground and under thin canopies, most of all for
        25 %: leave out observations below the width of the pulse, or use a higher percentage.
    """
    depth = p.nadir_extinction * mid_step(series["lai"])
    through = pt.exp(-depth)
    gap = 1.0 - (1.0 - share) * (1.0 - through + p.ground_to_leaf * through)
    on_ground = gap <= through
    # Fraction of the leaf area below; replaced where it is not used, because without leaves its derivatives are not numbers.
    below = 1.0 + pt.log(pt.switch(on_ground, 1.0, gap)) / pt.switch(on_ground, 1.0, depth)
    sparse = 1.0 - p.top_heaviness
    level = 2.0 * below / (sparse + pt.sqrt(sparse**2 + 4.0 * p.top_heaviness * below))
    return height(series, p) * pt.switch(on_ground, 0.0, level)


_WOOD = (100.0, 25000.0)
_PERCENTILES = {25: "3 to 5 m", 50: "3 to 5 m", 75: "2 to 4 m", 98: "2 to 4 m"}
_NI_MEISTER = "Ni-Meister et al. (2001), IEEE Trans. Geosci. Remote Sens. 39, 1943-1958, doi 10.1109/36.951085: gap probability; height as canopy_height"

ABOVEGROUND_BIOMASS = ObservationOperator(
    "aboveground_biomass",
    {"wood_carbon": _WOOD, "foliage_carbon": (0.0, 1000.0)},
    dry_matter,
    DryMatter,
    citation="IPCC (2006), Guidelines for National Greenhouse Gas Inventories, vol. 4, ch. 4, tables 4.3 and 4.4",
    error="log-normal, 20 to 50 % of the value, and a bias that is alike over regions",
)
CANOPY_HEIGHT = ObservationOperator(
    "canopy_height",
    {"wood_carbon": _WOOD},
    height,
    Allometry,
    citation="Cox (2001), Hadley Centre Technical Note 24; Clark et al. (2011), doi 10.5194/gmd-4-701-2011: height as a power of wood carbon",
    error="normal, sd 2 to 4 m",
)
RELATIVE_HEIGHT_25, RELATIVE_HEIGHT_50, RELATIVE_HEIGHT_75, RELATIVE_HEIGHT_98 = (
    ObservationOperator(
        f"relative_height_{percent}",
        {"wood_carbon": _WOOD, "lai": (0.0, 8.0)},
        partial(relative_height, share=0.01 * percent),
        Waveform,
        citation=_NI_MEISTER,
        error=f"normal, sd {error}",
    )
    for percent, error in _PERCENTILES.items()
)
