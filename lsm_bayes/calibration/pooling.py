"""Pooling of a parameter over sites and plant functional types, as a value.

Parameters live on a standard normal scale that their prior maps into the bounds. Complete pooling has one number, no pooling
one for each site or type, partial pooling is a group mean plus deviations with an inferred spread.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from lsm_bayes.declare import Parameter
from lsm_bayes.vocabulary import unknown

OVER = ("site", "pft")


@dataclass(frozen=True)
class Pooling:
    """How a parameter varies; make one with `complete`, `none` or `partial`.

    Attributes
    ----------
    kind : {"complete", "none", "partial"}
        Degree of pooling.
    over : {"site", "pft"} or None
        What it varies over.
    within : {"pft"} or None
        Groups that share a mean, for partial pooling over sites.
    spread : float
        Sd of the half-normal prior of the spread between members, on the scale on which the prior is standard normal.
    """

    kind: Literal["complete", "none", "partial"]
    over: Literal["site", "pft"] | None = None
    within: Literal["pft"] | None = None
    spread: float = 0.5

    def describe(self) -> str:
        """Say it in words.

        Returns
        -------
        str
            Such as ``"partial over site within pft"``.
        """
        return " ".join([self.kind, *(["over", self.over] if self.over else []), *(["within", self.within] if self.within else [])])


def complete() -> Pooling:
    """One value for all sites.

    Returns
    -------
    Pooling
        The choice.
    """
    return Pooling("complete")


def none(over: Literal["site", "pft"] = "site") -> Pooling:
    """Independent values.

    Parameters
    ----------
    over : {"site", "pft"}
        One for each site, or one for each plant functional type.

    Returns
    -------
    Pooling
        The choice.
    """
    return _checked(Pooling("none", over))


def partial(over: Literal["site", "pft"] = "site", within: Literal["pft"] | None = None, spread: float = 0.5) -> Pooling:
    """Values that share a mean and an inferred spread.

    Parameters
    ----------
    over : {"site", "pft"}
        What the values belong to.
    within : {"pft"}, optional
        For values by site: one mean for each plant functional type, the spread being shared.
    spread : float
        Sd of the half-normal prior of the spread, as a multiple of the prior's own sd.

    Returns
    -------
    Pooling
        The choice.
    """
    return _checked(Pooling("partial", over, within, spread))


def _checked(p: Pooling) -> Pooling:
    if p.over not in OVER:
        raise ValueError(unknown("grouping", p.over, OVER))
    if p.within not in (None, "pft") or (p.within == "pft" and p.over != "site"):
        raise ValueError(f"values by site can be grouped within 'pft'; got over={p.over!r}, within={p.within!r}")
    if not p.spread > 0:
        raise ValueError(f"the spread of the members is positive, got {p.spread}")
    return p


@dataclass(frozen=True)
class Groups:
    """Sites and their plant functional types.

    Attributes
    ----------
    sites, pfts : list of str
        Names, each once.
    pft_of_site : numpy.ndarray of int
        Type of each site.
    """

    sites: list[str]
    pfts: list[str]
    pft_of_site: np.ndarray

    @property
    def several(self) -> bool:
        """Whether there is more than one site."""
        return len(self.sites) > 1

    def to_sites(self, block: Any, pooling: Pooling) -> Any:
        """Expand a block of values to one column for each site.

        Parameters
        ----------
        block : tensor
            (parameter,), (parameter, pft) or (parameter, site), as the pooling says.
        pooling : Pooling
            The choice.

        Returns
        -------
        tensor
            (parameter, site).
        """
        if block.ndim == 1:
            return block[:, None] * np.ones((1, len(self.sites)))
        return block if pooling.over == "site" else block[:, self.pft_of_site]

    def member(self, row: Any, pooling: Pooling) -> Callable[[Pooling], Any]:
        """Return a function that gives a row in the shape of another pooling.

        Parameters
        ----------
        row : tensor
            0-d, (pft,) or (site,).
        pooling : Pooling
            Its pooling.

        Returns
        -------
        callable
            ``f(other)``: expanded to sites where `other` is by site and the row by type, else as it is.
        """
        by_type = self.several and pooling.over == "pft"
        return lambda other: row[self.pft_of_site] if by_type and other.over == "site" else row

    def dim(self, pooling: Pooling) -> str | None:
        """Name of the dimension of the stored values, None for a 0-d value."""
        return pooling.over if self.several and pooling.kind != "complete" else None


def pooling_of(model: str, declared: Mapping[str, tuple[Parameter, float]], choices: Mapping[str, Pooling]) -> dict[str, Pooling]:
    """Complete the choices of the user by the declared levels.

    Parameters
    ----------
    model : str
        Name of the process model, for messages.
    declared : mapping of str to (Parameter, float)
        Everything that can be calibrated: level ``global`` means complete pooling, ``pft`` one value for each type, ``site`` one for each
        site.
    choices : mapping of str to Pooling
        By parameter or initial pool.

    Returns
    -------
    dict
        One for each parameter and initial pool.

    Raises
    ------
    KeyError
        For a name that the model does not have.
    TypeError
        When a value is not a `Pooling`.
    """
    for name, choice in choices.items():
        if name not in declared:
            raise KeyError(f"{model}: {unknown('parameter or initial state', name, declared)}")
        if not isinstance(choice, Pooling):
            raise TypeError(
                f"pooling of {name!r}: got {choice!r}; use complete(), none('site'), none('pft') or partial('site', within='pft')"
            )
    by_level = {"global": Pooling("complete"), "pft": Pooling("none", "pft"), "site": Pooling("none", "site")}
    return {name: choices.get(name, by_level[d.level]) for name, (d, _) in declared.items()}


def add_coordinates(names: Sequence[str], pooling: Mapping[str, Pooling], groups: Groups) -> list[tuple[list[str], Pooling, Any]]:
    """Add the standard normal coordinates of all parameters to the PyMC model in context, a block for each kind of pooling.

    Parameters
    ----------
    names : sequence of str
        Parameters and initial pools.
    pooling : mapping of str to Pooling
        Choice for each.
    groups : Groups
        Sites and types.

    Returns
    -------
    list of (names, pooling, tensor)
        Each tensor is (parameter,), (parameter, pft) or (parameter, site). One vector in place of many scalars keeps the graph
        small and its compilation short. With one site there is one block ``z``.
    """
    model = pm.modelcontext(None)
    blocks: dict[Pooling, list[str]] = {}
    for name in names:
        blocks.setdefault(pooling[name] if groups.several else complete(), []).append(name)
    found = []
    for choice, members in blocks.items():
        label = "_".join(choice.describe().split()) + (
            f"_{choice.spread:g}".replace(".", "_") if choice.kind == "partial" and choice.spread != 0.5 else ""
        )
        axis = f"{label}_parameter" if groups.several else "parameter"
        stem = f"z_{label}" if groups.several else "z"
        model.add_coord(axis, members)
        if choice.kind != "partial":
            dims = (axis,) if choice.over is None else (axis, choice.over)
            found.append((members, choice, pm.Normal(stem, dims=dims)))
            continue
        found.append((members, choice, _partial(stem, axis, choice, groups)))
    return found


def _partial(stem: str, axis: str, choice: Pooling, groups: Groups) -> Any:
    # With group mean m and members m + spread * d, all of m and d standard normal, data settle the members, so m and the average of d
    # lie on a ridge whose slope is the spread. The pair is turned by the angle that makes the average of the members proportional to
    # one coordinate, the level. A rotation keeps the density of standard normals, so the prior is the same.
    label = np.array(groups.pft_of_site) if choice.within else np.zeros(len(groups.sites if choice.over == "site" else groups.pfts), int)
    members = [np.flatnonzero(label == g) for g in range(label.max() + 1)]
    level = pm.Normal(f"{stem}_level", dims=(axis, "pft") if choice.within else (axis,))
    spread = pm.HalfNormal(f"{stem}_spread", choice.spread, dims=(axis,))
    deviation = pm.Normal(f"{stem}_deviation", dims=(axis, choice.over))
    root = np.sqrt([len(m) for m in members])
    average = pt.stack([pt.mean(deviation[:, m], axis=1) for m in members], axis=1)
    ratio = spread[:, None] / root
    length = pt.sqrt(1.0 + ratio**2)
    levels = level if choice.within else level[:, None]
    mean = (levels - ratio * root * average) / length
    pm.Deterministic(f"{stem}_mean", mean if choice.within else mean[:, 0], dims=(axis, "pft") if choice.within else (axis,))
    return (levels * length)[:, label] + spread[:, None] * (deviation - average[:, label])
