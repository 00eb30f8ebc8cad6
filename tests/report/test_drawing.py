"""Drawings keep their content when they are made small."""

import re

import numpy as np
import pytest

from lsm_bayes.report.drawing import canvas, density, dots, finish, log_axis


def draw(**options):
    with canvas(2.0) as (drawn, ax):
        ax.plot([0, 1], [0.018, 0.0255], **options)
        ax.set(title="Site 2008: fit", yticks=[0.018, 0.0255])
        return str(finish(drawn, "alt", "caption").svg)


def test_labels_survive_the_rounding_of_coordinates():
    svg = draw()
    assert "0.0180" in svg
    assert "0.0255" in svg
    assert "Site 2008: fit" in svg


def test_names_are_unique_and_defined():
    both = draw() + draw()
    names = re.findall(r' id="([^"]+)"', both)
    assert len(names) == len(set(names))
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', both)) <= set(names)


def test_nothing_points_outside():
    assert not re.search(r"https?:|<\?xml|DOCTYPE|xlink", draw())


def test_every_point_is_drawn():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(size=(2, 500))
    y[::10] = np.nan
    with canvas(2.0) as (drawn, ax):
        dots(ax, x, y)
        svg = str(finish(drawn, "alt", "caption").svg)
    longest = max(re.findall(r' d="([^"]*)"', svg), key=len)
    assert longest.count("M") == 450


def test_density_is_not_drawn_as_a_fall_at_a_bound():
    u = np.random.default_rng(1).uniform(size=4000)
    grid = np.linspace(0, 1, 101)
    assert density(u, grid, 0.0, 1.0)[0] > 0.85
    assert density(u, grid)[0] < 0.65


@pytest.mark.parametrize(("low", "high"), [(0.2, 2.5), (1e-5, 1e-2), (3.0, 5.0), (1.01, 1.02), (200, 2e5)])
def test_log_axis_has_labels_inside_its_range(low, high):
    with canvas(2.0) as (_, ax):
        log_axis(ax.xaxis, low, high)
        ticks = ax.xaxis.get_majorticklocs()
        labels = [ax.xaxis.get_major_formatter()(t, 0) for t in ticks]
    assert 2 <= len(ticks) <= 8
    assert (ticks >= low * 0.99).all()
    assert (ticks <= high * 1.01).all()
    assert all(labels)
