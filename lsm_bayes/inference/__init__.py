"""Inference: one file per method; each takes a plain PyMC model and returns the same ArviZ DataTree."""

from .bridge import Evidence, local_evidence
from .centring import choose_centring
from .cost import CostEstimate, estimate_cost
from .inverse import InverseProblem
from .laplace import Laplace, laplace_at, sample_laplace
from .mixture import sample_mixture
from .modes import Modes, find_modes
from .nuts import sample
from .point import Density
from .prior import prior_starts, sample_constrained_prior, sample_prior
from .store import load, save
from .weights import chain_weights, mode_weights, stacking_weights

__all__ = [
    "CostEstimate",
    "Density",
    "Evidence",
    "InverseProblem",
    "Laplace",
    "Modes",
    "chain_weights",
    "choose_centring",
    "estimate_cost",
    "find_modes",
    "laplace_at",
    "load",
    "local_evidence",
    "mode_weights",
    "prior_starts",
    "sample",
    "sample_constrained_prior",
    "sample_laplace",
    "sample_mixture",
    "sample_prior",
    "save",
    "stacking_weights",
]
