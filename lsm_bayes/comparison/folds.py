"""What is left out: blocks of time, sites, streams, or the future."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

Memory = Mapping[str, float | None]
"""By stream: None for independent errors, 0 where an error depends on the one before alone, else the days that it lasts."""
COLUMNS = ("stream", "site")


@dataclass(frozen=True)
class Unit:
    """Observations that are predicted together from others.

    Attributes
    ----------
    name : str
        Such as ``"FI-Hyy 2004"``; the same for every model of the same data.
    scored : numpy.ndarray of bool
        Observations whose joint density is the score, (observation,).
    withheld : numpy.ndarray of bool
        Observations without a part in the fit: those that are scored, and a buffer, (observation,).
    """

    name: str
    scored: np.ndarray
    withheld: np.ndarray


class Folds(ABC):
    """A way of leaving observations out."""

    sequential = False

    def units(self, table: pd.DataFrame, memory: Memory) -> list[Unit]:
        """List the units of a data set.

        Parameters
        ----------
        table : pandas.DataFrame
            A row for each observation with ``stream``, ``site`` and ``time``; see `lsm_bayes.comparison.observation_table`.
        memory : mapping of str to float or None
            How long errors last, by stream.

        Returns
        -------
        list of Unit
            In order of site and time.

        Raises
        ------
        ValueError
            When there are fewer than two units, or nothing is left to fit.
        """
        found = list(self._units(table, memory))
        if len(found) < 2:
            first, last = (f"{t:%Y-%m-%d}" for t in (table["time"].min(), table["time"].max()))
            raise ValueError(
                f"{self!r} gives {len(found)} unit of {len(table)} observations of {', '.join(table['stream'].unique())} at "
                f"{', '.join(table['site'].unique())} from {first} to {last}; at least two are needed: take shorter blocks, or other folds"
            )
        for unit in found:
            if unit.withheld.all():
                raise ValueError(f"{self!r}: nothing is left to fit when {unit.name} is left out; take shorter blocks or a later start")
        return found

    @abstractmethod
    def _units(self, table: pd.DataFrame, memory: Memory) -> Iterator[Unit]: ...

    @abstractmethod
    def describe(self) -> str:
        """Say what is left out.

        Returns
        -------
        str
            One sentence.
        """


@dataclass(frozen=True)
class Blocks(Folds):
    """Contiguous blocks of time.

    Errors of a series are correlated: a single observation is predicted by its neighbours whatever the process model says. A block is
    long against the memory of the errors, so that it asks what the process model knows (Roberts et al. 2017, doi 10.1111/ecog.02881;
    Bürkner, Gabry & Vehtari 2021, doi 10.1007/s00180-020-01045-4, on models without conditional independence).

    Parameters
    ----------
    years : float
        Length: whole calendar years, or a fraction of one such as 0.5.
    by : tuple of str
        What else tells units apart: ``"site"`` and ``"stream"``. Without ``"site"`` a block is left out at all sites at once.
    buffer : float, optional
        Days behind each block that are left out of the fit as well, and not scored. The default is what the error model needs: nothing
        where errors are independent, the next observation of each stream with a first-order memory (AR(1), Ornstein-Uhlenbeck), because
        only its density refers to the block, and three lengths of a Matérn process. 0 for no buffer.

    Raises
    ------
    ValueError
        For a length that is not positive, a fraction of a year of which a year does not hold a whole number, or a negative buffer.
    KeyError
        For another name in `by`.
    """

    years: float = 1.0
    by: tuple[str, ...] = ("site",)
    buffer: float | None = None

    def __post_init__(self) -> None:
        whole = self.years if self.years >= 1 else 1 / self.years if self.years > 0 else 0.5
        if abs(whole - round(whole)) > 1e-6:
            raise ValueError(f"a block has a whole number of years, or a whole number of blocks makes a year; got years={self.years}")
        if self.buffer is not None and self.buffer < 0:
            raise ValueError(f"a buffer has a length in days, 0 for none, None for what the error model needs; got {self.buffer}")
        for name in self.by:
            if name not in COLUMNS:
                raise KeyError(f"units are told apart by {' and '.join(COLUMNS)}, got by={name!r}")

    def _units(self, table: pd.DataFrame, memory: Memory) -> Iterator[Unit]:
        time = pd.DatetimeIndex(table["time"])
        first = int(time.year.min())
        # Leap days: every year has 366 places, so that blocks of a year start on the same day.
        block = np.floor((time.year - first + (time.day_of_year - 1) / 366) / self.years + 1e-9).to_numpy().astype(int)
        order = [n for n in ("site", "stream") if n in self.by]
        keys = table[order].assign(block=block)
        for key, rows in keys.groupby([*order, "block"], sort=True).indices.items():
            *where, number = key if isinstance(key, tuple) else (key,)
            scored = np.zeros(len(table), dtype=bool)
            scored[rows] = True
            name = " ".join([*map(str, where), self._label(first, int(number))])
            yield Unit(name, scored, scored | self._behind(table, scored, memory))

    def _label(self, first: int, number: int) -> str:
        start = first + number * self.years
        if self.years < 1:
            return f"{pd.Timestamp(f'{int(start)}-01-01') + pd.Timedelta(days=366 * (start % 1) + 1e-6):%Y-%m-%d}"
        return f"{int(start)}" if self.years == 1 else f"{int(start)}-{int(start + self.years) - 1}"

    def _behind(self, table: pd.DataFrame, scored: np.ndarray, memory: Memory) -> np.ndarray:
        found = np.zeros(len(table), dtype=bool)
        time = table["time"].to_numpy()
        for (stream, _), rows in table.groupby(["stream", "site"], sort=False).indices.items():
            inside = rows[scored[rows]]
            lasting = memory.get(str(stream)) if self.buffer is None else self.buffer
            if not inside.size or lasting is None:
                continue
            later = rows[time[rows] > time[inside].max()]
            near = later[time[later] <= time[inside].max() + pd.Timedelta(days=lasting).to_timedelta64()]
            found[near if near.size or self.buffer is not None else later[:1]] = True
        return found

    def describe(self) -> str:
        """Say what is left out.

        Returns
        -------
        str
            One sentence.
        """
        length = f"{self.years:g} year{'s' if self.years > 1 else ''}" if self.years >= 1 else f"1/{round(1 / self.years)} year"
        per = f" of one {' and one '.join(self.by)}" if self.by else " of all sites and streams"
        behind = "what the memory of the errors needs" if self.buffer is None else f"{self.buffer:g} days"
        return f"a block of {length}{per}; behind it {behind} is left out of the fit too"


@dataclass(frozen=True)
class Sites(Folds):
    """Whole sites: what the others say about a new one."""

    def _units(self, table: pd.DataFrame, memory: Memory) -> Iterator[Unit]:
        yield from _whole(table, "site")

    def describe(self) -> str:
        """Say what is left out.

        Returns
        -------
        str
            One sentence.
        """
        return "all observations of one site; its own parameters are drawn from their population"


@dataclass(frozen=True)
class Streams(Folds):
    """Whole streams: what the others say about one that was not observed."""

    def _units(self, table: pd.DataFrame, memory: Memory) -> Iterator[Unit]:
        yield from _whole(table, "stream")

    def describe(self) -> str:
        """Say what is left out.

        Returns
        -------
        str
            One sentence.
        """
        return "all observations of one stream; its error parameters are drawn from their prior"


@dataclass(frozen=True)
class Future(Folds):
    """The future: each period is predicted from all that was observed before it (Bürkner et al. 2020, doi 10.1080/00949655.2020.1783262).

    Parameters
    ----------
    first : str
        First day that is predicted, such as ``"2005-01-01"``.
    step : float
        Length of a period in years.

    Raises
    ------
    ValueError
        For a step that is not positive, and a day that cannot be read.
    """

    first: str
    step: float = 1.0
    sequential = True

    def __post_init__(self) -> None:
        if not self.step > 0:
            raise ValueError(f"a period has a positive length in years, got step={self.step}")
        try:
            pd.Timestamp(self.first)
        except (ValueError, TypeError) as error:
            raise ValueError(f"the first day to predict is a date such as '2005-01-01', got {self.first!r}") from error

    def _units(self, table: pd.DataFrame, memory: Memory) -> Iterator[Unit]:
        time, start = table["time"].to_numpy(), pd.Timestamp(self.first)
        months = round(12 * self.step)
        number = 0
        while start <= time.max():
            number += 1
            ahead = pd.Timestamp(self.first)
            end = ahead + (pd.DateOffset(months=number * months) if months else pd.Timedelta(days=number * 365.25 * self.step))
            withheld = time >= start
            scored = withheld & (time < end)
            if scored.any():
                yield Unit(f"from {start:%Y-%m-%d}", scored, withheld)
            start = end

    def describe(self) -> str:
        """Say what is left out.

        Returns
        -------
        str
            One sentence.
        """
        return f"the future: {self.step:g} year(s) at a time from {self.first}, each predicted from all observations before it"


def _whole(table: pd.DataFrame, column: str) -> Iterator[Unit]:
    for name, rows in table.groupby(column, sort=True).indices.items():
        scored = np.zeros(len(table), dtype=bool)
        scored[rows] = True
        yield Unit(str(name), scored, scored)
