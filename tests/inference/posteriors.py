"""Small posteriors with known answers."""

import numpy as np
import pymc as pm

COVARIANCE = np.array([[4.0, 0.95 * 2 * 0.1, 0.0], [0.95 * 2 * 0.1, 0.01, 0.0], [0.0, 0.0, 100.0]])
MEAN = np.array([1.0, -2.0, 30.0])


def gaussian_model() -> pm.Model:
    precision = np.linalg.inv(COVARIANCE)
    with pm.Model(coords={"parameter": ["a", "b", "c"]}) as model:
        x = pm.Flat("x", dims="parameter", initval=MEAN)
        pm.Potential("density", -0.5 * (x - MEAN) @ precision @ (x - MEAN))
    return model


def schools_model() -> pm.Model:
    effect = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
    error = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
    with pm.Model(coords={"school": list("ABCDEFGH")}) as model:
        mean = pm.Normal("mean", 0, 5)
        spread = pm.HalfCauchy("spread", 5)
        standard = pm.Normal("standard", dims="school")
        true = pm.Deterministic("true", mean + spread * standard, dims="school")
        pm.Normal("effect", true, pm.Data("error", error, dims="school"), observed=effect, dims="school")
    return model


def two_mode_model() -> pm.Model:
    """0.7 N(3, 1) + 0.3 N(-3, 0.5^2) in each of two dimensions jointly."""
    with pm.Model() as model:
        x = pm.Uniform("x", -20, 20, shape=2, default_transform=None, initval=np.zeros(2))
        near = np.log(0.7) - 0.5 * pm.math.sum((x - 3) ** 2)
        far = np.log(0.3) - 0.5 * pm.math.sum(((x + 3) / 0.5) ** 2) - 2 * np.log(0.5)
        pm.Potential("density", pm.math.logaddexp(near, far))
    return model


def banana_model() -> pm.Model:
    with pm.Model() as model:
        x = pm.Normal("x", 0, 1)
        y = pm.Normal("y", 0, 10)
        pm.Potential("ridge", -0.5 * ((y - 2 * x**2) / 0.2) ** 2)
    return model
