"""What parameters do to the predictions, and how far others can do the same: linear, at given points."""

import numpy as np
from numpy.typing import NDArray

NOISE = 0.05
"""Effects below so many standard deviations of a stream do not count, and are not compensated."""


def left(grams: NDArray, taken: list[int]) -> NDArray:
    """Squared effect of each parameter that those taken cannot reproduce within their priors.

    Parameters
    ----------
    grams : numpy.ndarray
        Products of the scaled derivatives with each other at n points, shape (n, d, d).
    taken : list of int
        Parameters that may move to compensate.

    Returns
    -------
    numpy.ndarray
        Shape (n, d).
    """
    whole: NDArray = np.einsum("nii->ni", grams)
    if not taken:
        return whole
    cross = grams[:, taken, :]
    inner = cross[:, :, taken] + NOISE**2 * np.eye(len(taken))
    found = np.maximum(whole - np.einsum("nsi,nsi->ni", cross, np.linalg.solve(inner, cross)), 0.0)
    found[:, taken] = 0.0
    return found


def alone(grams: NDArray, i: int, above: list[int]) -> float:
    """Share of the squared effect of parameter i that those above it cannot reproduce (the collinearity of Brun et al. 2001)."""
    whole, rest = grams[:, i, i].sum(), left(grams, [j for j in above if j != i])[:, i].sum()
    return float(rest / whole) if whole > 0 else 0.0


def contraction(grams: NDArray, taken: list[int], i: int) -> float:
    """1 - posterior sd / prior sd of parameter i where those taken are calibrated; the median over points."""
    precision = np.eye(len(taken)) + grams[:, taken][:, :, taken] / NOISE**2
    sd = np.sqrt(np.linalg.inv(precision)[:, taken.index(i), taken.index(i)])
    return float(1 - np.median(sd))


def mimics(grams: NDArray, i: int, above: list[int]) -> list[int]:
    """Fewest of those above, at most three, that reproduce most of what all of them reproduce of parameter i."""
    found: list[int] = []
    target = alone(grams, i, above)
    while len(found) < min(3, len(above)) and (not found or alone(grams, i, found) > target + 0.1):
        found.append(min((j for j in above if j not in found), key=lambda j: alone(grams, i, [*found, j])))
    return found
