import math

import pytest

from lsm_bayes.land import get

MEANS = {"air_temperature_min": 2.0, "air_temperature_max": 12.0}


def margins(**changed: float) -> dict[str, float]:
    model = get("dalec_cdea")
    p = model.parameters(**({n: d for n, (_, d) in model.parameter_table.items()} | changed))
    return {c.name: float(c.margin(MEANS, p).eval()) for c in model.constraints if not c.needs}


def test_margins_are_those_of_bloom_and_williams() -> None:
    found = margins(
        litter_mineralisation=0.02,
        soil_mineralisation=1e-4,
        decomposition_rate=2e-3,
        leaf_lifespan=3.0,
        wood_turnover=1e-4,
        root_turnover=4e-3,
        temperature_exponent=0.05,
        f_foliage=0.2,
        f_labile=0.25,
        f_roots=0.5,
    )
    assert found == pytest.approx(
        {
            "litter_faster_than_soil": math.log(200),
            "decomposition_faster_than_soil": math.log(20),
            "wood_outlives_leaves": -math.log(365.25 * 3e-4),
            "roots_faster_than_soil": math.log(40) - 0.05 * 7.0,
            # 0.4 of NPP to leaves and labile carbon, 0.3 to roots.
            "balanced_allocation": math.log(5) - math.log(4 / 3),
        }
    )


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"litter_mineralisation": 1e-4, "soil_mineralisation": 9e-4}, "litter_faster_than_soil"),
        ({"decomposition_rate": 1e-4, "soil_mineralisation": 9e-4}, "decomposition_faster_than_soil"),
        ({"wood_turnover": 1e-3, "leaf_lifespan": 7.0}, "wood_outlives_leaves"),
        ({"root_turnover": 1e-4, "soil_mineralisation": 9e-4}, "roots_faster_than_soil"),
        ({"f_foliage": 0.012, "f_labile": 0.03, "f_roots": 0.9}, "balanced_allocation"),
    ],
)
def test_a_violation_is_negative(changed: dict[str, float], name: str) -> None:
    assert margins(**changed)[name] < 0
