import numpy as np
import pytest

from lsm_bayes.vocabulary import CARBON_MOLAR_MASS, QUANTITIES, convert, parse_unit, quantity, unknown


@pytest.mark.parametrize("name", sorted(QUANTITIES))
def test_every_quantity_has_a_readable_unit_and_a_sentence(name: str) -> None:
    q = QUANTITIES[name]
    assert q.name == name == name.lower()
    assert q.description
    parse_unit(q.unit)
    assert q.attrs()["units"] == q.unit


def test_an_alias_within_one_convention_names_one_quantity() -> None:
    for convention in ("fluxnet", "alma"):
        names = [alias for q in QUANTITIES.values() for alias in getattr(q, convention)]
        assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("NEE_VUT_REF", "nee"),
        ("GPP_DT_VUT_REF", "gpp"),
        ("SWdown", "shortwave_down"),
        ("tas", "air_temperature"),
        ("lai", "lai"),
        ("cSoil", "soil_carbon"),
    ],
)
def test_quantities_are_found_by_alias(alias: str, name: str) -> None:
    assert quantity(alias).name == name


def test_an_unknown_quantity_lists_the_nearest_and_all() -> None:
    with pytest.raises(
        KeyError, match="unknown quantity 'shortwave_dwon'. Did you mean 'shortwave_down'\\? Known: .*air_pressure, "
    ) as caught:
        quantity("shortwave_dwon")
    assert "wind_speed" in str(caught.value)


def test_unknown_without_anything_near_gives_no_hint() -> None:
    assert unknown("fruit", "zzz", ["pear", "apple"]) == "unknown fruit 'zzz'. Known: apple, pear."


@pytest.mark.parametrize(
    ("value", "unit", "to", "expected"),
    [
        (1.0, "umol m-2 s-1", "gC m-2 d-1", 86400e-6 * CARBON_MOLAR_MASS),
        (1.0, "umolCO2 m-2 s-1", "gC m-2 d-1", 86400e-6 * CARBON_MOLAR_MASS),
        (273.15, "K", "degC", 0.0),
        (100.0, "W m-2", "MJ m-2 d-1", 8.64),
        (1.0, "kPa", "hPa", 10.0),
        (1.0, "kg m-2 s-1", "mm d-1", 86400.0),
        (1.0, "m s-1", "mm d-1", 86400e3),
        (2.0, "kgC m-2", "gC m-2", 2000.0),
        (0.3, "m3 m-3", "percent", 30.0),
        (1e-6, "kgC m-2 s-1", "gC m-2 d-1", 86.4),
    ],
)
def test_conversions(value: float, unit: str, to: str, expected: float) -> None:
    assert convert(value, unit, to) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_conversion_there_and_back_is_the_identity() -> None:
    values = np.random.default_rng(0).normal(size=5)
    back = convert(convert(values, "degC", "K"), "K", "degC")
    np.testing.assert_allclose(back, values, atol=1e-12)


def test_incompatible_units_are_named() -> None:
    with pytest.raises(ValueError, match="cannot convert from 'W m-2' to 'degC': they measure different things"):
        convert(1.0, "W m-2", "degC")


@pytest.mark.parametrize("unit", ["gC m-2 d-1 banana", "furlongs/", "**"])
def test_a_unit_that_cannot_be_read_is_named(unit: str) -> None:
    with pytest.raises(ValueError, match=r"cannot read the unit .* write it as in the CF conventions"):
        parse_unit(unit)
