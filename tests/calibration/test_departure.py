"""What is lost by a normal or a mixture of normals is what the distribution says, and is warned of."""

from typing import Any

import numpy as np
import pytest
import xarray as xr
from linear_steps import bent, draws_of, linear, made_up_series

from lsm_bayes.calibration import NotNormalWarning, carry_over
from lsm_bayes.calibration.departure import departure_of
from lsm_bayes.calibration.normal_mixture import fit_mixture


@pytest.fixture(scope="module")
def linear_data() -> xr.Dataset:
    return made_up_series()


def test_departure_is_that_of_the_distribution(linear_data: xr.Dataset) -> None:
    rng = np.random.default_rng(8)
    names = ["one", "two", "three"]

    def measured(draws: np.ndarray, components: int = 1) -> Any:
        flat = draws.reshape(-1, 3)
        return departure_of(draws, fit_mixture(flat, components), names, 1)

    mixing = rng.normal(size=(3, 3))
    few = measured(rng.normal(size=(4, 250, 3)) @ mixing)
    assert few.skewness < 0.3 and abs(few.kurtosis) < 0.1 and few.shift < 0.15 and not few.far
    skewed = measured(rng.gamma(4.0, size=(4, 4000, 3)) @ mixing)  # skewness 2 / sqrt(4) and excess kurtosis 6 / 4 of each
    assert skewed.skewness == pytest.approx(1.0, abs=0.2) and skewed.kurtosis == pytest.approx(1.5 / 5, abs=0.15) and skewed.far
    two = rng.normal(size=(4, 4000, 3)) + 6.0 * (rng.random(size=(4, 4000, 1)) < 0.2) * [1.0, 0.0, 0.0]
    assert measured(two @ mixing).far and not measured(two @ mixing, 2).far
    assert measured(two @ mixing, 2).shift < 0.1
    heavy = rng.normal(size=(4, 4000, 3)) / np.sqrt(rng.chisquare(12, size=(4, 4000, 1)) / 12)  # 2 / (12 - 4)
    assert measured(heavy @ mixing).kurtosis == pytest.approx(0.25, abs=0.1)
    model = linear(linear_data, ["nee"])
    with pytest.warns(
        NotNormalWarning,
        match="from nee is carried over as a normal with full covariance, and it is not one: skewness .* components='auto' may hold",
    ):
        carry_over(draws_of(model, shape=np.exp), model, components=1)
    modes = xr.Dataset({"weight": ("mode", [0.6, 0.395, 0.005])})
    with pytest.warns(NotNormalWarning, match="2 modes. A simultaneous calibration"):
        carry_over(xr.DataTree.from_dict({"/posterior": draws_of(model), "/modes": modes}), model)


def test_a_mixture_says_what_it_gains(linear_data: xr.Dataset) -> None:
    model = linear(linear_data, ["nee"])
    carried = carry_over(draws_of(model, shape=bent), model)
    assert carried.components > 1 and carried.departure.components == carried.components
    assert carried.departure.gain > 0.3
    assert "(of normal scores)" in carried.departure.describe() and "nats a draw above that of one normal" in carried.departure.describe()
    assert "above that of one normal" not in carry_over(draws_of(model), model).departure.describe()
    modes = xr.Dataset({"weight": ("mode", [0.5, 0.3, 0.2])})
    tree = xr.DataTree.from_dict({"/posterior": draws_of(model), "/modes": modes})
    with pytest.warns(
        NotNormalWarning, match="as a mixture of 2 normals, and it is not one: .* 3 modes; .* components='auto' may hold more"
    ):
        carry_over(tree, model, components=2)
    assert not carry_over(tree, model, components=3).departure.far
