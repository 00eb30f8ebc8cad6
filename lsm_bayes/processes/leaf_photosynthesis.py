"""Photosynthesis of a leaf at a given internal CO2, or at a given stomatal conductance, in closed form: BETHY and its relatives.

C3 after Farquhar et al. (1980), doi 10.1007/BF00386231, C4 after Collatz et al. (1992), doi 10.1071/PP9920519, as in Knorr (2000), doi
10.1046/j.1365-2699.2000.00159.x, and the public source of CCDAS: BETHY. Rates are mol m-2 s-1 per leaf area, CO2 is mol mol-1.
Rates at leaf temperature are made once (`rates_c3`, `rates_c4`) for unit nitrogen and scaled for each layer of a canopy. All capacities
belong to one set of kinetic constants: mixing sets changes what vcmax25 means.

Two stages. Without water stress internal CO2 is a fixed fraction of ambient CO2 (`assimilation`) and gives the stomatal conductance
(`conductance`). With the conductance that water allows, assimilation is the smaller root of a quadratic for each limit
(`assimilation_at_conductance`), and internal CO2 follows (`internal_co2`).
"""

from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.smoothing import floored, positive_part, quadratic_minimum
from lsm_bayes.processes.thresholds import smaller

GAS_CONSTANT = 8.314  # J mol-1 K-1
WATER_PER_CO2 = 1.6  # diffusivity in air
INHIBITING_LIGHT = 1e-5  # mol m-2 s-1, with which dark respiration falls to one half


class Kinetics(NamedTuple):
    """Kinetic constants at 25 degC, energies in J mol-1; any of them may be a parameter."""

    michaelis_co2: Any = 460e-6  # mol mol-1
    michaelis_oxygen: Any = 0.33  # mol mol-1
    oxygen: Any = 0.21  # mol mol-1
    compensation_slope: Any = 1.7e-6  # mol mol-1 K-1, of the compensation point with degC
    quantum_yield: Any = 0.28  # electrons per photon, C3
    quantum_yield_c4: Any = 0.04  # CO2 per photon
    energy_michaelis_co2: Any = 59356.0
    energy_michaelis_oxygen: Any = 35948.0
    energy_vcmax: Any = 58520.0
    energy_respiration: Any = 45000.0
    energy_pep: Any = 50967.0
    respiration_ratio: Any = 0.011  # dark respiration over vcmax at 25 degC, C3
    respiration_ratio_c4: Any = 0.042
    curvature_c4: Any = 0.83  # of the response of C4 photosynthesis to light


class LeafForm(NamedTuple):
    """How limits and temperatures are joined."""

    sharpness: float | None = 0.99  # of the minimum of two limits; None: hard
    zero: float = 273.16  # K, of 0 degC
    warmth_width: float = 0.5  # K, of the positive part of temperature in the compensation point and in jmax; 0: hard
    frozen_electrons: bool = False  # jmax goes on below zero with temperature, as in the source of BETHY
    least_jmax: float = 1e-12  # mol m-2 s-1
    added_jmax: bool = True  # the least is added; otherwise jmax is at least that
    idle_frost: bool = False  # no electron transport at a given conductance where jmax is zero, as in the source of JSBACH
    gas_constant: float = GAS_CONSTANT  # J mol-1 K-1


BETHY = Kinetics()
BETHY_FORM = LeafForm()
BETHY_SOURCE = LeafForm(warmth_width=0.0, frozen_electrons=True)
JSBACH = Kinetics(respiration_ratio_c4=0.031)
JSBACH_FORM = LeafForm(zero=273.15)
JSBACH_SOURCE = LeafForm(None, 273.15, 0.0, added_jmax=False, idle_frost=True, gas_constant=8.314472)


class RatesC3(NamedTuple):
    """At leaf temperature."""

    vcmax: Any  # mol m-2 s-1
    jmax: Any  # mol m-2 s-1
    respiration: Any  # mol m-2 s-1, in the light that there is
    compensation: Any  # mol mol-1
    half: Any  # mol mol-1, Michaelis constant with the inhibition by oxygen
    yield_: Any  # electrons per photon
    hot: Any  # factor of assimilation


class RatesC4(NamedTuple):
    """At leaf temperature."""

    vcmax: Any  # mol m-2 s-1
    pep: Any  # mol m-2 s-1, initial slope with internal CO2
    respiration: Any  # mol m-2 s-1, in the light that there is
    yield_: Any  # CO2 per photon
    curvature: Any
    hot: Any  # factor of assimilation


def arrhenius(celsius: Any, energy: Any, form: LeafForm) -> Any:
    """Return the factor of a rate with temperature, one at 25 degC.

    Parameters
    ----------
    celsius : tensor
        degC.
    energy : tensor
        Activation energy, J mol-1.
    form : LeafForm
        0 degC and the gas constant.

    Returns
    -------
    tensor
        Dimensionless (Knorr 2000, equation 106).
    """
    return pt.exp(energy * ((celsius - 25.0) / ((25.0 + form.zero) * form.gas_constant * (celsius + form.zero))))


def hot_gate(celsius: Any) -> Any:
    """Return the factor of assimilation and respiration in heat: one half at 55 degC (Collatz et al. 1991).

    Parameters
    ----------
    celsius : tensor
        degC.

    Returns
    -------
    tensor
        0 to 1.
    """
    return pt.sigmoid(1.3 * (55.0 - celsius))


def cold_gate(celsius: Any) -> Any:
    """Return the factor of the carbon exchange of a canopy in frost: one half at 0 degC, over 0.1 K.

    Parameters
    ----------
    celsius : tensor
        degC.

    Returns
    -------
    tensor
        0 to 1.
    """
    return pt.sigmoid(10.0 * celsius)


def light_inhibition(photons: Any) -> Any:
    """Return the factor of dark respiration in light, 1 in the dark and 0.5 in bright light (Brooks & Farquhar 1985, as in BETHY).

    Parameters
    ----------
    photons : tensor
        mol m-2 s-1: in BETHY incident shortwave over 2.2e5 J mol-1.

    Returns
    -------
    tensor
        0.5 to 1.
    """
    return 0.5 + 0.5 * pt.exp(-photons / INHIBITING_LIGHT)


def rates_c3(celsius: Any, inhibition: Any, vcmax25: Any, jmax_ratio: Any, kinetics: Kinetics, form: LeafForm) -> RatesC3:
    """Return the rates of a C3 leaf for unit nitrogen.

    Parameters
    ----------
    celsius : tensor
        Leaf temperature, degC.
    inhibition : tensor
        Factor of dark respiration in light.
    vcmax25 : tensor
        mol m-2 s-1.
    jmax_ratio : tensor
        jmax over vcmax at 25 degC.
    kinetics : Kinetics
        Constants.
    form : LeafForm
        Form.

    Returns
    -------
    RatesC3
        Rates (Knorr 2000, equations 102 to 106). jmax grows in proportion to degC.
    """
    k = kinetics
    warmth = positive_part(celsius, form.warmth_width)
    hot = hot_gate(celsius)
    oxygen_half = k.michaelis_oxygen * arrhenius(celsius, k.energy_michaelis_oxygen, form)
    return RatesC3(
        vcmax=vcmax25 * arrhenius(celsius, k.energy_vcmax, form),
        jmax=vcmax25 * jmax_ratio * 0.04 * (celsius if form.frozen_electrons else warmth),
        respiration=k.respiration_ratio * vcmax25 * arrhenius(celsius, k.energy_respiration, form) * hot * inhibition,
        compensation=k.compensation_slope * warmth,
        half=k.michaelis_co2 * arrhenius(celsius, k.energy_michaelis_co2, form) * (1.0 + k.oxygen / oxygen_half),
        yield_=k.quantum_yield,
        hot=hot,
    )


def rates_c4(celsius: Any, inhibition: Any, vcmax25: Any, pep25: Any, kinetics: Kinetics, form: LeafForm) -> RatesC4:
    """Return the rates of a C4 leaf for unit nitrogen.

    Parameters
    ----------
    celsius : tensor
        Leaf temperature, degC.
    inhibition : tensor
        Factor of dark respiration in light.
    vcmax25 : tensor
        mol m-2 s-1.
    pep25 : tensor
        Initial slope of assimilation with internal CO2 at 25 degC, mol m-2 s-1 per mol mol-1.
    kinetics : Kinetics
        Constants.
    form : LeafForm
        Form.

    Returns
    -------
    RatesC4
        Rates (Knorr 2000, equations 114).
    """
    k = kinetics
    hot = hot_gate(celsius)
    return RatesC4(
        vcmax=vcmax25 * arrhenius(celsius, k.energy_vcmax, form),
        pep=pep25 * arrhenius(celsius, k.energy_pep, form),
        respiration=k.respiration_ratio_c4 * vcmax25 * arrhenius(celsius, k.energy_respiration, form) * hot * inhibition,
        yield_=k.quantum_yield_c4,
        curvature=k.curvature_c4,
        hot=hot,
    )


def with_nitrogen(rates: Any, nitrogen: Any) -> Any:
    """Scale the capacities of a leaf by its nitrogen.

    Parameters
    ----------
    rates : RatesC3 or RatesC4
        For unit nitrogen.
    nitrogen : tensor
        Relative to the top of the canopy.

    Returns
    -------
    RatesC3 or RatesC4
        For this leaf.
    """
    capacities = ("vcmax", "jmax" if isinstance(rates, RatesC3) else "pep", "respiration")
    return rates._replace(**{name: getattr(rates, name) * nitrogen for name in capacities})


def _electrons(rates: RatesC3, light: Any, form: LeafForm) -> Any:
    # After Smith (1937); both terms are squared, so that jmax below zero gives transport below zero.
    least, captured = form.least_jmax, rates.yield_ * light
    jmax = rates.jmax + least if form.added_jmax else pt.switch(rates.jmax < least, least, rates.jmax)
    return captured * jmax / pt.sqrt(jmax**2 + captured**2)


def _light_limited_c4(rates: RatesC4, light: Any) -> Any:
    captured = rates.yield_ * light
    total = captured + rates.vcmax
    # The form without a difference of numbers of like size.
    return 2.0 * captured * rates.vcmax / (total + pt.sqrt(total**2 - 4.0 * rates.curvature * captured * rates.vcmax))


def _joined(a: Any, b: Any, form: LeafForm) -> Any:
    return smaller(a, b) if form.sharpness is None else quadratic_minimum(a, b, form.sharpness, positive=True)


def assimilation(rates: Any, light: Any, internal: Any, form: LeafForm) -> Any:
    """Return gross assimilation less photorespiration at a given internal CO2.

    Parameters
    ----------
    rates : RatesC3 or RatesC4
        Of the leaf.
    light : tensor
        Absorbed PAR, mol m-2 s-1.
    internal : tensor
        mol mol-1.
    form : LeafForm
        Form.

    Returns
    -------
    tensor
        mol m-2 s-1, before dark respiration; negative below the compensation point.
    """
    if isinstance(rates, RatesC4):
        return rates.hot * _joined(_light_limited_c4(rates, light), rates.pep * internal, form)
    above = internal - rates.compensation
    electrons = 0.25 * _electrons(rates, light, form) * above / (internal + 2.0 * rates.compensation)
    return rates.hot * _joined(electrons, rates.vcmax * above / (internal + rates.half), form)


def _diffusing(capacity: Any, half: Any, rates: RatesC3, conducted: Any, co2: Any) -> Any:
    """Smaller root of the quadratic of carboxylation and diffusion, without a difference of numbers of like size."""
    b = 0.5 * (rates.respiration + capacity + conducted * (co2 + half))
    c = capacity * (conducted * (co2 - rates.compensation) + rates.respiration)
    return c / (b + pt.sqrt(b * b - c))


def assimilation_at_conductance(rates: Any, light: Any, conducted: Any, co2: Any, form: LeafForm) -> Any:
    """Return gross assimilation less photorespiration at a given stomatal conductance.

    Parameters
    ----------
    rates : RatesC3 or RatesC4
        Of the leaf.
    light : tensor
        Absorbed PAR, mol m-2 s-1.
    conducted : tensor
        Stomatal conductance to CO2, mol m-2 s-1, above zero.
    co2 : tensor
        Ambient, mol mol-1.
    form : LeafForm
        Form.

    Returns
    -------
    tensor
        mol m-2 s-1, before dark respiration.
    """
    if isinstance(rates, RatesC4):
        by_co2 = (conducted * co2 + rates.respiration) / (1.0 + conducted / rates.pep)
        return rates.hot * _joined(_light_limited_c4(rates, light), by_co2, form)
    electrons = _electrons(rates, light, form)
    if form.idle_frost:
        electrons = pt.switch(rates.jmax <= 0, 0.0, electrons)
    by_light = _diffusing(0.25 * electrons, 2.0 * rates.compensation, rates, conducted, co2)
    return rates.hot * _joined(by_light, _diffusing(rates.vcmax, rates.half, rates, conducted, co2), form)


def air_per_volume(celsius: Any, pressure: Any, zero: float, gas_constant: float = GAS_CONSTANT) -> Any:
    """Return the amount of air in a volume, which makes mol m-2 s-1 of a conductance in m s-1.

    Parameters
    ----------
    celsius : tensor
        degC.
    pressure : tensor
        Pa.
    zero : float
        K, of 0 degC.
    gas_constant : float
        J mol-1 K-1.

    Returns
    -------
    tensor
        mol m-3.
    """
    return pressure / (gas_constant * (celsius + zero))


def conductance(net: Any, internal: Any, co2: Any, air: Any, least: float) -> Any:
    """Return the stomatal conductance to water vapour with which CO2 diffuses in.

    Parameters
    ----------
    net : tensor
        Net assimilation, mol m-2 s-1.
    internal, co2 : tensor
        Internal and ambient CO2, mol mol-1.
    air : tensor
        mol m-3.
    least : float
        Of the cuticle, m s-1, approached over ten times itself; zero: none, as in JSBACH, with a kink at zero.

    Returns
    -------
    tensor
        m s-1, above the least by 3.7 times the least where assimilation is zero, as in BETHY.
    """
    diffusing = WATER_PER_CO2 * net / ((co2 - internal) * air)
    return floored(diffusing, least, 10.0 * least) if least > 0 else positive_part(diffusing)


def internal_co2(net: Any, conducted: Any, co2: Any, width: float = 0.0) -> Any:
    """Return internal CO2 by diffusion, at most ambient.

    Parameters
    ----------
    net : tensor
        Net assimilation, mol m-2 s-1.
    conducted : tensor
        Stomatal conductance to CO2, mol m-2 s-1; at least 1e-6.
    co2 : tensor
        Ambient, mol mol-1.
    width : float
        Of the positive part of the difference, mol mol-1.

    Returns
    -------
    tensor
        mol mol-1.
    """
    return co2 - positive_part(net / pt.switch(conducted < 1e-6, 1e-6, conducted), width)


def photorespiration(rates: RatesC3, internal: Any) -> Any:
    """Return photorespiration of a C3 leaf.

    Parameters
    ----------
    rates : RatesC3
        Of the leaf.
    internal : tensor
        mol mol-1.

    Returns
    -------
    tensor
        mol m-2 s-1.
    """
    return rates.hot * rates.vcmax * rates.compensation / (internal + rates.half)
