"""Pooling of a parameter over sites, plant functional types or years, as a value.

Parameters live on a standard normal scale that their prior maps into the bounds. Complete pooling has one number, no pooling
one for each site or type, partial pooling is a group mean plus deviations with an inferred spread.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lsm_bayes.declare import Parameter
from lsm_bayes.vocabulary import unknown

OVER = ("site", "pft")
Over = Literal["site", "pft", "year"]


@dataclass(frozen=True)
class Pooling:
    """How a parameter varies; make one with `complete`, `none` or `partial`.

    Attributes
    ----------
    kind : {"complete", "none", "partial"}
        Degree of pooling.
    over : {"site", "pft", "year"} or None
        What it varies over.
    within : {"pft"} or None
        Groups that share a mean, for partial pooling over sites.
    spread : float
        Sd of the half-normal prior of the spread between members, on the scale on which the prior is standard normal; over years, the
        median of the yearly variability in logits.
    on : tuple of str
        Site covariates on which the members are regressed.
    near : tuple of str
        Coordinates or covariates in whose space members that are near are alike.
    length : float
        Median of the prior of the distance over which they are.
    block : str or None
        Parameters with the same block have correlated deviations.
    centred : bool
        Whether members are sampled themselves, in place of their deviations.
    walk : bool
        Whether years follow each other as a random walk.
    """

    kind: Literal["complete", "none", "partial"]
    over: Over | None = None
    within: Literal["pft"] | None = None
    spread: float = 0.5
    on: tuple[str, ...] = ()
    near: tuple[str, ...] = ()
    length: float = 1.0
    block: str | None = None
    centred: bool = False
    walk: bool = False

    def describe(self) -> str:
        """Say it in words.

        Returns
        -------
        str
            Such as ``"partial over site within pft"``.
        """
        parts = [self.kind, *(["over", self.over] if self.over else []), *(["within", self.within] if self.within else [])]
        parts += ["on", " and ".join(self.on)] if self.on else []
        parts += ["near in", " and ".join(self.near)] if self.near else []
        parts += ["correlated in", self.block] if self.block else []
        parts += ["as a random walk"] if self.walk else []
        return " ".join(parts)


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


def partial(
    over: Over = "site",
    within: Literal["pft"] | None = None,
    spread: float = 0.5,
    *,
    on: Sequence[str] = (),
    near: Sequence[str] = (),
    length: float | None = None,
    block: str | None = None,
    centred: bool = False,
    walk: bool = False,
) -> Pooling:
    """Values that share a mean and an inferred spread.

    Parameters
    ----------
    over : {"site", "pft", "year"}
        What the values belong to. Over years, the common value keeps its declared pooling, and at each site it deviates from year to year
        (`lsm_bayes.process_noise`); years that were not observed get draws.
    within : {"pft"}, optional
        For values by site: one mean for each plant functional type, the spread being shared.
    spread : float
        Sd of the half-normal prior of the spread, as a multiple of the prior's own sd; over years, the median of the log-normal prior of
        the sd of yearly deviations, in logits between the parameter's bounds.
    on : sequence of str
        Site covariates: the mean is linear in them, standardised over the fitted sites, with slopes ~ N(0, 0.5) on the scale on which the
        prior is standard normal; the spread is what they leave. Variables of the data by site (soil, leaf traits), or by site and time,
        of which the mean over the record is taken (climate), and ``latitude``, ``longitude``.
    near : sequence of str
        The deviations of the sites are a Gaussian process over these: ``("latitude", "longitude")`` for distance on the globe in km, or
        covariates as in `on` for distance in climate space, in sd of the covariates. Its covariance is Matérn 3/2; how much of the
        variance is smooth is inferred.
    length : float, optional
        Median of the log-normal prior of the length of that process; 500 km, or 1 sd.
    block : str, optional
        Name of a group of parameters whose deviations are correlated, with an LKJ prior (shape 2); give all of them the same pooling.
    centred : bool
        Sample the members in place of their deviations: better where each member is well known by its own data, worse where not.
        `lsm_bayes.inference.choose_centring` measures which. The density then grows without limit as the spread goes to zero: there is
        no joint mode, so start chains from the prior and not from `find_modes`.
    walk : bool
        Over years: each begins where the one before was, in place of around the common value.

    Returns
    -------
    Pooling
        The choice.

    Raises
    ------
    KeyError
        For an unknown grouping.
    ValueError
        For combinations that have no meaning.
    """
    reach = length if length is not None else 500.0 if tuple(near) == ("latitude", "longitude") else 1.0
    return _checked(Pooling("partial", over, within, spread, tuple(on), tuple(near), reach, block, centred, walk))


def _checked(p: Pooling) -> Pooling:
    allowed = (*OVER, "year") if p.kind == "partial" else OVER
    if p.over not in allowed:
        raise ValueError(unknown("grouping", p.over, allowed))
    if p.within not in (None, "pft") or (p.within == "pft" and p.over != "site"):
        raise ValueError(f"values by site can be grouped within 'pft'; got over={p.over!r}, within={p.within!r}")
    if not p.spread > 0:
        raise ValueError(f"the spread of the members is positive, got {p.spread}")
    if not p.length > 0:
        raise ValueError(f"the length over which sites are alike is positive, got {p.length}")
    if (p.on or p.near) and p.over != "site":
        raise ValueError(f"covariates and nearness belong to sites; got over={p.over!r} with on={p.on}, near={p.near}")
    if p.walk and p.over != "year":
        raise ValueError(f"a random walk is one over years; got over={p.over!r}")
    if p.over == "year" and (p.block or p.centred):
        raise ValueError("yearly deviations are independent of those of other parameters and not centred; leave block and centred out")
    several = [n for n, given in (("near", bool(p.near)), ("block", p.block is not None), ("centred", p.centred)) if given]
    if len(several) > 1:
        raise ValueError(f"{' and '.join(several)} are different forms of the deviations; choose one")
    return p


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
        One for each parameter and initial pool; those over years keep the pooling of their level for the common value.

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
    chosen = {n: p for n, p in choices.items() if p.over != "year"}
    return {name: chosen.get(name, by_level[d.level]) for name, (d, _) in declared.items()}
