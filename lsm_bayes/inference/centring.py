"""Which parameters of a hierarchy are better sampled centred: by how much their sites' own data say."""

from dataclasses import replace
from typing import Any

import numpy as np
import pymc as pm

from lsm_bayes.calibration.hierarchy import label_of
from lsm_bayes.calibration.pooling import Pooling
from lsm_bayes.calibration.predict import calibration_of

from .modes import Modes
from .point import Density, as_density

INFORMED = 0.5
"""Posterior over prior variance of a deviation, mean over members, below which members are better sampled themselves."""


def choose_centring(model: pm.Model | Density, modes: Modes) -> dict[str, Pooling]:
    """Choose for each partially pooled parameter whether its members or their deviations are sampled.

    Where the data of each site fix its value, deviations from the mean in units of the spread depend on both, a funnel; where they do not,
    values follow the mean and the spread, the other funnel (Betancourt & Girolami 2015, doi 10.1201/b18502-5; Papaspiliopoulos et al. 2007,
    doi 10.1214/088342307000000014; both from memory). What decides is how much of the prior variance of a deviation is left.

    Parameters
    ----------
    model : pymc.Model or Density
        From `build_model`, with partial pooling that is not centred.
    modes : Modes
        From `find_modes`; the Laplace approximation at the best one is used.

    Returns
    -------
    dict of str to Pooling
        By parameter, for ``build_model(pooling=...)``: the pooling that it has, centred where less than half of the prior variance of the
        deviations is left. Parameters in blocks, near each other, or over years keep what they have.

    Raises
    ------
    TypeError
        When the model was not made by `build_model`.
    """
    density = as_density(model)
    c = calibration_of(density.model)
    variance = modes.laplace[0].sd ** 2
    found = {}
    for name, pooling in c.pooling.items():
        rv = f"z_{label_of(pooling)}_deviation"
        if pooling.kind != "partial" or pooling.near or pooling.block or pooling.centred or rv not in density.slices:
            continue
        names: Any = density.model.coords[density.model.named_vars_to_dims[rv][0]]
        left = variance[density.slices[rv]].reshape(density.shapes[rv])[list(names).index(name)]
        found[name] = replace(pooling, centred=bool(np.mean(left) < INFORMED))
    return found
