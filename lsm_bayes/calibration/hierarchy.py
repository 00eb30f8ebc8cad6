"""Random variables of pooled parameters on the scale on which their prior is standard normal."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from lsm_bayes.calibration.groups import Groups
from lsm_bayes.calibration.pooling import Pooling, complete

PARTS = ("level", "spread", "deviation", "member", "slopes", "length", "smooth", "partial_correlation")
"""Ends of the names of what a hierarchy is made of."""
SLOPE = 0.5  # prior sd of a slope: prior sd of the parameter per sd of the covariate
SHAPE = 2.0  # of the LKJ prior; 1 would be uniform over correlation matrices
JITTER = 1e-8


def label_of(choice: Pooling) -> str:
    """Name a kind of pooling in the names of random variables.

    Parameters
    ----------
    choice : Pooling
        The choice.

    Returns
    -------
    str
        Such as ``"partial_over_site_within_pft"``.
    """
    words = "_".join(choice.describe().split())
    if choice.kind != "partial":
        return words
    words += "_centred" if choice.centred else ""
    default = Pooling("partial", spread=0.5, near=choice.near, length=500.0 if choice.near == ("latitude", "longitude") else 1.0)
    odd = [v for v, usual in ((choice.spread, default.spread), (choice.length, default.length)) if v != usual]
    return "_".join([words, *(f"{v:g}".replace(".", "_").replace("+", "") for v in odd)])


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

    Raises
    ------
    ValueError
        When a block of correlated parameters has one only, or a covariate is the same at all sites.
    """
    model = pm.modelcontext(None)
    blocks: dict[Pooling, list[str]] = {}
    for name in names:
        blocks.setdefault(pooling[name] if groups.several else complete(), []).append(name)
    found = []
    for choice, members in blocks.items():
        label = label_of(choice)
        axis = f"{label}_parameter" if groups.several else "parameter"
        stem = f"z_{label}" if groups.several else "z"
        model.add_coord(axis, members)
        if choice.kind != "partial":
            dims = (axis,) if choice.over is None else (axis, choice.over)
            found.append((members, choice, pm.Normal(stem, dims=dims)))
            continue
        if choice.block and len(members) < 2:
            raise ValueError(
                f"{members[0]!r} alone is in the block {choice.block!r}; give those that it is correlated with the same pooling"
            )
        found.append((members, choice, _partial(stem, axis, choice, groups)))
    return found


def _partial(stem: str, axis: str, choice: Pooling, groups: Groups) -> Any:
    """Members (parameter, member) of partial pooling."""
    level = pm.Normal(f"{stem}_level", dims=(axis, "pft") if choice.within else (axis,))
    levels = level if choice.within else level[:, None]
    spread = pm.HalfNormal(f"{stem}_spread", choice.spread, dims=(axis,))
    explained: Any = 0.0
    if choice.on:
        pm.modelcontext(None).add_coord(f"{axis}_covariate", list(choice.on))
        slopes = pm.Normal(f"{stem}_slopes", 0.0, SLOPE, dims=(axis, f"{axis}_covariate"))
        explained = slopes @ groups.standardised(choice.on).T

    def of_group(values: Any) -> Any:
        return groups.of_types(values) if choice.within else values

    if choice.centred or choice.near or choice.block:
        _store_mean(stem, axis, levels, choice)
        return _deviating(stem, axis, choice, groups)(of_group(levels) + explained, spread)
    # With group mean m and members m + spread * d, all of m and d standard normal, data settle the members, so m and the average of d
    # lie on a ridge whose slope is the spread. The pair is turned by the angle that makes the average of the members proportional to
    # one coordinate, the level. A rotation keeps the density of standard normals, so the prior is the same. Sites of several types do
    # not take part in it.
    deviation = pm.Normal(f"{stem}_deviation", dims=(axis, choice.over))
    if choice.within:
        pure = [np.flatnonzero(w == 1.0) for w in groups.weights.T]
    else:
        pure = [np.arange(len(groups.sites if choice.over == "site" else groups.pfts))]
    # A type without a site of its own is not turned.
    average = pt.stack([pt.mean(deviation[:, m], axis=1) if m.size else pt.zeros_like(spread) for m in pure], axis=1)
    size = pt.sqrt(1.0 + np.array([1.0 / m.size if m.size else 0.0 for m in pure]) * spread[:, None] ** 2)
    mean = (levels - spread[:, None] * average) / size
    _store_mean(stem, axis, mean, choice)
    turned = levels * size - spread[:, None] * average
    if choice.within and groups.fractions is not None:
        alone = groups.weights.max(axis=1, keepdims=True) == 1.0
        centre = turned @ np.where(alone, groups.weights, 0.0).T + mean @ np.where(alone, 0.0, groups.weights).T
    else:
        centre = of_group(turned)
    return centre + explained + spread[:, None] * deviation


def _store_mean(stem: str, axis: str, mean: Any, choice: Pooling) -> None:
    pm.Deterministic(f"{stem}_mean", mean if choice.within else mean[:, 0], dims=(axis, "pft") if choice.within else (axis,))


def _deviating(stem: str, axis: str, choice: Pooling, groups: Groups) -> Callable[[Any, Any], Any]:
    """Return a function of mean (parameter, member) and spread (parameter,) that gives the members."""
    dims = (axis, choice.over)
    if choice.centred:
        return lambda mean, spread: pm.Normal(f"{stem}_member", mean, spread[:, None], dims=dims)
    deviation = pm.Normal(f"{stem}_deviation", dims=dims)
    if choice.block:
        factor = _correlation(stem, axis)
        return lambda mean, spread: mean + spread[:, None] * (factor @ deviation)
    length = pm.LogNormal(f"{stem}_length", mu=np.log(choice.length), sigma=0.5, dims=(axis,))
    smooth = pm.Beta(f"{stem}_smooth", 2.0, 2.0, dims=(axis,))
    distance = groups.distances(choice.near)
    count = len(pm.modelcontext(None).coords[axis])
    rows = [pt.linalg.cholesky(covariance(distance, length[k], smooth[k])) @ deviation[k] for k in range(count)]
    return lambda mean, spread: mean + spread[:, None] * pt.stack(rows)


def covariance(distance: np.ndarray, length: Any, smooth: Any, exp: Callable[[Any], Any] = pt.exp) -> Any:
    """Correlation of deviations: Matérn 3/2 (Rasmussen & Williams 2006, eq. 4.17) and a part of each site's own.

    Parameters
    ----------
    distance : numpy.ndarray
        (site, site).
    length : float or tensor
        In the unit of the distance.
    smooth : float or tensor
        Share of the variance that is smooth.
    exp : callable
        That of NumPy for numbers.

    Returns
    -------
    tensor or numpy.ndarray
        (site, site), ones on the diagonal but for the rounding that keeps it positive definite.
    """
    scaled = np.sqrt(3.0) * distance / length
    own = np.eye(len(distance))
    return smooth * (1.0 + scaled) * exp(-scaled) + (1.0 - smooth + JITTER) * own


def _correlation(stem: str, axis: str) -> Any:
    """Cholesky factor of a correlation matrix with an LKJ prior (Lewandowski et al. 2009, doi 10.1016/j.jmva.2009.04.008)."""
    model = pm.modelcontext(None)
    names: Any = model.coords[axis]
    n = len(names)
    pairs = [(i, j) for i in range(1, n) for j in range(i)]
    # A partial correlation given j others is 2 b - 1, b ~ Beta(a, a), a = shape + (n - 2 - j) / 2.
    alpha = np.array([SHAPE + 0.5 * (n - 2 - j) for _, j in pairs])
    model.add_coord(f"{axis}_pair", [f"{names[i]}, {names[j]}" for i, j in pairs])
    share = pm.Beta(f"{stem}_partial_correlation", alpha, alpha, dims=(f"{axis}_pair",))
    rows: list[Any] = []
    for i in range(n):
        left: Any = pt.constant(1.0, dtype="float64")
        row: list[Any] = []
        for j in range(i):
            partial = 2.0 * share[pairs.index((i, j))] - 1.0
            row.append(partial * left)
            left = left * pt.sqrt(1.0 - partial**2)
        rows.append(pt.stack([*row, left, *[pt.zeros(()) for _ in range(n - 1 - i)]]))
    factor = pt.stack(rows)
    model.add_coord(f"{axis}_other", list(names))
    pm.Deterministic(f"{stem}_correlation", factor @ factor.T, dims=(axis, f"{axis}_other"))
    return factor
