"""Sampling of several modes with the weight of each from the evidence of the place where its chains are.

NUTS does not cross between separate modes: the number of chains in a mode says where they started, not how probable it is. Each mode
is therefore sampled by chains of its own, its evidence is measured by bridge sampling, and the posterior is the weighted mixture.
"""

import math
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from .bridge import FEWEST_PATHS, MOST_PATHS, Evidence, local_evidence
from .clusters import Region, cluster_draws, stand_for
from .modes import Modes, find_modes
from .nuts import sample, share_out, start_from
from .point import Density, as_density
from .pool import Pool
from .store import attribute, load, save
from .tree import data_groups, data_hash, root_attrs

MARGIN = 50.0
"""Laplace evidence (nats below the best) down to which a mode gets a chain. Where a model infers scales of latent series the
approximation is far off: 82 nats below the bridge at FI-Hyy with 111 parameters."""
MOST_MODES = 4
RHAT_BELOW = 1.01
ESS_ABOVE = 400.0
COARSE_ERROR, FINE_ERROR = 0.6, 0.2
"""Errors of the evidence (nats): to tell which modes matter, and of those that do."""
FEWEST_DRAWS = 100
"""Draws per chain below which an interrupted run is returned without evidence."""


@dataclass(frozen=True)
class Cluster:
    """Chains that sample one mode.

    Attributes
    ----------
    chains : tuple of int
        Their numbers in the pool; chains that crossed between modes are not among them.
    draws : tuple of numpy.ndarray
        Chain and draw, in the pool, of the draws that stand for the mode: those of its chains, or, when it has none, the longest
        stay of a chain that crossed.
    evidence : Evidence
        Of the region that they sample.
    weight : float
        Posterior probability of the region among those known.
    """

    chains: tuple[int, ...]
    draws: tuple[NDArray, NDArray]
    evidence: Evidence
    weight: float


def sample_mixture(
    model: pm.Model | Density,
    modes: Modes | None = None,
    *,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    seed: int = 0,
    target_accept: float = 0.95,
    cores: int = 2,
    least_weight: float = 0.01,
    rounds: int = 3,
    metric: str = "low_rank",
    max_treedepth: int = 10,
    progress: bool = True,
    store: str | Path | None = None,
    resume: bool = False,
) -> xr.DataTree:
    """Draw from a posterior that may have several modes.

    The first round runs :func:`sample` from the modes, and a chain more from each mode (of the best
    four) within 50 nats of Laplace evidence that got none.
    Chains are grouped by where they are, the evidence of each group is measured (:func:`local_evidence`), and groups that matter get
    further chains, started at their own draws and tuned anew, until R-hat and effective sample size within the group pass.

    Parameters
    ----------
    model : pymc.Model or Density
        What to infer.
    modes : Modes, optional
        Where to start; searched for when None.
    draws, tune, chains : int
        Draws per chain after tuning, tuning steps, chains of the result.
    seed : int
        Seed of everything.
    target_accept : float
        Acceptance that step-size adaptation aims at.
    cores : int
        Chains that run at a time.
    least_weight : float
        Modes below this weight stay in the table but leave the posterior.
    rounds : int
        Most rounds of sampling, the first included.
    metric, max_treedepth
        See :func:`sample`; ``pymc`` cannot be stored or resumed.
    progress : bool
        Show progress with time left.
    store : path, optional
        Where to keep the result: ``.zarr``, ``.zarr.zip`` or ``.nc``. Rounds are kept in ``<store>.rounds`` until all are done.
    resume : bool
        Go on with the rounds in ``<store>.rounds``; a finished result is returned as it is.

    Returns
    -------
    xarray.DataTree
        As of :func:`sample`. When one mode holds at least ``1 - least_weight``, ``posterior`` has all of its chains. Otherwise each of
        ``chains`` output chains has draws of the modes by weight, in random order: R-hat and effective sample size of these say
        nothing, and group ``within_modes`` (dims ``mode``, ``scalar``) has ``rhat``, ``ess_bulk``, ``ess_tail`` of each mode. Group
        ``modes`` (dim ``mode``, by weight): ``log_evidence`` and ``log_evidence_error`` (nats, bridge), ``weight``, ``weight_error``,
        ``chains``, ``log_posterior``, ``laplace_log_evidence`` and ``fraction_of_starts`` of the Laplace modes whose chains ended
        here (``laplace_mode``: the best of them, -1: none), and the mean of every parameter. Group ``laplace_modes``: the search.

    Raises
    ------
    ValueError
        If an argument is unknown, or the stored run does not fit the model.
    FileExistsError
        If ``store`` has an unfinished run and ``resume`` is False.
    KeyboardInterrupt
        If interrupted before every chain of the first round had a draw; rounds stay on disk when there is a store.
    """
    _check(draws, chains, least_weight, rounds, store, resume)
    density, began = as_density(model, site_threads=cores // chains), time.perf_counter()
    target = Path(store) if store is not None else None
    folder = _rounds_folder(target) if target else None
    if target and resume and target.exists() and not (folder and folder.exists()):
        return _finished(density, target, draws)
    modes = find_modes(density, seed=seed) if modes is None else modes
    pool = Pool()
    settings = {"tune": tune, "target_accept": target_accept, "cores": cores, "metric": metric, "max_treedepth": max_treedepth}

    def run(name: str, number: int, initial: Modes | NDArray, started: list[int] | None = None) -> bool:
        place = {"store": folder / f"{name}.zarr", "resume": resume} if folder else {}
        own = seed if started is None else int(np.random.SeedSequence([seed, *name.encode()]).generate_state(1)[0])
        try:
            tree = sample(density, draws=draws, chains=number, seed=own, initial=initial, progress=progress, **place, **settings)  # type: ignore[arg-type]
        except KeyboardInterrupt:
            if started is None:
                raise
            pool.interrupted = True
            return False
        return pool.add(tree, started)

    clusters: list[Cluster] = []
    known: dict[Any, Evidence] = {}
    try:
        going = run("round-0", chains, modes)
        extra = _unvisited(modes, chains)
        if going and extra:
            rng = np.random.default_rng([seed, 1])
            going = run("round-0-more", len(extra), np.array([start_from(density, modes.laplace[k], rng) for k in extra]), extra)
        if pool.length >= FEWEST_DRAWS or not pool.interrupted:
            clusters = _weigh(density, pool, seed, least_weight, known)
        for number in range(1, rounds):
            need = _need(pool, clusters, chains, least_weight) if going and clusters else []
            if not need:
                break
            rng = np.random.default_rng([seed, 2, number])
            starts = np.array([pool.random_draw(clusters[k].draws, rng) for k in need])
            going = run(f"round-{number}", len(need), starts, [-1] * len(need))
            if going:
                clusters = _weigh(density, pool, seed, least_weight, known)
    except KeyboardInterrupt:
        if not pool.groups:
            raise
        pool.interrupted = True
    tree = _tree(density, pool, clusters, modes, draws, chains, least_weight, seed, metric, began)
    if target:
        save(tree, target)
        if folder and not pool.interrupted:
            shutil.rmtree(folder, ignore_errors=True)
    return tree


def _check(draws: int, chains: int, least_weight: float, rounds: int, store: str | Path | None, resume: bool) -> None:
    if min(draws, chains, rounds) < 1 or not 0 <= least_weight < 0.5:
        raise ValueError(
            f"Got draws={draws}, chains={chains}, rounds={rounds}, least_weight={least_weight}; the first three must be positive, "
            "least_weight at least 0 and below 0.5."
        )
    if resume and store is None:
        raise ValueError("resume=True needs store=path of the run to go on with.")
    if store is not None and not resume and _rounds_folder(Path(store)).exists():
        raise FileExistsError(f"{_rounds_folder(Path(store))} holds an unfinished run: go on with resume=True, or delete it to start anew.")


def _rounds_folder(store: Path) -> Path:
    return store.with_name(store.name + ".rounds")


def _finished(density: Density, store: Path, draws: int) -> xr.DataTree:
    tree = load(store)
    if attribute(tree, "data_hash") != data_hash(density.model):
        raise ValueError(f"{store.name} belongs to another model: its data_hash differs. Give another store.")
    position, lp = (
        tree["unconstrained"].to_dataset()["position"].values[0, -1],
        float(tree["sample_stats"].to_dataset()["lp"].values[0, -1]),
    )
    if position.size != density.dimension or not density.agrees(position, lp):
        raise ValueError(f"{store.name} belongs to another model: the log-density of its last draw differs. Give another store.")
    if tree["posterior"].sizes["draw"] < draws:
        raise ValueError(
            f"{store.name} is finished with {tree['posterior'].sizes['draw']} draws per chain, {draws} were asked for. A finished mixture "
            "cannot be extended: give another store."
        )
    return tree


def _unvisited(modes: Modes, chains: int) -> list[int]:
    """Modes near the best in Laplace evidence that the shares by weight give no chain."""
    evidence = modes.table["log_evidence"].values
    near = [int(k) for k in np.argsort(-evidence)[:MOST_MODES] if evidence[k] > evidence.max() - MARGIN]
    taken = set(share_out(modes.weights, chains))
    return [k for k in near if k not in taken]


def _weigh(density: Density, pool: Pool, seed: int, least_weight: float, known: dict[Any, Evidence]) -> list[Cluster]:
    """Group the chains of a pool and weigh the groups by their evidence, heaviest first."""
    labels = cluster_draws(pool.positions)
    groups = [tuple(int(c) for c in np.flatnonzero((labels == k).all(axis=1))) for k in range(labels.max() + 1)]
    where = [stand_for(labels == k, group) for k, group in enumerate(groups)]
    flat = [pool.positions[rows] for rows in where]
    before = density.evaluations

    def measure(k: int, error: float) -> Evidence:
        key = (groups[k], len(where[k][0]), len(groups), error)
        if key not in known:
            shape = (max(1, len(groups[k])), -1)
            rng = np.random.default_rng([seed, 3, k, len(labels)])
            known[key] = local_evidence(
                density,
                flat[k].reshape(*shape, density.dimension),
                pool.log_posterior[where[k]].reshape(shape),
                rng,
                Region(flat, k),
                error,
                FEWEST_PATHS if error == COARSE_ERROR else MOST_PATHS,
            )
        return known[key]

    found = [measure(k, COARSE_ERROR) for k in range(len(groups))]
    # The evidence of a group that may matter is worth more gradients; that of a single group changes nothing.
    reach = max(e.log_evidence for e in found) + math.log(max(least_weight, 1e-3)) - 3
    near = [k for k, e in enumerate(found) if e.log_evidence + 3 * min(e.error, 10.0) > reach]
    if len(near) > 1:
        for k in near:
            found[k] = measure(k, FINE_ERROR)
    pool.evidence_evaluations += density.evaluations - before
    logs = np.array([e.log_evidence for e in found])
    weights = np.exp(logs - np.logaddexp.reduce(logs))
    order = np.argsort(-weights)
    return [Cluster(groups[k], where[k], found[k], float(weights[k])) for k in order]


def weight_errors(clusters: list[Cluster], draws: int = 4000) -> NDArray:
    """Root-mean-square error of each weight, given the errors of the log evidences.

    Parameters
    ----------
    clusters : list of Cluster
        With evidence and weight.
    draws : int
        Draws of normal errors.

    Returns
    -------
    numpy.ndarray
        Shape (cluster,); NaN when the evidence of a cluster of more than 0.1 % has no finite error.
    """
    errors = np.array([c.evidence.error for c in clusters])
    weights = np.array([c.weight for c in clusters])
    if len(clusters) == 1:
        return np.zeros(1)
    # Without overlap the estimate is the mean log ratio, which is an upper bound: a negligible one stays negligible.
    errors = np.where(np.isfinite(errors) | (weights > 1e-3), errors, 0.0)
    if not np.all(np.isfinite(errors)):
        return np.full(len(clusters), np.nan)
    logs = np.array([c.evidence.log_evidence for c in clusters])
    noisy = logs + errors * np.random.default_rng(0).standard_normal((draws, len(clusters)))
    return np.sqrt(np.mean((np.exp(noisy - np.logaddexp.reduce(noisy, axis=1)[:, None]) - weights) ** 2, axis=0))


def _retained(clusters: list[Cluster], least_weight: float) -> list[int]:
    return [0] if clusters[0].weight >= 1 - least_weight else [k for k, c in enumerate(clusters) if c.weight >= least_weight]


def _need(pool: Pool, clusters: list[Cluster], chains: int, least_weight: float) -> list[int]:
    """Cluster of each chain that is to be run next."""
    need = []
    retained = _retained(clusters, least_weight)
    for k in retained:
        have = len(clusters[k].chains)
        wanted = chains if len(retained) == 1 else max(2, math.ceil(clusters[k].weight * chains))
        more = wanted - have
        if more <= 0 and not _passes(pool, clusters[k]):
            more = max(1, chains // 2)
        need += [k] * max(0, more)
    return need


def _passes(pool: Pool, cluster: Cluster) -> bool:
    if len(cluster.chains) < 2:
        return False
    found = pool.convergence(cluster.chains)
    return bool(np.nanmax(found["rhat"]) < RHAT_BELOW and min(np.nanmin(found["ess_bulk"]), np.nanmin(found["ess_tail"])) > ESS_ABOVE)


def _tree(
    density: Density,
    pool: Pool,
    clusters: list[Cluster],
    modes: Modes,
    draws: int,
    chains: int,
    least_weight: float,
    seed: int,
    metric: str,
    began: float,
) -> xr.DataTree:
    cost: dict[str, float] = {**pool.cost, "gradient_evaluations": pool.cost["gradient_evaluations"] + pool.evidence_evaluations}
    together = {c for cluster in clusters for c in cluster.chains}
    cost["chains_that_crossed"] = pool.number - len(together) if clusters else 0
    cost |= {"evidence_evaluations": pool.evidence_evaluations, "seconds": time.perf_counter() - began, "interrupted": pool.interrupted}
    groups: dict[str, xr.Dataset] = {}
    if not clusters:
        every = np.indices((pool.number, pool.length))
        groups = pool.select(every[0], every[1], None) | {"modes": modes.table}
    else:
        retained = _retained(clusters, least_weight)
        if len(retained) == 1 and clusters[retained[0]].chains:
            rows = np.array(clusters[retained[0]].chains)
            chain, draw = np.repeat(rows[:, None], pool.length, axis=1), np.tile(np.arange(pool.length), (len(rows), 1))
            mode = np.zeros_like(chain)
        else:
            chain, draw, mode = _stratified(clusters, retained, min(draws, pool.length), chains, seed)
            groups["within_modes"] = _within(pool, clusters, retained)
        groups |= pool.select(chain, draw, mode)
        groups["modes"] = _table(pool, clusters, modes)
        groups["laplace_modes"] = modes.table
    tree = xr.DataTree.from_dict({f"/{name}": group for name, group in (groups | data_groups(density.model)).items()})
    tree.attrs = root_attrs(density.model, f"mixture of modes, nuts ({metric})", seed, cost)
    return tree


def _stratified(clusters: list[Cluster], retained: list[int], draws: int, chains: int, seed: int) -> tuple[NDArray, NDArray, NDArray]:
    """Chain and draw in the pool, and mode, of each draw of the result, shape (chains, draws) each."""
    rng = np.random.default_rng([seed, 4])
    weights = np.array([clusters[k].weight for k in retained])
    counts = np.bincount(share_out(weights / weights.sum(), draws), minlength=len(retained))
    parts = []
    for k, count in zip(retained, counts, strict=True):
        rows, columns = clusters[k].draws
        # Evenly spaced over the chains of the mode laid end to end; an output chain gets a stretch of its own.
        at = ((np.arange(count * chains) + 0.5) * (len(rows) / (count * chains))).astype(int).reshape(chains, count)
        parts.append(np.stack([rows[at], columns[at], np.full_like(at, k)]))
    together = np.concatenate(parts, axis=2)
    order = np.argsort(rng.random(together.shape[1:]), axis=1)
    chain, draw, mode = np.take_along_axis(together, order[None], axis=2)
    return chain, draw, mode


def _within(pool: Pool, clusters: list[Cluster], retained: list[int]) -> xr.Dataset:
    found = [pool.convergence(clusters[k].chains) for k in retained]
    data = {name: (("mode", "scalar"), np.stack([f[name] for f in found])) for name in ("rhat", "ess_bulk", "ess_tail")}
    per_mode = {
        "weight": ("mode", [clusters[k].weight for k in retained]),
        "chains": ("mode", [len(clusters[k].chains) for k in retained]),
        "draws": ("mode", [len(clusters[k].draws[0]) for k in retained]),
    }
    return xr.Dataset({**data, **per_mode}, coords={"mode": retained, "scalar": pool.labels})


def _table(pool: Pool, clusters: list[Cluster], modes: Modes) -> xr.Dataset:
    rows = []
    for cluster in clusters:
        laplace = sorted({pool.started[c] for c in np.unique(cluster.draws[0]) if pool.started[c] >= 0})
        from_search = modes.table[["log_posterior", "log_evidence", "fraction_of_starts"]].isel(mode=laplace)
        best = int(np.argmax(from_search["log_evidence"].values)) if laplace else -1
        rows.append(
            {
                "log_evidence": cluster.evidence.log_evidence,
                "log_evidence_error": cluster.evidence.error,
                "weight": cluster.weight,
                "chains": len(cluster.chains),
                "log_posterior": float(from_search["log_posterior"].max()) if laplace else np.nan,
                "laplace_log_evidence": float(from_search["log_evidence"].max()) if laplace else np.nan,
                "fraction_of_starts": float(from_search["fraction_of_starts"].sum()),
                "laplace_mode": laplace[best] if laplace else -1,
            }
        )
    means = xr.concat([pool.mean(c.draws) for c in clusters], dim="mode", combine_attrs="drop")
    columns = {name: ("mode", [row[name] for row in rows]) for name in rows[0]}
    return means.assign({**columns, "weight_error": ("mode", weight_errors(clusters))}).assign_coords(mode=np.arange(len(clusters)))
