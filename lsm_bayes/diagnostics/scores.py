"""How good predictions are: proper scores, calibration and the same days for model and climatology."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lsm_bayes.diagnostics.aggregation import STEPS, aggregate, available_steps
from lsm_bayes.diagnostics.climatology import climatology
from lsm_bayes.diagnostics.result import Stream

LEVELS = (0.5, 0.9)


def quantiles(draws: np.ndarray, levels: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95)) -> np.ndarray:
    """Quantiles over the first axis, leaving out missing members (fast where `numpy.nanquantile` is not).

    Parameters
    ----------
    draws : numpy.ndarray
        Shape (draws, ...); NaN members are left out.
    levels : sequence of float, optional
        Probabilities.

    Returns
    -------
    numpy.ndarray
        Shape (level, ...), interpolated linearly between the order statistics; NaN where there is no member.
    """
    ordered = np.sort(draws, axis=0)
    last = np.maximum(np.isfinite(ordered).sum(axis=0) - 1, 0)
    found = []
    for level in levels:
        place = level * last
        below = np.floor(place).astype(int)
        low, high = (np.take_along_axis(ordered, k[None], axis=0)[0] for k in (below, np.minimum(below + 1, last)))
        found.append(low + (place - below) * (high - low))
    return np.stack(found)


def crps(draws: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score of an ensemble, fair for its finite size.

    ``mean |x - y| - sum_{i<j} |x_i - x_j| / (m (m - 1))``, Ferro (2014, doi 10.1002/qj.2270, eq. 5): its expectation
    does not depend on the number of draws m.

    Parameters
    ----------
    draws : numpy.ndarray
        Shape (draws, ...); NaN members are left out.
    observed : numpy.ndarray
        Shape (...).

    Returns
    -------
    numpy.ndarray
        Shape (...), in the unit of the observations, smaller is better; NaN without an observation or with fewer
        than two members.
    """
    ordered = np.sort(draws, axis=0)
    size = np.isfinite(ordered).sum(axis=0)
    rank = np.arange(1, ordered.shape[0] + 1).reshape(-1, *[1] * observed.ndim)
    spread = np.nansum((2 * rank - size - 1) * ordered, axis=0)
    distance = np.nansum(np.abs(ordered - observed), axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        score = distance / size - spread / (size * (size - 1))
    return np.where((size > 1) & np.isfinite(observed), score, np.nan)


def pit(draws: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Probability integral transform: where an observation falls in its predictive distribution.

    Parameters
    ----------
    draws : numpy.ndarray
        Shape (draws, ...); NaN members are left out.
    observed : numpy.ndarray
        Shape (...).

    Returns
    -------
    numpy.ndarray
        Shape (...), between 0 and 1, uniform for a calibrated prediction; NaN without an observation.
    """
    size = np.isfinite(draws).sum(axis=0)
    below = (draws < observed).sum(axis=0) + 0.5 * (draws == observed).sum(axis=0)
    return np.where(np.isfinite(observed) & (size > 0), (below + 0.5) / (size + 1.0), np.nan)


def coverage(draws: np.ndarray, observed: np.ndarray, level: float) -> float:
    """Fraction of observations inside the central predictive interval.

    Parameters
    ----------
    draws : numpy.ndarray
        Shape (draws, ...).
    observed : numpy.ndarray
        Shape (...).
    level : float
        Probability of the interval, such as 0.9.

    Returns
    -------
    float
        Equal to `level` for a calibrated prediction; NaN without observations.

    Raises
    ------
    ValueError
        If the level is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}. A 90 % interval has level 0.9.")
    valid = np.isfinite(observed) & (np.isfinite(draws).sum(axis=0) > 1)
    if not valid.any():
        return np.nan
    lower, upper = quantiles(draws[:, valid], [(1 - level) / 2, (1 + level) / 2])
    return float(((observed[valid] >= lower) & (observed[valid] <= upper)).mean())


def summary(draws: np.ndarray, observed: np.ndarray) -> dict[str, float]:
    """Score an ensemble against observations.

    Bias, RMSE and efficiency are those of the ensemble mean. The Nash-Sutcliffe efficiency is
    ``1 - sum (y - m)^2 / sum (y - mean y)^2`` (Nash & Sutcliffe 1970, doi 10.1016/0022-1694(70)90255-6, eq. 3): it is
    the R2 against the mean of the same observations and can be negative.

    Parameters
    ----------
    draws : numpy.ndarray
        Shape (draws, ...): simulated observations.
    observed : numpy.ndarray
        Shape (...); NaN where missing.

    Returns
    -------
    dict
        ``n``, ``bias`` (predicted minus observed), ``rmse``, ``nse``, ``correlation``, ``crps``, ``coverage_50``,
        ``coverage_90``, ``width_90`` (mean width of the 90 % interval), ``pit_mean`` (0.5 when unbiased) and
        ``pit_variance`` (1/12 when the spread is right). All but ``n`` NaN without observations.
    """
    valid = np.isfinite(observed) & (np.isfinite(draws).sum(axis=0) > 1)
    keys = (
        "bias",
        "rmse",
        "nse",
        "correlation",
        "crps",
        *(f"coverage_{100 * v:.0f}" for v in LEVELS),
        "width_90",
        "pit_mean",
        "pit_variance",
    )
    if not valid.any():
        return {"n": 0, **dict.fromkeys(keys, np.nan)}
    x, y = draws[:, valid], observed[valid]
    mean = np.nanmean(x, axis=0)
    error, around = mean - y, y - y.mean()
    varies = y.size > 1 and np.ptp(y) > 0 and np.ptp(mean) > 0
    where = pit(x, y)
    lower, upper = quantiles(x, [0.05, 0.95])
    return {
        "n": int(y.size),
        "bias": float(error.mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "nse": float(1 - (error**2).sum() / (around**2).sum()) if varies else np.nan,
        "correlation": float(np.corrcoef(mean, y)[0, 1]) if varies else np.nan,
        "crps": float(np.nanmean(crps(x, y))),
        **{f"coverage_{100 * v:.0f}": coverage(x, y, v) for v in LEVELS},
        "width_90": float((upper - lower).mean()),
        "pit_mean": float(where.mean()),
        "pit_variance": float(where.var()),
    }


def score(stream: Stream, steps: Sequence[str] | None = None) -> pd.DataFrame:
    """Score a stream's posterior prediction on training and withheld data, beside a climatology of the training years.

    Parameters
    ----------
    stream : Stream
        From `lsm_bayes.diagnostics.result.read_stream`.
    steps : sequence of str, optional
        Any of ``daily``, ``weekly``, ``monthly``, ``annual`` that are not finer than the stream; all by default.

    Returns
    -------
    pandas.DataFrame
        One row for each site, step and period (``training``, ``withheld``): the columns of `summary`,
        ``climatology_crps``, ``climatology_coverage_90``, ``climatology_nse`` and ``crps_skill``
        (1 - crps / climatology_crps; positive is better than the climatology). The climatology is scored on the days
        on which it exists, and the model's ``crps_skill`` on those same days. Annual values of fluxes are sums in
        gC m-2 a-1, all others are means in the stream's unit. Empty without a prediction.

    Raises
    ------
    ValueError
        If a step is unknown or finer than the stream.
    """
    possible = available_steps(stream)
    steps = possible if steps is None else list(steps)
    if wrong := [s for s in steps if s not in possible]:
        raise ValueError(
            f"step {wrong[0]!r} is not one of {', '.join(possible)} (all are {', '.join(STEPS)}; a stream has none finer than its own)."
        )
    rows = []
    for k, site in enumerate(stream.sites if stream.predicted is not None else []):
        for step in steps:
            rows += _score_step(stream, k, site, step)
    return pd.DataFrame(rows)


def _score_step(stream: Stream, k: int, site: str, step: str) -> list[dict[str, object]]:
    assert stream.predicted is not None
    rows: list[dict[str, object]] = []
    known = aggregate(stream.time, stream.observed[k], step, is_flux=stream.is_flux, split=stream.withheld[k])
    ensemble = aggregate(
        stream.time,
        np.where(np.isfinite(stream.observed[k]), stream.predicted[:, k], np.nan),
        step,
        is_flux=stream.is_flux,
        split=stream.withheld[k],
    )
    baseline = climatology(known.time, known.values, ~known.split)
    for period, mask in (("training", ~known.split), ("withheld", known.split)):
        if not (mask & np.isfinite(known.values)).any():
            continue
        y, x, c = known.values[mask], ensemble.values[:, mask], baseline[:, mask]
        model, reference = summary(x, y), summary(c, y)
        if not model["n"]:
            continue
        both = crps(x, y)[np.isfinite(crps(c, y))]
        on_both = np.nanmean(both) if np.isfinite(both).any() else np.nan
        rows.append(
            {"stream": stream.name, "site": site, "step": step, "period": period, "unit": known.unit(stream.unit)}
            | model
            | {f"climatology_{key}": reference[key] for key in ("crps", "coverage_90", "nse")}
            | {"crps_skill": 1 - on_both / reference["crps"] if reference["crps"] > 0 else np.nan}
        )
    return rows
