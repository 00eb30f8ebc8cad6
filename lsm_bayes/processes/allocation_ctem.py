"""Allocation of assimilates that follows light and water: CTEM, the carbon model of CLASSIC.

Arora & Boer (2005), doi 10.1029/2005JG000042, and the public source of CLASSIC. Fractions add up to one in every form.
"""

from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.smoothing import positive_part
from lsm_bayes.processes.thresholds import exceeded, smaller

GRASS_AREA = 4.0  # m2 m-2, leaf area of grass without light limitation
MOST_LEAF = 0.05  # to leaves where stem and roots are too small for them
MOST_STEM = 0.05  # where roots are too small for the shoot
LEAST_SHOOT = 0.05  # kg m-2, from which on roots are compared with it


class Traits(NamedTuple):
    """Parameters."""

    sensitivity: Any  # omega
    leaf: Any  # epsilon of leaves; the three add up to one
    stem: Any
    root: Any
    extinction: Any  # of light in the canopy
    structure: Any  # eta, of the least stem and roots for a mass of leaves: eta leaf**kappa, kg m-2
    structure_exponent: Any  # kappa
    least_root_shoot: Any  # kg kg-1


class Widths(NamedTuple):
    """Of the conditions; zero is exact."""

    structure: float = 0.05  # of the logarithm of stem and roots over their least
    root_shoot: float = 0.05  # of the logarithm of roots over their least
    shoot: float = 0.005  # kg m-2
    fraction: float = 0.005  # of caps of fractions
    light: float = 0.05  # of the light status of grass


EXACT, SMOOTH = Widths(0.0, 0.0, 0.0, 0.0, 0.0), Widths()


class Fractions(NamedTuple):
    """Of assimilates."""

    leaf: Any
    stem: Any
    root: Any


def light_status(lai: Any, extinction: Any, grass: bool, widths: Widths = SMOOTH) -> Any:
    """Return the light at the ground, by which plants sense shade.

    Parameters
    ----------
    lai : tensor
        m2 m-2.
    extinction : tensor
        Per leaf area.
    grass : bool
        Grass: linear, zero from a leaf area of 4 on.
    widths : Widths
        Of the kink.

    Returns
    -------
    tensor
        0 to 1 (Arora & Boer 2005).
    """
    return positive_part(1.0 - lai / GRASS_AREA, widths.light) if grass else pt.exp(-extinction * lai)


def normal(light: Any, water: Any, p: Traits, grass: bool) -> Fractions:
    """Return the fractions of plants with leaves between onset and fall.

    Parameters
    ----------
    light, water : tensor
        Status, 0 to 1; water is `soil_moisture_stress.available` of the soil, averages weighted by roots, between 0 and 1.
    p : Traits
        Parameters.
    grass : bool
        Grass has no stem, and more light means more leaves.

    Returns
    -------
    Fractions
        Adding up to one (Arora & Boer 2005).
    """
    w = p.sensitivity
    if grass:
        whole = 1.0 + w * (1.0 + light - water)
        return Fractions((p.leaf + w * light) / whole, 0.0 * whole, (p.root + w * (1.0 - water)) / whole)
    whole = 1.0 + w * (2.0 - light - water)
    return Fractions(p.leaf / whole, (p.stem + w * (1.0 - light)) / whole, (p.root + w * (1.0 - water)) / whole)


def only_leaves(fractions: Fractions) -> Fractions:
    """Return the fractions of trees at leaf onset.

    Parameters
    ----------
    fractions : Fractions
        Of the normal state.

    Returns
    -------
    Fractions
        All to leaves.
    """
    nothing = 0.0 * fractions.leaf
    return Fractions(nothing + 1.0, nothing, nothing)


def no_leaves(fractions: Fractions) -> Fractions:
    """Return the fractions of plants that shed their leaves.

    Parameters
    ----------
    fractions : Fractions
        Of the normal state.

    Returns
    -------
    Fractions
        Nothing to leaves, the rest shared as before.
    """
    rest = fractions.stem + fractions.root
    return Fractions(0.0 * rest, fractions.stem / rest, fractions.root / rest)


def _met(x: Any, width: float) -> Any:
    """Return 1 where x is positive."""
    return pt.sigmoid(x / width) if width > 0 else exceeded(x)


def _at_most(x: Any, most: float, width: float) -> Any:
    return most - positive_part(most - x, width) if width > 0 else smaller(x, pt.as_tensor(most))


def with_structure(fractions: Fractions, leaf: Any, stem: Any, root: Any, p: Traits, widths: Widths = SMOOTH) -> Fractions:
    """Change fractions so that stem and roots can carry and feed the leaves.

    Parameters
    ----------
    fractions : Fractions
        By the state of the leaves.
    leaf, stem, root : tensor
        Carbon, kg m-2, above zero (stem: not negative).
    p : Traits
        Parameters.
    widths : Widths
        Of the conditions.

    Returns
    -------
    Fractions
        Adding up to one. First at most 5 % to leaves where stem and roots are less than ``eta leaf**kappa``, the rest shared as before, in
        equal parts if it was nothing; then at most 5 % to the stem where roots are too small for a shoot above 0.05 kg m-2.
    """
    short = _met(-pt.log((stem + root) / (p.structure * leaf**p.structure_exponent)), widths.structure)
    leaf_share = fractions.leaf - short * (fractions.leaf - _at_most(fractions.leaf, MOST_LEAF, widths.fraction))
    rest = fractions.stem + fractions.root
    none = rest <= 0
    stem_part = pt.switch(none, 0.5, fractions.stem / pt.switch(none, 1.0, rest))
    stem_share = (1.0 - leaf_share) * stem_part
    shoot = leaf + stem
    top_heavy = _met(-pt.log(root / (p.least_root_shoot * shoot)), widths.root_shoot) * _met(shoot - LEAST_SHOOT, widths.shoot)
    stem_share = stem_share - top_heavy * (stem_share - _at_most(stem_share, MOST_STEM, widths.fraction))
    return Fractions(leaf_share, stem_share, 1.0 - leaf_share - stem_share)
