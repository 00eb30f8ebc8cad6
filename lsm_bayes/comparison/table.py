"""Models of the same observations side by side."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from lsm_bayes.comparison.cross_validation import GROUP
from lsm_bayes.comparison.evidence import ATTRIBUTE
from lsm_bayes.comparison.weights import evidence_weights, pseudo_bma_weights, stacking_weights
from lsm_bayes.diagnostics.gates import Gates, check
from lsm_bayes.diagnostics.result import attribute

FEW_UNITS = 10
"""Below this number of units standard errors and weights are rough."""


@dataclass(frozen=True)
class Comparison:
    """What was compared.

    Attributes
    ----------
    table : pandas.DataFrame
        By model, best first: ``elpd``, ``elpd_se``, ``elpd_error`` (Monte Carlo), ``difference`` to the best, ``difference_se``, ``p_eff``,
        ``stacking``, ``pseudo_bma``, ``worst_k``, ``refits``, ``sound`` (units whose score can be trusted), ``gates_failed``,
        ``log_evidence``, ``log_evidence_error``, ``evidence_weight``. Log densities in nats.
    by_unit : pandas.DataFrame
        ``elpd`` of each unit (row) by model (column), nats.
    units : pandas.DataFrame
        ``observations``, ``start`` and ``end`` of each unit.
    unit : str
        What a unit is.
    good_k : float
        Limit of Pareto k.
    gates : dict of str to Gates
        Of each model's own fit.
    """

    table: pd.DataFrame
    by_unit: pd.DataFrame
    units: pd.DataFrame
    unit: str
    good_k: float
    gates: dict[str, Gates]

    def __str__(self) -> str:
        """Show the table, and what the unit is."""
        shown = self.table.drop(columns=["elpd_error", "log_evidence_error"]).dropna(axis=1, how="all")
        few = f"\nOnly {len(self.units)} units: standard errors and weights are rough." if len(self.units) < FEW_UNITS else ""
        return f"{shown.to_string(float_format=lambda x: f'{x:.3g}' if abs(x) < 10 else f'{x:.1f}')}\nunit: {self.unit}{few}"


def compare(results: Mapping[str, xr.DataTree]) -> Comparison:
    """Compare models by what they say of observations that they were not fitted to.

    Parameters
    ----------
    results : mapping of str to xarray.DataTree
        Results by name, each with the group ``cross_validation`` from `cross_validate`, of the same units; and with the attribute
        ``log_evidence`` where `log_evidence` was asked for.

    Returns
    -------
    Comparison
        Table, scores by unit and gates. The standard errors treat units as independent draws; of a difference between two models it is
        that of the sum of the paired differences (Vehtari et al. 2017, doi 10.1007/s11222-016-9696-4, eq. 24).

    Raises
    ------
    ValueError
        For fewer than two results, a result without scores, and results of other observations or units.
    """
    if len(results) < 2:
        raise ValueError(f"a comparison needs at least two results, got {len(results)}: {', '.join(results) or 'none'}")
    scores = {name: _scores(name, tree) for name, tree in results.items()}
    first, reference = next(iter(scores.items()))
    for name, found in scores.items():
        _same(first, reference, name, found)
    names = list(scores)
    elpd = np.stack([scores[n]["elpd"].values for n in names], axis=1)
    evidence = {n: attribute(results[n], ATTRIBUTE) or {} for n in names}
    logs = np.array([float(evidence[n].get("value", np.nan)) for n in names])
    gates = {n: check(results[n]) for n in names}
    best = int(np.argmax(elpd.sum(axis=0)))
    difference = elpd - elpd[:, [best]]
    finite = bool(np.isfinite(elpd).all())
    table = pd.DataFrame(
        {
            "elpd": elpd.sum(axis=0),
            "elpd_se": _se(elpd),
            "elpd_error": [float(np.sqrt(np.sum(scores[n]["elpd_error"].values ** 2))) for n in names],
            "difference": difference.sum(axis=0),
            "difference_se": np.where(np.arange(len(names)) == best, 0.0, _se(difference)),
            "p_eff": [float((scores[n]["lpd"] - scores[n]["elpd"]).sum()) for n in names],
            "stacking": stacking_weights(elpd) if finite else np.nan,
            "pseudo_bma": pseudo_bma_weights(elpd) if finite else np.nan,
            "worst_k": [float(scores[n]["pareto_k"].max()) for n in names],
            "refits": [int(scores[n]["exact"].sum()) for n in names],
            "sound": [int(sound(scores[n]).sum()) for n in names],
            "gates_failed": [len(gates[n].failed) for n in names],
            "log_evidence": logs,
            "log_evidence_error": [float(evidence[n].get("error", np.nan)) for n in names],
            "evidence_weight": evidence_weights(logs),
        },
        index=pd.Index(names, name="model"),
    ).sort_values("elpd", ascending=False)
    units = reference[["observations", "start", "end"]].to_dataframe()
    by_unit = pd.DataFrame(elpd, index=units.index, columns=pd.Index(names, name="model"))[list(table.index)]
    return Comparison(table, by_unit, units, str(reference.attrs["unit"]), float(reference.attrs["good_k"]), gates)


def sound(scores: xr.Dataset) -> np.ndarray:
    """Say of each unit whether its score can be trusted.

    Parameters
    ----------
    scores : xarray.Dataset
        From `cross_validate`.

    Returns
    -------
    numpy.ndarray of bool
        From a refit that converged, or a Pareto k below the limit.
    """
    return np.where(scores["exact"].values, scores["converged"].values, scores["pareto_k"].values <= scores.attrs["good_k"])


def _se(values: np.ndarray) -> np.ndarray:
    """Return the standard error of a sum over units, (model,)."""
    n = len(values)
    return np.sqrt(n * values.var(axis=0, ddof=1)) if n > 1 else np.full(values.shape[1], np.nan)


def _scores(name: str, tree: xr.DataTree) -> xr.Dataset:
    if GROUP not in tree.children:
        raise ValueError(
            f"{name!r} has no group {GROUP!r}; it has {', '.join(tree.children)}. Make it with `lsm-bayes calibrate --leave-out`, "
            "or with lsm_bayes.cross_validate(model, result) and keep the result with lsm_bayes.save_result"
        )
    return tree[GROUP].to_dataset()


def _same(first: str, reference: xr.Dataset, name: str, found: xr.Dataset) -> None:
    if found.attrs["observations_hash"] != reference.attrs["observations_hash"]:
        counts = [int(s["observations"].sum()) for s in (reference, found)]
        raise ValueError(
            f"{first!r} and {name!r} were fitted to different observations ({counts[0]} and {counts[1]} scored): their densities cannot be "
            "compared. Fit both to the same streams, sites, periods and averaging"
        )
    if found.attrs["folds"] != reference.attrs["folds"] or list(found["unit"].values) != list(reference["unit"].values):
        raise ValueError(
            f"{first!r} and {name!r} were scored with different units: {reference.attrs['folds']} and {found.attrs['folds']}; "
            "call cross_validate with the same folds for both"
        )
