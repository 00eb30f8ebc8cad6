"""Water storage as an anomaly, and routing of runoff: mass, analytic recession, residence times."""

from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from lsm_bayes import observations

P = {"fast_fraction": 0.4, "fast_residence_time": 2.0, "slow_residence_time": 25.0, "initial_discharge": 1.5}
STORED = 1.5 * (0.4 * 2.0 + 0.6 * 25.0)  # mm, in equilibrium with the discharge before the first step


def discharge(runoff: Any, length: Any = 1.0, **changed: Any) -> np.ndarray:
    given = np.asarray(runoff, dtype=float)
    series = {"runoff": given, "step_length": np.broadcast_to(np.asarray(length, dtype=float), given.shape)}
    return observations.get("streamflow").evaluate(series, P | changed)


def rain(n: int, seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.gamma(0.3, 6.0, n)


def test_all_that_runs_off_and_was_stored_is_discharged_in_the_end() -> None:
    runoff = np.concatenate([rain(300), np.zeros(1200)])
    np.testing.assert_allclose(discharge(runoff).sum(), runoff.sum() + STORED, rtol=1e-12)


def test_mass_is_conserved_with_steps_of_any_length() -> None:
    lengths = np.random.default_rng(4).uniform(1.0, 31.0, 300)
    runoff = np.where(np.arange(300) < 200, rain(300), 0.0)
    np.testing.assert_allclose((discharge(runoff, lengths) * lengths).sum(), (runoff * lengths).sum() + STORED, rtol=1e-9)


def test_a_long_step_is_the_mean_of_short_ones() -> None:
    daily = discharge(np.repeat([3.0, 0.5], 30))
    np.testing.assert_allclose(discharge([3.0, 0.5], 30.0), daily.reshape(2, 30).mean(axis=1), rtol=1e-12)


def test_steady_runoff_is_steady_discharge() -> None:
    np.testing.assert_allclose(discharge(np.full(50, 1.5)), 1.5, rtol=1e-13)


def test_recession_is_a_sum_of_two_exponentials() -> None:
    day = np.arange(40)
    wanted = sum(1.5 * f * np.exp(-day / tau) * (1 - np.exp(-1 / tau)) * tau for f, tau in ((0.4, 2.0), (0.6, 25.0)))  # mean over each day
    np.testing.assert_allclose(discharge(np.zeros(40)), wanted, rtol=1e-12)


def test_routing_solves_its_differential_equation() -> None:
    runoff = rain(12, seed=8)

    def rates(t: float, s: np.ndarray) -> list[float]:
        x, fast, slow = runoff[min(int(t), 11)], s[0] / 2.0, s[1] / 25.0
        return [0.4 * x - fast, 0.6 * x - slow, fast + slow]

    state, discharged = np.array([1.5 * 0.4 * 2.0, 1.5 * 0.6 * 25.0, 0.0]), []
    for k in range(12):
        after = solve_ivp(rates, (k, k + 1 - 1e-12), state, rtol=1e-10, atol=1e-12).y[:, -1]
        discharged.append(after[2] - state[2])
        state = after
    np.testing.assert_allclose(discharge(runoff), discharged, rtol=1e-7)


def test_defaults_are_as_precise_as_given_values() -> None:
    operator = observations.get("streamflow")
    given = {"runoff": rain(30), "step_length": np.ones(30)}
    np.testing.assert_allclose(operator.evaluate(given), operator.evaluate(given, operator.defaults), rtol=1e-14)


def test_routing_is_linear() -> None:
    a, b = rain(80, 1), rain(80, 2)
    none = discharge(np.zeros(80))
    np.testing.assert_allclose(discharge(2 * a + b) - none, 2 * (discharge(a) - none) + discharge(b) - none, atol=1e-12)


def test_residence_times_are_the_mean_ages_of_a_pulse() -> None:
    pulse = np.zeros(2000)
    pulse[0] = 1.0
    for fraction, tau in ((1.0, 2.0), (0.0, 25.0)):
        found = discharge(pulse, fast_fraction=fraction) - discharge(0 * pulse, fast_fraction=fraction)
        np.testing.assert_allclose((found * np.arange(2000)).sum(), tau, rtol=1e-9)


def test_a_fast_catchment_varies_more() -> None:
    swing = [np.std(discharge(rain(400), fast_fraction=f)) for f in (0.1, 0.5, 0.9)]
    assert swing[0] < swing[1] < swing[2] < np.std(rain(400))


def test_members_are_routed_each_with_its_own_parameters() -> None:
    runoff = np.stack([rain(40, 1), rain(40, 2)])
    found = discharge(runoff, slow_residence_time=np.array([[20.0], [300.0]]))
    for k, tau in enumerate((20.0, 300.0)):
        np.testing.assert_allclose(found[k], discharge(runoff[k], slow_residence_time=tau))


@pytest.mark.parametrize("name", ["terrestrial_water_storage", "terrestrial_water_storage_from_stores"])
def test_storage_is_an_anomaly_that_forgets_what_never_moves(name: str) -> None:
    operator = observations.get(name)
    n = 100
    rng = np.random.default_rng(5)
    series = {store: rng.gamma(2.0, 50.0, (2, n)) for store in operator.inputs}
    found = operator.evaluate(series)
    np.testing.assert_allclose(found.mean(axis=-1), 0.0, atol=1e-11)
    first = next(iter(series))
    np.testing.assert_allclose(operator.evaluate(series | {first: series[first] + 700.0}), found, atol=1e-10)
    np.testing.assert_allclose(np.diff(found), np.diff(sum(series.values())), atol=1e-10)
