from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest
from scipy.special import erfc

from lsm_bayes import lane_math

N = 20000
SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0, 1.0, 1e-310, 5.0)
UNARY = ("exp", "log", "log1p", "expm1", "tanh", "sin", "cos", "sigmoid", "softplus", "erfc")


def _applied(name: str) -> Callable[[np.ndarray], np.ndarray]:
    function = getattr(lane_math, name)

    @numba.njit
    def loop(x: Any) -> Any:
        y = np.empty_like(x)
        for i in range(x.size):
            y[i] = function(x[i])
        return y

    return loop


@pytest.fixture(scope="module")
def applied() -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    return {name: _applied(name) for name in UNARY}


def _units_in_last_place(got: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.max(np.abs(got - wanted) / np.spacing(np.abs(wanted.astype(float)))))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _erfc(x: np.ndarray) -> Any:
    return erfc(x.astype(float))


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(np.zeros_like(x), x)


@pytest.mark.parametrize(
    ("name", "oracle", "low", "high", "limit"),
    [
        ("exp", np.exp, -700, 709, 1.0),
        ("log", np.log, 1e-300, 4.0, 1.0),
        ("log1p", np.log1p, -0.99, 3.0, 2.0),
        ("expm1", np.expm1, -30.0, 30.0, 3.0),
        ("tanh", np.tanh, -30.0, 30.0, 4.0),
        ("sin", np.sin, -300.0, 300.0, 1.5),
        ("cos", np.cos, -300.0, 300.0, 1.5),
        ("sigmoid", _sigmoid, -30.0, 700.0, 2.5),
        ("softplus", _softplus, -30.0, 30.0, 3.0),
        ("erfc", _erfc, -6.0, 5.0, 60.0),
    ],
)
def test_accuracy_in_units_in_the_last_place(applied: Any, name: str, oracle: Any, low: float, high: float, limit: float) -> None:
    x = np.random.default_rng(0).uniform(low, high, N)
    # Extended precision, so that the oracle's own rounding does not count.
    assert _units_in_last_place(applied[name](x), oracle(x.astype(np.longdouble))) < limit


@pytest.mark.parametrize(("name", "oracle"), [("log1p", np.log1p), ("expm1", np.expm1), ("tanh", np.tanh), ("sin", np.sin)])
def test_small_arguments_keep_their_digits(applied: Any, name: str, oracle: Any) -> None:
    x = 10.0 ** np.random.default_rng(1).uniform(-18, 0, N)
    for signed in (x, -0.999 * x):
        assert _units_in_last_place(applied[name](signed), oracle(signed.astype(np.longdouble))) < 4.0


def test_log_over_all_magnitudes(applied: Any) -> None:
    x = np.exp(np.random.default_rng(2).uniform(-740, 700, N))
    assert _units_in_last_place(applied["log"](x), np.log(x.astype(np.longdouble))) < 1.0


@pytest.mark.parametrize("name", ["exp", "log", "log1p", "expm1", "tanh"])
def test_special_values(applied: Any, name: str) -> None:
    x = np.array(SPECIAL)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(applied[name](x), getattr(np, name)(x), rtol=1e-15)


@pytest.mark.parametrize("name", UNARY)
def test_nan_comes_out_as_nan(applied: Any, name: str) -> None:
    assert np.isnan(applied[name](np.array([np.nan]))[0])


def test_exp_overflows_and_underflows_as_libm_does(applied: Any) -> None:
    got = applied["exp"](np.array([709.79, 1e300, -746.0, -1e300]))
    np.testing.assert_array_equal(got, [np.inf, np.inf, 0.0, 0.0])


@pytest.fixture(scope="module")
def power() -> Any:
    function = lane_math.power
    return numba.njit(lambda x, y: function(x, y))


def test_power_of_positive_numbers(power: Any) -> None:
    rng = np.random.default_rng(3)
    for x, y in zip(rng.uniform(1e-3, 10, 300), rng.uniform(-3, 3, 300), strict=True):
        assert power(x, y) == pytest.approx(x**y, rel=5e-15)


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (-2.0, 3.0, -8.0),
        (-2.0, 2.0, 4.0),
        (0.0, 2.0, 0.0),
        (0.0, 0.0, 1.0),
        (-2.0, 0.5, np.nan),
        (np.nan, 2.0, np.nan),
        (2.0, np.nan, np.nan),
    ],
)
def test_power_of_special_values(power: Any, x: float, y: float, expected: float) -> None:
    assert power(x, y) == pytest.approx(expected, rel=1e-14, nan_ok=True)


def test_power_at_its_poles(power: Any) -> None:
    assert power(0.0, -1.0) == np.inf
    assert power(np.inf, 2.0) == np.inf
    assert power(np.nan, 0.0) == 1.0 == power(1.0, np.nan)
