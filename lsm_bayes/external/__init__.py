"""External models: a program or a Python function of the user's own becomes a plain PyMC model.

A user declares parameters, outputs and how a run is made (`ExternalModel`, or a file for `read_declaration`); runs are carried out once, in
a directory of their own, and remembered (`Campaign`); `build_external_model` gives a model for every method that needs no gradient.
"""

from lsm_bayes.external.build import ExternalStream, build_external_model, prior_ensemble
from lsm_bayes.external.campaign import Campaign
from lsm_bayes.external.declaration import ExternalModel
from lsm_bayes.external.outputs import Output
from lsm_bayes.external.store import Run, RunStore
from lsm_bayes.external.table import read_declaration, read_parameters

__all__ = [
    "Campaign",
    "ExternalModel",
    "ExternalStream",
    "Output",
    "Run",
    "RunStore",
    "build_external_model",
    "prior_ensemble",
    "read_declaration",
    "read_parameters",
]
