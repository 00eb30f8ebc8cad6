import numpy as np
import pytest
import xarray as xr
from conjugate import PRIOR, log_predictive

from lsm_bayes.comparison import Blocks, Future, Settings, cross_validate
from lsm_bayes.comparison import refit as refits
from lsm_bayes.comparison.pointwise import ObservationDensity
from lsm_bayes.comparison.refit import without
from lsm_bayes.inference import Density

MEMORY = {"y": 0.0}
SETTINGS = Settings(draws=500, tune=200)


def exact(table, folds, columns=4):
    return np.array([log_predictive(table, columns, ~u.withheld, u.scored) for u in folds.units(table, MEMORY)])


def scored(model, tree, table, folds, **options):
    options = {"settings": SETTINGS, "progress": False} | options
    return cross_validate(model, tree, folds, observations=table, memory=MEMORY, **options)


def test_importance_sampling_finds_the_predictive_density_of_blocks(right, right_result, table):
    found = scored(right, right_result, table, Blocks(0.25), refits="never")
    assert not found["exact"].any()
    good = found["pareto_k"].values < found.attrs["good_k"]
    assert good.mean() > 0.8
    off = np.abs(found["elpd"].values - exact(table, Blocks(0.25)))
    assert (off[good] < 0.1).all()
    assert (off[good] < 4 * found["elpd_error"].values[good] + 0.01).all()
    assert 1 < float((found["lpd"] - found["elpd"]).sum()) < 10
    assert right_result["cross_validation"].to_dataset().identical(found)


def test_refits_find_it_too(right, right_result, table):
    found = scored(right, right_result, table, Blocks(), refits="always")
    assert found["exact"].all()
    assert (found["rhat"] < 1.05).all()
    np.testing.assert_allclose(found["elpd"], exact(table, Blocks()), atol=0.15)


def test_the_future_needs_few_refits(right, right_result, table):
    folds = Future("2002-01-01", 0.25)
    found = scored(right, right_result, table, folds)
    assert 1 <= int(found["exact"].sum()) < found.sizes["unit"] / 2
    np.testing.assert_allclose(found["elpd"], exact(table, folds), atol=0.25)


def test_dropped_densities_are_those_of_the_withheld(right, table):
    unit = Blocks().units(table, MEMORY)[1]
    whole, left, terms = Density(right), Density(without(right, table, unit.withheld)), ObservationDensity(right, table)
    for x in np.random.default_rng(1).normal(size=(3, 4)):
        each = terms(x[None, None])[0, 0]
        assert whole(x)[0] - left(x)[0] == pytest.approx(each[unit.withheld].sum(), rel=1e-9)
        prior = np.sum(-0.5 * (x / PRIOR) ** 2 - np.log(PRIOR * np.sqrt(2 * np.pi)))
        assert whole(x)[0] == pytest.approx(prior + each.sum(), rel=1e-9)


def test_a_killed_run_goes_on(right, right_result, table, tmp_path, monkeypatch):
    calls, whole = [], refits.sample

    def killed(*args, **options):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole(*args, **options)

    monkeypatch.setattr(refits, "sample", killed)
    options = {"refits": "always", "settings": Settings(draws=200, tune=100), "store": tmp_path / "refits"}
    with pytest.raises(KeyboardInterrupt):
        scored(right, right_result, table, Blocks(), **options)
    assert len(list((tmp_path / "refits").iterdir())) == 2
    with pytest.raises(FileExistsError, match="holds refits: go on with resume=True, or give another folder"):
        scored(right, right_result, table, Blocks(), **options)
    found = scored(right, right_result, table, Blocks(), resume=True, **options)
    assert len(calls) == 3 + 2  # the third again, and the fourth
    assert len(list((tmp_path / "refits").iterdir())) == 4
    again = scored(right, right_result, table, Blocks(), resume=True, **options)
    xr.testing.assert_equal(found, again)
    changed = options | {"settings": Settings(draws=201, tune=100)}
    scored(right, right_result, table, Blocks(), resume=True, **changed)
    assert len(calls) == 5 + 4


def test_errors_say_what_is_accepted(right, right_result, table):
    with pytest.raises(ValueError, match="refits is 'some'; choose one of 'where needed', 'always', 'never'"):
        scored(right, right_result, table, Blocks(), refits="some")
    with pytest.raises(ValueError, match="resume=True needs store=folder"):
        scored(right, right_result, table, Blocks(), resume=True)
