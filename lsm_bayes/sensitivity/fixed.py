"""A calibration with more of its parameters fixed."""

from dataclasses import replace

import pymc as pm

from lsm_bayes.calibration.build import add_parameters_and_streams
from lsm_bayes.calibration.card import card
from lsm_bayes.calibration.earlier import check_earlier
from lsm_bayes.calibration.predict import calibration_of


def with_fixed(model: pm.Model, fixed: dict[str, float]) -> pm.Model:
    """Rebuild a calibration with more parameters fixed.

    Parameters
    ----------
    model : pymc.Model
        From `build_model`.
    fixed : dict of str to float
        Values by parameter or initial pool, in their units.

    Returns
    -------
    pymc.Model
        With the same data, priors, streams and pooling.

    Raises
    ------
    TypeError
        When the model was not made by `build_model`.
    ValueError
        For unknown names, and where nothing would be left.
    """
    c = calibration_of(model)
    strange = [n for n in fixed if n not in c.declared]
    if strange:
        raise ValueError(f"unknown parameters or initial pools {strange}; there are {', '.join(c.declared)}")
    if set(c.declared) <= {*c.fixed, *fixed}:
        raise ValueError("every parameter would be fixed; leave some to be calibrated")
    new = replace(c, fixed={**c.fixed, **fixed}, initial={n: k for n, k in c.initial.items() if n not in fixed})
    dims = {*(f"{p.name}_observation" for p in c.streams), *(str(p.site_dim(len(c.records))) for p in c.streams), "site", "pft"}
    check_earlier(new)
    with pm.Model(coords={n: v for n, v in model.coords.items() if n in dims}) as built:
        add_parameters_and_streams(new)
    built.calibration, built.card = new, card(new)
    return built
