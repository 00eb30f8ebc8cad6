"""Calibrations that start at the exact equilibrium, near it, or after a disturbance of it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytest
import xarray as xr
from pytensor.graph.replace import clone_replace

from lsm_bayes.calibration import AfterDisturbance, AtEquilibrium, Cycle, InProportion, NearEquilibrium, Stream, build_model
from lsm_bayes.calibration.build import _weights
from lsm_bayes.calibration.choices import SiteRecord
from lsm_bayes.declare import ProcessModel
from lsm_bayes.disturbance import NEVER, clock, disturbed
from lsm_bayes.errors import ErrorModel, Scale
from lsm_bayes.forcing import Forcing
from lsm_bayes.inference import Density
from lsm_bayes.simulation import simulate
from lsm_bayes.steady_state import periodic_equilibrium

INDEPENDENT = ErrorModel(structural=Scale(1.0), envelope=0.0, correlation=None, discrepancy=None)
CYCLE = Cycle(years=1)
LOST = {"foliage_carbon": (0.2, 0.9), "soil_carbon": 0.1}
CHOICES: dict[str, Any] = {
    "at": AtEquilibrium(),
    "near": {"foliage_carbon": InProportion("leaf_mass_area", (0.2, 10.0)), "soil_carbon": NearEquilibrium(0.5, CYCLE)},
    "after": AfterDisturbance((1990.0, 2005.0), LOST, cycle=CYCLE),
}


def built(land: ProcessModel, towers: xr.Dataset, initial: Any, **options: Any) -> pm.Model:
    options = {"sites": ["XX-Two"], "withheld_years": 1} | options
    return build_model(land, towers, [Stream("lai", error=INDEPENDENT)], initial=initial, **options)


def pools_and_parameters(model: pm.Model, point: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Evaluate all deterministic numbers of a calibration of one site."""
    names = [d.name for d in model.deterministics if d.ndim == 0]
    replaced = {rv: pytensor.tensor.constant(point[rv.name]) for rv in model.free_RVs}
    values = clone_replace([model[n] for n in names], replaced, rebuild_strict=False)
    return {n: float(v) for n, v in zip(names, pytensor.function([], values, mode="NUMBA")(), strict=True)}


@pytest.mark.parametrize("kind", CHOICES)
def test_density_is_finite_and_its_gradient_right(land: ProcessModel, towers: xr.Dataset, kind: str) -> None:
    density = Density(built(land, towers, CHOICES[kind]))
    rng = np.random.default_rng(4)
    position = 0.3 * rng.normal(size=len(density.labels))
    value, gradient = density(position)
    assert np.isfinite(value) and np.isfinite(gradient).all()
    h = 1e-5
    for k in range(position.size):
        aside = h * (np.arange(position.size) == k)
        numeric = (density(position + aside)[0] - density(position - aside)[0]) / (2 * h)
        assert gradient[k] == pytest.approx(numeric, rel=1e-4, abs=1e-5 * np.abs(gradient).max()), density.labels[k]


def cut(towers: xr.Dataset, years: int) -> xr.Dataset:
    data = towers.sel(site="XX-Two", drop=True)[["shortwave_down", "air_temperature"]]
    return data.sel(time=slice("2010-01-01", f"{2009 + years}-12-31"))


def test_pools_at_equilibrium_are_those_of_the_fitted_years(land: ProcessModel, towers: xr.Dataset) -> None:
    model = built(land, towers, AtEquilibrium())
    assert model.card["parameters"]["soil_carbon"]["prior"] == "periodic equilibrium under the whole years fitted, repeated"
    assert list(model.coords["parameter"]) == list(land.parameter_table)
    point = {n: 0.2 * np.ones(shape) for n, shape in model.eval_rv_shapes().items()}
    found = pools_and_parameters(model, point)
    expected = periodic_equilibrium(land, cut(towers, 2), {n: found[n] for n in land.parameter_table})
    for n in land.state_parameters:
        assert found[n] == pytest.approx(float(expected[n]), rel=1e-8)


def test_pools_after_a_disturbance_are_those_of_a_run_through_it(land: ProcessModel, towers: xr.Dataset) -> None:
    model = built(land, towers, CHOICES["after"])
    point = {n: 0.1 * np.ones(shape) for n, shape in model.eval_rv_shapes().items()} | {"disturbance_year_z": np.zeros(1)}
    found = pools_and_parameters(model, point)
    assert found["disturbance_year"] == pytest.approx(1997.5) and 0.2 < found["foliage_carbon_lost"] < 0.9
    forcing, parameters = cut(towers, 1), {n: found[n] for n in land.parameter_table}
    states = periodic_equilibrium(land, forcing, parameters)
    pools = {n: float(states[n]) for n in land.state_parameters}
    lost = {"foliage_carbon": found["foliage_carbon_lost"], "soil_carbon": 0.1}
    for year in range(1995, 2010):
        share = max(0.0, 1 - abs(year - 1997.5))  # half in each of two years
        pools = {n: v * (1 - lost[n]) ** share for n, v in pools.items()}
        run = simulate(land, forcing, parameters | pools, outputs=list(pools))
        pools = {n: float(run[n][-1]) for n in pools}
    for n, v in pools.items():
        assert found[n] == pytest.approx(v, rel=1e-8)
        assert found[n] < float(states[n])


def test_sites_of_different_records_have_their_own_equilibrium(land: ProcessModel, towers: xr.Dataset) -> None:
    model = built(land, towers, AtEquilibrium(), sites=None)
    assert model.named_vars_to_dims["soil_carbon"] == ("site",)
    operations = [v.owner.op for v in pytensor.graph.traversal.ancestors([model["soil_carbon"]]) if v.owner is not None]
    assert len({id(o) for o in operations if type(o).__name__ == "FixedPoint"}) == 2  # of one and of two years


@pytest.mark.parametrize(
    ("initial", "error", "message"),
    [
        ({"foliage_carbon": AtEquilibrium(), "soil_carbon": AtEquilibrium(CYCLE)}, ValueError, "share one cycle"),
        (AtEquilibrium(Cycle(years=5)), ValueError, "5 whole years are asked for"),
        (AtEquilibrium(Cycle(replaced={"co2": 285.0})), KeyError, "unknown forcing to replace 'co2'"),
        (AfterDisturbance(1990.0, {"wood": 0.5}), KeyError, "towers: unknown state to disturb 'wood'"),
        (AfterDisturbance(2010.0, {"soil_carbon": 0.5}), ValueError, "a year or more before the record of XX-Two, which begins in 2010"),
        (AfterDisturbance(1990.0, {"soil_carbon": 0.5}, co2=300.0), KeyError, "not driven by 'co2'"),
    ],
)
def test_impossible_choices_are_refused(land, towers: xr.Dataset, initial: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        built(land, towers, initial)


def test_impossible_disturbances_are_refused() -> None:
    with pytest.raises(ValueError, match="give the fraction lost of at least one pool"):
        AfterDisturbance(1990.0, {})
    with pytest.raises(ValueError, match=r"wood_carbon=\(0.9, 0.2\): give a number or two that increase"):
        AfterDisturbance(1990.0, {"wood_carbon": (0.9, 0.2)})


def test_years_of_a_repeated_record_are_marked_at_their_first_step() -> None:
    time = pd.date_range("2010-07-01", "2012-06-30")
    marks = clock(time, 3, 2)
    assert marks.size == 3 * time.size
    years = marks[marks != NEVER]
    np.testing.assert_array_equal(years, [2004, 2005, 2006, 2007, 2008, 2009])
    assert np.flatnonzero(marks != NEVER)[1] == 365


def test_a_disturbance_between_new_years_is_continuous(land: ProcessModel, towers: xr.Dataset) -> None:
    model = disturbed(land, ["foliage_carbon"])
    forcing = cut(towers, 2)
    attrs = {"units": "yr"}
    forcing = forcing.assign(disturbance_clock=("time", clock(pd.DatetimeIndex(forcing["time"].values), 1, 2), attrs))
    years = xr.DataArray(np.array([2007.0, 2008.0, 2008.25, 2008.5, 2009.0 - 1e-9, 2009.0]), dims="draw")
    run = simulate(model, forcing, {"disturbance_year": years, "foliage_carbon_lost": 0.5}, outputs=["foliage_carbon"])["foliage_carbon"]
    plain = simulate(land, forcing, outputs=["foliage_carbon"])["foliage_carbon"]
    np.testing.assert_allclose(run[0], plain, rtol=1e-12)  # before the record
    end = run.isel(instant=-1)
    assert (np.diff(end[1:]) < 0).all() and end[1] < plain[-1]  # the later, the less has grown again
    np.testing.assert_allclose(end[4], end[5], rtol=1e-7)


def test_means_over_whole_years_of_months_and_of_unequal_steps() -> None:
    time = pd.date_range("2010-01-01", periods=30, freq="MS")
    record = SiteRecord("A", xr.Dataset(), Forcing({}, (("step_length", 30.4),), time, None), np.ones(30, dtype=bool))
    np.testing.assert_allclose(_weights(record, 30), np.where(np.arange(30) < 24, 1 / 24, 0.0))
    halves = pd.date_range("2010-01-01", periods=800, freq="12h")
    lengths = np.tile([0.25, 0.75], 400)
    record = SiteRecord("A", xr.Dataset(), Forcing({"step_length": lengths}, (), halves, None), np.ones(800, dtype=bool))
    weights = _weights(record, 800)
    assert weights[730:].sum() == 0 and weights.sum() == pytest.approx(1.0) and weights[1] == pytest.approx(3 * weights[0])
