"""Light and leaves of BEPS, as both its forms have them: what an hour fixes, and one round of the search for leaf temperatures."""

from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.land.beps_declared import Forcing, Parameters, Site
from lsm_bayes.processes import clumped_canopy, clumped_radiation, harley_leaf, leaf_heat, moist_air, two_storey_air
from lsm_bayes.processes.thresholds import larger

RADIATION = 1e6 / 86400.0  # MJ m-2 d-1 to W m-2
NIGHT_STOMATA = 1e-4  # m s-1
INTERNAL = 0.7  # of the CO2 outside: before the first round and at night
ALBEDO_WIDTH = 0.002


class Canopy(NamedTuple):
    """What leaves, sun and air are in an hour."""

    air: moist_air.Air
    heat: Any  # of vaporisation, J kg-1
    up: Any  # whether the sun is up
    shortwave: Any  # W m-2
    light: clumped_radiation.Light
    leaf_area: tuple[Any, Any]  # of the storeys
    storeys: tuple[Any, Any]  # leaves and stems
    leaf: clumped_canopy.Areas
    plant: clumped_canopy.Areas
    capacity: tuple[Any, Any]
    over: clumped_radiation.Gaps
    under: clumped_radiation.Gaps


class Leaves(NamedTuple):
    """What a round finds for the four classes of leaves."""

    temperature: list[Any]  # degC
    gross: list[Any]  # umol m-2 s-1 of leaf
    stomata: list[Any]  # m s-1
    internal: list[Any]  # umol mol-1
    through: list[leaf_heat.Paths]
    net: clumped_radiation.Longwave
    sensible: Any  # of the overstorey, W m-2
    ground: Any  # resistance, s m-1


def canopy(f: Forcing, p: Parameters, site: Site) -> Canopy:
    """Return what leaves, sun and air are in an hour.

    Parameters
    ----------
    f : Forcing
        Of the hour.
    p : Parameters
        Of the site.
    site : Site
        Plants and heights.

    Returns
    -------
    Canopy
        Nothing of it depends on the states.
    """
    cosine, up = f.solar_elevation_sine, f.solar_elevation_sine > 0
    shortwave = pt.switch(up, f.shortwave_down * RADIATION, 0.0)
    over = p.lai_scale * f.lai
    under = clumped_canopy.understorey_area(over, site.plants is not None)
    storeys = over + site.stem_area[0], under + site.stem_area[1]
    gaps = (clumped_radiation.gaps(a, b, p.clumping, cosine) for a, b in zip((over, under), storeys, strict=True))
    return Canopy(
        moist_air.air(f.air_temperature, f.relative_humidity),
        moist_air.vaporisation_heat(f.air_temperature),
        up,
        shortwave,
        clumped_radiation.partition(shortwave, cosine),
        (over, under),
        storeys,
        clumped_canopy.areas(over, under, p.clumping, cosine),
        clumped_canopy.areas(*storeys, p.clumping, cosine),
        clumped_canopy.carboxylation(p.vcmax25 * p.vcmax_nitrogen_slope * p.leaf_nitrogen, over, p.clumping, cosine),
        *gaps,
    )


def albedo(site: Site, wetness: Any, white: tuple[Any, Any], leaves: tuple[Any, Any], ground: Any, soft: float) -> clumped_radiation.Albedo:
    """Return the albedo of the storeys and of the ground.

    Parameters
    ----------
    site : Site
        Albedo without snow.
    wetness : tensor
        Water of the second layer of soil, m3 m-3.
    white : tuple of tensor
        Albedo of snow, visible and near infrared.
    leaves : tuple of tensor
        Snowy part of the storeys.
    ground : tensor
        Fraction of the ground under snow.
    soft : float
        Width of the albedo of dry soil, times `ALBEDO_WIDTH`; 0: exact.

    Returns
    -------
    Albedo
        Mean of the two bands.
    """
    saturated, dry = site.ground_albedo
    least = 0.5 * site.wilting[1]
    soil = (wetness - least) / (site.porosity[1] - least)
    if soft > 0:
        soil = dry + (saturated - dry) * larger(soil, 0.0, ALBEDO_WIDTH * soft)
    else:
        soil = pt.switch(wetness < least, dry, dry + (saturated - dry) * soil)
    bands = (site.albedo, leaves[0]), (site.albedo, leaves[1]), ((2.0 / 3.0 * soil, 4.0 / 3.0 * soil), ground)
    return clumped_radiation.Albedo(
        *(0.5 * sum(clumped_radiation.blended(b, w, part) for b, w in zip(pair, white, strict=True)) for pair, part in bands)
    )


def leaves(
    c: Canopy,
    absorbed: clumped_canopy.Areas,
    stress: Any,
    wetted: tuple[Any, Any],
    start: tuple[list[Any], list[Any], list[Any] | None, Any],
    f: Forcing,
    p: Parameters,
    site: Site,
    soft: float,
) -> Leaves:
    """Return what a round finds.

    Parameters
    ----------
    c : Canopy
        Of the hour.
    absorbed : Areas
        Short waves on each class, W m-2 of leaf.
    stress : tensor
        Soil water factor.
    wetted : tuple of tensor
        Fraction of the storeys under water or snow.
    start : tuple
        Temperatures (degC), stomata (m s-1) and internal CO2 (umol mol-1) of the classes, and sensible heat of the overstorey (W m-2) from the
        round before. Without internal CO2 both limits of photosynthesis are solved; with it the source is followed.
    f, p, site, soft
        Forcing, parameters, site, and the scale of all widths.

    Returns
    -------
    Leaves
        Of this round.
    """
    last, stomata, internal, sensible = start
    air, original = c.air, internal is not None
    heights = two_storey_air.Heights(site.over_height, site.under_height, site.wind_height)
    g = two_storey_air.conductances(heights, p.clumping, air.temperature, f.wind_speed, sensible, c.storeys, soft)
    mean = [sum(last[i + j] * c.plant[i + j] for j in (0, 1)) / c.storeys[i // 2] for i in (0, 2)]
    long = clumped_radiation.net_longwave(
        air.temperature, air.vapour_pressure, c.over, c.under, (mean[0], mean[1], air.temperature), 0.01 * soft
    )
    now, gross, opened, inside, through = [], [], [], [], []
    for i in range(4):
        above, boundary = (g.over, g.over_leaf) if i < 2 else (g.under, g.under_leaf)
        storey = c.storeys[i // 2]
        if original:  # a class without area gets the long waves of the storey
            storey = pt.switch(c.plant[i] > 0, storey, 1.0)
        net = absorbed[i] + long[i // 2] / storey
        before = leaf_heat.paths(above, boundary, stomata[i])
        latent = leaf_heat.latent(air, last[i], before.stomatal)
        humidity = harley_leaf.surface_humidity(air.temperature, last[i], air.vapour_pressure, boundary, latent)
        supply = harley_leaf.supply(boundary, humidity, air.temperature, p.stomatal_slope, p.stomatal_intercept, stress, f.co2)
        rates = harley_leaf.kinetics(air.temperature, absorbed[i], c.capacity[i % 2], soft)
        ci = internal[i] if internal is not None else None
        made = harley_leaf.exchange(rates, supply, ci, air.temperature, original=original, soft=soft)
        opened.append(pt.switch(c.up, made.conductance, NIGHT_STOMATA))
        gross.append(pt.switch(c.up, made.assimilation, 0.0))
        inside.append(pt.switch(c.up, made.internal_co2, INTERNAL * f.co2))
        through.append(leaf_heat.paths(above, boundary, opened[i]))
        now.append(leaf_heat.temperature(air, net, through[i], wetted[i // 2], soft))
    heat = sum(c.plant[i] * leaf_heat.sensible(air, now[i], through[i].heat) for i in (0, 1))
    return Leaves(now, gross, opened, inside, through, long, heat, g.ground)


def per_ground(c: Canopy, found: Leaves) -> tuple[list[Any], list[Any]]:
    """Return the latent heat of the storeys through stomata and from wholly wet leaves, W m-2 of ground.

    Parameters
    ----------
    c : Canopy
        Of the hour.
    found : Leaves
        Of the last round.

    Returns
    -------
    tuple
        Overstorey and understorey each; stems are as wet as leaves.
    """
    stomatal, wet = [], []
    for both in ((0, 1), (2, 3)):
        stomatal.append(sum(c.leaf[i] * leaf_heat.latent(c.air, found.temperature[i], found.through[i].stomatal) for i in both))
        wet.append(sum(c.plant[i] * leaf_heat.latent(c.air, found.temperature[i], found.through[i].wet) for i in both))
    return stomatal, wet
