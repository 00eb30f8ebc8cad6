"""Constraints of DALEC 1100 against the source's formulas in plain NumPy."""

import numpy as np
import pytensor.tensor as pt
import pytest
from runs import run

from lsm_bayes.forcing import defaults
from lsm_bayes.land.dalec_1100 import DALEC_1100
from lsm_bayes.land.dalec_1100_constraints import GAINS
from lsm_bayes.land.dalec_1100_declared import Parameters
from lsm_bayes.oracles import plausible_forcing


def test_constraints_hold_at_the_defaults_and_fail_where_they_should() -> None:
    def margins(**changes: float) -> dict[str, float]:
        p = Parameters(**({n: v for n, v in defaults(DALEC_1100).items() if n in Parameters._fields} | changes))
        chosen = [c for c in DALEC_1100.constraints if not c.needs]
        return dict(zip([c.name for c in chosen], (float(c.margin({}, p).eval()) for c in chosen), strict=True))

    assert all(margin > 0 for margin in margins().values())
    assert margins(mortality_suction=0.75)["death_drier_than_stress"] == pytest.approx(-np.log(2))
    assert margins(soil_turnover=0.01)["woody_debris_faster_than_soil"] == pytest.approx(-np.log(10))
    assert margins(wood_maintenance_rate=0.002)["roots_respire_more_than_wood"] == pytest.approx(-np.log(2))


def test_what_is_likely_along_a_run_are_the_densities_of_the_source() -> None:
    steps, length = 36, 30.4375
    forcing = plausible_forcing(DALEC_1100, steps, length, np.random.default_rng(4))
    values = {n: np.array([d, d * 1.01]) for n, (_, d) in DALEC_1100.calibrated.items()}
    s = {n: a.T for n, a in run(DALEC_1100, forcing, values).items()}
    p = DALEC_1100.parameters(*(pt.as_tensor(values[n]) for n in DALEC_1100.parameters._fields))  # type: ignore[attr-defined]
    means = {n: float(np.mean(v)) for n, v in forcing.items()}
    chosen = {c.name: c for c in DALEC_1100.constraints if c.needs}
    read = {n: pt.as_tensor(a) for n, a in s.items()}
    got = {n: c.graded["cardamom_1100"](means, p, {k: read[k] for k in c.needs}).eval() for n, c in chosen.items()}
    hard = {n: c.margin(means, p, {k: read[k] for k in c.needs}).eval() for n, c in chosen.items()}

    def normal(z: np.ndarray) -> np.ndarray:
        return -0.5 * z**2

    mean = {n: a.mean(axis=1) for n, a in s.items()}
    living = sum(mean[f"{n}_carbon"] for n in ("labile", "foliage", "root", "wood"))
    wanted = {
        "thin_leaves_work_harder": normal((np.log(values["vcmax_25"]) / np.log(values["leaf_mass_area"]) - 1.0399) / 0.1956),
        "reserves": normal((mean["labile_carbon"] / living - 0.1) / 0.05),
        "foliage_root_ratio": normal(np.log(mean["foliage_carbon"] / mean["root_carbon"]) / np.log(2)),
        "balanced_allocation": normal(np.log(mean["allocation_to_foliage"] / mean["allocation_to_roots"]) / np.log(2)),
    }
    for k in (1, 2, 3):
        wanted[f"layer_{k}_as_warm_as_the_skin"] = normal((mean[f"soil_temperature_{k}"] - means["skin_temperature"]) / 5.0)

    def steady(name: str, stock: np.ndarray, gained: np.ndarray, lost: np.ndarray) -> None:
        januaries = np.mean([stock[:, 12 * k] for k in range(4)], axis=0)
        ratio, start = gained / lost, gained / lost * januaries / stock[:, 0]
        wanted[f"{name}_near_steady"] = normal(np.log(start) / np.log(2))
        wanted[f"{name}_settled"] = normal(np.log(start / ratio) / np.log(1.1))

    # Losses of carbon are no fluxes of their own: what a pool gains less its change.
    for pool, gains in GAINS.items():
        gained = sum(mean[n] for n in gains)
        steady(pool.removesuffix("_carbon"), s[pool], gained, gained - (s[pool][:, -1] - s[pool][:, 0]) / (steps * length))
    water = sum(1e3 * (values[f"porosity_{k}"] * values[f"thickness_{k}"])[:, None] * s[f"relative_moisture_{k}"] for k in (1, 2, 3))
    out = sum(mean[n] for n in ("transpiration_1", "transpiration_2", "soil_evaporation", "drainage_1", "drainage_2", "drainage_3"))
    steady("soil_water", water, mean["infiltration"], out)
    assert set(got) == set(wanted)
    for name, expected in wanted.items():
        np.testing.assert_allclose(got[name], expected, rtol=1e-6, atol=1e-8, err_msg=name)
        np.testing.assert_allclose(hard[name], 2.0 - np.sqrt(-2.0 * expected), rtol=1e-6, atol=1e-6, err_msg=name)
