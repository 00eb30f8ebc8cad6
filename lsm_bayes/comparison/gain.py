"""What a posterior says of each parameter that the prior did not."""

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import differential_entropy

from lsm_bayes.diagnostics.result import model_card, scalars, variable_of


def information_gain(tree: xr.DataTree) -> pd.Series:
    """Information gained on each parameter: the divergence (Kullback-Leibler) of its marginal posterior from its prior.

    Each posterior draw is replaced by its place among the prior draws, a number between 0 and 1, uniform had nothing been learnt; the
    gain is minus its differential entropy (spacings, Vasicek 1976, doi 10.1111/j.2517-6161.1976.tb01566.x). It does not depend
    on the scale of the parameter. Of single streams, `lsm_bayes.diagnostics.stream_value` says it.

    Parameters
    ----------
    tree : xarray.DataTree
        Result with the groups ``prior`` and ``posterior``.

    Returns
    -------
    pandas.Series
        Nats by parameter, largest first; 0 where nothing was learnt, 0.69 (log 2) where half of the range was excluded. At most about the
        log of the number of prior draws can be seen, and a few hundredths are noise.

    Raises
    ------
    ValueError
        When a group is missing.
    """
    for group in ("prior", "posterior"):
        if group not in tree.children:
            raise ValueError(f"the information gained needs the group {group!r}; the result has {', '.join(tree.children)}")
    posterior, prior = (scalars(tree[g].to_dataset()) for g in ("posterior", "prior"))
    declared = model_card(tree).get("parameters", {})
    found = {}
    for label, draws in posterior.items():
        if label not in prior or (declared and variable_of(label) not in declared):
            continue
        before, after = np.sort(prior[label].ravel()), draws.ravel()
        if not (np.isfinite(before).all() and np.ptp(before) > 0 and np.ptp(after) > 0):
            continue
        # Beyond the outermost prior draws lies half of a share of them at each end.
        share = np.interp(after, before, (np.arange(before.size) + 0.5) / before.size)
        found[label] = max(0.0, -float(differential_entropy(share))) if np.ptp(share) > 0 else np.log(before.size)
    return pd.Series(found, dtype=float, name="information_gain").sort_values(ascending=False)
