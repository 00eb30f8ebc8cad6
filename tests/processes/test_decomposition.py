"""Factors and partitions of soil carbon models: worked numbers, limits, and smooth forms that converge to the exact ones."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from runs import number, value

from lsm_bayes.processes import century, decomposition_moisture, decomposition_temperature, rothc, smoothing, turnover


@pytest.mark.parametrize(
    ("factor", "expected"),
    [
        (decomposition_temperature.rothc(number(10.0)), 1.1053757),
        (decomposition_temperature.century(number(10.0), np.exp(0.69)), 0.25157855),
        (decomposition_temperature.lloyd_taylor(number(20.0)), 2.3031957),
        (decomposition_temperature.lloyd_taylor(number(10.0)), 1.0),
        (decomposition_temperature.q10(number(25.0), 2.0, 15.0), 2.0),
        (decomposition_moisture.century(number(0.4)), 0.494),
        (decomposition_moisture.casa(number(0.3)), 0.54310065),
        (decomposition_moisture.casa(number(0.55)), 1.0),
        (decomposition_moisture.rothc(number(0.4), 0.3), 0.2),
        (decomposition_moisture.rothc(number(0.65), 0.3), 1.0),
        (decomposition_moisture.rothc(number(0.58), 0.3), 0.6),
        (decomposition_moisture.rothc(number(1.0), 0.3), 0.72),
        (decomposition_moisture.wetness(number(27.0), 0.45), 0.6),
        (rothc.respired_ratio(number(0.2)), 3.644286),
        (1.0 - sum(rothc.retained(number(0.2))), 0.78468165),
        (rothc.cover_factor(number(1.0)), 0.6),
        (rothc.cover_factor(number(0.0)), 1.0),
        (century.active_transfers(number(0.2)).slow, 0.282),
        (century.active_transfers(number(0.2)).passive, 0.004),
        (century.active_transfers(number(0.2)).respired, 0.714),
        (century.clay_factor(number(0.2)), 0.85),
        (century.metabolic_fraction(number(10.0)), 0.67),
        (century.lignin_factor(number(0.2)), np.exp(-0.6)),
    ],
)
def test_worked_numbers(factor: Any, expected: float) -> None:
    assert value(factor) == pytest.approx(expected, rel=2e-7)


def test_one_month_of_rothc_in_the_specification() -> None:
    factor = 0.6 * decomposition_temperature.rothc(number(10.0))
    pools, rates = (0.2, 4.0, 0.3, 8.0), (10.0, 0.3, 0.66, 0.02)
    month = 365.25 / 12
    lost = [month * c * value(turnover.exponential_loss_rate(k / 365.25 * factor, month)) for c, k in zip(pools, rates, strict=True)]
    assert lost == pytest.approx([0.084919773, 0.065775734, 0.010746034, 0.0088381201], rel=1e-7)


FACTORS: dict[str, Callable[[Any], Any]] = {
    "rothc temperature": decomposition_temperature.rothc,
    "century temperature": lambda t: decomposition_temperature.century(t, 2.0),
    "lloyd_taylor": decomposition_temperature.lloyd_taylor,
    "rothc moisture": lambda t: decomposition_moisture.rothc(t / 30.0, 0.2),
    "century moisture": lambda t: decomposition_moisture.century(t / 30.0),
    "casa": lambda t: decomposition_moisture.casa(t / 30.0),
}


@pytest.mark.parametrize("name", FACTORS)
def test_factors_and_their_gradients_are_finite_everywhere_and_nan_stays_nan(name: str) -> None:
    x = pt.dscalar("x")
    factor = FACTORS[name](x)
    f = pytensor.function([x], [factor, pytensor.grad(factor, x)], mode="FAST_COMPILE")
    found = np.array([f(v) for v in (-60.0, -46.02, -18.3, -10.0, 0.0, 10.0, 30.0, 45.0, 51.0, 60.0)])
    assert np.isfinite(found).all() and (found[:, 0] >= 0).all()
    assert np.isnan(f(np.nan)[0])


@pytest.mark.parametrize(
    "factor",
    [
        lambda w, width: decomposition_moisture.rothc(w, 0.25, width),
        decomposition_moisture.century,
        lambda w, width: smoothing.clip(3.0 * w - 1.0, 0.2, 0.9, width),
    ],
    ids=["rothc", "century", "clip"],
)
def test_smooth_forms_converge_to_the_exact_ones(factor: Callable[[Any, float], Any]) -> None:
    wet = pt.constant(np.linspace(0.0, 1.1, 2001))
    exact = factor(wet, 0.0).eval(mode="FAST_COMPILE")
    off = [np.abs(factor(wet, width).eval(mode="FAST_COMPILE") - exact).max() for width in (0.02, 0.01, 0.005, 0.0001)]
    assert off[0] / off[1] == pytest.approx(2.0, rel=0.05) and off[1] / off[2] == pytest.approx(2.0, rel=0.05)  # in proportion to the width
    assert off[3] < 4e-4
    x = pt.dscalar("x")
    slopes = pytensor.function([x], pytensor.grad(factor(x, 0.02), x), mode="FAST_COMPILE")
    found = np.array([slopes(v) for v in np.linspace(0.0, 1.1, 2001)])
    assert np.abs(np.diff(found)).max() < 0.12  # no jump


def test_loss_over_a_step_never_exceeds_the_pool_and_tends_to_the_rate() -> None:
    assert value(turnover.exponential_loss_rate(number(2.0), 30.0)) * 30.0 <= 1.0
    rate = number(1e-7)
    assert value(turnover.exponential_loss_rate(rate, 1.0)) == pytest.approx(value(turnover.integrated("forward")(rate, 1.0)), rel=1e-7)


def test_an_unknown_integration_lists_what_exists() -> None:
    with pytest.raises(ValueError, match="unknown integration of decay 'implicit'. Known: exponential, forward."):
        turnover.integrated("implicit")
