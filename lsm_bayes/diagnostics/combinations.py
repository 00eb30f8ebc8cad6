"""Combinations of parameters that the data know, where they do not know the parameters."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from lsm_bayes.diagnostics.identifiability import on_their_scales, parameter_draws
from lsm_bayes.diagnostics.result import model_card, scale_of, variable_of

BETTER_KNOWN = 3.0
"""How many times better known than its parts a combination has to be to be reported."""
PARTS = 1.5
"""A combination of fewer parameters stands for one of all when its standard deviation is at most so many times that."""


@dataclass(frozen=True)
class Combination:
    """A combination of parameters that the data know better than the parameters.

    Parameters
    ----------
    weights : dict
        Coefficient of each parameter, or of its logarithm where it is judged on the log scale (`logarithmic`); the largest in units
        of the posterior sd is 1 or -1.
    logarithmic : frozenset of str
        Parameters whose logarithm enters.
    sd : float
        Posterior standard deviation of the weighted sum.
    gain : float
        How many times greater it would be if the parameters were as uncertain as they are, but independent.
    """

    weights: dict[str, float]
    logarithmic: frozenset[str]
    sd: float
    gain: float

    def __str__(self) -> str:
        if self.logarithmic >= set(self.weights):
            factors = {n: f"{n}{'' if abs(abs(w) - 1) < 0.005 else f'^{abs(w):.2f}'}" for n, w in self.weights.items()}
            above, below = ([factors[n] for n, w in self.weights.items() if (w > 0) is k] for k in (True, False))
            shown = " / ".join([" × ".join(above), *below])
            return f"{shown} is known to a factor of {np.exp(self.sd):.3g} (one sd), {self.gain:.3g} times better than its factors apart"
        terms = [f"{w:+.3g} {f'log {n}' if n in self.logarithmic else n}" for n, w in self.weights.items()]
        return f"{' '.join(terms)} is known to {self.sd:.3g} (one sd), {self.gain:.3g} times better than its terms apart"


def combinations(tree: xr.DataTree, number: int = 5) -> list[Combination]:
    """Find the combinations of parameters that the data know, where they do not know the parameters: products, ratios, sums.

    A small eigenvalue of the posterior correlation matrix says that its eigenvector, a weighted sum of the standardised parameters,
    varies little though its parts do: the data fix the sum, and along the ridge on which it is constant the parameters trade off
    (Belsley, Kuh & Welsch 1980, doi 10.1002/0471725153, chapter 3, for regressions; the book could not be checked). Three parameters of
    which only the product is known have pairwise correlations of -0.5, which no list of pairs shows.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of a calibration.
    number : int, optional
        How many at most.

    Returns
    -------
    list of Combination
        Greatest gain first, those with a gain above 3: pairs, and larger ones, each of the fewest parameters that carry it, where they gain
        half as much again as any that they contain. Empty where there are none, and with fewer than five draws a parameter.
    """
    draws, card = parameter_draws(tree), model_card(tree)
    names = list(draws)
    data = on_their_scales(draws, card) if draws else np.zeros((0, 0))
    if len(names) < 2 or data.shape[1] < 5 * len(names):
        return []
    entries = card.get("parameters", {})
    logarithmic = frozenset(n for n in names if scale_of(entries.get(variable_of(n), {})) == "log")
    correlation, spread = np.corrcoef(data), data.std(axis=1, ddof=1)
    kept: dict[frozenset[int], float] = {}
    for chosen in sorted({*_pairs(correlation), *_carriers(correlation)}, key=len):
        gain = _gain(correlation, sorted(chosen))
        inside = max((g for other, g in kept.items() if other < chosen), default=0.0)
        if gain > max(BETTER_KNOWN, PARTS * inside):
            kept[chosen] = gain
    found = [_combination(names, correlation, spread, logarithmic, sorted(chosen)) for chosen in kept]
    return sorted(found, key=lambda c: -c.gain)[:number]


def _gain(correlation: np.ndarray, chosen: list[int]) -> float:
    least = np.linalg.eigvalsh(correlation[np.ix_(chosen, chosen)])[0]
    return float(1 / np.sqrt(max(least, np.finfo(float).eps)))


def _pairs(correlation: np.ndarray) -> list[frozenset[int]]:
    """Pairs that are known better than their parts: eigenvectors of one mix all that are known about as well."""
    i, j = np.nonzero(np.triu(BETTER_KNOWN**2 * (1 - np.abs(correlation)) < 1, k=1))
    return [frozenset(map(int, pair)) for pair in zip(i, j, strict=True)]


def _carriers(correlation: np.ndarray) -> list[frozenset[int]]:
    """For each eigenvector that varies little, the fewest of its largest entries that vary nearly as little."""
    found = []
    values, vectors = np.linalg.eigh(correlation)
    for value, vector in zip(values, vectors.T, strict=True):
        if value * BETTER_KNOWN**2 > 1:
            break
        order = [int(k) for k in np.argsort(-np.abs(vector))]
        enough = 1 / (PARTS * np.sqrt(max(value, 1e-12)))
        size = next((n for n in range(2, len(order)) if _gain(correlation, order[:n]) >= enough), len(order))
        found.append(frozenset(order[:size]))
    return found


def _combination(
    names: list[str], correlation: np.ndarray, spread: np.ndarray, logarithmic: frozenset[str], chosen: list[int]
) -> Combination:
    own = np.linalg.eigh(correlation[np.ix_(chosen, chosen)])[1][:, 0]
    # The first of equals: of two parameters both entries are the same but for rounding.
    largest = int(np.flatnonzero(np.abs(own) > (1.0 - 1e-6) * np.abs(own).max())[0])
    # Most parameters get a positive sign: a product reads better than one over it.
    first = own / np.abs(own[largest]) * (1 if np.sign(own).sum() + 0.5 * np.sign(own[0]) > 0 else -1)
    unit, gain = spread[chosen[largest]], _gain(correlation, chosen)
    weights = {names[i]: float(w * unit / spread[i]) for i, w in zip(chosen, first, strict=True)}
    return Combination(weights, logarithmic & set(weights), float(unit / np.abs(own[largest]) / gain), gain)
