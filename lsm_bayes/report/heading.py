"""The top of the page: what was fitted to what, and whether it may be called a posterior."""

from typing import Any

import numpy as np
import xarray as xr

from lsm_bayes.diagnostics.bounds import Pressing
from lsm_bayes.diagnostics.gates import Gate, Gates
from lsm_bayes.diagnostics.result import Stream, attribute, model_card, variable_of
from lsm_bayes.report.page import Block, Heading, Section, Text, absent, exact, number, unit_text
from lsm_bayes.vocabulary import QUANTITIES


def heading(tree: xr.DataTree, gates: Gates, streams: list[Stream]) -> Heading:
    """Make the top of the page.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of a calibration.
    gates : Gates
        Its gates.
    streams : list of Stream
        Its streams.

    Returns
    -------
    Heading
        Title, verdict and facts.
    """
    card = model_card(tree)
    pft = functional_types(card)
    sizes = tree["posterior"].to_dataset().sizes
    facts = [
        ("Process model", str(card.get("process_model", "not stated in the model card"))),
        (
            "Sites",
            ", ".join(f"{s} ({pft[s]})" if s in pft else str(s) for s in card.get("sites", streams[0].sites if streams else []))
            or "not stated",
        ),
        *((f"Stream {s.name.upper()}", _stream_fact(s)) for s in streams),
        ("Fitted period", _period(card.get("period_training"))),
        ("Withheld period", _period(card.get("period_withheld"))),
        ("Method", f"{attribute(tree, 'method', 'not stated')}; {sizes.get('chain', 0)} chains of {sizes.get('draw', 0)} draws"),
        *([("Parameters", f"{len(card['parameters'])} declared, those of the error models included")] if card.get("parameters") else []),
    ]
    reasons = [_reason(g) for g in gates.failed]
    reasons += _findings([f for f in gates.findings if f.reported])
    verdict = (
        "A posterior: every gate passes."
        if gates.passed
        else (
            f"Not a posterior: {len(gates.failed)} of {len(gates.gates)} gates failed. Do not interpret the intervals below as"
            " probabilities."
        )
    )
    return Heading(str(card.get("title") or "Calibration report"), gates.passed, verdict, reasons, facts)


def _findings(found: list[Pressing]) -> list[str]:
    """One sentence for each parameter and bound, with all places where it presses."""
    groups: dict[tuple[str, str, float], list[Pressing]] = {}
    for f in found:
        groups.setdefault((variable_of(f.parameter), f.side, f.bound), []).append(f)
    sentences = []
    for (name, side, bound), members in groups.items():
        if len(members) == 1:
            sentences.append(f"Finding: {members[0].parameter} presses against its {side} bound {exact(bound)}. {members[0].reported}")
            continue
        where = ", ".join(f"{f.parameter.removeprefix(name).strip('[]')} ({f.mass:.0%})".replace("%", " %") for f in members)
        sentences.append(
            f"Finding: {name} presses against its {side} bound {exact(bound)} at {where}; in brackets: how much of the posterior lies "
            "within 1 % of the range of the bound."
        )
    return sentences


def functional_types(card: dict[str, Any]) -> dict[str, str]:
    """Return the plant functional type of each site, as far as the card says.

    Parameters
    ----------
    card : dict
        Model card, whose ``pft`` maps a site to its type.

    Returns
    -------
    dict
        Empty when the card says nothing.
    """
    found = card.get("pft")
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _reason(gate: Gate) -> str:
    value = f"{gate.value:.6g}" if np.isfinite(gate.value) else "not measured"
    who = f" ({gate.parameter})" if gate.parameter else ""
    return f"{gate.name}: {value}, must be {gate.comparison} {gate.threshold:g}{who}. What to do: {gate.action}."


def errors(tree: xr.DataTree, streams: list[Stream]) -> Section:
    """Describe the error model of each stream in words and equations.

    Parameters
    ----------
    tree : xarray.DataTree
        Result; the model card's ``error_models`` map a stream to ``words`` and ``equation``, or its ``streams`` map one
        to an ``error_model`` in words.
    streams : list of Stream
        Its streams.

    Returns
    -------
    Section
        One paragraph and one equation for each stream.
    """
    blocks: list[Block] = []
    for stream in streams:
        entry = _error_model(model_card(tree), stream.name)
        if not entry:
            why = "The model card has no error_models entry for it, so the likelihood cannot be judged from this page."
            blocks.append(absent(f"the error model of {stream.name.upper()}", why))
            continue
        blocks.append(Text(f"{stream.name.upper()}: {entry.get('words', '')}"))
        if worth := _worth(tree, stream.name):
            blocks.append(Text(worth))
        if entry.get("equation"):
            blocks.append(Text(entry["equation"], "equation"))
    return Section("errors", "Error models", blocks or [absent("the error models", "The result holds no observed stream.")])


def _worth(tree: xr.DataTree, stream: str) -> str:
    """Say how many independent observations a stream is worth, because correlated ones say less than their number."""
    names = [f"{stream}_fitted_values", f"{stream}_effective_values"]
    if "constant_data" not in tree.children or any(n not in tree["constant_data"].data_vars for n in names):
        return ""
    number, worth = (float(tree["constant_data"][n].sum()) for n in names)
    return f"{stream.upper()}: {number:.0f} fitted values, worth {worth:.0f} independent ones for their mean."


def _error_model(card: dict[str, Any], stream: str) -> dict[str, str]:
    streams = card.get("streams")
    found = (card.get("error_models") or {}).get(stream) or (
        streams.get(stream, {}).get("error_model") if isinstance(streams, dict) else None
    )
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {"words": str(found)} if found else {}


def stream_title(stream: Stream) -> str:
    """Name a stream with its unit and sign.

    Parameters
    ----------
    stream : Stream
        A stream.

    Returns
    -------
    str
        Such as ``NEE (gC m⁻² d⁻¹, positive to the atmosphere)``.
    """
    known = QUANTITIES.get(stream.name)
    sign = f", {known.sign}" if known is not None and known.sign else ""
    unit = unit_text(stream.unit)
    return f"{stream.name.upper()} ({unit}{sign})" if unit or sign else stream.name.upper()


def _stream_fact(stream: Stream) -> str:
    seen = np.isfinite(stream.observed)
    used, kept = int((seen & ~stream.withheld).sum()), int((seen & stream.withheld).sum())
    known = QUANTITIES.get(stream.name)
    parts = [
        known.description if known is not None else stream.name,
        f"{unit_text(stream.unit) or 'dimensionless'}{f', {known.sign}' if known is not None and known.sign else ''}",
    ]
    typical = stream.uncertainty[seen & np.isfinite(stream.uncertainty)]
    error = f"median stated random error {number(np.median(typical))}" if typical.size else "no stated random error"
    return (
        f"{'; '.join(parts)}; one value per {number(stream.step_days, 2)} d; {used} values fitted, {kept} withheld, {int((~seen).sum())}"
        f" missing; {error}"
    )


def _period(value: object) -> str:
    if isinstance(value, list | tuple) and len(value) == 2:
        return f"{str(value[0])[:10]} to {str(value[1])[:10]}"
    return str(value) if value else "none stated in the model card"
