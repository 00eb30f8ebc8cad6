"""The PyMC model of a calibration: its gradient, its compilation, and the equality of one site alone and among others."""

from dataclasses import replace
from typing import Annotated, Any, NamedTuple

import numpy as np
import pymc as pm
import pytensor
import xarray as xr
from pytensor.compile.mode import Mode
from pytensor.graph.replace import graph_replace
from towers import relative_gradient_error

from lsm_bayes.calibration import Stream, build_model, none
from lsm_bayes.declare import Parameter, Prior
from lsm_bayes.errors import ErrorModel
from lsm_bayes.inference import Density
from lsm_bayes.inference.compiled import flat_graph
from lsm_bayes.trajectory import Trajectory, TrajectoryVJP


def test_gradient_of_one_site_equals_differences(one_site_density: Density) -> None:
    assert relative_gradient_error(one_site_density, 1) < 1e-6


def test_gradient_of_sites_of_different_length_equals_differences(three_site_density: Density) -> None:
    assert relative_gradient_error(three_site_density, 2) < 1e-6


def test_model_is_plain_and_its_log_density_is_finite_where_pymc_starts(one_site_density: Density, three_site_density: Density) -> None:
    for density in (one_site_density, three_site_density):
        assert not density.model.discrete_value_vars
        value, gradient = density(pm.blocking.DictToArrayBijection.map(density.model.initial_point()).data)
        assert np.isfinite(value) and np.isfinite(gradient).all()


def observations_logp(model: pm.Model, point: dict[str, np.ndarray], stream: str) -> np.ndarray:
    """Evaluate the log density of each observation of a stream, interpreted."""
    (logp,) = model.logp(vars=[model[stream]], sum=False)
    replaced = graph_replace(
        [logp],
        {v: v.type.constant_type(v.type, np.asarray(point[v.name], dtype=v.dtype)) for v in model.value_vars if v.name in point},
        strict=False,
    )
    return pytensor.function([], replaced[0], mode=Mode("py", None))()


def test_a_site_among_others_has_the_density_that_it_has_alone(towers: xr.Dataset, land) -> None:
    streams = [Stream("nee", error=ErrorModel(bias=0.2, gain=0.1)), Stream("gpp", "month")]
    pooling = {n: none("site") for n in land.calibrated}
    together = build_model(land, towers, streams, withheld_years=1, pooling=pooling)
    rng = np.random.default_rng(3)
    point = {k: 0.4 * rng.normal(size=np.shape(v)) for k, v in together.initial_point().items()}
    whole = {s: observations_logp(together, point, s) for s in ("nee", "gpp")}
    starts = dict.fromkeys(whole, 0)
    for i, name in enumerate(towers["site"].values):
        alone = build_model(land, towers, streams, sites=[name], withheld_years=1)
        # The knots of all sites stand behind each other: one, two and one year of twelve.
        own = {k: np.split(v, [12, 36])[i] if k.endswith("knots") else v[..., i] for k, v in point.items()}
        own["z"] = own[next(k for k in point if k.startswith("z"))]
        for s in whole:
            each = observations_logp(alone, own, s)
            np.testing.assert_allclose(whole[s][starts[s] : starts[s] + each.size], each, rtol=1e-8)
            starts[s] += each.size
    assert starts == {s: v.size for s, v in whole.items()}


def test_each_run_of_the_process_model_has_one_adjoint(one_site: pm.Model, three_sites: pm.Model) -> None:
    """PyMC gives every term of the log-density a copy of the process model of its own."""
    # Sites of another record length run apart; the equilibrium takes a run of its own.
    for model, expected in ((one_site, 2), (three_sites, 4)):
        nodes = [n.op for n in flat_graph(model)[0].apply_nodes]
        assert [sum(isinstance(op, kind) for op in nodes) for kind in (Trajectory, TrajectoryVJP)] == [expected, expected]


def test_what_is_declared_as_fixed_is_not_calibrated(towers: xr.Dataset, land) -> None:
    class Kept(NamedTuple):
        foliage_carbon: Annotated[float, Parameter("gC m-2", (10.0, 1000.0), "leaves at the start")] = 150.0
        soil_carbon: Annotated[float, Parameter("gC m-2", (100.0, 1e5), "soil at the start", fixed=True)] = 2000.0

    def step(*arguments: Any) -> tuple[Kept, Any]:
        state, fluxes = land.step(*arguments)
        return Kept(*state), fluxes

    model = replace(land, state=Kept, step=step)
    options: dict[str, Any] = {"sites": ["XX-One"], "withheld_years": 1}
    assert build_model(model, towers, ["nee"], **options).calibration.fixed == {"soil_carbon": 2000.0}
    assert build_model(model, towers, ["nee"], priors={"soil_carbon": Prior("uniform")}, **options).calibration.fixed == {}
