"""Streams with observation operators of their own parameters: in the model, in its gradient and in predictions."""

from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy import stats
from towers import INDEPENDENT, INITIAL, TOWERS, relative_gradient_error

from lsm_bayes.calibration import Stream, build_model, complete
from lsm_bayes.calibration.predict import predict
from lsm_bayes.declare import Prior
from lsm_bayes.errors import ErrorModel
from lsm_bayes.inference import Density
from lsm_bayes.observations import ObservationOperator
from lsm_bayes.vocabulary import QUANTITIES

FAPAR = Stream("fapar", error=INDEPENDENT, uncertainty=0.03)


@pytest.fixture(scope="module")
def data(towers: xr.Dataset) -> xr.Dataset:
    """Towers with absorbed light and a second instrument for leaf area."""
    lai = towers["lai"]
    return towers.assign(
        fapar=(1 - np.exp(-0.4 * lai)).assign_attrs(QUANTITIES["fapar"].attrs()),
        lai_ground=(lai + 0.1).assign_attrs(QUANTITIES["lai"].attrs()),
    )


def built(data: xr.Dataset, *streams: Any, **choices: Any) -> Any:
    return build_model(TOWERS, data, streams, initial=INITIAL, **choices)


def drawn(model: Any, density: Density, positions: np.ndarray, shape: tuple[int, int]) -> xr.DataTree:
    """Make a result of some positions."""
    known = {n: list(v) for n, v in model.coords.items() if n in ("site", "pft")}
    coords = {"chain": list(range(shape[0])), "draw": list(range(shape[1]))} | known
    found = {}
    for name, v in density.expand(positions).items():
        dims = tuple(model.named_vars_to_dims.get(name) or ()) or tuple(f"{name}_{i}" for i in range(v.ndim - 1))
        found[name] = (("chain", "draw", *dims), v.reshape(*shape, *v.shape[1:]))
    used = {n: c for n, c in coords.items() if n in ("chain", "draw") or any(n in d for d, _ in found.values())}
    return xr.DataTree.from_dict({"posterior": xr.Dataset(found, coords=used)})


def test_parameters_of_an_operator_are_calibrated_like_others(data: xr.Dataset) -> None:
    model = built(data, Stream("nee"), FAPAR, pooling={"fapar_clumping": complete()}, fixed={"fapar_extinction": 0.5})
    assert model.named_vars_to_dims.get("fapar_clumping") in (None, ())
    assert model.card["parameters"]["fapar_extinction"]["prior"] == "fixed at 0.5"
    assert model.card["streams"]["fapar"]["operator"] == "fapar"
    by_type = built(data, Stream("nee"), FAPAR, priors={"fapar_extinction": Prior("uniform")})
    assert by_type.named_vars_to_dims["fapar_extinction"] == ("pft",)
    assert relative_gradient_error(Density(by_type), 3) < 1e-6


def test_predictions_apply_the_operator_with_its_draws(data: xr.Dataset) -> None:
    model = built(data, Stream("nee"), FAPAR, Stream("lai", variable="lai_ground", error=INDEPENDENT, uncertainty=0.2))
    density = Density(model)
    tree = drawn(model, density, density.prior_positions(6, np.random.default_rng(2)), (2, 3))
    found = {n: (v.dims, v.values) for n, v in tree["posterior"].data_vars.items()}
    predicted = predict(model, tree, draws=6)["posterior_predictive"].to_dataset()
    for k, site in enumerate(model.coords["site"]):
        pft = model.calibration.groups.pft_of_site[k]
        factor = (found["fapar_extinction"][1] * found["fapar_clumping"][1])[..., pft]
        seen = predicted["fapar_mean"].sel(site=site).dropna("time_fapar")
        lai = predicted["lai_ground_mean"].sel(site=site).dropna("time_lai_ground").sel(time_lai_ground=seen["time_fapar"].values)
        np.testing.assert_allclose(seen, 1 - np.exp(-factor[..., None] * lai.values), rtol=2e-5)


def test_what_the_model_does_not_simulate_is_read_from_the_data(data: xr.Dataset) -> None:
    warm = ObservationOperator(
        "skin",
        {"soil_temperature": (-20.0, 40.0), "lai": (0.0, 8.0)},
        lambda s: s["soil_temperature"] - s["lai"],
        quantity="skin_temperature",
    )
    stream = Stream("skin_temperature", operator=warm, error=INDEPENDENT, uncertainty=1.0)
    given = data.assign(skin_temperature=data["air_temperature"].assign_attrs(units="degC"))
    with pytest.raises(KeyError, match="reads 'soil_temperature', which towers does not simulate and the data of XX-One do not have"):
        built(given, stream)
    whole = given.assign(soil_temperature=given["air_temperature"] + 1.0)
    model = built(whole, stream)
    assert relative_gradient_error(Density(model), 4) < 1e-6
    gaps = whole.assign(soil_temperature=whole["soil_temperature"].where(whole["time"].dt.day != 5))
    with pytest.raises(ValueError, match=r"in the data of XX-One \d+ of its values are missing; fill these gaps"):
        built(gaps, stream)


def test_the_spread_of_an_operator_is_part_of_the_likelihood_and_of_predictions(data: xr.Dataset) -> None:
    certain = ObservationOperator("seen", {"lai": (0.0, 8.0)}, lambda s: s["lai"], quantity="lai")
    doubtful = ObservationOperator("seen", {"lai": (0.0, 8.0)}, lambda s: s["lai"], quantity="lai", spread=lambda s: 0.3 + 0.1 * s["lai"])
    bare = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
    models = [built(data, Stream("lai", operator=o, error=bare, uncertainty=0.2), sites=["XX-Two"]) for o in (certain, doubtful)]
    densities = [Density(m) for m in models]
    x = densities[0].prior_positions(1, np.random.default_rng(5))
    tree = drawn(models[1], densities[1], np.repeat(x, 2, axis=0), (1, 2))
    predicted = predict(models[1], tree, draws=2)
    mean = predicted["posterior_predictive"]["lai_mean"].isel(chain=0, draw=0, site=0).values
    value = predicted["observed_data"]["lai"].isel(site=0).values
    narrow, wide = (stats.norm(mean, sd).logpdf(value).sum() for sd in (0.2, np.hypot(0.2, 0.3 + 0.1 * mean)))
    assert densities[1](x[0])[0] - densities[0](x[0])[0] == pytest.approx(wide - narrow, rel=1e-4)
    assert relative_gradient_error(densities[1], 6) < 1e-6


def test_an_operator_of_another_quantity_is_refused() -> None:
    with pytest.raises(ValueError, match="operator 'lai' gives 'lai', not 'fapar'; for that there are fapar"):
        Stream("fapar", operator="lai")


def test_a_stream_with_the_name_of_a_pool_is_refused(data: xr.Dataset) -> None:
    pool = ObservationOperator("soil", {"soil_carbon": (0.0, 1e5)}, lambda s: s["soil_carbon"], quantity="soil_carbon")
    with pytest.raises(ValueError, match=r"has the name of .* pool of towers; .* Stream\('soil_carbon', variable='soil_carbon_observed'\)"):
        built(data, Stream("soil_carbon", operator=pool, uncertainty=100.0))


def test_an_unknown_parameter_lists_those_of_operators_too(data: xr.Dataset) -> None:
    with pytest.raises(KeyError, match=r"unknown parameter or initial state 'fapar_clumpin'. Did you mean 'fapar_clumping'"):
        built(data, Stream("nee"), FAPAR, fixed={"fapar_clumpin": 1.0})
