"""Verify a reference posterior with a new run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lsm_bayes import models
from lsm_bayes.inference import sample
from lsm_bayes.reference.case import Case, case_of, modes_of
from lsm_bayes.reference.summary import checks_of, summary_of

STATISTICS = ("mean", "sd")
WITHIN = 4.0
"""Most Monte Carlo standard errors, those of both runs combined, between a reference and a new run."""


@dataclass(frozen=True)
class Verification:
    """How a new run compares with the reference posterior of a model.

    Parameters
    ----------
    name : str
        Model.
    differences : pandas.DataFrame
        Index: parameters; columns ``mean`` and ``sd``: new less reference, in combined Monte Carlo standard errors. Empty where nothing
        was sampled.
    problems : tuple of str
        What does not hold, a sentence each.
    """

    name: str
    differences: pd.DataFrame
    problems: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the reference holds."""
        return not self.problems

    @property
    def largest(self) -> tuple[str, float]:
        """Statistic that differs most, such as ``"sd of f_auto"``, and by how many standard errors; NaN where nothing was sampled."""
        if self.differences.empty:
            return "", np.nan
        row, column = np.unravel_index(np.nanargmax(self.differences.abs().to_numpy()), self.differences.shape)
        return f"{self.differences.columns[column]} of {self.differences.index[row]}", float(self.differences.iat[row, column])


def check_reference(
    name: str, *, seed: int | None = None, draws: int | None = None, cores: int = 2, progress: bool = False
) -> Verification:
    """Sample a model again, with another seed, and compare with its reference posterior.

    Nothing is sampled where the data or the log-density are not those of the reference any more.

    Parameters
    ----------
    name : str
        Model with a reference posterior.
    seed : int, optional
        Seed; by default that of the reference plus one.
    draws : int, optional
        Draws of each chain; by default as many as the reference has. 0 compares data and log-density only.
    cores : int
        Chains that run at a time.
    progress : bool
        Show progress with time left.

    Returns
    -------
    Verification
        Holds where mean and sd of each parameter agree within 4 standard errors.

    Raises
    ------
    ValueError
        If the model has no reference, or `seed` is that of the reference.
    NotAvailableError
        If the data cannot be had here.
    """
    stored = models.reference_posterior(name)
    if stored is None:
        raise ValueError(f"model {name!r} has no reference posterior; `lsm-bayes check models {name} --make` makes it")
    seed = stored["seed"] + 1 if seed is None else seed
    if seed == stored["seed"]:
        raise ValueError(f"seed {seed} is that of the reference of {name!r}, and the same random numbers verify nothing; give another")
    case = case_of(name)
    problems = _changed(stored, case)
    settings = stored["sampling"]
    draws = settings["draws"] if draws is None else draws
    if problems or not draws:
        return Verification(name, pd.DataFrame(columns=list(STATISTICS)), tuple(problems))
    tree = sample(
        case.density,
        draws=draws,
        tune=settings["tune"],
        chains=settings["chains"],
        seed=seed,
        target_accept=settings["target_accept"],
        initial=modes_of(case, settings["starts"], seed, progress),
        cores=cores,
        progress=progress,
    )
    rhat = checks_of(tree)["rhat"]
    if not rhat["passed"]:
        problems.append(f"the new run did not converge, R-hat {rhat['value']:.4f} ({rhat['parameter']}): give more draws")
    old, new = (pd.DataFrame.from_dict(s, orient="index") for s in (stored["parameters"], summary_of(tree)))
    if set(old.index) != set(new.index):
        other = ", ".join(sorted(set(old.index) ^ set(new.index)))
        problems.append(f"these parameters are in one of reference and new run only: {other}")
    both = old.index.intersection(new.index)
    old, new = old.loc[both], new.loc[both]
    differences = pd.DataFrame({n: (new[n] - old[n]) / np.hypot(new[f"mcse_{n}"], old[f"mcse_{n}"]) for n in STATISTICS})
    problems += [
        f"{n} of {p} is {off:+.1f} standard errors from the reference ({new.at[p, n]:.5g}, there {old.at[p, n]:.5g})"
        for n in STATISTICS
        for p, off in differences[n].items()
        if not abs(off) < WITHIN  # NaN is no agreement
    ]
    return Verification(name, differences, tuple(problems))


def _changed(stored: Mapping[str, Any], case: Case) -> list[str]:
    """Say what is not as it was when the reference was made."""
    problems = [f"the reference fails its own check of {n}" for n, c in stored["checks"].items() if not c["passed"]]
    again = f"if that was meant, `lsm-bayes check models {stored['model']} --make` makes the reference anew"
    if stored["data_hash"] != case.data_hash:
        then, now = stored["data_hash"][:12], case.data_hash[:12]
        return [*problems, f"the data are not those of the reference: hash {now}..., there {then}...; {again}"]
    pairs = list(zip(stored["density"]["positions"], stored["density"]["log_density"], strict=True))
    if len(pairs[0][0]) != case.density.dimension:
        return [*problems, f"the model has {case.density.dimension} free coordinates, the reference {len(pairs[0][0])}; {again}"]
    if not all(case.density.agrees(np.array(p), value) for p, value in pairs):
        found = case.density(np.array(pairs[0][0]))[0]
        return [*problems, f"the model changed: log-density {found:.6f} at a stored point, in the reference {pairs[0][1]:.6f}; {again}"]
    return problems
