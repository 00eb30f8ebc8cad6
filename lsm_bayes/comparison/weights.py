"""Weights of models: by stacking, by pseudo-BMA+ and by evidence."""

import warnings

import arviz_stats
import numpy as np
import xarray as xr
from arviz_stats.utils import ELPDDataLOO
from numpy.typing import NDArray

from lsm_bayes.inference import stacking_weights


def pseudo_bma_weights(elpd: NDArray) -> NDArray:
    """Weights by exp(elpd), averaged over the Bayesian bootstrap of the units (pseudo-BMA+).

    Yao et al. (2018, doi 10.1214/17-BA1091, eq. 8 and section 3.4), as ArviZ computes it. Where two models say the same, each gets
    half; stacking would take any share of them.

    Parameters
    ----------
    elpd : numpy.ndarray
        Nats, (unit, model).

    Returns
    -------
    numpy.ndarray
        (model,), sum 1.
    """
    units, models = elpd.shape
    if models == 1:
        return np.ones(1)
    given = {
        str(k): ELPDDataLOO(
            elpd=float(column.sum()),
            se=float(np.sqrt(units * column.var())),
            p=np.nan,
            n_samples=1,
            n_data_points=units,
            scale="log",
            warning=False,
            good_k=1.0,
            elpd_i=xr.DataArray(column, dims="unit"),
            pareto_k=xr.DataArray(np.zeros(units), dims="unit"),
        )
        for k, column in enumerate(elpd.T)
    }
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # about how sure the differences are: that is said by their own standard errors
        table = arviz_stats.compare(given, method="BB-pseudo-BMA", round_to="none")
    return table["weight"].astype(float).reindex([str(k) for k in range(models)]).to_numpy()


def evidence_weights(log_evidence: NDArray) -> NDArray:
    """Posterior probabilities of models that are equally probable before.

    Parameters
    ----------
    log_evidence : numpy.ndarray
        Nats, (model,).

    Returns
    -------
    numpy.ndarray
        (model,), sum 1; NaN for all where one evidence is unknown.
    """
    if not np.isfinite(log_evidence).all():
        return np.full(log_evidence.shape, np.nan)
    return np.exp(log_evidence - np.logaddexp.reduce(log_evidence))


__all__ = ["evidence_weights", "pseudo_bma_weights", "stacking_weights"]
