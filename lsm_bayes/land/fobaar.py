"""FöBAAR, forest biomass, assimilation, allocation and respiration, for deciduous forest: hourly exchange, daily pools.

Keenan et al. (2011), doi 10.1007/s00442-011-1979-3 (model); (2012), doi 10.1111/j.1365-2486.2012.02678.x (soil water, three soil pools);
details, constants and bounds as in the public source, version 5.2. Pools are gC m-2, fluxes gC m-2 d-1, water mm. The fast step has no
memory: within a day the pools are constant. Rates of the source are per hour, and half of them at 0 degC: here they are the fraction
per day at 0 degC, 12 times (daily transfers: half) the number in the source.

Traps. (1) Bud burst, leaf fall and the loss of a sparse canopy (leaf area below 0.5) are events: `budburst_degree_days`,
`degree_day_start` and `leaf_drop_temperature` have no gradient, and that of `leaf_mass_area` misses the last event. `fobaar_smooth` has
logistic weights in place of the thresholds (widths 5 degC d, 1 d, 0.5 degC, 0.05 m2 m-2). (2) Net assimilation below zero counts
as zero; on days on which dark respiration exceeds assimilation, no pool pays for the difference. Pools that respire more than they hold
are floored at zero. Both are carbon from nowhere, as in the source: the flux `unsupplied_carbon` says how much.

Other than in the source: the sun moves during the day (its integer division leaves it at noon; option `noon`), the sunlit leaf area
is the sunlit fraction times the leaf area (option `fraction_as_area`), dark respiration is not added to net assimilation where
1 + VPD / D0 exceeds the slope g1 (option `respiration_added`, a jump in most parameters of photosynthesis), dead carbon and roots respire
at most as fast as would empty them in a day (option `unlimited_decay`: in warm soil, within the bounds, pools then swing ever wider between
days), litterfall stops when leaves do not fall, a sparse canopy sheds only what is not retranslocated, and evapotranspiration takes no more
water than there is.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt

from lsm_bayes.declare import Budget, DerivedForcing, Nested, ProcessModel
from lsm_bayes.land.fobaar_declared import WARM, FastFluxes, FastForcing, Fluxes, Forcing, Nothing, Parameters, State
from lsm_bayes.processes import leuning_leaf, series, two_leaf
from lsm_bayes.processes.thresholds import exceeded, larger, positive_part, reached, smaller

CARBON = 0.0432396 * 24  # gC m-2 d-1 per umol m-2 s-1
ORIENTATION = 0.5
BARE = 0.001  # m2 m-2, leaf area below which there is no photosynthesis
SPARSE = 0.5  # m2 m-2, leaf area below which all leaves fall
DARK = 0.5  # umol m-2 s-1
AUTUMN = 200.0  # day of the year from which leaves may fall


@dataclass(frozen=True)
class Options:
    """Variants of the step.

    Parameters
    ----------
    smoothness : float
        Widths of the logistic weights of phenology: 1 for those of the module's text, 0 for exact thresholds.
    noon : bool
        Keep the sun at noon, as the source does.
    fraction_as_area : bool
        Take the sunlit fraction for the sunlit leaf area, as the source does.
    respiration_added : bool
        Add dark respiration to the net assimilation of dry leaves, as the source does (`leuning_leaf.exchange`).
    unlimited_decay : bool
        Let pools respire more than they hold, as in the source.
    pi : float
        The number pi of the sun's course; 3.1416 in the source.
    """

    smoothness: float = 0.0
    noon: bool = False
    fraction_as_area: bool = False
    respiration_added: bool = False
    unlimited_decay: bool = False
    pi: float = math.pi


def _warmth(x: State, f: Any, p: Parameters) -> Any:
    """Degree-days of photosynthetic capacity on this day; they begin anew on 1 January."""
    before = pt.switch(f.day_of_year < 2, 0.0, x.photosynthesis_warmth)
    return smaller(larger(before + 0.5 * (f.air_temperature_max + f.air_temperature_min), 0.0), p.photosynthesis_degree_days)


def fast_step_of(options: Options) -> Callable[..., tuple[Nothing, FastFluxes]]:
    """Return the step within a day: light, photosynthesis, transpiration and respiration of constant pools.

    Parameters
    ----------
    options : Options
        Variant.

    Returns
    -------
    callable
        ``step(nothing, pools, forcing, parameters) -> (nothing, fluxes)``.
    """

    def step(z: Nothing, x: State, f: FastForcing, p: Parameters) -> tuple[Nothing, FastFluxes]:
        lai = x.foliage_carbon / p.leaf_mass_area
        leafy = exceeded(lai, BARE)
        lai = pt.switch(lai <= BARE, BARE, lai)
        hour = 12.0 if options.noon else f.solar_hour
        elevation = two_leaf.sine_of_elevation(f.day_of_year, hour, f.latitude, options.pi)
        diffuse = two_leaf.diffuse_fraction(f.ppfd_down, elevation, f.day_of_year, options.pi)
        leaves = two_leaf.absorbed_light(f.ppfd_down, diffuse, elevation, lai, ORIENTATION)
        wetness = smaller(x.plant_available_water / (p.drought_threshold * p.water_holding_capacity), 1.0)
        vpd = 0.1 * f.vapour_pressure_deficit
        sun, shade = (
            leuning_leaf.exchange(f.air_temperature, light, vpd, f.co2, p.vcmax25 * wetness, p, respiration_added=options.respiration_added)
            for light in (leaves.sunlit, leaves.shaded)
        )
        sunlit = leaves.sunlit_fraction * (1.0 if options.fraction_as_area else lai)

        def awake(value: Any) -> Any:
            return pt.switch(f.ppfd_down <= DARK, 0.0, leafy * value)

        capacity = CARBON * _warmth(x, f, p) / p.photosynthesis_degree_days
        gpp = awake(capacity * (sun.assimilation * sunlit + shade.assimilation * (lai - sunlit)))
        dark = awake(CARBON * (sun.respiration + shade.respiration))  # of two leaves, whatever the leaf area: as in the source
        water = awake(86400.0 * (sun.transpiration * sunlit + shade.transpiration * (lai - sunlit)))

        def respired(pool: Any, rate: Any, exponent: Any, temperature: Any) -> Any:
            warmed = rate * pt.exp(exponent * temperature)
            return pool * (warmed if options.unlimited_decay else smaller(warmed, 1.0))

        soil = p.soil_temperature_exponent, f.soil_temperature
        root = respired(x.root_carbon, p.root_respiration_rate, p.root_temperature_exponent, f.soil_temperature)
        litter = respired(x.litter_carbon, p.litter_mineralisation, p.litter_temperature_exponent, f.air_temperature)
        microbial = respired(x.microbial_carbon, p.microbial_mineralisation, *soil)
        slow = respired(x.slow_soil_carbon, p.slow_mineralisation, *soil)
        passive = respired(x.passive_soil_carbon, p.passive_mineralisation, *soil)
        autotrophic = dark + root + p.growth_respiration_fraction * (gpp - dark)
        nee = autotrophic + litter + microbial + slow + passive - gpp
        return Nothing(), FastFluxes(nee, gpp, dark, root, litter, microbial, slow, passive, water)

    return step


def slow_step_of(options: Options) -> Callable[..., tuple[State, Nothing, Fluxes]]:
    """Return the step of a day: phenology, allocation, litter, decomposition and soil water.

    Parameters
    ----------
    options : Options
        Variant.

    Returns
    -------
    callable
        ``step(pools, nothing, means, forcing, parameters) -> (pools, nothing, fluxes)``.
    """

    def width(full: float) -> float | None:
        return full * options.smoothness or None

    def step(x: State, z: Nothing, m: FastFluxes, f: Forcing, p: Parameters) -> tuple[State, Nothing, Fluxes]:
        mean_temperature = 0.5 * (f.air_temperature_max + f.air_temperature_min)
        late = f.day_of_year >= AUTUMN
        winter = reached(p.degree_day_start, f.day_of_year, width(1.0))
        warmth = (1.0 - winter) * x.budburst_warmth + larger(mean_temperature, 0.0)
        coldest = pt.switch(late, smaller(f.air_temperature_min_ten_day_mean, x.autumn_minimum), WARM)
        burst = reached(warmth, p.budburst_degree_days, width(5.0))
        fallen = pt.switch(late, reached(p.leaf_drop_temperature, coldest, width(0.5)), 0.0)
        leaf_out, leaf_fall = pt.switch(late, 0.0, burst), 1.0 - burst * (1.0 - fallen)

        lai = larger(x.foliage_carbon / p.leaf_mass_area, BARE)
        sparse = reached(SPARSE, lai, width(0.05))
        falling = leaf_fall * x.foliage_carbon
        retranslocated = (1.0 - p.leaf_shed_fraction) * p.leaf_fall_rate * falling
        leaf_litter = (p.leaf_shed_fraction * p.leaf_fall_rate + sparse * (1.0 - p.leaf_fall_rate)) * falling
        wood_litter, root_litter = p.wood_turnover * x.wood_carbon, p.root_turnover * x.root_carbon

        supply = m.subdaily_gpp - m.subdaily_leaf_respiration
        deficit = supply <= 0
        npp = pt.switch(deficit, 0.0, (1.0 - p.growth_respiration_fraction) * supply)
        to_foliage = p.f_foliage * leaf_out * npp
        to_roots = p.f_roots * (npp - to_foliage)
        to_wood = npp - to_foliage - to_roots
        released = leaf_out * p.labile_release_rate * x.labile_carbon

        decomposed = p.decomposition_rate * pt.exp(p.decomposition_temperature_exponent * mean_temperature) * x.litter_carbon
        root, litter, microbial, slow, passive = m[3:8]
        to_slow, to_passive = p.microbial_transfer * microbial, p.slow_transfer * slow
        unfloored = {
            "root_carbon": x.root_carbon + to_roots - root_litter - root,
            "litter_carbon": x.litter_carbon + leaf_litter + root_litter - litter - decomposed,
            "microbial_carbon": x.microbial_carbon + decomposed + wood_litter - to_slow - microbial,
            "slow_soil_carbon": x.slow_soil_carbon + to_slow - to_passive - slow,
            "passive_soil_carbon": x.passive_soil_carbon + to_passive - passive,
        }
        floored = {n: positive_part(c) for n, c in unfloored.items()}
        unsupplied = pt.switch(deficit, (p.growth_respiration_fraction - 1.0) * supply, 0.0)
        for carbon in unfloored.values():
            unsupplied = unsupplied + positive_part(-carbon)  # not floored minus unfloored, whose rounding is no carbon

        wet = x.plant_available_water + f.precipitation
        evapotranspiration = smaller(m.subdaily_evapotranspiration, wet)
        left = wet - evapotranspiration
        excess = larger(left - p.water_holding_capacity, 0.0)
        drainage = p.drainage_fraction * (left - excess)
        runoff = excess + drainage

        autotrophic = m.subdaily_leaf_respiration + root + p.growth_respiration_fraction * supply
        heterotrophic = litter + microbial + slow + passive
        following = State(
            foliage_carbon=x.foliage_carbon + to_foliage + released - leaf_litter - retranslocated,
            wood_carbon=x.wood_carbon + to_wood - wood_litter,
            labile_carbon=x.labile_carbon + retranslocated - released,
            plant_available_water=left - runoff,
            budburst_warmth=warmth,
            photosynthesis_warmth=_warmth(x, f, p),
            autumn_minimum=coldest,
            **floored,
        )
        return (
            following,
            Nothing(),
            Fluxes(
                nee=m.subdaily_nee,
                gpp=m.subdaily_gpp,
                reco=autotrophic + heterotrophic,
                lai=lai,
                evapotranspiration=evapotranspiration,
                autotrophic_respiration=autotrophic,
                heterotrophic_respiration=heterotrophic,
                litter_respiration=litter,
                root_respiration=root,
                soil_efflux=root + heterotrophic,
                allocation_to_foliage=to_foliage,
                allocation_to_roots=to_roots,
                allocation_to_wood=to_wood,
                labile_release=released,
                leaf_retranslocation=retranslocated,
                leaf_litterfall=leaf_litter,
                root_litterfall=root_litter,
                wood_litterfall=wood_litter,
                litter_decomposition=decomposed,
                leaf_out_weight=leaf_out,
                leaf_fall_weight=leaf_fall,
                unsupplied_carbon=unsupplied,
                precipitation=f.precipitation,
                runoff=runoff,
                drainage_plant_available=drainage,
            ),
        )

    return step


def fobaar(name: str, title: str, options: Options, steps: int = 24) -> ProcessModel:
    """Declare a variant of the model.

    Parameters
    ----------
    name, title : str
        As in `ProcessModel`.
    options : Options
        Variant.
    steps : int
        Steps in a day: 24, or 48 for half-hourly forcing.

    Returns
    -------
    ProcessModel
        The declaration.
    """
    return ProcessModel(
        name=name,
        title=title,
        step=slow_step_of(options),
        parameters=Parameters,
        state=State,
        forcing=Forcing,
        fluxes=Fluxes,
        nested=Nested(fast_step_of(options), Nothing, FastForcing, FastFluxes, steps),
        citations=(
            "Keenan et al. (2011), Oecologia 167, 587-597: model",
            "Keenan et al. (2012), Global Change Biology 18, 2555-2569, doi 10.1111/j.1365-2486.2012.02678.x: soil carbon and water",
        ),
        budgets={
            "carbon": Budget(tuple(n for n in State._fields if n.endswith("_carbon")), ("gpp", "unsupplied_carbon"), ("reco",)),
            "water": Budget(("plant_available_water",), ("precipitation",), ("evapotranspiration", "runoff")),
        },
        derived_forcing=(DerivedForcing(("air_temperature_min_ten_day_mean",), ("air_temperature_min",), _ten_days),),
    )


def _ten_days(given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {"air_temperature_min_ten_day_mean": series.trailing_mean(given["air_temperature_min"], 10)}


FOBAAR = fobaar("fobaar", "FöBAAR, deciduous, hourly in daily steps", Options())
FOBAAR_SMOOTH = fobaar("fobaar_smooth", "FöBAAR with smooth thresholds of phenology", Options(smoothness=1.0))
