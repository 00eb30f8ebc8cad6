"""Periodic equilibria: equal to a long run, with the gradient of the implicit function theorem, and honest where there is none."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from small_models import MEMORYLESS, TWO_POOLS, TWO_RATES, two_pools

from lsm_bayes import land
from lsm_bayes.declare import Equilibrium, ProcessModel
from lsm_bayes.fixed_point import FixedPoint, is_affine
from lsm_bayes.forcing import defaults
from lsm_bayes.oracles import plausible_weather
from lsm_bayes.programs import program
from lsm_bayes.simulation import simulate
from lsm_bayes.steady_state import periodic_equilibrium, solver_of
from lsm_bayes.trajectory import Trajectory, columns_of
from lsm_bayes.vocabulary import QUANTITIES

# Models and parameters with a canopy that lives.
CASES: dict[str, dict[str, float]] = {
    "rothc": {},
    "century": {"passive_soil_time": 15.0, "slow_soil_time": 3.0},
    "vsem": {"soil_residence_time": 4500.0},
    "dalec_cdea": {"canopy_efficiency": 40.0, "f_foliage": 0.3, "leaf_mass_area": 40.0, "soil_mineralisation": 3e-4, "wood_turnover": 5e-4},
    "dalec_811": {"canopy_efficiency": 40.0, "f_foliage": 0.3, "leaf_mass_area": 40.0, "soil_mineralisation": 3e-4, "wood_turnover": 5e-4},
    "sipnet": {"soil_mineralisation": 1e-3, "wood_turnover": 1e-3, "coarse_root_turnover": 1e-3},
}
AFFINE = {"rothc", "century", "teco"}
LONG = {"dalec_811", "sipnet"}  # compiling takes half a minute each


def year_of(model: ProcessModel, days: int = 365) -> tuple[dict[str, np.ndarray], tuple[tuple[str, float], ...]]:
    """Return made-up forcing of a cycle of daily steps without fire, and what the kernel folds."""
    rng = np.random.default_rng(1)
    names = [n for n in model.given_forcing if n != "step_length"]
    made: dict[str, Any] = plausible_weather(names, np.arange(days) + 0.5, 1.0, rng) | {"step_length": 1.0}
    made |= {n: np.zeros(days) for n in ("burned_area", "irrigation") if n in made}
    whole = model.completed(made)
    folded = tuple(sorted((n, float(v)) for n, v in whole.items() if n in model.folded and np.ndim(v) == 0))
    return {n: np.broadcast_to(whole[n], days) for n in model.forcing_quantities if n not in dict(folded)}, folded


class Case:
    """A model with forcing, its solver with a gradient, and a cycle of it."""

    def __init__(self, name: str, changes: Mapping[str, float] | None = None) -> None:
        self.model = land.get(name)
        self.values = defaults(self.model) | (CASES[name] if changes is None else changes)
        varying, folded = year_of(self.model)
        self.solver, self.rows = solver_of(self.model, folded)
        (self.column,) = columns_of(self.solver.program, varying)
        self.parameter = np.array([[self.values[n]] for n in self.model.parameter_table])
        self.start = np.array([[self.values[n]] for n in self.rows])

    def long_run(self, relative: float = 1e-11) -> np.ndarray:
        """States that stay when cycle follows upon cycle; those that are held begin each as at the start."""
        inputs = [pt.dmatrix(), pt.dmatrix(), pt.dtensor3()]
        once = pytensor.function(inputs, Trajectory(self.solver.program)(*inputs, return_list=True)[0][:, -1], mode="NUMBA")
        states, free = self.start.copy(), list(self.solver.free)
        for _ in range(20_000):
            after = once(self.parameter, states, self.column)[free]
            change = np.abs(after - states[free]).max(where=after != 0, initial=0.0) / np.abs(after).max()
            settled = np.all(np.abs(after - states[free]) <= relative * np.abs(after) + 1e-14)
            states[free] = after
            if settled and change <= relative:
                return states
        raise AssertionError("the long run did not settle")

    def gradients(self, parameter: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weighted sum of the states of each member, and its gradient to the parameters."""
        p = pt.tensor("p", dtype="float64", shape=parameter.shape)
        start = pt.constant(np.repeat(self.start, parameter.shape[1], axis=1))
        states = self.solver(p, start, pt.constant(self.column), return_list=True)[0]
        total = (states * weights[:, None]).sum(axis=0)
        found: tuple[np.ndarray, np.ndarray] = pytensor.function([p], [total, pt.grad(total.sum(), p)], mode="NUMBA")(parameter)
        return found


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in LONG else n for n in CASES])
def test_equilibrium_and_gradient_of_land_models(name: str) -> None:
    case = Case(name)
    assert (case.solver.method == "linear") == (name in AFFINE)
    expected = case.long_run()
    sizes = np.where(expected[:, 0] == 0, 1.0, np.abs(expected[:, 0]))
    weights = np.where([i in case.solver.free for i in range(len(case.rows))], 1.0 / sizes, 0.0)
    # One member at the point, and two on either side of it for each parameter.
    varied = [i for i, n in enumerate(case.model.parameter_table) if case.values[n] != 0]
    step = 1e-5 * case.parameter
    members = [case.parameter + k * step * (np.arange(len(step)) == i)[:, None] for i in varied for k in (-2, -1, 1, 2)]
    total, gradient = case.gradients(np.concatenate([case.parameter, *members], axis=1), weights)
    assert total[0] == pytest.approx(float(weights @ expected[:, 0]), rel=1e-6)
    a, b, c, d = total[1:].reshape(-1, 4).T
    numeric = (a - 8 * b + 8 * c - d) / 12e-5  # to the logarithm of each parameter
    exact = (gradient[:, 0] * case.parameter[:, 0])[varied]
    np.testing.assert_allclose(exact, numeric, rtol=1e-5, atol=1e-5 * np.abs(exact).max())


WEATHER = {"shortwave_down": 12.0, "air_temperature": 9.0}


def made_up(years: int = 1, **sites: float) -> xr.Dataset:
    """Return forcing of two pools; each site has a factor of its light."""
    time = pd.date_range("2001-01-01", periods=365 * years)
    days = np.arange(time.size) + 0.5
    season = 1 - 0.6 * np.cos(2 * np.pi * days / 365)
    factors = xr.DataArray(list(sites.values()), dims="site", coords={"site": list(sites)}) if sites else 1.0
    forcing = xr.Dataset({n: ("time", mean * season, QUANTITIES[n].attrs()) for n, mean in WEATHER.items()}, coords={"time": time})
    attrs = forcing["shortwave_down"].attrs
    return forcing.assign(shortwave_down=(forcing["shortwave_down"] * factors).assign_attrs(attrs)) if sites else forcing


def after_cycles(model: ProcessModel, forcing: xr.Dataset, start: Mapping[str, Any], cycles: int) -> dict[str, Any]:
    pools = dict(start)
    for _ in range(cycles):
        run = simulate(model, forcing, pools, outputs=list(model.state_parameters))
        pools |= {n: run[n].isel(instant=-1, drop=True) for n in model.state_parameters}
    return pools


def test_numbers_of_sites_and_draws_come_back_with_names_and_units() -> None:
    forcing = made_up(A=1.0, B=0.6)
    turnover = xr.DataArray([0.015, 0.02, 0.03], dims="draw", coords={"draw": [3, 5, 8]})
    found = periodic_equilibrium(TWO_POOLS, forcing, {"turnover": turnover, "decay": 2e-3})
    assert found["soil_carbon"].dims == ("draw", "site") and list(found["draw"]) == [3, 5, 8]
    assert found["foliage_carbon"].attrs["units"] == "gC m-2" and (found["cycles"] < 12).all()
    expected = after_cycles(TWO_POOLS, forcing, {"turnover": turnover, "decay": 2e-3}, 150)
    for n in ("foliage_carbon", "soil_carbon"):
        np.testing.assert_allclose(found[n], expected[n].transpose("draw", "site"), rtol=1e-6, atol=1e-6)
    only = periodic_equilibrium(TWO_POOLS, forcing, {"turnover": turnover, "decay": 2e-3}, pools=["foliage_carbon"])
    assert "soil_carbon" not in only
    np.testing.assert_allclose(only["foliage_carbon"], found["foliage_carbon"], rtol=1e-9, atol=1e-9)


def test_methods_agree() -> None:
    forcing, values = made_up(), {"decay": 4e-3}
    newton = periodic_equilibrium(TWO_POOLS, forcing, values, method="newton")
    for method in ("anderson", "brute"):
        other = periodic_equilibrium(TWO_POOLS, forcing, values, method=method, tolerance=1e-11)
        for n in ("foliage_carbon", "soil_carbon"):
            np.testing.assert_allclose(other[n], newton[n], rtol=1e-8)
    with pytest.raises(ValueError, match="a cycle of two_pools is not affine in foliage_carbon, soil_carbon; use method='newton'"):
        periodic_equilibrium(TWO_POOLS, forcing, values, method="linear")
    with pytest.raises(ValueError, match="unknown method 'shoot'"):
        periodic_equilibrium(TWO_POOLS, forcing, values, method="shoot")
    with pytest.raises(KeyError, match="two_pools: unknown state to hold 'wood'"):
        periodic_equilibrium(TWO_POOLS, forcing, values, held=["wood"])


def test_a_canopy_that_grows_from_little_is_found_alive_and_one_without_light_dies() -> None:
    """Newton's method alone would go from few leaves to none: that equilibrium is unstable, but nearer."""
    values = {"foliage_carbon": 0.01, "decay": 4e-3}
    found = periodic_equilibrium(TWO_POOLS, made_up(), values)
    alive = periodic_equilibrium(TWO_POOLS, made_up(), {"decay": 4e-3})
    assert float(found["foliage_carbon"]) == pytest.approx(float(alive["foliage_carbon"]), rel=1e-8) and alive["foliage_carbon"] > 10
    dark = periodic_equilibrium(TWO_POOLS, made_up().assign(shortwave_down=made_up()["shortwave_down"] * 0.01), {"decay": 4e-3})
    assert abs(float(dark["foliage_carbon"])) < 1e-3 and abs(float(dark["soil_carbon"])) < 1e-2


def test_states_that_are_held_begin_each_cycle_as_given() -> None:
    found = periodic_equilibrium(TWO_POOLS, made_up(), {"foliage_carbon": 150.0, "decay": 4e-3}, held=["foliage_carbon"])
    assert "foliage_carbon" not in found
    start = {"foliage_carbon": 150.0, "decay": 4e-3, "soil_carbon": found["soil_carbon"]}
    end = after_cycles(TWO_POOLS, made_up(), start, 1)
    assert float(end["soil_carbon"]) == pytest.approx(float(found["soil_carbon"]), rel=1e-8)
    assert float(end["foliage_carbon"]) != pytest.approx(150.0, rel=1e-2)


def test_no_equilibrium_is_not_a_number_with_the_reason() -> None:
    def endless(x: Any, f: Any, p: Any) -> tuple[Any, ...]:
        return TWO_POOLS.step(x, f, p._replace(decay=0.0))

    model = two_pools("endless", endless)
    with pytest.warns(
        RuntimeWarning, match="no periodic equilibrium found for 1 of 1 runs. In the first of them soil_carbon still changes"
    ):
        found = periodic_equilibrium(model, made_up())
    assert np.isnan(found["soil_carbon"])
    declared = replace(model, equilibrium=Equilibrium((), lambda means, p: {}, held=("soil_carbon",)))
    assert set(periodic_equilibrium(declared, made_up()).data_vars) == {"foliage_carbon", "cycles"}


def test_symbols_have_the_implicit_gradient() -> None:
    decay, turnover = pt.dscalar("decay"), pt.dscalar("turnover")
    pools = periodic_equilibrium(TWO_POOLS, made_up(), {"decay": decay, "turnover": turnover})
    total = pt.log(pools["soil_carbon"]) + pools["foliage_carbon"]
    f = pytensor.function([decay, turnover], [total, *pt.grad(total, [decay, turnover])], mode="NUMBA")
    value, by_decay, by_turnover = f(2e-3, 0.02)
    h = 1e-7
    assert np.isfinite(value)
    assert by_decay == pytest.approx((f(2e-3 + h, 0.02)[0] - f(2e-3 - h, 0.02)[0]) / (2 * h), rel=1e-5)
    assert by_turnover == pytest.approx((f(2e-3, 0.02 + h)[0] - f(2e-3, 0.02 - h)[0]) / (2 * h), rel=1e-5)
    assert np.isnan(f(np.nan, 0.02)).all()
    with pytest.raises(ValueError, match="Anderson acceleration works on numbers only"):
        periodic_equilibrium(TWO_POOLS, made_up(), {"decay": decay}, method="anderson")


@pytest.mark.parametrize("model", [TWO_RATES, MEMORYLESS])
def test_nested_steps(model: ProcessModel) -> None:
    rng = np.random.default_rng(2)
    forcing = {"air_temperature": 10 + rng.normal(size=20), "shortwave_down": 20 * rng.random(120)}
    k = pt.dscalar("k")
    pools = periodic_equilibrium(model, forcing, {"k": k})
    names = list(pools)
    f = pytensor.function([k], [*pools.values(), *(pt.grad(v, k) for v in pools.values())], mode="NUMBA")
    found = f(0.05)
    operation, rows = solver_of(model, ())
    assert names == list(rows)
    inputs = [pt.dmatrix(), pt.dmatrix(), pt.dtensor3(), pt.dtensor3()]
    once = pytensor.function(inputs, Trajectory(operation.program)(*inputs, return_list=True)[0][:, -1], mode="NUMBA")
    values = defaults(model) | {"k": 0.05}
    states = np.array([[values[n]] for n in rows])
    for _ in range(2000):
        states = once(np.array([[values[n]] for n in model.parameter_table]), states, *columns_of(operation.program, forcing))
    np.testing.assert_allclose(found[: len(rows)], states[:, 0], rtol=1e-8)
    up, down = f(0.05 + 1e-6), f(0.05 - 1e-6)
    for i in range(len(rows)):
        assert found[len(rows) + i] == pytest.approx((up[i] - down[i]) / 2e-6, rel=1e-5, abs=1e-6)


def test_affine_maps_are_recognised() -> None:
    for name, expected in (("rothc", True), ("century", True), ("dalec_cdea", False), ("vsem", False)):
        assert is_affine(program(land.get(name), (), tuple(land.get(name).state_parameters))) is expected
    assert not is_affine(solver_of(TWO_RATES, ())[0].program)


def test_operations_of_different_tolerance_or_rows_differ() -> None:
    derived = program(TWO_POOLS, (), ("foliage_carbon", "soil_carbon"))
    one, same = (FixedPoint(derived, (0, 1), (1e-3, 1e-3), "newton") for _ in range(2))
    assert one == same
    assert one != FixedPoint(derived, (0,), (1e-3,), "newton") != FixedPoint(derived, (0,), (1e-3,), "newton", 1e-6)
