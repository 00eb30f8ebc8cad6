"""VSEM for one pixel: a function that workers import."""

from typing import Any

import pymc as pm
import xarray as xr

from lsm_bayes.calibration import Stream, build_model
from lsm_bayes.errors import ErrorModel, Scale
from lsm_bayes.land import get

# What daily NEE and leaf area leave open stays at its default.
FIXED = {"f_auto": 0.4, "f_aboveground": 0.5, "light_extinction": 0.5, "belowground_residence_time": 1440.0, "belowground_carbon": 3000.0}
WHITE = ErrorModel(structural=Scale(1.0), envelope=0.0, correlation=None, discrepancy=None)


def build(data: xr.Dataset, **choices: Any) -> pm.Model:
    """Build the model of one pixel: NEE and leaf area with independent errors, six parameters and pools, and the two sds."""
    return build_model(get("vsem"), data, [Stream("nee", error=WHITE), Stream("lai", error=WHITE)], fixed=FIXED, **choices)
