"""Learned operators: agreement with physics, honest spread, and the bias that they absorb."""

from typing import Literal

import numpy as np
import pytensor.tensor as pt
import pytest
import xarray as xr
from pytensor.compile.mode import Mode

from lsm_bayes import observations
from lsm_bayes.observations.learned import LearnedOperator, fit_learned_operator
from lsm_bayes.observations.regression import GaussianProcess, negative_log_evidence
from lsm_bayes.oracles import extrapolated_derivative
from lsm_bayes.testing_operators import check_observation_operator

METHODS: tuple[Literal["gaussian_process", "network"], ...] = ("gaussian_process", "network")
NOISE = 0.02
INPUTS = {"lai": (0.0, 8.0), "soil_water": (0.0, 60.0)}


def pairs(seed: int = 0, days: int = 1200) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """States, what was seen of them, and what is true of that."""
    rng = np.random.default_rng(seed)
    t = np.arange(days)
    lai = 3.2 + 2.0 * np.sin(2 * np.pi * t / 365.0) + rng.uniform(-1.0, 1.0, days)
    water = 30.0 + 15.0 * np.cos(2 * np.pi * t / 290.0) + rng.uniform(-10.0, 10.0, days)
    truth = 1.0 - np.exp(-0.4 * lai) + 0.002 * (water - 30.0)
    return {"lai": lai, "soil_water": water}, truth + rng.normal(0.0, NOISE, days), truth


@pytest.fixture(scope="module", params=METHODS)
def learned(request: pytest.FixtureRequest) -> LearnedOperator:
    states, seen, _ = pairs()
    return fit_learned_operator(states, seen, INPUTS, "fapar", method=request.param)


def test_it_finds_the_truth_behind_the_noise(learned: LearnedOperator) -> None:
    states, _, truth = pairs(seed=1)
    assert np.sqrt(np.mean((learned.operator.evaluate(states) - truth) ** 2)) < 0.5 * NOISE


def test_score_is_that_of_the_noise(learned: LearnedOperator) -> None:
    assert learned.score.count == 240
    assert learned.score.rmse == pytest.approx(NOISE, rel=0.15)
    assert learned.score.r2 > 0.97
    assert 0.83 < learned.score.coverage < 0.97


def test_operator_passes_the_battery(learned: LearnedOperator) -> None:
    report = check_observation_operator(learned.operator, steps=60)
    assert report.recovered is None and learned.operator.quantity == "fapar"


def test_spread_is_the_same_for_numbers_and_tensors(learned: LearnedOperator) -> None:
    states, _, _ = pairs(seed=2, days=50)
    numbers = learned.predictive_sd(states)
    symbolic = learned.predictive_sd({n: pt.as_tensor(v) for n, v in states.items()}).eval(mode=Mode("py", None))
    np.testing.assert_allclose(symbolic, numbers, rtol=1e-9)
    assert np.median(numbers) == pytest.approx(NOISE, rel=0.2)


@pytest.mark.parametrize("method", METHODS)
def test_bias_of_the_training_states_is_absorbed(method: Literal["gaussian_process", "network"]) -> None:
    # Leaf area of the model is 10 % too large, and the instrument sees 1 - exp(-0.5 LAI) of the true one.
    rng = np.random.default_rng(4)
    lai = 2.5 + 2.0 * np.sin(2 * np.pi * np.arange(800) / 365.0) + rng.normal(0.0, 0.2, 800)
    lai = np.maximum(lai, 0.05)
    physical = observations.ObservationOperator(
        "fapar_exact", {"lai": (0.0, 8.0)}, lambda s: 1.0 - pt.exp(-0.5 * s["lai"]), quantity="fapar"
    )
    seen = physical.evaluate({"lai": lai}) + rng.normal(0.0, NOISE, 800)
    biased = {"lai": 1.1 * lai}
    learned = fit_learned_operator(biased, seen, {"lai": (0.0, 8.0)}, "fapar", method=method)
    standard_error = NOISE / np.sqrt(800)
    # The learned operator fits as well as noise allows, and says nothing of the bias.
    assert abs(np.mean(seen - learned.operator.evaluate(biased))) < 3 * standard_error
    assert learned.score.rmse == pytest.approx(NOISE, rel=0.2)
    # The physical one shows it, and sends leaf area back.
    assert np.mean(seen - physical.evaluate(biased)) < -15 * standard_error
    factors = np.linspace(0.85, 1.1, 51)
    scaled = {"lai": factors[:, None] * biased["lai"]}

    def best(operator: observations.ObservationOperator) -> float:
        return float(factors[np.argmin(np.sum((seen - operator.evaluate(scaled)) ** 2, axis=-1))])

    assert best(physical) == pytest.approx(1.0 / 1.1, abs=0.01)
    assert best(learned.operator) == pytest.approx(1.0, abs=0.015)


def test_away_from_its_training_the_gaussian_process_knows_that_it_does_not_know() -> None:
    states, seen, _ = pairs()
    learned = fit_learned_operator(states, seen, {"lai": (-60.0, 60.0), "soil_water": (0.0, 60.0)}, "fapar")
    far = {"lai": np.array([-60.0]), "soil_water": np.array([30.0])}
    near = {"lai": np.array([3.0]), "soil_water": np.array([30.0])}
    assert learned.predictive_sd(far)[0] > 5 * learned.predictive_sd(near)[0]


def test_gaussian_process_is_the_conditional_normal() -> None:
    rng = np.random.default_rng(5)
    x, y, new = rng.uniform(-1, 1, (12, 2)), rng.normal(size=12), rng.uniform(-1, 1, (4, 2))
    signal, noise, lengths = 1.3, 0.2, np.array([0.7, 1.6])

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.array([[signal**2 * np.exp(-0.5 * np.sum(((p - q) / lengths) ** 2)) for q in b] for p in a])

    machine = GaussianProcess(x, y, np.log([signal, noise, *lengths]))
    inverse = np.linalg.inv(kernel(x, x) + noise**2 * np.eye(12))
    across = kernel(new, x)
    at = pt.constant(new)
    np.testing.assert_allclose(machine.mean(at).eval(mode=Mode("py", None)), across @ inverse @ y, rtol=1e-8)
    wanted = signal**2 + noise**2 - np.einsum("ij,jk,ik->i", across, inverse, across)
    np.testing.assert_allclose(machine.variance(at).eval(mode=Mode("py", None)), wanted, rtol=1e-8)


def test_gradient_of_the_evidence() -> None:
    rng = np.random.default_rng(6)
    x, y, point = rng.uniform(-1, 1, (15, 2)), rng.normal(size=15), np.array([0.2, -1.0, 0.3, -0.4])
    _, slope = negative_log_evidence(point, x, y)
    for i, unit in enumerate(np.eye(4)):
        steps = 0.1 / 4.0 ** np.arange(8)
        table = np.array(
            [(negative_log_evidence(point + h * unit, x, y)[0] - negative_log_evidence(point - h * unit, x, y)[0]) / (2 * h) for h in steps]
        )
        numeric, _, _ = extrapolated_derivative(table, 1e-15, ratio=4.0)
        assert slope[i] == pytest.approx(float(numeric), rel=1e-7)


def test_an_input_that_does_not_matter_gets_a_long_length() -> None:
    states, seen, _ = pairs()
    states["gpp"] = np.random.default_rng(7).uniform(0.0, 10.0, seen.size)
    learned = fit_learned_operator(states, seen, {**INPUTS, "gpp": (0.0, 10.0)}, "fapar")
    assert isinstance(learned.machine, GaussianProcess)
    lengths = np.exp(learned.machine.log_scales[2:])
    assert lengths[2] > 2.0 * lengths[0]


def test_data_sets_are_matched_by_dimension_and_gaps_are_left_out() -> None:
    states, seen, _ = pairs(days=400)
    shape, dims = (2, 200), ("site", "time")
    data = xr.Dataset({n: (dims, v.reshape(shape)) for n, v in states.items()})
    gappy = seen.copy()
    gappy[::7] = np.nan
    turned = xr.DataArray(gappy.reshape(shape), dims=dims).transpose("time", "site")
    plain = fit_learned_operator({n: v.reshape(shape).T for n, v in states.items()}, turned.to_numpy(), INPUTS, "fapar", held_out=0.1)
    named = fit_learned_operator(data, turned, INPUTS, "fapar", held_out=0.1)
    np.testing.assert_array_equal(named.operator.evaluate(states), plain.operator.evaluate(states))


def test_what_cannot_be_learned_is_said() -> None:
    states, seen, _ = pairs(days=200)
    with pytest.raises(ValueError, match="unknown method of a learned operator 'forest'"):
        fit_learned_operator(states, seen, INPUTS, "fapar", method="forest")  # type: ignore[arg-type]
    with pytest.raises(KeyError, match="unknown input 'gpp'"):
        fit_learned_operator(states, seen, {"gpp": (0.0, 9.0)}, "fapar")
    with pytest.raises(ValueError, match=r"training has 'lai' from .* outside \(0.0, 2.0\)"):
        fit_learned_operator(states, seen, {"lai": (0.0, 2.0)}, "fapar")
    with pytest.raises(ValueError, match="30 complete pairs, at least 40 are needed"):
        fit_learned_operator(states, np.where(np.arange(200) < 30, seen, np.nan), INPUTS, "fapar")
    with pytest.raises(ValueError, match="leaves 0 of 20 blocks"):
        fit_learned_operator(states, seen, INPUTS, "fapar", held_out=0.0)
    with pytest.raises(KeyError, match="unknown quantity 'greenness'"):
        fit_learned_operator(states, seen, INPUTS, "greenness")
