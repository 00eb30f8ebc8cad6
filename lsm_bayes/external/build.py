"""From an external model and observations to a plain PyMC model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from lsm_bayes.calibration import priors as prior_maps
from lsm_bayes.declare import Prior
from lsm_bayes.errors import correlated
from lsm_bayes.external.campaign import Campaign
from lsm_bayes.external.declaration import ExternalModel
from lsm_bayes.external.operation import BlackBox
from lsm_bayes.external.store import Keep
from lsm_bayes.vocabulary import convert, unknown


@dataclass(frozen=True)
class ExternalStream:
    """Observations of one output and their errors, normal.

    Parameters
    ----------
    output : str
        Name of the output; the observed variable is called the same.
    observed : array-like or xarray.DataArray
        Shape (size of the output,), missing values NaN: they are dropped. In the unit of the output, or with the attribute ``units``, from
        which they are converted.
    sd : float or array-like, optional
        Given standard deviation, in the unit of the observations, one for all or shape (size,).
    inferred_sd : float, optional
        Scale of the half-normal prior of a further sd that is inferred, ``<output>_sigma``, added in quadrature to `sd`.
    correlation : float
        Given AR(1) correlation of errors one place apart, in [0, 1); over a gap of g places it is the correlation to the power g.
    inferred_correlation : float, optional
        Instead: greatest value of a correlation that is inferred, ``<output>_phi``, uniform from 0.
    covariance : array-like, optional
        Instead of all: covariance of the errors, shape (size, size).
    """

    output: str
    observed: Any
    sd: Any = None
    inferred_sd: float | None = None
    correlation: float = 0.0
    inferred_correlation: float | None = None
    covariance: Any = None


def build_external_model(
    model: ExternalModel,
    streams: Sequence[ExternalStream],
    *,
    store: str | Path | None = None,
    priors: Mapping[str, Prior] | None = None,
    fixed: Mapping[str, float] | None = None,
    keep: Keep = "failed",
    rerun_failed: bool = False,
) -> pm.Model:
    """Build a plain PyMC model of the calibration of an external model.

    Priors are those of `lsm_bayes.build_model`: standard normal coordinates ``z`` (dimension ``parameter``), and for each parameter a
    deterministic variable in its unit. Runs that failed have no likelihood: minus infinity, or NaN with a covariance.

    Parameters
    ----------
    model : ExternalModel
        The declaration.
    streams : sequence of ExternalStream
        What is fitted, each output once.
    store, keep, rerun_failed
        Of the runs, see `Campaign`.
    priors : mapping of str to Prior, optional
        In place of the declared ones.
    fixed : mapping of str to float, optional
        Parameters that are not calibrated; those declared as fixed are added at their defaults unless they have a prior here.

    Returns
    -------
    pymc.Model
        ``model.external`` is the `Campaign`; its ``run_ahead`` carries out many runs side by side.

    Raises
    ------
    KeyError
        For unknown parameters and outputs.
    ValueError
        For observations and errors that do not fit the output.
    """
    priors, fixed = dict(priors or {}), dict(fixed or {})
    for name in [*priors, *fixed]:
        if name not in model.table:
            raise KeyError(f"{model.name}: {unknown('parameter', name, model.table)}")
    held = {n: default for n, (p, default) in model.table.items() if p.fixed and n not in priors} | fixed
    free = [n for n in model.table if n not in held]
    if not free:
        raise ValueError(f"{model.name}: all parameters are fixed; leave at least one free")
    names = [s.output for s in streams]
    twice = sorted({n for n in names if names.count(n) > 1})
    if not streams or twice:
        raise ValueError(f"{model.name}: {'no stream is given' if not streams else f'{twice[0]!r} is given twice'}; give each output once")
    prepared = [_Observations.of(model, s) for s in streams]
    campaign = Campaign(model, store, keep=keep, rerun_failed=rerun_failed)
    coords: dict[str, Any] = {"parameter": free} | {f"{p.name}_observation": p.places for p in prepared}
    with pm.Model(coords=coords) as built:
        z = pm.Normal("z", dims=("parameter",))
        values = []
        for i, name in enumerate(free):
            declared = model.table[name][0]
            values.append(pm.Deterministic(name, prior_maps.value(z[i], declared, priors.get(name))))
        everything = BlackBox(campaign, free, held)(pt.stack(values))
        for p in prepared:
            p.add(everything[model.slices[p.name]][p.places])
    built.external = campaign
    built.card = {
        "title": f"calibration of the external model {model.name}",
        "parameters": {n: prior_maps.describe(model.table[n][0], priors.get(n, model.table[n][0].prior)) for n in free},
        "fixed": held,
        "streams": {p.name: p.values.size for p in prepared},
        "identity": model.identity,
    }
    return built


def prior_ensemble(model: ExternalModel, number: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Draw parameter sets from the declared priors.

    Parameters
    ----------
    model : ExternalModel
        The declaration.
    number : int
        How many. More with the same seed begin with the same sets, so that an ensemble can grow.
    seed : int
        Of the random numbers.

    Returns
    -------
    dict of str to numpy.ndarray
        Shape (number,) for each parameter that is not declared as fixed.

    Raises
    ------
    ValueError
        For a number below 1.
    """
    if number < 1:
        raise ValueError(f"an ensemble of {number} runs was asked for; give at least 1")
    free = {n: p for n, (p, _) in model.table.items() if not p.fixed}
    drawn = np.random.default_rng(seed).standard_normal((number, len(free)))
    return {n: np.asarray(prior_maps.value(pt.constant(drawn[:, i]), p).eval()) for i, (n, p) in enumerate(free.items())}


@dataclass(frozen=True)
class _Observations:
    """What is observed of a stream."""

    stream: ExternalStream
    places: np.ndarray  # of the observations in the output
    values: np.ndarray
    sd: np.ndarray
    covariance: np.ndarray | None

    @property
    def name(self) -> str:
        return self.stream.output

    @classmethod
    def of(cls, model: ExternalModel, stream: ExternalStream) -> "_Observations":
        if stream.output not in model.outputs:
            raise KeyError(f"{model.name}: {unknown('output', stream.output, model.outputs)}")
        where, declared = f"{model.name}: stream {stream.output!r}", model.outputs[stream.output]
        values, factor = np.ravel(np.asarray(stream.observed, dtype="float64")), 1.0
        unit = stream.observed.attrs.get("units", declared.unit) if isinstance(stream.observed, xr.DataArray) else declared.unit
        if unit != declared.unit:
            # Two points show the factor, by which errors are multiplied, without the offset of degrees Celsius.
            zero, one = convert(np.array([0.0, 1.0]), unit, declared.unit)
            values, factor = convert(values, unit, declared.unit), float(one - zero)
        if values.size != declared.size:
            raise ValueError(
                f"{where} has {values.size} observations, and the output {declared.size} values; write NaN where it is missing"
            )
        places = np.flatnonzero(np.isfinite(values))
        if not places.size:
            raise ValueError(f"{where} has no observation that is finite")
        covariance = None
        if stream.covariance is not None:
            others = [n for n in ("sd", "inferred_sd", "inferred_correlation") if getattr(stream, n) is not None]
            if others or stream.correlation:
                raise ValueError(f"{where} has a covariance and {', '.join(others) or 'correlation'}; the covariance stands for all")
            covariance = np.asarray(stream.covariance, dtype="float64") * factor**2
            if covariance.shape != (declared.size, declared.size):
                raise ValueError(f"{where}: the covariance has shape {covariance.shape}, expected {(declared.size, declared.size)}")
            covariance = covariance[np.ix_(places, places)]
        elif stream.sd is None and stream.inferred_sd is None:
            raise ValueError(f"{where} has no sd of its errors; give sd, inferred_sd or covariance")
        if not 0.0 <= stream.correlation < 1.0 or (
            stream.inferred_correlation is not None and not 0.0 < stream.inferred_correlation <= 1.0
        ):
            raise ValueError(f"{where}: a correlation lies in [0, 1), and the greatest inferred one in (0, 1]")
        if stream.correlation and stream.inferred_correlation is not None:
            raise ValueError(f"{where} has a given and an inferred correlation; give one")
        sd = np.ravel(np.asarray(0.0 if stream.sd is None else stream.sd, dtype="float64")) * factor
        if sd.size not in (1, declared.size):
            raise ValueError(f"{where}: got {sd.size} sds, expected 1 or {declared.size}")
        sd = np.broadcast_to(sd, declared.size)[places]
        if not np.all(np.isfinite(sd)) or np.any(sd < 0) or (covariance is None and stream.inferred_sd is None and np.any(sd == 0)):
            raise ValueError(f"{where}: an sd is not positive and finite where there is an observation")
        return cls(stream, places, values[places], sd, covariance)

    def add(self, mean: Any) -> None:
        """Add the likelihood to the PyMC model in context."""
        name, dims = self.name, f"{self.name}_observation"
        if self.covariance is not None:
            pm.MvNormal(name, mean, cov=self.covariance, observed=self.values, dims=dims)
            return
        sd: Any = pt.constant(self.sd)
        if self.stream.inferred_sd is not None:
            sd = pt.sqrt(self.sd**2 + pm.HalfNormal(f"{name}_sigma", self.stream.inferred_sd) ** 2)
        gap = np.concatenate([[np.inf], np.diff(self.places).astype(float)])
        correlation: Any = pt.constant(np.where(np.isfinite(gap), self.stream.correlation ** np.where(np.isfinite(gap), gap, 1.0), 0.0))
        if self.stream.inferred_correlation is not None:
            standard = pm.Normal(f"{name}_phi_z")
            phi = pm.Deterministic(f"{name}_phi", self.stream.inferred_correlation * prior_maps.standard_cdf(standard))
            correlation = correlated.decay(phi, gap)
        pm.CustomDist(name, mean, sd, correlation, logp=_log_density, random=_random, observed=self.values, dims=dims)


def _log_density(value: Any, mean: Any, sd: Any, correlation: Any) -> Any:
    return correlated.log_density(value, mean, sd, correlation, 0.0)


def _random(mean: Any, sd: Any, correlation: Any, rng: np.random.Generator | None = None, size: Any = None) -> np.ndarray:
    shape = np.broadcast_shapes(np.shape(mean), np.shape(sd), np.shape(correlation))
    centre, width, memory = (np.atleast_2d(np.broadcast_to(v, shape)) for v in (mean, sd, correlation))
    return (centre + correlated.draw(rng or np.random.default_rng(), width, memory, np.zeros(1))).reshape(shape)
