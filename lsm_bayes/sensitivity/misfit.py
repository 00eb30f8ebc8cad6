"""The misfit of a calibration as a sum of squares of its parameters' coordinates, without its error models."""

from functools import cached_property

import numpy as np
import pandas as pd
import pymc as pm
from numpy.typing import NDArray

from lsm_bayes.calibration.predict import calibration_of
from lsm_bayes.inference.flat import Vector

from .overlap import NOISE
from .response import Response, response_of


class Misfit:
    """Residuals whose squares add up to a plain misfit: streams alike, prior, and potentials such as constraints.

    Parameters
    ----------
    model : pymc.Model
        From `build_model`.

    Attributes
    ----------
    response : Response
        Mean predictions by step.

    Raises
    ------
    TypeError
        When the model was not made by `build_model`.
    """

    def __init__(self, model: pm.Model) -> None:
        c = calibration_of(model)
        self.response = response_of(model, "mean", by="step")
        self._streams = self.response.table["stream"].to_numpy(dtype=str)
        self._observed = {p.name: np.concatenate([s.values for s in p.series]) for p in c.streams}
        self.spread = {n: float(y.std()) or 1.0 for n, y in self._observed.items()}
        self._potentials = response_of(model, {v.name: v.sum() for v in model.potentials}) if model.potentials else None
        if self._potentials is not None and self._potentials.names != self.response.names:
            # They are of something else than the parameters, such as those of the error models.
            self._potentials = None
        self._highest: NDArray = np.zeros(0)

    @cached_property
    def _scale(self) -> NDArray:
        sizes = {n: np.sqrt(y.size * len(self._observed)) * NOISE * self.spread[n] for n, y in self._observed.items()}
        return np.array([sizes[n] for n in self._streams])

    @property
    def notes(self) -> list[str]:
        """What is approximate; potentials that are used here are not left out."""
        return [n for n in self.response.notes if self._potentials is None or not n.startswith("potentials")]

    def __call__(self, z: Vector) -> Vector:
        """Evaluate the residuals at coordinates (d,): observations, prior, and potentials."""
        with np.errstate(all="ignore"):
            gaps = (self.response(z[None])[0] - np.concatenate(list(self._observed.values()))) / self._scale
            if self._potentials is None:
                return np.concatenate([gaps, z])
            # As squares, for Gauss-Newton: below the highest value by so much. The one keeps the root smooth where it is reached.
            under = np.maximum(self._highest - self._potentials(z[None])[0], 0.0)
            return np.concatenate([gaps, z, np.sqrt(1.0 + 2.0 * under)])

    def starts(self, number: int, draws: int, seed: int) -> NDArray:
        """Find points from which to look: the prior median, and the draws of the prior that fit best.

        Parameters
        ----------
        number : int
            How many.
        draws : int
            Draws of the prior among which they are.
        seed : int
            Seed.

        Returns
        -------
        numpy.ndarray
            Shape (number, d), or fewer where runs fail.

        Raises
        ------
        ValueError
            When none ran.
        """
        z = np.concatenate([np.zeros((1, self.response.size)), np.random.default_rng(seed).standard_normal((draws, self.response.size))])
        if self._potentials is not None:
            found = self._potentials(z)
            self._highest = np.nanmax(np.where(np.isfinite(found), found, np.nan), axis=0)
        size = np.array([np.sum(self(row) ** 2) for row in z])
        if not np.isfinite(size).any():
            raise ValueError(f"neither the prior median nor any of {draws} draws of the prior ran; narrow the priors")
        order = [i for i in np.argsort(size) if np.isfinite(size[i])]
        return z[sorted(order, key=lambda i: i != 0)[:number]]

    def by_stream(self) -> Response:
        """Ask for the RMSE of each stream in sd of its observations; nothing is compiled again."""

        def run(z: Vector) -> Vector:
            found = self.response(z[None])[0]
            return np.array([np.sqrt(np.mean((found[self._streams == n] - y) ** 2)) / self.spread[n] for n, y in self._observed.items()])

        table = pd.DataFrame({"output": [f"rmse {n}" for n in self._observed], "stream": list(self._observed), "time": np.nan})
        return Response(self.response.names, table, run)

    def effects(self, places: NDArray) -> tuple[NDArray, dict[str, NDArray]]:
        """Differentiate the predictions at places (n, d).

        Returns
        -------
        numpy.ndarray
            Products of the derivatives with each other, mean over observations and streams, shape (n, d, d); scaled down where all is
            much larger than elsewhere.
        dict of str to numpy.ndarray
            By stream, change by a prior sd, in sd of the observations: root mean square over observations and places, so weighted, shape
            (d,).
        """
        grams, sizes = [], []
        for z in places:
            with np.errstate(all="ignore"):
                slopes = np.nan_to_num(self.response.jacobian(z), posinf=0.0, neginf=0.0)
            scaled = {n: slopes[self._streams == n] / sd for n, sd in self.spread.items()}
            parts = {n: s.T @ s / len(s) for n, s in scaled.items()}
            grams.append(np.mean(list(parts.values()), axis=0))
            sizes.append({n: np.diag(p) for n, p in parts.items()})
        # A place at which all runs away counts no more than others.
        whole = np.einsum("nii->n", np.stack(grams))
        weights = np.minimum(1.0, np.median(whole) / np.maximum(whole, 1e-300))
        effects = {n: np.sqrt(np.average([s[n] for s in sizes], axis=0, weights=weights)) for n in self.spread}
        return np.stack(grams) * weights[:, None, None], effects
