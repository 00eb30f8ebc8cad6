"""TECO, the terrestrial ecosystem model, in matrix form with seven and with eight carbon pools.

Seven pools: Xu et al. (2006), doi 10.1029/2005GB002468, after Luo et al. (2003), doi 10.1029/2002GB001923; the exit rates are the
parameters, allocation and transfers are fixed as published. Eight pools: Weng & Luo (2011), doi 10.1890/09-1394.1; allocation, transfers
and the temperature response are parameters too. Pools are gC m-2, fluxes gC m-2 d-1; explicit Euler steps of `step_length` days.

The carbon input is the forcing ``gpp``: canopy carbon fixation. What allocation leaves over, 45 % in the seven-pool form, is autotrophic
respiration. The source multiplies its input column by 2 (ambient CO2) or 1.5 (elevated CO2); give ``gpp`` after that. The mean temperature
of ten days is forcing too: the source takes the day itself until ten days have passed.

The model is linear in its pools and smooth in its parameters. Uncertain: the eight-pool rates are those of the R package SoilR, and their
environmental factor is that of the seven-pool form, which is one at the mean temperature of the site that both papers are about.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

import numpy as np

from lsm_bayes.declare import Budget, DerivedForcing, Equilibrium, Parameter, Prior, ProcessModel
from lsm_bayes.processes import linear_pools, series, teco_environment

Q10 = 2.2  # Xu et al. (2006)
ALLOCATION = {"nonwoody": 0.25, "wood": 0.30}
TRANSFERS = {
    ("nonwoody", "metabolic_litter"): 0.7123,
    ("nonwoody", "structural_litter"): 0.2877,
    ("wood", "structural_litter"): 1.0,
    ("metabolic_litter", "microbial"): 0.45,
    ("structural_litter", "microbial"): 0.275,
    ("structural_litter", "slow_soil"): 0.275,
    ("microbial", "slow_soil"): 0.296,
    ("microbial", "passive_soil"): 0.004,
    ("slow_soil", "microbial"): 0.42,
    ("slow_soil", "passive_soil"): 0.03,
    ("passive_soil", "microbial"): 0.45,
}
ABOVE_GROUND = 0.75  # of non-woody carbon and litter: mapping functions of Xu et al. (2006) as in their program
_UNIFORM = Prior("uniform")


class Forcing(NamedTuple):
    """Drivers of one step."""

    gpp: float
    air_temperature_ten_day_mean: float
    soil_water: float
    step_length: float


class SevenPoolParameters(NamedTuple):
    """Exit rates of Xu et al. (2006), table 1; the default of microbes lies inside their bounds, that of the source does not."""

    # One parameter a line.
    # fmt: off
    nonwoody_turnover: Annotated[float, Parameter("d-1", (1.764e-4, 2.95e-3), "fraction of leaves and fine roots lost per day at a factor of one", _UNIFORM)] = 1.76e-3
    wood_turnover: Annotated[float, Parameter("d-1", (5.48e-5, 2.74e-4), "fraction of wood lost per day at a factor of one", _UNIFORM)] = 1.00104e-4
    metabolic_litter_turnover: Annotated[float, Parameter("d-1", (5.479e-3, 2.734e-2), "fraction of metabolic litter lost per day at a factor of one", _UNIFORM)] = 2.1468e-2
    structural_litter_turnover: Annotated[float, Parameter("d-1", (5.48e-4, 2.74e-3), "fraction of structural litter lost per day at a factor of one", _UNIFORM)] = 8.45e-4
    microbial_turnover: Annotated[float, Parameter("d-1", (2.74e-3, 6.85e-3), "fraction of microbial carbon lost per day at a factor of one", _UNIFORM)] = 4.8e-3
    slow_soil_turnover: Annotated[float, Parameter("d-1", (5.48e-5, 2.74e-4), "fraction of slow soil organic matter lost per day at a factor of one", _UNIFORM)] = 8.976e-5
    passive_soil_turnover: Annotated[float, Parameter("d-1", (1.37e-6, 9.13e-6), "fraction of passive soil organic matter lost per day at a factor of one", _UNIFORM)] = 3.09564e-6
    # fmt: on


class SevenPools(NamedTuple):
    """Pools; the declarations are those of the initial values, the defaults those of the Duke forest in 1996."""

    nonwoody_carbon: Annotated[float, Parameter("gC m-2", (10.0, 5000.0), "carbon in leaves and fine roots at the start")] = 469.0
    wood_carbon: Annotated[float, Parameter("gC m-2", (10.0, 1e5), "carbon in wood at the start")] = 4100.0
    metabolic_litter_carbon: Annotated[float, Parameter("gC m-2", (1.0, 2000.0), "carbon in metabolic litter at the start")] = 64.0
    structural_litter_carbon: Annotated[float, Parameter("gC m-2", (10.0, 2e4), "carbon in structural litter at the start")] = 694.0
    microbial_carbon: Annotated[float, Parameter("gC m-2", (1.0, 2000.0), "carbon in microbes at the start")] = 123.0
    slow_soil_carbon: Annotated[float, Parameter("gC m-2", (10.0, 1e5), "carbon in slow soil organic matter at the start")] = 1385.0
    passive_soil_carbon: Annotated[float, Parameter("gC m-2", (10.0, 1e5), "carbon in passive soil organic matter at the start")] = 923.0


class SevenPoolFluxes(NamedTuple):
    """Fluxes of one step; pools at its start."""

    nee: Any
    gpp: Any
    reco: Any
    npp: Any
    autotrophic_respiration: Any
    heterotrophic_respiration: Any
    decomposition_factor: Any
    foliage_carbon: Any
    forest_floor_carbon: Any
    mineral_soil_carbon: Any
    aboveground_litterfall: Any
    soil_efflux: Any


class EightPoolParameters(NamedTuple):
    """Rates of Weng & Luo (2011), bounds of the residence times and transfer fractions of TECO-SPRUCE 3.1.

    The bounds keep the fractions of each source below one together. Those of the passive pool's turnover are widened to hold its default.
    """

    # fmt: off
    f_auto: Annotated[float, Parameter("1", (0.2, 0.8), "autotrophic respiration as a fraction of GPP", level="pft")] = 0.46
    f_foliage: Annotated[float, Parameter("1", (0.01, 0.5), "fraction of NPP allocated to leaves", level="pft")] = 0.14 / 0.54
    f_roots: Annotated[float, Parameter("1", (0.01, 1.0), "fraction to fine roots of the NPP that leaves leave over; wood takes the rest", level="pft")] = 0.35
    foliage_turnover: Annotated[float, Parameter("d-1", (9e-4, 5.5e-3), "fraction of leaves lost per day at a factor of one", level="pft")] = 2.58e-3
    wood_turnover: Annotated[float, Parameter("d-1", (3.4e-5, 5.5e-4), "fraction of wood lost per day at a factor of one", level="pft")] = 5.86e-5
    root_turnover: Annotated[float, Parameter("d-1", (1.37e-3, 9.2e-3), "fraction of fine roots lost per day at a factor of one", level="pft")] = 2.39e-3
    metabolic_litter_turnover: Annotated[float, Parameter("d-1", (9e-4, 2.74e-2), "fraction of metabolic litter lost per day at a factor of one")] = 0.0109
    structural_litter_turnover: Annotated[float, Parameter("d-1", (1.37e-4, 2.74e-3), "fraction of structural litter lost per day at a factor of one")] = 9.5e-4
    microbial_turnover: Annotated[float, Parameter("d-1", (3.4e-3, 5.5e-2), "fraction of fast soil organic matter lost per day at a factor of one")] = 0.0105
    slow_soil_turnover: Annotated[float, Parameter("d-1", (1.8e-5, 5.5e-4), "fraction of slow soil organic matter lost per day at a factor of one")] = 9.95e-5
    passive_soil_turnover: Annotated[float, Parameter("d-1", (6.8e-7, 2e-5), "fraction of passive soil organic matter lost per day at a factor of one")] = 1.15e-5
    metabolic_to_microbial: Annotated[float, Parameter("1", (0.35, 0.6), "fraction of lost metabolic litter that becomes fast soil organic matter", _UNIFORM)] = 0.45
    structural_to_microbial: Annotated[float, Parameter("1", (0.25, 0.3), "fraction of lost structural litter that becomes fast soil organic matter", _UNIFORM)] = 0.275
    structural_to_slow: Annotated[float, Parameter("1", (0.25, 0.3), "fraction of lost structural litter that becomes slow soil organic matter", _UNIFORM)] = 0.275
    microbial_to_slow: Annotated[float, Parameter("1", (0.1, 0.4), "fraction of lost fast soil organic matter that becomes slow", _UNIFORM)] = 0.296
    microbial_to_passive: Annotated[float, Parameter("1", (0.0, 0.01), "fraction of lost fast soil organic matter that becomes passive", _UNIFORM)] = 0.004
    slow_to_microbial: Annotated[float, Parameter("1", (0.1, 0.6), "fraction of lost slow soil organic matter that becomes fast", _UNIFORM)] = 0.42
    slow_to_passive: Annotated[float, Parameter("1", (0.0, 0.05), "fraction of lost slow soil organic matter that becomes passive", _UNIFORM)] = 0.01
    passive_to_microbial: Annotated[float, Parameter("1", (0.3, 0.7), "fraction of lost passive soil organic matter that becomes fast", _UNIFORM)] = 0.45
    q10: Annotated[float, Parameter("1", (1.0, 4.0), "factor of all turnover rates for ten degrees", _UNIFORM, level="global")] = Q10
    # fmt: on


class EightPools(NamedTuple):
    """Pools; the declarations are those of the initial values, the defaults near equilibrium."""

    foliage_carbon: Annotated[float, Parameter("gC m-2", (1.0, 2000.0), "carbon in leaves at the start")] = 180.0
    wood_carbon: Annotated[float, Parameter("gC m-2", (10.0, 1e5), "carbon in wood at the start")] = 15000.0
    root_carbon: Annotated[float, Parameter("gC m-2", (1.0, 2000.0), "carbon in fine roots at the start")] = 200.0
    metabolic_litter_carbon: Annotated[float, Parameter("gC m-2", (1.0, 2000.0), "carbon in metabolic litter at the start")] = 50.0
    structural_litter_carbon: Annotated[float, Parameter("gC m-2", (10.0, 2e4), "carbon in structural litter at the start")] = 1400.0
    microbial_carbon: Annotated[
        float, Parameter("gC m-2", (1.0, 2000.0), "carbon in fast soil organic matter, microbes among it, at the start")
    ] = 80.0
    slow_soil_carbon: Annotated[float, Parameter("gC m-2", (10.0, 1e5), "carbon in slow soil organic matter at the start")] = 6000.0
    passive_soil_carbon: Annotated[float, Parameter("gC m-2", (10.0, 1e5), "carbon in passive soil organic matter at the start")] = 800.0


class EightPoolFluxes(NamedTuple):
    """Fluxes of one step."""

    nee: Any
    gpp: Any
    reco: Any
    npp: Any
    autotrophic_respiration: Any
    heterotrophic_respiration: Any
    decomposition_factor: Any
    leaf_litterfall: Any
    wood_litterfall: Any
    root_litterfall: Any


def _seven_pool_form(p: Any) -> tuple[dict[str, Any], dict[tuple[str, str], Any], Any]:
    return dict(ALLOCATION), dict(TRANSFERS), Q10


def _eight_pool_form(p: Any) -> tuple[dict[str, Any], dict[tuple[str, str], Any], Any]:
    npp = 1.0 - p.f_auto
    foliage = npp * p.f_foliage
    root = (npp - foliage) * p.f_roots
    transfers = {
        ("foliage", "metabolic_litter"): 0.9,
        ("foliage", "structural_litter"): 0.1,
        ("wood", "structural_litter"): 1.0,
        ("root", "metabolic_litter"): 0.2,
        ("root", "structural_litter"): 0.8,
        ("metabolic_litter", "microbial"): p.metabolic_to_microbial,
        ("structural_litter", "microbial"): p.structural_to_microbial,
        ("structural_litter", "slow_soil"): p.structural_to_slow,
        ("microbial", "slow_soil"): p.microbial_to_slow,
        ("microbial", "passive_soil"): p.microbial_to_passive,
        ("slow_soil", "microbial"): p.slow_to_microbial,
        ("slow_soil", "passive_soil"): p.slow_to_passive,
        ("passive_soil", "microbial"): p.passive_to_microbial,
    }
    return {"foliage": foliage, "wood": npp - foliage - root, "root": root}, transfers, p.q10


def _seven_pool_diagnostics(x: Any, out: Mapping[str, Any], fluxes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "foliage_carbon": ABOVE_GROUND * x["nonwoody"],
        "forest_floor_carbon": ABOVE_GROUND * (x["metabolic_litter"] + x["structural_litter"]),
        "mineral_soil_carbon": x["microbial"] + x["slow_soil"] + x["passive_soil"],
        "aboveground_litterfall": ABOVE_GROUND * (out["nonwoody"] + out["wood"]),
        # The published mapping counts a quarter of what plants lose, which enters litter as well: not a part of the budget.
        "soil_efflux": (1 - ABOVE_GROUND) * (out["nonwoody"] + out["wood"] + fluxes["autotrophic_respiration"])
        + fluxes["heterotrophic_respiration"],
    }


def _eight_pool_diagnostics(x: Any, out: Mapping[str, Any], fluxes: Mapping[str, Any]) -> dict[str, Any]:
    return {"leaf_litterfall": out["foliage"], "wood_litterfall": out["wood"], "root_litterfall": out["root"]}


Form = Callable[[Any], tuple[dict[str, Any], dict[tuple[str, str], Any], Any]]


def step_of(form: Form, state: type, fluxes: type, diagnostics: Callable[..., dict[str, Any]]) -> Callable[..., tuple[Any, Any]]:
    """Return the step of a set of pools: X + days (B gpp + factor A K X).

    Parameters
    ----------
    form : callable
        ``form(parameters) -> (shares, transfers, q10)``: fractions of GPP that enter pools, `linear_pools` transfers, and the
        temperature response.
    state, fluxes : NamedTuple classes
        Pools ``<name>_carbon``, whose exit rates are the parameters ``<name>_turnover``; and what is returned.
    diagnostics : callable
        ``diagnostics(pools, outflow, fluxes) -> dict`` of further fluxes.

    Returns
    -------
    callable
        ``step(state, forcing, parameters) -> (state, fluxes)`` (Xu et al. 2006, equation 1).
    """
    names = [n.removesuffix("_carbon") for n in state._fields]  # type: ignore[attr-defined]

    def step(x: Any, f: Forcing, p: Any) -> tuple[Any, Any]:
        shares, transfers, q10 = form(p)
        factor = teco_environment.turnover_factor(f.air_temperature_ten_day_mean, f.soil_water, q10)
        pools = {n: getattr(x, f"{n}_carbon") for n in names}
        out = {n: factor * getattr(p, f"{n}_turnover") * c for n, c in pools.items()}
        received = linear_pools.arriving(out, transfers)
        into = {n: shares[n] * f.gpp if n in shares else received[n] for n in names}
        respired = linear_pools.respired(out, transfers)
        npp = sum(shares.values()) * f.gpp
        autotrophic = f.gpp - npp
        known = {
            "nee": respired - npp,
            "gpp": f.gpp,
            "reco": autotrophic + respired,
            "npp": npp,
            "autotrophic_respiration": autotrophic,
            "heterotrophic_respiration": respired,
            "decomposition_factor": factor,
        }
        following = {f"{n}_carbon": c + f.step_length * (into[n] - out[n]) for n, c in pools.items()}
        return state(**following), fluxes(**known, **diagnostics(pools, out, known))

    return step


def equilibrium_of(form: Form, state: type) -> Equilibrium:
    """Return the equilibrium of a set of pools: X* = -(mean factor A K)^-1 B mean gpp.

    Parameters
    ----------
    form : callable
        As in `step_of`.
    state : NamedTuple class
        The pools.

    Returns
    -------
    Equilibrium
        Of all pools, exact for constant forcing; the covariance of factor and GPP over the seasons is neglected (semi-analytical
        spin-up, Xia et al. 2012, doi 10.5194/gmd-5-1259-2012).
    """
    names = [n.removesuffix("_carbon") for n in state._fields]  # type: ignore[attr-defined]

    def pools(means: Mapping[str, Any], p: Any) -> dict[str, Any]:
        shares, transfers, _ = form(p)
        flows = linear_pools.throughflow({n: shares.get(n, 0.0) for n in names}, transfers)
        scale = means["gpp"] / means["decomposition_factor"]
        return {f"{n}_carbon": scale * flow / getattr(p, f"{n}_turnover") for n, flow in flows.items()}

    return Equilibrium(("gpp", "decomposition_factor"), pools)


def _declared(form: Form, state: type, fluxes: type, diagnostics: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return {
        "step": step_of(form, state, fluxes, diagnostics),
        "state": state,
        "forcing": Forcing,
        "fluxes": fluxes,
        "budgets": {"carbon": Budget(tuple(state._fields), ("gpp",), ("reco",))},  # type: ignore[attr-defined]
        "equilibrium": equilibrium_of(form, state),
        "derived_forcing": (DerivedForcing(("air_temperature_ten_day_mean",), ("air_temperature", "step_length"), _ten_days),),
    }


def _ten_days(given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    steps = max(1, round(10.0 / float(np.mean(given["step_length"]))))
    return {"air_temperature_ten_day_mean": series.trailing_mean(given["air_temperature"], steps)}


TECO_7POOL = ProcessModel(
    name="teco_7pool",
    title="TECO with seven carbon pools (Xu et al. 2006)",
    parameters=SevenPoolParameters,
    citations=(
        "Luo et al. (2003), Global Biogeochemical Cycles 17, 1021, doi 10.1029/2002GB001923",
        "Xu et al. (2006), Global Biogeochemical Cycles 20, GB2007, doi 10.1029/2005GB002468",
    ),
    **_declared(_seven_pool_form, SevenPools, SevenPoolFluxes, _seven_pool_diagnostics),
)
TECO_8POOL = ProcessModel(
    name="teco_8pool",
    title="TECO with eight carbon pools (Weng & Luo 2011)",
    parameters=EightPoolParameters,
    citations=(
        "Weng & Luo (2011), Ecological Applications 21, 1490-1505, doi 10.1890/09-1394.1",
        "TECO-SPRUCE, data assimilation version 3.1 (Ma et al. 2017, 2022): bounds of residence times and transfer fractions",
    ),
    **_declared(_eight_pool_form, EightPools, EightPoolFluxes, _eight_pool_diagnostics),
)
