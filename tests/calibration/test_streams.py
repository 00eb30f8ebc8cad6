"""Streams: averages, stated uncertainty, and what is said of data that cannot be used."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lsm_bayes.calibration import Stream, build_model
from lsm_bayes.calibration.streams import prepare
from lsm_bayes.errors import ErrorModel

FEWEST = {"week": 4, "month": 15}


@pytest.fixture
def site(towers: xr.Dataset) -> xr.Dataset:
    return towers.sel(site="XX-Two").copy(deep=True)


@pytest.mark.parametrize("period", ["week", "month"])
def test_averages_equal_a_plain_groupby(site: xr.Dataset, period: str) -> None:
    time = pd.DatetimeIndex(site["time"].values)
    site["nee_uncertainty"] = ("time", np.random.default_rng(1).uniform(0.2, 0.6, time.size))
    training = np.asarray(time.year < 2012)
    found = prepare(Stream("nee", period), [site], ["XX-Two"], [training])
    within = time.month if period == "month" else np.minimum((time.day_of_year - 1) // 7, 51)
    table = pd.DataFrame(
        {
            "year": time.year,
            "within": within,
            "value": site["nee"].values,
            "variance": site["nee_uncertainty"].values ** 2,
            "training": training,
        }
    ).dropna()
    for part, rows in (("fitted", table[table["training"]]), ("whole", table)):
        groups = rows.groupby(["year", "within"])
        kept = groups["value"].count() >= FEWEST[period]
        mean = groups["value"].mean()[kept].to_numpy()
        sd = (np.sqrt(groups["variance"].sum()) / groups["value"].count())[kept].to_numpy()
        values, uncertainty = (
            (found.series[0].values, found.series[0].uncertainty) if part == "fitted" else (found.values[0], found.uncertainties[0])
        )
        np.testing.assert_allclose(values, mean, rtol=1e-10)
        np.testing.assert_allclose(uncertainty, sd, rtol=1e-10)


def test_daily_stream_takes_every_observed_day_of_the_training_period(site: xr.Dataset) -> None:
    training = (site["time"].dt.year < 2012).values
    found = prepare(Stream("nee"), [site], ["XX-Two"], [training])
    observed = np.isfinite(site["nee"].values)
    np.testing.assert_array_equal(found.series[0].values, site["nee"].values[observed & training])
    np.testing.assert_array_equal(found.values[0], site["nee"].values[observed])


def test_missing_uncertainty_of_single_days_is_the_median(site: xr.Dataset) -> None:
    sd = np.full(site.sizes["time"], 0.4)
    sd[100:200] = np.nan
    found = prepare(Stream("nee"), [site.assign(nee_uncertainty=("time", sd))], ["XX-Two"], [np.ones(sd.size, dtype=bool)])
    np.testing.assert_array_equal(found.series[0].uncertainty, 0.4)


def test_given_uncertainty_goes_before_that_of_the_data(site: xr.Dataset) -> None:
    found = prepare(
        Stream("nee", uncertainty=0.7), [site.drop_vars("nee_uncertainty")], ["XX-Two"], [np.ones(site.sizes["time"], dtype=bool)]
    )
    np.testing.assert_array_equal(found.series[0].uncertainty, 0.7)


def test_leaf_area_has_its_own_error_model() -> None:
    assert Stream("lai").error_model.correlation is None and Stream("nee").error_model == ErrorModel()
    own = ErrorModel(bias=0.1)
    assert Stream("lai", error=own).error_model is own


@pytest.mark.parametrize("change", ["dropped", "nan"])
def test_missing_uncertainty(towers: xr.Dataset, land, change: str) -> None:
    name = "nee_uncertainty"
    poorer = towers.drop_vars(name) if change == "dropped" else towers.assign({name: towers[name] * np.nan})
    with pytest.raises(
        ValueError, match=r"stream 'nee' has no uncertainty at XX-One: .* Give Stream\('nee', uncertainty=...\) in the unit"
    ):
        build_model(land, poorer, ["nee"])


def test_stream_without_observations(towers: xr.Dataset, land) -> None:
    first = np.flatnonzero(np.isfinite(towers["nee"].sel(site="XX-Six")))[1]
    few = towers.assign(nee=towers["nee"].where((towers["site"] != "XX-Six") | (towers["time"] <= towers["time"][first])))
    message = (
        "stream 'nee' at XX-Six has 2 observed days and 2 day values in the training period 2011-01-01 to 2012-12-31; leave the stream"
    )
    with pytest.raises(ValueError, match=message):
        build_model(land, few, ["nee"])
    empty = towers.assign(nee=towers["nee"].where(towers["site"] != "XX-Six"))
    with pytest.raises(ValueError, match="nee: none is observed at XX-Six; leave these sites out"):
        build_model(land, empty, ["nee"])


def test_stream_that_is_not_in_the_data(towers: xr.Dataset, land) -> None:
    with pytest.raises(KeyError, match="stream 'reco' is not in the data of XX-One; they have air_temperature, gpp,"):
        build_model(land, towers, ["reco"])


def test_no_stream(towers: xr.Dataset, land) -> None:
    with pytest.raises(ValueError, match="no stream to fit; give at least one, such as 'nee'"):
        build_model(land, towers, [])


def test_unknown_site(towers: xr.Dataset, land) -> None:
    with pytest.raises(KeyError, match=r"unknown site 'XX-Too'. Did you mean 'XX-Two'\?"):
        build_model(land, towers, ["nee"], sites=["XX-Too"])


def test_missing_forcing_column(towers: xr.Dataset, land) -> None:
    with pytest.raises(KeyError, match="The forcing 'shortwave_down' is needed by the model; add it to the data"):
        build_model(land, towers.drop_vars("shortwave_down"), ["nee"])


def test_gap_in_the_forcing(towers: xr.Dataset, land) -> None:
    day = towers["time"].dt.strftime("%Y-%m-%d")
    holes = towers.assign(air_temperature=towers["air_temperature"].where((day < "2011-06-01") | (day > "2011-06-20")))
    with pytest.raises(ValueError, match=r"forcing 'air_temperature' is missing at XX-One from 2011-06-01 to 2011-06-20 \(20 days\)"):
        build_model(land, holes, ["nee"])


def test_wrong_unit_of_the_forcing(towers: xr.Dataset, land) -> None:
    towers = towers.assign(shortwave_down=towers["shortwave_down"].assign_attrs(units="kg"))
    with pytest.raises(ValueError, match="'shortwave_down' has units 'kg'"):
        build_model(land, towers, ["nee"])


@pytest.mark.parametrize("variable", ["nee", "nee_uncertainty"])
def test_wrong_unit_of_a_stream(towers: xr.Dataset, land, variable: str) -> None:
    wrong = towers.assign({variable: towers[variable].assign_attrs(units="umol m-2 s-1")})
    with pytest.raises(ValueError, match=f"{variable!r} has units 'umol m-2 s-1'"):
        build_model(land, wrong, ["nee"])


def test_too_many_years_withheld(towers: xr.Dataset, land) -> None:
    with pytest.raises(ValueError, match="XX-One has 2 years, 2010 to 2011; 2 cannot be withheld"):
        build_model(land, towers, ["nee"], withheld_years=2)


def test_short_training_period(towers: xr.Dataset, land) -> None:
    with pytest.raises(ValueError, match="the training period of XX-Two has 100 days of its record .* at least 300 are needed"):
        build_model(land, towers, ["nee"], sites=["XX-Two"], training=("2010-01-01", "2010-04-10"))


@pytest.mark.parametrize("choice", ["priors", "fixed"])
def test_choice_for_an_unknown_parameter(towers: xr.Dataset, land, choice: str) -> None:
    with pytest.raises(KeyError, match=r"towers: unknown parameter or initial state 'q11'. Did you mean 'q10'\?"):
        build_model(land, towers, ["nee"], **{choice: {"q11": 2.0}})
