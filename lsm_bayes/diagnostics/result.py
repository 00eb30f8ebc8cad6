"""How a result is read: the parts of the ArviZ DataTree that checks and reports need, by name."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from lsm_bayes.vocabulary import QUANTITIES, unknown

_SAMPLE = ("chain", "draw")


def attribute(tree: xr.DataTree, name: str, default: Any = None) -> Any:
    """Read a root attribute; JSON text is decoded, other text is returned as it is.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of a calibration.
    name : str
        Name of the attribute, such as ``"versions"``.
    default : optional
        What to return when the attribute is absent.

    Returns
    -------
    object
        The decoded value.
    """
    value = tree.attrs.get(name, default)
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def model_card(tree: xr.DataTree) -> dict[str, Any]:
    """Read the model card; an absent one is an empty dictionary.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of a calibration.

    Returns
    -------
    dict
        Title, process model, sites, streams, periods, parameters and citations.

    Raises
    ------
    ValueError
        If the attribute is present and is not a JSON object.
    """
    card = attribute(tree, "model_card", {})
    if not isinstance(card, dict):
        raise ValueError(f"the attribute model_card must be a JSON object, got {str(card)[:60]!r}. Write it with json.dumps(card).")
    return card


def scalars(dataset: xr.Dataset, variables: list[str] | None = None) -> dict[str, np.ndarray]:
    """Split the variables of a group into scalar parameters.

    Series (variables with a time or year dimension) are left out: they are results, not parameters.

    Parameters
    ----------
    dataset : xarray.Dataset
        Group with the dimensions ``chain`` and ``draw``.
    variables : list of str, optional
        Which variables; all by default.

    Returns
    -------
    dict
        Label such as ``"ceff[FI-Hyy]"`` to draws with shape (chain, draw).
    """
    found: dict[str, np.ndarray] = {}
    for name, values in dataset.data_vars.items():
        others = [str(d) for d in values.dims if d not in _SAMPLE]
        wanted = variables is None or name in variables
        if not wanted or values.dtype.kind not in "fiub" or any(d.startswith(("time", "year")) for d in others):
            continue
        array = values.transpose(*_SAMPLE, *others).to_numpy().astype(float)
        labels = [[str(x) for x in values[d].to_numpy()] for d in others]
        for index in np.ndindex(*array.shape[2:]):
            where = ", ".join(labels[k][i] for k, i in enumerate(index))
            found[f"{name}[{where}]" if index else str(name)] = array[(slice(None), slice(None), *index)]
    return found


def variable_of(label: str) -> str:
    """Return the name of the variable of a scalar's label: ``"ceff"`` for ``"ceff[FI-Hyy]"``.

    Parameters
    ----------
    label : str
        Label made by `scalars`.

    Returns
    -------
    str
        Name of the variable.
    """
    return label.partition("[")[0]


def scale_of(entry: dict[str, Any]) -> str:
    """Say on which scale a parameter is judged: ``"linear"``, ``"log"`` or ``"circular"``.

    The card's ``link`` decides where it is given, and a ``period`` makes a parameter circular. Otherwise positive bounds
    that are a factor of ten or more apart mean a rate or a pool, which is judged on the log scale: one percent of a
    linear range would hold decades of it.

    Parameters
    ----------
    entry : dict
        The parameter's entry in the model card.

    Returns
    -------
    str
        The scale.
    """
    link = str(entry.get("link") or "")
    if link in ("angle", "circular") or entry.get("period"):
        return "circular"
    if link:
        return "log" if link == "log" else "linear"
    lower, upper = limits(entry)
    return "log" if lower > 0 and np.isfinite(upper) and upper / lower >= 10 else "linear"


def limits(entry: dict[str, Any]) -> tuple[float, float]:
    """Return the bounds of a parameter; an absent bound is infinite.

    Parameters
    ----------
    entry : dict
        The parameter's entry in the model card.

    Returns
    -------
    tuple of float
        Lower and upper bound.
    """
    lower, upper = entry.get("bounds") or (None, None)
    return (-np.inf if lower is None else float(lower), np.inf if upper is None else float(upper))


def unrolled(values: np.ndarray, entry: dict[str, Any]) -> np.ndarray:
    """Shift the draws of a circular parameter by whole periods, so that they lie around their circular mean.

    A date near the turn of the year is otherwise split in two, and its mean, sd and R-hat are meaningless.

    Parameters
    ----------
    values : numpy.ndarray
        Draws, any shape.
    entry : dict
        The parameter's entry in the model card; the distance of its bounds is the period.

    Returns
    -------
    numpy.ndarray
        Same shape; unchanged when the parameter is not circular.
    """
    lower, upper = limits(entry)
    period = upper - lower
    if scale_of(entry) != "circular" or not np.isfinite(period) or not np.isfinite(values).all():
        return values
    angle = 2 * np.pi * (values - lower) / period
    centre = lower + period * (np.arctan2(np.sin(angle).mean(), np.cos(angle).mean()) % (2 * np.pi)) / (2 * np.pi)
    return centre + (values - centre + period / 2) % period - period / 2


@dataclass(frozen=True)
class Stream:
    """Observations of one stream and what the posterior says about them.

    Parameters
    ----------
    name, unit : str
        Name in the vocabulary and unit.
    sites : list of str
        Labels of the first axis of the arrays.
    time : numpy.ndarray
        datetime64, shape (time,).
    observed, uncertainty : numpy.ndarray
        Shape (site, time); NaN where missing. The uncertainty is one sd of the random error.
    withheld : numpy.ndarray
        bool, shape (site, time): not used in the fit.
    predicted, mean : numpy.ndarray or None
        Shape (draws, site, time): simulated observations with all errors; output of the observation operator.
    """

    name: str
    unit: str
    sites: list[str]
    time: np.ndarray
    observed: np.ndarray
    uncertainty: np.ndarray
    withheld: np.ndarray
    predicted: np.ndarray | None
    mean: np.ndarray | None

    @property
    def is_flux(self) -> bool:
        """Whether the stream is a rate per day, so that sums over time make sense."""
        return self.unit.endswith("d-1")

    @property
    def step_days(self) -> float:
        """Median step of the stream's own time axis, days."""
        return float(np.median(np.diff(self.time) / np.timedelta64(1, "D"))) if self.time.size > 1 else 1.0


def stream_names(tree: xr.DataTree) -> list[str]:
    """List the streams of a result.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of a calibration.

    Returns
    -------
    list of str
        Names of the variables of ``observed_data`` that have a time dimension.
    """
    if "observed_data" not in tree.children:
        return []
    data = tree["observed_data"].to_dataset()
    return [str(n) for n, v in data.data_vars.items() if _time_dimension(v) is not None]


def read_stream(tree: xr.DataTree, name: str) -> Stream:
    """Collect everything that a result knows about one stream.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of a calibration.
    name : str
        Name of the stream, such as ``"nee"``.

    Returns
    -------
    Stream
        Arrays in the order (site, time) or (draws, site, time). Times at which no site has a value are kept.

    Raises
    ------
    KeyError
        If the result has no such stream; the message lists those it has.
    """
    names = stream_names(tree)
    if name not in names:
        raise KeyError(unknown("stream", name, names))
    observed = tree["observed_data"].to_dataset()[name]
    dim = str(_time_dimension(observed))
    values = _by_site(observed, dim)
    constant = _variables(tree, "constant_data")
    predictive = _variables(tree, "posterior_predictive")
    blank = np.full(values.shape, np.nan)

    def known(key: str) -> np.ndarray | None:
        if key not in constant:
            return None
        return np.broadcast_to(_by_site(constant[key], dim), values.shape)

    uncertainty = known(f"{name}_uncertainty")
    withheld = known(f"{name}_withheld")
    unit = observed.attrs.get("units") or (QUANTITIES[name].unit if name in QUANTITIES else "1")
    sites = (
        [str(s) for s in observed["site"].to_numpy()]
        if "site" in observed.dims
        else [str(s) for s in model_card(tree).get("sites", ["site"])][:1]
    )
    return Stream(
        name=name,
        unit=str(unit),
        sites=sites,
        time=observed[dim].to_numpy().astype("datetime64[ns]"),
        observed=values.astype(float),
        uncertainty=blank if uncertainty is None else uncertainty.astype(float),
        withheld=np.zeros(values.shape, dtype=bool) if withheld is None else withheld.astype(bool),
        predicted=_draws(predictive.get(name), dim),
        mean=_draws(predictive.get(f"{name}_mean"), dim),
    )


def _variables(tree: xr.DataTree, group: str) -> dict[str, xr.DataArray]:
    return {str(k): v for k, v in tree[group].to_dataset().data_vars.items()} if group in tree.children else {}


def _time_dimension(values: xr.DataArray) -> str | None:
    return next((str(d) for d in values.dims if str(d).startswith("time")), None)


def _by_site(values: xr.DataArray, dim: str) -> np.ndarray:
    values = values if "site" in values.dims else values.expand_dims("site")
    values = values if dim in values.dims else values.expand_dims(dim)
    return values.transpose("site", dim).to_numpy()


def _draws(values: xr.DataArray | None, dim: str) -> np.ndarray | None:
    if values is None:
        return None
    values = values if "site" in values.dims else values.expand_dims("site")
    array = values.transpose(*_SAMPLE, "site", dim).to_numpy()
    return array.reshape(-1, *array.shape[2:])
