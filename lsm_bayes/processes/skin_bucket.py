"""One bucket of soil water below a skin that evaporates and a canopy that holds rain back: BETHY.

Knorr (1997, 2000), doi 10.1046/j.1365-2699.2000.00159.x, and the public source of CCDAS: BETHY. The skin, the uppermost millimetres, is not
a store beside the bucket: it only says how wet the surface is. Water is mm, fluxes are mm d-1.
"""

from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.smoothing import capped, floored, quadratic_minimum
from lsm_bayes.processes.thresholds import smaller

CANOPY_CAPACITY = 0.1  # mm per leaf area
SKIN = 5.0  # mm
INFILTRATION = 100.0  # mm d-1, largest
WIDTH, DRIP_WIDTH = 0.1, 1e-3  # mm: over which the bucket and the canopy fill and empty


class Stores(NamedTuple):
    """Water, mm."""

    canopy: Any
    skin: Any
    bucket: Any


class Day(NamedTuple):
    """Stores after a day, and fluxes, mm d-1."""

    stores: Stores
    throughfall: Any
    interception: Any  # evaporation of rain that the canopy held back
    transpiration: Any
    soil_evaporation: Any
    infiltration: Any
    runoff: Any


def intercepted_share(lai: Any, cover: Any, *, as_transmitted: bool = False) -> Any:
    """Return the fraction of rain that falls on leaves.

    Parameters
    ----------
    lai : tensor
        m2 m-2.
    cover : tensor
        Fraction of the ground under crowns.
    as_transmitted : bool
        Take the fraction that falls between the leaves below the crowns for it, as the source does.

    Returns
    -------
    tensor
        0 to `cover`.
    """
    between = pt.exp(-0.5 * lai / floored(cover, 1e-6, 1e-5))
    return cover * (between if as_transmitted else 1.0 - between)


def skin_wetness(skin: Any, capacity: Any = None) -> Any:
    """Return by how much soil evaporation is below its potential.

    Parameters
    ----------
    skin : tensor
        Water in the skin, mm.
    capacity : tensor, optional
        Of a bucket that may be smaller than the skin, mm.

    Returns
    -------
    tensor
        0 to 1.
    """
    return skin / (SKIN if capacity is None else smaller(capacity, SKIN))


def _infiltrated(bucket: Any, capacity: Any, arriving: Any) -> Any:
    # What a full bucket cannot hold on to runs off at 0.04 mm a day.
    return capped(capped(capacity - bucket, arriving, WIDTH), INFILTRATION, WIDTH)


def day(
    stores: Stores,
    capacity: Any,
    rain: Any,
    melt: Any,
    lai: Any,
    share: Any,
    interception: Any,
    transpiration: Any,
    soil_evaporation: Any,
) -> Day:
    """Return the stores after a day. Water is conserved.

    Parameters
    ----------
    stores : Stores
        At the start.
    capacity : tensor
        Of the bucket, mm.
    rain, melt : tensor
        mm d-1.
    lai : tensor
        m2 m-2.
    share : tensor
        Fraction of rain that the canopy intercepts.
    interception, transpiration, soil_evaporation : tensor
        mm d-1, which the stores can give: evaporation of intercepted water is less than what the canopy holds and intercepts.

    Returns
    -------
    Day
        Stores and fluxes.
    """
    held = stores.canopy + share * rain - interception
    drip = held - quadratic_minimum(held, CANOPY_CAPACITY * lai, 0.99)
    through = drip + (1.0 - share) * rain
    arriving = through + melt
    infiltrated = _infiltrated(stores.bucket, capacity, arriving)
    taken = transpiration + soil_evaporation
    skin = floored(capped(stores.skin + arriving - taken, SKIN, WIDTH), 0.0, WIDTH)
    after = Stores(held - drip, skin, stores.bucket + infiltrated - taken)
    return Day(after, through, interception, transpiration, soil_evaporation, infiltrated, arriving - infiltrated)


def day_of_source(
    stores: Stores, capacity: Any, precipitation: Any, melt: Any, lai: Any, share: Any, transpired: Any, canopy: Any, soil: Any
) -> Day:
    """Return the stores after a day as the source has it.

    Parameters
    ----------
    stores : Stores
        At the start.
    capacity : tensor
        Of the bucket, mm.
    precipitation, melt : tensor
        mm d-1. Precipitation includes snow, which is thus counted twice.
    lai : tensor
        m2 m-2.
    share : tensor
        Fraction of precipitation that the canopy intercepts.
    transpired : tensor
        Transpiration of a dry canopy, mm d-1.
    canopy, soil : tensor
        Potential evaporation of canopy and soil, mm d-1.

    Returns
    -------
    Day
        Water that a bucket below zero would lack is added to soil evaporation, of which it should be taken.
    """
    held = stores.canopy + share * precipitation
    drip = floored(held - CANOPY_CAPACITY * lai, 0.0, DRIP_WIDTH)
    interception = capped(canopy * share, held - drip, DRIP_WIDTH)
    through = drip + (1.0 - share) * precipitation
    transpiration = floored(transpired - interception, 1e-6, 1e-3)
    evaporation = skin_wetness(stores.skin, capacity) * soil
    arriving = through + melt
    skin = floored(capped(stores.skin + arriving - evaporation - transpiration, smaller(capacity, SKIN), WIDTH), 0.0, WIDTH)
    infiltrated = _infiltrated(stores.bucket, capacity, arriving)
    following = stores.bucket + infiltrated - evaporation - transpiration
    bucket = floored(following, 0.0, WIDTH)
    after = Stores(held - drip - interception, skin, bucket)
    return Day(after, through, interception, transpiration, evaporation + (bucket - following), infiltrated, arriving - infiltrated)
