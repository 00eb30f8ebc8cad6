"""VSEM as a program of its own through the external route: the same posterior as the built-in model."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pymc as pm
import pytest
import xarray as xr
from lsm_bayes.models import get
from scipy.optimize import minimize

from lsm_bayes.calibration import build_model
from lsm_bayes.external import ExternalModel, ExternalStream, Output, build_external_model
from lsm_bayes.inference.inverse import InverseProblem

from .programs import NAMELIST, vsem

DAYS = 365
NAMES = ("light_use_efficiency", "aboveground_residence_time", "soil_carbon")
CALLED = {"aboveground_residence_time": "residence"}
TWIN = get("vsem_twin")


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    """Give a year of the twin; a third of the days is missing."""
    found = TWIN.twin(0)[0].isel(time=slice(0, DAYS)).copy(deep=True)
    for name in ("nee", "aboveground_carbon_observed"):
        found[name][2::3] = np.nan
    return found


@pytest.fixture(scope="module")
def built_in(data: xr.Dataset) -> InverseProblem:
    fixed = {n: v for n, v in TWIN.TRUTH.items() if n not in NAMES}
    return InverseProblem(build_model(TWIN.LAND, data, [TWIN.stream("nee"), TWIN.stream("aboveground_carbon")], fixed=fixed))


@pytest.fixture(scope="module")
def outside(data: xr.Dataset, tmp_path_factory: pytest.TempPathFactory) -> InverseProblem:
    folder = tmp_path_factory.mktemp("vsem")
    return InverseProblem(external(folder, data), cores=2)


def vegetation(folder: Path) -> np.ndarray:
    return np.genfromtxt(folder / "out.csv", delimiter=",", names=True)["vegetation"] / 1000.0


def external(folder: Path, data: xr.Dataset, compiled: bool = True) -> pm.Model:
    np.savetxt(folder / "light.txt", data["par_down"].values, fmt="%.17g")
    model = ExternalModel(
        name="vsem-alone",
        parameters={CALLED.get(n, n): TWIN.LAND.calibrated[n] for n in NAMES},
        outputs={"nee": Output("gC m-2 d-1", DAYS, file="out.csv", column="nee"), "vegetation": Output("kgC m-2", DAYS, reader=vegetation)},
        command=vsem(folder, compiled),
        templates={"vsem.nml": NAMELIST},
        files={"light.txt": folder / "light.txt"},
        base=folder,
        timeout=60.0,
    )
    seen = data["aboveground_carbon_observed"]  # in gC m-2: values and sd are converted
    streams = [
        ExternalStream("nee", data["nee"].values, sd=data["nee_uncertainty"].values),
        ExternalStream("vegetation", seen, sd=data["aboveground_carbon_observed_uncertainty"].values),
    ]
    return build_external_model(model, streams, store=folder / "runs")


def difference(model: pm.Model) -> float:
    """Return how much higher the log-density is, for observations in kgC instead of gC."""
    return float(np.log(1000.0) * model.rvs_to_values[model["vegetation"]].eval().size)


def test_log_densities_are_those_of_the_built_in_model(built_in: InverseProblem, outside: InverseProblem) -> None:
    campaign = outside.model.external
    assert campaign.executed == 0, "building the model runs nothing"
    assert outside.labels == [f"z[{CALLED.get(n, n)}]" for n in NAMES]
    points = 0.7 * np.random.default_rng(2).standard_normal((8, 3))
    predicted, inside = outside.predict(points), built_in.predict(points)
    assert campaign.executed == 8 and outside.failures == 0
    for x, row, known in zip(points, predicted, inside, strict=True):
        expected = built_in.log_density(x) + difference(outside.model)
        assert abs(outside.log_density(x) - expected) < 1e-6
        assert np.allclose(row, known, rtol=1e-9, atol=1e-9)
    assert campaign.executed == 8, "the log-density took the runs of predict"
    assert np.isclose(outside.log_normaliser, built_in.log_normaliser + difference(outside.model), rtol=1e-12)


def test_a_slow_language_gives_the_same(data: xr.Dataset, outside: InverseProblem, tmp_path: Path) -> None:
    script = InverseProblem(external(tmp_path, data, compiled=False))
    x = np.array([0.3, -0.2, 0.5])
    assert np.isclose(script.log_density(x), outside.log_density(x), rtol=1e-12)
    assert script.model.external.model.identity != outside.model.external.model.identity, "another program, other runs"


class Moments(NamedTuple):
    mean: np.ndarray
    covariance: np.ndarray
    error: np.ndarray  # of the mean, Monte Carlo


def weighted(problem: InverseProblem, proposal: tuple[np.ndarray, np.ndarray], number: int, seed: int) -> Moments:
    """Return moments of the posterior by importance sampling from Student's t of 7 degrees of freedom."""
    centre, root = proposal
    rng = np.random.default_rng(seed)
    u = rng.standard_normal((number, centre.size)) / np.sqrt(rng.chisquare(7, size=(number, 1)) / 7)
    points = centre + u @ root.T
    if hasattr(problem.model, "external"):
        problem.predict(points)  # side by side
    logs = np.array([problem.log_density(x) for x in points]) + 0.5 * (7 + centre.size) * np.log1p(np.sum(u**2, axis=1) / 7)
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    mean = weights @ points
    away = points - mean
    return Moments(mean, (weights * away.T) @ away, np.sqrt(weights**2 @ away**2))


def test_posterior_is_that_of_the_built_in_model(built_in: InverseProblem, outside: InverseProblem) -> None:
    found = minimize(lambda x: -built_in.log_density(x), np.zeros(3), method="Nelder-Mead", options={"maxfev": 3000, "xatol": 1e-4})
    steps = 1e-3 * np.eye(3)
    sensitivity = [(built_in.predict(found.x + s) - built_in.predict(found.x - s)) / 2e-3 for s in steps]
    root = np.linalg.cholesky(np.linalg.inv(np.array(sensitivity) @ np.array(sensitivity).T + np.eye(3)))
    known, got = weighted(built_in, (found.x, root), 8000, 1), weighted(outside, (found.x, root), 400, 2)
    sd, got_sd = (np.sqrt(np.diag(m.covariance)) for m in (known, got))
    assert np.all(got.error < 0.1 * sd), "the external sample is too small to say anything"
    assert np.all(np.abs(got.mean - known.mean) < 4 * got.error) and np.all(np.abs(got_sd / sd - 1) < 0.25)
    assert not outside.model.external.failed
