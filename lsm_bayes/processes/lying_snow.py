"""Density, albedo and melt of snow on the ground, as in BEPS (Chen et al. 2007, doi 10.1016/j.ecolmodel.2006.08.023).

Traps of the source: the latent heat of fusion is ten times the physical one, thick snow melts or freezes only in the step in which its
temperature changes sign, and snow ages only while it snows.
"""

from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.smoothing import positive_part
from lsm_bayes.processes.thresholds import smaller

SETTLED = 250.0  # kg m-3
SETTLING = 0.001  # h-1
OLD = (0.70, 0.42)  # albedo, visible and near infrared
NEW = (0.94, 0.80)
AGEING = 0.005  # h-1
COVERED = 0.05  # m, depth that is seen as full cover
COVER_WIDTH = 0.02
THIN = 0.02  # m
MELT_RATE = 0.0075 * 0.3  # kg m-2 h-1 K-1
FUSION = 3.34e6  # J kg-1, as in the source
ICE = 2228.261  # J kg-1 K-1
SKIN = 0.02  # m


class Snow(NamedTuple):
    """Snow on the ground."""

    mass: Any  # kg m-2
    depth: Any  # m
    density: Any  # kg m-3
    visible: Any  # albedo
    infrared: Any  # albedo


def fresh_density(temperature: Any) -> Any:
    """Return the density of new snow.

    Parameters
    ----------
    temperature : tensor
        Of the air, degC; at most 0 counts.

    Returns
    -------
    tensor
        kg m-3 (Hedstrom & Pomeroy 1998, doi 10.1002/(SICI)1099-1085(199808/09)12:10/11<1611::AID-HYP684>3.0.CO;2-4).
    """
    return 67.9 + 51.3 * pt.exp(-positive_part(-temperature) / 2.6)


def accumulated(
    s: Snow, falling: Any, reaching: Any, temperature: Any, seconds: Any, *, original: bool = True, soft: float = 0.0
) -> tuple[Snow, Any]:
    """Let snow fall on the ground and settle.

    Parameters
    ----------
    s : Snow
        Before.
    falling, reaching : tensor
        Snowfall above the canopy and below it, kg m-2 s-1.
    temperature : tensor
        Of the air, degC.
    seconds : tensor
        Step length.
    original : bool
        Snow ages only while it snows, as in the source; otherwise while it does not.
    soft : float
        Width of full cover, times `COVER_WIDTH`; 0: exact.

    Returns
    -------
    tuple
        Snow after the step, and the fraction of the ground that it changes the albedo of.
    """
    hours = seconds / 3600.0
    fresh = fresh_density(temperature)
    added = reaching * seconds / fresh
    mass = s.mass + reaching * seconds
    settled = SETTLED + (s.density - SETTLED) * pt.exp(-SETTLING * hours)
    some = added > 0
    mixed = (s.density * s.depth + fresh * added) / pt.switch(some, s.depth + added, 1.0)
    density = pt.switch(some, mixed, settled)
    ageing = pt.exp(-AGEING * hours)
    ages = falling > 0 if original else falling <= 0
    albedo = [pt.switch(ages, old + (a - old) * ageing, new) for a, old, new in zip((s.visible, s.infrared), OLD, NEW, strict=True)]
    return Snow(mass, mass / density, density, *albedo), smaller(mass / (COVERED * density), 1.0, COVER_WIDTH * soft)


def melted(s: Snow, pond: Any, temperature: Any, now: Any, before: Any, seconds: float, water: float) -> tuple[Snow, Any]:
    """Let snow melt and water on the ground freeze.

    Parameters
    ----------
    s : Snow
        Before.
    pond : tensor
        Water on the ground, m.
    temperature : tensor
        Of the air, degC: thin snow melts with it.
    now, before : tensor
        Temperature of the snow surface now and in the step before, degC: thick snow melts or freezes when it changes sign.
    seconds : float
        Step length.
    water : float
        Density of water, kg m-3.

    Returns
    -------
    tuple
        Snow and pond (m) after it; all water on the ground freezes at once.
    """
    thin = s.depth <= THIN
    slow = smaller(MELT_RATE * positive_part(temperature) * (seconds / 3600.0), s.mass)
    content = smaller(s.mass * SKIN * ICE * positive_part(now) / FUSION, s.mass)
    thawing, freezing = pt.and_(now > 0, before <= 0), pt.and_(now < 0, before >= 0)
    melt = pt.switch(thin, slow, pt.switch(thawing, content, 0.0))
    froze = pt.switch(pt.and_(pt.invert(thin), freezing), pond * water, 0.0)
    mass = s.mass - melt + froze
    return s._replace(mass=mass, depth=mass / s.density), pond + (melt - froze) / water
