"""Leave-one-out errors with the principal components found anew without the run that is left out.

The components of few runs fit these runs: a new run varies more along the small ones than they do. An emulator that is judged by the
runs that made its components finds itself far too sure of these.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .components import Components, principal_components

MOST = 40
"""Runs that are left out, spread evenly over the design where it has more."""


@dataclass(frozen=True)
class LeftOut:
    """Predictions of runs from the others.

    Attributes
    ----------
    runs : numpy.ndarray of int
        Which, shape (r,).
    errors, variance : numpy.ndarray
        Along the emulated components, shape (r, K).
    left : numpy.ndarray
        Coordinates along the components that are not emulated, shape (r, L).
    bases : list of Components
        Without each of the runs.
    """

    runs: NDArray
    errors: NDArray
    variance: NDArray
    left: NDArray
    bases: list[Components]


def leave_out(surrogate: object, basis: Components, outputs: NDArray, slopes: NDArray | None, *, fixed: bool) -> LeftOut:
    """Leave runs out, one at a time.

    Parameters
    ----------
    surrogate : Surrogate
        Of the coordinates along ``basis``.
    basis : Components
        Of all runs.
    outputs : numpy.ndarray
        Whitened, shape (n, M).
    slopes : numpy.ndarray or None
        Derivatives, shape (n, p, M).
    fixed : bool
        Keep the components of all runs, for surrogates that know no others.

    Returns
    -------
    LeftOut
        Errors and bases.
    """
    n, kept = len(outputs), len(basis.kept)
    runs = np.unique(np.linspace(0, n - 1, min(n, MOST)).round().astype(int))
    full = np.concatenate([basis.kept, basis.left])
    # In the span of all runs, which is smaller than the space of outputs.
    inside = (outputs - basis.mean) @ full.T
    slope = None if slopes is None else slopes @ full.T
    errors, variance = np.zeros((len(runs), kept)), np.ones((len(runs), kept))
    left, bases = np.full((len(runs), len(basis.left)), np.nan), []
    for row, i in enumerate(runs):
        others = np.arange(n) != i
        one = basis if fixed else _refound(inside[others], None if slope is None else slope[others], basis, full)
        scores = one.scores(outputs)
        data = scores[:, None] if slopes is None else np.concatenate([scores[:, None], slopes @ one.kept.T], axis=1)
        number = data.shape[2]
        padded = np.concatenate([data, np.zeros((*data.shape[:2], kept - number))], axis=2)
        found = surrogate.left_out(int(i), padded)  # type: ignore[attr-defined]
        errors[row, :number], variance[row, :number] = found[0][:number], found[1][:number]
        beyond = (outputs[i] - one.mean) @ one.left.T
        left[row, : len(beyond)] = beyond[: left.shape[1]]
        bases.append(one)
    return LeftOut(runs, errors, variance, left, bases)


def _refound(inside: NDArray, slope: NDArray | None, basis: Components, full: NDArray) -> Components:
    one = principal_components(inside, slope, number=len(basis.kept), outside=False)
    return Components(basis.mean + one.mean @ full, one.kept @ full, one.left @ full, one.left_variance, basis.outside, one.explained)
