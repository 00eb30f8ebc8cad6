"""The ensemble Kalman filter and smoother of a calibration: states and parameters together, window by window."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from ..inverse import InverseProblem
from .analysis import EnsembleUpdate, as_update
from .filter import Filtered, filter_ensemble
from .members import Members
from .stepped import LEAST, SteppedModel, check_noise


def ensemble_kalman_filter(
    model: pm.Model | InverseProblem,
    members: int = 100,
    window: Literal["day", "week", "month", "year"] = "week",
    *,
    process_noise: Mapping[str, float] | None = None,
    parameter_noise: float = 0.0,
    state_scale: Literal["log", "linear"] = "log",
    smooth: bool = True,
    lag: int | None = None,
    update: EnsembleUpdate | str = "square_root",
    exact_moments: bool = True,
    seed: int = 0,
    progress: bool = False,
) -> xr.DataTree:
    """Estimate states and parameters in sequence, by the ensemble Kalman filter and smoother with state augmentation.

    Evensen (2003, doi 10.1007/s10236-003-0036-9); smoother of Evensen and van Leeuwen (2000); the process model is stepped from the end of
    one window to that of the next, and restarted from the updated states and parameters. Where other methods take the process model as
    perfect, this one lets states err: with process noise, pools are drawn to the observations, and parameters do not make up for it.
    Each observation is used once, the first of them where members are widest and predictions furthest from linear: with a perfect
    model and wide priors, methods that use all observations in several steps are better (`ensemble_kalman_inversion`).

    Parameters
    ----------
    model : pymc.Model or InverseProblem
        From `lsm_bayes.build_model`, of one site, with independent errors. Priors of parameters and initial pools are those of the model.
    members : int
        Size of the ensemble.
    window : {"day", "week", "month", "year"}
        Calendar periods at whose ends the ensemble is updated with all observations of the period.
    process_noise : mapping of str to float, optional
        Standard deviation by state, that grows with the square root of the time: of its logarithm (a share) in one day, or in its own unit
        where ``state_scale`` is linear. None by default: then states err only as their parameters do.
    parameter_noise : float
        Random walk of all unconstrained parameters in one day, in prior standard deviations. Parameters that wander are not calibrated, the
        posterior is then that of the last day.
    state_scale : {"log", "linear"}
        Scale on which states are updated. In a window where a state is not positive in all members, it is updated as it is.
    smooth : bool
        Update the states of earlier windows too (EnKS).
    lag : int, optional
        How many windows back; all without.
    update : EnsembleUpdate or {"square_root", "perturbed"}
        How members are updated; the taper is ``"correlation"`` or None.
    exact_moments : bool
        Give the first members the mean and covariance of the prior exactly, where they are more than the elements.
    seed : int
        Seed.
    progress : bool
        Show a progress bar.

    Returns
    -------
    xarray.DataTree
        The members at the end as draws of one chain; group ``states`` with every state by ``stage`` (forecast, analysed, smoothed), window
        and member, at the end of each window; group ``windows`` with unconstrained ``position`` of the parameters of the members,
        ``failed`` members (replaced by draws from the others) and ``log_evidence``.

    Raises
    ------
    TypeError
        When the model was not made by `build_model`.
    ValueError
        For models that cannot be stepped, see `SteppedModel`, and tapers of given weights.
    KeyError
        For unknown states.
    RuntimeError
        If nearly all members fail.
    """
    how = as_update(update)
    if state_scale not in ("log", "linear"):
        raise ValueError(f"got state_scale={state_scale!r}; accepted are 'log' and 'linear'")
    if how.taper is not None and not isinstance(how.taper, str):
        raise ValueError("windows have different observations, so a taper of given weights does not fit; give taper='correlation' or None")
    settings: dict[str, Any] = {"members": members, "window": window, "smooth": smooth, "lag": lag, "exact_moments": exact_moments}
    settings |= {"process_noise": dict(process_noise or {}), "parameter_noise": parameter_noise, "state_scale": state_scale}
    settings |= how.describe()
    with Members(model, "enks" if smooth else "enkf", settings, seed, None, progress) as run:
        stepped = SteppedModel(run.problem, members, window)
        noise, size = check_noise(process_noise or {}, stepped.states), run.problem.size
        walk = parameter_noise * np.sqrt(np.diag(run.problem.prior[1]))
        x = run.from_prior(members, exact_moments)
        # Windows differ in the scale of a state: leaves are zero in some winters.
        logs = np.zeros((len(stepped.ends) + 1, len(stepped.states)), dtype=bool)

        def encoded(states: NDArray, k: int) -> NDArray:
            good = states[np.isfinite(states).all(axis=1)]
            logs[k] = state_scale == "log" and bool(len(good)) and (good > LEAST).all(axis=0)
            with np.errstate(invalid="ignore", divide="ignore"):
                return np.where(logs[k], np.log(np.where(logs[k], states, 1.0)), states)

        def decoded(values: NDArray, k: int) -> NDArray:
            return np.where(logs[k], np.exp(np.where(logs[k], values, 0.0)), values)

        def forecast(k: int, augmented: NDArray) -> tuple[NDArray, NDArray]:
            elements = augmented[:, :size]
            states, predicted = stepped.step(k, elements, decoded(augmented[:, size:], k))
            own = np.sqrt(stepped.days(k))
            coded = encoded(states, k + 1)
            relative = np.where(logs[k + 1] | (state_scale == "linear"), 1.0, states)
            coded = coded + own * noise * relative * run.rng.standard_normal(coded.shape)
            elements = elements + own * walk * run.rng.standard_normal(elements.shape)
            return np.hstack([elements, coded]), predicted

        start = np.hstack([x, encoded(stepped.initial(x), 0)])
        found = filter_ensemble(start, forecast, stepped.observed, update=how, rng=run.rng, smooth=smooth, lag=lag, advance=run.advance)
        # The windows together are one run of each member.
        run.problem.forward_runs += members
        run.problem.failures += int(found.failed.sum())
        evidence = float(found.log_evidence.sum()) + run.problem.log_normaliser
        tree = run.result(found.analysed[-1, :, :size], log_evidence=evidence, failed_members=int(found.failed.sum()))
        states = {
            name: np.stack([decoded(v[k, :, size:], k + 1) for k in range(len(v))])
            for name, v in (("forecast", found.forecast), ("analysed", found.analysed), ("smoothed", found.smoothed))
        }
    tree["states"] = xr.DataTree(_states(stepped, states))
    tree["windows"] = xr.DataTree(_windows(stepped, found, run.problem))
    return tree


def _states(stepped: SteppedModel, states: Mapping[str, NDArray]) -> xr.Dataset:
    values, declared = np.stack(list(states.values())), stepped.declared_states
    return xr.Dataset(
        {n: (("stage", "window", "member"), values[..., i], {"units": declared[n]}) for i, n in enumerate(stepped.states)},
        coords={"stage": list(states), "window": stepped.end_times},
    )


def _windows(stepped: SteppedModel, found: Filtered, problem: InverseProblem) -> xr.Dataset:
    return xr.Dataset(
        {
            "position": (("window", "member", "element"), found.analysed[:, :, : problem.size]),
            "failed": ("window", found.failed, {"long_name": "members without finite states or predictions"}),
            "log_evidence": ("window", found.log_evidence, {"long_name": "without the constant of the errors", "units": "nat"}),
        },
        coords={"window": stepped.end_times, "element": problem.names},
    )
