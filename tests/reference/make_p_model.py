"""Write p_model.json: single days by pyrealm (MIT licence), and a few days of complete runs of rsofun's P-model (Fortran).

Usage: python make_p_model.py [folder with pmodel_FR-Pue.nc]

Without an argument the folder is ``reference`` beside the one that LSM_BAYES_DATA names. Needs ``pip install pyrealm==2.0.0 xarray
netCDF4``, in an environment of its own: pyrealm is no dependency of the package.
"""

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import xarray as xr
from pyrealm.constants import CoreConst
from pyrealm.core.calendar import Calendar
from pyrealm.core.hygro import calc_psychrometric_constant
from pyrealm.core.water import calc_density_h2o_chen, calc_density_h2o_fisher, calc_viscosity_h2o
from pyrealm.pmodel import PModel, PModelEnvironment
from pyrealm.splash.evap import DailyEvapFluxes
from pyrealm.splash.solar import DailySolarFluxes

# degC, Pa, umol mol-1, Pa, umol m-2 s-1
LEAVES = {
    "temperature": [20.0, 10.0, 32.0, 1.5, 25.0, 15.0],
    "vapour_pressure_deficit": [1000.0, 500.0, 3200.0, 60.0, 1500.0, 800.0],
    "co2": [400.0, 400.0, 390.0, 284.0, 560.0, 410.0],
    "pressure": [101325.0, 101325.0, 98000.0, 72000.0, 100000.0, 95000.0],
    "ppfd": [800.0, 800.0, 450.0, 120.0, 600.0, 300.0],
}
KPHIO = 0.05
# d, degrees north, m, degC, 1, 1
DAYS = {
    "day_of_year": [1, 100, 172, 172, 355, 300],
    "latitude": [43.74, -23.0, 61.8, 78.0, 78.0, 0.5],
    "elevation": [270.0, 10.0, 181.0, 40.0, 40.0, 2500.0],
    "temperature": [10.0, 27.0, 16.0, 3.0, -22.0, 14.0],
    "sunshine": [1.0, 0.4, 0.7, 0.9, 0.2, 0.0],
    "relative_water": [0.46, 0.9, 0.15, 0.6, 0.6, 0.02],
}
SAMPLES, RUN_DAYS = (1, 4), 6


def leaves() -> dict[str, object]:
    """Acclimated leaves."""
    x = {k: np.array(v) for k, v in LEAVES.items()}
    environment = PModelEnvironment(
        tc=x["temperature"], vpd=x["vapour_pressure_deficit"], co2=x["co2"], patm=x["pressure"], fapar=np.ones(6), ppfd=x["ppfd"]
    )
    m = PModel(environment, method_kphio="fixed", reference_kphio=KPHIO, method_jmaxlim="wang17")
    made = {
        "viscosity": calc_viscosity_h2o(x["temperature"], x["pressure"]),
        "density": calc_density_h2o_fisher(x["temperature"], x["pressure"]),
        "density_chen": calc_density_h2o_chen(x["temperature"], x["pressure"]),
        "psychrometric_constant": calc_psychrometric_constant(x["temperature"], x["pressure"]),
        "compensation_point": environment.gammastar,
        "michaelis_constant": environment.kmm,
        "ci_to_ca": m.optchi.chi,
        "m": m.optchi.mj,
        "light_use_efficiency": m.lue / CoreConst().k_c_molmass,
        "vcmax": m.vcmax,
        "jmax": m.jmax,
    }
    return {"inputs": LEAVES | {"kphio": KPHIO}, "outputs": {k: np.asarray(v).tolist() for k, v in made.items()}}


def days() -> dict[str, object]:
    """Radiation and evapotranspiration of single days."""
    made: dict[str, list[float]] = {k: [] for k in ("positive", "negative", "actual", "potential", "condensation")}
    constants = CoreConst(water_density_method="chen")
    for day, latitude, elevation, temperature, sunshine, relative in zip(*DAYS.values(), strict=True):
        one = [np.array([v]) for v in (latitude, elevation, sunshine, temperature)]
        date = np.datetime64("2006-12-31") + np.array([day], dtype="timedelta64[D]")
        solar = DailySolarFluxes(one[0], one[1], Calendar(date), one[2], one[3], constants)
        pressure = constants.k_Po * (1 - constants.k_L * one[1] / constants.k_To) ** (
            constants.k_G * constants.k_Ma / (constants.k_R * constants.k_L)
        )
        evaporation = DailyEvapFluxes(solar, pressure, one[3], np.array([100.0]), constants)
        made["positive"] += solar.daytime_net_radiation.tolist()
        made["negative"] += solar.nighttime_net_radiation.tolist()
        made["actual"] += evaporation.estimate_aet(np.array([100.0 * relative])).tolist()
        made["potential"] += evaporation.pet_d.tolist()
        made["condensation"] += evaporation.cond.tolist()
    return {"inputs": DAYS, "outputs": made}


SPIN_UP = 10  # years of the first year's forcing


def memory(series: np.ndarray, tau: float) -> float:
    """Low-pass filter of the first year, many times, from its first day."""
    value = series[0]
    for today in np.tile(series[:365], SPIN_UP):
        value += (today - value) / tau
    return float(value)


def runs(file: Path) -> dict[str, object]:
    """First days of two samples; the run's own memories are not among its output, and follow from the forcing."""
    with xr.open_dataset(file) as data:
        names, parameters = data.attrs["output_columns"].split(), data.attrs["param_names"].split()
        values = data["parameters"].values[list(SAMPLES)]
        forcing = {n[3:]: data[n].values.astype(float) for n in map(str, data) if n.startswith("in_")}
        out = data["output"].values[list(SAMPLES)]
        tau = values[:, parameters.index("tau_acclim")]
        wanted = ("gpp", "wcont", "aet", "pet", "cond", "netrad", "chi")
        return {
            "provenance": {k: data.attrs[k] for k in ("title", "source", "site")} | {"file": file.name, "samples": SAMPLES},
            "parameters": dict(zip(parameters, values.T.tolist(), strict=True)),
            # The soil water at the end of the spin-up is not in the output: what the first day's balance implies.
            "soil_water": float(
                out[0, 0, names.index("wcont")]
                - forcing["rain"][0] * 86400
                - out[0, 0, names.index("cond")]
                + out[0, 0, names.index("aet")]
            ),
            "memories": {n: [memory(forcing[n], t) for t in tau] for n in ("temp", "vpd", "ppfd", "patm", "co2")},
            "forcing": {n: v[:RUN_DAYS].tolist() for n, v in forcing.items()},
            "outputs": {n: out[:, :RUN_DAYS, names.index(n)].tolist() for n in wanted},
        }


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(os.environ["LSM_BAYES_DATA"]).resolve().parent / "reference"
    made = {
        "generator": Path(__file__).name,
        "pyrealm": {"version": version("pyrealm"), "leaves": leaves(), "days": days()},
        "rsofun": runs(folder / "pmodel_FR-Pue.nc"),
    }
    Path(__file__).with_name("p_model.json").write_text(json.dumps(made, indent=1) + "\n")
