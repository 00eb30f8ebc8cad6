"""VSEM as a program of its own through the external route: the same posterior as the built-in model."""

from pathlib import Path

import numpy as np
import pymc as pm
import pytest
from lsm_bayes.models import get
from programs import NAMELIST, vsem

from lsm_bayes.calibration import build_model
from lsm_bayes.declare import Parameter, Prior
from lsm_bayes.external import ExternalModel, ExternalStream, Output, build_external_model
from lsm_bayes.inference import Density
from lsm_bayes.inference.inverse import InverseProblem

DAYS = 730
NAMES = {"light_extinction": 0, "light_use_efficiency": 1, "aboveground_residence_time": 2, "soil_carbon": 3}
TWIN = get("vsem_twin")


@pytest.fixture(scope="module")
def built_in() -> pm.Model:
    """Build the twin with four free parameters; the third of NEE and of vegetation is missing."""
    data = TWIN.twin(0)[0].isel(time=slice(0, DAYS)).copy(deep=True)
    for name in ("nee", "aboveground_carbon_observed"):
        data[name][2::3] = np.nan
    fixed = {n: v for n, v in TWIN.TRUTH.items() if n not in NAMES}
    return build_model(TWIN.LAND, data, [TWIN.stream("nee"), TWIN.stream("aboveground_carbon")], fixed=fixed)


def external(folder: Path, store: Path, data, compiled: bool = True) -> pm.Model:
    np.savetxt(folder / "light.txt", data["par_down"].values, fmt="%.17g")
    declared = {n if n != "aboveground_residence_time" else "residence": TWIN.LAND.calibrated[n] for n in NAMES}
    model = ExternalModel(
        name="vsem-c",
        parameters=declared,
        outputs={
            "nee": Output("gC m-2 d-1", DAYS, file="out.csv", column="nee"),
            "vegetation": Output("kgC m-2", DAYS, reader=vegetation),
        },
        command=vsem(folder, compiled),
        templates={"vsem.nml": NAMELIST},
        files={"light.txt": folder / "light.txt"},
        base=folder,
        timeout=60.0,
    )
    vegetation_seen = data["aboveground_carbon_observed"]
    streams = [
        ExternalStream("nee", data["nee"].values, sd=data["nee_uncertainty"].values),
        ExternalStream("vegetation", vegetation_seen, sd=data["aboveground_carbon_observed_uncertainty"].values),
    ]
    return build_external_model(model, streams, store=store)


def vegetation(folder: Path) -> np.ndarray:
    return np.genfromtxt(folder / "out.csv", delimiter=",", names=True)["vegetation"] / 1000.0


@pytest.fixture(scope="module")
def data(built_in):
    found = TWIN.twin(0)[0].isel(time=slice(0, DAYS)).copy(deep=True)
    for name in ("nee", "aboveground_carbon_observed"):
        found[name][2::3] = np.nan
    return found


@pytest.fixture(scope="module")
def problem(built_in, data, tmp_path_factory) -> InverseProblem:
    folder = tmp_path_factory.mktemp("vsem")
    return InverseProblem(external(folder, folder / "runs", data), cores=2)


def observations(model: pm.Model) -> int:
    return sum(model.rvs_to_values[v].eval().size for v in model.observed_RVs)


# Units differ: the density of an observation in kgC is 1000 times that in gC.
def shift(model: pm.Model) -> float:
    return np.log(1000.0) * model.rvs_to_values[model["vegetation"]].eval().size


def test_log_densities_are_those_of_the_model_inside(built_in, problem) -> None:
    assert problem.model.external.executed == 0, "building the model runs nothing"
    assert problem.labels == [f"z[{n if n != 'aboveground_residence_time' else 'residence'}]" for n in NAMES]
    density, rng = Density(built_in), np.random.default_rng(2)
    points = 0.7 * rng.standard_normal((6, 4))
    predicted = problem.predict(points)
    campaign = problem.model.external
    assert campaign.executed == 6 and problem.failures == 0
    for x, row in zip(points, predicted, strict=True):
        expected = density(x)[0] + shift(problem.model)
        assert abs(problem.log_density(x) - expected) < 1e-6 + 1e-9 * abs(expected)
        residual = row - problem.observed
        normal = problem.log_normaliser - 0.5 * residual @ residual - 0.5 * x @ x - 2.0 * np.log(2 * np.pi)
        assert np.isclose(normal, expected, rtol=1e-9)
    assert campaign.executed == 6, "the log-density took the runs of predict"
