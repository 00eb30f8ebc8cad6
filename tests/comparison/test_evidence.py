import json

import numpy as np
import pymc as pm
import pytest
import xarray as xr
from conjugate import log_predictive

from lsm_bayes.comparison import log_evidence


def known(table, columns):
    return log_predictive(table, columns, np.zeros(len(table), dtype=bool), np.ones(len(table), dtype=bool))


def test_bridge_finds_the_evidence_of_a_gaussian(right, right_result, table):
    tree = right_result.copy()
    found = log_evidence(right, tree)
    assert found.value == pytest.approx(known(table, 4), abs=0.1)
    assert found.error < 0.1
    assert found.prior_mass == 0
    assert json.loads(tree.attrs["log_evidence"])["value"] == found.value
    assert "log_evidence" not in right_result.attrs


def test_smc_agrees(right, table):
    found = log_evidence(right, method="smc", draws=600, chains=2, cores=1)
    assert found.method == "smc"
    assert found.value == pytest.approx(known(table, 4), abs=0.5)


def test_errors_say_what_to_do(right):
    with pytest.raises(ValueError, match="method is 'harmonic'; choose one of 'bridge', 'smc'"):
        log_evidence(right, method="harmonic")
    with pytest.raises(ValueError, match="needs the groups 'unconstrained' and 'sample_stats' with lp"):
        log_evidence(right, xr.DataTree.from_dict({"/posterior": xr.Dataset()}))
    with pm.Model() as flat:
        pm.Normal("y", pm.Flat("x"), 1.0, observed=np.zeros(3))
    with pytest.raises(ValueError, match="the priors of x are improper: the evidence is not defined"):
        log_evidence(flat)
