"""Coordinates of the leaf parameters: inside the box everywhere, and log-uniform there."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from lsm_bayes.land import get
from lsm_bayes.processes.leaf_area_coordinates import leaf_coordinates

NAMES = ("f_foliage", "f_labile", "leaf_mass_area")
TABLE = get("dalec_cdea").parameter_table
BOUNDS = {n: TABLE[n][0].bounds for n in NAMES}
RANGES = {"f_auto": (0.2, 0.8), "canopy_efficiency": (5.0, 50.0), "leaf_lifespan": TABLE["leaf_lifespan"][0].bounds}


@pytest.fixture(scope="module")
def evaluate():
    u = pt.tensor("u", dtype="float64", shape=(3,))
    known = {n: pt.dscalar(n) for n in RANGES}
    values, log_density = leaf_coordinates({n: u[i] for i, n in enumerate(NAMES)}, known, BOUNDS)
    logs = pt.log(pt.stack([values[n] for n in NAMES]))
    jacobian = pt.stack([pytensor.grad(logs[i], u) for i in range(3)])
    return pytensor.function([u, *known.values()], [logs, log_density, jacobian], mode="FAST_COMPILE")


def test_inside_the_bounds_and_log_uniform(evaluate) -> None:
    rng = np.random.default_rng(1)
    lower, upper = (np.log([BOUNDS[n][k] for n in NAMES]) for k in (0, 1))
    found = []
    for _ in range(300):
        logs, log_density, jacobian = evaluate(rng.random(3), *(rng.uniform(*r) for r in RANGES.values()))
        assert (logs > lower - 1e-9).all() and (logs < upper + 1e-9).all()
        if np.isfinite(log_density):
            found.append(log_density - np.log(abs(np.linalg.det(jacobian))))
    assert len(found) > 280  # the rest lies where the bend is flat by rounding
    np.testing.assert_allclose(found, found[0], atol=1e-7)


def test_every_corner_of_the_box_can_be_reached(evaluate) -> None:
    rng = np.random.default_rng(2)
    logs = np.array([evaluate(rng.beta(0.3, 0.3, 3), *(rng.uniform(*r) for r in RANGES.values()))[0] for _ in range(3000)])
    lower, upper = (np.log([BOUNDS[n][k] for n in NAMES]) for k in (0, 1))
    place = (logs - lower) / (upper - lower)
    corners = {tuple((row > 0.5).astype(int)) for row in place}
    assert len(corners) == 8
