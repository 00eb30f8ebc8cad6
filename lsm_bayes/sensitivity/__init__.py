"""Which parameters matter: global sensitivities, gradients over the prior, information at a point, profiles, and the choice of parameters.

`response_of` says of which scalars of a model sensitivities are asked. `morris`, `sobol` and `rbd_fast` need runs alone; `sample_gradients`
runs the adjoint over the prior, for `dgsm` and `active_subspace`. `information_spectrum` and `profile` look around a fit.
`select_parameters` chooses what to calibrate and says why. `plot` draws any of these.

What the prior predicts is in `lsm_bayes.sample_prior`; how far a posterior contracted in `lsm_bayes.diagnostics.shrinkage`, which
`plot_contraction` draws; combinations that the draws of a posterior know in `lsm_bayes.diagnostics.combinations`.
"""

from lsm_bayes.sensitivity.derivatives import GradientSample, active_subspace, dgsm, sample_gradients
from lsm_bayes.sensitivity.fixed import with_fixed
from lsm_bayes.sensitivity.plots import plot, plot_contraction
from lsm_bayes.sensitivity.profiles import Profiles, profile
from lsm_bayes.sensitivity.response import Response, response_of, response_of_function
from lsm_bayes.sensitivity.sampled import morris, rbd_fast, sobol
from lsm_bayes.sensitivity.selection import Selection, select_parameters
from lsm_bayes.sensitivity.spectrum import information_spectrum

__all__ = [
    "GradientSample",
    "Profiles",
    "Response",
    "Selection",
    "active_subspace",
    "dgsm",
    "information_spectrum",
    "morris",
    "plot",
    "plot_contraction",
    "profile",
    "rbd_fast",
    "response_of",
    "response_of_function",
    "sample_gradients",
    "select_parameters",
    "sobol",
    "with_fixed",
]
