"""The budget closes when it was made to, and a leak is seen."""

import pytest

from lsm_bayes.diagnostics import annual_budget


def test_closed_budget(six_sites):
    table = annual_budget(six_sites)
    assert table["closed"].all()
    assert len(table) == 6 * 5
    left = table["gpp"] - table["reco"] - table["fire_emission"] - table["delta_storage"]
    assert left.abs().max() < 1e-8
    assert (table["nee_q05"] < table["nee"]).all()


def test_leak_is_seen_whatever_the_stored_closure_says(changed, one_site):
    data = one_site["budget"].to_dataset().copy(deep=True)
    data["reco"].values[0, 0, 0, 2] += 5
    table = annual_budget(changed(budget=data))
    assert list(table.loc[~table["closed"], "year"]) == ["2010", "mean"]


def test_errors_name_what_is_missing(changed, one_site):
    with pytest.raises(ValueError, match="no group 'budget'"):
        annual_budget(changed(budget=None))
    with pytest.raises(ValueError, match="lacks delta_storage; it has gpp, reco, nee, fire_emission, closure"):
        annual_budget(changed(budget=one_site["budget"].to_dataset().drop_vars("delta_storage")))


def test_years_without_a_record_are_no_rows(changed, six_sites):
    data = six_sites["budget"].to_dataset().copy(deep=True)
    for values in data.data_vars.values():
        values.loc[{"site": data["site"].values[0], "year": data["year"].values[0]}] = float("nan")
    table = annual_budget(changed(budget=data))
    assert table["gpp"].notna().all() and table["closed"].all()
    of_first = table[table["site"] == str(data["site"].values[0])]
    assert str(data["year"].values[0]) not in set(of_first["year"]) and "mean" in set(of_first["year"])
