"""Runs of DALEC 1100 in plain Python for all samples at once, and names of CARDAMOM's source for what it holds."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import Mode
from pytensor.link.vm import VMLinker

from lsm_bayes.land import dalec_1100
from lsm_bayes.land.dalec_1100_declared import Fluxes, Forcing, Parameters, State
from lsm_bayes.land.dalec_1100_soil import Form
from lsm_bayes.land.dalec_1100_step import step
from lsm_bayes.processes import soil_heat

PARAMETERS = {
    "tr_lit2som": "litter_to_soil",
    "tr_cwd2som": "woody_debris_to_soil",
    "rauto_mr_r": "root_maintenance_rate",
    "rauto_mr_w": "wood_maintenance_rate",
    "rauto_mr_q10": "maintenance_q10",
    "rauto_mrd_q10": "dark_respiration_q10",
    "rauto_gr": "growth_efficiency",
    "t_wood": "wood_turnover",
    "t_root": "root_turnover",
    "t_lit": "litter_turnover",
    "t_cwd": "woody_debris_turnover",
    "t_som": "soil_turnover",
    "Q10rhco2": "decomposition_q10",
    "LCMA": "leaf_mass_area",
    "i_labile": "labile_carbon",
    "i_foliar": "foliage_carbon",
    "i_root": "root_carbon",
    "i_wood": "wood_carbon",
    "i_cwd": "woody_debris_carbon",
    "i_lit": "litter_carbon",
    "i_som": "soil_carbon",
    "retention": "retention_exponent",
    "cf_foliar": "foliar_combustion_completeness",
    "cf_ligneous": "ligneous_combustion_completeness",
    "cf_DOM": "soil_combustion_completeness",
    "resilience": "fire_resilience",
    "hydr_cond": "saturated_conductivity",
    "max_infil": "largest_infiltration",
    "field_cap": "field_capacity_suction",
    "Q_excess": "drained_fraction",
    "Med_g1": "stomatal_slope",
    "Vcmax25": "vcmax_25",
    "Tminmin": "cold_stress_full",
    "Tminmax": "cold_stress_none",
    "ga": "aerodynamic_conductance",
    "Tupp": "heat_inhibition",
    "Tdown": "cold_inhibition",
    "clumping": "clumping_index",
    "leaf_refl_par": "leaf_reflectance_par",
    "leaf_refl_nir": "leaf_reflectance_nir",
    "i_SWE": "snow_water",
    "min_melt": "melt_onset",
    "melt_slope": "melt_slope",
    "scf_scalar": "half_cover_snow",
    "S_fv": "saturation_exponent",
    "thetas_opt": "optimal_moisture",
    "fwc": "saturated_decomposition",
    "r_ch4": "methane_fraction",
    "Q10ch4": "methane_q10",
    "T_phi": "phenology_temperature",
    "T_range": "phenology_temperature_spread",
    "plgr": "leaf_growth_rate",
    "k_leaf": "leaf_shedding_rate",
    "lambda_max": "largest_lai",
    "tau_W": "water_use_time",
    "time_c": "phenology_day_length",
    "time_r": "phenology_day_length_spread",
    "init_T_mem": "temperature_memory",
    "init_LAIW_mem": "leaf_area_memory",
    "t_foliar": "foliage_turnover",
    "psi_50": "stress_suction",
    "beta_lgr": "stress_steepness",
    "phi_RL": "root_to_leaf_demand",
    "phi_WL": "wood_to_leaf_demand",
    "thermal_cond": "soil_heat_conductivity",
    "thermal_cond_surf": "surface_heat_conductivity",
    "q10canopy": "vcmax_q10",
    "canopyRdsf": "dark_respiration_ratio",
    "sublimation_rate": "sublimation_rate",
    "root_frac": "deep_root_fraction",
    "beta_lgrHMF": "mortality_steepness",
    "psi_50HMF": "mortality_suction",
    "t_lab": "labile_turnover",
    "maxPevap": "rain_for_full_evaporation",
}
for layer in (1, 2, 3):
    PARAMETERS |= {
        f"i_LY{layer}_SM": f"relative_moisture_{layer}",
        f"i_LY{layer}_E": f"water_energy_{layer}",
        f"LY{layer}_por": f"porosity_{layer}",
        f"LY{layer}_z": f"thickness_{layer}",
        f"LY{layer}_vhc": f"dry_heat_capacity_{layer}",
    }
POOLS = {
    "C_lab": "labile_carbon",
    "C_fol": "foliage_carbon",
    "C_roo": "root_carbon",
    "C_woo": "wood_carbon",
    "C_cwd": "woody_debris_carbon",
    "C_lit": "litter_carbon",
    "C_som": "soil_carbon",
    "H2O_SWE": "snow_water",
    "D_SM_LY1": "relative_moisture_1",
    "D_SM_LY2": "relative_moisture_2",
    "D_SM_LY3": "relative_moisture_3",
    "M_LAI_TEMP": "temperature_memory",
}
# What the source diagnoses at instants is a flux of the step that begins there.
DIAGNOSED = {
    "D_LAI": "lai",
    "D_SCF": "snow_cover_fraction",
    **{f"D_LF_LY{i}": f"liquid_fraction_{i}" for i in (1, 2, 3)},
    **{f"H2O_LY{i}": f"soil_water_{i}" for i in (1, 2, 3)},
}
FLUXES = {
    "gpp": "gpp",
    "Rd": "dark_respiration",
    "resp_auto": "autotrophic_respiration",
    "resp_auto_growth": "growth_respiration",
    "resp_auto_maint": "maintenance_respiration",
    "foliar_prod": "allocation_to_foliage",
    "root_prod": "allocation_to_roots",
    "wood_prod": "allocation_to_wood",
    "ph_fol2lit": "leaf_senescence",
    "f_total": "fire_emission",
    "rh_co2": "heterotrophic_respiration",
    "rh_ch4": "methane_emission",
    "aetr": "aerobic_factor",
    "antr": "anaerobic_factor",
    "an_ch4_c_ratio": "methane_share",
    "target_LAI": "target_lai",
    "f_temp_thresh": "phenology_warmth",
    "f_dayl_thresh": "phenology_daylight",
    "lambda_W": "water_limited_lai",
    "net_radiation": "net_radiation",
    "latent_heat": "latent_heat",
    "sensible_heat": "sensible_heat",
    "ground_heat": "ground_heat",
    "infil_e": "infiltration_heat",
    "ets": "evapotranspiration",
    "evap": "soil_evaporation",
    "transp1": "transpiration_1",
    "transp2": "transpiration_2",
    "sublimation": "sublimation",
    "melt": "snow_melt",
    "infil": "infiltration",
    "q_surf": "surface_runoff",
    "q_ly1": "drainage_1",
    "q_ly2": "drainage_2",
    "q_ly3": "drainage_3",
    "ly1xly2": "water_flow_1_2",
    "ly2xly3": "water_flow_2_3",
    "beta_factor": "photosynthesis_stress",
    "hydraulic_mortality_factor": "hydraulic_mortality",
    "nonleaf_mortality_factor": "starvation",
    "leaf_mortality_factor": "leaf_starvation",
}
FORCING = {
    "T2M_MIN": "air_temperature_min",
    "T2M_MAX": "air_temperature_max",
    "SSRD": "shortwave_down",
    "STRD": "longwave_down",
    "VPD": "vapour_pressure_deficit",
    "TOTAL_PREC": "precipitation",
    "CO2": "co2",
    "BURNED_AREA": "burned_area",
    "DOY": "day_of_year",
    "SKT": "skin_temperature",
    "SNOWFALL": "snowfall",
}
MONTH = 365.25 / 12
Outputs = dict[str, np.ndarray]


@cache
def interpreted(form: Form) -> Any:
    """Compile one step for vectors of samples to PyTensor's interpreter: that takes no time, and the kernels are the battery's subject."""
    x, p = State(*(pt.dvector() for _ in State._fields)), Parameters(*(pt.dvector() for _ in Parameters._fields))
    f = Forcing(*(pt.dscalar() for _ in Forcing._fields))
    following, fluxes = step(form, x, f, p)
    return pytensor.function([*x, *f, *p], [*following, *fluxes], mode=Mode(VMLinker(c_thunks=False), None), on_unused_input="ignore")


def run(form: Form, forcing: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[Outputs, Outputs]:
    """States (time + 1, sample) and fluxes (time, sample)."""
    values = {n: np.atleast_1d(np.asarray(v, dtype=float)) for n, v in values.items()}
    samples = np.broadcast_shapes(*(v.shape for v in values.values()))
    series = {n: np.asarray(forcing.get(n, 0.0), dtype=float) for n in Forcing._fields}
    steps = max(v.size for v in series.values())
    given = [np.broadcast_to(values[n], samples).copy() for n in Parameters._fields]
    states, fluxes = [[np.broadcast_to(values[n], samples).copy() for n in State._fields]], []
    with np.errstate(all="ignore"):
        for t in range(steps):
            drivers = [v[t] if v.ndim else v for v in series.values()]
            made = [np.broadcast_to(v, samples) for v in interpreted(form)(*states[-1], *drivers, *given)]
            states.append([v.copy() for v in made[: len(State._fields)]])
            fluxes.append(made[len(State._fields) :])
    found = [
        {n: np.array([row[i] for row in rows]) for i, n in enumerate(names)}
        for rows, names in ((states, State._fields), (fluxes, Fluxes._fields))
    ]
    return found[0], found[1]


def values_of(source: Mapping[str, Any]) -> Outputs:
    """Take the parameters of the source to ours. It starts soil that melts at 273.15 K: the energy is that of this start."""
    values = {PARAMETERS[n]: np.atleast_1d(np.asarray(v, dtype=float)) for n, v in source.items()}
    constants = dalec_1100.SOURCE.heat
    for i in (1, 2, 3):
        energy = values[f"water_energy_{i}"]
        water = 1000.0 * values[f"porosity_{i}"] * values[f"thickness_{i}"] * values[f"relative_moisture_{i}"]
        dry = values[f"dry_heat_capacity_{i}"] * values[f"thickness_{i}"]
        stock = pt.as_tensor(dry) * soil_heat.temperature(pt.as_tensor(energy), constants) + water * energy
        values[f"water_energy_{i}"] = soil_heat.specific_energy(stock, pt.as_tensor(water), pt.as_tensor(dry), constants).eval(
            mode=Mode(VMLinker(c_thunks=False), None)
        )
    return values


def series_of(source: Mapping[str, Any], latitude: float) -> dict[str, Any]:
    """Take the monthly forcing of the source to ours."""
    made: dict[str, Any] = {FORCING[n]: np.asarray(v, dtype=float) for n, v in source.items()}
    made["longwave_down"] = made["longwave_down"] * 1e6 / 86400.0
    return made | {"latitude": latitude, "step_length": MONTH}
