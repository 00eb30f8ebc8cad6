from dataclasses import replace

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import xarray as xr

from lsm_bayes.calibration import Constraints, build_model, prior_model
from lsm_bayes.declare import Constraint, ProcessModel
from lsm_bayes.inference import Density, prior_starts, sample_constrained_prior
from lsm_bayes.simulation import simulate

WIDTH = 0.3
SLOW = Constraint(
    "soil_slower",
    "Soil turns over more slowly than leaves, the warmer the less.",
    lambda means, p: pt.log(p.turnover / p.respiration) - 0.1 * means["air_temperature"],
)


def soil_change(run: dict) -> object:
    """Return the logarithm of the mean soil carbon of a run over that at its start."""
    return pt.log(run["soil_carbon"].mean(axis=-1) / run["soil_carbon"][..., 0])


STEADY = Constraint(
    "soil_steady",
    "Soil keeps within 5 % of its start.",
    lambda means, p, run: np.log(1.05) - pt.abs(soil_change(run)),
    ("soil_carbon",),
    ("sharp", "gentle"),
    {"gentle": lambda means, p, run: -0.5 * (soil_change(run) / 0.02) ** 2},
)
PRODUCTIVE = Constraint(
    "productive", "Mean GPP exceeds 2 gC m-2 d-1.", lambda means, p, run: pt.log(run["gpp"].mean(axis=-1) / 2), ("gpp",), ("sharp",)
)


@pytest.fixture
def dynamic(land: ProcessModel) -> ProcessModel:
    return replace(land, constraints=(SLOW, STEADY, PRODUCTIVE))


def values_of(model: pm.Model, names: list[str], point: dict) -> list[np.ndarray]:
    """Evaluate potentials and variables of a model at a point."""
    terms = {p.name: p for p in model.potentials} | {v.name: v for v in [*model.free_RVs, *model.deterministics]}
    graphs = model.replace_rvs_by_values([terms[n] for n in names])  # else the random variables would be drawn
    f = pm.compile(model.value_vars, graphs, on_unused_input="ignore", mode="FAST_COMPILE")
    return [np.asarray(v) for v in f(*[point[v.name] for v in model.value_vars])]


def far_point(model: pm.Model) -> dict:
    rng = np.random.default_rng(4)
    return {k: np.asarray(v) + 1.5 * rng.standard_normal(np.shape(v)) for k, v in model.initial_point().items()}


@pytest.fixture
def constrained(land: ProcessModel) -> ProcessModel:
    return replace(land, constraints=(SLOW,))


@pytest.mark.parametrize("sites", [["XX-One"], ["XX-One", "XX-Two"]])
def test_a_violated_constraint_costs_the_square_of_its_margin(constrained: ProcessModel, towers: xr.Dataset, sites: list[str]) -> None:
    model = build_model(constrained, towers, ["nee"], sites=sites, constraints=WIDTH)
    rng = np.random.default_rng(0)
    start = model.initial_point()
    seen = set()
    for _ in range(6):
        point = {k: np.asarray(v) + 2.0 * rng.standard_normal(np.shape(v)) for k, v in start.items()}
        value, margin = values_of(model, ["soil_slower_constraint", "soil_slower_margin"], point)
        margin = np.atleast_1d(margin)
        assert margin.size == len(sites)
        assert value == pytest.approx(-0.5 * np.sum((np.minimum(margin, 0.0) / WIDTH) ** 2))
        seen |= {bool(m < 0) for m in margin}
    assert seen == {True, False}
    assert model.card["constraints"] == {"soil_slower": f"{SLOW.description} A log ratio of 0.3 short of it costs half a nat."}


def test_the_margin_uses_the_mean_forcing_of_the_fitted_period(constrained: ProcessModel, towers: xr.Dataset) -> None:
    model = build_model(constrained, towers, ["nee"], sites=["XX-One"], constraints=WIDTH)
    names = ["soil_slower_margin", "turnover", "respiration"]
    margin, turnover, respiration = values_of(model, names, model.initial_point())
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


def test_constraints_on_runs_use_the_run_of_each_site(dynamic: ProcessModel, towers: xr.Dataset) -> None:
    """Sites of three lengths run in two groups; each has its own margin."""
    model = build_model(dynamic, towers, ["nee"], withheld_years=1, constraints=Constraints(WIDTH, "sharp"))
    point = far_point(model)
    names = ["soil_steady_margin", "productive_margin", "soil_steady_constraint", "productive_constraint"]
    steady, productive, cost, _ = values_of(model, names, point)
    parameters = dict(zip(dynamic.calibrated, values_of(model, list(dynamic.calibrated), point), strict=True))
    at = {n: {"site": 0, "pft": 1}.get((model.named_vars_to_dims.get(n) or ("",))[0]) for n in parameters}
    for i, record in enumerate(model.calibration.records):
        place = {None: None, 0: i, 1: int(model.calibration.groups.pft_of_site[i])}
        one = {n: float(v if at[n] is None else v[place[at[n]]]) for n, v in parameters.items()}
        run = simulate(dynamic, record.data.isel(time=slice(record.fitted_steps)), one, outputs=["soil_carbon", "gpp"])
        soil = run["soil_carbon"].values
        assert steady[i] == pytest.approx(np.log(1.05) - abs(np.log(soil.mean() / soil[0])), rel=1e-8)
        assert productive[i] == pytest.approx(np.log(run["gpp"].values.mean() / 2), rel=1e-8)
    assert cost == pytest.approx(-0.5 * np.sum((np.minimum(steady, 0) / WIDTH) ** 2))


def test_the_graded_form_replaces_the_cost_and_keeps_the_margin(dynamic: ProcessModel, towers: xr.Dataset) -> None:
    model = build_model(dynamic, towers, ["nee"], sites=["XX-One"], constraints=Constraints(WIDTH, "gentle"))
    margin, cost = values_of(model, ["soil_steady_margin", "soil_steady_constraint"], far_point(model))
    assert cost == pytest.approx(-0.5 * ((np.log(1.05) - margin) / 0.02) ** 2)
    assert model.card["constraints"]["soil_steady"].endswith("Graded: the more likely the nearer, at no sharp edge.")
    assert set(model.card["constraints"]) == {"soil_slower", "soil_steady"}


def test_leaving_a_constraint_out_removes_its_term_alone(dynamic: ProcessModel, towers: xr.Dataset) -> None:
    whole = build_model(dynamic, towers, ["nee"], sites=["XX-One"], constraints=Constraints(WIDTH, "sharp"))
    part = build_model(dynamic, towers, ["nee"], sites=["XX-One"], constraints=Constraints(WIDTH, "sharp", ("soil_steady",)))
    names = [p.name for p in part.potentials]
    assert [p.name for p in whole.potentials] == ["soil_slower_constraint", "soil_steady_constraint", "productive_constraint"]
    assert names == ["soil_slower_constraint", "productive_constraint"]
    assert "soil_steady" not in part.card["constraints"]
    point = far_point(whole)
    assert values_of(whole, names, point) == values_of(part, names, point)
    both = [m.compile_logp(mode="FAST_COMPILE")(point) for m in (whole, part)]
    assert both[0] - both[1] == pytest.approx(float(values_of(whole, ["soil_steady_constraint"], point)[0]))


def test_a_width_alone_leaves_constraints_on_runs_out(dynamic: ProcessModel, towers: xr.Dataset) -> None:
    model = build_model(dynamic, towers, ["nee"], sites=["XX-One"], constraints=WIDTH)
    assert [p.name for p in model.potentials] == ["soil_slower_constraint"]


def test_the_prior_with_constraints_can_be_drawn_from(dynamic: ProcessModel, towers: xr.Dataset) -> None:
    model = build_model(dynamic, towers, ["nee"], sites=["XX-One"], constraints=Constraints(0.05, "sharp"))
    prior = prior_model(model)
    errors = {v.name for v in model.free_RVs if v.name.startswith("nee_")}
    assert {v.name for v in prior.free_RVs} == {v.name for v in model.free_RVs} - errors
    assert [p.name for p in prior.potentials] == [p.name for p in model.potentials]
    assert not prior.observed_RVs
    same = build_model(dynamic, towers, [], sites=["XX-One"], constraints=Constraints(0.05, "sharp"))
    assert [v.name for v in same.free_RVs] == [v.name for v in prior.free_RVs]
    density = Density(prior)
    raw = density.prior_positions(3000, np.random.default_rng(0))
    logs = np.array([density(x)[0] + 0.5 * x @ x for x in raw])  # of the potentials: all coordinates are standard normal
    assert np.isfinite(logs).all()  # every draw is a point to start from
    assert prior_starts(density, 3).shape == (3, density.dimension)
    tree = sample_constrained_prior(model, draws=400, tune=300, chains=2, cores=1, target_accept=0.8)
    assert set(tree.children) == {"prior", "sample_stats_prior"}
    held = density.expand(raw)["soil_steady_margin"] > 0
    wanted = np.average(held, weights=np.exp(logs - logs.max()))
    assert wanted > held.mean() + 0.1
    assert float((tree["prior"]["soil_steady_margin"] > 0).mean()) == pytest.approx(wanted, abs=0.12)
    x = raw[0]
    direction, h = np.random.default_rng(1).standard_normal(density.dimension), 1e-4
    at = [density(x + k * h * direction)[0] for k in (-2, -1, 1, 2)]
    assert density(x)[1] @ direction == pytest.approx((at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h), rel=1e-5)


def test_unknown_names_list_what_exists(dynamic: ProcessModel, towers: xr.Dataset) -> None:
    with pytest.raises(KeyError, match=r"towers: .*set of constraints 'blunt'.*sharp"):
        build_model(dynamic, towers, ["nee"], sites=["XX-One"], constraints=Constraints(WIDTH, "blunt"))
    with pytest.raises(KeyError, match=r"towers: .*constraint to leave out 'productive'.*soil_slower"):
        build_model(dynamic, towers, ["nee"], sites=["XX-One"], constraints=Constraints(WIDTH, None, ("productive",)))


@pytest.mark.parametrize("width", [0.0, -1.0])
def test_a_width_that_is_no_width_is_refused(constrained: ProcessModel, towers: xr.Dataset, width: float) -> None:
    with pytest.raises(ValueError, match="the width is a positive log ratio"):
        build_model(constrained, towers, ["nee"], sites=["XX-One"], constraints=width)


def test_a_model_without_constraints_says_so(land: ProcessModel, towers: xr.Dataset) -> None:
    with pytest.raises(ValueError, match="towers declares no constraint; leave it out for none"):
        build_model(land, towers, ["nee"], sites=["XX-One"], constraints=0.2)
