"""CO2 for sites whose file has none: Mauna Loa, from its monthly file or from a fit to it."""

from pathlib import Path

import numpy as np
import pandas as pd

# Least-squares fit to the monthly means of NOAA at Mauna Loa (co2_mm_mlo.csv, public domain), January 1990 to August 2025,
# years since 2010.0: 1, t, t^2, then cos and sin of the annual and of the half-annual cycle. RMS residual 0.54, largest 1.6 umol mol-1.
_FIT = (388.9291, 2.1766, 0.0186, -0.9009, 2.8220, 0.6901, -0.4985)
FIT_YEARS = (1990, 2026)
FIT_SOURCE = "fit to the monthly means at Mauna Loa (NOAA), RMS residual 0.54 umol mol-1; not measured at the site"
FILE_SOURCE = "monthly means at Mauna Loa (NOAA), interpolated to days; not measured at the site"


def _decimal_year(time: np.ndarray) -> np.ndarray:
    index = pd.DatetimeIndex(time)
    return np.asarray(index.year + (index.day_of_year - 0.5) / np.where(index.is_leap_year, 366, 365), dtype=float)


def mauna_loa_fit(time: np.ndarray) -> np.ndarray:
    """CO2 at Mauna Loa from a quadratic growth with a seasonal cycle.

    Parameters
    ----------
    time : array_like of datetime64
        Days between 1990 and 2025.

    Returns
    -------
    numpy.ndarray
        Mole fraction, umol mol-1.

    Raises
    ------
    ValueError
        If a day is outside the years of the fit.
    """
    year = _decimal_year(time)
    if np.size(year) and (year.min() < FIT_YEARS[0] or year.max() >= FIT_YEARS[1]):
        raise ValueError(
            f"the fit of CO2 at Mauna Loa holds for {FIT_YEARS[0]} to {FIT_YEARS[1] - 1}, got {year.min():.1f} to {year.max():.1f}"
        )
    t = year - 2010.0
    angle = 2 * np.pi * t
    terms = (np.ones_like(t), t, t**2, np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle))
    return np.asarray(sum(factor * term for factor, term in zip(_FIT, terms, strict=True)))


def mauna_loa_file(path: Path, time: np.ndarray) -> np.ndarray:
    """CO2 at Mauna Loa from the monthly file of NOAA.

    Parameters
    ----------
    path : pathlib.Path
        ``co2_mm_mlo.csv``.
    time : array_like of datetime64
        Days.

    Returns
    -------
    numpy.ndarray
        Mole fraction, umol mol-1; NaN outside the months of the file.
    """
    table = pd.read_csv(path, comment="#")
    return np.asarray(np.interp(_decimal_year(time), table["decimal date"], table["average"], left=np.nan, right=np.nan))
