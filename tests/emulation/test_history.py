"""History matching: what is ruled out, how small a space is found, what the plots show."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from emulation_problems import TRUTH, curved_problem
from scipy.stats import chi2

from lsm_bayes.emulation import HistoryMatch, block_targets, history_match, plot_waves, run_ensemble
from lsm_bayes.emulation.history import OverconfidentWarning, _checked
from lsm_bayes.emulation.subset import EmptyRegionError, sample_region
from lsm_bayes.emulation.wave_plots import _least
from lsm_bayes.emulation.waves import excesses, ranked


@pytest.fixture(scope="module")
def match() -> HistoryMatch:
    problem = curved_problem()
    return history_match(problem, block_targets(problem, 6), waves=2, runs=25, draws=400, seed=1)


def test_tiny_regions_are_found_with_their_probability() -> None:
    centre = np.array([2.5, -2.5, 0.0])
    found = sample_region(lambda z: np.sum((z - centre) ** 2, axis=1), 3, 1000, np.random.default_rng(0), limit=0.01)
    exact = 4 / 3 * np.pi * 0.1**3 * np.exp(-0.5 * centre @ centre) / (2 * np.pi) ** 1.5  # the density hardly varies over it
    assert abs(np.log(found.fraction / exact)) < 0.4 and found.fraction < 1e-6
    assert np.all(np.sum((found.draws - centre) ** 2, axis=1) <= 0.01)
    assert np.allclose(found.draws.mean(axis=0), centre, atol=0.02) and len(np.unique(found.draws[:, 0])) > 700


def test_large_regions_are_drawn_from_as_from_the_prior() -> None:
    found = sample_region(lambda z: np.sum(z**2, axis=1), 2, 2000, np.random.default_rng(1), limit=2.0)
    assert abs(found.fraction - chi2.cdf(2.0, 2)) < 0.05
    with pytest.raises(EmptyRegionError, match="the least found exceeds it by"):
        sample_region(lambda z: np.sum(z**2, axis=1) + 1.0, 2, 200, np.random.default_rng(1))


def test_the_truth_stays_and_the_rest_goes(match: HistoryMatch) -> None:
    assert match.keeps(TRUTH[None])[0] and match.fraction < 0.12
    fractions = match.tree["waves"]["fraction"].values
    assert fractions[1] < fractions[0] < 0.5
    # What the emulators say is what the model says, for most of what is left; where they are not sure they keep more.
    draws = match.tree["unconstrained"]["position"].values.reshape(-1, 3)
    real = np.abs(match.targets.of(match.problem.predict(draws)) - match.targets.observed)
    assert np.mean(real.max(axis=1) < 3.5) > 0.8 and np.all(match.tree["sample_stats"]["implausibility"] <= 3.0)
    prior = match.problem.prior_draws(4000, np.random.default_rng(3))
    kept = match.keeps(prior)
    assert abs(kept.mean() - match.fraction) < 0.3 * match.fraction + 0.005
    truly = (np.abs(match.targets.of(match.problem.predict(prior)) - match.targets.observed) < 2.5).all(axis=1)
    assert np.mean(kept[truly]) > 0.98


def test_emulators_that_new_runs_find_too_sure_are_widened(match: HistoryMatch) -> None:
    wave, problem, targets = match.waves[0], match.problem, match.targets
    fresh = run_ensemble(problem, problem.prior_draws(40, np.random.default_rng(5)))
    sure = replace(wave, surrogate=wave.surrogate.widened(np.array([0.01, 1.0, 1.0, 1.0, 1.0, 1.0])))
    with pytest.warns(OverconfidentWarning, match=r"wave 1: errors of the emulator of y 1 at new runs are \d+\.\d times what it said"):
        found = _checked(sure, fresh, targets, 1)
    mean, variance = found.predict(fresh.x)
    errors = (targets.of(fresh.predictions) - mean)[:, 0]
    assert found.checked > 2.0 and np.isclose(np.mean(errors**2 / variance[:, 0]), 1.0)
    modest = _checked(replace(wave, surrogate=wave.surrogate.widened(np.full(6, 100.0))), fresh, targets, 1)
    assert modest.checked < 1.0 and np.allclose(modest.predict(fresh.x)[1], 100.0 * wave.predict(fresh.x)[1])  # never narrowed


def test_a_wave_has_no_say_where_an_earlier_one_is_surer(match: HistoryMatch) -> None:
    first, targets = match.waves[0], match.targets
    x = match.problem.prior_draws(50, np.random.default_rng(4))
    wrong = replace(first, mean=first.mean + 1e4, surrogate=first.surrogate.widened(np.full(6, 4.0)))
    alone = first.implausibility(x, targets).max(axis=1) - first.cutoff
    assert np.array_equal(excesses([first, wrong], x, targets).max(axis=0), np.maximum(alone, -wrong.cutoff))
    assert np.all(excesses([wrong, first], x, targets)[0] > 0) and np.allclose(excesses([wrong, first], x, targets)[1], alone)


def test_second_and_third_largest_forgive_one_target(match: HistoryMatch) -> None:
    values = np.array([[1.0, 9.0, 2.0], [4.0, 0.5, 5.0]])
    assert [ranked(values, k).tolist() for k in (1, 2, 3, 4)] == [[9.0, 5.0], [2.0, 4.0], [1.0, 0.5], [1.0, 0.5]]
    x = match.problem.prior_draws(200, np.random.default_rng(0))
    wave = match.waves[0]
    first, second = (ranked(wave.implausibility(x, match.targets), k) for k in (1, 2))
    assert np.all(second <= first) and np.any(second < first)


def test_discrepancy_makes_room_and_what_cannot_be_matched_is_said() -> None:
    problem = curved_problem(bias=6.0)
    targets = block_targets(problem, 6)
    with pytest.raises(ValueError, match="The model cannot reproduce these targets: allow for discrepancy"):
        history_match(problem, targets, waves=3, runs=25, draws=200)
    roomy = history_match(problem, targets.with_discrepancy(sd=6.0 / 0.5 * np.sqrt(5)), waves=1, runs=25, draws=200)
    assert roomy.keeps(TRUTH[None])[0]
    with pytest.raises(ValueError, match="one of both"):
        targets.with_discrepancy()
    with pytest.raises(ValueError, match=r"cutoff has 2 values for 3 waves"):
        history_match(problem, cutoff=[3.0, 2.0])
    with pytest.raises(ValueError, match="give positive numbers for some of y"):
        block_targets(problem, {"nee": 2})


def test_block_targets_have_errors_of_unit_variance() -> None:
    problem = curved_problem()
    targets = block_targets(problem, 4)
    assert targets.names == ("y 1", "y 2", "y 3", "y 4") and np.allclose(targets.weights @ targets.weights.T, np.eye(4))


def test_plots_show_the_least_implausibility_of_each_cell(match: HistoryMatch) -> None:
    least = _least(np.array([0, 0, 1]), np.array([1, 1, 0]), np.array([3.0, 2.0, 5.0]), 2)
    assert least[0, 1] == 2.0 and least[1, 0] == 5.0 and np.isnan(least[0, 0])
    figure = plot_waves(match, bins=10)
    assert len(figure.axes) == 9 + 2 and "2 waves leave" in figure.get_suptitle()
    plt.close(figure)
    with pytest.raises(KeyError, match="no parameter is called"):
        plot_waves(match, parameters=["q"])
