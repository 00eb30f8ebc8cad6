"""Streams: which observations, averaged over which period, with which error model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from lsm_bayes import observations
from lsm_bayes.declare import Parameter, ProcessModel
from lsm_bayes.errors.model import ErrorModel, SiteSeries, site_series
from lsm_bayes.errors.terms import Place, Scale, days_of
from lsm_bayes.observations import ObservationOperator
from lsm_bayes.observations.aggregation import Aggregation, aggregation
from lsm_bayes.vocabulary import parse_unit, quantity

LEAF_AREA_ERROR = ErrorModel(structural=Scale(1.0), envelope=0.0, correlation=None, discrepancy=None)


@dataclass(frozen=True)
class Stream:
    """One stream of observations.

    Parameters
    ----------
    quantity : str
        What is observed, by its name in the vocabulary, such as ``"nee"``: the variable of the data and the observation operator, unless
        others are named.
    period : {"day", "week", "month", "year"}
        Averaging period; ``"day"`` uses every observed day.
    error : ErrorModel, optional
        Likelihood; the default of a flux, or of leaf area for ``"lai"``.
    uncertainty : float, optional
        Standard deviation of the random error in the unit of the stream, where the data state none.
    operator : str or ObservationOperator, optional
        Where there are several for the quantity, or one of your own.
    variable : str, optional
        Variable of the data, and name of the stream, where it is not the quantity: leaf area of a second instrument.
    """

    quantity: str
    period: Literal["day", "week", "month", "year"] = "day"
    error: ErrorModel | None = None
    uncertainty: float | None = None
    operator: str | ObservationOperator | None = None
    variable: str | None = None

    def __post_init__(self) -> None:
        found = self.observation_operator
        if found.quantity != quantity(self.quantity).name:
            raise ValueError(
                f"stream {self.name!r}: the operator {found.name!r} gives {found.quantity!r}, not {self.quantity!r}; for that there are "
                f"{', '.join(n for n in observations.available() if observations.get(n).quantity == self.quantity) or 'none'}"
            )

    @property
    def name(self) -> str:
        """Name of the stream."""
        return self.variable or self.quantity

    @property
    def observation_operator(self) -> ObservationOperator:
        """The operator in use."""
        chosen = self.operator or self.quantity
        return chosen if isinstance(chosen, ObservationOperator) else observations.get(chosen)

    @property
    def error_model(self) -> ErrorModel:
        """The error model in use."""
        return self.error or (LEAF_AREA_ERROR if self.quantity == "lai" else ErrorModel())


@dataclass(frozen=True)
class PreparedStream:
    """Observations of a stream at each site, for the fit and for the whole record.

    Attributes
    ----------
    stream : Stream
        The declaration.
    members : tuple of int
        Places of the sites where it is observed; what follows has one entry for each of these.
    fitted, whole : list of Aggregation
        Observations of the training period, and of the training and withheld periods.
    series : list of SiteSeries
        Fitted observations.
    values, uncertainties, places
        Observations, stated uncertainty, and times with drivers of `whole`.
    """

    stream: Stream
    members: tuple[int, ...]
    fitted: list[Aggregation]
    whole: list[Aggregation]
    series: list[SiteSeries]
    values: list[np.ndarray] = field(default_factory=list)
    uncertainties: list[np.ndarray] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Name of the stream."""
        return self.stream.name

    def place_of(self, site: int) -> int | None:
        """Which entry is that of a site; None where the stream is not observed."""
        return self.members.index(site) if site in self.members else None

    def site_dim(self, sites: int) -> str | None:
        """Name of the dimension of its parameters by site, of a calibration with so many sites; None with one site."""
        return None if sites == 1 else "site" if len(self.members) == sites else f"{self.name}_site"

    @property
    def operator(self) -> ObservationOperator:
        """The observation operator."""
        return self.stream.observation_operator


def parameter_name(stream: str, name: str) -> str:
    """Name of a parameter of an observation operator in a calibration.

    Parameters
    ----------
    stream, name : str
        Stream, and name in the operator's declaration.

    Returns
    -------
    str
        ``<stream>_<name>``.
    """
    return f"{stream}_{name}"


def declared_parameters(model: ProcessModel, streams: Sequence[Stream]) -> dict[str, tuple[Parameter, float]]:
    """Return everything that can be calibrated: parameters and initial pools of the process model, parameters of observation operators.

    Parameters
    ----------
    model : ProcessModel
        The land model.
    streams : sequence of Stream
        What is fitted.

    Returns
    -------
    dict of str to (Parameter, float)
        Declaration and default.

    Raises
    ------
    ValueError
        When two have the same name.
    """
    found = dict(model.calibrated)
    for stream in streams:
        if stream.name in found:
            raise ValueError(
                f"stream {stream.name!r} has the name of a parameter or an initial pool of {model.name}; rename the variable of the data "
                f"and give Stream({stream.quantity!r}, variable='{stream.name}_observed')"
            )
        for name, declared in stream.observation_operator.parameter_table.items():
            full = parameter_name(stream.name, name)
            if full in found:
                raise ValueError(f"parameter {full!r} of the operator of stream {stream.name!r} exists already; give Stream(variable=...)")
            found[full] = declared
    return found


def _mean_uncertainty(a: Aggregation, sd: np.ndarray) -> np.ndarray:
    """Sd of the mean of independent random errors."""
    if not a.last.size:
        return sd[a.steps]
    count = np.diff(a.last, prepend=0)
    first = np.concatenate([[0], a.last[:-1]])
    return np.sqrt(np.add.reduceat(sd[a.steps] ** 2, first)) / count


def _in_unit(data: xr.Dataset, name: str, quantity_name: str) -> np.ndarray:
    """Values of a variable; its unit has to be that of the vocabulary, because priors and reports are in it."""
    wanted = quantity(quantity_name).unit
    # An uncertainty that came out of arithmetic has lost its unit; it is that of its stream.
    found = data[name].attrs.get("units", wanted if name.endswith("_uncertainty") else None)
    if found is None or (found != wanted and parse_unit(str(found)) != parse_unit(wanted)):
        raise ValueError(
            f"{name!r} has units {found!r} where {wanted!r} is needed; convert it with lsm_bayes.vocabulary.convert, or read it with "
            "lsm_bayes.datasets.from_xarray, which does"
        )
    return data[name].values.astype(float)


def _stated(stream: Stream, data: xr.Dataset, site: str | None, observed: np.ndarray) -> np.ndarray:
    name = f"{stream.name}_uncertainty"
    if stream.uncertainty is not None:
        return np.full(observed.size, stream.uncertainty)
    if name not in data or not np.isfinite(data[name].values[observed]).any():
        where = f" at {site}" if site else ""
        raise ValueError(
            f"stream {stream.name!r} has no uncertainty{where}: the data have no finite {name!r}. "
            f"Give Stream({stream.quantity!r}, uncertainty=...) in the "
            "unit of the stream, or estimate it with lsm_bayes.datasets"
        )
    sd = _in_unit(data, name, stream.quantity)
    # A missing uncertainty of single values is replaced by the median of the stated ones.
    return np.where(np.isfinite(sd), sd, np.nanmedian(sd[observed]))


def prepare(
    stream: Stream,
    sites: Sequence[xr.Dataset],
    names: Sequence[str],
    training: Sequence[np.ndarray],
    drivers: Sequence[Callable[[str], np.ndarray]] | None = None,
) -> PreparedStream:
    """Collect the observations of a stream.

    Parameters
    ----------
    stream : Stream
        The declaration.
    sites : sequence of xarray.Dataset
        One for each site, dimension ``time``.
    names : sequence of str
        Site names, for messages.
    training : sequence of numpy.ndarray of bool
        Which steps of each site belong to the training period.
    drivers : sequence of callable, optional
        For each site, name of a driver to its values (time,); needed by error models that read drivers.

    Returns
    -------
    PreparedStream
        The observations, of the sites that have any.

    Raises
    ------
    KeyError
        When the data have no such variable.
    ValueError
        When a unit is missing or not that of the vocabulary, when nothing was observed in the training period, or no uncertainty is known.
    """
    fitted, whole, series, values, uncertainties, places = [], [], [], [], [], []
    members = tuple(i for i, data in enumerate(sites) if stream.name in data and np.isfinite(data[stream.name].values).any())
    # Where no site has it, the first one is looked at for the message.
    for i in members or (0,):
        data, name, train = sites[i], names[i], training[i]
        if stream.name not in data:
            raise KeyError(f"stream {stream.name!r} is not in the data of {name}; they have {', '.join(sorted(map(str, data.data_vars)))}")
        observed_values = _in_unit(data, stream.name, stream.quantity)
        observed = np.isfinite(observed_values)
        time = pd.DatetimeIndex(data["time"].values)
        a = aggregation(time, observed & train, stream.period)
        if a.time.size < 3:
            raise ValueError(
                f"stream {stream.name!r} at {name} has {int((observed & train).sum())} observed days and "
                f"{a.time.size} {stream.period} values in the training period {time[train][0]:%Y-%m-%d} to {time[train][-1]:%Y-%m-%d}; "
                "leave the stream or the site out, or choose another period"
            )
        sd = _stated(stream, data, name, observed & train)
        everything = aggregation(time, observed, stream.period)
        fitted.append(a)
        whole.append(everything)
        asked = [n for n in stream.error_model.drivers if n != "time"]
        known = {n: drivers[i](n) for n in asked} if drivers is not None else {}
        series.append(site_series(a.mean(observed_values), _mean_uncertainty(a, sd), a.gap, a.time, stream.error_model.envelope))
        places.append(tuple(_place(data, x, known) for x in (a, everything)))
        values.append(everything.mean(observed_values))
        uncertainties.append(_mean_uncertainty(everything, sd))
    pooled = {n: np.concatenate([here.drivers[n] for here, _ in places]) for n in places[0][0].drivers}
    series = [replace(s, place=replace(here, fitted=pooled)) for s, (here, _) in zip(series, places, strict=True)]
    everywhere = [replace(there, fitted=pooled) for _, there in places]
    return PreparedStream(stream, members, fitted, whole, series, values, uncertainties, everywhere)


def _place(data: xr.Dataset, a: Aggregation, drivers: Mapping[str, np.ndarray]) -> Place:
    latitude, longitude = (float(data[n]) if n in data.variables and data[n].ndim == 0 else np.nan for n in ("latitude", "longitude"))
    known = {n: a.mean(v) for n, v in drivers.items()} | {"time": days_of(a.time)}
    return Place(a.time, known, latitude=latitude, longitude=longitude)


def check_members(prepared: Sequence[PreparedStream], sites: Sequence[str]) -> None:
    """Refuse sites without any observation, and correlated errors of streams that are not at the same sites.

    Parameters
    ----------
    prepared : sequence of PreparedStream
        Streams.
    sites : sequence of str
        Names.

    Raises
    ------
    ValueError
        In both cases.
    """
    idle = [name for i, name in enumerate(sites) if prepared and not any(i in p.members for p in prepared)]
    if idle:
        raise ValueError(f"{', '.join(p.name for p in prepared)}: none is observed at {', '.join(idle)}; leave these sites out")
    by_name = {p.name: p for p in prepared}
    for p in prepared:
        across = p.stream.error_model.across
        if across is not None and across.stream in by_name and by_name[across.stream].members != p.members:
            raise ValueError(
                f"the errors of {p.name!r} are correlated with those of {across.stream!r}, which is not observed at the same sites; leave "
                "out the sites that have one only"
            )
