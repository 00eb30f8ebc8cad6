"""Value of streams: exact for a linear model with normal errors, and for the information of every error model."""

from dataclasses import replace
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
import pytensor.tensor as pt
import pytest
import xarray as xr
from matplotlib.figure import Figure
from pytensor.compile.mode import Mode
from scipy.special import erf

from lsm_bayes.calibration import Constraints, Stream, build_model
from lsm_bayes.declare import Constraint, Parameter, Prior, ProcessModel
from lsm_bayes.diagnostics.information import Moments, expected_information, jacobian
from lsm_bayes.diagnostics.stream_subsets import StreamValue
from lsm_bayes.diagnostics.stream_value import stream_value
from lsm_bayes.errors import Beta, Censored, ErrorModel, Laplace, LogNormal, Scale, Weight
from lsm_bayes.errors.correlated import log_density
from lsm_bayes.vocabulary import QUANTITIES

RANDOM = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
MEMORY = ErrorModel(structural=Scale(1.0, 0.4), envelope=0.0, correlation=0.8, discrepancy=None)
DAYS, SD = 400, {"nee": 0.5, "gpp": 2.0, "reco": 1.0}


class Parameters(NamedTuple):
    light: Annotated[float, Parameter("1", (-50.0, 50.0), "effect of light", Prior("normal", 0.3, 1.0))] = 0.3
    warmth: Annotated[float, Parameter("1", (-50.0, 50.0), "effect of temperature", Prior("normal", 0.1, 0.5))] = 0.1
    base: Annotated[float, Parameter("1", (-50.0, 50.0), "the rest", Prior("normal", 0.0, 1.0))] = 0.2


class State(NamedTuple):
    soil_carbon: Annotated[float, Parameter("gC m-2", (1.0, 10.0), "not read", fixed=True)] = 5.0


class Forcing(NamedTuple):
    shortwave_down: float
    air_temperature: float


class Fluxes(NamedTuple):
    nee: Any
    gpp: Any
    reco: Any


def step(x: State, f: Forcing, p: Parameters) -> tuple[State, Fluxes]:
    gpp, reco = p.light * f.shortwave_down, p.warmth * f.air_temperature + p.base
    return x, Fluxes(reco - gpp, gpp, reco)


def warm(means: Any, p: Parameters) -> Any:
    return p.warmth - p.base


LINEAR = ProcessModel(
    name="linear",
    title="Linear in its parameters",
    step=step,
    parameters=Parameters,
    state=State,
    forcing=Forcing,
    fluxes=Fluxes,
    constraints=(Constraint("warm", "warmth exceeds base", warm),),
)


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    rng = np.random.default_rng(0)
    time = pd.date_range("2010-01-01", periods=DAYS)
    series = {"shortwave_down": rng.uniform(1, 3, DAYS), "air_temperature": rng.normal(0, 3, DAYS)}
    for name in (*SD, "nee_again"):
        series[name] = rng.normal(size=DAYS)
    series["gpp"][::3] = np.nan  # gaps
    found = xr.Dataset({n: ("time", v, {"units": QUANTITIES[n.removesuffix("_again")].unit}) for n, v in series.items()}, {"time": time})
    return found.assign_coords(latitude=50.0, pft="ENF")


def streams_of(error: ErrorModel) -> list[Stream]:
    named = [Stream(n, error=error, uncertainty=sd) for n, sd in SD.items()]
    return [*named, Stream("nee", error=error, uncertainty=SD["nee"], variable="nee_again")]


def designs(data: xr.Dataset) -> dict[str, np.ndarray]:
    """Derivatives of the predictions with respect to the standard normal coordinates, written down."""
    rad, temp = data["shortwave_down"].values, data["air_temperature"].values
    gpp = np.stack([rad, 0 * rad, 0 * rad], axis=1)
    reco = np.stack([0 * rad, 0.5 * temp, np.ones(DAYS)], axis=1)
    return {"nee": reco - gpp, "gpp": gpp[np.isfinite(data["gpp"].values)], "reco": reco, "nee_again": reco - gpp}


@pytest.fixture(scope="module")
def exact(data: xr.Dataset) -> StreamValue:
    model = build_model(LINEAR, data, streams_of(RANDOM))
    return stream_value(model, np.array([0.3, -0.2, 0.5]), {"future": 3.0 * model["light"] - model["base"]})


def test_it_is_the_exact_posterior_of_a_linear_model(exact: StreamValue, data: xr.Dataset) -> None:
    information = {n: a.T @ a / SD[n.removesuffix("_again")] ** 2 for n, a in designs(data).items()}
    for subset in ([], ["gpp"], ["gpp", "nee"], list(information)):
        wanted = np.linalg.inv(np.eye(3) + sum((information[s] for s in subset), np.zeros((3, 3))))
        np.testing.assert_allclose(exact.covariance(subset), wanted, rtol=1e-7, atol=1e-12)
        table = exact.sd({"one": subset})["sd"].sel(subset="one")
        np.testing.assert_allclose(table.sel(quantity="warmth"), 0.5 * np.sqrt(wanted[1, 1]), rtol=1e-7)
        g = np.array([3.0, 0.0, -1.0])
        np.testing.assert_allclose(table.sel(quantity="future"), np.sqrt(g @ wanted @ g), rtol=1e-7)
        np.testing.assert_allclose(exact.score(subset), -0.5 * np.linalg.slogdet(wanted)[1], rtol=1e-7, atol=1e-9)
        reduction = 1 - g @ wanted @ g / (g @ g)
        np.testing.assert_allclose(exact.score(subset, "variance"), reduction, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(exact.score(subset, "sd"), 1 - np.sqrt(1 - reduction), rtol=1e-7, atol=1e-9)
    assert exact.roughness < 1e-6
    assert exact.values["light"] == pytest.approx(0.6, rel=1e-9) and list(exact.kinds) == ["parameter"] * 3 + ["target"]


def test_a_repeated_stream_halves_the_variance_of_its_error(exact: StreamValue, data: xr.Dataset) -> None:
    np.testing.assert_allclose(exact.information["nee_again"], exact.information["nee"], rtol=1e-9)
    a = designs(data)["nee"]
    wanted = np.linalg.inv(np.eye(3) + a.T @ a / (SD["nee"] ** 2 / 2))
    np.testing.assert_allclose(exact.covariance(["nee", "nee_again"]), wanted, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(exact.covariance(["nee", "nee"]), wanted, rtol=1e-7, atol=1e-12)


def test_correlated_errors_count_with_their_covariance(data: xr.Dataset) -> None:
    model = build_model(LINEAR, data, streams_of(MEMORY)[:3])
    names = [rv.name for rv in model.free_RVs]
    rng = np.random.default_rng(1)
    found = stream_value(model, rng.normal(size=2 + len(names)))  # z holds three
    values = {n: found.information[n] for n in SD}
    for p in model.calibration.streams:
        s, gap = p.series[0], p.series[0].gap
        place = names.index(f"{p.name}_sigma") + 2
        at = np.random.default_rng(1).normal(size=2 + len(names))
        sigma, phi = np.exp(at[place]), 0.8 * 0.5 * (1 + erf(at[place + 1] / np.sqrt(2)))
        distance = np.abs(np.subtract.outer(np.cumsum(np.where(np.isfinite(gap), gap, 0)), np.cumsum(np.where(np.isfinite(gap), gap, 0))))
        covariance = (s.uncertainty[0] ** 2 + sigma**2) * phi**distance
        a = designs(data)[p.name]
        np.testing.assert_allclose(values[p.name][:3, :3], a.T @ np.linalg.solve(covariance, a), rtol=1e-6, atol=1e-8)
        # The unknowns of other error models are not informed; the prior of this spread is log-normal.
        others = [k for k in range(3, len(at)) if k not in (place, place + 1)]
        assert np.abs(values[p.name][others]).max() == 0
        assert found.prior[place, place] == pytest.approx(1 / 0.4**2, rel=1e-6)
    np.testing.assert_allclose(found.prior[:3, :3], np.eye(3), atol=1e-6)


def test_information_on_spread_and_memory_is_that_of_the_joint_normal() -> None:
    """General formula, J' R^-1 J + tr(R^-1 dR R^-1 dR) / 2, with the covariance matrix written out."""
    rng = np.random.default_rng(2)
    n, at = 12, np.array([0.4, 0.3, -0.5])
    gap, tilt = np.where(rng.uniform(size=n) < 0.3, 2.0, 1.0), rng.normal(size=n)

    def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        correlation = (0.9 / (1 + np.exp(-x[2]))) ** gap
        correlation[0] = 0.0
        return x[0] * tilt + x[1] ** 2, np.exp(0.5 * x[1] + 0.2 * tilt * x[0]), correlation

    def covariance(x: np.ndarray) -> np.ndarray:
        _, sd, rho = moments(x)
        matrix = np.eye(n)
        for i in range(n):
            for j in range(i):
                matrix[i, j] = matrix[j, i] = np.prod(rho[j + 1 : i + 1])
        return sd[:, None] * matrix * sd

    slopes = [jacobian(lambda x, k=k: moments(x)[k], at)[0] for k in range(3)]
    change = jacobian(lambda x: covariance(x).ravel(), at)[0].reshape(n, n, 3)
    solved = np.stack([np.linalg.solve(covariance(at), change[:, :, k]) for k in range(3)])
    wanted = slopes[0].T @ np.linalg.solve(covariance(at), slopes[0]) + 0.5 * np.einsum("aij,bji->ab", solved, solved)
    np.testing.assert_allclose(expected_information(Moments(*moments(at), *slopes), MEMORY), wanted, rtol=1e-8)


@pytest.mark.parametrize(
    ("error", "tail", "grid"),
    [
        (RANDOM + Laplace(), 0.0, np.linspace(-25, 25, 200001)),
        (RANDOM + LogNormal(), 0.0, np.exp(np.linspace(-12, 8, 100001))),
        (RANDOM + Beta(), 0.0, np.linspace(0, 1, 200003)[1:-1]),
        (replace(RANDOM, heavy_tailed=True), 0.2, np.linspace(-400, 400, 800001)),
    ],
    ids=["laplace", "log_normal", "beta", "student"],
)
def test_information_of_one_observation_is_the_mean_squared_score(error: ErrorModel, tail: float, grid: np.ndarray) -> None:
    mean, sd = (0.55, 0.21)
    value, m, s = pt.vector("value"), pt.scalar("m"), pt.scalar("s")
    zero = pt.zeros_like(value)
    law = error.distribution
    # Each value is an observation of its own: correlation zero throughout.
    logp = (
        law.log_density(value, m + zero, s + zero, zero)
        if law is not None
        else log_density(value, m + zero, s + zero, zero, pt.constant(tail))
    )
    mode = Mode("py", "fast_compile")

    def at(a: float, b: float) -> np.ndarray:
        return logp.eval({value: grid, m: a, s: b}, mode=mode)

    h = 1e-5
    score = np.stack([(at(mean + h, sd) - at(mean - h, sd)) / (2 * h), (at(mean, sd + h) - at(mean, sd - h)) / (2 * h)])
    wanted = np.trapezoid(np.exp(at(mean, sd)) * score[:, None] * score[None], grid, axis=-1)
    one = np.ones(1)
    slopes = np.eye(2)[:, None]
    moments = Moments(mean * one, sd * one, 0 * one, slopes[0], slopes[1], 0 * slopes[0], tail)
    found = expected_information(moments, error)
    np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=2e-3 * np.abs(wanted).max())
    half = expected_information(
        Moments(mean * one, sd * one, 0 * one, slopes[0], slopes[1], 0 * slopes[0], tail), error + Weight(0.5, "test")
    )
    np.testing.assert_allclose(half, 0.5 * found, rtol=1e-12)


@pytest.fixture
def constructed() -> StreamValue:
    """`twin` says nearly the same as `best`; `other` alone says less, but something else."""
    information = {"twin": np.diag([90.0, 0.0]), "other": np.diag([0.0, 20.0]), "best": np.diag([100.0, 0.0])}
    index = pd.Index(["a", "b", "t"])
    gradients = pd.DataFrame([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]], index=index)
    return StreamValue(
        np.eye(2), information, gradients, pd.Series(["parameter", "parameter", "target"], index=index), pd.Series(0.0, index=index), 0.0
    )


@pytest.mark.parametrize("measure", ["information", "variance", "sd"])
def test_greedy_takes_what_adds_most_to_what_is_known(constructed: StreamValue, measure: Any) -> None:
    ranked = constructed.greedy(measure)
    assert list(ranked.index) == ["best", "other", "twin"]
    assert (np.diff(ranked["score"]) > 0).all() and ranked["share"].iloc[-1] == pytest.approx(1.0)
    np.testing.assert_allclose(ranked["gain"].cumsum(), ranked["score"])
    lost = constructed.leave_one_out(measure)
    assert list(lost.index) == ["other", "best", "twin"]
    # Alone it is nearly as good as the best one, beside that it is nearly worthless.
    assert lost.loc["twin", "alone"] > 0.95 * lost.loc["best", "alone"] and lost.loc["twin", "loss_share"] < 0.1


def test_information_is_the_gain_of_each_coordinate(constructed: StreamValue) -> None:
    assert constructed.score(["best", "other"]) == pytest.approx(0.5 * (np.log(101) + np.log(21)))
    assert constructed.score([]) == pytest.approx(0.0, abs=1e-12)


def test_a_pool_that_follows_from_parameters_adds_no_information(constructed: StreamValue) -> None:
    more = constructed.gradients.copy()
    more.loc["pool"] = 3.0 * more.loc["a"] + more.loc["b"]
    index = more.index
    kinds = pd.Series([*constructed.kinds, "parameter"], index=index)
    wider = StreamValue(constructed.prior, constructed.information, more, kinds, pd.Series(0.0, index=index), 0.0)
    assert wider.score(["best", "other"]) == pytest.approx(constructed.score(["best", "other"]))


def test_constraints_count_where_they_bite(data: xr.Dataset) -> None:
    model = build_model(LINEAR, data, [Stream("nee", error=RANDOM, uncertainty=0.5)], constraints=Constraints(0.5))
    met, missed = (stream_value(model, np.array([0.0, *z])).prior for z in ((3.0, -3.0), (-3.0, 3.0)))
    assert missed[1, 1] > 1.05 > met[1, 1] > 0.999
    assert np.linalg.eigvalsh(missed).min() > 0.999


def test_text_and_drawing_say_the_order(constructed: StreamValue) -> None:
    text = constructed.describe()
    assert "best 56%, other 92%, twin 100%" in text and "2 of 3 streams reach 90 %" in text and "other: without it" in text
    assert "another step" not in text and "changes by 5%" in replace(constructed, roughness=0.05).describe()
    axes = constructed.plot(Figure().subplots())
    assert [t.get_text() for t in axes.get_yticklabels()] == ["best", "other", "twin"]
    assert axes.lines[0].get_xdata()[-1] == pytest.approx(1.0)


def test_a_kink_shows() -> None:
    slope, difference = jacobian(np.sin, np.array([0.3]))
    assert slope[0, 0] == pytest.approx(np.cos(0.3), abs=1e-12) and abs(difference[0, 0]) < 1e-6
    slope, difference = jacobian(lambda x: np.abs(x - 4e-4), np.array([0.0]))
    assert abs(difference[0, 0]) > 0.1 and -1.0 < slope[0, 0] < 1.0


def test_what_cannot_be_computed_is_said(data: xr.Dataset, exact: StreamValue, constructed: StreamValue) -> None:
    model = build_model(LINEAR, data, streams_of(RANDOM)[:1])
    with pytest.raises(ValueError, match=r"shape \(2,\); the model has 3 unconstrained coordinates"):
        stream_value(model, np.zeros(2))
    with pytest.raises(ValueError, match="'light' has the name of a parameter"):
        stream_value(model, np.zeros(3), {"light": model["light"]})
    with pytest.raises(TypeError, match="not a scalar tensor"):
        stream_value(model, np.zeros(3), {"all": model["z"]})
    with pytest.raises(ValueError, match="'nee' has predictions that are not finite"):
        stream_value(model, np.full(3, np.nan))
    with pytest.raises(KeyError, match="unknown stream 'lai'"):
        exact.covariance(["lai"])
    with pytest.raises(ValueError, match="unknown measure 'entropy'"):
        exact.score(["nee"], "entropy")  # type: ignore[arg-type]
    one = np.ones(1)
    moments = Moments(-one, one, 0 * one, one[:, None], one[:, None], one[:, None])
    with pytest.raises(ValueError, match="normal, censored below 0' is not implemented"):
        expected_information(moments, RANDOM + Censored(low=0.0))
    with pytest.raises(ValueError, match="1 of 1 are not"):
        expected_information(moments, RANDOM + LogNormal())
    with pytest.raises(ValueError, match="between 0 and 1"):
        expected_information(moments, RANDOM + Beta())
    nothing = StreamValue(
        constructed.prior, constructed.information, constructed.gradients.iloc[:2], constructed.kinds[:2], constructed.values[:2], 0.0
    )
    with pytest.raises(ValueError, match="one of targets, and none was given"):
        nothing.score(["best"], "sd")
