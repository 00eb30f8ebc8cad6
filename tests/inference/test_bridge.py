"""Evidence of densities whose integral is known, from independent draws of them."""

import numpy as np
import pytest

from lsm_bayes.inference.bridge import bridge, local_evidence
from lsm_bayes.inference.clusters import Region, cluster_draws, divide
from lsm_bayes.inference.proposal import Proposal


class Skewed:
    """``x_k = sinh((z_k + 0.5) / 0.9)`` of a correlated normal z, in dimension d, times exp(7)."""

    threads = 1

    def __init__(self, dimension: int, at: float = 0.0, weight: float = 1.0):
        rng = np.random.default_rng(dimension)
        self.dimension, self.at, self.level = dimension, at, 7 + np.log(weight)
        root = np.eye(dimension) + 0.5 * np.tril(rng.normal(size=(dimension, dimension)), -1) / np.sqrt(dimension)
        self.root, self.inverse = root, np.linalg.inv(root)
        self.exact = self.level + 0.5 * dimension * np.log(2 * np.pi)

    def draws(self, rng, chains, draws):
        z = rng.standard_normal((chains, draws, self.dimension)) @ self.root.T
        x = np.sinh((z + 0.5) / 0.9) + self.at
        return x, np.array([[self(row)[0] for row in chain] for chain in x])

    def __call__(self, x):
        u = x - self.at
        v = 0.9 * np.arcsinh(u) - 0.5
        z = self.inverse @ v
        slope = 0.9 / np.sqrt(1 + u**2)
        return self.level - 0.5 * z @ z + np.sum(np.log(slope)), -(self.inverse.T @ z) * slope - u / (1 + u**2)


class Sum:
    threads = 1

    def __init__(self, *parts):
        self.parts, self.dimension = parts, parts[0].dimension

    def __call__(self, x):
        values, gradients = zip(*(part(x) for part in self.parts), strict=True)
        total = np.logaddexp.reduce(values)
        return total, np.exp(np.array(values) - total) @ np.array(gradients)


@pytest.mark.parametrize(("dimension", "tolerance"), [(2, 0.05), (20, 0.15), (100, 0.5)])
def test_skewed_densities(dimension, tolerance):
    rng = np.random.default_rng(1)
    density = Skewed(dimension)
    found = local_evidence(density, *density.draws(rng, 3, 1000), rng, error=0.3)
    assert found.log_evidence == pytest.approx(density.exact, abs=tolerance)
    assert abs(found.log_evidence - density.exact) < 4 * found.error
    assert found.error < tolerance


def test_two_skewed_modes_are_told_apart_and_weighed():
    rng = np.random.default_rng(2)
    parts = [Skewed(20, 0.0, 0.8), Skewed(20, 9.0, 0.2)]
    density = Sum(*parts)
    drawn = [part.draws(rng, 2, 1000) for part in parts]
    positions = np.concatenate([x for x, _ in drawn])
    np.testing.assert_array_equal(cluster_draws(positions)[:, 0], [0, 0, 1, 1])
    flat = [x.reshape(-1, 20) for x, _ in drawn]
    for k, (part, (x, lp)) in enumerate(zip(parts, drawn, strict=True)):
        region = Region(flat, k)
        assert region(flat[k]).mean() > 0.99
        found = local_evidence(density, x, lp, rng, region)
        assert found.log_evidence == pytest.approx(part.exact, abs=0.2)


def test_paths_find_the_evidence_where_the_plain_bridge_cannot():
    rng = np.random.default_rng(3)
    density = Skewed(60)
    x, lp = density.draws(rng, 1, 300)
    plain = local_evidence(density, x, lp, rng, error=np.inf)
    paths = local_evidence(density, x, lp, rng, error=0.4)
    assert plain.steps == 1
    assert paths.steps > 1
    assert paths.error < plain.error
    assert abs(paths.log_evidence - density.exact) < min(1.0, 4 * paths.error)


def places(rng, second):
    left, right = rng.normal(-4, 1, (400, 3)), rng.normal(4, 1, (400, 3))
    return np.where(second[:, None], right, left)


def test_a_chain_that_crosses_often_joins_two_places():
    rng = np.random.default_rng(4)
    apart = np.stack([places(rng, np.zeros(400, dtype=bool)), places(rng, np.ones(400, dtype=bool))])
    np.testing.assert_array_equal(cluster_draws(apart)[:, 0], [0, 1])
    often = places(rng, np.arange(400) % 20 < 10)
    assert (cluster_draws(np.stack([*apart, often])) == 0).all()


def test_a_chain_that_crosses_once_is_divided():
    rng = np.random.default_rng(6)
    second = np.arange(400) > 170
    chains = np.stack([places(rng, np.zeros(400, dtype=bool)), places(rng, second)])
    labels = cluster_draws(chains)
    assert (labels[0] == 0).all()
    np.testing.assert_array_equal(labels[1], second)


def test_a_chain_in_one_place_is_not_divided():
    rng = np.random.default_rng(7)
    walk = np.zeros((1000, 20))
    for k in range(1, 1000):
        walk[k] = 0.98 * walk[k - 1] + np.sqrt(1 - 0.98**2) * rng.normal(size=20)
    assert not divide(walk).any()
    assert not divide(rng.normal(size=(1000, 60))).any()


def test_proposal_is_normalised_and_inverts():
    rng = np.random.default_rng(5)
    proposal = Proposal.fit(np.sinh(rng.normal(0.4, 0.8, (2000, 2))))
    z = rng.standard_normal((50, 2))
    x, slope, bend = proposal.to_position(z)
    np.testing.assert_allclose(proposal.to_coordinates(x), z, atol=1e-9)
    step = 1e-6
    above = proposal.to_position(z + step * np.linalg.inv(proposal.affine.scale).sum(axis=1))
    np.testing.assert_allclose((above[0] - x) / step, slope, rtol=1e-4)
    np.testing.assert_allclose((np.log(above[1]) - np.log(slope)) / step, bend, atol=1e-4)


def test_no_overlap_has_no_finite_error():
    assert bridge(np.zeros((2, 50)), np.full(100, -np.inf))[1] == np.inf
