"""DALEC-CDEA at one site, from daily NEE and what else the site has: leaf area, or monthly GPP."""

from collections.abc import Sequence

import numpy as np
import pymc as pm
import xarray as xr

from lsm_bayes.calibration import InProportion, NearEquilibrium, Stream, build_model, date_prior
from lsm_bayes.calibration.initial import Initial
from lsm_bayes.calibration.phenology import observed_turning_days
from lsm_bayes.errors import ErrorModel, Scale
from lsm_bayes.land import get

SLOW_POOLS = ("root_carbon", "wood_carbon", "litter_carbon", "soil_carbon")
INITIAL: dict[str, Initial] = {
    **{pool: NearEquilibrium(0.5) for pool in SLOW_POOLS},
    # Leaf and labile carbon as leaf area: their ratio to leaf mass per area is what the canopy sees.
    "foliage_carbon": InProportion("leaf_mass_area", (0.2, 10.0)),
    "labile_carbon": InProportion("leaf_mass_area", (0.2, 10.0)),
}
CONSTRAINT_WIDTH = 0.2  # log ratio


def streams_of(data: xr.Dataset) -> list[Stream]:
    """Choose the streams: NEE by day, with leaf area where it is observed, else with GPP by month.

    Parameters
    ----------
    data : xarray.Dataset
        Daily data.

    Returns
    -------
    list of Stream
        Monthly GPP fixes the size of the gross fluxes, which NEE alone leaves open; it comes from the partitioning of the same
        NEE, so only its monthly mean is used and its structural error is inferred.
    """
    if "lai" in data and np.isfinite(data["lai"].values).any():
        return [Stream("nee"), Stream("lai")]
    gpp = ErrorModel(structural=Scale(1.0), envelope=0.0, correlation=None, discrepancy=None)
    return [Stream("nee"), Stream("gpp", "month", gpp)]


def build(data: xr.Dataset, site: str | None = None, *, streams: Sequence[Stream] | None = None, withheld_years: int = 2) -> pm.Model:
    """Build the PyMC model.

    Parameters
    ----------
    data : xarray.Dataset
        Daily data with dimensions ``site`` and ``time`` in the convention of `lsm_bayes.datasets`.
    site : str, optional
        Which site; needed when the data have several.
    streams : sequence of Stream, optional
        In place of `streams_of`.
    withheld_years : int
        Calendar years at the end of the record that are not fitted.

    Returns
    -------
    pymc.Model
        23 parameters and initial pools, and those of the error models.

    Raises
    ------
    ValueError
        When the data have several sites and none is chosen.
    """
    names = [str(s) for s in np.atleast_1d(data["site"].values)]
    if site is None and len(names) > 1:
        raise ValueError(f"the data have {len(names)} sites; choose one of {', '.join(names)}")
    one = data.sel(site=[site or names[0]])
    land = get("dalec_cdea")
    years = np.unique(one["time"].dt.year)
    training = (one["time"].dt.year <= years[-1 - withheld_years]).values
    onset, fall = observed_turning_days(one.isel(site=0), training)
    table = land.parameter_table
    priors = {
        "leaf_onset_day": date_prior(onset, 15.0, table["leaf_onset_day"][0]),
        "leaf_fall_day": date_prior(fall, 15.0, table["leaf_fall_day"][0]),
    }
    return build_model(
        land,
        one,
        list(streams or streams_of(one)),
        withheld_years=withheld_years,
        initial=INITIAL,
        priors=priors,
        constraints=CONSTRAINT_WIDTH,
    )
