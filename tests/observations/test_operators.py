"""Observation operators: the same on arrays and on tensors."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode

from lsm_bayes import observations
from lsm_bayes.vocabulary import QUANTITIES


@pytest.mark.parametrize("name", observations.available())
@pytest.mark.parametrize("shape", [(9,), (3, 9)])
def test_arrays_and_tensors_give_the_same(name: str, shape: tuple[int, ...]) -> None:
    operator = observations.get(name)
    rng = np.random.default_rng(1)
    inputs = {n: rng.normal(size=shape) for n in operator.inputs}
    symbolic = operator.function({n: pt.as_tensor(v) for n, v in inputs.items()})
    found = operator.function(inputs)
    assert isinstance(found, np.ndarray) and found.shape == shape
    np.testing.assert_array_equal(pytensor.function([], symbolic, mode=Mode("py", None))(), found)


@pytest.mark.parametrize("name", observations.available())
def test_operator_is_named_after_a_quantity(name: str) -> None:
    assert observations.get(name).name == name and name in QUANTITIES


def test_leaf_area_is_that_of_the_middle_of_the_step() -> None:
    found = observations.get("lai").function({"lai": np.array([1.0, 2.0, 4.0, 3.0])})
    np.testing.assert_array_equal(found, [1.5, 3.0, 3.5, 3.0])


def test_unknown_operator_lists_those_that_exist() -> None:
    with pytest.raises(KeyError, match=r"unknown observation operator 'nea'. Did you mean 'nee'\?"):
        observations.get("nea")
