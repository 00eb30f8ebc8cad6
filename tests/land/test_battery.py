from typing import Any

import pytest

from lsm_bayes import land
from lsm_bayes.declare import Prior, ProcessModel
from lsm_bayes.testing import LIMITS, check_process_model

# Compiling is what takes the time: further forms of the same equations are left to `make experiments`.
FORMS = ("_original", "_smooth", "_litter")
# Minutes each before they are in the cache: many parameters, long steps; dalec_1005 has
# its gradient against differences in tests of its own, and dalec_811 is dalec_1005 with one store of water less.
LONG = (
    *("bethy", "bethy_c4_grass", "bethy_grass", "bethy_hourly", "bethy_warm"),
    *("dalec_bethy", "dalec_bethy_hourly", "dalec_bethy_warm_hourly"),
    *("jsbach", "jsbach_c4_grass", "jsbach_crop", "jsbach_grass", "jsbach_hourly", "jsbach_raingreen", "jsbach_summergreen"),
    *("beps", "dalec_1005", "dalec_1100", "dalec_811", "dalec_990", "fobaar", "sipnet"),
)


def marked(name: str) -> Any:
    return pytest.param(name, marks=pytest.mark.slow) if name.endswith(FORMS) or name in LONG else name


@pytest.mark.parametrize("name", [marked(n) for n in land.available()])
def test_every_process_model_passes_the_battery(name: str) -> None:
    report = check_process_model(land.get(name))
    assert report.points == 20
    assert report.finite_fraction > 0.5
    assert set(report.figures) <= set(LIMITS)
    assert report.figures.keys() >= {"gradient_against_differences", "gradient_against_scan", "dot_product", "nan_not_propagated"}


@pytest.mark.parametrize("name", land.available())
def test_every_process_model_says_where_its_equations_come_from(name: str) -> None:
    model: ProcessModel = land.get(name)
    assert model.title and model.citations
    assert all(isinstance(declared.prior, Prior) for declared, _ in model.calibrated.values())


def test_an_unknown_model_lists_what_exists() -> None:
    with pytest.raises(
        KeyError, match="unknown process model 'dalec_cdae'. Did you mean 'dalec_cdea'\\? Known: .*dalec_cdea, dalec_cdea_original"
    ):
        land.get("dalec_cdae")
