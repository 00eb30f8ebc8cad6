"""Snow, water and heat of the soil of DALEC 1100. `dalec_1100.py` says what the model is and declares it."""

import math
from itertools import pairwise
from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes import snow, soil_column, soil_heat
from lsm_bayes.processes.thresholds import clipped, positive_part

KELVIN = 273.15
DAY = 86400.0
STEFAN_BOLTZMANN = 5.67e-8  # W m-2 K-4
SNOW_ALBEDO = 0.9
GEOTHERMAL = 0.105  # W m-2
LEAST_LEFT = 1e-6


class Form(NamedTuple):
    """Choices in the equations: what the C source does otherwise, and the width of the one event."""

    pi: float = math.pi
    heat: soil_heat.Constants = soil_heat.EXACT
    implicit: bool = True  # flows of heat and water between layers
    metres_per_mpa: float = soil_column.METRES_PER_MPA
    limited: bool = True  # no layer loses more liquid water than it has
    misbooked_overflow: bool = False  # water beyond the pores of layer 2 is taken for drainage of layer 1, and takes heat from there
    period: float | None = 365.25 / 12  # d, in which declared fractions of a step happen; None: in a step, whatever its length
    least_demand: float = 1e-6  # gC m-2 or gC m-2 d-1, added to demands of carbon: what dead plants want is rounding
    yield_residue: float = 0.0  # carbon left as litter per carbon harvested
    thaw_width: float = 0.0  # liquid fraction over which hydraulic mortality sets in; 0: at once, with the last ice


class Soil(NamedTuple):
    """Layers at the start of a step, one number a layer."""

    capacity: tuple[Any, ...]  # mm
    thickness: tuple[Any, ...]  # m
    dry: tuple[Any, ...]  # J m-2 K-1
    wetness: tuple[Any, ...]
    water: tuple[Any, ...]  # mm
    energy: tuple[Any, ...]  # J m-2
    temperature: tuple[Any, ...]  # K
    liquid: tuple[Any, ...]
    potential: tuple[Any, ...]  # MPa


def left_after(form: Form, left: Any, days: Any) -> Any:
    """Return what a step leaves of which the period of the form leaves a fraction.

    Parameters
    ----------
    form : Form
        Choices in the equations.
    left : tensor
        0 to 1; below 1e-6 it is this.
    days : tensor
        Step length, d.

    Returns
    -------
    tensor
        0 to 1.
    """
    if form.period is None:
        return left
    return pt.exp(days / form.period * pt.log(pt.switch(left <= LEAST_LEFT, LEAST_LEFT, left)))


def _layers(owner: Any, name: str) -> tuple[Any, ...]:
    return tuple(getattr(owner, f"{name}_{i}") for i in (1, 2, 3))


def soil_of(form: Form, x: Any, p: Any) -> Soil:
    """Diagnose the soil from the state.

    Parameters
    ----------
    form : Form
        Choices in the equations.
    x : State
        State.
    p : Parameters
        Parameters.

    Returns
    -------
    Soil
        Its layers.
    """
    thickness, wetness, specific = _layers(p, "thickness"), _layers(x, "relative_moisture"), _layers(x, "water_energy")
    capacity = tuple(1000.0 * a * b for a, b in zip(_layers(p, "porosity"), thickness, strict=True))
    dry = tuple(a * b for a, b in zip(_layers(p, "dry_heat_capacity"), thickness, strict=True))
    water = tuple(a * b for a, b in zip(wetness, capacity, strict=True))
    return Soil(
        capacity,
        thickness,
        dry,
        wetness,
        water,
        tuple(soil_heat.stored(e, w, c, form.heat) for e, w, c in zip(specific, water, dry, strict=True)),
        tuple(soil_heat.temperature(e, form.heat) for e in specific),
        tuple(soil_heat.liquid_fraction(e) for e in specific),
        tuple(soil_column.water_potential(w, p.retention_exponent) for w in wetness),
    )


def melt_snow(form: Form, x: Any, f: Any, p: Any, out: dict[str, Any]) -> Any:
    """Let snow melt and sublime.

    Parameters
    ----------
    form : Form
        Choices in the equations.
    x : State
        State at the start.
    f : Forcing
        Drivers.
    p : Parameters
        Parameters.
    out : dict
        Fluxes so far; those of snow and rain are added.

    Returns
    -------
    tensor
        Snow that is left, mm.
    """
    melted = clipped((KELVIN + f.skin_temperature - p.melt_onset) * p.melt_slope, 0.0, 1.0)
    sublimed = p.sublimation_rate * f.shortwave_down
    out["snow_melt"], out["sublimation"], left = snow.relative_melt(
        x.snow_water, f.snowfall, sublimed, 1.0 - left_after(form, 1.0 - melted, f.step_length), p.half_cover_snow, f.step_length
    )
    out["snow_cover_fraction"] = snow.snow_cover(x.snow_water, p.half_cover_snow)
    out["rainfall"], out["snowfall"] = f.precipitation - f.snowfall, f.snowfall
    return left


def move_water(form: Form, soil: Soil, f: Any, p: Any, out: dict[str, Any]) -> tuple[Any, ...]:
    """Let water enter, leave and move between the layers.

    Parameters
    ----------
    form : Form
        Choices in the equations.
    soil : Soil
        Layers at the start.
    f : Forcing
        Drivers.
    p : Parameters
        Parameters.
    out : dict
        Fluxes so far; those of water are added, and evaporation limited.

    Returns
    -------
    tuple of tensor
        Water of the layers at the end, mm, before what exceeds the pores runs off.
    """
    days, liquid = f.step_length, soil.liquid
    coming = out["rainfall"] + out["snow_melt"]
    infiltrated = p.largest_infiltration * (1.0 - pt.exp(-coming / p.largest_infiltration))
    drains = 1.0 - left_after(form, 1.0 - p.drained_fraction, days)
    drained = [
        liquid[i]
        * soil_column.drained_fraction(soil.wetness[i], p.retention_exponent, p.field_capacity_suction, drains)
        * soil.capacity[i]
        / days
        for i in range(3)
    ]
    if form.limited:
        names = (("soil_evaporation", "transpiration_1"), ("transpiration_2",))
        for i, (taken, gain) in enumerate(zip(names, (infiltrated, 0.0), strict=True)):
            losses = drained[i] + sum((out[n] for n in taken[1:]), out[taken[0]])
            share = soil_column.share_of_losses(losses, gain, liquid[i] * soil.water[i], days)
            drained[i] = share * drained[i]
            for n in taken:
                out[n] = share * out[n]
    gained = [
        infiltrated - drained[0] - out["soil_evaporation"] - out["transpiration_1"],
        -(drained[1] + out["transpiration_2"]),
        -drained[2],
    ]

    def layer(i: int, extra: Any = 0.0) -> soil_column.Layer:
        return soil_column.Layer(
            soil.water[i], soil.capacity[i], liquid[i], gained[i] + extra, soil.wetness[i], soil.potential[i], soil.thickness[i]
        )

    def between(upper: soil_column.Layer, lower: soil_column.Layer) -> Any:
        return soil_column.exchange(upper, lower, p.saturated_conductivity, p.retention_exponent, days, form.metres_per_mpa, form.implicit)

    flow_1_2 = between(layer(0), layer(1))
    flow_2_3 = between(layer(1, flow_1_2 if form.limited else 0.0), layer(2))
    out |= {
        "surface_runoff": coming - infiltrated,
        "infiltration": infiltrated,
        "water_flow_1_2": flow_1_2,
        "water_flow_2_3": flow_2_3,
    }
    out |= {f"drainage_{i}": d for i, d in enumerate(drained, 1)}
    net = (gained[0] - flow_1_2, gained[1] + flow_1_2 - flow_2_3, gained[2] + flow_2_3)
    return tuple(w + days * g for w, g in zip(soil.water, net, strict=True))


def move_heat(form: Form, soil: Soil, f: Any, p: Any, out: dict[str, Any]) -> tuple[Any, ...]:
    """Let heat enter, leave and move between the layers.

    Parameters
    ----------
    form : Form
        Choices in the equations.
    soil : Soil
        Layers at the start.
    f : Forcing
        Drivers.
    p : Parameters
        Parameters.
    out : dict
        Fluxes so far; those of radiation and heat are added.

    Returns
    -------
    tuple of tensor
        Energy of the layers at the end, J m-2.
    """
    days = f.step_length
    skin = f.skin_temperature + KELVIN
    cover = out["snow_cover_fraction"]
    shortwave = f.shortwave_down * 1e6 / DAY
    albedo = (1.0 - cover) * (0.5 * (p.leaf_reflectance_par + p.leaf_reflectance_nir)) + cover * SNOW_ALBEDO
    net = shortwave - albedo * shortwave + f.longwave_down - STEFAN_BOLTZMANN * skin**4
    vapour = out["soil_evaporation"] + out["transpiration"]
    latent = (soil_heat.EVAPORATION * vapour + (soil_heat.FUSION + soil_heat.EVAPORATION) * out["sublimation"]) / DAY
    coming = out["rainfall"] + out["snow_melt"]
    dry = coming <= 0
    rain = pt.switch(dry, 1.0, out["rainfall"] / pt.switch(dry, 1.0, coming))  # snow melts at 0 degC
    rain_temperature = 0.5 * (f.air_temperature_min + f.air_temperature_max) * rain + KELVIN
    entering = out["infiltration"] * soil_heat.carried(rain_temperature, form.heat)

    z, between = soil.thickness, (out["water_flow_1_2"], out["water_flow_2_3"])
    surface = p.surface_heat_conductivity / (0.5 * z[0]) * (1.0 - cover)
    conducted = [2.0 * p.soil_heat_conductivity / (a + b) for a, b in pairwise(z)]
    end = soil.temperature  # at which heat flows
    if form.implicit:
        held = [soil_heat.heat_capacity(*v) for v in zip(soil.water, soil.liquid, soil.dry, strict=True)]
        by_water = soil_heat.LIQUID / DAY
        warmed = soil_heat.implicit_warming(
            end,
            held,
            ((surface, skin), (out["infiltration"] * by_water, rain_temperature)),
            [g + positive_part(w) * by_water for g, w in zip(conducted, between, strict=True)],
            [g + positive_part(-w) * by_water for g, w in zip(conducted, between, strict=True)],
            days,
        )
        end = tuple(t + d for t, d in zip(end, warmed, strict=True))
    ground = surface * (skin - end[0])
    below_1, below_2 = (g * (a - b) for g, (a, b) in zip(conducted, pairwise(end), strict=True))
    carried = [soil_heat.carried(t, form.heat) for t in end]
    leaving = [
        (out["soil_evaporation"] + out["transpiration_1"] + out["drainage_1"]) * carried[0],
        (out["transpiration_2"] + out["drainage_2"]) * carried[1],
        out["drainage_3"] * carried[2],
    ]
    moved_1, moved_2 = (w * pt.switch(w > 0, carried[i], carried[i + 1]) for i, w in enumerate(between))
    geothermal = DAY * GEOTHERMAL
    gained = (
        DAY * (ground - below_1) + entering - leaving[0] - moved_1,
        DAY * (below_1 - below_2) + moved_1 - leaving[1] - moved_2,
        DAY * below_2 + geothermal + moved_2 - leaving[2],
    )
    out |= {
        "net_radiation": net,
        "latent_heat": latent,
        "ground_heat": ground,
        "sensible_heat": net - ground - latent,
        "heat_flow_1_2": below_1 + moved_1 / DAY,
        "heat_flow_2_3": below_2 + moved_2 / DAY,
        "soil_heat_gain": DAY * ground + geothermal,
        "infiltration_heat": entering,
        "water_loss_heat": sum(leaving[1:], leaving[0]),
    }
    return tuple(e + days * g for e, g in zip(soil.energy, gained, strict=True))
