"""Evapotranspiration from GPP by a water-use efficiency."""

from typing import Any

import pytensor.tensor as pt


def inherent(gpp: Any, vapour_pressure_deficit: Any, efficiency: Any) -> Any:
    """Return evapotranspiration from the inherent water-use efficiency.

    Parameters
    ----------
    gpp : tensor
        gC m-2 d-1.
    vapour_pressure_deficit : tensor
        hPa.
    efficiency : tensor
        gC hPa kg-1, GPP x VPD / ET.

    Returns
    -------
    tensor
        mm d-1 (Beer et al. 2009, doi 10.1029/2008GB003233; Bloom et al. 2020, doi 10.5194/bg-17-6393-2020).
    """
    return gpp * vapour_pressure_deficit / efficiency


def underlying(gpp: Any, vapour_pressure_deficit: Any, shortwave: Any, efficiency: Any, radiation_coefficient: Any) -> Any:
    """Return evapotranspiration from the underlying water-use efficiency and a part in proportion to radiation.

    Parameters
    ----------
    gpp : tensor
        gC m-2 d-1.
    vapour_pressure_deficit : tensor
        hPa, not negative.
    shortwave : tensor
        Incoming shortwave radiation, MJ m-2 d-1.
    efficiency : tensor
        gC hPa^0.5 kg-1, GPP x VPD^0.5 / ET.
    radiation_coefficient : tensor
        mm per MJ m-2.

    Returns
    -------
    tensor
        mm d-1 (Zhou et al. 2014, doi 10.1002/2014GL060741; the part with radiation: Boese et al. 2017, doi
        10.5194/bg-14-3015-2017; CARDAMOM source, model 1005).
    """
    return gpp * pt.sqrt(vapour_pressure_deficit) / efficiency + shortwave * radiation_coefficient
