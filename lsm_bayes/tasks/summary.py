"""What is kept of each posterior: mean, sd and quantiles of parameters, fluxes and pools, with what convergence and withheld data say."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

from lsm_bayes.calibration.choices import Calibration
from lsm_bayes.calibration.predict import DIAGNOSED, calibration_of, parameters_at
from lsm_bayes.diagnostics import check, read_stream, score, stream_names
from lsm_bayes.diagnostics.result import model_card, unrolled
from lsm_bayes.diagnostics.scores import quantiles
from lsm_bayes.simulation import simulate

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
RUNS = 400
"""Draws that are run for fluxes and pools."""
_GATES = {
    "rhat": ("R-hat", "largest rank-normalised R-hat of all parameters"),
    "ess_bulk": ("effective sample size, bulk", "smallest bulk effective sample size of all parameters"),
    "ess_tail": ("effective sample size, tail", "smallest tail effective sample size of all parameters"),
    "divergent_fraction": ("divergent transitions", "fraction of the transitions that diverged"),
}
# The standard name table has these for quantities with the sign of the package.
STANDARD_NAMES = {
    "gpp": "gross_primary_productivity_of_biomass_expressed_as_carbon",
    "npp": "net_primary_productivity_of_biomass_expressed_as_carbon",
    "lai": "leaf_area_index",
    "autotrophic_respiration": "surface_upward_mass_flux_of_carbon_dioxide_expressed_as_carbon_due_to_plant_respiration",
    "heterotrophic_respiration": "surface_upward_mass_flux_of_carbon_dioxide_expressed_as_carbon_due_to_heterotrophic_respiration",
}


def summarise(model: pm.Model, tree: xr.DataTree, targets: Sequence[str] | None = None) -> xr.Dataset:
    """Summarise the posterior of one site.

    Parameters
    ----------
    model : pymc.Model
        From `build_model`, of one site.
    tree : xarray.DataTree
        Its result.
    targets : sequence of str, optional
        Fluxes and states whose mean over the record is summarised; gross and net carbon fluxes and all pools by default.

    Returns
    -------
    xarray.Dataset
        For each parameter and target ``<name>`` (posterior mean), ``<name>_sd`` and ``<name>_quantile`` (quantile); initial pools are
        ``<pool>_initial``. ``rhat``, ``ess_bulk``, ``ess_tail``, ``divergent_fraction``, ``gates_passed``, ``modes``, and
        ``<stream>_withheld_crps``, ``<stream>_withheld_coverage_90`` where observations were withheld and predicted; for the Laplace
        approximation ``importance_efficiency``. Units are those that CF allows: grams "as carbon" in words.
    """
    c = calibration_of(model)
    posterior = tree["posterior"].to_dataset()
    stats = tree["sample_stats"].to_dataset()
    possible = np.isfinite(stats["lp"].transpose("chain", "draw").values)
    entries = model_card(tree).get("parameters", {})
    found: dict[str, Any] = {}
    for name, (declared, _) in c.declared.items():
        if name in c.fixed:
            continue
        values = unrolled(posterior[name].transpose("chain", "draw").values, entries.get(name, {}))
        is_state = name in c.process_model.state_parameters
        words = declared.description + (", at the start of the record" if is_state else "")
        found |= _moments(f"{name}_initial" if is_state else name, values[possible], declared.unit, words)
    for name, values in _errors(c, posterior).items():
        found |= _moments(name, values[possible], "", f"parameter {name} of the error model")
    for name, (values, attrs) in _targets(c, posterior, possible, targets).items():
        found |= _moments(name, values, attrs["units"], f"{attrs['long_name']}, mean over the record", {"cell_methods": "time: mean"})
        if name in STANDARD_NAMES:
            found[name][2]["standard_name"] = STANDARD_NAMES[name]
    found |= _convergence(tree) | _withheld(tree)
    level = {"units": "1", "long_name": "probability of the posterior quantile"}
    return xr.Dataset(found, coords={"quantile": ("quantile", np.array(QUANTILES), level)})


def _moments(name: str, values: np.ndarray, unit: str, words: str, more: dict[str, str] | None = None) -> dict[str, Any]:
    values = values[np.isfinite(values)]
    attrs, known = cf_attrs(unit, words), values.size > 1
    mean, sd = (float(values.mean()), float(values.std(ddof=1))) if known else (np.nan, np.nan)
    levels = quantiles(values, QUANTILES) if known else np.full(len(QUANTILES), np.nan)
    about = {"ancillary_variables": f"{name}_sd {name}_quantile"} | (more or {})
    return {
        name: ((), mean, attrs | {"long_name": f"posterior mean of {attrs['long_name']}"} | about),
        f"{name}_sd": ((), sd, attrs | {"long_name": f"posterior standard deviation of {attrs['long_name']}"} | (more or {})),
        f"{name}_quantile": ("quantile", levels, attrs | {"long_name": f"posterior quantile of {attrs['long_name']}"} | (more or {})),
    }


def cf_attrs(unit: str, words: str) -> dict[str, str]:
    """Return ``units`` and ``long_name`` as CF has them: UDUNITS does not know gC, so that carbon is said in the name.

    Parameters
    ----------
    unit : str
        In the notation of the package, such as ``"gC m-2 d-1"``; empty when it is not known.
    words : str
        Description.

    Returns
    -------
    dict of str to str
        ``units`` is left out when it is not known.
    """
    grams = re.sub(r"(?<![A-Za-z])([kM]?g)C(?![A-Za-z])", r"\1", unit)
    plain = grams.replace("delta_degC", "K").replace("permille", "1e-3")
    return ({"units": plain} if plain else {}) | {"long_name": words if grams == unit else f"{words}, mass as carbon"}


def _errors(c: Calibration, posterior: xr.Dataset) -> dict[str, np.ndarray]:
    """Scalar parameters of the error models, each (chain, draw)."""
    streams = tuple(f"{p.name}_" for p in c.streams)
    return {
        str(n): v.transpose("chain", "draw").values
        for n, v in posterior.data_vars.items()
        if v.ndim == 2 and str(n).startswith(streams) and not str(n).endswith("_z") and n not in c.declared
    }


def _targets(
    c: Calibration, posterior: xr.Dataset, possible: np.ndarray, targets: Sequence[str] | None
) -> dict[str, tuple[np.ndarray, dict[str, str]]]:
    model, record = c.process_model, c.records[0]
    if targets is None:
        pools = [n for n, (p, _) in model.state_parameters.items() if p.unit == "gC m-2"]
        targets = [*(n for n in DIAGNOSED if n in model.flux_quantities), *pools]
    if not targets:
        return {}
    step = max(1, -(-possible.size // RUNS))
    drawn = posterior.isel(draw=slice(None, None, step))
    parameters = {n: v for n, v in parameters_at(c, drawn, 0).items() if n in model.calibrated}
    run = simulate(model, record.data, parameters, outputs=list(targets))
    length = record.forcing.varying.get("step_length")
    weights = xr.DataArray(np.asarray(length, dtype=float) if length is not None else np.ones(run.sizes["time"]), dims="time")
    found = {}
    for name in targets:
        values = run[name].mean("instant") if "instant" in run[name].dims else run[name].weighted(weights).mean("time")
        rows = values.transpose("chain", "draw", ...).values.reshape(values.sizes["chain"], values.sizes["draw"], -1).mean(axis=-1)
        found[name] = rows[possible[:, ::step]], run[name].attrs
    return found


def _convergence(tree: xr.DataTree) -> dict[str, Any]:
    gates = check(tree)
    found: dict[str, Any] = {}
    for name, (title, words) in _GATES.items():
        gate = next(g for g in gates.gates if g.name.startswith(title))
        found[name] = ((), gate.value, {"units": "1", "long_name": words})
    flags = {"flag_values": np.array([0, 1], dtype="int8"), "flag_meanings": "failed passed"}
    found["gates_passed"] = ((), float(gates.passed), {"long_name": "whether every gate of a posterior passes"} | flags)
    modes = tree["modes"].sizes["mode"] if "modes" in tree.children else np.nan
    found["modes"] = ((), float(modes), {"units": "1", "long_name": "number of modes that were found"})
    stats = tree["sample_stats"].to_dataset()
    if "log_weight" in stats:
        log = stats["log_weight"].values.ravel()
        weight = np.exp(log - log.max())
        words = "effective number of draws of the Laplace approximation by importance weights, as a fraction"
        found["importance_efficiency"] = (
            (),
            float(weight.sum() ** 2 / (weight**2).sum() / weight.size),
            {"units": "1", "long_name": words},
        )
    return found


def _withheld(tree: xr.DataTree) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in stream_names(tree) if "posterior_predictive" in tree.children else []:
        stream = read_stream(tree, name)
        table = score(stream)
        rows = table[table["period"] == "withheld"].to_dict("records") if len(table) else []
        if not rows:
            continue
        first = rows[0]  # the finest step
        words = f"of {name} in the withheld period, {first['step']}"
        attrs = cf_attrs(stream.unit, f"continuous ranked probability score {words}")
        found[f"{name}_withheld_crps"] = ((), float(first["crps"]), attrs)
        found[f"{name}_withheld_climatology_crps"] = (
            (),
            float(first["climatology_crps"]),
            attrs | {"long_name": f"{attrs['long_name']}, of the climatology of the fitted years"},
        )
        covered = {"units": "1", "long_name": f"coverage of the 90 % interval {words}"}
        found[f"{name}_withheld_coverage_90"] = ((), float(first["coverage_90"]), covered)
    return found
