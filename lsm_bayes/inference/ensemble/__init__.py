"""Ensemble methods: smoothers, inversions and a sampler for static parameters, a filter for states; no gradient is needed."""

from .analysis import EnsembleUpdate
from .assimilation import ensemble_kalman_filter
from .filter import Filtered, filter_ensemble
from .inversion import ensemble_kalman_inversion
from .langevin import ensemble_kalman_sampler
from .localisation import gaspari_cohn, taper_by_dependence, taper_by_distance
from .smoother import ensemble_smoother
from .unscented import unscented_kalman_inversion
from .variational import ensemble_variational

__all__ = [
    "EnsembleUpdate",
    "Filtered",
    "ensemble_kalman_filter",
    "ensemble_kalman_inversion",
    "ensemble_kalman_sampler",
    "ensemble_smoother",
    "ensemble_variational",
    "filter_ensemble",
    "gaspari_cohn",
    "taper_by_dependence",
    "taper_by_distance",
    "unscented_kalman_inversion",
]
