"""Draws that give no normal, or too few for a mixture, are refused."""

import numpy as np
import pymc as pm
import pytest
import xarray as xr
from linear_steps import draws_of, linear, made_up_series
from towers import TOWERS, made_up_towers

from lsm_bayes.calibration import build_model, carry_over
from lsm_bayes.inference import Density, laplace_at, sample_laplace


@pytest.fixture(scope="module")
def linear_data() -> xr.Dataset:
    return made_up_series()


def test_draws_that_give_no_covariance_are_refused(linear_data: xr.Dataset) -> None:
    model = linear(linear_data, ["nee"])
    good = draws_of(model)
    with pytest.raises(ValueError, match="unknown covariance to carry over 'none'|covariance"):
        carry_over(good, model, "none")  # type: ignore[arg-type]
    with pytest.raises(KeyError, match="the draws have no 'z'"):
        carry_over(good.rename(z="x"), model)
    with pytest.raises(ValueError, match="one chain does not show that it has converged"):
        carry_over(good.isel(chain=[0]), model)
    with pytest.raises(ValueError, match="the draws of 'z' are not of this model"):
        carry_over(good.assign_coords(parameter=["a", "c", "b"]), model)
    apart = good + xr.DataArray([0.0, 1.0], dims="chain") * xr.DataArray([0.0, 1.0, 0.0], dims="parameter")
    with pytest.raises(ValueError, match=r"the chains disagree: R-hat of b at site is \d"):
        carry_over(apart.transpose("chain", "draw", ...), model)
    still = good.copy(deep=True)
    still["z"][..., 1] = 0.5
    with pytest.raises(ValueError, match="not positive definite: b at site do not move"):
        carry_over(still, model)
    alike = good.copy(deep=True)
    alike["z"][..., 1] = 2 * alike["z"][..., 0]
    with pytest.raises(ValueError, match="not positive definite: . at site, . at site, . at site depend on each other"):
        carry_over(alike, model)
    with pytest.raises(TypeError, match="build_model"):
        carry_over(good, pm.Model())
    density = Density(model)
    with pytest.raises(ValueError, match="A Laplace approximation is a normal already and says nothing"):
        carry_over(sample_laplace(density, laplace_at(density, np.zeros(3)), draws=100), model)


def test_draws_too_few_for_their_dimension_are_refused() -> None:
    model = build_model(TOWERS, made_up_towers(sites={"XX-Two": ("DBF", "2010", "2011")}), ["lai"], initial={})
    size = len(model.coords["parameter"])
    white = np.random.default_rng(4).normal(size=(1, size, size))
    few = xr.Dataset({"z": (("chain", "draw", "parameter"), np.tile(white, (2, 2, 1)))})  # parts of chains agree perfectly
    wanted = f"are too few for a covariance of {size} coordinates; {10 * size} are needed, 10 for each: draw more$"
    with pytest.raises(ValueError, match=rf"\d+ effective draws of .* {wanted}"):
        carry_over(few, model)


def test_every_component_needs_draws(linear_data: xr.Dataset) -> None:
    model = linear(linear_data, ["nee"])
    draws = draws_of(model, draws=100)  # some 200 effective ones, and 30 are needed for each
    wanted = "of 3 coordinates and 9 components; 270 are needed, 10 for each in each component: draw more, or give components of at most"
    with pytest.raises(ValueError, match=rf"{wanted} [5-8]$"):
        carry_over(draws, model, components=9)
    assert carry_over(draws, model, components=2).components == 2
