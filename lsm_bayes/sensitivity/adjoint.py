"""Derivatives of the scalars that are asked of a model."""

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.graph.replace import graph_replace

from lsm_bayes.inference.flat import Vector
from lsm_bayes.inference.point import Density


class Adjoint:
    """Outputs and the gradient of a weighted sum of them, compiled when first called.

    As the log-density of a model of coordinates and weights, whose compiler is the quickest there is; its gradient with respect to the
    weights is the outputs.
    """

    def __init__(self, z: Any, whole: Any, outputs: int) -> None:
        self._graph, self._outputs = (z, whole), outputs
        self._density: Density | None = None

    def __call__(self, coordinates: Vector, weights: Vector) -> tuple[Vector, Vector]:
        """Give the outputs (k,) and the gradient (d,) of their weighted sum."""
        if self._density is None:
            z, whole = self._graph
            with pm.Model() as model:
                moved = pm.Flat("coordinates", shape=z.type.shape)
                weight = pm.Flat("weights", shape=self._outputs)
                pm.Potential("total", pt.sum(weight * graph_replace([whole], {z: moved})[0]))
            self._density = Density(model)
        value, gradient = self._density(np.concatenate([coordinates, weights]))
        if not np.isfinite(value):
            gradient = np.full(gradient.size, np.nan)
        return gradient[coordinates.size :], gradient[: coordinates.size]
