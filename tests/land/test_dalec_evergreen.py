from functools import partial
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from cardamom import run

from lsm_bayes.forcing import defaults
from lsm_bayes.land import dalec_evergreen
from lsm_bayes.land.dalec_evergreen import DALEC_EVERGREEN, leaf_area, smooth_leaf_area, variant
from lsm_bayes.processes import acm

# Three days at Metolius (latitude 44.4, CO2 372), computed from the published equations with the defaults.
THREE_DAYS: dict[str, Any] = {
    "day_of_year": [180, 181, 182],
    "day_number": [179.5, 180.5, 181.5],
    "air_temperature_max": [22, 24, 19],
    "air_temperature_min": [8, 9, 7],
    "shortwave_down": [24, 25, 15],
    "co2": [372] * 3,
    "latitude": 44.4,
}
EXPECTED = {
    "gpp": (2.70206818, 2.954053828, 2.056547731),
    "nee": (-0.09307239067, -0.1121424073, 0.02272427543),
    "foliage_carbon": (58.00232646, 58.34092954, 58.52879161),
    "root_carbon": (102.1731803, 102.3856714, 102.4560909),
    "wood_carbon": (770.4132597, 771.0182612, 771.4389667),
    "litter_carbon": (39.553494, 38.54875581, 37.87748725),
    "soil_carbon": (9896.664812, 9896.625597, 9896.595154),
}


def run_with(model: Any, forcing: dict[str, Any], **changes: float) -> dict[str, np.ndarray]:
    series = {n: v for n, v in forcing.items() if n in (*model.forcing._fields, "day_number")}
    pools, fluxes = run(model, series, np.array([list((defaults(model) | changes).values())]))
    return {n: s[1:, 0] for n, s in pools.items()} | {n: s[:, 0] for n, s in fluxes.items()}


def test_three_days_of_the_specification(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = run_with(DALEC_EVERGREEN, THREE_DAYS)
    monkeypatch.setattr(acm, "day_length", partial(acm.day_length, pi=3.1415927))  # as the numbers were computed
    got = run_with(variant(leaf_area, "dalec_evergreen_rounded", "with a rounded pi"), THREE_DAYS)
    for name, wanted in EXPECTED.items():
        np.testing.assert_allclose(got[name], wanted, rtol=1e-9, err_msg=name)  # ten digits are printed
        np.testing.assert_allclose(exact[name], wanted, rtol=1e-8, atol=2e-8, err_msg=name)


def test_a_lost_canopy_grows_back() -> None:
    year = {n: np.resize(v, 730) if np.ndim(v) else v for n, v in THREE_DAYS.items()} | {"day_number": np.arange(730) + 0.5}
    got = run_with(DALEC_EVERGREEN, year, foliage_carbon=1.0)
    assert got["lai"][0] == 0.1 < got["lai"][-1]


def test_slow_pools_settle_at_the_equilibrium() -> None:
    forcing = {n: np.full(30_000, float(np.mean(v))) for n, v in THREE_DAYS.items()} | {"day_number": np.arange(30_000) + 0.5}
    fast = {"wood_turnover": 1e-3, "soil_mineralisation": 1e-3, "decomposition_rate": 5e-3}
    got = run_with(DALEC_EVERGREEN, forcing, **fast)
    values = {n: pt.as_tensor(v) for n, v in (defaults(DALEC_EVERGREEN) | fast).items()}
    means = {n: pt.as_tensor(got[n][-1]) for n in ("gpp", "temperature_factor")}
    settled = dalec_evergreen.equilibrium(means, dalec_evergreen.Parameters(*[values[n] for n in dalec_evergreen.Parameters._fields]))
    assert list(settled) == ["root_carbon", "wood_carbon", "litter_carbon", "soil_carbon"]
    for name, wanted in settled.items():
        assert got[name][-1] == pytest.approx(float(wanted.eval()), rel=1e-6), name


def test_smooth_leaf_area_tends_to_the_exact_one_and_keeps_a_gradient() -> None:
    foliage, mass = pt.dvector(), pt.as_tensor(100.0)
    some = np.linspace(-20.0, 200.0, 45)
    wanted = leaf_area(foliage, mass).eval({foliage: some})
    for width in (0.1, 0.01, 1e-3):
        smooth = smooth_leaf_area(foliage, mass, width)
        assert np.abs(smooth.eval({foliage: some}) - wanted).max() == pytest.approx(np.log(2) * width, rel=1e-3)
        assert pytensor.grad(smooth[0], foliage).eval({foliage: np.array([9.5])})[0] > 0
    assert pytensor.grad(leaf_area(foliage, mass)[0], foliage).eval({foliage: np.array([9.5])})[0] == 0


def test_a_smooth_variant_runs_near_the_exact_one() -> None:
    smooth = variant(partial(smooth_leaf_area, width=1e-3), "dalec_evergreen_smooth", "smooth")
    np.testing.assert_allclose(run_with(smooth, THREE_DAYS)["gpp"], EXPECTED["gpp"], rtol=1e-6)
