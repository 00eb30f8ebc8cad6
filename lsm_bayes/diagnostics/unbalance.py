"""Does the misfit of one stream grow as others gain observations? A sign of systematic error in the model or in the observations.

Cameron et al. (2022, doi 10.1111/2041-210X.14002, from memory) calibrate with ever more observations and follow the error of each stream
at the best fit; the rule by which a stream is flagged here is not theirs. With random errors alone the error settles at their sd. Under a
systematic error the streams pull parameters apart, the one with many observations wins, and what the model cannot explain is moved to
the one with few.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pymc as pm
import xarray as xr
from scipy.stats import chi2, spearmanr

from lsm_bayes.calibration.predict import predict
from lsm_bayes.inference import find_modes

STEPS = 9
FEWEST = 6
TREND = 0.5
"""Rank correlation of misfit with number of observations above which a misfit grows."""
LEVEL = 0.95
"""Quantile of chi-squared beyond which a misfit, or what it gained, is more than random error makes."""


def thin(data: xr.Dataset, names: Sequence[str], number: int) -> xr.Dataset:
    """Keep so many observations, evenly spread over those that there are.

    Parameters
    ----------
    data : xarray.Dataset
        Dimension ``time`` and optionally ``site``.
    names : sequence of str
        Variables to thin.
    number : int
        Observations of each that are kept at each site, or all where there are fewer.

    Returns
    -------
    xarray.Dataset
        Copy with NaN in place of the others.

    Raises
    ------
    KeyError
        For variables that the data do not have.
    ValueError
        For fewer than three observations, which no stream can do with.
    """
    absent = [n for n in names if n not in data]
    if absent:
        raise KeyError(f"the data have no {', '.join(map(repr, absent))}; they have {', '.join(sorted(map(str, data.data_vars)))}")
    if number < 3:
        raise ValueError(f"a stream needs at least 3 observations, got {number}")
    found = {}
    for name in names:
        values = data[name].transpose(..., "time").values.astype(float)
        kept = np.full(values.shape, np.nan)
        for row, source in zip(np.atleast_2d(kept), np.atleast_2d(values), strict=True):
            there = np.flatnonzero(np.isfinite(source))
            chosen = there[np.unique(np.linspace(0, there.size - 1, min(number, there.size)).round().astype(int))]
            row[chosen] = source[chosen]
        found[name] = data[name].transpose(..., "time").copy(data=kept)
    return data.assign(found)


def unbalance(
    build: Callable[[xr.Dataset], pm.Model],
    data: xr.Dataset,
    thinned: Sequence[str],
    *,
    numbers: Sequence[int] | None = None,
    starts: int = 4,
    seed: int = 0,
) -> xr.Dataset:
    """Follow the misfit of every stream at the mode while some streams gain observations.

    Parameters
    ----------
    build : callable
        From data to the model: ``lambda d: build_model(land, d, streams)``. Give the error model without bias and discrepancy, which
        would take up what is looked for, and with the stated random error.
    data : xarray.Dataset
        All observations.
    thinned : sequence of str
        Streams that gain observations; the others keep theirs.
    numbers : sequence of int, optional
        How many they have, ascending; default nine steps from 6 to all, at equal ratios.
    starts : int
        Starts of each search for the mode.
    seed : int
        Seed of the starts.

    Returns
    -------
    xarray.Dataset
        Dims ``number`` and ``stream``: ``rmse`` (in the unit of each stream) between operator output at the mode and all observations of
        the stream, fitted or not; ``standardised_rmse``, in stated uncertainties. By stream: ``trend``, rank correlation of ``rmse`` with
        the number; ``growth``, ``rmse`` at the last number over that at the first; ``flagged``: the trend is above 0.5, chi-squared at the
        last number above its 95 % quantile, and what it gained since the first above that of one degree of freedom, because a misfit
        always grows a little when others take the parameters from a stream.

    Raises
    ------
    ValueError
        For fewer than three numbers, or numbers out of order.

    Notes
    -----
    The mode is that of `lsm_bayes.inference.find_modes`, of the density over unconstrained parameters. With correlated errors chi-squared
    has fewer degrees of freedom than observations and flags too readily; with six observations only gross misfits are seen. Look at the
    curve too.
    """
    most = max(int(data[n].notnull().sum("time").max()) for n in thinned if n in data) if numbers is None else 0
    steps = np.unique(np.geomspace(min(FEWEST, most), most, STEPS).round().astype(int)) if numbers is None else np.asarray(numbers)
    if steps.size < 3 or (np.diff(steps) <= 0).any():
        raise ValueError(f"a trend needs at least three ascending numbers of observations, got {steps.tolist()}")
    whole = build(data)  # only for prediction of all observations: it is not compiled
    pieces = []
    for number in steps:
        best = find_modes(build(thin(data, thinned, int(number))), starts=starts, seed=seed).table.isel(mode=[0])
        posterior = best.rename(mode="draw").expand_dims(chain=[0]).assign_coords(draw=[0])
        pieces.append(_misfit(predict(whole, xr.DataTree.from_dict({"/posterior": posterior}), draws=1)))
    table = xr.concat(pieces, dim=xr.DataArray(steps, dims="number", name="number"))
    return table.assign(_verdict(table))


def _misfit(tree: xr.DataTree) -> xr.Dataset:
    """Root mean square misfit of each stream over sites and times, in its unit and in stated uncertainties."""
    observed, rows = tree["observed_data"].to_dataset(), []
    for name in map(str, observed.data_vars):
        residual = observed[name] - tree["posterior_predictive"][f"{name}_mean"].isel(chain=0, draw=0)
        relative = residual / tree["constant_data"][f"{name}_uncertainty"]
        rows.append([float(np.sqrt((r**2).mean())) for r in (residual, relative)] + [int(residual.notnull().sum())])
    figures = np.array(rows).T
    names = ("rmse", "standardised_rmse", "observations")
    return xr.Dataset(
        {n: ("stream", f) for n, f in zip(names, figures, strict=True)}, coords={"stream": list(map(str, observed.data_vars))}
    )


def _verdict(table: xr.Dataset) -> dict[str, tuple[str, np.ndarray]]:
    rmse = table["rmse"].transpose("number", "stream").values
    # A misfit that does not move at all has no rank correlation.
    trend = np.array([spearmanr(table["number"], column).statistic if np.ptp(column) > 0 else 0.0 for column in rmse.T])
    count = table["observations"].isel(number=-1).values
    first, last = (count * table["standardised_rmse"].isel(number=k).values ** 2 for k in (0, -1))
    flagged = (trend > TREND) & (last > chi2.ppf(LEVEL, count)) & (last - first > chi2.ppf(LEVEL, 1))
    return {"trend": ("stream", trend), "growth": ("stream", rmse[-1] / rmse[0]), "flagged": ("stream", flagged)}
