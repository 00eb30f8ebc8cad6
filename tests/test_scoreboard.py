"""Routes to a posterior are scored against the reference, and what is done is not done again."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm

from lsm_bayes.cli import main
from lsm_bayes.scoreboard import ROUTES, as_markdown, problems, score, scoreboard


def result(mean: float, sd: float, cost: float = 1000.0) -> xr.DataTree:
    # Quantiles of a normal, so that moments are exact to what 20,000 of them give.
    draws = mean + sd * norm.ppf((np.arange(20_000) + 0.5) / 20_000).reshape(1, -1)
    tree = xr.DataTree.from_dict({"/posterior": xr.Dataset({"a": (("chain", "draw"), draws), "b": (("chain", "draw"), 0 * draws)})})
    tree.attrs["cost"] = json.dumps({"forward_run_equivalents": cost})
    return tree


REFERENCE = {"parameters": {n: {"mean": 1.0, "sd": 2.0, "q5": 1 - 3.2897, "q50": 1.0, "q95": 1 + 3.2897} for n in ("a", "b", "c")}}


def test_score_of_a_known_error() -> None:
    same = score(result(1.0, 2.0), REFERENCE, chains=False)
    assert same.parameters == 1  # b is held, c is not there
    assert abs(same.mean_error) < 1e-6 and abs(same.sd_ratio - 1) < 1e-3 and abs(same.coverage - 0.9) < 1e-3
    assert np.isnan(same.smallest_ess) and same.forward_run_equivalents == 1000.0
    off = score(result(2.0, 1.0), REFERENCE, chains=False)
    assert abs(off.mean_error - 0.5) < 1e-6 and abs(off.sd_ratio - 0.5) < 1e-3
    exact = norm.cdf((2 + 1.6449 - 1) / 2) - norm.cdf((2 - 1.6449 - 1) / 2)
    assert abs(off.coverage - exact) < 1e-3
    with pytest.raises(ValueError, match="the result has none of the parameters d"):
        score(result(1.0, 1.0), {"parameters": {"d": {}}}, chains=False)


def test_routes_agree_on_a_small_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "two_pool_twin" in problems()
    arguments = ["bench", "--problem", "two_pool_twin", "--route", "laplace", "--route", "uki", "--store", str(tmp_path / "kept")]
    assert main([*arguments, "--output", str(tmp_path / "table.md")]) == 0
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "## two_pool_twin" in text and ROUTES["uki"].title in text and text in capsys.readouterr().out
    table = scoreboard(["two_pool_twin"], ["laplace", "uki"], store=tmp_path / "kept")
    for route in ("laplace", "uki"):
        row = table.loc[("two_pool_twin", route)]
        assert row["worst_mean_error"] < 0.25 and 0.9 < row["worst_sd_ratio"] < 1.1 and 0.85 < row["coverage"] < 0.93, route
        assert row["forward_run_equivalents"] > 100
    # What is kept is read, not run again.
    kept = tmp_path / "kept" / "two_pool_twin.uki.1.json"
    kept.write_text(json.dumps({**json.loads(kept.read_text(encoding="utf-8")), "remark": "failed: by hand"}), encoding="utf-8")
    again = scoreboard(["two_pool_twin"], ["uki"], store=tmp_path / "kept")
    assert "failed: by hand" in as_markdown(again)


def test_unknown_names_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError, match="unknown route 'nut'"):
        scoreboard(routes=["nut"])
    with pytest.raises(KeyError, match="unknown problem with a reference posterior 'dalec'"):
        scoreboard(["dalec"])
    assert main(["bench", "--route", "nut"]) == 2
    assert "unknown route 'nut'" in capsys.readouterr().err
