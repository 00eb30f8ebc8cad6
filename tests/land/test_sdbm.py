"""SDBM: the worked year, and the closure of the annual balance."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from runs import equilibrium, run

from lsm_bayes.land import get
from lsm_bayes.simulation import simulate

SDBM = get("sdbm")
YEAR = {
    "fapar": [0.2, 0.240192, 0.35, 0.5, 0.65, 0.759808, 0.8, 0.759808, 0.65, 0.5, 0.35, 0.240192],
    "par_down": [3.0, 3.535898, 5.0, 7.0, 9.0, 10.464102, 11.0, 10.464102, 9.0, 7.0, 5.0, 3.535898],
    "air_temperature": [
        -3.59111, -3.59111, -0.485281, 4.894171, 11.105829, 16.485281, 19.59111, 19.59111, 16.485281, 11.105829, 4.894171, -0.485281,
    ],
    "evaporation_ratio": [0.9, 0.873205, 0.8, 0.7, 0.6, 0.526795, 0.5, 0.526795, 0.6, 0.7, 0.8, 0.873205],
}  # fmt: skip
VALUES = {"npp_light_use_efficiency": 0.45, "q10": 1.5}


def closed(values: dict[str, float], year: dict[str, list[float]] = YEAR) -> tuple[float, dict[str, np.ndarray]]:
    scale = equilibrium(SDBM, run(SDBM, year, values), values)["base_respiration"]
    return scale, {n: a[:, 0] for n, a in run(SDBM, year, values | {"base_respiration": scale}).items()}


def test_year_of_the_specification() -> None:
    scale, found = closed(VALUES)
    npp = [0.243, 0.3337236573, 0.63, 1.1025, 1.5795, 1.884777047, 1.98, 1.884777047, 1.5795, 1.1025, 0.63, 0.3337236573]
    nep = [
        -0.6547270398, -0.5372760536, -0.2750711424, 0.1175408512, 0.4934413056, 0.6988140522,
        0.7032953737, 0.5396538199, 0.22873206, -0.1645684768, -0.4956675987, -0.6541671513,
    ]  # fmt: skip
    assert scale == pytest.approx(1.153820113, rel=1e-9)
    np.testing.assert_allclose(found["npp"], npp, rtol=1e-9)
    np.testing.assert_allclose(-found["nee"], nep, atol=1e-9)
    assert found["npp"].mean() * 365 == pytest.approx(404.0550429, rel=1e-9)


@pytest.mark.parametrize(("efficiency", "q10"), [(0.01, 1.0), (0.4, 1.5), (1.3, 2.2), (2.0, 3.0)])
def test_net_flux_of_a_year_is_zero_for_any_parameters(efficiency: float, q10: float) -> None:
    _, found = closed({"npp_light_use_efficiency": efficiency, "q10": q10})
    assert abs(found["nee"].sum()) < 1e-12 * found["npp"].sum()


def test_fluxes_are_linear_in_the_light_use_efficiency() -> None:
    one, two = (closed({"npp_light_use_efficiency": e, "q10": 1.7})[1]["nee"] for e in (0.3, 0.6))
    np.testing.assert_allclose(two, 2 * one, rtol=1e-12)


def test_gradient_through_the_closure_is_the_analytic_one() -> None:
    q10 = pt.dscalar("q10")
    forcing = {n: np.array(v) for n, v in YEAR.items()}
    free = simulate(SDBM, forcing, {"q10": q10, "npp_light_use_efficiency": 0.45}, outputs=("npp", "decomposition_factor"))
    pools = SDBM.equilibrium.pools({n: v.mean() for n, v in free.items()}, None)
    nee = simulate(SDBM, forcing, {"q10": q10, "npp_light_use_efficiency": 0.45} | pools, outputs=("nee",))["nee"]
    gradient = pytensor.function([q10], pt.stack([pytensor.grad(nee[i], q10) for i in (0, 6)]), mode="NUMBA")(1.5)
    _, found = closed(VALUES)
    t = forcing["air_temperature"]
    weighted = (found["decomposition_factor"] * t / 15.0).sum() / found["decomposition_factor"].sum()
    expected = found["heterotrophic_respiration"] * (t / 15.0 - weighted)
    np.testing.assert_allclose(gradient, expected[[0, 6]], rtol=1e-10)


def test_where_it_never_rains_nothing_is_exchanged() -> None:
    scale, found = closed(VALUES, YEAR | {"evaporation_ratio": [0.0] * 12})
    assert scale == 0.0
    assert not found["nee"].any()
