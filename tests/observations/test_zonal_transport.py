"""Transport between latitude bands: carbon conserved, analytic exchange, no dependence on the step."""

from collections.abc import Sequence

import numpy as np
import pytest

from lsm_bayes.observations.transport import LinearTransport
from lsm_bayes.observations.zonal_transport import DRY_AIR, EARTH_SURFACE, zonal_transport
from lsm_bayes.vocabulary import CARBON_MOLAR_MASS

EDGES = (-90.0, -30.0, 0.0, 30.0, 60.0, 90.0)
TIMES = (60.0, 180.0, 50.0, 30.0)
AREA = EARTH_SURFACE * 0.5 * np.diff(np.sin(np.deg2rad(EDGES)))  # m2
STEPS, DAYS = 36, 30.4


@pytest.fixture(scope="module")
def zonal() -> LinearTransport:
    return LinearTransport(zonal_transport(EDGES, TIMES, STEPS, DAYS), 400.0)


def emissions(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 1.0, (STEPS, 5))


def by_step(found: np.ndarray) -> np.ndarray:
    return found.reshape(STEPS, 5)


def test_the_air_holds_exactly_what_was_emitted(zonal: LinearTransport) -> None:
    fluxes = emissions()
    emitted = np.cumsum((fluxes * AREA).sum(axis=1) * DAYS)  # gC
    held = ((by_step(zonal.mole_fraction(fluxes)) - 400.0) * 1e-6 * DRY_AIR * AREA / EARTH_SURFACE).sum(axis=1) * CARBON_MOLAR_MASS
    np.testing.assert_allclose(held, emitted, rtol=1e-11, atol=1e-11 * np.abs(emitted).max())


def test_2_13_petagrams_of_carbon_are_one_part_per_million(zonal: LinearTransport) -> None:
    fluxes = np.zeros((STEPS, 5))
    fluxes[0] = 2.13e15 / EARTH_SURFACE / DAYS
    np.testing.assert_allclose(zonal.mole_fraction(fluxes), 401.0, atol=0.002)


def test_two_hemispheres_mix_exponentially() -> None:
    found = LinearTransport(zonal_transport((-90, 0, 90), (180.0,), 40, 10.0))
    pulse = np.zeros((40, 2))
    pulse[0, 1] = 1.0
    south, north = found.mole_fraction(pulse).reshape(40, 2).T
    difference = north - south
    np.testing.assert_allclose(difference[1:] / difference[:-1], np.exp(-10.0 / 180.0), rtol=1e-10)
    np.testing.assert_allclose(south + north, (south + north)[0], rtol=1e-12)


def test_the_result_does_not_depend_on_the_step() -> None:
    coarse = LinearTransport(zonal_transport(EDGES, TIMES, 6, 30.0)).mole_fraction(emissions()[:6])
    fine = LinearTransport(zonal_transport(EDGES, TIMES, 36, 5.0)).mole_fraction(np.repeat(emissions()[:6], 6, axis=0))
    np.testing.assert_allclose(fine.reshape(36, 5)[5::6].ravel(), coarse, rtol=1e-10, atol=1e-12)


def test_nothing_is_seen_before_it_is_emitted_and_emissions_only_add(zonal: LinearTransport) -> None:
    block = zonal.jacobian.values.reshape(STEPS, 5, STEPS, 5)
    for step in range(STEPS):
        assert (block[step, :, step + 1 :] == 0).all()
        assert (block[step, :, : step + 1] > 0).all()


def test_a_source_is_seen_most_where_it_is_and_spreads_evenly_in_the_end() -> None:
    found = zonal_transport(EDGES, TIMES, 2, 20000.0).values.reshape(2, 5, 2, 5)
    later = found[1, :, 0, 3]
    np.testing.assert_allclose(later, later.mean(), rtol=1e-6)
    near = zonal_transport(EDGES, TIMES, 1, 20.0).values[:, 0, 3]
    assert near.argmax() == 3 and (np.diff(near[:4]) > 0).all()


def test_one_band_is_a_well_mixed_atmosphere() -> None:
    found = LinearTransport(zonal_transport((-90, 90), (), 3, 365.0)).mole_fraction(np.ones((3, 1)))
    np.testing.assert_allclose(found, np.arange(1, 4) * 365.0 * EARTH_SURFACE * 1e6 / (CARBON_MOLAR_MASS * DRY_AIR))


@pytest.mark.parametrize(
    ("edges", "times", "said"),
    [
        ((-90, 10, 0, 90), (1.0, 1.0), r"ascend from -90 to 90; got \[-90"),
        ((-60, 0, 90), (1.0,), r"got \[-60"),
        ((-90, 0, 90), (1.0, 2.0), r"2 bands have 1 exchange times"),
        ((-90, 0, 90), (0.0,), r"each above 0; got \[0.0\]"),
    ],
)
def test_impossible_bands_are_refused(edges: Sequence[float], times: Sequence[float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        zonal_transport(edges, times, 2)
