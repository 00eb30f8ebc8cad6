"""What history matching compares: few summaries of predictions and observations, each with the variance of its error."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lsm_bayes.inference.inverse import InverseProblem


@dataclass(frozen=True)
class Targets:
    """Weighted sums of whitened outputs.

    Attributes
    ----------
    names : tuple of str
        One for each target.
    weights : numpy.ndarray
        Shape (q, M); a target of the model is ``weights @ predictions``.
    observed : numpy.ndarray
        Shape (q,).
    variance : numpy.ndarray
        Of the error of observation, shape (q,).
    discrepancy : numpy.ndarray
        Variance of what the model at its best cannot reproduce, shape (q,).
    """

    names: tuple[str, ...]
    weights: NDArray
    observed: NDArray
    variance: NDArray
    discrepancy: NDArray

    def of(self, predictions: NDArray) -> NDArray:
        """Targets of runs.

        Parameters
        ----------
        predictions : numpy.ndarray
            Whitened, shape (n, M).

        Returns
        -------
        numpy.ndarray
            Shape (n, q).
        """
        return predictions @ self.weights.T

    def with_discrepancy(self, fraction: float | None = None, sd: NDArray | None = None) -> "Targets":
        """Allow for structural error.

        Parameters
        ----------
        fraction : float, optional
            Its sd as a part of each observed target.
        sd : numpy.ndarray, optional
            Its sd itself, shape (q,) or a number.

        Returns
        -------
        Targets
            With this discrepancy in place of the earlier one.

        Raises
        ------
        ValueError
            If not exactly one of both is given, or it is negative.
        """
        if (fraction is None) == (sd is None):
            raise ValueError("give the discrepancy as a fraction of the observed targets or as an sd, one of both")
        found = np.abs(fraction * self.observed) if fraction is not None else np.broadcast_to(np.asarray(sd, float), self.observed.shape)
        if (fraction is not None and fraction < 0) or np.any(found < 0):
            raise ValueError(f"the discrepancy is negative: {fraction if fraction is not None else sd}")
        return replace(self, discrepancy=found**2)


def block_targets(problem: InverseProblem, blocks: int | dict[str, int] = 4) -> Targets:
    """Cut each stream into blocks of consecutive observations and take the mean of each.

    Noise of single observations would make the largest implausibility of thousands of outputs exceed any limit; the mean of a block has
    little. Sums of whitened outputs are divided by the root of their number, so that their errors have unit variance.

    Parameters
    ----------
    problem : InverseProblem
        The model and its observations.
    blocks : int or dict of str to int
        Number of blocks, for all streams or by name of the observed variable; a stream of fewer observations has one for each.

    Returns
    -------
    Targets
        Names are ``"nee 1"``, ``"nee 2"`` and so on.

    Raises
    ------
    ValueError
        If a name is unknown or a number is not positive.
    """
    wanted = blocks if isinstance(blocks, dict) else dict.fromkeys(problem.streams, blocks)
    unknown = set(wanted) - set(problem.streams)
    if unknown or any(n < 1 for n in wanted.values()):
        raise ValueError(f"got blocks {wanted}; give positive numbers for some of {', '.join(problem.streams)}")
    names, rows = [], []
    for name, number in wanted.items():
        where = np.arange(problem.streams[name].start, problem.streams[name].stop)
        for k, part in enumerate(np.array_split(where, min(number, len(where)))):
            row = np.zeros(problem.observed.size)
            row[part] = 1.0 / np.sqrt(len(part))
            rows.append(row)
            names.append(f"{name} {k + 1}")
    weights = np.stack(rows)
    return Targets(tuple(names), weights, weights @ problem.observed, np.ones(len(rows)), np.zeros(len(rows)))
