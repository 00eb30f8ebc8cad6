"""Gates of a mixture of modes: convergence within the modes, weights with their errors."""

import arviz_stats
import numpy as np
import pytest
import xarray as xr

from lsm_bayes.diagnostics import check
from lsm_bayes.diagnostics.gates import convergence, mixture_convergence
from lsm_bayes.diagnostics.result import scalars


@pytest.fixture
def mixture(changed, one_site):
    """Return a function that makes the one-site result a mixture of two modes."""

    def make(rhat=(1.002, 1.004), ess=(900.0, 500.0), weights=(0.8, 0.2), errors=(0.02, 0.02)):
        labels = list(scalars(one_site["posterior"].to_dataset()))
        shape = (len(weights), len(labels))
        table = {
            name: (("mode", "scalar"), np.broadcast_to(np.array(values)[:, None], shape).copy())
            for name, values in (("rhat", rhat), ("ess_bulk", ess), ("ess_tail", ess))
        }
        per_mode = {"weight": ("mode", list(weights)), "chains": ("mode", [4] * len(weights)), "draws": ("mode", [4000] * len(weights))}
        within = xr.Dataset(table | per_mode, coords={"mode": range(len(weights)), "scalar": labels})
        modes = xr.Dataset({"weight": ("mode", list(weights)), "weight_error": ("mode", list(errors))})
        return changed(within_modes=within, modes=modes)

    return make


def gate(tree, word):
    return next(g for g in check(tree).gates if word in g.name)


def test_rhat_is_the_worst_within_a_mode_that_matters(mixture):
    found = gate(mixture(), "R-hat")
    assert (found.value, found.passed) == (1.004, True)
    assert "within modes, worst in mode 2" in found.note
    assert "mode 1 (80 %, 4 chains), mode 2 (20 %, 4 chains)" in found.note
    assert not gate(mixture(rhat=(1.002, 1.02)), "R-hat").passed
    light = mixture(rhat=(1.002, 1.02), weights=(0.995, 0.005))
    assert gate(light, "R-hat").passed


def test_one_chain_in_a_mode_fails(mixture):
    found = gate(mixture(rhat=(1.002, np.nan)), "R-hat")
    assert not found.passed
    assert "worst in mode 2" in found.note
    assert "single chain has no R-hat" in found.note


@pytest.mark.parametrize(
    ("ess", "expected"), [((900.0, 500.0), 1 / (0.64 / 900 + 0.04 / 500)), ((300.0, 20.0), 1 / (0.64 / 300 + 0.04 / 20))]
)
def test_effective_number_of_the_mixture(mixture, ess, expected):
    found = gate(mixture(ess=ess), "bulk")
    assert found.value == pytest.approx(expected)
    assert found.passed is (expected > 400)
    assert "1 / sum(weight^2 / effective sample size within the mode)" in found.note


def test_effective_number_is_that_of_the_mean():
    """Independent draws: the variance of the mixture's mean over many repeats, in units of the within-mode variance."""
    rng = np.random.default_rng(1)
    means = 0.8 * rng.normal(0, 1, (4000, 300)).mean(axis=1) + 0.2 * rng.normal(9, 1, (4000, 50)).mean(axis=1)
    assert 1 / means.var() == pytest.approx(1 / (0.64 / 300 + 0.04 / 50), rel=0.1)


@pytest.mark.parametrize(("errors", "unknown"), [((0.02, 0.02), 0), ((0.2, 0.2), 2), ((np.nan, np.nan), 2)])
def test_a_weight_needs_an_error(mixture, errors, unknown):
    found = gate(mixture(errors=errors), "modes without")
    assert found.value == unknown
    assert found.passed is (unknown == 0)
    assert "weights 0.8 ±" in found.note


def test_ordinary_result_is_judged_over_its_chains(one_site):
    assert mixture_convergence(one_site, ["nee_sd"]) is None
    draws = scalars(one_site["posterior"].to_dataset(), ["nee_sd"])
    assert float(convergence(draws)["rhat"][0]) == pytest.approx(float(arviz_stats.rhat(one_site["posterior"]["nee_sd"])), rel=1e-12)
