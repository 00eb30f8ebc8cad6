"""How far systematic errors stand in for parameters."""

from typing import Any

import numpy as np
import pytest

from lsm_bayes.diagnostics import confounding
from lsm_bayes.report.correlations import correlations


def test_the_share_is_that_of_a_joint_normal(changed: Any, one_site: Any) -> None:
    posterior = one_site["posterior"].to_dataset().copy(deep=True)
    shape, rng = posterior["ceff"].shape, np.random.default_rng(1)
    own, offset, knots = rng.normal(size=shape), rng.normal(size=shape), rng.normal(size=(*shape, 36))
    # One knot that the data leave open, among many that they fix.
    knots *= np.where(np.arange(36) == 3, 1.0, 0.1)
    posterior["ceff"].values[:] = 10 + 0.6 * knots[..., 3] + 0.5 * offset + np.sqrt(1 - 0.61) * own
    posterior["nee_knots"] = (("chain", "draw", "knot"), knots)
    posterior["nee_offset"] = (("chain", "draw"), offset)
    tree = changed(posterior=posterior)
    found = confounding(tree)
    assert list(found.columns) == ["nee"]
    assert found.loc["ceff", "nee"] == pytest.approx(0.61, abs=0.06)
    assert found.loc["soil_carbon", "nee"] < 0.1
    assert any("stand in" in str(b) or "explain" in str(b) for b in correlations(tree).blocks)


def test_without_systematic_errors_there_is_nothing(changed: Any, one_site: Any) -> None:
    posterior = one_site["posterior"].to_dataset()
    plain = posterior.drop_vars([n for n in posterior.data_vars if str(n).startswith(("nee_", "lai_", "gpp_"))])
    assert confounding(changed(posterior=plain)).empty
