"""Make a reference posterior."""

import datetime
import json
from typing import Any

import numpy as np

from lsm_bayes import models
from lsm_bayes.diagnostics.result import attribute
from lsm_bayes.inference import sample
from lsm_bayes.inference.tree import package_versions
from lsm_bayes.reference.case import case_of, modes_of
from lsm_bayes.reference.summary import checks_of, rounded, summary_of

TARGET_ACCEPT = 0.9


def make_reference(
    name: str,
    *,
    seed: int = 1,
    draws: int = 1000,
    most_draws: int = 16_000,
    tune: int = 500,
    chains: int = 4,
    cores: int = 2,
    starts: int = 8,
    progress: bool = False,
) -> dict[str, Any]:
    """Sample a model of the collection on its reference data until the checks hold, and write ``reference.json`` beside it.

    Draws are doubled until they do, or until more than `most_draws` would be needed; the verdict is stored either way. After a divergence
    the target acceptance goes half of the way to one.

    Parameters
    ----------
    name : str
        Model with a function ``reference``.
    seed : int
        Seed of the search for modes and of the sampler.
    draws, most_draws : int
        Draws of each chain after tuning, at first and at most.
    tune, chains, cores : int
        Of the No-U-Turn sampler.
    starts : int
        Starts of the search for modes.
    progress : bool
        Show progress with time left.

    Returns
    -------
    dict
        What was written, see `lsm_bayes.models.reference_posterior`.

    Raises
    ------
    ValueError
        If the model names no reference data.
    NotAvailableError
        If these cannot be had here.
    """
    case = case_of(name)
    modes = modes_of(case, starts, seed, progress)
    settings: dict[str, Any] = {"draws": draws, "tune": tune, "chains": chains, "target_accept": TARGET_ACCEPT}
    spent = 0
    while True:
        tree = sample(case.density, seed=seed, initial=modes, cores=cores, progress=progress, **settings)
        spent += attribute(tree, "cost")["gradient_evaluations"]
        checks = checks_of(tree)
        if all(c["passed"] for c in checks.values()) or 2 * settings["draws"] > most_draws:
            break
        settings["draws"] *= 2
        if not checks["divergences"]["passed"]:
            settings["target_accept"] = (1.0 + settings["target_accept"]) / 2.0
    positions = np.array([[rounded(v) for v in row] for row in tree["unconstrained"].to_dataset()["position"].values[:3, -1]])
    record = {
        "model": name,
        "passed": all(c["passed"] for c in checks.values()),
        "checks": checks,
        "parameters": summary_of(tree),
        "seed": seed,
        "sampling": {"method": attribute(tree, "method"), **settings, "starts": starts, "modes": len(modes.laplace)},
        "cost": {"gradient_evaluations": int(spent + modes.cost["gradient_evaluations"])},
        "data_hash": case.data_hash,
        # Of the model, its priors and its data together; comments in its code do not change it.
        "density": {"positions": positions.tolist(), "log_density": [case.density(p)[0] for p in positions]},
        "versions": package_versions(),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    (models.folder(name) / "reference.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return record
