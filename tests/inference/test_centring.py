"""Which parameters of a hierarchy are sampled centred."""

import numpy as np
from towers import INITIAL, TOWERS, made_up_towers

from lsm_bayes.calibration import Stream, build_model, partial
from lsm_bayes.inference import Density, choose_centring, find_modes


def test_what_the_sites_know_is_centred_and_what_they_do_not_is_not() -> None:
    data = made_up_towers(sites={"A": ("ENF", "2010", "2010"), "B": ("ENF", "2010", "2010"), "C": ("ENF", "2010", "2010")})
    data["lai"] = data["lai"].where(False)
    # Without leaf area nothing is said about leaf mass per area.
    pooling = {"efficiency": partial("site", spread=2.0), "leaf_mass_area": partial("site", spread=2.0)}
    model = build_model(TOWERS, data, [Stream("nee")], initial={"soil_carbon": INITIAL["soil_carbon"]}, pooling=pooling)
    density = Density(model)
    modes = find_modes(density, starts=1, seed=1, progress=False)
    found = choose_centring(density, modes)
    assert {n: p.centred for n, p in found.items()} == {"efficiency": True, "leaf_mass_area": False}
    again = build_model(TOWERS, data, [Stream("nee")], initial={"soil_carbon": INITIAL["soil_carbon"]}, pooling=found)
    position = Density(again).prior_positions(1, np.random.default_rng(1))[0]
    assert np.isfinite(Density(again)(position)[0])
    assert choose_centring(again, find_modes(again, starts=1, seed=1, progress=False)).keys() == {"leaf_mass_area"}
