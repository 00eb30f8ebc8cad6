"""When a fit may be called a posterior: every gate with its unrounded value, who fails it and what to do."""

import warnings
from dataclasses import asdict, dataclass
from typing import Any

import arviz_stats
import numpy as np
import xarray as xr

from lsm_bayes.diagnostics.bounds import Pressing, pressing
from lsm_bayes.diagnostics.result import attribute, model_card, scalars, unrolled, variable_of

RHAT_BELOW = 1.01
ESS_ABOVE = 400.0
DIVERGENCES_BELOW = 1e-3
LEAST_WEIGHT = 0.01
"""Modes below this weight are not asked to converge."""
WEIGHT_ERROR_BELOW = 0.1
"""A weight with a larger standard error counts as unknown."""


@dataclass(frozen=True)
class Gate:
    """One condition.

    Parameters
    ----------
    name : str
        What is measured.
    value : float
        Measured value, not rounded; NaN where it could not be measured, which fails.
    comparison : str
        ``"<"``, ``">"`` or ``"="``: how the value must relate to the threshold.
    threshold : float
        The limit.
    passed : bool
        Verdict.
    parameter : str
        The parameter that is responsible for the value, or an empty string.
    action : str
        What to do when the gate fails.
    note : str
        What else the reader must know.
    """

    name: str
    value: float
    comparison: str
    threshold: float
    passed: bool
    parameter: str
    action: str
    note: str = ""


@dataclass(frozen=True)
class Gates:
    """All gates of one result.

    Parameters
    ----------
    gates : tuple of Gate
        In the order in which they are checked.
    findings : tuple of Pressing
        Parameters that press against a bound, reported or not.
    """

    gates: tuple[Gate, ...]
    findings: tuple[Pressing, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every gate passes."""
        return all(g.passed for g in self.gates)

    @property
    def failed(self) -> tuple[Gate, ...]:
        """The gates that do not pass."""
        return tuple(g for g in self.gates if not g.passed)

    @property
    def verdict(self) -> str:
        """One sentence: a posterior, or which gates failed and what to do."""
        if self.passed:
            return "A posterior: every gate passes."
        failed = "; ".join(f"{g.name}{f' ({g.parameter})' if g.parameter else ''}: {g.action}" for g in self.failed)
        return f"Not a posterior: {len(self.failed)} of {len(self.gates)} gates failed. {failed}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON.

        Returns
        -------
        dict
            ``passed``, ``verdict``, ``gates`` and ``findings``.
        """
        return {
            "passed": self.passed,
            "verdict": self.verdict,
            "gates": [asdict(g) for g in self.gates],
            "findings": [asdict(f) for f in self.findings],
        }

    def __str__(self) -> str:
        rows = [("gate", "value", "must be", "passed", "parameter")]
        rows += [
            (g.name, f"{g.value:.6g}", f"{g.comparison} {g.threshold:g}", "yes" if g.passed else "NO", g.parameter) for g in self.gates
        ]
        widths = [max(len(r[k]) for r in rows) for k in range(5)]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(r, widths, strict=True)).rstrip() for r in rows]
        notes = [f"{g.name}: {g.note}" for g in self.gates if g.note]
        return "\n".join([*lines, *notes, self.verdict])


def check(tree: xr.DataTree, reported: dict[str, str] | None = None) -> Gates:
    """Check whether a result may be called a posterior.

    R-hat and effective sample size are those of Vehtari et al. (2021, doi 10.1214/20-BA1221): rank-normalised split
    R-hat (the larger of the bulk and the folded one), and bulk and tail effective sample size, over every scalar of
    the posterior. Values are compared unrounded. Where the posterior is a mixture of modes (group ``within_modes``), R-hat is
    the worst within a mode of at least 1 % weight, and the effective sample size is that of the mixture given its weights, see
    `mixture_convergence`.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of a calibration, with the groups ``posterior`` and ``sample_stats``; ``modes`` and the model card
        are used where present.
    reported : dict, optional
        Parameter (or scalar) to a sentence, for parameters whose bound is known to bite; added to ``findings`` of
        the model card. An unreported one fails the gate, a reported one is a finding.

    Returns
    -------
    Gates
        Every gate; ``print`` shows a table.

    Raises
    ------
    ValueError
        If the result has no posterior.
    """
    if "posterior" not in tree.children:
        raise ValueError(f"the result has no group 'posterior'; it has {sorted(tree.children)}. Sample the model first.")
    card = model_card(tree)
    entries = card.get("parameters", {})
    draws = {k: unrolled(v, entries.get(variable_of(k), {})) for k, v in scalars(tree["posterior"].to_dataset()).items()}
    if not draws:
        raise ValueError("the group 'posterior' holds no scalar parameter. Store the draws with the dimensions chain and draw.")
    fixed = [k for k, v in draws.items() if np.ptp(v) == 0 and _may_be_constant(entries.get(variable_of(k)))]
    moving = {k: v for k, v in draws.items() if k not in fixed} or draws
    caps = {k: {"bounds": [0.0, cap]} for e in (card.get("error_models") or {}).values() for k, cap in (e.get("caps") or {}).items()}
    found = pressing(moving, card | {"parameters": entries | caps}, _findings(card) | (reported or {}))
    # No memory at all is nothing to report; memory as long as is allowed says that the process model is wrong for longer than that.
    findings = tuple(f for f in found if variable_of(f.parameter) not in caps or f.side == "upper")
    return Gates((*_convergence(tree, moving), _divergences(tree, moving), _bounds(findings), _modes(tree)), findings)


def convergence(draws: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Measure R-hat and effective sample sizes of every scalar.

    Parameters
    ----------
    draws : dict
        Label to draws of shape (chain, draw).

    Returns
    -------
    dict
        ``rhat``, ``ess_bulk`` and ``ess_tail``, each of shape (scalar,), in the order of `draws`; NaN where a scalar
        does not move or is not finite.
    """
    data = np.stack(list(draws.values()))  # (scalar, chain, draw)
    still = (np.ptp(data, axis=(1, 2)) == 0) | ~np.isfinite(data).all(axis=(1, 2))
    array = xr.DataArray(data, dims=("scalar", "chain", "draw"))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        found = {
            "rhat": arviz_stats.rhat(array, method="rank") if data.shape[1] > 1 else xr.full_like(array[:, 0, 0], np.nan),
            "ess_bulk": arviz_stats.ess(array, method="bulk"),
            "ess_tail": arviz_stats.ess(array, method="tail"),
        }
    return {k: np.where(still, np.nan, v.to_numpy()) for k, v in found.items()}


def _may_be_constant(entry: dict[str, Any] | None) -> bool:
    """Say whether a scalar that never moves is meant to: the card does not declare it, or declares it fixed."""
    return entry is None or str(entry.get("prior", "")).startswith("fixed")


def mixture_convergence(tree: xr.DataTree, labels: list[str]) -> dict[str, np.ndarray] | None:
    """Read R-hat and effective sample sizes of a mixture of modes from what was measured within each mode.

    A mean over the mixture is the sum of ``w_m`` times the mean in mode m, so that its error variance, in units of the
    within-mode variance, is the sum of ``w_m^2 / ESS_m``: the mixture is worth one over that many independent draws, which is
    conservative as the variance between modes does not count. The error of the weights is not part of it.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of a calibration.
    labels : list of str
        Scalars to report.

    Returns
    -------
    dict or None
        ``rhat`` (largest over modes of at least 1 % weight), ``ess_bulk`` and ``ess_tail``, each of shape (scalar,), and ``mode``,
        the mode with the largest R-hat; NaN where a scalar was not measured in one of these modes. None when the posterior is no mixture.
    """
    if "within_modes" not in tree.children:
        return None
    group = tree["within_modes"].to_dataset()
    group = group.isel(mode=np.flatnonzero(group["weight"].to_numpy() >= LEAST_WEIGHT)).reindex(scalar=labels)
    weights = group["weight"].to_numpy()
    weights = weights / weights.sum()
    rhat = group["rhat"].transpose("mode", "scalar").to_numpy()
    found = {"rhat": rhat.max(axis=0), "mode": group["mode"].to_numpy()[np.argmax(np.where(np.isnan(rhat), np.inf, rhat), axis=0)]}
    for key in ("ess_bulk", "ess_tail"):
        found[key] = 1 / np.sum(weights[:, None] ** 2 / group[key].transpose("mode", "scalar").to_numpy(), axis=0)
    return found


def _convergence(tree: xr.DataTree, draws: dict[str, np.ndarray]) -> list[Gate]:
    names = list(draws)
    mixture = mixture_convergence(tree, names)
    found = convergence(draws) if mixture is None else mixture
    chains = next(iter(draws.values())).shape[0]
    longer = "look at the correlation pairs of the parameter, sample it in better coordinates, or draw more"
    gates = []
    for key, title, sign, limit, action in (
        (
            "rhat",
            "R-hat, rank-normalised, largest",
            "<",
            RHAT_BELOW,
            "compare the chains: they disagree; tune longer, start from every mode, reparameterise",
        ),
        ("ess_bulk", "effective sample size, bulk, smallest", ">", ESS_ABOVE, longer),
        ("ess_tail", "effective sample size, tail, smallest", ">", ESS_ABOVE, longer),
    ):
        values = found[key]
        worst = int(np.argmax(np.isnan(values)) if np.isnan(values).any() else np.argmax(values) if sign == "<" else np.argmin(values))
        value = float(values[worst])
        note = ""
        if mixture is not None:
            note = _mixture_note(tree, key, int(mixture["mode"][worst]), np.isnan(value))
        elif np.isnan(value):
            note = (
                "needs at least two chains; draw four" if chains < 2 and key == "rhat" else f"{names[worst]} did not move or is not finite"
            )
        gates.append(Gate(title, value, sign, limit, bool(value < limit if sign == "<" else value > limit), names[worst], action, note))
    return gates


def _mixture_note(tree: xr.DataTree, key: str, mode: int, unmeasured: bool) -> str:
    if key != "rhat":
        return "of the mixture: 1 / sum(weight^2 / effective sample size within the mode)"
    group = tree["within_modes"].to_dataset()
    parts = [
        f"mode {int(k) + 1} ({100 * w:.3g} %, {int(n)} chains)"
        for k, w, n in zip(group["mode"].to_numpy(), group["weight"].to_numpy(), group["chains"].to_numpy(), strict=True)
    ]
    note = f"within modes, worst in mode {mode + 1}; the posterior is a mixture of {', '.join(parts)}, between which chains do not cross"
    return note + ("; a mode with a single chain has no R-hat: sample more rounds" if unmeasured else "")


def _divergences(tree: xr.DataTree, draws: dict[str, np.ndarray]) -> Gate:
    title, action = (
        "divergent transitions, fraction",
        "raise the target acceptance to 0.95 or more, tune longer, reparameterise the parameter",
    )
    stats = tree["sample_stats"].to_dataset() if "sample_stats" in tree.children else xr.Dataset()
    if "diverging" not in stats:
        method = attribute(tree, "method", "unknown")
        return Gate(
            title,
            np.nan,
            "<",
            DIVERGENCES_BELOW,
            False,
            "",
            "sample with NUTS",
            f"not measured: the method {method} records no divergences",
        )
    diverging = stats["diverging"].transpose("chain", "draw").to_numpy().astype(bool)
    value = float(diverging.mean())
    return Gate(
        title,
        value,
        "<",
        DIVERGENCES_BELOW,
        value < DIVERGENCES_BELOW,
        _where_diverging(diverging, draws),
        action,
        f"{diverging.sum()} of {diverging.size} draws",
    )


def _where_diverging(diverging: np.ndarray, draws: dict[str, np.ndarray]) -> str:
    """Name the parameter whose divergent draws lie farthest from its mean, in posterior sd."""
    if not diverging.any():
        return ""
    away = {k: abs(v[diverging].mean() - v.mean()) / (v.std() or 1.0) for k, v in draws.items() if v.shape == diverging.shape}
    return max(away, key=lambda k: away[k]) if away else ""


def _bounds(findings: tuple[Pressing, ...]) -> Gate:
    unreported = [f for f in findings if not f.reported]
    action = "widen the bound if physics allows, or report the finding in the model card (findings: {parameter: sentence})"
    known = [f"{f.parameter} ({f.side})" for f in findings if f.reported]
    note = f"reported findings: {', '.join(known)}" if known else ""
    if unreported:
        note = "; ".join(
            [*([note] if note else []), "unreported: " + ", ".join(f"{f.parameter} at its {f.side} bound" for f in unreported)]
        )
    worst = max(unreported, key=lambda f: f.mass).parameter if unreported else ""
    return Gate("parameters that press against a bound, unreported", float(len(unreported)), "=", 0.0, not unreported, worst, action, note)


def _modes(tree: xr.DataTree) -> Gate:
    title, action = "modes without a weight", "give every mode its evidence or stacking weight, and its withheld skill"
    if "modes" not in tree.children:
        return Gate(
            title, 0.0, "=", 0.0, True, "", action, "no search for modes is recorded: R-hat speaks only of where the chains started"
        )
    modes = tree["modes"].to_dataset()
    n = int(modes.sizes.get("mode", 0))
    if n <= 1:
        return Gate(title, 0.0, "=", 0.0, True, "", action, "one mode was found")
    weights = modes["weight"].to_numpy().astype(float) if "weight" in modes else np.full(n, np.nan)
    missing = int((~np.isfinite(weights)).sum())
    total = float(np.nansum(weights))
    passed = missing == 0 and abs(total - 1) < 1e-3
    note = f"{n} modes" if passed or missing else f"{n} modes whose weights sum to {total:.4g}, not 1"
    if "weight_error" in modes:
        errors = modes["weight_error"].to_numpy().astype(float)
        # A weight with an unknown or large error is no weight.
        missing = int((~(np.isfinite(weights) & (errors < WEIGHT_ERROR_BELOW))).sum())
        passed = passed and missing == 0
        note += ", weights " + ", ".join(f"{w:.3g} ± {e:.2g}" for w, e in zip(weights, errors, strict=True))
    return Gate(title, float(missing), "=", 0.0, passed, "", action, note)


def _findings(card: dict[str, Any]) -> dict[str, str]:
    found = card.get("findings") or {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}
