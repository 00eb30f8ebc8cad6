import numpy as np
import pymc as pm
import pytest

from lsm_bayes.inference import Density
from lsm_bayes.inference.point import as_density


def test_gradient_agrees_with_central_differences(schools):
    rng = np.random.default_rng(1)
    for position in schools.prior_positions(3, rng):
        _, gradient = schools(position)
        numeric = [(schools(position + step)[0] - schools(position - step)[0]) / 2e-5 for step in 1e-5 * np.eye(schools.dimension)]
        np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-6)


def test_log_density_is_that_of_pymc_with_jacobian(schools):
    position = schools.prior_positions(1, np.random.default_rng(2))[0]
    point = {schools.value_names[name]: value for name, value in schools.unflatten(position).items()}
    assert schools(position)[0] == pytest.approx(float(schools.model.compile_logp()(point)), rel=1e-12)


def test_flatten_inverts_expand(schools):
    positions = schools.prior_positions(4, np.random.default_rng(3))
    values = schools.expand(positions)
    assert values["true"].shape == (4, 8)
    np.testing.assert_allclose(values["true"], values["mean"][:, None] + values["spread"][:, None] * values["standard"], rtol=1e-12)
    for row, position in enumerate(positions):
        np.testing.assert_allclose(schools.flatten({name: values[name][row] for name in schools.slices}), position, rtol=1e-9)


def test_labels_name_parameters_with_coordinates(schools):
    assert schools.labels == ["mean", "spread"] + [f"standard[{school}]" for school in "ABCDEFGH"]


def test_prior_draws_follow_the_prior(schools):
    draws = schools.prior_positions(400, np.random.default_rng(4))
    assert np.std(draws[:, 0]) == pytest.approx(5, rel=0.15)
    assert np.median(draws[:, 1]) == pytest.approx(np.log(5), abs=0.25)


def test_nan_becomes_minus_infinity_and_is_counted():
    with pm.Model() as model:
        x = pm.Normal("x")
        pm.Potential("half", pm.math.log(x))
    density = Density(model)
    value, gradient = density(np.array([-1.0]))
    assert value == -np.inf
    assert gradient == 0
    assert (density.evaluations, density.failures) == (1, 1)


def test_flatten_lists_free_variables(schools):
    with pytest.raises(KeyError, match=r"missing for \['spread', 'standard'\], unknown \['tau'\]; .* \['mean', 'spread', 'standard'\]"):
        schools.flatten({"mean": 0.0, "tau": 1.0})


def test_discrete_parameter_is_refused():
    with pm.Model() as model:
        pm.Poisson("count", 3)
    with pytest.raises(ValueError, match=r"\['count'\] are not continuous"):
        Density(model)


def test_model_without_parameters_is_refused():
    with pytest.raises(ValueError, match="no free variable"):
        Density(pm.Model())


def test_something_else_is_refused():
    with pytest.raises(TypeError, match=r"Got int; give a pymc.Model"):
        as_density(3)
