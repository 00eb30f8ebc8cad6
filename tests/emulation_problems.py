"""A problem with a curved model, whose runs cost nothing, for tests of emulators and history matching."""

import numpy as np
import pymc as pm

from lsm_bayes.inference import InverseProblem

TRUTH = np.array([0.4, -0.6, 0.3])


def curved_problem(*, outputs: int = 30, sd: float = 0.5, bias: float = 0.0) -> InverseProblem:
    """Three normal parameters, outputs A sin(x), observed at TRUTH with errors; ``bias`` is added to the observations."""
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(outputs, 3)) * 2.0
    observed = matrix @ np.sin(TRUTH) + sd * rng.normal(size=outputs) + bias
    with pm.Model() as model:
        x = pm.Normal("x", 0.0, 1.0, shape=3)
        pm.Normal("y", pm.math.dot(matrix, pm.math.sin(x)), sd, observed=observed)
    return InverseProblem(model)
