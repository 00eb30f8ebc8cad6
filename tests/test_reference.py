"""Reference posteriors: what is stored agrees with quadrature, another seed verifies it, and whatever changed is named."""

import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lsm_bayes import models, reference
from lsm_bayes.cli import GATE_FAILED, UNUSABLE, main
from lsm_bayes.datasets import NotAvailableError
from lsm_bayes.inference import Density
from lsm_bayes.reference import Verification, check_reference, dataset_hash, make_reference
from lsm_bayes.reference import make as making
from lsm_bayes.reference import verify as verifying
from lsm_bayes.reference.case import case_of

MODEL = '''"""A normal sample with unknown mean and sd."""

import numpy as np
import pymc as pm
import xarray as xr
from lsm_bayes.models import Reference


def build(data, prior_sd=10.0):
    with pm.Model() as model:
        centre, spread = pm.Normal("centre", 0.0, prior_sd), pm.HalfNormal("spread", 2.0)
        pm.Normal("seen", centre, spread, observed=data["seen"].values)
    return model


def reference():
    seen = np.random.default_rng(3).normal(1.0, 0.5, 12)
    return Reference(xr.Dataset({"seen": ("place", seen, {"units": "m"})}), {"prior_sd": 5.0})
'''
NAMES = ("normal_sample", "normal_sample_again")
OF_FEW = {"draws": 150, "tune": 200, "starts": 2, "cores": 1}


@pytest.fixture(scope="module", autouse=True)
def collection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Add two models to the collection, which are compiled once."""
    place = tmp_path_factory.mktemp("models")
    for name in NAMES:
        (place / name).mkdir()
        (place / name / "model.py").write_text(MODEL)
        (place / name / "card.md").write_text("# A normal sample\n")
    compiled = cache(lambda name: case_of(NAMES[0] if name in NAMES else name))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "__path__", [*models.__path__, str(place)])
        patch.setattr(making, "case_of", compiled)
        patch.setattr(verifying, "case_of", compiled)
        importlib.invalidate_caches()
        yield
    for name in [n for n in sys.modules if n.startswith(f"lsm_bayes.models.{NAMES[0]}")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def record(collection: None) -> dict:
    """Make a reference, from fewer draws than it needs."""
    return make_reference(NAMES[0], **OF_FEW)


@pytest.fixture
def tampered(record: dict) -> Iterator[dict]:
    """Give a copy to be changed and written; what was stored comes back at the end."""
    path = models.folder(NAMES[0]) / "reference.json"
    text = path.read_text()
    yield json.loads(text)
    path.write_text(text)


def store(changed: dict) -> None:
    (models.folder(NAMES[0]) / "reference.json").write_text(json.dumps(changed))


def test_draws_are_doubled_until_the_checks_hold(record: dict) -> None:
    assert record["passed"] is True and record == models.reference_posterior(NAMES[0])
    assert record["sampling"]["draws"] in {150 * 2**k for k in range(1, 6)}
    assert record["checks"].keys() == {"rhat", "ess_bulk", "ess_tail", "divergences", "e_bfmi"}
    for check in record["checks"].values():
        relation = {"<": np.less, ">": np.greater, "=": np.equal}[check["comparison"]]
        assert check["passed"] is True and relation(check["value"], check["threshold"])
    assert min(min(p["ess_bulk"], p["ess_tail"]) for p in record["parameters"].values()) > 1000
    assert record["seed"] == 1 and {"lsm_bayes", "pymc", "pytensor", "numba", "numpy", "arviz", "nutpie"} <= record["versions"].keys()
    assert (models.folder(NAMES[0]) / "reference.json").stat().st_size < 6000


def test_stored_posterior_is_that_of_quadrature(record: dict) -> None:
    seen = models.get(NAMES[0]).reference().data["seen"].values
    centre, spread = np.meshgrid(np.linspace(-1.0, 3.0, 801), np.linspace(0.05, 4.0, 801), indexing="ij")
    log = -0.5 * (centre / 5.0) ** 2 - 0.5 * (spread / 2.0) ** 2 - seen.size * np.log(spread)
    log -= 0.5 * ((seen[:, None, None] - centre) ** 2).sum(axis=0) / spread**2
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    for name, x in (("centre", centre), ("spread", spread)):
        mean = (weight * x).sum()
        sd = np.sqrt((weight * (x - mean) ** 2).sum())
        stored = record["parameters"][name]
        assert abs(stored["mean"] - mean) < 4 * stored["mcse_mean"] and abs(stored["sd"] - sd) < 4 * stored["mcse_sd"]
        assert stored["q5"] < stored["q50"] < stored["q95"]


def test_too_few_draws_are_stored_as_a_failure(record: dict) -> None:
    failed = make_reference(NAMES[1], **OF_FEW, most_draws=200)
    assert failed["passed"] is False and not failed["checks"]["ess_bulk"]["passed"]
    found = check_reference(NAMES[1], draws=0)
    assert any("fails its own check of ess_bulk" in p for p in found.problems)


def test_another_seed_agrees(record: dict) -> None:
    found = check_reference(NAMES[0], seed=5, draws=500, cores=1)
    assert found.passed and set(found.differences.index) == {"centre", "spread"}
    assert (found.differences.abs() < 4).all(axis=None) and found.largest[0].split(" of ")[1] in {"centre", "spread"}


def test_tampered_parameter_is_named(tampered: dict) -> None:
    one = tampered["parameters"]["spread"]
    one["mean"] += 12 * one["mcse_mean"]
    store(tampered)
    found = check_reference(NAMES[0], seed=5, draws=1000, cores=1)
    assert len(found.problems) == 1 and found.problems[0].startswith("mean of spread is -") and found.largest[0] == "mean of spread"


def test_run_that_does_not_converge_verifies_nothing(record: dict) -> None:
    found = check_reference(NAMES[0], seed=5, draws=20, cores=1)
    assert any("the new run did not converge, R-hat" in p and p.endswith("give more draws") for p in found.problems)


def test_other_data_are_said_before_anything_is_sampled(record: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    case = verifying.case_of(NAMES[0])
    monkeypatch.setattr(verifying, "case_of", lambda name: replace(case, data_hash="f" * 64))
    monkeypatch.setattr(verifying, "sample", None)
    found = check_reference(NAMES[0])
    assert found.differences.empty and len(found.problems) == 1
    assert "the data are not those of the reference: hash ffffffffffff..., there " in found.problems[0]
    assert f"`lsm-bayes check models {NAMES[0]} --make`" in found.problems[0]


def test_other_model_is_said_before_anything_is_sampled(record: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    case, module = verifying.case_of(NAMES[0]), models.get(NAMES[0])
    other = Density(module.build(module.reference().data, prior_sd=4.9))
    monkeypatch.setattr(verifying, "case_of", lambda name: replace(case, density=other))
    monkeypatch.setattr(verifying, "sample", None)
    found = check_reference(NAMES[0])
    assert len(found.problems) == 1 and found.problems[0].startswith("the model changed: log-density ")


def test_calls_that_cannot_work_are_refused(record: dict) -> None:
    with pytest.raises(ValueError, match="seed 1 is that of the reference of 'normal_sample'"):
        check_reference(NAMES[0], seed=1)
    with pytest.raises(ValueError, match="has no reference posterior; `lsm-bayes check models dalec_pft_hierarchical --make`"):
        check_reference("dalec_pft_hierarchical")
    with pytest.raises(ValueError, match="'dalec_pft_hierarchical' names no reference data"):
        make_reference("dalec_pft_hierarchical")
    with pytest.raises(KeyError, match="vsem_twin"):
        check_reference("vsem_twim")


def test_hash_sees_values_units_and_names_but_not_rounding() -> None:
    time = pd.date_range("2001-01-01", periods=5)
    data = xr.Dataset({"nee": ("time", np.arange(5.0) + 0.1, {"units": "gC m-2 d-1"})}, {"time": time, "site": "XX-Abc"})
    whole = dataset_hash(data)
    assert whole == dataset_hash(data.assign(nee=data["nee"] * (1 + 1e-14)).assign(nee=lambda d: d["nee"].assign_attrs(units="gC m-2 d-1")))
    others = [
        data.rename(nee="gpp"),
        data.assign_coords(site="XX-Abd"),
        data.assign_coords(time=time.shift(1)),
        data.assign(nee=data["nee"].assign_attrs(units="umol m-2 s-1")),
        data.assign(nee=(data["nee"] + 1e-4).assign_attrs(units="gC m-2 d-1")),
        data.assign(nee=data["nee"].where(data["nee"] > 1).assign_attrs(units="gC m-2 d-1")),
    ]
    assert len({whole, *map(dataset_hash, others)}) == len(others) + 1


@pytest.mark.parametrize("name", sorted(p.parent.name for p in Path(models.__file__).parent.glob("*/reference.json")))
def test_shipped_references_are_of_these_models_and_data(name: str) -> None:
    stored = models.reference_posterior(name)
    assert stored is not None and stored["passed"] and all(c["passed"] for c in stored["checks"].values())
    try:
        found = check_reference(name, draws=0)
    except NotAvailableError as reason:
        pytest.skip(str(reason))
    assert found.passed, found.problems


def table(*differences: float) -> pd.DataFrame:
    return pd.DataFrame({"mean": differences, "sd": np.zeros(len(differences))}, index=[f"p{k}" for k in range(len(differences))])


def test_command_tells_what_holds_and_what_not(record: dict, monkeypatch, capsys) -> None:
    found = {
        "vsem_twin": Verification("vsem_twin", table(0.1, -1.2)),
        "two_pool_twin": Verification("two_pool_twin", table(7.0), ("mean of p0 is +7.0",)),
    }

    def check(name: str, **settings: object) -> Verification:
        assert settings["seed"] == 9 and settings["draws"] is None
        if name not in found:
            raise NotAvailableError("LSM_BAYES_DATA is not set")
        return found[name]

    monkeypatch.setattr(reference, "check_reference", check)
    assert main(["check", "models", "vsem_twin", "p_model_fr_pue", "--seed", "9"]) == 0
    text = capsys.readouterr().out
    assert "holds" in text and "-1.2 standard errors" in text and "mean of p1" in text and "skipped: LSM_BAYES_DATA is not set" in text
    assert main(["check", "models", "vsem_twin", "two_pool_twin", "--seed", "9"]) == GATE_FAILED
    text = capsys.readouterr().out
    assert "FAILS" in text and "two_pool_twin: mean of p0 is +7.0" in text


def test_command_makes_references(record: dict, monkeypatch, capsys) -> None:
    asked = {}

    def make(name: str, **settings: object) -> dict:
        asked[name] = settings
        return record if name == NAMES[0] else record | {"passed": False, "checks": {"rhat": {"passed": False, "value": 1.2}}}

    monkeypatch.setattr(reference, "make_reference", make)
    assert main(["check", "models", NAMES[0], "--make", "--seed", "3"]) == 0
    assert "made: passes, R-hat 1.0" in capsys.readouterr().out and asked[NAMES[0]]["seed"] == 3 and "draws" not in asked[NAMES[0]]
    assert main(["check", "models", NAMES[1], "--make"]) == GATE_FAILED
    assert "FAILS: fails rhat (1.2)" in capsys.readouterr().out


def test_list_of_models_shows_the_verdict(record: dict, capsys) -> None:
    assert main(["models"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.startswith("  ")}
    assert "passes, R-hat 1.0" in lines[NAMES[0]] and "no reference" in lines["dalec_pft_hierarchical"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["result.nc", "--make"], "--make: of reference posteriors only"),
        (["--model", "dalec_cdea", "--seed", "1"], "--seed: of reference posteriors only"),
        (["one.nc", "two.nc"], "check takes one result, got one.nc, two.nc"),
        (["models", "vsem_twim"], "Did you mean 'vsem_twin'?"),
    ],
)
def test_wrong_calls_are_one_line(given: list[str], message: str, capsys) -> None:
    assert main(["check", *given]) == UNUSABLE
    assert message in capsys.readouterr().err
