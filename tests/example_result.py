"""A made-up calibration result with everything that checks and reports read, for their tests.

A toy light-use model makes daily NEE and 8-day LAI at towers with a season, gaps and AR(1) errors; draws scatter around
the truth with a strong ridge between two respiration parameters. Nothing here was sampled: the truth is known.
"""

import json

import numpy as np
import pandas as pd
import xarray as xr

SITES = {
    1: [("FI-Hyy", "ENF", 61.85)],
    6: [
        ("FI-Hyy", "ENF", 61.85),
        ("DE-Tha", "ENF", 50.96),
        ("DE-Hai", "DBF", 51.08),
        ("US-MMS", "DBF", 39.32),
        ("US-SRG", "GRA", 31.79),
        ("AU-Stp", "GRA", -17.15),
    ],
}
PARAMETERS = {
    "ceff": {
        "unit": "gC m-2 MJ-1",
        "bounds": (0.2, 2.5),
        "description": "light-use efficiency per leaf area",
        "prior": "log-uniform",
        "link": "log",
        "level": "site",
        "at": 0.9,
        "sd": 0.03,
    },
    "leaf_area_max": {
        "unit": "m2 m-2",
        "bounds": (0.5, 8.0),
        "description": "largest leaf area index",
        "prior": "log-uniform",
        "level": "site",
        "at": 3.2,
        "sd": 0.1,
    },
    "leaf_day": {
        "unit": "d",
        "bounds": (0, 365.25),
        "description": "day of leaf onset",
        "prior": "uniform on the circle",
        "link": "circular",
        "level": "pft",
        "at": 120.0,
        "sd": 3.0,
    },
    "respiration_rate": {
        "unit": "d-1",
        "bounds": (1e-5, 1e-2),
        "description": "decomposition rate at 0 degC",
        "prior": "log-uniform",
        "level": "pft",
        "at": 2.2e-4,
        "sd": 0.12,
    },
    "temperature_sensitivity": {
        "unit": "degC-1",
        "bounds": (0.018, 0.08),
        "description": "exponential temperature response",
        "prior": "uniform",
        "level": "global",
        "at": 0.05,
        "sd": 0.003,
    },
    "soil_carbon": {
        "unit": "gC m-2",
        "bounds": (200, 2e5),
        "description": "soil carbon at the start",
        "prior": "log-uniform",
        "level": "site",
        "at": 7000.0,
        "sd": 0.12,
    },
    "nee_sd": {
        "unit": "gC m-2 d-1",
        "bounds": (0.0, 5.0),
        "description": "structural sd of NEE",
        "prior": "uniform",
        "level": "global",
        "at": 0.55,
        "sd": 0.03,
    },
    "nee_phi": {
        "unit": "1",
        "bounds": (0.0, 0.9),
        "description": "AR(1) coefficient of NEE",
        "prior": "uniform",
        "level": "global",
        "at": 0.6,
        "sd": 0.03,
    },
}
EQUATIONS = {
    "nee": {
        "words": "Stated random error, plus structural error with a constant sd and a correlation that decays over gaps.",
        "equation": "y(t) = NEE(t) + b(t) + e(t),   b(t) = phi^dt b(t - dt) + s sqrt(1 - phi^(2 dt)) z(t),   e(t) ~ N(0, u(t)^2)",
    },
    "lai": {"words": "Independent errors, the stated uncertainty.", "equation": "y(t) ~ N(LAI(t), u(t)^2)"},
}


def example_result(n_sites: int = 1, *, seed: int = 1, chains: int = 4, draws: int = 200, years: int = 5, start: int = 2008) -> xr.DataTree:
    """Build the result; the last year is withheld.

    Parameters
    ----------
    n_sites : int
        1 or 6.
    seed : int
        Seed of the random numbers.
    chains, draws, years, start : int
        Size, and first year.

    Returns
    -------
    xarray.DataTree
        Groups posterior, sample_stats, prior, posterior_predictive, observed_data, constant_data, forcing, budget, modes.
    """
    rng = np.random.default_rng(seed)
    names, pfts, latitudes = (list(x) for x in zip(*SITES[n_sites], strict=True))
    time = pd.date_range(f"{start}-01-01", f"{start + years - 1}-12-31")
    forcing = _forcing(rng, time, np.array(latitudes)).assign_coords(site=names)
    labels = {"site": names, "pft": sorted(set(pfts)), "global": [""]}
    posterior, prior, truth = {}, {}, {}
    ridge = rng.normal(size=(chains, draws))
    for name, p in PARAMETERS.items():
        dims = () if p["level"] == "global" or n_sites == 1 else (p["level"],)
        shape = tuple(len(labels[d]) for d in dims)
        truth[name] = (
            p["at"] * np.exp(rng.normal(0, 0.15, shape)) if name not in ("nee_phi", "temperature_sensitivity") else np.full(shape, p["at"])
        )
        z = rng.normal(size=(chains, draws, *shape))
        sign = {"respiration_rate": 1.0, "soil_carbon": -1.0}.get(name, 0.0)
        z = sign * 0.97 * ridge.reshape(chains, draws, *[1] * len(shape)) + np.sqrt(1 - (0.97 * sign) ** 2) * z
        posterior[name] = _spread(p, truth[name], z)
        low, high = p["bounds"]
        u = rng.uniform(size=(1, 500, *shape))
        prior[name] = low * (high / low) ** u if low > 0 and high / low >= 10 else low + (high - low) * u
        posterior[name], prior[name] = (
            xr.DataArray(v, dims=("chain", "draw", *dims), coords={d: labels[d] for d in dims}) for v in (posterior[name], prior[name])
        )
        truth[name] = xr.DataArray(truth[name], dims=dims, coords={d: labels[d] for d in dims})
    at = xr.DataArray(pfts, dims="site", coords={"site": names})
    fluxes = _model({k: _per_site(v, at) for k, v in truth.items()}, forcing)
    thin = slice(None, None, max(draws // 25, 1))
    drawn = _model({k: _per_site(v.isel(draw=thin), at) for k, v in posterior.items()}, forcing)
    parts = _streams(rng, time, forcing, fluxes, drawn, truth, {k: v.isel(draw=thin) for k, v in posterior.items()})
    size = (chains, draws)
    stats = {
        "diverging": (("chain", "draw"), np.zeros(size, dtype=bool)),
        "energy": (("chain", "draw"), rng.normal(50, 4, size)),
        "n_steps": (("chain", "draw"), np.full(size, 15)),
        "acceptance_rate": (("chain", "draw"), rng.beta(18, 1, size)),
    }
    groups = {
        "posterior": xr.Dataset(posterior),
        "prior": xr.Dataset(prior),
        "sample_stats": xr.Dataset(stats),
        "forcing": forcing,
        "budget": _budget(drawn),
        "modes": _modes(rng, posterior),
        **parts,
    }
    groups = {k: v.assign_coords({d: v[d] if d in v.coords else np.arange(v.sizes[d]) for d in v.dims}) for k, v in groups.items()}
    tree = xr.DataTree.from_dict(groups)
    tree.attrs |= _attributes(names, pfts, years, start, seed)
    return tree


def _forcing(rng: np.random.Generator, time: pd.DatetimeIndex, latitude: np.ndarray) -> xr.Dataset:
    angle = 2 * np.pi * (time.day_of_year.to_numpy() - 15) / 365.25
    season = -np.cos(angle) * np.sign(latitude)[:, None]
    noise = np.apply_along_axis(lambda e: _ar1(e, 0.8), 1, rng.normal(size=season.shape))
    temperature = 24 - 0.33 * np.abs(latitude)[:, None] + 0.2 * np.abs(latitude)[:, None] * season + 3 * noise
    light = np.clip(11 + 8 * season + 3 * rng.normal(size=season.shape), 0.3, None)
    vpd = np.clip(4 + 0.35 * temperature + 1.5 * noise, 0.1, None)
    rain = rng.gamma(0.3, 8, season.shape)
    values = {
        "air_temperature": (temperature, "degC"),
        "shortwave_down": (light, "MJ m-2 d-1"),
        "vapour_pressure_deficit": (vpd, "hPa"),
        "precipitation": (rain, "mm d-1"),
    }
    return xr.Dataset({k: (("site", "time"), v, {"units": u}) for k, (v, u) in values.items()}, coords={"time": time})


def _ar1(noise: np.ndarray, phi: float) -> np.ndarray:
    out = noise.copy()
    for t in range(1, noise.size):
        out[t] = phi * out[t - 1] + np.sqrt(1 - phi**2) * noise[t]
    return out


def _spread(p: dict, truth: np.ndarray, z: np.ndarray) -> np.ndarray:
    low, high = p["bounds"]
    around = truth * np.exp(p["sd"] * z) if low > 0 and high / low >= 10 else truth + p["sd"] * z
    return np.clip(around, low, high)


def _per_site(values: xr.DataArray, pft_of: xr.DataArray) -> xr.DataArray:
    return values.sel(pft=pft_of).drop_vars("pft") if "pft" in values.dims else values


def _model(p: dict[str, xr.DataArray], forcing: xr.Dataset) -> dict[str, xr.DataArray]:
    day = forcing["time"].dt.dayofyear
    north = xr.where(forcing["air_temperature"].where(day < 60).mean("time") < forcing["air_temperature"].mean("time"), 1.0, -1.0)
    lai = p["leaf_area_max"] * (0.35 + 0.65 / (1 + np.exp(-north * 4 * np.sin(2 * np.pi * (day - p["leaf_day"]) / 365.25))))
    gpp = p["ceff"] * forcing["shortwave_down"] * 0.55 * (1 - np.exp(-0.5 * lai)) / (1 + np.exp(-(forcing["air_temperature"] - 6) / 3))
    warm = np.exp(p["temperature_sensitivity"] * forcing["air_temperature"])
    reco = 0.42 * gpp + p["respiration_rate"] * p["soil_carbon"] * warm * 0.7
    dims = [d for d in ("chain", "draw", "site", "time") if d in gpp.dims]
    return {k: v.transpose(*dims) for k, v in {"gpp": gpp, "reco": reco, "nee": reco - gpp, "lai": lai + 0 * gpp}.items()}


def _streams(rng, time, forcing, fluxes, drawn, truth, posterior) -> dict[str, xr.Dataset]:
    observed, constant, predictive = {}, {}, {}
    shape = fluxes["nee"].shape
    for name, step, unit in (("nee", 1, "gC m-2 d-1"), ("lai", 8, "m2 m-2")):
        when = time[::step]
        dim = f"time_{name}"
        mean, run = (x.isel(time=slice(None, None, step)).rename(time=dim) for x in (fluxes[name], drawn[name]))
        if name == "nee":
            uncertainty = 0.15 + 0.04 * np.abs(mean.to_numpy())
            error = float(truth["nee_sd"]) * np.stack([_ar1(rng.normal(size=when.size), float(truth["nee_phi"])) for _ in range(shape[0])])
            phi, sd = (posterior[k].to_numpy()[..., None] for k in ("nee_phi", "nee_sd"))
            simulated = rng.normal(size=run.shape)
            for t in range(1, when.size):
                simulated[..., t] = phi * simulated[..., t - 1] + np.sqrt(1 - phi**2) * simulated[..., t]
            simulated = simulated * sd[..., None]
        else:
            uncertainty, error, simulated = 0.1 * mean.to_numpy() + 0.1, 0.0, 0.0
        y = mean.to_numpy() + error + uncertainty * rng.normal(size=mean.shape)
        gap = rng.uniform(size=y.shape) < 0.06
        for k in range(y.shape[0]):
            first = rng.integers(0, y.shape[1] - 60 // step)
            gap[k, first : first + 45 // step] = True
        withheld = np.broadcast_to(when.year == when.year.max(), y.shape)
        coords = {"site": mean["site"], dim: when}
        observed[name] = xr.DataArray(np.where(gap, np.nan, y), dims=("site", dim), coords=coords, attrs={"units": unit})
        constant[f"{name}_uncertainty"] = xr.DataArray(
            uncertainty, dims=("site", dim), coords=coords, attrs={"units": unit, "source": "24-hour differencing"}
        )
        constant[f"{name}_withheld"] = xr.DataArray(withheld, dims=("site", dim), coords=coords)
        predictive[name] = run + simulated + uncertainty * rng.normal(size=run.shape)
        predictive[f"{name}_mean"] = run
    return {k: xr.Dataset(v) for k, v in (("observed_data", observed), ("constant_data", constant), ("posterior_predictive", predictive))}


def _budget(drawn: dict[str, xr.DataArray]) -> xr.Dataset:
    annual = {k: drawn[k].groupby("time.year").sum() for k in ("gpp", "reco", "nee")}
    annual["fire_emission"] = 0.002 * annual["gpp"]
    annual["delta_storage"] = annual["gpp"] - annual["reco"] - annual["fire_emission"]
    annual["closure"] = 1e-13 * annual["gpp"]
    return xr.Dataset({k: v.transpose("chain", "draw", "site", "year").assign_attrs(units="gC m-2 a-1") for k, v in annual.items()})


def _modes(rng: np.random.Generator, posterior: dict[str, xr.DataArray]) -> xr.Dataset:
    data = {"log_posterior": [-778.2, -783.4], "fraction_of_starts": [0.58, 0.42], "weight": [0.97, 0.03], "withheld_crps": [0.43, 0.47]}
    return xr.Dataset(
        {k: ("mode", v) for k, v in data.items()}
        | {k: (("mode", *v.dims[2:]), np.stack([v.mean(("chain", "draw")) * f for f in (1.0, 1.1)])) for k, v in posterior.items()}
    )


def _attributes(names: list[str], pfts: list[str], years: int, start: int, seed: int) -> dict[str, str]:
    hidden = {"at", "sd", "level"}
    card = {
        "title": f"Toy light-use model at {', '.join(names)}",
        "process_model": "toy light-use model",
        "sites": names,
        "pft": dict(zip(names, pfts, strict=True)),
        "streams": ["nee", "lai"],
        "period_training": [f"{start}-01-01", f"{start + years - 2}-12-31"],
        "period_withheld": [f"{start + years - 1}-01-01", f"{start + years - 1}-12-31"],
        "parameters": {k: {n: v for n, v in p.items() if n not in hidden} for k, p in PARAMETERS.items()},
        "error_models": EQUATIONS,
        "citations": [
            "Monteith (1972), Solar radiation and productivity in tropical ecosystems, doi 10.2307/2401901, eq. 1",
            "Lloyd & Taylor (1994), doi 10.2307/2389824",
        ],
    }
    cost = {"gradient_evaluations": 42000, "seconds": 61.0, "ess_per_second": 11.3}
    versions = {"lsm_bayes": "0.0", "pymc": "6.0", "numpy": np.__version__}
    found = {"model_card": json.dumps(card), "versions": json.dumps(versions), "cost": json.dumps(cost), "seed": json.dumps(seed)}
    return found | {"method": "nutpie, low-rank metric", "data_hash": "sha256:0123456789abcdef", "created": "2026-01-01T00:00:00Z"}
