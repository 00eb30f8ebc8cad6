"""Ensemble methods: smoothers, inversions and a sampler for static parameters, a filter for states; no gradient is needed."""

from .analysis import EnsembleUpdate
from .inversion import ensemble_kalman_inversion
from .langevin import ensemble_kalman_sampler
from .localisation import gaspari_cohn, taper_by_dependence, taper_by_distance
from .smoother import ensemble_smoother
from .unscented import unscented_kalman_inversion
from .variational import ensemble_variational

__all__ = [
    "EnsembleUpdate",
    "ensemble_kalman_inversion",
    "ensemble_kalman_sampler",
    "ensemble_smoother",
    "ensemble_variational",
    "gaspari_cohn",
    "taper_by_dependence",
    "taper_by_distance",
    "unscented_kalman_inversion",
]
