"""Which parameters to calibrate: those that together move the predictions as the prior lets all of them move them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
from numpy.typing import NDArray

from lsm_bayes.calibration.build import add_parameters_and_streams
from lsm_bayes.calibration.card import card
from lsm_bayes.calibration.choices import Calibration
from lsm_bayes.calibration.earlier import check_earlier
from lsm_bayes.calibration.predict import calibration_of
from lsm_bayes.inference.flat import FlatSpace, Vector
from lsm_bayes.inference.point import Density

from .response import Response, response_of
from .sampled import morris

NOISE = 0.05
"""Effects below so many standard deviations of a stream do not count, and are not compensated."""
TRIES = 8
"""Draws of the prior for each that is kept."""
ENOUGH = 0.95
"""Share of what all parameters do that those which are chosen have to reach."""
WEAK = 0.01
ALIKE = 0.9


@dataclass(frozen=True)
class Selection:
    """Which parameters to calibrate, and why.

    Attributes
    ----------
    chosen : list of str
        Parameters to calibrate, best first.
    fixed : dict of str to float
        All others and their values in their units: for ``build_model(..., fixed=selection.fixed)``.
    table : pandas.DataFrame
        Index: parameter, those chosen first. ``chosen``; ``explained``: share of the effects of all parameters that this one and those
        above it reproduce; ``effect <stream>``: change of the predictions by a prior sd of it, root mean square over observations and
        draws, in sd of the observations; ``alone``: share of its effect that no parameter above it reproduces; ``contraction``:
        1 - posterior sd / prior sd among those chosen, in the linear approximation; ``interaction``: sigma / mu* of Morris on the misfit;
        ``fixed_at``; ``reason`` in words.
    failed : int
        Prior draws left out because the model or a derivative failed.
    notes : list of str
        What is approximate.
    """

    chosen: list[str]
    fixed: dict[str, float]
    table: pd.DataFrame
    failed: int
    notes: list[str]

    def apply(self, model: pm.Model) -> pm.Model:
        """Rebuild a model of `build_model` with the parameters fixed that were not chosen.

        Parameters
        ----------
        model : pymc.Model
            The model that was asked, or another one of the same process model.

        Returns
        -------
        pymc.Model
            As `build_model` would give it with `fixed`.
        """
        return with_fixed(model, self.fixed)

    def describe(self) -> str:
        """Say what was chosen, and for each parameter why."""
        lines = [
            f"{len(self.chosen)} of {len(self.table)} parameters reproduce {self._reached():.1%} of the effects of all on the predictions."
        ]
        return "\n".join([*lines, *(f"{name}: {row['reason']}" for name, row in self.table.iterrows())])

    def _reached(self) -> float:
        return float(self.table["explained"][self.table["chosen"]].max())


def with_fixed(model: pm.Model, fixed: dict[str, float]) -> pm.Model:
    """Rebuild a calibration with more parameters fixed.

    Parameters
    ----------
    model : pymc.Model
        From `build_model`.
    fixed : dict of str to float
        Values by parameter or initial pool, in their units.

    Returns
    -------
    pymc.Model
        With the same data, priors, streams and pooling.

    Raises
    ------
    TypeError
        When the model was not made by `build_model`.
    ValueError
        For unknown names, and where nothing would be left.
    """
    c = calibration_of(model)
    strange = [n for n in fixed if n not in c.declared]
    if strange:
        raise ValueError(f"unknown parameters or initial pools {strange}; there are {', '.join(c.declared)}")
    if set(c.declared) <= {*c.fixed, *fixed}:
        raise ValueError("every parameter would be fixed; leave some to be calibrated")
    new = replace(c, fixed={**c.fixed, **fixed}, initial={n: k for n, k in c.initial.items() if n not in fixed})
    dims = {*(f"{p.name}_observation" for p in c.streams), *(str(p.site_dim(len(c.records))) for p in c.streams), "site", "pft"}
    check_earlier(new)
    with pm.Model(coords={n: v for n, v in model.coords.items() if n in dims}) as built:
        add_parameters_and_streams(new)
    built.calibration, built.card = new, card(new)
    return built


def select_parameters(
    model: pm.Model | Density,
    number: int | None = None,
    *,
    at: Vector | None = None,
    positions: NDArray | None = None,
    draws: int = 64,
    keep: Sequence[str] = (),
    trajectories: int = 20,
    seed: int = 0,
) -> Selection:
    """Choose the parameters to calibrate.

    The predictions of all streams are differentiated with respect to the standard normal coordinates of the parameters at draws of the
    prior that fit best among eight times as many (those in which the vegetation dies say nothing of it). Parameters are then taken one by
    one, each time the one that, with those taken before, best reproduces the effects of all: one that is weak adds little, nor does one
    whose effects the others can produce (orthogonal selection: Yao et al. 2003, doi 10.1081/PRE-120024426; the collinearity of Brun et
    al. 2001). Each stream counts the same. Reproducing is limited by the prior and by a noise of 5 % of the sd of the
    observations.

    Parameters
    ----------
    model : pymc.Model or Density
        From `build_model`, with everything free that may be calibrated.
    number : int, optional
        How many to calibrate; default as many as reproduce 95 % of the effects.
    at : numpy.ndarray, optional
        Flat vector whose parameters are the values at which others are fixed; default the middle of the draws that fit best.
    positions : numpy.ndarray, optional
        Standard normal coordinates of the parameters (n, d) at which to differentiate, and among which the middle is taken; default the
        draws of the prior that fit best.
    draws : int
        How many draws of the prior, the best of eight times as many.
    keep : sequence of str
        Parameters that are calibrated in any case.
    trajectories : int
        Of Morris, for the interactions.
    seed : int
        Seed.

    Returns
    -------
    Selection
        The choice, with reasons; its ``fixed`` goes to `build_model`.

    Raises
    ------
    TypeError
        When the model was not made by `build_model`.
    ValueError
        For unknown names, numbers out of range, several sites with values of their own, and where every draw failed.
    """
    plain = model.model if isinstance(model, Density) else model
    c = calibration_of(plain)
    response = response_of(plain, "mean", by="step")
    _check(response, number, keep)
    misfit = _misfit(response, c)
    if positions is None:
        positions = _plausible(misfit, draws, seed)
    grams, effects, failed = _grams(response, c, positions)
    order = _greedy(grams, [response.names.index(n) for n in keep])
    explained = [_explained(grams, order[: k + 1]) for k in range(len(order))]
    enough = number or int(np.argmax(np.array(explained) >= ENOUGH)) + 1
    screened = morris(misfit, trajectories, seed=seed, resamples=2)
    mixed = (screened["sigma"] / screened["mu_star"].where(screened["mu_star"] > 0)).max("output").fillna(0.0).to_series()
    values = _values(plain, response, positions, at)
    rows = {}
    for k, i in enumerate(order):
        name, above = response.names[i], order[: min(k, enough)]
        row: dict[str, Any] = {"chosen": k < enough, "explained": explained[k]}
        row |= {f"effect {s}": float(e[i]) for s, e in effects.items()}
        row |= {"alone": _alone(grams, i, above), "contraction": _contraction(grams, order[:enough], i) if k < enough else 0.0}
        row |= {"interaction": float(mixed[name]), "fixed_at": np.nan if k < enough else values[name]}
        mimics = [response.names[j] for j in _mimics(grams, i, above)]
        rows[name] = row | {"reason": _reason(name, row, mimics, c, name in keep, explained[k] - (explained[k - 1] if k else 0.0))}
    table = pd.DataFrame.from_dict(rows, orient="index")
    fixed = {n: float(values[n]) for n in table.index[~table["chosen"].to_numpy(dtype=bool)]}
    return Selection(list(table.index[table["chosen"].to_numpy(dtype=bool)]), fixed, table, failed, response.notes)


def _check(response: Response, number: int | None, keep: Sequence[str]) -> None:
    several = [n for n in response.names if "[" in n]
    if several:
        raise ValueError(f"values by site or type ({several[0]}, ...) cannot be fixed at one number; select with a model of one site")
    strange = [n for n in keep if n not in response.names]
    if strange:
        raise ValueError(f"unknown parameters {strange}; there are {', '.join(response.names)}")
    if number is not None and not max(1, len(keep)) <= number <= response.size:
        raise ValueError(f"number={number}: choose {max(1, len(keep))} to {response.size} parameters")


def _misfit(response: Response, c: Calibration) -> Response:
    """Measure the RMSE of each stream in sd of its observations, from predictions by step: nothing is compiled again."""
    streams = response.table["stream"].to_numpy(dtype=str)
    observed = {p.name: np.concatenate([s.values for s in p.series]) for p in c.streams}

    def run(z: Vector) -> Vector:
        found = response(z[None])[0]
        return np.array([np.sqrt(np.mean((found[streams == n] - y) ** 2)) / (y.std() or 1.0) for n, y in observed.items()])

    table = pd.DataFrame({"output": [f"rmse {n}" for n in observed], "stream": list(observed), "time": np.nan})
    return Response(response.names, table, run)


def _plausible(misfit: Response, draws: int, seed: int) -> NDArray:
    z = np.random.default_rng(seed).standard_normal((TRIES * draws, misfit.size))
    size = misfit(z).sum(axis=1)
    order = np.argsort(size)[: min(draws, int(np.isfinite(size).sum()))]
    if not order.size:
        raise ValueError(f"none of {len(z)} draws of the prior ran; narrow the priors, or give positions")
    return z[order]


def _grams(response: Response, c: Calibration, positions: NDArray) -> tuple[NDArray, dict[str, NDArray], int]:
    """Multiply the scaled derivatives with each other at each draw (n, d, d); with root mean square effects by stream."""
    streams = response.table["stream"].to_numpy(dtype=str)
    spread = {p.name: float(np.concatenate([s.values for s in p.series]).std()) or 1.0 for p in c.streams}
    slopes = []
    for z in positions:
        with np.errstate(all="ignore"):
            found = response.jacobian(z)
        if np.isfinite(found).all() and np.any(found):
            slopes.append(found)
    if not slopes:
        raise ValueError(f"none of {len(positions)} draws of the prior ran with its neighbours; narrow the priors, or give positions")
    grams, squares = np.zeros((len(slopes), response.size, response.size)), {}
    for name, sd in spread.items():
        scaled = np.stack([s[streams == name] for s in slopes]) / sd
        of_stream = np.einsum("nti,ntj->nij", scaled, scaled) / scaled.shape[1]
        squares[name] = np.einsum("nii->ni", of_stream)
        grams += of_stream / len(spread)
    # A draw in which little happens counts little, one in which all runs away no more than others.
    size = np.einsum("nii->n", grams)
    weights = np.minimum(1.0, np.median(size) / np.maximum(size, 1e-300))
    effects = {n: np.sqrt(np.average(s, axis=0, weights=weights)) for n, s in squares.items()}
    return grams * weights[:, None, None], effects, len(positions) - len(slopes)


def _left(grams: NDArray, taken: list[int]) -> NDArray:
    """Squared effect of each parameter that those taken cannot reproduce, at each draw (n, d)."""
    whole = np.einsum("nii->ni", grams)
    if not taken:
        return whole
    cross = grams[:, taken, :]
    inner = cross[:, :, taken] + NOISE**2 * np.eye(len(taken))
    left = np.maximum(whole - np.einsum("nsi,nsi->ni", cross, np.linalg.solve(inner, cross)), 0.0)
    left[:, taken] = 0.0
    return left


def _explained(grams: NDArray, taken: list[int]) -> float:
    return float(1 - _left(grams, taken).sum() / np.einsum("nii->", grams))


def _greedy(grams: NDArray, first: list[int]) -> list[int]:
    taken = list(first)
    while len(taken) < grams.shape[1]:
        others = [i for i in range(grams.shape[1]) if i not in taken]
        taken.append(max(others, key=lambda i: _explained(grams, [*taken, i])))
    return taken


def _alone(grams: NDArray, i: int, above: list[int]) -> float:
    whole, left = grams[:, i, i].sum(), _left(grams, [j for j in above if j != i])[:, i].sum()
    return float(left / whole) if whole > 0 else 0.0


def _contraction(grams: NDArray, taken: list[int], i: int) -> float:
    precision = np.eye(len(taken)) + grams[:, taken][:, :, taken] / NOISE**2
    sd = np.sqrt(np.linalg.inv(precision)[:, taken.index(i), taken.index(i)])
    return float(1 - np.median(sd))


def _mimics(grams: NDArray, i: int, above: list[int]) -> list[int]:
    """Fewest of those above, at most three, that reproduce most of what all of them reproduce of a parameter."""
    found: list[int] = []
    target = _alone(grams, i, above)
    while len(found) < min(3, len(above)) and (not found or _alone(grams, i, found) > target + 0.1):
        found.append(min((j for j in above if j not in found), key=lambda j: _alone(grams, i, [*found, j])))
    return found


def _values(model: pm.Model, response: Response, positions: NDArray, at: Vector | None) -> dict[str, float]:
    assert response.position is not None  # it is that of a model
    position = response.position(np.mean(positions, axis=0)) if at is None else np.asarray(at, dtype=float)
    found = FlatSpace(model).expand(position)
    return {n: float(np.ravel(found[n])[0]) for n in response.names}


def _reason(name: str, row: dict[str, Any], mimics: list[str], c: Calibration, kept: bool, gain: float) -> str:
    effects = {k.removeprefix("effect "): v for k, v in row.items() if k.startswith("effect ")}
    best = max(effects, key=lambda s: effects[s])
    size = f"a prior sd of it moves {best} by {effects[best]:.2g} sd"
    unit = c.declared[name][0].unit
    if row["chosen"]:
        why = f"calibrate: {size}, {row['alone']:.0%} of which nothing above it can do; adds {gain:.1%} of all effects"
        if kept:
            why = f"calibrate, as asked: {size}"
        return why + ("; its effect depends on the values of others" if row["interaction"] > 1 else "")
    value = f"fix at {row['fixed_at']:.4g}{f' {unit}' if unit != '1' else ''}"
    if effects[best] < WEAK:
        return f"{value}: no stream sees it ({size})"
    if row["alone"] < 1 - ALIKE and mimics:
        return f"{value}: {' and '.join(mimics)} can do {1 - row['alone']:.0%} of what it does"
    also = f", of which {' and '.join(mimics)} can do {1 - row['alone']:.0%}" if mimics and row["alone"] < 0.5 else ""
    return f"{value}: weak, {size}{also}; would add {gain:.1%} of all effects"
