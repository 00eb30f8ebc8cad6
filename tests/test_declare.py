import pickle
from typing import Annotated, Any, NamedTuple

import numpy as np
import pytensor.tensor as pt
import pytest
import small_models
from small_models import Fluxes, Forcing, Parameters, State, two_pools

from lsm_bayes.declare import Budget, Constraint, DerivedForcing, Parameter, Prior, ProcessModel, extending
from lsm_bayes.graphs import trace
from lsm_bayes.vocabulary import Quantity


def declared(**changes: Any) -> ProcessModel:
    """Declare the model of two pools with something changed."""
    fields: dict[str, Any] = {
        "name": "two_pools",
        "title": "",
        "step": small_models.step,
        "parameters": Parameters,
        "state": State,
        "forcing": Forcing,
        "fluxes": Fluxes,
    }
    return ProcessModel(**(fields | changes))


def parameters_with(annotation: Any, default: Any = 0.8) -> type:
    """Parameters whose first is declared otherwise."""
    fields = {"efficiency": annotation, "turnover": Any, "decay": Any, "q10": Any}
    made = NamedTuple("Parameters", [(n, a if n == "efficiency" else Parameters.__annotations__[n]) for n, a in fields.items()])  # type: ignore[misc]
    made.__new__.__defaults__ = (default, 0.02, 1e-3, 1.8)
    made._field_defaults = {} if default is None else {"efficiency": default, "turnover": 0.02, "decay": 1e-3, "q10": 1.8}
    return made


def test_a_sound_declaration_is_accepted_and_can_be_read() -> None:
    model = declared()
    assert list(model.calibrated) == ["efficiency", "turnover", "decay", "q10", "foliage_carbon", "soil_carbon"]
    parameter, default = model.parameter_table["turnover"]
    assert (parameter.unit, parameter.bounds, default) == ("d-1", (1e-3, 0.1), 0.02)
    assert model.flux_quantities["gpp"].unit == "gC m-2 d-1"


@pytest.mark.parametrize(
    ("annotation", "default", "error", "text"),
    [
        (
            Annotated[float, Parameter("1", (1.0, 2.0), "x")],
            0.8,
            ValueError,
            r"parameter 'efficiency': the default 0.8 lies outside the bounds \[1.0, 2.0\]",
        ),
        (
            Annotated[float, Parameter("furlongs?", (0.1, 2.0), "x")],
            0.8,
            ValueError,
            "parameter 'efficiency': cannot read the unit 'furlongs\\?'; write it as in the CF",
        ),
        (
            Annotated[float, Parameter("1", (2.0, 0.1), "x")],
            0.8,
            ValueError,
            r"'efficiency': the bounds \(2.0, 0.1\) must be finite and increasing",
        ),
        (Annotated[float, Parameter("1", (0.1, float("inf")), "x")], 0.8, ValueError, "must be finite and increasing"),
        (
            Annotated[float, Parameter("1", (-1.0, 2.0), "x")],
            0.8,
            ValueError,
            "a log_uniform prior needs a lower bound above 0, got -1.0; choose 'uniform' or 'normal'",
        ),
        (
            Annotated[float, Parameter("1", (0.1, 2.0), "")],
            0.8,
            ValueError,
            "'efficiency': the description is empty; say in one sentence what it is",
        ),
        (
            Annotated[float, Parameter("1", (0.1, 2.0), "x", level="country")],
            0.8,
            ValueError,
            "unknown level 'country'. Known: global, pft, site.",
        ),  # type: ignore[arg-type]
        (
            float,
            0.8,
            TypeError,
            r"'efficiency' has no declaration; write efficiency: Annotated\[float, Parameter\(unit, bounds, description\)\] = default",
        ),
        (
            Annotated[float, Parameter("1", (0.1, 2.0), "x")],
            None,
            ValueError,
            "'efficiency' has no default; write '= value' behind its annotation",
        ),
    ],
)
def test_a_wrong_parameter_is_named(annotation: Any, default: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        declared(parameters=parameters_with(annotation, default))
    assert str(caught.value).strip("'\"").startswith("two_pools: ")


def test_an_unknown_forcing_lists_what_exists() -> None:
    class Wrong(NamedTuple):
        shortwave_dwon: float
        air_temperature: float
        step_length: float

    with pytest.raises(
        KeyError,
        match="two_pools: unknown forcing 'shortwave_dwon'. Did you mean 'shortwave_down'\\? Known: .*air_pressure",
    ) as caught:
        declared(forcing=Wrong)
    assert "Use a name of the vocabulary, or declare it in place with shortwave_dwon: Annotated[float, Quantity(" in str(caught.value)


def test_a_quantity_can_be_declared_in_place() -> None:
    class More(NamedTuple):
        shortwave_down: float
        air_temperature: float
        step_length: float
        snow_age: Annotated[float, Quantity("snow_age", "d", "days since the last snowfall")]

    assert declared(forcing=More).forcing_quantities["snow_age"].unit == "d"


def test_a_class_that_is_no_named_tuple_is_refused() -> None:
    with pytest.raises(TypeError, match="is not a NamedTuple class; declare parameters, states, forcing and fluxes as typing.NamedTuple"):
        declared(forcing=dict)


def test_a_name_that_is_no_identifier_is_refused() -> None:
    with pytest.raises(ValueError, match="the name of a process model is an identifier in lower case, got 'two pools'"):
        declared(name="two pools")


def test_a_parameter_and_a_state_of_one_name_are_refused() -> None:
    class Twice(NamedTuple):
        foliage_carbon: Annotated[float, Parameter("1", (0.1, 2.0), "x")] = 1.0

    with pytest.raises(ValueError, match="two_pools: foliage_carbon named both as parameter and as state; give them different names"):
        declared(parameters=Twice)


def test_a_budget_of_an_unknown_flux_is_refused() -> None:
    with pytest.raises(KeyError, match="two_pools: budget 'carbon': unknown state or flux 'npp'. Did you mean"):
        declared(budgets={"carbon": Budget(("soil_carbon",), ("npp",), ("reco",))})


def test_a_constraint_that_reads_what_is_not_there_is_refused() -> None:
    with pytest.raises(KeyError, match="two_pools: constraint 'steady': unknown state or flux 'npp'"):
        declared(constraints=(Constraint("steady", "", lambda means, p, run: 0.0, ("npp",)),))


def test_two_constraints_of_one_name_are_refused() -> None:
    one = Constraint("slow", "", lambda means, p: 0.0)
    with pytest.raises(ValueError, match="two_pools: two constraints are named 'slow'"):
        declared(constraints=(one, one))


def test_sets_of_constraints_are_listed_once() -> None:
    made = [Constraint(n, "", lambda means, p: 0.0, sets=sets) for n, sets in (("a", ()), ("b", ("new", "old")), ("c", ("old",)))]
    assert declared(constraints=tuple(made)).constraint_sets == ("new", "old")


def test_a_misspelt_field_in_the_step_is_named_when_the_model_is_declared() -> None:
    def misspelt(x: State, f: Forcing, p: Any) -> Any:
        return x, Fluxes(p.eficiency, x.soil_carbon, x.soil_carbon)

    with pytest.raises(
        AttributeError,
        match="two_pools: unknown field of Parameters 'eficiency'. Did you mean 'efficiency'\\? Known: decay, efficiency, q10, turnover.",
    ):
        two_pools(step=misspelt)


@pytest.mark.parametrize(
    ("returned", "text"),
    [
        (lambda x, f, p: None, r"the step returned NoneType; it returns \(State\(...\), Fluxes\(...\)\)"),
        (lambda x, f, p: (x, [1.0, 2.0, 3.0]), r"the step returned list where flux Fluxes is expected; return Fluxes\(...\)"),
        (lambda x, f, p: (Fluxes(1.0, 2.0, 3.0), x), "the step returned Fluxes where state State is expected"),
        (lambda x, f, p: (x, Fluxes(pt.zeros(3), 1.0, 2.0)), "flux 'nee' of the step has 1 dimensions; every output is a 0-d expression"),
    ],
)
def test_a_step_that_returns_something_else_is_refused(returned: Any, text: str) -> None:
    with pytest.raises(TypeError, match=f"two_pools: {text}"):
        two_pools(step=returned)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("gamma",), "unknown prior distribution 'gamma'. Known: log_normal, log_uniform, normal, uniform."),
        (("normal",), "a normal prior needs a centre and a positive spread; got None and None"),
        (("normal", 1.0, 0.0), "a normal prior needs a centre and a positive spread; got 1.0 and 0.0"),
        (("uniform", 1.0), "a uniform prior has no centre or spread; got 1.0 and None"),
    ],
)
def test_a_wrong_prior_is_explained(arguments: tuple[Any, ...], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Prior(*arguments)


def test_a_nested_step_that_returns_something_else_is_refused_when_it_is_first_used() -> None:
    model = small_models.TWO_RATES
    declared = ProcessModel(
        name="two_rates", title="", step=lambda x, z, m, f, p: (x, z), parameters=model.parameters, state=model.state,
        forcing=model.forcing, fluxes=model.fluxes, nested=model.nested,
    )  # fmt: skip
    with pytest.raises(TypeError, match=r"two_rates: the step of a model with a nested step returns \(State, FastState, Fluxes\)"):
        trace(declared)


@extending(Parameters, without=("decay",))
class MoreParameters(NamedTuple):
    """What is added."""

    turnover: Annotated[float, Parameter("d-1", (1e-3, 0.5), "redeclared")] = 0.3
    added: Annotated[float, Parameter("1", (0.0, 2.0), "new", Prior("uniform"))] = 1.0


def test_a_declaration_is_extended() -> None:
    assert MoreParameters._fields == ("efficiency", "turnover", "q10", "added")
    found = declared(parameters=MoreParameters, step=lambda x, f, p: small_models.step(x, f, Parameters(p[0], p[1], 1e-3, p[2])))
    assert found.parameter_table["turnover"] == (Parameter("d-1", (1e-3, 0.5), "redeclared"), 0.3)
    assert found.parameter_table["efficiency"] == declared().parameter_table["efficiency"]
    assert MoreParameters.__doc__ == "What is added."
    assert pickle.loads(pickle.dumps(MoreParameters(1.0, 2.0, 3.0))) == (1.0, 2.0, 3.0, 1.0)


def test_an_extension_that_does_not_fit_is_refused() -> None:
    class Undefaulted(NamedTuple):
        added: float

    with pytest.raises(TypeError, match="Undefaulted: give all fields a default or none, as in Parameters"):
        extending(Parameters)(Undefaulted)
    with pytest.raises(KeyError, match="unknown field of Parameters to leave out 'dekay'. Did you mean 'decay'"):
        extending(Parameters, without=("dekay",))(Undefaulted)


def test_derived_forcing_is_made_where_it_is_absent() -> None:
    class More(NamedTuple):
        shortwave_down: float
        air_temperature: float
        step_length: float
        degree_days: float

    warmth = DerivedForcing(
        ("degree_days",), ("air_temperature", "step_length"), lambda s: {"degree_days": np.cumsum(s["air_temperature"] * s["step_length"])}
    )
    model = declared(forcing=More, derived_forcing=(warmth,))
    assert model.given_forcing == ("shortwave_down", "air_temperature", "step_length")
    series = {"air_temperature": np.array([1.0, 2.0, 3.0]), "step_length": 0.5}
    np.testing.assert_allclose(model.completed(series)["degree_days"], [0.5, 1.5, 3.0])
    assert model.completed(series | {"degree_days": 7.0})["degree_days"] == 7.0
    assert "degree_days" not in model.completed({"step_length": 0.5})


def test_derived_forcing_of_an_unknown_name_is_refused() -> None:
    wrong = DerivedForcing(("degree_days",), ("air_temperature",), lambda s: {})
    with pytest.raises(KeyError, match="two_pools: derived forcing: unknown forcing 'degree_days'. Known: air_temperature, shortwave_down"):
        declared(derived_forcing=(wrong,))
