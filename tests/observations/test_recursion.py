"""Linear recursion against a plain loop."""

import numpy as np
import pytensor.tensor as pt
from pytensor.compile.mode import Mode

from lsm_bayes.observations.recursion import linear_recursion


def test_recursion_is_a_loop_with_leading_axes() -> None:
    rng = np.random.default_rng(1)
    factor, gain, start = rng.uniform(0.2, 0.9, (3, 7)), rng.normal(size=7), rng.normal(size=3)
    x, wanted = start, []
    for t in range(7):
        x = factor[:, t] * x + gain[t]
        wanted.append(x)
    found = linear_recursion(pt.constant(factor), pt.constant(gain), pt.constant(start)).eval(mode=Mode("py", None))
    np.testing.assert_allclose(found, np.stack(wanted, axis=-1), rtol=1e-14)
