"""Which elements of a model's flat vector vary, where the others hold, and what they are called."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pymc as pm
from numpy.typing import NDArray
from pytensor.graph.traversal import ancestors

from lsm_bayes.calibration.choices import Calibration
from lsm_bayes.inference.flat import FlatSpace, Vector
from lsm_bayes.inference.inverse import InverseProblem

from .cube import held_position
from .outputs import predictions


def of_values(model: pm.Model, tensors: list[Any]) -> bool:
    """Whether graphs are of value variables already, as those of log densities are."""
    return not set(ancestors(tensors)) & set(model.free_RVs)


def choose(
    space: FlatSpace, graphs: list[Any], vary: Sequence[str] | None, hold: Mapping[str, object] | None
) -> tuple[NDArray[np.int64], Vector]:
    """Which elements vary, and where the others hold."""
    if isinstance(space, InverseProblem) and vary is None and not hold:
        return space.active, space.base
    model, held = space.model, dict(hold or {})
    base = held_position(space, held)
    c = getattr(model, "calibration", None)
    if vary is None:
        roots = graphs
        if isinstance(c, Calibration):
            roots = [model[n] for n in c.declared if n not in c.fixed]
        elif model.observed_RVs:
            roots = list(predictions(model).values())
        behind = set(ancestors(roots)) | set(ancestors(graphs) if roots is graphs else ())
        chosen = [rv.name for rv in model.free_RVs if (rv in behind or model.rvs_to_values[rv] in behind) and rv.name not in held]
    else:
        chosen = list(vary)
        strange = [n for n in chosen if n not in space.slices or n in held]
        if strange:
            raise ValueError(
                f"cannot vary {strange}: the free variables that are not held are {[n for n in space.slices if n not in held]}"
            )
    if not chosen:
        raise ValueError("nothing varies: no free variable that is not held has an influence; name some with vary=")
    return np.concatenate([np.arange(space.slices[n].start, space.slices[n].stop) for n in space.slices if n in chosen]), base


def label_of(space: FlatSpace, index: int) -> str:
    """Name of an element; of a coordinate ``z`` of `build_model` that of its parameter."""
    label = space.labels[index]
    name, _, rest = label.partition("[")
    if rest and (name == "z" or name.startswith("z_")) and space.model.named_vars_to_dims.get(name):
        first, *members = rest.removesuffix("]").split(", ")
        return f"{first}[{', '.join(members)}]" if members else first
    return label
