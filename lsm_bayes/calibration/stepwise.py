"""The posterior of one calibration as the prior of the next: normals in the coordinates in which parameters are sampled."""

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pymc as pm
import xarray as xr

from lsm_bayes.calibration.choices import Calibration
from lsm_bayes.calibration.coordinates import Key, attribute, check_draws, coordinates, correlation_of, draws_of
from lsm_bayes.calibration.departure import Departure, departure_of
from lsm_bayes.calibration.normal_mixture import NormalMixture, choose_components, fit_mixture, held_out
from lsm_bayes.calibration.predict import calibration_of
from lsm_bayes.vocabulary import unknown

MOST_COMPONENTS = 8


class NotNormalWarning(UserWarning):
    """A posterior is far from the normal, or the mixture of normals, as which it is carried over."""


@dataclass(frozen=True)
class CarriedPosterior:
    """A normal, or a mixture of normals, in place of a posterior, for ``build_model(prior_from=...)``; make one with `carry_over`.

    Attributes
    ----------
    calibration : Calibration
        The calibration whose posterior it is.
    keys : tuple of Key
        Coordinates.
    mixture : NormalMixture
        Of the coordinates, whose declared prior is standard normal; one component is a normal.
    kind : {"full", "diagonal"}
        Whether correlations were kept.
    largest_correlation : float
        Largest absolute posterior correlation of two coordinates.
    departure : Departure
        What the normal or mixture loses.
    own_coordinates : bool
        Whether the process model's own coordinates of a group of parameters were in use.
    """

    calibration: Calibration
    keys: tuple[Key, ...]
    mixture: NormalMixture
    kind: Literal["full", "diagonal"]
    largest_correlation: float
    departure: Departure
    own_coordinates: bool

    @property
    def components(self) -> int:
        """How many normals."""
        return len(self.mixture.weights)

    @property
    def mean(self) -> np.ndarray:
        """Mean of the coordinates, (D,)."""
        return self.mixture.mean

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of the coordinates, (D, D)."""
        return self.mixture.covariance

    def describe(self) -> str:
        """Say which posterior, and how it is passed on.

        Returns
        -------
        str
            One sentence.
        """
        return f"posterior of an earlier step, from {_said(self.calibration)}, as {self.form}"

    @property
    def form(self) -> str:
        """What is carried over: a normal or a mixture, and what of it."""
        if self.components > 1:
            return f"a mixture of {self.components} normals"
        if self.kind == "full":
            return "a normal with full covariance"
        return f"a normal with variances only, correlations of up to {self.largest_correlation:.2f} dropped"


def _said(c: Calibration) -> str:
    before = f", after a step with {_said(c.earlier.calibration)}" if c.earlier is not None else ""
    return (" and ".join(p.name for p in c.streams) or "constraints") + before


def carry_over(
    tree: xr.DataTree | xr.Dataset,
    model: pm.Model,
    covariance: Literal["full", "diagonal"] = "full",
    components: int | Literal["auto"] = "auto",
    seed: int = 0,
) -> CarriedPosterior:
    """Make the posterior of a calibration the prior of the next one: stepwise assimilation of streams.

    Give the result to ``build_model(..., prior_from=carried)``. Where the data of the steps are independent given the parameters and the
    posterior is a mixture of normals in the sampled coordinates, the last step is the posterior of a simultaneous calibration. What is lost
    otherwise:

    - One normal (``components=1``) has one mode, no skewness and no curved ridge; a mixture has them as far as the draws tell. `Departure`
      measures what is left, but not the tails, with few draws or none, into which a later stream may pull. In forty twins of a two-pool
      model with a curved ridge (skewness about 1.2 a direction) the mean after two steps with one normal was up to 2 posterior sd from that
      of the simultaneous calibration, in the median 0.2, and its errors 5 to 30 % larger; with a mixture of 4 to 8 normals 0.8, 0.1 and up
      to 7 %.
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
        What of the covariance is kept; ``"diagonal"`` is for one component.
    components : int or "auto"
        Normals in the mixture, fitted by EM. ``"auto"`` takes the fewest that give withheld draws (one half of the chains is fitted, the
        other judged, and the other way round) as high a log density as any number does, within its standard error: one where the draws
        are normal, at most eight, and no more than the draws allow.
    seed : int
        Of the starts of the fit.

    Returns
    -------
    CarriedPosterior
        Normal or mixture in standard normal coordinates.

    Raises
    ------
    KeyError
        When the draws have no coordinates of the model.
    ValueError
        For another word or number, several components without covariances, draws of another model, a single chain (also of a Laplace
        approximation), chains that disagree (R-hat above 1.01), fewer than ten effective draws for each coordinate and component, and
        coordinates that do not move or depend on each other linearly.
    TypeError
        When the model was not made by `build_model`.

    Warns
    -----
    NotNormalWarning
        When the draws, or their normal scores under a mixture, are far from normal: skewness above 0.5 a direction, relative excess
        kurtosis beyond 0.2; or when a search has found more modes than there are components.
    """
    _check_choice(covariance, components)
    c = calibration_of(model)
    places = coordinates(model, c)
    posterior = tree["posterior"].to_dataset() if isinstance(tree, xr.DataTree) else tree
    draws = draws_of(posterior, model, places)
    names = [" at ".join(k for k in key if k) for key in places]
    allowed = check_draws(draws, names, attribute(tree, "method"), 1 if components == "auto" else components)
    flat = draws.reshape(-1, draws.shape[-1])
    correlation = correlation_of(flat, names)
    if components == "auto":
        number = choose_components(draws, min(allowed, MOST_COMPONENTS), seed) if covariance == "full" else 1
    else:
        number = components
    mixture = fit_mixture(flat, number, seed)
    gain = float((held_out(draws, number, seed) - held_out(draws, 1)).mean()) if number > 1 else 0.0
    departure = departure_of(draws, mixture, names, _modes(tree), gain)
    largest = float(np.abs(correlation - np.eye(len(names))).max())
    if covariance == "diagonal":
        mixture = NormalMixture(mixture.weights, mixture.means, mixture.covariances * np.eye(len(names)))
    carried = CarriedPosterior(c, tuple(places), mixture, covariance, largest, departure, "coordinates_prior" in model.named_vars)
    if departure.far:
        more = "" if components == "auto" or covariance == "diagonal" else "components='auto' may hold more of its shape. "
        warnings.warn(
            f"the posterior from {_said(c)} is carried over as {carried.form}, and it is not one: {departure.describe()}. {more}A "
            "simultaneous calibration of all streams loses nothing.",
            NotNormalWarning,
            stacklevel=2,
        )
    return carried


def _check_choice(covariance: str, components: Any) -> None:
    if covariance not in ("full", "diagonal"):
        raise ValueError(unknown("covariance to carry over", covariance, ("full", "diagonal")))
    if components == "auto":
        return
    if not isinstance(components, int) or isinstance(components, bool) or components < 1:
        raise ValueError(f"components is {components!r}; give a whole number of normals from 1, or 'auto'")
    if components > 1 and covariance == "diagonal":
        raise ValueError(
            f"components is {components} with variances only: the means of several normals hold correlations, which covariance='diagonal' "
            "is to drop; give components=1, or covariance='full'"
        )


def _modes(tree: xr.DataTree | xr.Dataset) -> int | None:
    if not isinstance(tree, xr.DataTree) or "modes" not in tree.children:
        return None
    table = tree["modes"].to_dataset()
    return int(np.sum(table["weight"].to_numpy() >= 0.01)) if "weight" in table else None
