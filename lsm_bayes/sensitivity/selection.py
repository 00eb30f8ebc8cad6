"""Which parameters to calibrate: those with which the model, run anew, comes closest to the observations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm

from lsm_bayes.calibration.choices import Calibration
from lsm_bayes.calibration.predict import calibration_of
from lsm_bayes.inference.flat import FlatSpace, Vector
from lsm_bayes.inference.point import Density

from .fixed import with_fixed
from .forward import Path, forward_selection
from .misfit import Misfit
from .overlap import alone, contraction, mimics
from .response import Response
from .sampled import morris

ENOUGH = 0.95
"""Share of the fall of the misfit that those which are chosen have to reach."""
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
        Index: parameter, those chosen first. ``chosen``; ``explained``: share of the fall of the misfit that this one and those above it
        reach; ``agreed``: share of the starts from which it is chosen; ``effect <stream>``: change of the predictions by a prior sd of
        it, root mean square over observations and starts, in sd of the observations; ``alone``: share of its effect that no parameter
        above it reproduces; ``contraction``: 1 - posterior sd / prior sd among those chosen, in the linear approximation;
        ``interaction``: sigma / mu* of Morris on the misfit; ``fixed_at``; ``reason`` in words. Effects are those where the refits
        ended.
    runs, failed : int
        Of the model; those that failed.
    notes : list of str
        What is approximate.
    """

    chosen: list[str]
    fixed: dict[str, float]
    table: pd.DataFrame
    runs: int
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
        reached = float(self.table["explained"][self.table["chosen"]].max())
        lines = [f"{len(self.chosen)} of {len(self.table)} parameters bring {reached:.1%} of what all bring to the fit."]
        return "\n".join([*lines, *(f"{name}: {row['reason']}" for name, row in self.table.iterrows())])


def select_parameters(
    model: pm.Model | Density,
    number: int | None = None,
    *,
    at: Vector | None = None,
    starts: int = 4,
    draws: int = 512,
    keep: Sequence[str] = (),
    trajectories: int = 20,
    seed: int = 0,
) -> Selection:
    """Choose the parameters to calibrate.

    All parameters stand at the prior median. They are freed one by one, each time the one with which a step of Gauss-Newton, run anew,
    brings the model closest to the observations: one that is weak brings little, nor does one whose effect those taken before have or that
    does not help. After each addition those that are free are refitted. This is done from the prior median, and from the draws of the
    prior that fit best; the start that leads closest to the observations is taken, and what is not chosen is fixed where it stood at that
    start. A full calibration is not needed. The misfit is a sum of squares in which each stream counts the same, with an error of 5 % of
    the sd of the observations for their mean, the prior, and potentials that depend on the parameters alone.

    A choice is for given data and fixed values: where several sets do as well (see ``agreed``), the set says little about processes.

    Parameters
    ----------
    model : pymc.Model or Density
        From `build_model`, with everything free that may be calibrated.
    number : int, optional
        How many to calibrate; default as many as bring 95 % of the fall of the misfit.
    at : numpy.ndarray, optional
        Flat vector whose parameters are the values at which others are fixed, and from which alone to start.
    starts : int
        From how many points to start.
    draws : int
        Draws of the prior among which the starts beside its median are.
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
        For unknown names, numbers out of range, several sites with values of their own, and where every run failed.
    """
    plain = model.model if isinstance(model, Density) else model
    c, misfit = calibration_of(plain), Misfit(plain)
    response = misfit.response
    _check(response, number, keep, starts)
    points = misfit.starts(starts, draws, seed)
    if at is not None:
        points = _coordinates(response, at)[None]
    first = [response.names.index(n) for n in keep]
    paths = [forward_selection(misfit, z, first) for z in points]
    enough = number or max(_enough(min(paths, key=lambda p: p.misfits[-1])), len(keep))
    path = min(paths, key=lambda p: p.misfits[enough])
    grams, effects = misfit.effects(np.stack([p.places[enough] for p in paths]))
    by_stream = misfit.by_stream()
    screened = morris(by_stream, trajectories, seed=seed, resamples=2)
    mixed = (screened["sigma"] / screened["mu_star"].where(screened["mu_star"] > 0)).max("output").fillna(0.0).to_series()
    values, explained = _values(plain, response, path.places[0]), _explained(path)
    rows = {}
    for k, i in enumerate(path.order):
        name, above = response.names[i], path.order[: min(k, enough)]
        row: dict[str, Any] = {"chosen": k < enough, "explained": explained[k + 1]}
        row["agreed"] = float(np.mean([i in p.order[:enough] for p in paths]))
        row |= {f"effect {s}": float(e[i]) for s, e in effects.items()}
        row |= {"alone": alone(grams, i, above), "contraction": contraction(grams, path.order[:enough], i) if k < enough else 0.0}
        row |= {"interaction": float(mixed[name]), "fixed_at": np.nan if k < enough else values[name]}
        like = [response.names[j] for j in mimics(grams, i, above)]
        rows[name] = row | {"reason": _reason(name, row, like, c, name in keep, explained[k + 1] - explained[k])}
    table = pd.DataFrame.from_dict(rows, orient="index")
    chosen = table["chosen"].to_numpy(dtype=bool)
    fixed = {n: float(values[n]) for n in table.index[~chosen]}
    return Selection(list(table.index[chosen]), fixed, table, response.runs, response.failures, misfit.notes)


def _check(response: Response, number: int | None, keep: Sequence[str], starts: int) -> None:
    several = [n for n in response.names if "[" in n]
    if several:
        raise ValueError(f"values by site or type ({several[0]}, ...) cannot be fixed at one number; select with a model of one site")
    strange = [n for n in keep if n not in response.names]
    if strange:
        raise ValueError(f"unknown parameters {strange}; there are {', '.join(response.names)}")
    if number is not None and not max(1, len(keep)) <= number <= response.size:
        raise ValueError(f"number={number}: choose {max(1, len(keep))} to {response.size} parameters")
    if starts < 1:
        raise ValueError(f"starts={starts}: start from 1 point or more")


def _coordinates(response: Response, at: Vector) -> Vector:
    """Coordinates of a flat vector; those of `build_model` are standard normal as they are, so that the map is a shift."""
    assert response.position is not None  # it is that of a model
    base, beside = response.position(np.zeros(response.size)), response.position(np.ones(response.size))
    if np.shape(at) != base.shape:
        raise ValueError(f"at has shape {np.shape(at)}; give a flat unconstrained vector of shape {base.shape}")
    active = np.flatnonzero(beside != base)
    found: Vector = (np.asarray(at, dtype="float64") - base)[active] / (beside - base)[active]
    return found


def _explained(path: Path) -> Vector:
    fall = path.misfits[0] - path.misfits
    return fall / max(fall[-1], 1e-300)


def _enough(path: Path) -> int:
    return max(int(np.argmax(_explained(path) >= ENOUGH)), 1)


def _values(model: pm.Model, response: Response, z: Vector) -> dict[str, float]:
    assert response.position is not None  # it is that of a model
    found = FlatSpace(model).expand(response.position(z))
    return {n: float(np.ravel(found[n])[0]) for n in response.names}


def _reason(name: str, row: dict[str, Any], like: list[str], c: Calibration, kept: bool, gain: float) -> str:
    effects = {k.removeprefix("effect "): v for k, v in row.items() if k.startswith("effect ")}
    best = max(effects, key=lambda s: effects[s])
    size = f"a prior sd of it moves {best} by {effects[best]:.2g} sd"
    unit = c.declared[name][0].unit
    if row["chosen"]:
        why = f"calibrate, {'as asked' if kept else f'brings {gain:.1%} of the fit'}: {size}"
        why += f", {row['alone']:.0%} of which nothing above it can do"
        return why + ("; its effect depends on the values of others" if row["interaction"] > 1 else "")
    value = f"fix at {row['fixed_at']:.4g}{f' {unit}' if unit != '1' else ''}"
    if effects[best] < WEAK:
        return f"{value}: no stream sees it ({size})"
    if row["alone"] < 1 - ALIKE and like:
        return f"{value}: {' and '.join(like)} can do {1 - row['alone']:.0%} of what it does"
    also = f", of which {' and '.join(like)} can do {1 - row['alone']:.0%}" if like and row["alone"] < 0.5 else ""
    return f"{value}: would bring {gain:.1%} more of the fit; {size}{also}"
