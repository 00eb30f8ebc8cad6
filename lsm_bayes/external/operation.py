"""A black box as a PyTensor operation: values, and no gradient."""

from collections.abc import Callable, Sequence
from typing import Any

import numba
import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_and_cache_key

from lsm_bayes.external.campaign import Campaign


class BlackBox(Op):
    """Outputs of an external model as a function of its parameters.

    Parameters
    ----------
    campaign : Campaign
        Carries out the runs, and remembers them.
    names : sequence of str
        Parameters, in the order of the input vector; the rest is at its defaults, or in `fixed`.
    fixed : dict of str to float
        Values of parameters that are not in `names`.
    """

    def __init__(self, campaign: Campaign, names: Sequence[str], fixed: dict[str, float]) -> None:
        self.campaign, self.names, self.fixed = campaign, tuple(names), dict(fixed)

    def __str__(self) -> str:
        return f"BlackBox({self.campaign.model.name})"

    def make_node(self, values: Any) -> Apply:
        """Take a vector of parameters, give a vector of all outputs, one behind the other."""
        given = pt.as_tensor(values).astype("float64")
        return Apply(self, [given], [pt.tensor(dtype="float64", shape=(self.campaign.model.size,))])

    def run(self, values: np.ndarray) -> np.ndarray:
        """Give all outputs at a vector of parameters, shape (size,); NaN where the run failed."""
        return self.campaign.outputs({**self.fixed, **dict(zip(self.names, values, strict=True))}).copy()

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        """Run the model, unless it is known what it gives."""
        output_storage[0][0] = self.run(inputs[0])

    def do_constant_folding(self, fgraph: Any, node: Apply) -> bool:
        """Never run while a function is compiled."""
        return False

    def pullback(self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Sequence[Variable]) -> list[Variable]:
        """Refuse; `pymc.sample` then chooses steps that need no gradient."""
        raise NotImplementedError(self._no_gradient())

    def pushforward(self, inputs: Sequence[Variable], outputs: Sequence[Variable], tangents: Sequence[Variable]) -> list[Variable]:
        """Refuse."""
        raise NotImplementedError(self._no_gradient())

    def _no_gradient(self) -> str:
        return (
            f"the external model {self.campaign.model.name!r} is a black box without a gradient, which this method needs (as NUTS, "
            "Laplace, Pathfinder and variational methods do); take one of values alone: Metropolis samplers such as DE-MC(Z), sequential "
            "Monte Carlo, ensemble Kalman methods, history matching, or an emulator of the model, which has a gradient"
        )


@register_funcify_and_cache_key(BlackBox)
def _numba_black_box(op: BlackBox, node: Apply, **_: Any) -> tuple[Callable[..., Any], None]:
    """Leave compiled code for each run; PyTensor would do so too, but warns of it as a mistake."""
    result = numba.types.Array(numba.float64, 1, "C")

    def in_python(values: np.ndarray) -> np.ndarray:
        return op.run(values)

    @numba_njit(cache=False)
    def black_box(values: Any) -> Any:
        with numba.objmode(found=result):
            found = in_python(values)
        return found  # noqa: RET504 - what objmode gives has to be named

    return black_box, None
