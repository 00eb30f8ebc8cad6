"""Trace gases: units by pint and by hand, limits, and relations that other papers state."""

import numpy as np
import pytest

from lsm_bayes import observations
from lsm_bayes.vocabulary import convert

MICROMOLE = float(convert(1.0, "umol m-2 s-1", "gC m-2 d-1"))


def test_uptake_of_carbonyl_sulphide_in_its_unit() -> None:
    # 10 gC m-2 d-1 are 9.64 umol m-2 s-1 of CO2; at 500 pmol mol-1 and 400 umol mol-1 leaves take up 1.6 x 1.25 pmol for each umol.
    series = {"gpp": np.array([10.0]), "cos_mole_fraction": np.array([500.0]), "co2": np.array([400.0])}
    found = observations.get("cos_uptake").evaluate(series, {"leaf_relative_uptake": 1.6, "soil_emission": 0.0})
    assert found[0] == pytest.approx(1.6 * 1.25 * 10.0 / MICROMOLE, rel=1e-12)
    assert found[0] == pytest.approx(19.27, abs=0.01)


def test_relative_uptake_is_the_ratio_of_deposition_velocities() -> None:
    gpp, cos, co2 = np.array([2.0, 7.0]), np.array([400.0, 520.0]), np.array([380.0, 420.0])
    found = observations.get("cos_uptake").evaluate(
        {"gpp": gpp, "cos_mole_fraction": cos, "co2": co2}, {"leaf_relative_uptake": 1.3, "soil_emission": 0.0}
    )
    velocity_cos, velocity_co2 = found * 1e-12 / (cos * 1e-12), gpp / MICROMOLE * 1e-6 / (co2 * 1e-6)
    np.testing.assert_allclose(velocity_cos / velocity_co2, 1.3, rtol=1e-12)


@pytest.mark.parametrize("soil", [-3.0, 0.0, 4.0])
def test_without_photosynthesis_only_the_soil_is_left(soil: float) -> None:
    series = {"gpp": np.zeros(2), "cos_mole_fraction": np.array([400.0, 500.0]), "co2": np.full(2, 400.0)}
    found = observations.get("cos_uptake").evaluate(series, {"soil_emission": soil})
    np.testing.assert_allclose(found, -soil)


WET = {"heterotrophic_respiration": np.array([2.0]), "water_filled_pore_space": np.array([1.0]), "soil_temperature": np.array([25.0])}


def test_saturated_soil_at_the_reference_gives_the_ratio() -> None:
    found = observations.get("methane_flux").evaluate(WET, {"methane_ratio": 0.1})
    assert found[0] == pytest.approx(0.1 * 2000.0 / MICROMOLE, rel=1e-12)


def test_methane_grows_by_its_factor_and_falls_with_air_in_the_soil() -> None:
    operator, p = observations.get("methane_flux"), {"methane_ratio": 0.1, "methane_q10": 2.5, "saturation_exponent": 4.0}
    at = operator.evaluate(WET, p)
    np.testing.assert_allclose(operator.evaluate({**WET, "soil_temperature": np.array([15.0])}, p), at / 2.5, rtol=1e-12)
    np.testing.assert_allclose(operator.evaluate({**WET, "water_filled_pore_space": np.array([0.5])}, p), at / 16.0, rtol=1e-12)
    assert operator.evaluate({**WET, "heterotrophic_respiration": np.array([0.0])}, p)[0] == 0.0


def test_both_forms_agree_where_the_anaerobic_share_is_the_same() -> None:
    p = {"methane_ratio": 0.2, "methane_q10": 3.0}
    wet = observations.get("methane_flux").evaluate(
        {**WET, "water_filled_pore_space": np.array([0.8]), "soil_temperature": np.array([12.0])}, {**p, "saturation_exponent": 5.0}
    )
    series = {
        "heterotrophic_respiration": np.array([2.0]),
        "aerobic_factor": np.array([2.0 * (1.0 - 0.8**5)]),
        "anaerobic_factor": np.array([2.0 * 0.8**5]),
        "soil_temperature": np.array([12.0]),
    }
    np.testing.assert_allclose(observations.get("methane_flux_anaerobic").evaluate(series, p), wet, rtol=1e-12)


def test_frozen_soil_emits_no_methane_and_a_gap_stays_a_gap() -> None:
    series = {
        "heterotrophic_respiration": np.zeros(3),
        "aerobic_factor": np.array([0.0, 0.0, 1.0]),
        "anaerobic_factor": np.array([0.0, np.nan, 1.0]),
        "soil_temperature": np.full(3, -5.0),
    }
    np.testing.assert_array_equal(observations.get("methane_flux_anaerobic").evaluate(series), [0.0, np.nan, 0.0])


def test_simulated_methane_changes_its_unit() -> None:
    found = observations.get("methane_flux_simulated").evaluate({"methane_emission": np.array([0.0, 0.05])})
    np.testing.assert_allclose(found, [0.0, 50.0 / MICROMOLE], rtol=1e-12)


PORES = np.linspace(0.1, 1.0, 19)


def nitrous(**p: float) -> np.ndarray:
    series = {"nitrogen_mineralisation": np.full(PORES.size, 0.05), "water_filled_pore_space": PORES}
    return observations.get("nitrous_oxide_flux").evaluate(series, p)


def test_ratio_of_nitrous_to_nitric_oxide_is_log_linear_in_soil_water() -> None:
    # log10(N2O / NO) = 2.6 WFPS - 1.66 (Davidson & Verchot 2000), with what leaks as NO and N2O together.
    leak = 0.02
    found = nitrous(leak=leak, sensitivity=2.6 * np.log(10.0), equal_pore_space=1.66 / 2.6)
    total = leak * convert(0.05, "g m-2 d-1", "ug m-2 h-1")
    np.testing.assert_allclose(np.log10(found / (total - found)), 2.6 * PORES - 1.66, rtol=1e-9, atol=1e-9)


def test_nitrous_oxide_rises_with_water_up_to_the_leak() -> None:
    found = nitrous(leak=0.05, sensitivity=20.0, equal_pore_space=0.6)
    limit = 0.05 * 0.05 * 1e6 / 24.0
    assert (np.diff(found) > 0).all() and found[0] < 1e-3 * limit and found[-1] == pytest.approx(limit, rel=1e-3)
    assert nitrous(leak=0.05, sensitivity=20.0, equal_pore_space=0.55)[9] == pytest.approx(0.5 * limit)
