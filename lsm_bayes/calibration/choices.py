"""What a calibration consists of: sites, streams and choices for every parameter."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from lsm_bayes.calibration.groups import Groups
from lsm_bayes.calibration.initial import Initial
from lsm_bayes.calibration.pooling import Pooling
from lsm_bayes.calibration.streams import PreparedStream, declared_parameters
from lsm_bayes.declare import Constraint, Parameter, Prior, ProcessModel
from lsm_bayes.forcing import Forcing
from lsm_bayes.vocabulary import unknown

if TYPE_CHECKING:
    from lsm_bayes.calibration.stepwise import CarriedPosterior


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
class Constraints:
    """Which constraints of the process model shape the prior, and how sharply.

    Parameters
    ----------
    width : float
        Log ratio by which an inequality may be missed at a cost of half a nat; twice that costs two.
    dynamics : str, optional
        Set of constraints on the run, such as ``"cardamom"`` or ``"bloom2015"``, that join those on parameters alone.
        ``process_model.constraint_sets`` has the names.
    leave_out : tuple of str
        Constraints of the set that are not imposed.
    """

    width: float = 0.2
    dynamics: str | None = None
    leave_out: tuple[str, ...] = ()

    def chosen(self, model: ProcessModel) -> tuple[Constraint, ...]:
        """Return the constraints that are imposed.

        Parameters
        ----------
        model : ProcessModel
            The land model.

        Returns
        -------
        tuple of Constraint
            In the order of the declaration.

        Raises
        ------
        ValueError
            For a width that is not positive, and where the model declares nothing to impose.
        KeyError
            For an unknown set or constraint.
        """
        if self.dynamics is not None and self.dynamics not in model.constraint_sets:
            raise KeyError(f"{model.name}: {unknown('set of constraints', self.dynamics, model.constraint_sets)}")
        in_set = [c for c in model.constraints if not c.sets or self.dynamics in c.sets]
        if not (in_set and self.width > 0):
            raise ValueError(
                f"constraints={self.width!r}: the width is a positive log ratio, and {model.name} declares "
                f"{', '.join(c.name for c in in_set) or 'no constraint'}; leave it out for none"
            )
        for name in self.leave_out:
            if name not in [c.name for c in in_set]:
                raise KeyError(f"{model.name}: {unknown('constraint to leave out', name, [c.name for c in in_set])}")
        return tuple(c for c in in_set if c.name not in self.leave_out)

    def describe(self, constraint: Constraint) -> str:
        """Say what a constraint asks for and what missing it costs.

        Parameters
        ----------
        constraint : Constraint
            One of those chosen.

        Returns
        -------
        str
            Its description and cost.
        """
        if self.dynamics in constraint.graded:
            return f"{constraint.description} Graded: the more likely the nearer, at no sharp edge."
        return f"{constraint.description} A log ratio of {self.width:g} short of it costs half a nat."


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
    constraints : Constraints or None
        Which constraints of the process model are imposed; None without any.
    earlier : CarriedPosterior or None
        Posterior of an earlier step, in place of the declared priors of what both calibrate.
    """

    process_model: ProcessModel
    records: list[SiteRecord]
    groups: Groups
    streams: list[PreparedStream]
    pooling: dict[str, Pooling]
    initial: dict[str, Initial]
    priors: dict[str, Prior | list[Prior]]
    fixed: dict[str, float]
    constraints: Constraints | None = None
    earlier: "CarriedPosterior | None" = None

    @property
    def declared(self) -> dict[str, tuple[Parameter, float]]:
        """Everything that can be calibrated, with defaults: of the process model and, as ``<stream>_<name>``, of observation operators."""
        return declared_parameters(self.process_model, [p.stream for p in self.streams])

    @property
    def site_dim(self) -> str | None:
        """Dimension of values by site; None with one site."""
        return "site" if self.groups.several else None
