"""Transport of CO2: columns, refusals, and the same on arrays, tensors and arrays with names."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from pytensor.compile.mode import Mode

from lsm_bayes.observations.transport import LinearTransport, column_mole_fraction, column_transport
from lsm_bayes.observations.zonal_transport import zonal_transport

EDGES = (-90.0, -30.0, 0.0, 30.0, 60.0, 90.0)
TIMES = (60.0, 180.0, 50.0, 30.0)
STEPS, DAYS = 36, 30.4


@pytest.fixture(scope="module")
def zonal() -> LinearTransport:
    return LinearTransport(zonal_transport(EDGES, TIMES, STEPS, DAYS), 400.0)


def emissions(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 1.0, (STEPS, 5))


def test_tensors_members_and_arrays_agree(zonal: LinearTransport) -> None:
    fluxes = np.stack([emissions(k) for k in range(3)])
    wanted = np.stack([zonal.mole_fraction(f) for f in fluxes])
    np.testing.assert_allclose(zonal.mole_fraction(fluxes), wanted)
    symbol = pt.tensor("fluxes", dtype="float64", shape=(None, None, None))
    run = pytensor.function([symbol], zonal.mole_fraction(symbol), mode=Mode("py", None))
    np.testing.assert_allclose(run(fluxes), wanted)


def test_gradient_is_the_jacobian_itself() -> None:
    transport = LinearTransport(xr.DataArray(np.random.default_rng(2).normal(size=(4, 3)), dims=("observation", "source")))
    x = pt.dvector("x")
    row = pytensor.function([x], pytensor.grad(transport.mole_fraction(x)[2], x), mode=Mode("py", None))(np.zeros(3))
    np.testing.assert_allclose(row, transport.jacobian.values[2])


def test_a_data_array_is_put_in_order_by_names(zonal: LinearTransport) -> None:
    fluxes = xr.DataArray(emissions(), dims=("time", "region"), coords={"region": zonal.jacobian["region"]})
    np.testing.assert_array_equal(zonal.mole_fraction(fluxes.transpose("region", "time")), zonal.mole_fraction(emissions()))
    with pytest.raises(ValueError, match="region"):
        zonal.mole_fraction(fluxes.assign_coords(region=np.arange(5.0)))
    with pytest.raises(ValueError, match=r"need the dims \('time', 'region'\); got \('time', 'band'\)"):
        zonal.mole_fraction(fluxes.rename(region="band"))


def test_what_does_not_fit_is_said(zonal: LinearTransport) -> None:
    with pytest.raises(ValueError, match=r"must be {'time': 36, 'region': 5}; got the shape \(5, 36\)"):
        zonal.mole_fraction(np.zeros((5, 36)))
    with pytest.raises(ValueError, match=r"got the shape \(36, 4\)"):
        zonal.mole_fraction(pt.tensor("f", dtype="float64", shape=(36, 4)))
    with pytest.raises(ValueError, match=r"got \('source', 'observation'\)"):
        LinearTransport(xr.DataArray(np.ones((2, 3)), dims=("source", "observation")))
    with pytest.raises(ValueError, match=r"each of 2 observations; got the shape \(3,\)"):
        LinearTransport(xr.DataArray(np.ones((2, 3)), dims=("observation", "source")), np.zeros(3))
    with pytest.raises(ValueError, match="not finite"):
        LinearTransport(xr.DataArray(np.full((2, 3), np.nan), dims=("observation", "source")))


LEVELS = 6
WEIGHTS = np.array([0.3, 0.25, 0.2, 0.1, 0.1, 0.05])
PRIOR = np.linspace(402.0, 390.0, LEVELS)
PROFILE = np.linspace(415.0, 392.0, LEVELS)


def test_a_perfect_kernel_sees_the_mean_and_a_blind_one_the_prior() -> None:
    np.testing.assert_allclose(column_mole_fraction(PROFILE, 1.0, PRIOR, WEIGHTS), (WEIGHTS * PROFILE).sum())
    np.testing.assert_allclose(column_mole_fraction(PROFILE, 0.0, PRIOR, WEIGHTS), (WEIGHTS * PRIOR).sum())
    np.testing.assert_allclose(column_mole_fraction(PRIOR, np.linspace(1.2, 0.5, LEVELS), PRIOR, WEIGHTS), (WEIGHTS * PRIOR).sum())


def test_columns_follow_from_profiles_on_arrays_and_tensors() -> None:
    rng = np.random.default_rng(6)
    jacobian = xr.DataArray(rng.normal(size=(4, LEVELS, 5, 2)), dims=("observation", "level", "time", "region"))
    kernel, background = rng.uniform(0.6, 1.2, (4, LEVELS)), rng.normal(400, 3, (4, LEVELS))
    fluxes = rng.normal(size=(5, 2))
    profile = background + np.einsum("oltr,tr->ol", jacobian.values, fluxes)
    wanted = [column_mole_fraction(profile[k], kernel[k], PRIOR, WEIGHTS) for k in range(4)]
    columns = column_transport(jacobian, background, kernel, PRIOR, WEIGHTS)
    np.testing.assert_allclose(columns.mole_fraction(fluxes), wanted)
    symbolic = column_mole_fraction(pt.as_tensor(profile), kernel, PRIOR, WEIGHTS)
    np.testing.assert_allclose(symbolic.eval(mode=Mode("py", None)), wanted)


def test_weights_and_dims_of_columns_are_checked() -> None:
    with pytest.raises(ValueError, match="add up to 1 over the levels; got 0.95 to 0.95"):
        column_mole_fraction(PROFILE, 1.0, PRIOR, 0.95 * WEIGHTS)
    with pytest.raises(ValueError, match=r"got \('observation', 'source'\)"):
        column_transport(xr.DataArray(np.ones((2, 3)), dims=("observation", "source")), 400.0, 1.0, PRIOR, WEIGHTS)
