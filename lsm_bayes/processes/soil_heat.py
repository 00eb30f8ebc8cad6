"""Temperature and ice of soil layers from the energy that they hold, and the conduction of heat between layers.

The energy of a layer counts from 0 K with ice: E = S T + W e, with the heat capacity S of dry soil (J m-2 K-1), water W (mm) and
the specific energy e of the water (J kg-1). Temperature and ice follow from e alone: ice below the melting point, a mixture at it, liquid
above. So e is a good state: its range does not depend on how much soil and water there is.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pytensor.tensor as pt

MELTING = 273.16  # K
ICE, LIQUID, FUSION = 2093.0, 4186.0, 3.34e5  # J kg-1 K-1, J kg-1 K-1, J kg-1
ZERO_ENERGY = MELTING - (ICE * MELTING + FUSION) / LIQUID  # K, where supercooled liquid would have no energy
EVAPORATION = 2.501e6  # J kg-1
DAY = 86400.0


class Constants(NamedTuple):
    """Numbers that source codes round."""

    zero_energy: float = ZERO_ENERGY
    seen_at_melting: float = MELTING  # temperature that is diagnosed for a mixture, K


EXACT = Constants()


def _by_phase(energy: Any, ice: Any, mixture: Any, liquid: Any) -> Any:
    # Compared a third time so that NaN is NaN.
    top = ICE * MELTING + FUSION
    return pt.switch(energy < ICE * MELTING, ice, pt.switch(energy > top, liquid, pt.switch(energy <= top, mixture, energy)))


def temperature(energy: Any, constants: Constants = EXACT) -> Any:
    """Return the temperature of water with a specific energy.

    Parameters
    ----------
    energy : tensor
        J kg-1.
    constants : Constants
        Rounded numbers of a source code.

    Returns
    -------
    tensor
        K. The gradient is zero while water freezes or melts: the energy changes the ice alone.
    """
    return _by_phase(energy, energy / ICE, constants.seen_at_melting, energy / LIQUID + constants.zero_energy)


def liquid_fraction(energy: Any) -> Any:
    """Return the fraction of water that is liquid.

    Parameters
    ----------
    energy : tensor
        Specific energy, J kg-1.

    Returns
    -------
    tensor
        0 to 1.
    """
    part = (energy - ICE * MELTING) / FUSION
    return pt.switch(part < 0, 0.0, pt.switch(part > 1, 1.0, part))


def stored(energy: Any, water: Any, dry_capacity: Any, constants: Constants = EXACT) -> Any:
    """Return the energy of a layer.

    Parameters
    ----------
    energy : tensor
        Specific energy of the water, J kg-1.
    water : tensor
        mm.
    dry_capacity : tensor
        Heat capacity of the dry layer, J m-2 K-1.
    constants : Constants
        Rounded numbers of a source code.

    Returns
    -------
    tensor
        J m-2.
    """
    return dry_capacity * temperature(energy, constants._replace(seen_at_melting=MELTING)) + water * energy


def specific_energy(stock: Any, water: Any, dry_capacity: Any, constants: Constants = EXACT) -> Any:
    """Return the specific energy of the water of a layer, the inverse of `stored`.

    Parameters
    ----------
    stock : tensor
        Energy of the layer, J m-2.
    water : tensor
        mm.
    dry_capacity : tensor
        Heat capacity of the dry layer, J m-2 K-1.
    constants : Constants
        Rounded numbers of a source code.

    Returns
    -------
    tensor
        J kg-1.
    """
    frozen = (dry_capacity + water * ICE) * MELTING
    ice = ICE * stock / (dry_capacity + water * ICE)
    liquid = LIQUID * (stock - dry_capacity * constants.zero_energy) / (dry_capacity + water * LIQUID)
    part = (stock - frozen) / pt.switch(water <= 1e-30, 1.0, water * FUSION)
    mixture = ICE * MELTING + FUSION * pt.switch(part > 1, 1.0, part)  # rounding, where there is next to no water
    return pt.switch(stock < frozen, ice, pt.switch(stock > frozen + water * FUSION, liquid, mixture))


def carried(temperature: Any, constants: Constants = EXACT) -> Any:
    """Return the energy that liquid water carries.

    Parameters
    ----------
    temperature : tensor
        K.
    constants : Constants
        Rounded numbers of a source code.

    Returns
    -------
    tensor
        J kg-1.
    """
    return LIQUID * (temperature - constants.zero_energy)


def heat_capacity(water: Any, liquid: Any, dry_capacity: Any) -> Any:
    """Return the heat capacity of a layer without the heat of melting.

    Parameters
    ----------
    water : tensor
        mm.
    liquid : tensor
        Fraction of it that is liquid.
    dry_capacity : tensor
        Of the dry layer, J m-2 K-1.

    Returns
    -------
    tensor
        J m-2 K-1.
    """
    return dry_capacity + water * (ICE + liquid * (LIQUID - ICE))


def implicit_warming(
    temperatures: Sequence[Any],
    capacities: Sequence[Any],
    outside: Sequence[tuple[Any, Any]],
    downwards: Sequence[Any],
    upwards: Sequence[Any],
    days: Any,
) -> tuple[Any, ...]:
    """Return by how much layers warm in a step, without melting and freezing, from temperatures at its end (backward Euler).

    Parameters
    ----------
    temperatures : sequence of tensor
        Of the layers from above, at the start, K.
    capacities : sequence of tensor
        Heat capacities of the layers, J m-2 K-1.
    outside : sequence of (tensor, tensor)
        What warms the uppermost layer: W m-2 K-1 and K. Water that enters counts with its heat capacity.
    downwards : sequence of tensor
        What each layer gives the next one, W m-2 K-1: conduction, and water that flows down.
    upwards : sequence of tensor
        What each layer gets back from the next one, W m-2 K-1: conduction, and water that flows up.
    days : tensor
        Step length, d.

    Returns
    -------
    tuple of tensor
        K. Water that leaves does not count: it has the temperature of the layer. Flows of heat with the temperatures at the end are
        stable for steps of any length, where those with the temperatures at the start diverge as soon as they
        exceed the heat capacity of a layer.
    """
    rates = [c / (days * DAY) for c in capacities]
    # From below: the warming of a layer, and what it takes from the layer above, are linear in the warming of the latter.
    slope: Any = 0.0
    offset: Any = 0.0
    linear = []
    for i in reversed(range(1, len(rates))):
        down, up, difference = downwards[i - 1], upwards[i - 1], temperatures[i - 1] - temperatures[i]
        whole = rates[i] + slope + down
        own, given = down / whole, (down * difference - offset) / whole
        slope, offset = up * (1.0 - own), up * (difference - given)
        linear.append((own, given))
    total = sum(g for g, _ in outside)
    came = sum(g * (t - temperatures[0]) for g, t in outside)
    warmed = [(came - offset) / (rates[0] + slope + total)]
    for own, given in reversed(linear):
        warmed.append(own * warmed[-1] + given)
    return tuple(warmed)
