"""Picking sites out of a data set by name."""

from collections.abc import Iterable

import xarray as xr

from lsm_bayes.vocabulary import unknown


def choose_sites(data: xr.Dataset, sites: Iterable[str] | str | None, where: str) -> xr.Dataset:
    """Take sites in the order wanted.

    Parameters
    ----------
    data : xarray.Dataset
        Data with dim ``site``.
    sites : str or iterable of str or None
        Sites; None takes all.
    where : str
        What the data are called in an error.

    Returns
    -------
    xarray.Dataset
        The sites.

    Raises
    ------
    KeyError
        If a site is not there; the message lists those that are.
    ValueError
        If no site or one twice is asked for.
    """
    if sites is None:
        return data
    known = [str(site) for site in data["site"].values]
    wanted = [sites] if isinstance(sites, str) else list(sites)
    for site in wanted:
        if site not in known:
            raise KeyError(unknown(f"site of {where}", site, known))
    if not wanted or len(set(wanted)) < len(wanted):
        raise ValueError(f"sites must be named, each once; got {wanted}; {where} has: {', '.join(known)}")
    return data.sel(site=wanted)
