"""Numbers and units are written as a careful reader expects."""

import numpy as np
import pytest
from markupsafe import Markup

from lsm_bayes.report.page import Figure, Figures, Fold, Heading, Section, Table, Text, exact, number, render, unit_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.000123456, "0.000123"),
        (-2.5, "−2.50"),
        (1234.5, "1234"),
        (2.5e-7, "2.50×10⁻⁷"),
        (1.5e9, "1.50×10⁹"),
        (0, "0"),
        (np.nan, "–"),
        (None, "–"),
        (-np.inf, "−∞"),
    ],
)
def test_numbers(value, text):
    assert number(value) == text


def test_bounds_keep_their_digits():
    assert [exact(v) for v in (365.25, 0.2, 1e-5, -3.0, np.inf)] == ["365.25", "0.2", "1×10⁻⁵", "−3", "∞"]


def test_units_are_for_reading_and_do_not_break():
    assert unit_text("gC m-2 d-1") == "gC\u00a0m⁻²\u00a0d⁻¹"
    assert unit_text("1") == ""
    assert unit_text("degC-1") == "°C⁻¹"
    assert unit_text("umol mol-1") == "µmol\u00a0mol⁻¹"


def test_text_is_escaped_and_drawings_are_not():
    drawing = Figure(Markup("<svg></svg>"), 'a "b" <c>', "caption")
    blocks = [Fold("fold", [Figures([drawing])]), Table("t", ("a",), [("<b>",)], frozenset({0})), Text("x < y")]
    page = render(Heading("<title>", False, "no", ["<why>"], [("a", "b")]), [Section("s", "S & T (unit)", blocks)])
    assert "<svg></svg>" in page
    assert "&lt;why&gt;" in page
    assert "x &lt; y" in page
    assert 'aria-label="a &#34;b&#34; &lt;c&gt;"' in page
    assert 'class="marked"' in page
    assert "<b>" not in page
