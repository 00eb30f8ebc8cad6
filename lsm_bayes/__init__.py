"""Bayesian calibration of land carbon and water process models: from one symbolic step to a checked posterior.

The public API, in the order in which it is used. Names are imported when they are first asked for, so that ``import lsm_bayes`` is quick.

Declare a land model
    `ProcessModel`, `Parameter`, `Prior`, `Quantity`, `Budget`, `Equilibrium`, `Coordinates`, `DateShift`, `Constraint`, `Nested`;
    verify it with `check_process_model`. `ObservationOperator` declares what an instrument sees, `check_observation_operator` verifies it.
    `with_forcing_bias` makes a model whose forcing may be wrong by an inferred factor or offset, `with_yearly_noise` one whose parameters
    differ from year to year.
Find what there is
    `land`, `models`, `datasets` and `observations`, each has ``available()``; ``land.get(name)`` is a process model,
    ``models.get(name).build(data)`` a PyMC model, ``observations.get(name)`` an observation operator. `errors`
    holds the terms that are added to an `ErrorModel`.
Data
    `load` a data set by name; read files with `read_fluxnet`, `read_alma`, `from_xarray`; `NotAvailableError`.
Run
    `simulate`, and `periodic_equilibrium` where cycled forcing leads, with numbers in xarray or with symbols in a PyMC model.
Calibrate
    `build_model` with `Stream`, `ErrorModel`, `Scale`; pooling `complete`, `none`, `partial`; initial pools `Free`, `InProportion`,
    `ShareOf`, `NearEquilibrium`, `AtEquilibrium`, `AfterDisturbance` with a `Cycle` of forcing; `date_prior`; `Constraints`. The result
    is a plain ``pm.Model``, and `prior_model` is its prior with constraints. `carry_over` makes its posterior the prior of the next,
    stepwise. `predict_new_sites` goes to sites that were not calibrated.
Infer
    `calibrate` does all of it; its parts are `sample_prior`, `sample_constrained_prior`, `prior_starts`, `find_modes`, `sample`,
    `sample_laplace`, `predict`, `choose_centring` for hierarchies, with `Density` for a model that is compiled once. `save_result` and
    `load_result` keep the DataTree.
Other routes
    All in `inference`; each takes the same plain model and gives the same DataTree, with what it cost in forward runs: its ``variational``
    has 4D-Var, global search, ADVI and Pathfinder, its ``ensemble`` Kalman filters, smoothers, inversions and 4DEnVar, its
    ``gradient_free`` DE-MC(Z), adaptive Metropolis, SMC and ABC, its ``particles`` filters of state-space models. `InverseProblem` is what
    ensemble methods see of a model. `scoreboard` compares routes with the reference posteriors of the collection.
Choose parameters
    `select_parameters` says which parameters to calibrate, and why; `sensitivity` has Morris, Sobol, gradients, spectra and profiles.
Emulate
    `emulation`: perturbed-parameter ensembles, emulators with their variance as plain models, history matching in waves.
Models that are programs of their own
    `external`: `ExternalModel`, or `read_declaration` from a file, and `build_external_model` with `ExternalStream`: a black box as a
    plain ``pm.Model``.
Past one machine
    `calibrate_sites` and `calibrate_grid` fit each site or pixel by itself, in processes or on a Dask cluster, `calibrate_chains` the
    chains of one model; `draw_maps` and `write_grid` show and keep a grid. `run_tasks` runs any `Task`.
Judge
    `check` says whether the result may be called a posterior, `write_report` writes it up; `diagnostics` has the single checks.
    `make_reference` stores the posterior of a model of the collection with its checks, `check_reference` verifies it with another seed.
Compare
    `cross_validate` scores what is left out: `Blocks` of time, `Sites`, `Streams` or the `Future`; `log_evidence` by bridge sampling or
    SMC. `compare` puts results side by side, with weights, and `write_comparison` on one page; `comparison` has the parts.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import lsm_bayes.models as models
    from lsm_bayes import (
        comparison,
        datasets,
        diagnostics,
        emulation,
        errors,
        external,
        inference,
        land,
        observations,
        scoreboard,
        sensitivity,
    )
    from lsm_bayes.calibration import (
        AfterDisturbance,
        AtEquilibrium,
        Constraints,
        Cycle,
        Free,
        InProportion,
        NearEquilibrium,
        ShareOf,
        Stream,
        build_model,
        carry_over,
        complete,
        date_prior,
        none,
        partial,
        predict_new_sites,
        prior_model,
    )
    from lsm_bayes.calibration.predict import predict
    from lsm_bayes.comparison import Blocks, Future, Sites, Streams, compare, cross_validate, log_evidence
    from lsm_bayes.datasets import NotAvailableError, from_xarray, load, read_alma, read_fluxnet
    from lsm_bayes.declare import Budget, Constraint, Coordinates, DateShift, Equilibrium, Nested, Parameter, Prior, ProcessModel
    from lsm_bayes.diagnostics import check
    from lsm_bayes.errors import ErrorModel, Scale
    from lsm_bayes.external import ExternalModel, ExternalStream, build_external_model, read_declaration
    from lsm_bayes.forcing_bias import with_forcing_bias
    from lsm_bayes.inference import (
        Density,
        InverseProblem,
        choose_centring,
        find_modes,
        prior_starts,
        sample,
        sample_constrained_prior,
        sample_laplace,
        sample_prior,
    )
    from lsm_bayes.inference import load as load_result
    from lsm_bayes.inference import save as save_result
    from lsm_bayes.observations import ObservationOperator
    from lsm_bayes.posterior import calibrate
    from lsm_bayes.process_noise import with_yearly_noise
    from lsm_bayes.reference import check_reference, make_reference
    from lsm_bayes.report import write_comparison, write_report
    from lsm_bayes.sensitivity import select_parameters
    from lsm_bayes.simulation import simulate
    from lsm_bayes.steady_state import periodic_equilibrium
    from lsm_bayes.tasks import Task, run_tasks
    from lsm_bayes.tasks.chains import calibrate_chains
    from lsm_bayes.tasks.grid import calibrate_grid, write_grid
    from lsm_bayes.tasks.maps import draw_maps
    from lsm_bayes.tasks.sites import calibrate_sites
    from lsm_bayes.testing import check_process_model
    from lsm_bayes.testing_operators import check_observation_operator
    from lsm_bayes.vocabulary import Quantity

# Module to the names taken from it, with a colon and the name there where that is another. Subpackages are named by themselves.
_SUBPACKAGES = (
    "comparison",
    "datasets",
    "diagnostics",
    "emulation",
    "errors",
    "external",
    "inference",
    "land",
    "models",
    "observations",
    "scoreboard",
    "sensitivity",
)
_NAMES = {
    "calibration": "AfterDisturbance AtEquilibrium Constraints Cycle Free InProportion NearEquilibrium ShareOf Stream build_model "
    "carry_over complete date_prior none partial predict_new_sites prior_model",
    "calibration.predict": "predict",
    "comparison": "Blocks Future Sites Streams compare cross_validate log_evidence",
    "datasets": "NotAvailableError from_xarray load read_alma read_fluxnet",
    "declare": "Budget Constraint Coordinates DateShift Equilibrium Nested Parameter Prior ProcessModel",
    "diagnostics": "check",
    "errors": "ErrorModel Scale",
    "external": "ExternalModel ExternalStream build_external_model read_declaration",
    "forcing_bias": "with_forcing_bias",
    "inference": "Density InverseProblem choose_centring find_modes load_result:load prior_starts sample sample_constrained_prior "
    "sample_laplace sample_prior save_result:save",
    "observations": "ObservationOperator",
    "posterior": "calibrate",
    "process_noise": "with_yearly_noise",
    "reference": "check_reference make_reference",
    "report": "write_comparison write_report",
    "sensitivity": "select_parameters",
    "simulation": "simulate",
    "steady_state": "periodic_equilibrium",
    "tasks": "Task run_tasks",
    "tasks.chains": "calibrate_chains",
    "tasks.grid": "calibrate_grid write_grid",
    "tasks.maps": "draw_maps",
    "tasks.sites": "calibrate_sites",
    "testing": "check_process_model",
    "testing_operators": "check_observation_operator",
    "vocabulary": "Quantity",
}
_SOURCES = {name.partition(":")[0]: (module, name.rpartition(":")[2]) for module, names in _NAMES.items() for name in names.split()}
__all__ = [
    "AfterDisturbance",
    "AtEquilibrium",
    "Blocks",
    "Budget",
    "Constraint",
    "Constraints",
    "Coordinates",
    "Cycle",
    "DateShift",
    "Density",
    "Equilibrium",
    "ErrorModel",
    "ExternalModel",
    "ExternalStream",
    "Free",
    "Future",
    "InProportion",
    "InverseProblem",
    "NearEquilibrium",
    "Nested",
    "NotAvailableError",
    "ObservationOperator",
    "Parameter",
    "Prior",
    "ProcessModel",
    "Quantity",
    "Scale",
    "ShareOf",
    "Sites",
    "Stream",
    "Streams",
    "Task",
    "build_external_model",
    "build_model",
    "calibrate",
    "calibrate_chains",
    "calibrate_grid",
    "calibrate_sites",
    "carry_over",
    "check",
    "check_observation_operator",
    "check_process_model",
    "check_reference",
    "choose_centring",
    "compare",
    "comparison",
    "complete",
    "cross_validate",
    "datasets",
    "date_prior",
    "diagnostics",
    "draw_maps",
    "emulation",
    "errors",
    "external",
    "find_modes",
    "from_xarray",
    "inference",
    "land",
    "load",
    "load_result",
    "log_evidence",
    "make_reference",
    "models",
    "none",
    "observations",
    "partial",
    "periodic_equilibrium",
    "predict",
    "predict_new_sites",
    "prior_model",
    "prior_starts",
    "read_alma",
    "read_declaration",
    "read_fluxnet",
    "run_tasks",
    "sample",
    "sample_constrained_prior",
    "sample_laplace",
    "sample_prior",
    "save_result",
    "scoreboard",
    "select_parameters",
    "sensitivity",
    "simulate",
    "with_forcing_bias",
    "with_yearly_noise",
    "write_comparison",
    "write_grid",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _SOURCES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    module, there = _SOURCES[name]
    value = getattr(importlib.import_module(f"{__name__}.{module}"), there)
    globals()[name] = value  # the next look-up needs no import
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
