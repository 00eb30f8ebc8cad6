"""Exchange of carbonyl sulphide, methane and nitrous oxide."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.declare import Parameter, Prior
from lsm_bayes.observations.operator import ObservationOperator
from lsm_bayes.vocabulary import CARBON_MOLAR_MASS

MICROMOLES = 1e6 / (CARBON_MOLAR_MASS * 86400.0)  # umol m-2 s-1 in one gC m-2 d-1
REFERENCE = 25.0  # degC


# One parameter a line.
# fmt: off
class CarbonylSulphide(NamedTuple):
    """Uptake by leaves, and exchange of the soil."""

    leaf_relative_uptake: Annotated[float, Parameter("1", (0.4, 4.0), "uptake of carbonyl sulphide over that of CO2, each per mole fraction", Prior("normal", 1.6, 0.4), level="pft")] = 1.6
    soil_emission: Annotated[float, Parameter("pmol m-2 s-1", (-12.0, 12.0), "carbonyl sulphide from the soil, negative where it takes it up", Prior("normal", -3.0, 2.0))] = -3.0


class Methane(NamedTuple):
    """Share of methane in what decomposes without oxygen."""

    methane_ratio: Annotated[float, Parameter("1", (0.001, 0.9), "methane over CO2 of anaerobic respiration at 25 degC, mole per mole", Prior("log_normal", 0.05, 1.0))] = 0.05
    methane_q10: Annotated[float, Parameter("1", (1.0, 5.0), "increase of that ratio for 10 K", Prior("log_normal", 2.0, 0.3), level="global")] = 2.0


class SaturatedMethane(NamedTuple):
    """Share of methane in what decomposes without oxygen, and where it does."""

    methane_ratio: Annotated[float, Parameter("1", (0.001, 0.9), "methane over CO2 of anaerobic respiration at 25 degC, mole per mole", Prior("log_normal", 0.05, 1.0))] = 0.05
    methane_q10: Annotated[float, Parameter("1", (1.0, 5.0), "increase of that ratio for 10 K", Prior("log_normal", 2.0, 0.3), level="global")] = 2.0
    saturation_exponent: Annotated[float, Parameter("1", (1.0, 100.0), "power of water-filled pore space in the fraction of the soil without oxygen", Prior("log_normal", 6.0, 0.5))] = 6.0


class LeakyPipe(NamedTuple):
    """Nitrogen that leaks between mineralisation and uptake."""

    leak: Annotated[float, Parameter("1", (0.0005, 0.3), "nitrogen in NO and N2O over mineralised nitrogen", Prior("log_normal", 0.02, 0.8))] = 0.02
    sensitivity: Annotated[float, Parameter("1", (1.0, 25.0), "slope of the logit of the share of N2O with water-filled pore space", Prior("log_normal", 7.0, 0.35), level="global")] = 7.0
    equal_pore_space: Annotated[float, Parameter("1", (0.3, 0.95), "water-filled pore space at which as much N2O as NO is emitted", Prior("normal", 0.66, 0.08), level="global")] = 0.66
# fmt: on


def sulphide_uptake(series: Mapping[str, Any], p: CarbonylSulphide) -> Any:
    """Return the uptake of carbonyl sulphide by the ecosystem.

    Parameters
    ----------
    series : mapping of str to tensor
        ``gpp``, gC m-2 d-1; ``cos_mole_fraction``, pmol mol-1; ``co2``, umol mol-1.
    p : CarbonylSulphide
        Relative uptake rises in weak light, where carbonic anhydrase goes on and photosynthesis does not; this is one number for the step.

    Returns
    -------
    tensor
        GPP LRU [COS] / [CO2] minus the emission of the soil, pmol m-2 s-1, positive into the ecosystem (Campbell et al. 2008; form of the
        uptake in STEM).
    """
    # umol m-2 s-1 times pmol umol-1.
    leaves = series["gpp"] * MICROMOLES * p.leaf_relative_uptake * series["cos_mole_fraction"] / series["co2"]
    return leaves - p.soil_emission


def _methane(respiration: Any, anaerobic: Any, temperature: Any, p: Any) -> Any:
    return 1000.0 * MICROMOLES * p.methane_ratio * respiration * anaerobic * p.methane_q10 ** ((temperature - REFERENCE) / 10.0)


def anaerobic_methane(series: Mapping[str, Any], p: Methane) -> Any:
    """Return the emission of methane where the process model knows how much decomposes without oxygen.

    Parameters
    ----------
    series : mapping of str to tensor
        ``heterotrophic_respiration``, gC m-2 d-1; ``aerobic_factor`` and ``anaerobic_factor`` of decomposition, of which the second over
        the sum of both is the anaerobic share; ``soil_temperature``, degC.
    p : Methane
        Oxidation on the way up is in the ratio, so that no net uptake is possible. CARDAMOM's JCR scheme takes it as the fraction of
        anaerobic decomposition that becomes methane, at most 1, and the rest as CO2: the same while it is small.

    Returns
    -------
    tensor
        nmol m-2 s-1, positive to the atmosphere: r R_h f_anaerobic Q10^((T - 25) / 10), after the JCR scheme in CARDAMOM's source
        (Ma et al. 2022; the paper was not looked up).
    """
    both = series["aerobic_factor"] + series["anaerobic_factor"]
    # In frozen soil both are 0, and so is the respiration.
    anaerobic = series["anaerobic_factor"] / pt.switch(pt.eq(both, 0.0), 1.0, both)
    return _methane(series["heterotrophic_respiration"], anaerobic, series["soil_temperature"], p)


def saturated_methane(series: Mapping[str, Any], p: SaturatedMethane) -> Any:
    """Return the emission of methane with the anaerobic share from soil water.

    Parameters
    ----------
    series : mapping of str to tensor
        ``heterotrophic_respiration``, gC m-2 d-1; ``water_filled_pore_space``, 0 to 1; ``soil_temperature``, degC.
    p : SaturatedMethane
        The power is that of the saturated part of the soil in the JCR scheme of CARDAMOM, where that part and the rest also decompose at
        rates of their own; here both are alike.

    Returns
    -------
    tensor
        nmol m-2 s-1, positive to the atmosphere, with f_anaerobic = WFPS^n; otherwise as `anaerobic_methane`.
    """
    anaerobic = series["water_filled_pore_space"] ** p.saturation_exponent
    return _methane(series["heterotrophic_respiration"], anaerobic, series["soil_temperature"], p)


def leaking_nitrous_oxide(series: Mapping[str, Any], p: LeakyPipe) -> Any:
    """Return the emission of nitrous oxide: a hole in the pipe from mineralisation to uptake.

    Parameters
    ----------
    series : mapping of str to tensor
        ``nitrogen_mineralisation``, g m-2 d-1; ``water_filled_pore_space``, 0 to 1.
    p : LeakyPipe
        A slope of 6.0 and an equal share at 0.64 are log10(N2O / NO) = 2.6 WFPS - 1.66, after Davidson & Verchot (2000; not checked in the
        paper). The grassland model of the BASFOR family has 8.5 and 0.7. N2 from soil that is nearly saturated is left out.

    Returns
    -------
    tensor
        k N_min / (1 + exp(-R (WFPS - WFPS50))), ug m-2 h-1 of nitrogen, positive to the atmosphere. BASFOR's source has the logistic as
        here, but k of the pool of mineral nitrogen.
    """
    share = pt.sigmoid(p.sensitivity * (series["water_filled_pore_space"] - p.equal_pore_space))
    return 1e6 / 24.0 * p.leak * series["nitrogen_mineralisation"] * share


_MA = "Ma et al. (2022), Global Biogeochem. Cycles 36, e2022GB007524, after CARDAMOM's source"
_METHANE_ERROR = "Laplace or log-normal, 20 to 50 %, and a bias of the footprint over a patchwork of wet and dry"

COS_UPTAKE = ObservationOperator(
    "cos_uptake",
    {"gpp": (0.0, 30.0), "cos_mole_fraction": (300.0, 600.0), "co2": (300.0, 800.0)},
    sulphide_uptake,
    CarbonylSulphide,
    citation="Campbell et al. (2008), doi 10.1126/science.1164015; Whelan et al. (2018), doi 10.5194/bg-15-3625-2018; soil: Sun et al. (2018), "
    "doi 10.5194/acp-18-1363-2018",
    error="normal, 10 to 20 %, of chambers 1 to 2 pmol m-2 s-1",
)

METHANE_FLUX = ObservationOperator(
    "methane_flux",
    {"heterotrophic_respiration": (0.0, 15.0), "water_filled_pore_space": (0.05, 1.0), "soil_temperature": (-5.0, 35.0)},
    saturated_methane,
    SaturatedMethane,
    citation=f"{_MA}; saturated fraction of the JCR scheme",
    error=_METHANE_ERROR,
)

METHANE_FLUX_ANAEROBIC = ObservationOperator(
    "methane_flux_anaerobic",
    {
        "heterotrophic_respiration": (0.0, 15.0),
        "aerobic_factor": (0.0, 3.0),
        "anaerobic_factor": (0.0, 3.0),
        "soil_temperature": (-5.0, 35.0),
    },
    anaerobic_methane,
    Methane,
    quantity="methane_flux",
    citation=_MA,
    error=_METHANE_ERROR,
)

METHANE_FLUX_SIMULATED = ObservationOperator(
    "methane_flux_simulated",
    {"methane_emission": (0.0, 5.0)},
    lambda s: 1000.0 * MICROMOLES * s["methane_emission"],
    quantity="methane_flux",
    citation="conversion of gC m-2 d-1 of a process model with methane",
    error=_METHANE_ERROR,
)

NITROUS_OXIDE_FLUX = ObservationOperator(
    "nitrous_oxide_flux",
    {"nitrogen_mineralisation": (0.0, 0.3), "water_filled_pore_space": (0.1, 1.0)},
    leaking_nitrous_oxide,
    LeakyPipe,
    citation="Davidson et al. (2000), doi 10.1641/0006-3568(2000)050[0667:TACMOS]2.0.CO;2; Davidson & Verchot (2000), "
    "doi 10.1029/1999GB001223; logistic: BASFOR, Van Oijen et al. (2005), doi 10.1093/treephys/25.7.915",
    error="log-normal with heavy tails, factor 2 by day, because a few hours after rain make most of it",
)
