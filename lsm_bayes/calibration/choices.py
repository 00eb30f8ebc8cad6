"""What a calibration consists of: sites, streams and choices for every parameter."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from lsm_bayes.calibration.initial import Initial
from lsm_bayes.calibration.pooling import Groups, Pooling
from lsm_bayes.calibration.streams import PreparedStream
from lsm_bayes.declare import Prior, ProcessModel
from lsm_bayes.forcing import Forcing


@dataclass(frozen=True)
class SiteRecord:
    """One site of a calibration.

    Attributes
    ----------
    name : str
        Site.
    data : xarray.Dataset
        Its record, complete forcing, dimension ``time``.
    forcing : Forcing
        Forcing of the whole record.
    training : numpy.ndarray of bool
        Steps that are fitted.
    """

    name: str
    data: xr.Dataset
    forcing: Forcing
    training: np.ndarray

    @property
    def fitted_steps(self) -> int:
        """Steps that the fit simulates: from the start of the record to the end of the training period."""
        return int(np.flatnonzero(self.training)[-1]) + 1


@dataclass(frozen=True)
class Calibration:
    """What a PyMC model was built from; attached to it as ``model.calibration``.

    Attributes
    ----------
    process_model : ProcessModel
        The land model.
    records : list of SiteRecord
        Sites.
    groups : Groups
        Sites and plant functional types.
    streams : list of PreparedStream
        Observations.
    pooling, initial, priors, fixed : dict
        Choices, completed by the defaults.
    constraints : float or None
        Log ratio by which a constraint of the process model may be missed at a cost of half a nat; None without constraints.
    """

    process_model: ProcessModel
    records: list[SiteRecord]
    groups: Groups
    streams: list[PreparedStream]
    pooling: dict[str, Pooling]
    initial: dict[str, Initial]
    priors: dict[str, Prior | list[Prior]]
    fixed: dict[str, float]
    constraints: float | None = None

    @property
    def site_dim(self) -> str | None:
        """Dimension of values by site; None with one site."""
        return "site" if self.groups.several else None
