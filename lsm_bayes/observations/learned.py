"""Observation operators given by a fitted machine: Gaussian process regression, or an ensemble of small neural networks.

For an instrument whose physics is not known well enough to be written down. The price is in `fit_learned_operator`: read its warning.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytensor.tensor as pt
import xarray as xr
from pytensor.graph.basic import Variable

from lsm_bayes.observations.operator import ObservationOperator, Range
from lsm_bayes.observations.regression import TRAINERS, GaussianProcess, NetworkEnsemble
from lsm_bayes.vocabulary import unknown

BLOCKS = 20  # of consecutive observations, held out or trained on as a whole: neighbours in time tell too much of each other
FEWEST = 40
NINETY = 1.6449  # standard deviations to either side


@dataclass(frozen=True)
class Score:
    """How a machine does on observations that it was not trained on.

    Attributes
    ----------
    rmse : float
        Root mean squared error, in the unit of the observations.
    r2 : float
        Fraction of their variance that is predicted.
    coverage : float
        Fraction inside the predictive interval of 90 %.
    count : int
        Number of observations.
    """

    rmse: float
    r2: float
    coverage: float
    count: int


@dataclass(frozen=True)
class LearnedOperator:
    """What `fit_learned_operator` returns.

    Attributes
    ----------
    operator : ObservationOperator
        The predictive mean, without parameters.
    spread : ObservationOperator
        The predictive standard deviation.
    score : Score
        On held-out observations.
    machine : GaussianProcess or NetworkEnsemble
        What was fitted.
    """

    operator: ObservationOperator
    spread: ObservationOperator
    score: Score
    machine: GaussianProcess | NetworkEnsemble

    def predictive_sd(self, series: Mapping[str, Any]) -> Any:
        """Return the standard deviation of an observation.

        Parameters
        ----------
        series : mapping of str to array or tensor
            One for each input, time last.

        Returns
        -------
        numpy.ndarray or tensor
            In the unit of the observations, time last: numbers for numbers.
        """
        symbolic = any(isinstance(series.get(n), Variable) for n in self.operator.inputs)
        return self.spread(series) if symbolic else self.spread.evaluate(series)


@dataclass(frozen=True)
class _Scaled:
    """A machine in the units of the vocabulary."""

    machine: GaussianProcess | NetworkEnsemble
    inputs: dict[str, Range]
    centre: float
    size: float

    def scaled(self, series: Mapping[str, Any]) -> Any:
        """Scale inputs to -1 to 1 over their ranges, in the last dimension."""
        parts = [(2.0 * series[n] - low - high) / (high - low) for n, (low, high) in self.inputs.items()]
        return pt.stack(pt.broadcast_arrays(*parts), axis=-1)

    def mean(self, series: Mapping[str, Any]) -> Any:
        return self.centre + self.size * self.machine.mean(self.scaled(series))

    def sd(self, series: Mapping[str, Any]) -> Any:
        return self.size * pt.sqrt(self.machine.variance(self.scaled(series)))


def fit_learned_operator(
    states: xr.Dataset | Mapping[str, Any],
    observations: Any,
    inputs: Mapping[str, Range],
    quantity: str,
    *,
    method: Literal["gaussian_process", "network"] = "gaussian_process",
    held_out: float = 0.2,
    seed: int = 0,
) -> LearnedOperator:
    """Learn an observation operator from pairs of states and observations.

    Parameters
    ----------
    states : xarray.Dataset or mapping of str to array_like
        Each input, of the shape of the observations, time last, as the operator will get it: pools as means of the start and the end of a step.
    observations : array_like
        In the unit of the vocabulary; pairs in which something is not finite are left out.
    inputs : mapping of str to tuple of float
        What the operator reads, each with the range in which it will be used: training has to lie inside, and should fill it.
    quantity : str
        Of the vocabulary.
    method : {"gaussian_process", "network"}
        A Gaussian process, on at most 300 pairs taken at random, returns to the mean of the training where it knows nothing, with a large
        standard deviation; networks take any number of pairs.
    held_out : float
        Fraction of the observations, in blocks of consecutive ones, for the score.
    seed : int
        Of blocks, subsets and starts.

    Returns
    -------
    LearnedOperator
        Operator, predictive standard deviation and score.

    Raises
    ------
    KeyError
        For an input without states, or a quantity that does not exist.
    ValueError
        For an unknown method, too few pairs, states outside their range, or nothing held out.

    Warnings
    --------
    Such an operator absorbs the bias of the model whose states it was trained on: leaf area that is 10 % too large is learned as the
    leaf area that looks like what was observed, the residuals vanish, and no calibration with this stream will correct it; it will rather hold
    the error in place when other streams would. Train it on states that were measured, or use such a stream for the variations that the
    training states got right (anomalies), and never judge a model by the fit to a stream whose operator was learned from that model.
    The score does not show any of this: it is as good with biased states.
    """
    if method not in TRAINERS:
        raise ValueError(unknown("method of a learned operator", method, TRAINERS))
    for name in inputs:
        if name not in states:
            raise KeyError(f"learned operator for {quantity!r}: {unknown('input', name, [str(n) for n in states])}")
    x, y = _pairs(states, observations, inputs)
    if len(y) < FEWEST:
        raise ValueError(f"learned operator for {quantity!r}: {len(y)} complete pairs, at least {FEWEST} are needed")
    for i, (name, (low, high)) in enumerate(inputs.items()):
        if x[:, i].min() < low or x[:, i].max() > high:
            raise ValueError(
                f"learned operator for {quantity!r}: training has {name!r} from {x[:, i].min():.4g} to {x[:, i].max():.4g}, outside ({low}, {high})"
            )
    apart = round(held_out * BLOCKS)
    if not 0 < apart < BLOCKS:
        raise ValueError(f"learned operator for {quantity!r}: held_out={held_out} leaves {apart} of {BLOCKS} blocks for the score")
    rng = np.random.default_rng(seed)
    blocks = [np.asarray(b) for b in np.array_split(np.arange(len(y)), BLOCKS)]
    order = rng.permutation(BLOCKS)
    test = np.concatenate([blocks[k] for k in order[:apart]])
    training = [blocks[k] for k in order[apart:]]
    known = np.concatenate(training)
    centre, size = float(y[known].mean()), float(y[known].std()) or 1.0
    low, high = np.array(list(inputs.values())).T
    machine = TRAINERS[method]((2 * x - low - high) / (high - low), (y - centre) / size, training, rng)
    fitted = _Scaled(machine, dict(inputs), centre, size)
    citation = f"{type(machine).__name__} fitted to {len(known)} pairs; absorbs the bias of the states it was trained on"
    operator = ObservationOperator(f"{quantity}_learned", inputs, fitted.mean, quantity=quantity, citation=citation, spread=fitted.sd)
    spread = operator.of_spread
    assert spread is not None  # just given
    withheld = {n: x[test, i] for i, n in enumerate(inputs)}
    off = np.abs(operator.evaluate(withheld) - y[test])
    score = Score(
        float(np.sqrt(np.mean(off**2))),
        float(1.0 - np.mean(off**2) / np.var(y[test])),
        float(np.mean(off <= NINETY * spread.evaluate(withheld))),
        test.size,
    )
    return LearnedOperator(operator, spread, score, machine)


def _pairs(states: xr.Dataset | Mapping[str, Any], observations: Any, inputs: Mapping[str, Range]) -> tuple[np.ndarray, np.ndarray]:
    given = [observations, *(states[n] for n in inputs)]
    if all(isinstance(a, xr.DataArray) for a in given):
        given = list(xr.broadcast(*xr.align(*given, join="exact")))  # by name of the dimension
    arrays = [a.ravel() for a in np.broadcast_arrays(*(np.asarray(a, dtype=float) for a in given))]
    complete = np.isfinite(arrays).all(axis=0)
    return np.stack(arrays[1:], axis=-1)[complete], arrays[0][complete]
