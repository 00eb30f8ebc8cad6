import math
from functools import cache
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from model_runs import run

from lsm_bayes.declare import ProcessModel
from lsm_bayes.land import get
from lsm_bayes.land.fobaar import Options, fast_step_of, slow_step_of
from lsm_bayes.land.fobaar_declared import FastFluxes, FastForcing, Forcing, Nothing, Parameters, State
from lsm_bayes.oracles import plausible_weather
from lsm_bayes.processes import farquhar, leuning, leuning_leaf, two_leaf

MODEL = get("fobaar")
SOURCE_PI = 3.1416
DAYS = 730


def number(value: float) -> Any:
    return pt.constant(float(value), dtype="float64")


def numbers(expressions: Any) -> list[float]:
    return [float(v) for v in pytensor.function([], list(expressions), mode="FAST_COMPILE")()]


@pytest.mark.parametrize(
    ("hour", "light", "expected"),
    [
        (12.0, 1200.0, (0.8837504914, 0.2364172371, 0.2414680348, 608.4701448, 11.67952537)),
        (8.0, 600.0, (0.5748053998, None, 0.2255584010, 314.4234963, 5.602662516)),
    ],
)
def test_light_of_the_source(hour: float, light: float, expected: tuple[float | None, ...]) -> None:
    # Compiled source, leaf area 5, day 200, latitude 48.67 degrees turned into radians with pi = 3.14.
    elevation = two_leaf.sine_of_elevation(number(200), number(hour), number(48.67 * 3.14 / math.pi), SOURCE_PI)
    diffuse = two_leaf.diffuse_fraction(number(light), elevation, number(200), SOURCE_PI)
    leaves = two_leaf.absorbed_light(number(light), diffuse, elevation, number(5), 0.5)
    for got, wanted in zip(numbers([elevation, diffuse, *leaves]), expected, strict=True):
        assert wanted is None or got == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("elevation", [-0.3, 0.0])
def test_light_without_sun_is_diffuse_and_has_gradients(elevation: float) -> None:
    height, lai = pt.dscalar(), pt.dscalar()
    diffuse = two_leaf.diffuse_fraction(number(5), height, number(10))
    leaves = two_leaf.absorbed_light(number(5), diffuse, height, lai, 0.5)
    values = {height: elevation, lai: 3.0}
    assert diffuse.eval({height: elevation}) == 1.0
    assert leaves.sunlit_fraction.eval(values) == 0.0
    assert leaves.sunlit.eval(values) == pytest.approx(leaves.shaded.eval(values))
    assert np.isfinite(pytensor.grad(leaves.shaded, lai).eval(values))


@pytest.mark.parametrize(
    ("temperature", "light", "vpd", "expected"),
    [
        (25.0, 1000.0, 1.5, (13.04581413, 0.01, 6.129282175e-5)),
        (15.0, 200.0, 0.8, (9.091947615, 0.005, 3.188054983e-5)),
    ],
)
def test_leaf_of_the_source(temperature: float, light: float, vpd: float, expected: tuple[float, ...]) -> None:
    traits = Parameters(
        leaf_respiration25=number(0.01),
        leaf_respiration_q10=number(2),
        vpd_sensitivity=number(0.7),
        electron_transport_curvature=number(0.6),
        stomatal_slope=number(7),
    )
    got = leuning_leaf.exchange(*map(number, (temperature, light, vpd, 390, 60)), traits)
    assert numbers(got) == pytest.approx(expected, rel=1e-9)


def test_rate_solves_the_coupled_equations() -> None:
    # A = V (ci - start) / (ci + K); gs = g0 + X (A' - R) with the compensation point of the quadratic; gs (Ca - ci) = A' - R.
    v, k, compensation, respiration, co2, slope, g0 = 50.0, 700.0, 42.0, 0.6, 400.0, 0.012, 0.01
    (gross,) = numbers([leuning.gross_rate(*map(number, (v, k, compensation, compensation, respiration, co2, slope)), g0)])
    internal = (gross * k + v * compensation) / (v - gross)
    net = gross - respiration
    assert (g0 + slope * net) * (co2 - internal) == pytest.approx(net, rel=1e-10)


def test_rate_serves_the_leaf_of_teco_spruce() -> None:
    # Its fixture in double precision: mol m-2 s-1, reference 293.2 K, no normalisation of the peak.
    kelvin, reference = 298.2, 293.2
    f = {e: numbers([farquhar.arrhenius(number(kelvin), e, reference, 8.314)])[0] for e in (116300.0, 79500.0, 59430.0, 36000.0)}
    vcmax = 5e-5 * f[116300.0] / (1 + math.exp((660.5 * kelvin - 202900) / (8.314 * kelvin)))
    jmax = 8.35e-5 * f[79500.0] / (1 + math.exp((660.5 * kelvin - 201000) / (8.314 * kelvin)))
    (electrons,) = numbers([farquhar.electron_transport(number(0.385e-3), number(jmax), number(0.9))])
    assert (vcmax, electrons) == pytest.approx((1.019790981e-4, 1.156498984e-4), rel=1e-9)
    compensation, half = 28e-6 * (1 + 0.0509 * 5 + 0.001 * 25), 302e-6 * f[59430.0] * (1 + 0.21 / (0.256 * f[36000.0]))
    respiration, surface, residual = 0.0089 * vcmax, 0.6 * 380e-6, 0.01 / 1.57
    slope = 0.8 / 0.3 / (surface * (1 + 1000 / 2000))
    rates = [
        leuning.gross_rate(*map(number, (capacity, k, compensation, compensation, respiration, surface, slope)), residual)
        for capacity, k in ((vcmax, half), (electrons / 4, 2 * compensation))
    ]
    net = min(numbers(rates)) - respiration
    assert (net, residual + slope * net) == pytest.approx((8.096922746e-6, 0.06950332731), rel=1e-9)


@cache
def compiled_day(options: Options) -> Any:
    owners = (State, FastFluxes, Forcing, Parameters)
    inputs = [owner(*[pt.dscalar() for _ in owner._fields]) for owner in owners]
    following, _, fluxes = slow_step_of(options)(inputs[0], Nothing(), *inputs[1:])
    return pytensor.function([v for group in inputs for v in group], [*following, *fluxes], mode="FAST_COMPILE", on_unused_input="ignore")


def day(options: Options, x: State, m: FastFluxes, f: Forcing, p: Parameters) -> tuple[State, dict[str, float]]:
    found = [float(v) for v in compiled_day(options)(*x, *m, *f, *p)]
    n = len(State._fields)
    return State(*found[:n]), dict(zip(MODEL.flux_quantities, found[n:], strict=True))


def forcing_of_day(day_of_year: float, coolest: float = 10.0, precipitation: float = 5.0) -> Forcing:
    return Forcing(day_of_year, 10.0, 22.0, coolest, precipitation, 390.0, 48.0)


WORKED = Parameters(
    decomposition_rate=0.5e-3,
    growth_respiration_fraction=0.25,
    f_foliage=0.5,
    f_roots=0.5,
    leaf_fall_rate=0.01,
    wood_turnover=10**-4.5,
    root_turnover=1e-3,
    decomposition_temperature_exponent=0.05,
    leaf_shed_fraction=0.6,
    labile_release_rate=0.1,
    drainage_fraction=0.01,
    microbial_transfer=0.3,
    slow_transfer=0.3,
    water_holding_capacity=310.0,
    leaf_mass_area=50.0,
)
POOLS = ("foliage", "wood", "root", "litter", "microbial", "slow_soil", "passive_soil", "labile")


def test_three_days_of_pools_and_water() -> None:
    x = State(100.0, 8000.0, 500.0, 120.0, 300.0, 100.0, 5000.0, 5000.0, 300.0, 500.0, 300.0, 100.0)
    m = FastFluxes(0.0, 9.0, 0.4, 0.5, 0.6, 0.3, 0.8, 0.1, 3.0)
    expected = [
        (115.225, 8001.359518, 500.6125, 299.5661689, 100.1968134, 4999.05, 5000.14, 108, 298.98),
        (115.225, 8004.331493, 502.8368875, 299.133433, 100.3931869, 4998.1, 5000.28, 108, 297.9702),
        (114.07275, 8007.303373, 505.0590506, 299.394753, 100.589173, 4997.15, 5000.42, 108.4609, 296.970498),
    ]
    # Leaves are put out; they are kept; they fall.
    for forcing, wanted in zip((forcing_of_day(150), forcing_of_day(220), forcing_of_day(230, 3.0)), expected, strict=True):
        x, _ = day(Options(), x, m, forcing, WORKED)
        assert [*(getattr(x, f"{n}_carbon") for n in POOLS), x.plant_available_water] == pytest.approx(wanted, rel=1e-9)


def test_a_full_soil_runs_off_and_drains() -> None:
    transpired = FastFluxes(*[0.0] * 8, 3.0)
    x, fluxes = day(Options(), State(plant_available_water=300.0), transpired, forcing_of_day(150, precipitation=20.0), WORKED)
    assert x.plant_available_water == pytest.approx(306.9)
    assert fluxes["drainage_plant_available"] == pytest.approx(3.1)
    assert fluxes["runoff"] == pytest.approx(7.0 + 3.1)
    x, fluxes = day(Options(), State(plant_available_water=1.0), transpired, forcing_of_day(150, precipitation=0.5), WORKED)
    assert (x.plant_available_water, fluxes["evapotranspiration"]) == (0.0, 1.5)


def test_leaves_that_fall_are_accounted_for_in_a_sparse_canopy() -> None:
    x, fluxes = day(Options(), State(foliage_carbon=20.0), FastFluxes(*[0.0] * 9), forcing_of_day(300, 0.0), WORKED)
    assert x.foliage_carbon == pytest.approx(0.0, abs=1e-12)
    assert fluxes["leaf_litterfall"] + fluxes["leaf_retranslocation"] == pytest.approx(20.0)
    assert fluxes["unsupplied_carbon"] == 0.0


def test_carbon_from_nowhere_is_reported() -> None:
    # Respiration above assimilation, and above what the roots hold.
    x, fluxes = day(Options(), State(root_carbon=50.0), FastFluxes(0.0, 1.0, 3.0, 60.0, *[0.0] * 5), forcing_of_day(150), WORKED)
    assert x.root_carbon == 0.0
    assert fluxes["unsupplied_carbon"] == pytest.approx(0.75 * 2.0 + (60.0 + 0.05 - 50.0), rel=1e-12)


def test_smooth_thresholds_converge_to_the_exact_ones() -> None:
    rng = np.random.default_rng(5)
    p, cases = Parameters(), []
    for _ in range(40):
        x = State(foliage_carbon=rng.uniform(0, 200), budburst_warmth=rng.uniform(100, 300), autumn_minimum=rng.uniform(0, 15))
        cases.append((x, forcing_of_day(float(rng.integers(60, 366)) + 0.25, rng.uniform(0, 15))))
    means = FastFluxes(0.0, 9.0, 0.4, 0.5, 0.6, 0.3, 0.8, 0.1, 3.0)
    off = []
    for smoothness in (1.0, 0.1, 1e-4):
        pairs = [(day(Options(), x, means, f, p)[1], day(Options(smoothness=smoothness), x, means, f, p)[1]) for x, f in cases]
        off.append(sum(abs(a[n] - b[n]) for a, b in pairs for n in ("leaf_out_weight", "leaf_fall_weight", "leaf_litterfall")))
    assert off[0] > off[1] > off[2]
    assert off[2] < 1e-9


def canopy(options: Options, hour: float) -> float:
    x = State(foliage_carbon=number(160), photosynthesis_warmth=number(300))
    p = Parameters(*[number(v) for v in Parameters()])
    f = FastForcing(*map(number, (200, 10, 22, 390, 48.67, hour, 20, 15, 800, 10)))
    _, fluxes = fast_step_of(options)(Nothing(), State(*[v if isinstance(v, pt.TensorVariable) else number(v) for v in x]), f, p)
    return numbers([fluxes.subdaily_gpp])[0]


def test_options_of_the_source_change_the_canopy() -> None:
    usual = canopy(Options(), 8.0)
    assert canopy(Options(noon=True), 8.0) == pytest.approx(canopy(Options(), 12.0), rel=1e-12)
    # The fraction is a smaller area than the fraction of four units of leaf area: less of the canopy is sunlit.
    assert canopy(Options(fraction_as_area=True), 8.0) < 0.95 * usual
    assert canopy(Options(pi=SOURCE_PI), 8.0) == pytest.approx(usual, rel=1e-4)


def weather(model: ProcessModel) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    assert model.nested
    given = [n for n in model.forcing._fields if n in model.given_forcing]
    slow = model.completed(plausible_weather(given, np.arange(DAYS) + 0.5, 1.0, rng))
    names = [n for n in model.nested.forcing._fields if n not in slow]
    return slow | plausible_weather(names, (np.arange(24 * DAYS) + 0.5) / 24, 1 / 24, rng)


def test_two_years_of_a_forest() -> None:
    forcing = weather(MODEL)
    states, fluxes, fast = run(MODEL, forcing, {})
    second = slice(365, DAYS)
    np.testing.assert_allclose(fast["subdaily_nee"].reshape(DAYS, 24).mean(axis=1), fluxes["nee"], atol=1e-12)
    np.testing.assert_allclose(fluxes["reco"] - fluxes["gpp"], fluxes["nee"], atol=1e-12)
    assert np.all(fast["subdaily_gpp"][forcing["ppfd_down"] <= 0.5] == 0)
    # Bare in winter, leaves from spring to autumn, and the exchange of a temperate forest.
    lai = fluxes["lai"][second]
    assert lai[:60].max() < 0.01 and 2 < lai.max() < 10 and lai[340:].max() < 0.1 * lai.max()
    leaf_out = int(np.flatnonzero(fluxes["leaf_out_weight"][second])[0]) + 1
    assert 90 < leaf_out < 180
    assert 400 < fluxes["gpp"][second].sum() < 3000
    assert 150 < fluxes["evapotranspiration"][second].sum() < 900
    # Carbon leaves the pools as net exchange says, but for what no pool paid.
    stock = sum(states[n] for n in states if n.endswith("_carbon"))
    np.testing.assert_allclose(np.diff(stock), fluxes["unsupplied_carbon"] - fluxes["nee"], atol=1e-9)
    assert fluxes["unsupplied_carbon"].sum() < 0.01 * fluxes["gpp"].sum()
