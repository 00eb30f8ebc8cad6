"""Every observation operator that ships: its battery, and what its declaration says."""

from typing import Annotated, NamedTuple

import numpy as np
import pytensor.tensor as pt
import pytest

from lsm_bayes import observations
from lsm_bayes.declare import Parameter
from lsm_bayes.observations import ObservationOperator
from lsm_bayes.testing_operators import check_observation_operator
from lsm_bayes.vocabulary import QUANTITIES


@pytest.mark.parametrize("name", observations.available())
def test_every_operator_passes_the_battery(name: str) -> None:
    report = check_observation_operator(observations.get(name))
    assert report.figures.keys() == {"gradient", "broadcast", "nan_not_propagated", "not_finite"}
    assert (report.recovered is None) == (observations.get(name).parameters is None)


@pytest.mark.parametrize("name", observations.available())
def test_operator_gives_a_quantity_and_says_where_its_equation_comes_from(name: str) -> None:
    operator = observations.get(name)
    assert operator.name == name and operator.quantity in QUANTITIES
    assert operator.citation or operator.parameters is None


def test_leaf_area_is_that_of_the_middle_of_the_step() -> None:
    found = observations.get("lai").evaluate({"lai": np.array([1.0, 2.0, 4.0, 3.0])})
    np.testing.assert_array_equal(found, [1.5, 3.0, 3.5, 3.0])


def test_unknown_operator_lists_those_that_exist() -> None:
    with pytest.raises(KeyError, match=r"unknown observation operator 'nea'. Did you mean 'nee'\?"):
        observations.get("nea")


def test_a_series_that_all_members_share_broadcasts() -> None:
    rng = np.random.default_rng(1)
    gpp, gas = rng.uniform(1, 9, (2, 3, 5)), rng.uniform(400, 500, (1, 1, 5))
    series = {"gpp": gpp, "cos_mole_fraction": gas, "co2": np.full((1, 1, 5), 410.0)}
    together = observations.get("cos_uptake").evaluate(series, {"leaf_relative_uptake": np.full((2, 3, 1), 1.7)})
    alone = observations.get("cos_uptake").evaluate(
        {n: np.broadcast_to(v, gpp.shape)[1, 2] for n, v in series.items()}, {"leaf_relative_uptake": 1.7}
    )
    np.testing.assert_allclose(together[1, 2], alone, rtol=1e-12)


class Gain(NamedTuple):
    """A parameter."""

    gain: Annotated[float, Parameter("1", (0.5, 2.0), "factor")] = 1.0


def test_a_wrong_declaration_is_reported_with_what_exists() -> None:
    with pytest.raises(KeyError, match=r"observation operator 'ndvi': unknown quantity 'leaf_area'"):
        ObservationOperator("ndvi", {"leaf_area": (0.0, 8.0)}, lambda s: s["leaf_area"])
    with pytest.raises(ValueError, match=r"range \(8.0, 0.0\) of 'lai' is empty"):
        ObservationOperator("ndvi", {"lai": (8.0, 0.0)}, lambda s: s["lai"])
    operator = ObservationOperator("ndvi", {"lai": (0.0, 8.0)}, lambda s, p: p.gain * s["lai"], Gain)
    with pytest.raises(KeyError, match=r"unknown parameter 'gian'. Did you mean 'gain'\?"):
        operator({"lai": pt.dvector()}, {"gian": 1.0})
    with pytest.raises(KeyError, match="'ndvi' needs 'lai'; given are gpp"):
        operator({"gpp": pt.dvector()})


def test_the_battery_finds_what_is_wrong() -> None:
    from pytensor.gradient import disconnected_grad

    no_gradient = ObservationOperator("ndvi", {"lai": (0.1, 8.0)}, lambda s, p: disconnected_grad(p.gain) * s["lai"], Gain)
    with pytest.raises(AssertionError, match=r"gradient: .* \(gain at point 0"):
        check_observation_operator(no_gradient)
    hides = ObservationOperator("ndvi", {"lai": (0.1, 8.0)}, lambda s, p: p.gain * pt.switch(s["lai"] > 0, s["lai"], 0.0), Gain)
    with pytest.raises(AssertionError, match="nan not propagated: 1,"):
        check_observation_operator(hides)
