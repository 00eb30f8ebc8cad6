"""The posterior of one calibration as the prior of the next: a normal in the coordinates in which parameters are sampled."""

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import arviz_stats
import numpy as np
import pymc as pm
import xarray as xr

from lsm_bayes.calibration.choices import Calibration
from lsm_bayes.calibration.departure import Departure, departure_of
from lsm_bayes.calibration.predict import calibration_of
from lsm_bayes.vocabulary import unknown

Key = tuple[str, str]
"""Parameter or initial pool; and the site or type whose value it is, empty where there is one value for all."""
RHAT_BELOW = 1.01  # as for a result that is called a posterior
DRAWS_A_COORDINATE = 10


class NotNormalWarning(UserWarning):
    """A posterior that is carried over as a normal is far from one."""


@dataclass(frozen=True)
class CarriedPosterior:
    """Normal approximation of a posterior, for ``build_model(prior_from=...)``; make one with `carry_over`.

    Attributes
    ----------
    calibration : Calibration
        The calibration whose posterior it is.
    keys : tuple of Key
        Coordinates.
    mean, covariance : numpy.ndarray
        (D,) and (D, D), of the coordinates, whose declared prior is standard normal.
    kind : {"full", "diagonal"}
        Whether correlations were kept.
    largest_correlation : float
        Largest absolute posterior correlation of two coordinates.
    departure : Departure
        What the normal loses.
    own_coordinates : bool
        Whether the process model's own coordinates of a group of parameters were in use.
    """

    calibration: Calibration
    keys: tuple[Key, ...]
    mean: np.ndarray
    covariance: np.ndarray
    kind: Literal["full", "diagonal"]
    largest_correlation: float
    departure: Departure
    own_coordinates: bool

    def describe(self) -> str:
        """Say which posterior, and how it is passed on.

        Returns
        -------
        str
            One sentence.
        """
        dropped = "" if self.kind == "full" else f", correlations of up to {self.largest_correlation:.2f} dropped"
        covariance = "full covariance" if self.kind == "full" else "variances only"
        return f"posterior of an earlier step, from {_said(self.calibration)}, as a normal with {covariance}{dropped}"


def _said(c: Calibration) -> str:
    before = f", after a step with {_said(c.earlier.calibration)}" if c.earlier is not None else ""
    return (" and ".join(p.name for p in c.streams) or "constraints") + before


def carry_over(tree: xr.DataTree | xr.Dataset, model: pm.Model, covariance: Literal["full", "diagonal"] = "full") -> CarriedPosterior:
    """Make the posterior of a calibration the prior of the next one: stepwise assimilation of streams.

    Give the result to ``build_model(..., prior_from=carried)``. Where the data of the steps are independent given the parameters and the
    posterior is normal in the sampled coordinates, the last step is the posterior of a simultaneous calibration. What is lost otherwise:

    - The normal has one mode, no skewness and no curved ridge. `Departure` measures that, but not the tails into which a later stream may
      pull: in forty twins of a two-pool model with a curved ridge (skewness about 1.2 a direction) the mean after two steps was up to 2
      posterior sd from that of the simultaneous calibration, in the median 0.2, and the skewness did not tell in which twins.
    - Without covariances (``"diagonal"``) the later steps may leave the ridge that the earlier ones allow.
    - A stream with a bias, or a model that cannot fit it, spoils the steps after it: parameters are tight before the contradiction is seen.
    - Parameters of error models are not carried over. Errors that two streams share are counted twice.

    Draws of the prior (`sample_prior`, the prior in the report) are those of the declared one; `sample_constrained_prior` draws from what
    is carried over.

    MacBean et al. (2016, doi 10.5194/gmd-9-3569-2016) compare steps, with and without covariance, with simultaneous assimilation. Peylin et
    al. (2016, doi 10.5194/gmd-9-3321-2016) is a case with three steps. Wutzler & Carvalhais (2014, doi 10.1002/2014JG002650) treat
    streams of unequal length. The last two are cited from memory.

    Parameters
    ----------
    tree : xarray.DataTree or Dataset
        Result of the earlier step, or its group ``posterior``: at least two chains, dimensions ``chain`` and ``draw``.
    model : pymc.Model
        The model that was sampled, from `build_model`.
    covariance : {"full", "diagonal"}
        What of the covariance is kept.

    Returns
    -------
    CarriedPosterior
        Mean and covariance in standard normal coordinates.

    Raises
    ------
    KeyError
        When the draws have no coordinates of the model.
    ValueError
        For another word, draws of another model, a single chain (also of a Laplace approximation), chains that disagree (R-hat above 1.01),
        fewer than ten effective draws for each coordinate, and coordinates that do not move or depend on each other linearly.
    TypeError
        When the model was not made by `build_model`.

    Warns
    -----
    NotNormalWarning
        When the draws are far from normal: skewness above 0.5 a direction, relative excess kurtosis beyond 0.2, or several modes.
    """
    if covariance not in ("full", "diagonal"):
        raise ValueError(unknown("covariance to carry over", covariance, ("full", "diagonal")))
    c = calibration_of(model)
    places = coordinates(model, c)
    posterior = tree["posterior"].to_dataset() if isinstance(tree, xr.DataTree) else tree
    draws = _draws(posterior, model, places)
    names = [" at ".join(k for k in key if k) for key in places]
    _check_draws(draws, names, attribute(tree, "method"))
    flat = draws.reshape(-1, draws.shape[-1])
    mean, found = flat.mean(axis=0), np.atleast_2d(np.cov(flat.T))
    sd = np.sqrt(np.diag(found))
    correlation = found / np.outer(sd, sd)
    values, vectors = np.linalg.eigh(correlation)
    if values[0] < 1e-10:
        alike = [names[i] for i in np.argsort(-np.abs(vectors[:, 0]))[: 3 if len(names) > 2 else 2]]
        raise ValueError(
            f"the covariance of the draws is not positive definite: {', '.join(alike)} depend on each other linearly (smallest eigenvalue "
            f"of the correlation {values[0]:.1e}); fix one of them, or draw more"
        )
    departure = departure_of(draws, mean, np.linalg.cholesky(found), names, _modes(tree))
    if departure.far:
        warnings.warn(
            f"the posterior from {_said(c)} is carried over as a normal, and it is not one: {departure.describe()}. A simultaneous "
            "calibration of all streams loses nothing.",
            NotNormalWarning,
            stacklevel=2,
        )
    largest = float(np.abs(correlation - np.eye(len(names))).max())
    kept = found if covariance == "full" else np.diag(sd**2)
    return CarriedPosterior(c, tuple(places), mean, kept, covariance, largest, departure, "coordinates_prior" in model.named_vars)


def coordinates(model: pm.Model, c: Calibration) -> dict[Key, tuple[str, int]]:
    """Find the standard normal coordinates of a model.

    Parameters
    ----------
    model : pymc.Model
        From `build_model`, or on its way.
    c : Calibration
        Its choices.

    Returns
    -------
    dict of Key to (str, int)
        Random variable and element; without those of hierarchies.
    """
    found: dict[Key, tuple[str, int]] = {}
    for rv in model.free_RVs:
        dims = model.named_vars_to_dims.get(rv.name, ())
        if not (rv.name == "z" or rv.name.startswith("z_")) or rv.name.endswith(("_level", "_spread", "_deviation")):
            continue
        names: Any = model.coords[dims[0]]
        members: Any = model.coords[dims[1]] if len(dims) > 1 else ("",)
        for i, name in enumerate(names):
            for j, member in enumerate(members):
                # A site alone has one block, whatever the pooling; its values are still those of the site or the type.
                own = {"site": c.groups.sites[0], "pft": c.groups.pfts[0]}.get(c.pooling[name].over or "", "") if rv.name == "z" else member
                found[name, own] = rv.name, i * len(members) + j
    return found


def attribute(tree: xr.DataTree | xr.Dataset, name: str) -> Any:
    """Root attribute of a result; None where it has none."""
    return json.loads(tree.attrs[name]) if name in tree.attrs else None


def _draws(posterior: xr.Dataset, model: pm.Model, places: Mapping[Key, tuple[str, int]]) -> np.ndarray:
    """Draws of the coordinates, (chain, draw, coordinate)."""
    blocks, coords = {}, dict[Any, Any](model.coords)
    for name in dict.fromkeys(v for v, _ in places.values()):
        if name not in posterior:
            raise KeyError(
                f"the draws have no {name!r}, the coordinates in which the model is sampled; give the posterior as it was sampled"
            )
        dims: Any = model.named_vars_to_dims[name]
        block = posterior[name].transpose("chain", "draw", ...)
        wanted = tuple(len(coords[d]) for d in dims)
        labels = [(list(map(str, block[d].values)), list(map(str, coords[d]))) for d in dims if d in block.coords]
        if block.shape[2:] != wanted or any(theirs != ours for theirs, ours in labels):
            sizes = dict(zip(dims, wanted, strict=True))
            raise ValueError(f"the draws of {name!r} are not of this model: they have {dict(block.sizes)}, the model has {sizes}")
        blocks[name] = block.values.reshape(*block.shape[:2], -1)
    return np.stack([blocks[v][..., i] for v, i in places.values()], axis=-1)


def _check_draws(draws: np.ndarray, names: list[str], method: Any) -> None:
    if draws.shape[0] < 2:
        what = "A Laplace approximation is a normal already and says nothing of what a normal loses." if method == "laplace" else ""
        raise ValueError(f"one chain does not show that it has converged; draw at least two with lsm_bayes.sample. {what}".strip())
    still = [n for n, s in zip(names, np.ptp(draws, axis=(0, 1)), strict=True) if not s > 0]
    if still:
        raise ValueError(f"the covariance of the draws is not positive definite: {', '.join(still)} do not move; fix them in this step")
    array = xr.DataArray(np.moveaxis(draws, -1, 0), dims=("coordinate", "chain", "draw"))
    rhat, ess = (np.asarray(f(array, method=m)) for f, m in ((arviz_stats.rhat, "rank"), (arviz_stats.ess, "bulk")))
    worst = int(np.argmax(rhat))
    if not rhat[worst] < RHAT_BELOW:
        raise ValueError(
            f"the chains disagree: R-hat of {names[worst]} is {rhat[worst]:.3f}, and below {RHAT_BELOW} is needed; sample longer, and from "
            "every mode"
        )
    fewest, least = int(np.argmin(ess)), DRAWS_A_COORDINATE * len(names)
    if ess[fewest] < least:
        raise ValueError(
            f"{ess[fewest]:.0f} effective draws of {names[fewest]} are too few for a covariance of {len(names)} coordinates; "
            f"{least} are needed, {DRAWS_A_COORDINATE} for each: draw more"
        )


def _modes(tree: xr.DataTree | xr.Dataset) -> int | None:
    if not isinstance(tree, xr.DataTree) or "modes" not in tree.children:
        return None
    table = tree["modes"].to_dataset()
    return int(np.sum(table["weight"].to_numpy() >= 0.01)) if "weight" in table else None
