"""Sensitivities of small calibrations: outputs by stream and month, information, profiles, and the choice of parameters."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr

from lsm_bayes.calibration import Stream, build_model
from lsm_bayes.errors import ErrorModel
from lsm_bayes.inference import Density, find_modes
from lsm_bayes.inference.inverse import InverseProblem
from lsm_bayes.sensitivity import information_spectrum, morris, overlap, plot, profile, response_of, select_parameters, with_fixed
from lsm_bayes.sensitivity.forward import forward_selection
from lsm_bayes.sensitivity.misfit import Misfit
from lsm_bayes.sensitivity.overlap import NOISE
from lsm_bayes.simulation import simulate
from tests.inference.test_inverse import linear_model
from tests.small_models import two_pools

LAND = two_pools()
PLAIN = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)


def record(days: int = 400) -> xr.Dataset:
    time = pd.date_range("2001-01-01", periods=days)
    season = np.cos(2 * np.pi * (np.arange(days) - 190) / 365.25)
    data = xr.Dataset(coords={"time": time, "site": ["X"], "latitude": ("site", [50.0])})
    data["shortwave_down"] = (("site", "time"), (12 + 8 * season)[None], {"units": "MJ m-2 d-1"})
    data["air_temperature"] = (("site", "time"), (8 + 10 * season)[None], {"units": "degC"})
    run = simulate(LAND, data)
    rng = np.random.default_rng(1)
    for name, sd in (("nee", 0.5), ("gpp", 0.5)):
        data[name] = run[name] + sd * rng.standard_normal(run[name].shape)
        data[name].attrs = {"units": "gC m-2 d-1"}
        data[f"{name}_uncertainty"] = xr.full_like(data[name], sd).assign_attrs(units="gC m-2 d-1")
    return data


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    return record()


@pytest.fixture(scope="module")
def model(data: xr.Dataset) -> pm.Model:
    return build_model(LAND, data, [Stream("nee", error=PLAIN), Stream("gpp", "month", PLAIN)])


@pytest.fixture(scope="module")
def density(model: pm.Model) -> Density:
    return Density(model)


@pytest.fixture(scope="module")
def mode(density: Density) -> np.ndarray:
    return find_modes(density, starts=3, seed=0, progress=False).positions[0]


def test_outputs_are_those_of_the_streams(model: pm.Model, density: Density) -> None:
    z = np.random.default_rng(0).standard_normal((3, 6))
    steps, months, misfit = (response_of(model, m, by=b) for m, b in (("mean", "step"), ("mean", "month"), ("rmse", "record")))
    assert steps.names == ["efficiency", "turnover", "decay", "q10", "foliage_carbon", "soil_carbon"]
    predicted, table = steps(z), steps.table
    nee = (table["stream"] == "nee").to_numpy()
    observed = np.asarray(model.rvs_to_values[model["nee"]].eval()).ravel()
    assert np.allclose(misfit(z)[:, 0], np.sqrt(np.mean((predicted[:, nee] - observed) ** 2, axis=1)))
    january = pd.DatetimeIndex(table["time"][nee]).to_period("M") == pd.Period("2001-01")
    assert months.table["time"][0] == pd.Timestamp("2001-01-01") and january.sum() == 31
    assert np.allclose(months(z)[:, 0], predicted[:, nee][:, january].mean(axis=1))
    likelihood = response_of(model, "log_likelihood")
    found = likelihood(z)
    assert list(likelihood.table["stream"]) == ["all", "nee", "gpp"] and np.allclose(found[:, 0], found[:, 1] + found[:, 2])
    # All free variables are coordinates: the rest of the log-density is their prior.
    assert density.dimension == 6
    prior = -0.5 * np.sum(z**2, axis=1) - 3 * np.log(2 * np.pi)
    assert np.allclose(found[:, 0] + prior, [density(x)[0] for x in z])
    value, slope = likelihood.gradient(z[0], np.array([1.0, 0, 0]))
    assert np.allclose(value, found[0]) and np.allclose(slope, density(z[0])[1] + z[0])
    assert np.allclose(likelihood.jacobian(z[0])[0], slope, rtol=1e-5)


def test_process_model_is_asked_without_observations(data: xr.Dataset) -> None:
    r = response_of(LAND, ["gpp", "soil_carbon"], by="month_of_year", data=data)
    found = morris(r, 6)
    assert found.sizes == {"output": 24, "parameter": 6} and list(found["time"].values[:3]) == [1, 2, 3]
    decay = found["mu_star"].sel(parameter="decay")
    assert np.all(decay[found["stream"] == "gpp"] == 0) and np.all(decay[found["stream"] == "soil_carbon"] > 0)
    with pytest.raises(ValueError, match="give data="):
        response_of(LAND, "gpp")
    figure, axes = plt.subplots()
    plot(found, axes, output="mean gpp")
    assert axes.images[0].get_array().shape == (6, 12)
    plt.close(figure)


def test_information_is_that_of_the_linear_problem() -> None:
    model, maps, root = linear_model()
    jacobian = np.concatenate([np.linalg.solve(root, maps[:4]), maps[4:] / 0.3])
    covariance = np.diag([1.0, 4.0, 0.25])
    posterior = np.linalg.inv(np.linalg.inv(covariance) + jacobian.T @ jacobian)
    found = information_spectrum(InverseProblem(model), np.zeros(3))
    exact = np.sort(np.linalg.eigvals(covariance @ jacobian.T @ jacobian).real)[::-1]
    assert np.allclose(found["eigenvalue"], exact) and np.allclose(found["variance_kept"], 1 / (1 + exact))
    assert np.allclose(found["contraction"], 1 - np.sqrt(np.diag(posterior) / np.diag(covariance)))
    # A combination w' x, in prior sd, keeps the share of its prior variance that the eigenvalue says.
    sd = np.sqrt(np.diag(covariance))
    for w, kept in zip(found["vector"].values / sd, found["variance_kept"].values, strict=True):
        assert w @ posterior @ w / (w @ covariance @ w) == pytest.approx(kept)


def test_information_of_a_calibration(density: Density, mode: np.ndarray) -> None:
    found = information_spectrum(density, mode)
    # decay and soil_carbon enter as a product, which alone is known: the contrast is the least known combination.
    last = found["vector"].values[-1]
    pair = [list(found["parameter"].values).index(n) for n in ("decay", "soil_carbon")]
    assert set(np.argsort(-np.abs(last))[:2]) == set(pair) and last[pair].prod() < 0
    assert found["eigenvalue"].values[0] > 1e3 * found["eigenvalue"].values[-1]
    assert found["contraction"].sel(parameter="efficiency") > 0.9
    with pytest.raises(ValueError, match="shape"):
        information_spectrum(density, mode[:2])


def test_profile_of_a_normal_is_its_parabola() -> None:
    with pm.Model() as model:
        x = pm.Normal("x", 0.0, 10.0, shape=3)
        pm.Normal("y", x[0] + x[1], 0.1, observed=1.0)
        pm.Normal("u", x[0] - x[1], 0.1, observed=0.0)
    found = profile(model, np.array([0.5, 0.5, 0.0]))
    # The sum and the difference have the sd 0.1, so x[0] has 0.1 / sqrt(2); the prior of the other is as good as flat.
    half = 1.95996 * 0.1 / np.sqrt(2)
    assert np.allclose(found.table.loc[["x[0]", "x[1]"], ["low", "high"]], [[0.5 - half, 0.5 + half]] * 2, atol=2e-3)
    assert list(found.table["verdict"]) == ["identifiable", "identifiable", "not seen by the observations"]
    assert found.curves["x[2]"]["coordinate"].values[[0, -1]] == pytest.approx([-30, 30], rel=0.2)
    with pytest.raises(ValueError, match=r"unknown parameters \['q'\]"):
        profile(model, np.zeros(3), ["q"])


def test_profile_tells_a_product_from_its_factors(density: Density, mode: np.ndarray) -> None:
    found = profile(density, mode, ["efficiency", "decay"])
    assert found.table.loc["efficiency", "verdict"] == "identifiable"
    inside = found.table.loc["efficiency"]
    assert inside["low_value"] < 0.8 < inside["high_value"]
    # Respiration fixes the product of decay and soil_carbon much better than either.
    width = (found.table["high_value"] - found.table["low_value"]) / found.table["low_value"]
    assert width["decay"] > 5 * width["efficiency"]
    assert found.curves["decay"]["fall"].values[[0, -1]].min() > found.threshold
    figure, axes = plt.subplots()
    plot(found.curves["efficiency"], axes)
    assert axes.get_xlabel() == "efficiency" and axes.get_ylim()[0] == 0
    plt.close(figure)


def test_overlap_tells_what_others_can_do() -> None:
    rng = np.random.default_rng(0)
    strong, weak = np.linalg.qr(rng.normal(size=(200, 2)))[0].T
    columns = np.stack([0.9 * strong, strong, 0.3 * weak], axis=1)
    grams = (columns.T @ columns)[None]
    # Ridge of the noise: the share that is left is that of the noise.
    assert overlap.alone(grams, 0, [1]) == pytest.approx(NOISE**2 / (1 + NOISE**2))
    assert overlap.alone(grams, 2, [1]) == pytest.approx(1.0) and overlap.mimics(grams, 0, [2, 1]) == [1]
    assert overlap.contraction(grams, [1, 2], 2) == pytest.approx(1 - 1 / np.sqrt(1 + 0.09 / NOISE**2))


def test_forward_selection_takes_what_helps_and_not_what_is_strong() -> None:
    rng = np.random.default_rng(0)
    a, b, c = np.linalg.qr(rng.normal(size=(50, 3)))[0].T
    # The strongest two move what fits already; the weakest three of what is left to explain do the same as the third.
    columns, gap = np.stack([9 * a, 8 * a, 2 * b, 1.9 * b, 1.5 * c], axis=1), 4 * b + 3 * c

    def residuals(z: np.ndarray) -> np.ndarray:
        return np.concatenate([columns @ z - gap, z])

    path = forward_selection(residuals, np.zeros(5))
    assert path.order[:2] == [2, 4] and path.misfits[0] == pytest.approx(12.5)
    # With n parameters the misfit is that of the ridge regression on them.
    for n in (1, 2, 3, 5):
        chosen = columns[:, path.order[:n]]
        best = np.linalg.solve(chosen.T @ chosen + np.eye(n), chosen.T @ gap)
        exact = 0.5 * np.sum((chosen @ best - gap) ** 2) + 0.5 * best @ best
        assert path.misfits[n] == pytest.approx(exact, rel=1e-3)
        assert np.all(path.places[n][path.order[n:]] == 0)
    assert forward_selection(residuals, np.zeros(5), [0]).order[:3] == [0, 2, 4]
    with pytest.raises(ValueError, match="the run from which the selection starts failed"):
        forward_selection(lambda z: residuals(z) * np.nan, np.zeros(5))


@pytest.mark.parametrize(("edge", "first"), [(0.5, []), (0.5, [1]), (0.01, [])])
def test_runs_that_fail_do_not_stop_the_selection(edge: float, first: list[int]) -> None:
    def residuals(z: np.ndarray) -> np.ndarray:
        # The first parameter helps most but dies beyond an edge; of the second not even a neighbour runs.
        dead = z[0] > edge or z[1] != 0
        return np.full(5, np.nan) if dead else np.concatenate([[3 * z[0] + z[2] - 6.0, z[2] - 1.0], z])

    path = forward_selection(residuals, np.zeros(3), first)
    assert sorted(path.order) == [0, 1, 2] and path.order[: len(first)] == first
    assert path.places[-1][1] == 0 and path.places[-1][0] <= edge and path.places[-1][2] > 0
    assert (path.places[-1][0] > 0) == (edge == 0.5)
    assert np.all(np.diff(path.misfits) <= 0) and np.isfinite(path.misfits).all()


def test_misfit_is_that_of_the_streams(model: pm.Model) -> None:
    misfit, z = Misfit(model), np.full(6, 0.1)
    starts = misfit.starts(3, 40, 0)
    assert np.array_equal(starts[0], np.zeros(6)) and len(starts) == 3
    relative = misfit.by_stream()(z[None])[0]
    # NEE and monthly GPP count the same, however many observations each has.
    assert np.sum(misfit(z) ** 2) == pytest.approx(np.sum(relative**2) / 2 / NOISE**2 + z @ z)
    drawn = np.random.default_rng(0).standard_normal((40, 6))
    sizes = [np.sum(misfit(row) ** 2) for row in drawn]
    assert np.array_equal(starts[1], drawn[np.argmin(sizes)])
    places = np.stack([np.zeros(6), 0.1 * np.ones(6), [3.0, -3, 3, 3, 3, 3]])
    grams, _ = misfit.effects(places)
    size = np.einsum("nii->n", np.stack([misfit.effects(p[None])[0][0] for p in places]))
    assert np.allclose(np.einsum("nii->n", grams), np.minimum(size, np.median(size)))
    alone, step = misfit.effects(places[:1])[1]["nee"], 1e-4 * np.eye(6)[0]
    nee = misfit.response.table["stream"].to_numpy() == "nee"
    change = (misfit.response(step[None])[0] - misfit.response(-step[None])[0])[nee] / 2e-4 / misfit.spread["nee"]
    assert alone[0] == pytest.approx(np.sqrt(np.mean(change**2)), rel=1e-5)


def test_the_choice_says_why(model: pm.Model) -> None:
    found = select_parameters(model, 3, seed=0, draws=16, starts=2, trajectories=4)
    assert len(found.chosen) == 3 and "efficiency" in found.chosen and len(found.fixed) == 3
    # decay and soil_carbon enter as a product: one of them is enough.
    assert not {"decay", "soil_carbon"} <= set(found.chosen)
    assert all("fix at" in found.table.loc[n, "reason"] for n in found.fixed)
    assert all("calibrate" in found.table.loc[n, "reason"] for n in found.chosen)
    assert found.table["explained"].is_monotonic_increasing and found.table["explained"].iloc[-1] == pytest.approx(1.0)
    assert set(found.fixed) | set(found.chosen) == set(found.table.index) and found.runs > 0
    assert set(found.table["agreed"]) <= {0.0, 0.5, 1.0} and "3 of 6" in found.describe()
    dropped = next(iter(found.fixed))
    density = Density(model)
    position = np.full(6, 0.2)
    again = select_parameters(model, 3, at=position, keep=[dropped], draws=16, trajectories=4)
    assert again.chosen[0] == dropped and "as asked" in again.table.loc[dropped, "reason"]
    assert all(v == pytest.approx(density.expand(position)[n]) for n, v in again.fixed.items())
    with pytest.raises(ValueError, match="choose 1 to 6"):
        select_parameters(model, 7)
    with pytest.raises(ValueError, match=r"at has shape \(2,\)"):
        select_parameters(model, 3, at=np.zeros(2), draws=4)
    with pytest.raises(ValueError, match="starts=0"):
        select_parameters(model, 3, starts=0)


def test_the_choice_feeds_build_model(model: pm.Model, data: xr.Dataset) -> None:
    fixed = {"decay": 2e-3, "foliage_carbon": 150.0}
    again = with_fixed(model, fixed)
    built = build_model(LAND, data, [Stream("nee", error=PLAIN), Stream("gpp", "month", PLAIN)], fixed=fixed)
    one, two = Density(again), Density(built)
    assert one.labels == two.labels and one.dimension == 4
    assert np.isclose(one(np.full(4, 0.3))[0], two(np.full(4, 0.3))[0], rtol=1e-12)
    assert set(again.card["parameters"]) == set(built.card["parameters"])
    with pytest.raises(ValueError, match=r"unknown parameters or initial pools \['q'\]"):
        with_fixed(model, {"q": 1.0})
    with pytest.raises(ValueError, match="every parameter"):
        with_fixed(model, dict.fromkeys(model.calibration.declared, 1.0))
