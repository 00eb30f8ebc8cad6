"""The gates pass a sound result and name what is wrong with an unsound one."""

import json

import arviz_stats
import numpy as np
import pytest
import xarray as xr

from lsm_bayes.diagnostics import check


def gate(gates, word):
    return next(g for g in gates.gates if word in g.name)


def posterior_of(tree):
    return tree["posterior"].to_dataset().copy(deep=True)


def test_sound_result_is_a_posterior(one_site):
    gates = check(one_site)
    assert gates.passed
    assert gates.verdict == "A posterior: every gate passes."
    assert [g.name.split(",")[0] for g in gates.gates][:3] == ["R-hat", "effective sample size", "effective sample size"]


def test_values_are_those_of_arviz_unrounded(six_sites):
    gates = check(six_sites)
    data = six_sites["posterior"].to_dataset()
    largest = max(float(v.max()) for v in arviz_stats.rhat(data).data_vars.values())
    smallest = min(float(v.min()) for v in arviz_stats.ess(data, method="tail").data_vars.values())
    assert gate(gates, "R-hat").value == pytest.approx(largest, rel=1e-12)
    assert gate(gates, "tail").value == pytest.approx(smallest, rel=1e-12)


def test_every_element_of_a_site_parameter_counts(six_sites, changed):
    data = posterior_of(six_sites)
    data["ceff"].loc[{"site": "US-MMS", "chain": 2}] += 0.5
    gates = check(changed(posterior=data))
    assert gate(gates, "R-hat").parameter == "ceff[US-MMS]"
    assert not gate(gates, "R-hat").passed
    assert "Not a posterior" in gates.verdict
    assert "ceff[US-MMS]" in str(gates)


def test_rhat_at_the_threshold_fails(one_site, monkeypatch):
    monkeypatch.setattr("lsm_bayes.diagnostics.gates.RHAT_BELOW", check(one_site).gates[0].value)
    assert not check(one_site).gates[0].passed


def test_one_chain_cannot_pass(changed, one_site):
    gates = check(
        changed(posterior=posterior_of(one_site).isel(chain=[0]), sample_stats=one_site["sample_stats"].to_dataset().isel(chain=[0]))
    )
    assert np.isnan(gate(gates, "R-hat").value)
    assert not gate(gates, "R-hat").passed
    assert "two chains" in gate(gates, "R-hat").note


def test_parameter_that_never_moves_fails_and_a_constant_result_does_not(changed, one_site):
    data = posterior_of(one_site)
    data["step"] = xr.full_like(data["ceff"], 1.0)
    assert check(changed(posterior=data)).passed
    data["ceff"].values[:] = 0.7
    gates = check(changed(posterior=data))
    assert gate(gates, "R-hat").parameter == "ceff"
    assert "did not move" in gate(gates, "R-hat").note


def test_parameter_that_is_declared_fixed_may_stand_still(changed, one_site):
    data = posterior_of(one_site)
    data["ceff"].values[:] = 0.7
    card = json.loads(one_site.attrs["model_card"])
    card["parameters"]["ceff"]["prior"] = "fixed at 0.7"
    assert check(changed(posterior=data, attrs={"model_card": json.dumps(card)})).passed


def test_draws_that_are_not_finite_fail(changed, one_site):
    data = posterior_of(one_site)
    data["ceff"].values[0, 3] = np.nan
    assert "not finite" in gate(check(changed(posterior=data)), "bulk").note


def test_one_divergence_in_800_is_too_many_and_is_traced(changed, one_site):
    data, stats = posterior_of(one_site), one_site["sample_stats"].to_dataset().copy(deep=True)
    where = np.unravel_index(data["soil_carbon"].values.argmax(), (4, 200))
    stats["diverging"].values[where] = True
    found = gate(check(changed(sample_stats=stats)), "divergent")
    assert found.value == 1 / 800
    assert not found.passed
    assert found.parameter in ("soil_carbon", "respiration_rate")


def test_method_without_divergences_does_not_pass_silently(changed):
    found = gate(check(changed(sample_stats=None)), "divergent")
    assert not found.passed
    assert "records no divergences" in found.note


@pytest.mark.parametrize("side", ["lower", "upper"])
def test_pressing_parameter_fails_until_it_is_reported(changed, one_site, side):
    data = posterior_of(one_site)
    away = np.abs(np.random.default_rng(4).normal(0, 0.002, data["temperature_sensitivity"].shape))
    data["temperature_sensitivity"].values[:] = 0.018 + away if side == "lower" else 0.08 - away
    tree = changed(posterior=data)
    gates = check(tree)
    found = gate(gates, "bound")
    assert (found.value, found.passed, found.parameter) == (1.0, False, "temperature_sensitivity")
    assert gates.findings[0].side == side
    known = check(tree, reported={"temperature_sensitivity": "the data want a colder soil"})
    assert known.passed
    assert known.findings[0].reported == "the data want a colder soil"
    card = json.loads(tree.attrs["model_card"]) | {"findings": {"temperature_sensitivity": "seen"}}
    tree.attrs["model_card"] = json.dumps(card)
    assert check(tree).passed


@pytest.mark.parametrize(("place", "side"), [(0.0, None), (0.5, None), (1.0, "upper")])
def test_correlation_at_its_cap_is_a_finding_and_no_memory_is_none(changed, one_site, place, side):
    data = posterior_of(one_site)
    away = np.abs(np.random.default_rng(4).normal(0, 0.002, data["nee_phi"].shape))
    data["nee_phi"].values[:] = np.abs(0.6 * place - away)
    card = json.loads(one_site.attrs["model_card"])
    card["parameters"].pop("nee_phi")
    card["error_models"]["nee"]["caps"] = {"nee_phi": 0.6}
    found = check(changed(attrs={"model_card": json.dumps(card)}, posterior=data)).findings
    assert [f.side for f in found] == ([side] if side else [])


@pytest.mark.parametrize(
    ("draw", "presses"),
    [
        (lambda r, n: r.uniform(0, 1, n), False),
        (lambda r, n: np.clip(r.normal(0.5, 0.1, n), 0, 1), False),
        (lambda r, n: np.clip(r.normal(0.12, 0.03, n), 0, 1), False),
        (lambda r, n: np.minimum(np.abs(r.normal(0, 0.2, n)), 1), True),
        (lambda r, n: np.minimum(r.exponential(0.1, n), 1), True),
        (lambda r, n: 1 - np.minimum(r.exponential(0.02, n), 1), True),
    ],
)
def test_which_shapes_press(changed, one_site, draw, presses):
    data = posterior_of(one_site)
    u = draw(np.random.default_rng(11), data["temperature_sensitivity"].shape)
    data["temperature_sensitivity"].values[:] = 0.018 + u * (0.08 - 0.018)
    assert bool(check(changed(posterior=data)).findings) is presses


def test_rates_are_judged_on_the_log_scale(changed, one_site):
    data = posterior_of(one_site)
    data["respiration_rate"].values[:] = 5e-5 * np.exp(np.random.default_rng(2).normal(0, 0.1, data["respiration_rate"].shape))
    assert not check(changed(posterior=data)).findings  # 0.4 % of the linear range, 23 % of the logarithmic one


def test_circular_parameter_has_no_bound_and_no_seam(changed, one_site):
    data = posterior_of(one_site)
    data["leaf_day"].values[:] = np.random.default_rng(5).normal(0, 3, data["leaf_day"].shape) % 365.25
    gates = check(changed(posterior=data))
    assert gates.passed
    assert not gates.findings


def test_modes_need_weights_that_sum_to_one(changed, one_site):
    modes = one_site["modes"].to_dataset()
    assert gate(check(changed(modes=modes.drop_vars("weight"))), "modes").value == 2
    half = modes.assign(weight=("mode", [0.5, 0.2]))
    found = gate(check(changed(modes=half)), "modes")
    assert not found.passed
    assert "sum to 0.7" in found.note
    assert gate(check(changed(modes=modes.isel(mode=[0]).drop_vars("weight"))), "modes").passed
    assert "no search for modes" in gate(check(changed(modes=None)), "modes").note


def test_dictionary_survives_json(one_site):
    found = json.loads(json.dumps(check(one_site).to_dict()))
    assert found["passed"] is True
    assert {"name", "value", "threshold", "passed", "parameter", "action"} <= set(found["gates"][0])


def test_result_without_posterior_says_what_it_has(changed):
    with pytest.raises(ValueError, match=r"no group 'posterior'; it has \['budget'"):
        check(changed(posterior=None))


def test_bad_card_is_named(changed):
    with pytest.raises(ValueError, match="model_card must be a JSON object"):
        check(changed(attrs={"model_card": "[1]"}))
