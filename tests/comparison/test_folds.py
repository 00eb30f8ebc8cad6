import numpy as np
import pandas as pd
import pytest

from lsm_bayes.comparison import Blocks, Future, Sites, Streams


def observations(gap: bool = False) -> pd.DataFrame:
    """Two sites with weekly NEE and monthly leaf area over three years."""
    parts = []
    for site in ("XX-Two", "XX-One"):
        for stream, step in (("nee", "7D"), ("lai", "30D")):
            time = pd.date_range("2009-01-03", "2011-12-31", freq=step)
            time = time[(time < "2010-01-01") | (time > "2010-02-15")] if gap else time
            parts.append(pd.DataFrame({"stream": stream, "site": site, "time": time, "value": 0.0}))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(
    "folds", [Blocks(), Blocks(0.25), Blocks(2, by=()), Blocks(by=("site", "stream")), Sites(), Streams()], ids=lambda f: repr(f)
)
def test_every_observation_is_scored_once_and_never_fitted_with_its_unit(folds):
    table = observations()
    units = folds.units(table, {"nee": 0.0, "lai": None})
    np.testing.assert_array_equal(np.sum([u.scored for u in units], axis=0), 1)
    assert all((u.withheld | ~u.scored).all() for u in units)
    assert len({u.name for u in units}) == len(units)


def test_names_say_site_and_time():
    table = observations()
    assert [u.name for u in Blocks().units(table, {})][:3] == ["XX-One 2009", "XX-One 2010", "XX-One 2011"]
    assert [u.name for u in Blocks(2, by=()).units(table, {})] == ["2009-2010", "2011-2012"]
    assert [u.name for u in Blocks(0.5, by=("stream",)).units(table, {})][:2] == ["lai 2009-01-01", "lai 2009-07-03"]
    assert [u.name for u in Sites().units(table, {})] == ["XX-One", "XX-Two"]


def test_blocks_of_half_a_year_end_with_the_year():
    table = observations()
    for unit in Blocks(0.5).units(table, {}):
        assert table["time"][unit.scored].dt.year.nunique() == 1


@pytest.mark.parametrize("gap", [False, True])
def test_buffer_is_the_next_observation_of_streams_with_memory(gap):
    table = observations(gap)
    unit = Blocks().units(table, {"nee": 0.0, "lai": None})[0]
    behind = table[unit.withheld & ~unit.scored]
    assert list(behind["stream"]) == ["nee"]
    assert list(behind["site"]) == ["XX-One"]
    later = table[(table["stream"] == "nee") & (table["site"] == "XX-One") & (table["time"] >= "2010")]
    assert behind["time"].iloc[0] == later["time"].min()


def test_buffer_in_days_and_none():
    table = observations()
    units = Blocks(buffer=60.0).units(table, {})
    assert table["stream"][units[0].withheld & ~units[0].scored].value_counts().to_dict() == {"nee": 8, "lai": 2}
    assert all((u.withheld == u.scored).all() for u in Blocks(buffer=0.0).units(table, {"nee": 0.0}))
    long = Blocks().units(table, {"nee": 40.0})[0]
    assert (long.withheld & ~long.scored).sum() == 5


def test_future_is_predicted_from_the_past_alone():
    table = observations()
    units = Future("2010-07-01", 0.5).units(table, {})
    assert [u.name for u in units] == ["from 2010-07-01", "from 2011-01-01", "from 2011-07-01"]
    for unit in units:
        assert table["time"][~unit.withheld].max() < table["time"][unit.scored].min()
    np.testing.assert_array_equal(np.sum([u.scored for u in units], axis=0), table["time"] >= "2010-07-01")


def test_errors_say_what_is_accepted():
    table = observations()
    with pytest.raises(ValueError, match=r"Blocks\(years=3.* gives 1 unit of \d+ observations of nee, lai .* at least two are needed"):
        Blocks(3, by=()).units(table, {})
    with pytest.raises(ValueError, match="nothing is left to fit when from 2009-01-01 is left out; take shorter blocks or a later start"):
        Future("2009-01-01").units(table, {})
    with pytest.raises(ValueError, match="a whole number of blocks makes a year; got years=0.3"):
        Blocks(0.3)
    with pytest.raises(ValueError, match="0 for none, None for what the error model needs; got -1"):
        Blocks(buffer=-1)
    with pytest.raises(KeyError, match="told apart by stream and site, got by='pft'"):
        Blocks(by=("pft",))
    with pytest.raises(ValueError, match="is a date such as '2005-01-01', got 'soon'"):
        Future("soon")
    with pytest.raises(ValueError, match="positive length in years, got step=0"):
        Future("2010", 0)
