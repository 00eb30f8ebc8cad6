"""The report stands alone, says what is missing, and never calls a failed fit a posterior."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import xarray as xr

from lsm_bayes.diagnostics.bounds import Pressing
from lsm_bayes.diagnostics.result import scale_of
from lsm_bayes.report import write_report
from lsm_bayes.report.heading import _findings
from lsm_bayes.report.sites import _forest

VOID = {"meta", "link", "br", "img", "path", "use", "rect", "circle", "image", "input", "hr"}


class Reader(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words, self.errors = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.errors.append(tag)

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def page(one_site, tmp_path_factory):
    return write_report(one_site, tmp_path_factory.mktemp("report") / "one.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def reader(page):
    return Reader(page)


@pytest.fixture
def written(tmp_path):
    return lambda tree, **options: Reader(write_report(tree, tmp_path / "r.html", **options).read_text(encoding="utf-8"))


def sections(reader):
    return [a["id"] for t, a in reader.tags if t == "section"]


def test_file_is_well_formed_and_small(page, reader):
    assert not reader.errors
    assert not reader.open
    assert len(page.encode()) < 2e6


def test_nothing_is_requested_from_outside(page, reader):
    assert not {t for t, _ in reader.tags} & {"script", "iframe", "object", "embed"}
    targets = [a[k] for _, a in reader.tags for k in ("src", "href") if a.get(k)]
    assert all(v.startswith(("#", "data:")) for v in targets)
    assert not re.search(r"@import|url\((?!#)", page)


def test_it_is_made_for_a_phone(page):
    assert 'name="viewport" content="width=device-width, initial-scale=1"' in page
    widths = {float(w) for w in re.findall(r'viewBox="0 0 ([\d.]+) ', page)}
    smallest = min(float(s) for s in re.findall(r"font-size: ?([\d.]+)px", page))
    assert max(widths) <= 290
    assert smallest * 358 / max(widths) >= 11  # CSS pixels on a screen of 390 with margins


def test_every_drawing_has_words(reader):
    alts = [a.get("aria-label") for t, a in reader.tags if a.get("role") == "img"]
    assert len(alts) == sum(t == "figure" for t, _ in reader.tags) > 30
    assert all(len(a) > 25 for a in alts)
    assert not any("nan" in a.split() for a in alts)


def test_names_in_the_page_are_unique(reader):
    names = [a["id"] for _, a in reader.tags if a.get("id")]
    assert len(names) == len(set(names))


def test_what_a_reviewer_needs_is_there(reader):
    assert sections(reader) == [
        "gates", "errors", "stream-nee", "stream-lai", "skill", "budget", "parameters", "correlations", "modes", "sampler", "provenance",
    ]  # fmt: skip
    for words in (
        "A posterior: every gate passes.",
        "positive to the atmosphere",
        "gC m⁻² d⁻¹",
        "2008-01-01 to 2011-12-31",
        "phi^dt b(t - dt)",
        "FI-Hyy 2012: withheld",
        "FI-Hyy 2011: training",
        "Residual autocorrelation",
        "Residual against air temperature",
        "Season, withheld years",
        "The budget closes in every year",
        "respiration_rate",
        "Shrinkage",
        "BFMI",
        "Withheld CRPS",
        "doi 10.2307/2401901",
        "sha256:0123456789abcdef",
        "Condition number",
    ):
        assert words in reader.text, words
    assert "Absent" not in reader.text


def test_failed_gates_are_named_with_what_to_do(changed, one_site, written):
    data, stats = (one_site[g].to_dataset().copy(deep=True) for g in ("posterior", "sample_stats"))
    data["nee_phi"].values[:] = 0.9 - np.abs(np.random.default_rng(3).normal(0, 0.004, data["nee_phi"].shape))
    stats["diverging"].values[0, :5] = True
    tree = changed(posterior=data, sample_stats=stats, observed_data=None)
    text = written(tree).text
    assert "Not a posterior: 2 of 6 gates failed" in text
    assert "A posterior: every" not in text
    assert "raise the target acceptance" in text
    assert "nee_phi: presses on its upper bound" in text
    text = written(tree, reported={"nee_phi": "Correlation outlives an AR(1)."}).text
    assert "Finding: nee_phi presses against its upper bound 0.9. Correlation outlives an AR(1)." in text
    assert "Not a posterior: 1 of 6 gates failed" in text


def test_findings_at_several_sites_are_one_sentence():
    found = [Pressing("phi", "upper", 0.9, 0.2, True, "A sentence.")]
    found += [Pressing(f"ceff[{s}]", "upper", 50.0, m, True, "Another.") for s, m in (("FI-Hyy", 0.8), ("DE-Tha", 0.25))]
    assert _findings(found) == [
        "Finding: phi presses against its upper bound 0.9. A sentence.",
        (
            "Finding: ceff presses against its upper bound 50 at FI-Hyy (80 %), DE-Tha (25 %); in brackets: how much of the posterior lies "
            "within 1 % of the range of the bound."
        ),
    ]


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ("prior", "Absent: prior densities and shrinkage."),
        ("posterior_predictive", "Absent: the fit of NEE."),
        ("budget", "Absent: the annual carbon budget."),
        ("modes", "Absent: a search for modes."),
        ("sample_stats", "Absent: sampler statistics."),
        ("observed_data", "Absent: observations."),
    ],
)
def test_absent_group_is_said(changed, written, group, said):
    light = {} if group in ("posterior_predictive", "observed_data") else {"observed_data": None}
    reader = written(changed(**light | {group: None}))
    assert said in reader.text
    assert not reader.errors


def test_bare_posterior_still_has_a_page(changed, one_site, written):
    tree = changed(**{k: None for k in one_site.children if k != "posterior"}, attrs=dict.fromkeys(one_site.attrs))
    text = written(tree).text
    assert "this run cannot be repeated exactly" in text
    assert "Absent: citations." in text


def test_error_model_may_stand_with_the_stream(changed, one_site, written):
    card = json.loads(one_site.attrs["model_card"])
    del card["error_models"]
    card["streams"] = {"nee": {"error_model": "AR(1) with phi^gap"}}
    tree = changed(attrs={"model_card": json.dumps(card)}, posterior_predictive=None)
    text = written(tree).text
    assert "NEE: AR(1) with phi^gap" in text
    assert "Absent: the error model of LAI" in text


def test_nothing_withheld_is_said(changed, one_site, written):
    constant = one_site["constant_data"].to_dataset().drop_vars(["nee_withheld", "lai_withheld", "lai_uncertainty"])
    observed = one_site["observed_data"].to_dataset()[["nee"]]
    text = written(changed(constant_data=constant, observed_data=observed)).text
    assert "Absent: withheld data. Everything was used in the fit" in text
    assert "Season, withheld years" not in text


def test_monthly_stream_is_one_drawing_and_a_prediction_that_is_missing_is_said(changed, one_site, written):
    def monthly(group):
        data = one_site[group].to_dataset()
        return data[[n for n in data.data_vars if str(n).startswith("nee")]].resample(time_nee="MS").first()

    groups = {g: monthly(g) for g in ("observed_data", "constant_data", "posterior_predictive")}
    groups["constant_data"]["nee_withheld"] = groups["constant_data"]["nee_withheld"].astype(bool)
    text = written(changed(**groups)).text
    assert "FI-Hyy whole record" in text
    assert "FI-Hyy 2009" in text  # the table of the budget
    assert "FI-Hyy 2009: training" not in text
    empty = groups["posterior_predictive"] * np.nan
    assert "Absent: the prediction of NEE at FI-Hyy" in written(changed(**groups | {"posterior_predictive": empty})).text


def test_a_forest_over_decades_has_a_log_axis():
    values = 10.0 ** np.linspace(-4, 1, 400).reshape(2, 100, 2)
    entry = {"bounds": [1e-5, 100.0], "prior": "log-uniform", "unit": "d-1"}
    data = xr.DataArray(values, dims=("chain", "draw", "site"), coords={"site": ["A", "B"]})
    assert scale_of(entry) == "log"
    assert "A 0.03" in _forest("rate", data, entry, {}, {}).alt


def test_sites_get_a_forest_and_the_file_stays_small(build, tmp_path):
    tree = build(6, years=2, draws=110)
    del tree["forcing"]
    tree["observed_data"] = tree["observed_data"].to_dataset()[["lai"]]
    path = write_report(tree, tmp_path / "six.html")
    text = Reader(path.read_text(encoding="utf-8")).text
    assert "Sites and plant functional types" in text
    assert "DE-Hai (DBF)" in text
    assert "ceff[US-MMS]" in text
    assert path.stat().st_size < 6e6


def test_many_sites_are_chosen_by_skill(build, tmp_path, monkeypatch):
    monkeypatch.setattr("lsm_bayes.report.document.DRAWN_SITES", 2)
    tree = build(6, years=2, draws=110)
    del tree["forcing"]
    tree["observed_data"] = tree["observed_data"].to_dataset()[["nee"]]
    path = write_report(tree, tmp_path / "six.html")
    text = Reader(path.read_text(encoding="utf-8")).text
    assert "2 of 6 sites are drawn" in text
    assert sum(f"NEE at {s}" in text for s in ("FI-Hyy", "DE-Tha", "DE-Hai", "US-MMS", "US-SRG", "AU-Stp")) == 2


def test_missing_folder_is_named(one_site, tmp_path):
    with pytest.raises(FileNotFoundError, match="of the report does not exist. Create it"):
        write_report(one_site, tmp_path / "nowhere" / "r.html")


def test_the_report_says_what_a_correlated_stream_is_worth(one_site, changed, written):
    constant = one_site["constant_data"].to_dataset().assign(nee_fitted_values=2000.0, nee_effective_values=612.4)
    assert "NEE: 2000 fitted values, worth 612 independent ones for their mean." in written(changed(constant_data=constant)).text


def test_constraints_that_bite_are_marked(one_site, changed, written):
    data = one_site["posterior"].to_dataset()
    shape = (data.sizes["chain"], data.sizes["draw"])
    loose, tight = np.full(shape, 1.5), np.linspace(-0.1, 0.9, shape[0] * shape[1]).reshape(shape)
    data = data.assign(loose_margin=(("chain", "draw"), loose), tight_margin=(("chain", "draw"), tight))
    card = json.loads(one_site.attrs["model_card"]) | {"constraints": {"loose": "Says little.", "tight": "Says much."}}
    text = written(changed(attrs={"model_card": json.dumps(card)}, posterior=data)).text
    assert "more than 5% of the draws violate them" in text
    rows = re.findall(r"(loose|tight)\s+– Says (?:little|much)\. .*?(\d+)%", text)
    assert rows == [("loose", "0"), ("tight", "10")]
    assert re.search(r"all\s+– Every inequality holds\..*?10%", text)
    assert "Ecological constraints" not in written(one_site).text
