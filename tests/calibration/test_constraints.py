from dataclasses import replace

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import xarray as xr

from lsm_bayes.calibration import build_model
from lsm_bayes.declare import Constraint, ProcessModel
from lsm_bayes.inference import Density

WIDTH = 0.3
SLOW = Constraint(
    "soil_slower",
    "Soil turns over more slowly than leaves, the warmer the less.",
    lambda means, p: pt.log(p.turnover / p.respiration) - 0.1 * means["air_temperature"],
)


@pytest.fixture
def constrained(land: ProcessModel) -> ProcessModel:
    return replace(land, constraints=(SLOW,))


def potential(model: pm.Model, point: dict) -> tuple[float, np.ndarray]:
    margins = model["soil_slower_margin"]
    term = next(p for p in model.potentials if p.name == "soil_slower_constraint")
    f = model.compile_fn([term, margins], inputs=model.value_vars, point_fn=False, on_unused_input="ignore")
    value, margin = f(*[point[v.name] for v in model.value_vars])
    return float(value), np.atleast_1d(margin)


@pytest.mark.parametrize("sites", [["XX-One"], ["XX-One", "XX-Two"]])
def test_a_violated_constraint_costs_the_square_of_its_margin(constrained: ProcessModel, towers: xr.Dataset, sites: list[str]) -> None:
    model = build_model(constrained, towers, ["nee"], sites=sites, constraints=WIDTH)
    rng = np.random.default_rng(0)
    start = model.initial_point()
    seen = set()
    for _ in range(20):
        point = {k: np.asarray(v) + 2.0 * rng.standard_normal(np.shape(v)) for k, v in start.items()}
        value, margin = potential(model, point)
        assert margin.size == len(sites)
        assert value == pytest.approx(-0.5 * np.sum((np.minimum(margin, 0.0) / WIDTH) ** 2))
        seen |= {bool(m < 0) for m in margin}
    assert seen == {True, False}
    assert model.card["constraints"] == {"soil_slower": f"{SLOW.description} A log ratio of 0.3 short of it costs half a nat."}


def test_the_margin_uses_the_mean_forcing_of_the_fitted_period(constrained: ProcessModel, towers: xr.Dataset) -> None:
    model = build_model(constrained, towers, ["nee"], sites=["XX-One"], constraints=WIDTH)
    names = ["soil_slower_margin", "turnover", "respiration"]
    point = model.initial_point()
    f = model.compile_fn([model[n] for n in names], inputs=model.value_vars, point_fn=False, on_unused_input="ignore")
    margin, turnover, respiration = f(*[point[v.name] for v in model.value_vars])
    record = model.calibration.records[0]
    mean = record.forcing.varying["air_temperature"][: record.fitted_steps].mean()
    assert margin == pytest.approx(np.log(turnover / respiration) - 0.1 * mean, rel=1e-12)


def test_gradient_with_constraints_equals_differences(constrained: ProcessModel, towers: xr.Dataset) -> None:
    density = Density(build_model(constrained, towers, ["nee"], sites=["XX-One"], constraints=0.05))
    rng = np.random.default_rng(1)
    for _ in range(5):
        x = rng.standard_normal(density.dimension)
        direction = rng.standard_normal(density.dimension)
        h = 1e-4
        at = [density(x + k * h * direction)[0] for k in (-2, -1, 1, 2)]
        numeric = (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h)
        assert density(x)[1] @ direction == pytest.approx(numeric, rel=1e-5)


def test_without_a_width_there_is_no_constraint(constrained: ProcessModel, towers: xr.Dataset) -> None:
    model = build_model(constrained, towers, ["nee"], sites=["XX-One"])
    assert not any(p.name.endswith("_constraint") for p in model.potentials)
    assert model.card["constraints"] == {}


@pytest.mark.parametrize("width", [0.0, -1.0])
def test_a_width_that_is_no_width_is_refused(constrained: ProcessModel, towers: xr.Dataset, width: float) -> None:
    with pytest.raises(ValueError, match="the width is a positive log ratio"):
        build_model(constrained, towers, ["nee"], sites=["XX-One"], constraints=width)


def test_a_model_without_constraints_says_so(land: ProcessModel, towers: xr.Dataset) -> None:
    with pytest.raises(ValueError, match="towers declares no constraint; leave it out for none"):
        build_model(land, towers, ["nee"], sites=["XX-One"], constraints=0.2)
