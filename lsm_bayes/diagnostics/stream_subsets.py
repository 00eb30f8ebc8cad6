"""What the posterior would be with any subset of the streams, and which streams to take first."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from lsm_bayes.vocabulary import unknown

Measure = Literal["information", "variance", "sd"]
MEASURES = {
    "information": "nats that the process parameters gain: half the fall of the log-determinant of their covariance",
    "variance": "mean over targets of 1 - variance / prior variance",
    "sd": "mean over targets of 1 - sd / prior sd",
}


@dataclass(frozen=True)
class StreamValue:
    """Expected information of each stream about parameters and targets, to first order.

    Attributes
    ----------
    prior : numpy.ndarray
        Precision of the prior in the unconstrained coordinates of the model, (coordinate, coordinate).
    information : dict of str to numpy.ndarray
        Expected information of each stream, (coordinate, coordinate).
    gradients : pandas.DataFrame
        Index: parameters, then targets. Columns: their derivatives with respect to the coordinates.
    kinds : pandas.Series
        ``"parameter"`` of the process model, ``"operator"`` parameter, or ``"target"``, by the index of `gradients`.
    values : pandas.Series
        Parameters and targets at the point, in their units.
    roughness : float
        Largest relative change of the precision of a coordinate when derivatives are taken with another step: above 0.01 the point lies
        beside kinks, which count for something.
    """

    prior: np.ndarray
    information: dict[str, np.ndarray]
    gradients: pd.DataFrame
    kinds: pd.Series
    values: pd.Series
    roughness: float

    @property
    def streams(self) -> list[str]:
        """Names of the streams."""
        return list(self.information)

    def covariance(self, streams: Iterable[str]) -> np.ndarray:
        """Return the posterior covariance that a subset of the streams would give.

        Parameters
        ----------
        streams : iterable of str
            Names; a name that comes twice counts twice, none at all gives the prior.

        Returns
        -------
        numpy.ndarray
            (coordinate, coordinate).

        Raises
        ------
        KeyError
            For a stream that the model does not have.
        """
        precision = self.prior.copy()
        for name in streams:
            if name not in self.information:
                raise KeyError(unknown("stream", name, self.information))
            precision += self.information[name]
        size = np.sqrt(np.diag(precision))
        root = np.linalg.solve(np.linalg.cholesky(precision / np.outer(size, size)), np.diag(1 / size))
        found: np.ndarray = root.T @ root
        return found

    def sd(self, subsets: Mapping[str, Sequence[str]]) -> xr.Dataset:
        """Return the posterior standard deviations that subsets of the streams would give.

        Parameters
        ----------
        subsets : mapping of str to sequence of str
            Streams by the name of the subset.

        Returns
        -------
        xarray.Dataset
            Dims ``subset``, ``quantity`` (parameters and targets): ``sd`` in the unit of the quantity, ``shrinkage`` 1 - sd / prior sd;
            coordinates ``kind`` and ``value``. The prior sd is that of the linearisation at the point, which for a prior of decades is not
            that of its draws.
        """
        prior = self._deviations(())
        found = np.stack([self._deviations(s) for s in subsets.values()])
        with np.errstate(invalid="ignore"):
            shrunk = 1 - found / prior
        coords = {
            "subset": list(subsets),
            "quantity": list(self.gradients.index),
            "kind": ("quantity", self.kinds.to_numpy()),
            "value": ("quantity", self.values.to_numpy()),
        }
        return xr.Dataset({"sd": (("subset", "quantity"), found), "shrinkage": (("subset", "quantity"), shrunk)}, coords=coords)

    def _deviations(self, streams: Iterable[str]) -> np.ndarray:
        g = self.gradients.to_numpy()
        return np.sqrt(np.einsum("ij,jk,ik->i", g, self.covariance(streams), g))

    @cached_property
    def _directions(self) -> np.ndarray:
        """Independent combinations of the process parameters, (combination, coordinate), of unit prior variance.

        Pools at equilibrium are functions of the other parameters and add none.
        """
        g = self.gradients.to_numpy()[(self.kinds == "parameter").to_numpy()]
        covariance = self.covariance(())
        prior = np.sqrt(np.einsum("ij,jk,ik->i", g, covariance, g))
        scaled = g[prior > 0] / prior[prior > 0, None]
        values, vectors = np.linalg.eigh(scaled @ covariance @ scaled.T)
        kept = values > 1e-10 * values[-1]
        found: np.ndarray = (vectors[:, kept] / np.sqrt(values[kept])).T @ scaled
        return found

    def score(self, streams: Iterable[str], measure: Measure = "information") -> float:
        """Say how much a subset of the streams reduces uncertainty.

        Parameters
        ----------
        streams : iterable of str
            Names.
        measure : {"information", "variance", "sd"}
            Nats that the process parameters gain (half the fall of the log-determinant of their covariance); or the mean over targets of
            1 - variance / prior variance, or of 1 - sd / prior sd.

        Returns
        -------
        float
            0 without streams.

        Raises
        ------
        ValueError
            For an unknown measure, and for one of targets where there are none.
        """
        if measure not in MEASURES:
            raise ValueError(unknown("measure", measure, MEASURES))
        if measure == "information":
            g = self._directions
            return float(-0.5 * np.linalg.slogdet(g @ self.covariance(streams) @ g.T)[1])
        chosen = (self.kinds == "target").to_numpy()
        if not chosen.any():
            raise ValueError(f"the measure {measure!r} is one of targets, and none was given to stream_value; use 'information'")
        ratio = self._deviations(streams)[chosen] / self._deviations(())[chosen]
        return float(np.mean(1 - (ratio**2 if measure == "variance" else ratio)))

    def greedy(self, measure: Measure = "information", number: int | None = None) -> pd.DataFrame:
        """Rank the streams: first the best one, then the one that adds most to it, and so on.

        Parameters
        ----------
        measure : {"information", "variance", "sd"}
            See `score`.
        number : int, optional
            How many; default all.

        Returns
        -------
        pandas.DataFrame
            Index ``stream``, in order; ``score`` of the streams up to this one, ``gain`` by it, ``share`` of the score of all streams.
        """
        whole = self.score(self.streams, measure)
        chosen: list[str] = []
        rows: list[tuple[float, float, float]] = []
        for _ in range(len(self.streams) if number is None else number):
            left = [s for s in self.streams if s not in chosen]
            if not left:
                break
            scores = {s: self.score([*chosen, s], measure) for s in left}
            best = max(scores, key=lambda s: scores[s])
            chosen.append(best)
            rows.append((scores[best], scores[best] - (rows[-1][0] if rows else 0.0), scores[best] / whole))
        return pd.DataFrame(rows, index=pd.Index(chosen, name="stream"), columns=["score", "gain", "share"])

    def leave_one_out(self, measure: Measure = "information") -> pd.DataFrame:
        """Say what each stream gives alone, and what is lost without it.

        Parameters
        ----------
        measure : {"information", "variance", "sd"}
            See `score`.

        Returns
        -------
        pandas.DataFrame
            Index ``stream``; ``alone`` its score, ``loss`` the score of all less that of all others, both also as ``_share`` of all;
            largest loss first. A small loss with a large score alone: other streams say the same.
        """
        whole = self.score(self.streams, measure)
        rows = {s: (self.score([s], measure), whole - self.score([o for o in self.streams if o != s], measure)) for s in self.streams}
        found = pd.DataFrame.from_dict(rows, orient="index", columns=["alone", "loss"]).rename_axis("stream")
        return found.assign(alone_share=found["alone"] / whole, loss_share=found["loss"] / whole).sort_values("loss", ascending=False)

    def describe(self, measure: Measure = "information") -> str:
        """Say in words which streams are worth having.

        Parameters
        ----------
        measure : {"information", "variance", "sd"}
            See `score`.

        Returns
        -------
        str
            A few sentences.
        """
        ranked = self.greedy(measure)
        enough = int(np.argmax(ranked["share"].to_numpy() >= 0.9)) + 1
        lost = self.leave_one_out(measure).iloc[0]
        order = ", ".join(f"{s} {share:.0%}" for s, share in ranked["share"].iloc[: max(enough, 5)].items())
        text = (
            f"Measure: {MEASURES[measure]}. All {len(self.streams)} streams: {self.score(self.streams, measure):.3g}. "
            f"Best first, with the share of this that is reached: {order}. {enough} of {len(self.streams)} streams reach 90 %. "
            f"The stream that is missed most is {lost.name}: without it {lost['loss_share']:.1%} are lost."
        )
        return text + (
            f" With another step of the differences a precision changes by {self.roughness:.0%}." if self.roughness > 0.01 else ""
        )

    def plot(self, axes: Any, measure: Measure = "information") -> Any:
        """Draw the share of the full reduction over the number of streams, best first.

        Parameters
        ----------
        axes : matplotlib.axes.Axes
            Where to draw.
        measure : {"information", "variance", "sd"}
            See `score`.

        Returns
        -------
        matplotlib.axes.Axes
            The same axes: a point for each stream, and a bar of what it gives alone.
        """
        ranked = self.greedy(measure)
        alone = self.leave_one_out(measure)["alone_share"].loc[ranked.index]
        place = np.arange(len(ranked))
        axes.barh(place, alone, color="#bccddd", label="alone")
        axes.plot(ranked["share"], place, "o-", color="#0b3c5d", label="with those above")
        axes.axvline(0.9, color="#111111", linestyle=":", linewidth=1)
        axes.set_yticks(place, [str(s).replace("_", " ") for s in ranked.index])
        axes.invert_yaxis()
        axes.set_xlabel("share of what all streams give")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=2, frameon=False)
        return axes
