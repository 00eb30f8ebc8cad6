"""Fire: what is reported, emission by combustion completeness, and no more of it than there is carbon."""

import numpy as np

from lsm_bayes import observations

EMISSION = observations.get("fire_emission_completeness")
POOLS = {"labile": 100.0, "foliage": 200.0, "root": 150.0, "wood": 8000.0, "litter": 600.0, "soil": 12000.0}
FACTORS = {"foliar": 0.9, "ligneous": 0.1, "litter": 0.5, "soil": 0.01}


def emitted(burned: float, days: float = 1.0, pools: dict[str, float] = POOLS, **factors: float) -> float:
    series = {f"{n}_carbon": np.array([v]) for n, v in pools.items()}
    return float(EMISSION.evaluate(series | {"burned_area": [burned], "step_length": [days]}, FACTORS | factors)[0])


def test_burned_area_and_emission_are_reported_as_they_are() -> None:
    for name in ("burned_area", "fire_emission"):
        np.testing.assert_array_equal(observations.get(name).evaluate({name: [0.0, 0.3]}), [0.0, 0.3])


def test_worked_number() -> None:
    # 0.1 (100 + 150 + 8000) + 0.9 x 200 + 0.5 x 600 + 0.01 x 12000 = 825 + 180 + 300 + 120 = 1425 gC m-2 where it burns.
    np.testing.assert_allclose(emitted(0.02), 28.5, rtol=1e-12)


def test_no_fire_or_nothing_to_burn_emits_nothing() -> None:
    assert emitted(0.0) == 0.0
    assert emitted(0.2, pools=dict.fromkeys(POOLS, 0.0)) == 0.0


def test_emission_per_day_does_not_depend_on_how_steps_are_cut() -> None:
    np.testing.assert_allclose(emitted(0.3, days=30.0), emitted(0.01, days=1.0), rtol=1e-12)


def test_complete_combustion_emits_all_carbon_and_not_more() -> None:
    found = emitted(1.0, foliar=1.0, ligneous=1.0, litter=1.0, soil=1.0)
    np.testing.assert_allclose(found, sum(POOLS.values()), rtol=1e-12)


def test_each_completeness_raises_the_emission_of_its_pools_alone() -> None:
    burnt = {"foliar": ["foliage"], "ligneous": ["labile", "root", "wood"], "litter": ["litter"], "soil": ["soil"]}
    for kind, pools in burnt.items():
        more = emitted(0.1, **{kind: FACTORS[kind] + 0.05}) - emitted(0.1)
        np.testing.assert_allclose(more, 0.05 * 0.1 * sum(POOLS[p] for p in pools), rtol=1e-9)
