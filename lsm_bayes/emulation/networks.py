"""Deep ensembles: small neural networks that each saw another part of the runs (after Lakshminarayanan et al. 2017).

Their disagreement, multiplied so that it agrees with their errors on runs that they did not see, is the variance.
"""

import warnings
from dataclasses import dataclass, replace

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

LEFT_OUT = 0.2
"""Part of the runs that a member does not see."""


@dataclass(frozen=True)
class Networks:
    """An ensemble of networks with tanh layers, each for all outputs.

    Attributes
    ----------
    scale : numpy.ndarray
        Of the outputs, shape (K,).
    layers : tuple of tuple
        Weights (members, in, out) and offsets (members, out) of each layer.
    widening : numpy.ndarray
        Factor on the variance between members, shape (K,).
    floor : numpy.ndarray
        Variance that is added, shape (K,).
    unseen : numpy.ndarray of bool
        Which member did not see which run, shape (members, n).
    outputs : numpy.ndarray
        Of each member at the runs, shape (members, n, K).
    """

    scale: NDArray
    layers: tuple[tuple[NDArray, NDArray], ...]
    widening: NDArray
    floor: NDArray
    unseen: NDArray
    outputs: NDArray

    @classmethod
    def fit(cls, z: NDArray, values: NDArray, *, members: int = 20, hidden: tuple[int, ...] = (32, 32), seed: int = 0) -> "Networks":
        """Train the members.

        Parameters
        ----------
        z : numpy.ndarray
            Standardised parameters, shape (n, d).
        values : numpy.ndarray
            Outputs, shape (n, K).
        members : int
            Networks, at least 5.
        hidden : tuple of int
            Units of each hidden layer.
        seed : int
            Seed.

        Returns
        -------
        Networks
            The ensemble.

        Raises
        ------
        ValueError
            If there are fewer than five members.
        """
        if members < 5:
            raise ValueError(f"got members={members}; an ensemble needs at least 5 for a variance")
        rng, n = np.random.default_rng(seed), len(z)
        scale = np.where(values.std(axis=0) > 0, values.std(axis=0), 1.0)
        # Runs are dealt out, so that each is unseen by equally many members.
        hidden_from = np.zeros((members, n), dtype=bool)
        size = max(1, round(LEFT_OUT * n))
        deck = np.concatenate([rng.permutation(n) for _ in range(int(np.ceil(members * size / n)))])
        for m in range(members):
            hidden_from[m, deck[m * size : (m + 1) * size]] = True
        trained = []
        for unseen in hidden_from:
            network = MLPRegressor(
                hidden_layer_sizes=hidden,
                activation="tanh",
                solver="lbfgs",
                alpha=1e-4,
                max_iter=400,
                random_state=int(rng.integers(2**31)),
            )
            trained.append(_train(network, z[~unseen], values[~unseen] / scale))
        layers = tuple(
            (np.stack([t.coefs_[k] for t in trained]), np.stack([t.intercepts_[k] for t in trained])) for k in range(len(trained[0].coefs_))
        )
        outputs = scale * _forward(layers, z)
        found = cls(scale, layers, np.ones(values.shape[1]), 1e-8 * scale**2, hidden_from, outputs)
        mean, variance = found.leave_one_out(values)
        return cls(scale, layers, np.sum((values - mean) ** 2, axis=0) / np.sum(variance, axis=0), 1e-8 * scale**2, hidden_from, outputs)

    def predict(self, z: NDArray) -> tuple[NDArray, NDArray]:
        """Mean and variance at new points, (m, K) each."""
        outputs = self.scale * _forward(self.layers, z)
        return outputs.mean(axis=0), self.widening * (outputs.var(axis=0, ddof=1) + self.floor)

    def joint(self, z: NDArray) -> NDArray:
        """Covariances of errors at new points, (K, m, m)."""
        outputs = self.scale * _forward(self.layers, z)
        away = outputs - outputs.mean(axis=0)
        # Of the rank of the ensemble: half of each variance is taken as independent between points.
        matrix = np.einsum("amk,ank->kmn", away, away) / (len(away) - 1)
        diagonal = np.einsum("kmm->km", matrix)[:, :, None] * np.eye(len(z)) + self.floor[:, None, None] * np.eye(len(z))
        return self.widening[:, None, None] * (0.5 * matrix + 0.5 * diagonal)

    def leave_one_out(self, values: NDArray) -> tuple[NDArray, NDArray]:
        """Predict each run from the members that did not see it, (n, K) each."""
        mean, variance = np.empty_like(values), np.empty_like(values)
        for i in range(values.shape[0]):
            mine = self.outputs[self.unseen[:, i], i]
            if len(mine) < 2:
                mine = self.outputs[:, i]
            mean[i], variance[i] = mine.mean(axis=0), self.widening * (mine.var(axis=0, ddof=1) + self.floor)
        return mean, variance

    def left_out(self, run: int, data: NDArray) -> tuple[NDArray, NDArray]:
        """Error and variance of one run by the members that did not see it, (K,) each; members know the coordinates of the fit only."""
        mean, variance = self.leave_one_out(data[:, 0])
        return data[run, 0] - mean[run], variance[run]

    def widened(self, factors: NDArray) -> "Networks":
        """Multiply the variances, by output."""
        return replace(self, widening=self.widening * factors)

    def graph(self, z: Variable) -> tuple[Variable, Variable]:
        """Mean and variance as PyTensor graphs, (K,) each."""
        members = len(self.unseen)
        state = pt.ones((members, 1)) * z[None, :]
        for k, (weight, offset) in enumerate(self.layers):
            state = pt.sum(state[:, :, None] * weight, axis=1) + offset
            state = pt.tanh(state) if k + 1 < len(self.layers) else state
        outputs = self.scale * state
        mean = pt.sum(outputs, axis=0) / members
        variance = pt.sum((outputs - mean[None, :]) ** 2, axis=0) / (members - 1)
        return mean, self.widening * (variance + self.floor)


def _train(network: MLPRegressor, z: NDArray, values: NDArray) -> MLPRegressor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # iterations are limited on purpose
        return network.fit(z, values[:, 0] if values.shape[1] == 1 else values)


def _forward(layers: tuple[tuple[NDArray, NDArray], ...], z: NDArray) -> NDArray:
    """Run all members: (members, n, K)."""
    state = np.broadcast_to(z, (len(layers[0][0]), *z.shape))
    for k, (weight, offset) in enumerate(layers):
        state = state @ weight + offset[:, None]
        state = np.tanh(state) if k + 1 < len(layers) else state
    return state
