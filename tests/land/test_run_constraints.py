"""Dynamical constraints of the DALEC family against the source's formulas in plain NumPy, on runs with fire."""

import math
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from runs import run

from lsm_bayes import land
from lsm_bayes.declare import ProcessModel
from lsm_bayes.oracles import plausible_weather
from lsm_bayes.processes import pool_dynamics
from lsm_bayes.simulation import symbolic_run

MEMBERS = 4
POOLS = ("labile", "foliage", "root", "wood", "litter", "soil")
# Inputs and losses of each pool in the source, beside its fire.
IN = {
    "labile": ["allocation_to_labile"],
    "foliage": ["allocation_to_foliage", "labile_release"],
    "root": ["allocation_to_roots"],
    "wood": ["allocation_to_wood"],
    "litter": ["leaf_litterfall", "root_litterfall", "fire_labile_to_litter", "fire_foliage_to_litter", "fire_root_to_litter"],
    "soil": ["wood_litterfall", "litter_decomposition", "fire_wood_to_soil", "fire_litter_to_soil"],
}
OUT = {
    "labile": ["labile_release", "fire_emission_labile", "fire_labile_to_litter"],
    "foliage": ["leaf_litterfall", "fire_emission_foliage", "fire_foliage_to_litter"],
    "root": ["root_litterfall", "fire_emission_root", "fire_root_to_litter"],
    "wood": ["wood_litterfall", "fire_emission_wood", "fire_wood_to_soil"],
    "litter": ["litter_respiration", "litter_decomposition", "fire_emission_litter", "fire_litter_to_soil"],
    "soil": ["soil_respiration", "fire_emission_soil"],
}


def weather(model: ProcessModel, steps: int, days: float) -> dict[str, Any]:
    names = [n for n in model.given_forcing if n not in ("step_length", "latitude")]
    made = plausible_weather(names, (np.arange(steps) + 0.5) * days, days, np.random.default_rng(3))
    return model.completed(made | {"step_length": np.full(steps, days), "latitude": np.full(steps, 48.0)})


def members(model: ProcessModel) -> dict[str, np.ndarray]:
    """Return values around the defaults, inside the bounds."""
    rng = np.random.default_rng(5)
    found = {}
    for name, (declared, default) in model.calibrated.items():
        found[name] = np.clip(default * np.exp(0.4 * rng.standard_normal(MEMBERS)), *declared.bounds)
        found[name][0] = default
    dates = {"leaf_onset_day": np.full(MEMBERS, 480.0), "leaf_fall_day": np.full(MEMBERS, 645.0)}
    return found | {n: v for n, v in dates.items() if n in found}


def described(model: ProcessModel, steps: int, days: float) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, np.ndarray]]:
    forcing, values = weather(model, steps, days), members(model)
    found = run(model, forcing, values)
    return {n: float(np.mean(v)) for n, v in forcing.items()}, values, {n: a.T for n, a in found.items()}


def evaluated(model: ProcessModel, means: Mapping[str, Any], values: Mapping[str, Any], series: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Evaluate the margins of all constraints on runs, and the graded forms as ``name|set``."""
    p = model.parameters(*[pt.as_tensor(values[n]) for n in model.parameters._fields])  # type: ignore[attr-defined]
    read = {n: pt.as_tensor(a) for n, a in series.items()}
    wanted: dict[str, Any] = {}
    for c in (c for c in model.constraints if c.needs):
        arguments = (means, p, {n: read[n] for n in c.needs})
        wanted |= {c.name: c.margin(*arguments)} | {f"{c.name}|{k}": f(*arguments) for k, f in c.graded.items()}
    found = pytensor.function([], list(wanted.values()), mode="FAST_COMPILE")()
    return dict(zip(wanted, found, strict=True))


def by_the_source(model: ProcessModel, means: Mapping[str, Any], v: Mapping[str, Any], s: Mapping[str, Any], days: float) -> dict[str, Any]:
    """Write the formulas of CARDAMOM with every flux summed over the run."""
    steps, limited = s["gpp"].shape[1], model.name == "dalec_990"
    middle = (np.arange(steps) + 0.5) * days
    a_year = int(np.floor(steps / (middle[-1] - middle[0]) * 365.25))
    found: dict[str, Any] = {}

    def steady(label: str, pool: str, gain: list[str], loss: list[str]) -> None:
        f_in, f_out = (days * sum(s[n].sum(axis=1) for n in names if n in s) for names in (gain, loss))
        mean_ratio = f_in / f_out
        januaries = np.mean([s[pool][:, k * a_year] for k in range(steps // a_year + 1)], axis=0)
        start_ratio = mean_ratio * januaries / s[pool][:, 0]
        near, trend = np.abs(np.log(start_ratio)), np.abs(start_ratio - mean_ratio)
        found[f"{label}_near_steady"] = np.log(2) - near
        found[f"{label}_settled"] = np.log(0.1 / np.sqrt(trend**2 + 1e-12))
        for later in ("cardamom_1005", "cardamom_1100"):
            found[f"{label}_near_steady|{later}"] = -0.5 * (near / np.log(2)) ** 2
        found[f"{label}_settled|cardamom_1005"] = -0.5 * (trend / 0.1) ** 2
        found[f"{label}_settled|cardamom_1100"] = -0.5 * (np.log(start_ratio / mean_ratio) / np.log(1.1)) ** 2

    for pool in (k for k in POOLS if f"{k}_carbon" in s):
        steady(pool, f"{pool}_carbon", IN[pool], OUT[pool])
    if "plant_available_water" in s and not limited:
        out = "drainage_plant_available percolation" if "percolation" in s else "runoff"
        steady("available_water", "plant_available_water", ["infiltration"], ["evapotranspiration", *out.split()])
        found["water_above_threshold"] = np.log(s["plant_available_water"].mean(axis=1) / v["water_stress_threshold"])
    if "plant_unavailable_water" in s and not limited:
        steady("unavailable_water", "plant_unavailable_water", ["percolation"], ["drainage_plant_unavailable"])
    ratio = s["foliage_carbon"].mean(axis=1) / s["root_carbon"].mean(axis=1)
    found["foliage_root_ratio"] = np.minimum(np.log(5 / ratio), np.log(5 * ratio))
    found |= {f"foliage_root_ratio|{k}": -0.5 * (np.log(ratio) / np.log(2)) ** 2 for k in ("cardamom_1005", "cardamom_1100")}
    for name, (declared, _) in model.state_parameters.items() if not limited else ():
        found[f"{name}_within_bounds"] = np.log(declared.bounds[1] / s[name].mean(axis=1))
        if name.endswith("water"):
            found[f"{name}_not_overdrawn"] = np.where(s[name] < 0, s[name], 0).sum(axis=1) / np.abs(s[name]).sum(axis=1)
    found |= published(v, s, days, means)
    return found


def published(v: Mapping[str, Any], s: Mapping[str, Any], days: float, means: Mapping[str, Any]) -> dict[str, Any]:
    found, steps = {}, s["gpp"].shape[1]
    years, window = int(steps * days / 365), int(np.floor(365 / days))
    for pool in (k for k in POOLS if f"{k}_carbon" in s):
        x = s[f"{pool}_carbon"]
        annual = [x[:, int(np.floor(365.25 * y / days)) : int(np.floor(365.25 * (y + 1) / days))].mean(axis=1) for y in range(years)]
        found[f"{pool}_growth"] = np.log((1 + 0.1 * years) * annual[0] / annual[-1])
        first, second = x[:, :window].mean(axis=1), x[:, window : 2 * window].mean(axis=1)
        first_later, second_later = x[:, 1 : window + 1].mean(axis=1), x[:, window + 1 : 2 * window + 1].mean(axis=1)
        ratio = (second_later - first_later) / (second - first)
        rate = np.log(np.where((ratio > 0) & (ratio < 1), ratio, 1 - 1e-12)) / days
        found[f"{pool}_decay"] = np.log(np.log(2) / np.abs(rate) / (365.25 * years))
    npp = 1 - v["f_auto"]
    leaves = npp * v["f_foliage"]
    labile = (npp - leaves) * v.get("f_labile", 0.0)
    roots = (npp - leaves - labile) * v["f_roots"]
    wood = npp - leaves - labile - roots
    litter = leaves + labile + roots
    warm = 1.0
    if "plant_available_water" not in s:
        warm = np.exp(v["temperature_exponent"] * 0.5 * (means["air_temperature_min"] + means["air_temperature_max"]))
        warm = warm if "f_labile" in v else 0.5 * warm
    to_soil = wood + litter * v["decomposition_rate"] / (v["decomposition_rate"] + v["litter_mineralisation"])
    for pool, share, rate in (
        ("soil", to_soil, v["soil_mineralisation"] * warm),
        ("litter", litter, v["litter_mineralisation"] * warm),
        ("wood", wood, v["wood_turnover"]),
        ("root", roots, v["root_turnover"]),
    ):
        found[f"{pool}_equilibrium"] = np.log(10) - np.abs(np.log(s["gpp"].mean(axis=1) * share / rate / s[f"{pool}_carbon"][:, 0]))
    return found


@pytest.mark.parametrize(
    ("name", "steps", "days"),
    [
        ("dalec_cdea", 1096, 1.0),
        ("dalec_cdea", 36, 30.4375),
        ("dalec_811", 1000, 1.0),
        ("dalec_1005", 36, 30.4375),
        ("dalec_990", 800, 1.0),
        ("dalec_evergreen", 36, 30.4375),
    ],
)
def test_margins_are_those_of_the_source(name: str, steps: int, days: float) -> None:
    model = land.get(name)
    means, values, series = described(model, steps, days)
    found = evaluated(model, means, values, series)
    wanted = by_the_source(model, means, values, series, days)
    assert set(found) == set(wanted)
    for label, expected in wanted.items():
        np.testing.assert_allclose(found[label], expected, rtol=1e-7, atol=1e-8, err_msg=label)
    broken = {n for n, m in found.items() if "|" not in n and (m < 0).any()}
    assert len(broken) > 5  # the comparison covers both sides of the inequalities


def test_gradients_of_all_forms_equal_differences() -> None:
    model = land.get("dalec_1005")
    forcing = weather(model, 36, 30.4375)
    names = list(model.calibrated)
    start = np.array([default * 1.1 for _, default in model.calibrated.values()])  # off the kinks of the defaults
    z = pt.dvector()
    rows = start[:, None] * pt.exp(z[:, None])
    needs = sorted({n for c in model.constraints for n in c.needs})
    series = symbolic_run(model, forcing, lambda wanted: rows[np.array([names.index(n) for n in wanted])], needs, members=1)
    means = {n: float(np.mean(v)) for n, v in forcing.items()}
    p = model.parameters(*[rows[names.index(n)] for n in model.parameters._fields])  # type: ignore[attr-defined]
    rng = np.random.default_rng(1)
    total: Any = 0.0
    for c in (c for c in model.constraints if c.needs and not c.name.endswith(("decay", "not_overdrawn", "within_bounds"))):
        for form in (c.margin, *c.graded.values()):
            total = total + rng.uniform(0.5, 1.5) * pt.tanh(form(means, p, series)).sum()
    f = pytensor.function([z], [total, pytensor.grad(total, z)], mode=Mode("py", None))  # rewriting would take longer than the calls
    for _ in range(3):
        at, direction, h = 0.05 * rng.standard_normal(len(names)), rng.standard_normal(len(names)), 1e-5
        numeric = [f(at + k * h * direction)[0] for k in (-2, -1, 1, 2)]
        assert f(at)[1] @ direction == pytest.approx((numeric[0] - 8 * numeric[1] + 8 * numeric[2] - numeric[3]) / (12 * h), rel=1e-5)


def test_the_balance_of_a_decaying_pool_is_known() -> None:
    """A pool that gains g and loses k of itself a day settles at g / k, whatever it starts from."""
    gain, rate, start = 2.0, 0.01, 20.0
    pool = np.empty(3654)
    pool[0] = start
    for t in range(3653):
        pool[t + 1] = pool[t] + gain - rate * pool[t]
    found = pool_dynamics.balance(pt.as_tensor(pool), pt.as_tensor(gain), 1.0)
    januaries = pool[365 * np.arange(11)].mean()
    mean = gain / (rate * pool[:-1].mean())
    assert math.exp(found.mean.eval()) == pytest.approx(mean)
    assert math.exp(found.start.eval()) == pytest.approx(mean * januaries / start)
    assert pool_dynamics.near_steady(found, 2.0).eval() < 0  # it starts ten times below


def test_overdraft_is_zero_unless_a_store_is_negative() -> None:
    store = pt.as_tensor([[1.0, 0.0, 3.0], [1.0, -1.0, 2.0]])
    np.testing.assert_allclose(pool_dynamics.overdraft(store).eval(), [0.0, -0.25])


def test_a_nan_is_no_pool_that_lasts() -> None:
    pool = np.full(800, np.nan)
    assert np.isnan(pool_dynamics.decay(pt.as_tensor(pool), 1.0).eval())
    assert np.isnan(pool_dynamics.growth(pt.as_tensor(pool), 1.0, 0.1).eval())


def test_decay_needs_two_years() -> None:
    with pytest.raises(ValueError, match="from two years on; the run has 700 days"):
        pool_dynamics.decay(pt.as_tensor(np.ones(701)), 1.0)


@pytest.mark.parametrize("name", [n for n in land.available() if land.get(n).constraints])
def test_declarations_can_be_pickled(name: str) -> None:
    model = land.get(name)
    again = pickle.loads(pickle.dumps(model))
    assert again.name == name
    assert [c.name for c in again.constraints] == [c.name for c in model.constraints]
    assert again.calibrated == model.calibrated
