"""Which observations of different sites and streams are of the same time, and which streams have correlated errors."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lsm_bayes.calibration.streams import Stream
from lsm_bayes.errors.terms import moments_of
from lsm_bayes.observations.aggregation import aggregation
from lsm_bayes.vocabulary import unknown


def moments(time: pd.DatetimeIndex, period: str) -> np.ndarray:
    """Return which period each observation is of: a mean stands at the middle of what was observed, which differs between sites.

    Parameters
    ----------
    time : pandas.DatetimeIndex
        Times of the observations.
    period : {"day", "week", "month", "year"}
        Averaging period.

    Returns
    -------
    numpy.ndarray of int
        Start of the period, s since 1970; of days the time itself.
    """
    if period == "day":
        return moments_of(time)
    days = pd.date_range(f"{time[0].year}-01-01", f"{time[-1].year}-12-31")
    starts = days[np.append(0, aggregation(days, np.ones(days.size, dtype=bool), period).last[:-1])]
    return moments_of(starts[starts.searchsorted(time, side="right") - 1])


def check_correlated(streams: Sequence[Stream]) -> None:
    """Verify that streams whose errors are correlated can be.

    Parameters
    ----------
    streams : sequence of Stream
        What is fitted, in order.

    Raises
    ------
    KeyError
        When a stream names one that is not fitted.
    ValueError
        When it names itself or a later one, one of another period, or one whose innovations are not normal.
    """
    names = [s.name for s in streams]
    for i, stream in enumerate(streams):
        across = stream.error_model.across
        if across is None:
            continue
        begun = f"the errors of stream {stream.name!r} are to be correlated with those of {across.stream!r}"
        if across.stream not in names:
            raise KeyError(f"{begun}: {unknown('stream', across.stream, [n for n in names if n != stream.name])}")
        if names.index(across.stream) >= i:
            raise ValueError(
                f"{begun}, which does not stand before it; the order is {', '.join(names)}: give CorrelatedWith to the later of the two"
            )
        other = streams[names.index(across.stream)]
        if other.period != stream.period:
            raise ValueError(f"{begun}, and they are means over a {stream.period} and a {other.period}; give both the same period")
        if other.error_model.other_innovations is not None:
            raise ValueError(
                f"{begun}, which has no normal innovations but {other.error_model.other_innovations}; leave one of the two out"
            )


def correlated_streams(streams: Sequence[Stream]) -> set[str]:
    """Return the streams whose errors have to be drawn together with those of another.

    Parameters
    ----------
    streams : sequence of Stream
        What is fitted.

    Returns
    -------
    set of str
        Those that name another, and those that are named.
    """
    pairs = [(s.name, s.error_model.across.stream) for s in streams if s.error_model.across is not None]
    return {name for pair in pairs for name in pair}
