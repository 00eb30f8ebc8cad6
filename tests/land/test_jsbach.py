"""JSBACH: what an hour and a day conserve, their gradients and limits; whole runs and their kernels are slow."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode

from lsm_bayes import datasets, simulate
from lsm_bayes.datasets import with_diurnal_course
from lsm_bayes.land import jsbach, jsbach_types
from lsm_bayes.land.jsbach_day import day_of
from lsm_bayes.land.jsbach_declared import DailyForcing, FastFluxes, FastState, Fluxes, WithinDayForcing
from lsm_bayes.land.jsbach_step import SOURCE, WATER, Form, Structure, hour_of
from lsm_bayes.testing import _budgets, _gradients, _Subject

PHENOLOGIES = ("evergreen", "summergreen", "raingreen", "grass", "crop")
VARIED = ("leaf_area", *FastState._fields)
BY_HOUR = ("subdaily_transpiration", "subdaily_interception_evaporation", "subdaily_soil_evaporation", "subdaily_sublimation")
LOST = (*BY_HOUR, "subdaily_surface_runoff", "subdaily_drainage")


def owners(structure: Structure) -> tuple[Any, ...]:
    model = jsbach.jsbach("jsbach_tested", "JSBACH", structure)
    return FastState, model.state, WithinDayForcing, model.parameters


def hours(*forms: Form, structure: Structure = Structure(), weights: np.ndarray | None = None) -> Any:  # noqa: B008
    """The step of an hour in some forms, as a function of all inputs at once; with weights, the gradient of a sum of its outputs."""
    groups = [[pt.dvector(n) for n in o._fields] for o in owners(structure)]
    z, x, f, p = (o(*g) for o, g in zip(owners(structure), groups, strict=True))
    found = [[v for part in hour_of(structure, form)(z, x, f, p) for v in part] for form in forms]
    outputs = [pt.stack(pt.broadcast_arrays(*o)) for o in found]
    if weights is not None:
        loss = sum((w * v).sum() for w, v in zip(weights, found[0], strict=True))
        outputs = pytensor.grad(loss, [*groups[0], *groups[1], *groups[3]], disconnected_inputs="ignore")
    # Without rewriting: of so long a graph it would take longer than all else.
    return pytensor.function([v for g in groups for v in g], outputs, mode=Mode("py", None), on_unused_input="ignore")


def cases(n: int = 40, structure: Structure = Structure(), seed: int = 4) -> dict[str, np.ndarray]:  # noqa: B008
    rng = np.random.default_rng(seed)
    lowest = rng.uniform(-12, 20, n)
    field = rng.uniform(0.2, 0.38, n)
    thick = (65.0, 254.0, 913.0, 2902.0, 5700.0)
    varied = {
        "day_of_year": rng.integers(1, 366, n).astype(float),
        "latitude": rng.uniform(-60, 66, n),
        "elevation": rng.uniform(0, 2000, n),
        "co2": rng.uniform(370, 420, n),
        "air_temperature_min": lowest,
        "air_temperature_max": lowest + rng.uniform(3, 14, n),
        "shortwave_down": rng.uniform(1, 24, n),
        "precipitation": np.where(rng.uniform(size=n) < 0.5, 0.0, rng.exponential(8.0, n)),
        "solar_hour": rng.integers(0, 24, n) + 0.5,
        "leaf_area": rng.uniform(0.2, 6, n),
        "field_capacity": field,
        "root_depth": rng.uniform(0.5, 1.1, n),
        "skin_water": rng.uniform(0.01, 0.6, n),
        "snow_water": np.where(lowest < 4, rng.uniform(0.1, 60, n), 0.01),
        **{name: t * field * rng.uniform(0.4, 0.99, n) for name, t in zip(WATER, thick, strict=True)},
        "soil_temperature_1": lowest + rng.uniform(-3, 12, n),
        "soil_temperature_2": lowest + rng.uniform(0, 8, n),
    }
    model = jsbach.jsbach("jsbach_tested", "JSBACH", structure)
    return {k: np.full(n, v) for k, v in {k: d for k, (_, d) in model.calibrated.items()}.items()} | varied


def arranged(given: Mapping[str, np.ndarray], structure: Structure = Structure()) -> list[np.ndarray]:  # noqa: B008
    return [given[n] for o in owners(structure) for n in o._fields]


def named(outputs: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    n = len(FastState._fields)
    return dict(zip(FastState._fields, outputs[:n], strict=True)), dict(zip(FastFluxes._fields, outputs[n:], strict=True))


@pytest.fixture(scope="module")
def forms() -> Any:
    """The hour in its default, in the form of the source, in nearly hard limits, and with each quirk."""
    quirks = [Form()._replace(**{q: True}) for q in Form._fields[1:]]
    given = cases(120)
    return given, hours(Form(), Form(0.0), Form(1e-4), SOURCE, *quirks)(*arranged(given))


@pytest.mark.parametrize("which", [0, 3])
def test_every_hour_conserves_water_and_energy(forms: Any, which: int) -> None:
    given, found = forms
    after, flux = named(found[which])
    stores = ("skin_water", "snow_water", *WATER)
    gained = 24.0 * sum(after[n] - given[n] for n in stores)
    lost = sum(flux[n] for n in LOST)
    # A store of some m loses digits when it is subtracted.
    np.testing.assert_allclose(gained, given["precipitation"] - lost, atol=1e-8 * np.abs(lost).max())
    p = type("P", (), given)
    heat = [jsbach.heat(type("X", (), s), p) for s in (given, after)]
    out = flux["subdaily_latent_heat"] + flux["subdaily_sensible_heat"] + flux["subdaily_snow_melt"] * 3.337e5 / 86400.0
    through = np.abs(flux["subdaily_net_radiation"]) + np.abs(out)
    assert np.all(np.abs(24.0 * (heat[1] - heat[0]) - flux["subdaily_net_radiation"] + out) < 1e-8 * np.maximum(through, 1.0))
    assert all(np.all(after[n] > -1e-9) for n in stores)
    assert np.all(flux["subdaily_gpp"] > -1e-9) and np.all(flux["subdaily_surface_runoff"] > -1e-9)


def test_the_smooth_hour_converges_to_the_hard_one(forms: Any) -> None:
    _, (wide, hard, narrow, *_) = forms
    size = np.abs(hard).max(axis=1)
    off = [np.abs(v - hard).max(axis=1) / np.where(size > 0, size, 1.0) for v in (wide, narrow)]
    assert np.all(off[1] <= off[0] + 1e-9) and off[1].max() < 1e-2 and np.median(off[1]) < 1e-4 and off[0].max() > 1e-3


def test_quirks_change_what_they_are_about(forms: Any) -> None:
    about = {"frozen_runoff": "subdaily_surface_runoff", "uniform_uptake": "soil_water_1", "saturated_closure": "subdaily_gpp"}
    _, (plain, _, _, _, *changed) = forms
    names = (*FastState._fields, *FastFluxes._fields)
    for (quirk, flux), found in zip(about.items(), changed, strict=True):
        assert np.abs(found - plain)[names.index(flux)].max() > 1e-6, quirk
    assert tuple(about) == Form._fields[1:] and all(SOURCE[1:]) and not SOURCE.smooth


def test_gradients_of_an_hour_against_differences() -> None:
    given = cases(16)
    names = [n for o in (owners(Structure())[k] for k in (0, 1, 3)) for n in o._fields]
    moved_names = [n for n in names if n in VARIED or n in owners(Structure())[3]._fields]
    step = hours(Form())
    values = step(*arranged(given))[0]
    weights = 1.0 / np.maximum(np.abs(values).mean(axis=1), 1e-6)
    gradient = dict(zip(names, hours(Form(), weights=weights)(*arranged(given)), strict=True))
    # Five points for each input, all at once: the error is of fourth order.
    size = {n: 3e-4 * np.where(given[n] == 0, 1e-2, np.abs(given[n])) for n in moved_names}
    size |= {n: 3e-4 + 0.0 * given[n] for n in moved_names if n.startswith("soil_temperature")}
    moved = [given | {n: given[n] + times * size[n]} for n in moved_names for times in (1.0, -1.0, 2.0, -2.0)]
    found = step(*(np.concatenate(v) for v in zip(*(arranged(m) for m in moved), strict=True)))[0]
    a, b, c, d = np.moveaxis((weights[:, None] * found).sum(axis=0).reshape(len(moved_names), 4, 16), 1, 0)
    steps = np.array([size[n] for n in moved_names])
    numeric = (8.0 * (a - b) - (c - d)) / (12.0 * steps)
    # Effects far below the sum of all outputs drown in the rounding of stores of some m of water.
    level = (weights[:, None] * np.abs(values)).sum(axis=0)
    analytic = np.array([np.broadcast_to(gradient[n], 16) for n in moved_names])
    off = np.abs(analytic - numeric) / np.maximum(np.abs(numeric), 1e-6 * level / steps)
    worst = dict(zip(moved_names, off.max(axis=1), strict=True))
    assert max(worst.values()) < 1e-6, {n: w for n, w in worst.items() if w > 1e-6}


def test_a_missing_state_is_missing_afterwards() -> None:
    given = cases(4)
    given["soil_water_2"] = np.array([np.nan, 60.0, 60.0, 60.0])
    after, flux = named(hours(Form())(*arranged(given))[0])
    for name in ("subdaily_gpp", "subdaily_latent_heat", "subdaily_drainage"):
        assert np.isnan(flux[name][0]) and np.all(np.isfinite(flux[name][1:])), name
    assert np.isnan(after["soil_water_3"][0])


def days(phenology: str, *forms: Form, weights: np.ndarray | None = None) -> tuple[Any, list[str], Any]:
    """The step of a day with given means of its hours, and its inputs."""
    structure = Structure(phenology)  # type: ignore[arg-type]
    state, parameters = owners(structure)[1], owners(structure)[3]
    kinds = (state, FastFluxes, DailyForcing, parameters)
    groups = [[pt.dvector(n) for n in o._fields] for o in kinds]
    x, m, f, p = (o(*g) for o, g in zip(kinds, groups, strict=True))
    z = FastState(*(pt.dscalar() for _ in FastState._fields))
    found = []
    for form in forms:
        after, _, fluxes = day_of(structure, form)(x, z, m, f, p)
        found.append([*after, *fluxes])
    outputs = [pt.stack(pt.broadcast_arrays(*o)) for o in found]
    if weights is not None:
        loss = sum((w * v).sum() for w, v in zip(weights, found[0], strict=True))
        outputs = pytensor.grad(loss, [*groups[0], *groups[3]], disconnected_inputs="ignore")
    function = pytensor.function([v for g in groups for v in g], outputs, mode=Mode("py", None), on_unused_input="ignore")
    return function, [n for o in kinds for n in o._fields], state


def day_cases(phenology: str, n: int = 30) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    given = cases(n, Structure(phenology))  # type: ignore[arg-type]
    gpp = rng.uniform(0.0, 12.0, n)
    varied = dict.fromkeys(FastFluxes._fields, 0.0 * gpp) | {
        "subdaily_gpp": gpp,
        "subdaily_maintenance_respiration": rng.uniform(0.3, 4.0, n),
        "subdaily_growth_respiration": 0.1 * gpp,
        "subdaily_air_temperature": rng.uniform(-5.0, 25.0, n),
        "subdaily_soil_wetness": rng.uniform(0.3, 0.95, n),
        "subdaily_par_down": 80.0 + 0.0 * gpp,
        "leaf_area": rng.uniform(0.1, 4.9, n),
        "pseudo_soil_temperature": rng.uniform(-5.0, 20.0, n),
        "heat_sum": rng.uniform(0.0, 300.0, n),
        "leaf_clock": rng.uniform(0.0, 300.0, n),
        "resting": rng.uniform(0.0, 0.5, n),
        "growing": rng.uniform(0.0, 0.5, n),
        "heat_counting": rng.uniform(0.2, 0.8, n),
        "day_of_year": rng.integers(1, 366, n).astype(float),
        "crop_phase": rng.choice([-2.0, -1.0, 0.0, 1.0, 2.0], n),
        "green_carbon": rng.uniform(200.0, 2500.0, n),
        "least_shedding": np.full(n, 1e-3),  # not below zero
    }
    return given | varied


@pytest.mark.parametrize("phenology", [p if p == "evergreen" else pytest.param(p, marks=pytest.mark.slow) for p in PHENOLOGIES])
def test_a_day_conserves_carbon_and_has_gradients(phenology: str) -> None:
    given = day_cases(phenology)
    step, names, state = days(phenology, Form(), Form(0.0), Form(1e-4))
    smooth, hard, narrow = step(*(given[n] for n in names))
    stock = jsbach.jsbach("jsbach_tested", "JSBACH", Structure(phenology)).budgets["carbon"].stock  # type: ignore[arg-type]
    nee = len(state._fields) + Fluxes._fields.index("nee")
    for found in (smooth, hard):
        change = sum(found[state._fields.index(n)] - given[n] for n in stock)
        np.testing.assert_allclose(change, -found[nee], atol=1e-9)
    size = np.maximum(np.abs(hard).max(axis=1), 1e-12)
    assert np.median(np.abs(narrow - hard).max(axis=1) / size) < 1e-4

    weights = 1.0 / np.maximum(np.abs(smooth).mean(axis=1), 1e-6)
    wanted = [*state._fields, *owners(Structure(phenology))[3]._fields]  # type: ignore[arg-type]
    gradient = days(phenology, Form(), weights=weights)[0](*(given[n] for n in names))
    # Of crops, heat sums and phase have no gradient to what is calibrated.
    skipped = {"heat_sum", "winter_heat_sum", "crop_phase"} if phenology == "crop" else set[str]()
    kept = [n for n in wanted if n not in skipped]
    steps = {n: 1e-4 * np.where(given[n] == 0, 1e-2, np.abs(given[n])) for n in kept}
    moved = [given | {n: given[n] + times * steps[n]} for n in kept for times in (1.0, -1.0, 2.0, -2.0)]
    values = step(*(np.concatenate([m[n] for m in moved]) for n in names))[0]
    a, b, c, d = np.moveaxis((weights[:, None] * values).sum(axis=0).reshape(len(kept), 4, 30), 1, 0)
    each = np.array([steps[n] for n in kept])
    numeric = (8.0 * (a - b) - (c - d)) / (12.0 * each)
    analytic = np.array([np.broadcast_to(dict(zip(wanted, gradient, strict=True))[n], 30) for n in kept])
    level = (weights[:, None] * np.abs(smooth)).sum(axis=0)
    off = np.abs(analytic - numeric) / np.maximum(np.abs(numeric), 1e-7 * level / each)
    worst = dict(zip(kept, off.max(axis=1), strict=True))
    assert max(worst.values()) < 1e-6, {n: w for n, w in worst.items() if w > 1e-6}


@pytest.mark.parametrize("number", jsbach_types.TYPES)
def test_plant_types_have_values_and_priors_of_their_model(number: int) -> None:
    model = jsbach.of_type(number)
    table, given = model.parameter_table, jsbach_types.values(number)
    for name, value in given.items():
        low, high = table[name][0].bounds
        assert low <= value <= high, name
    assert sum(given[f"leaf_litter_{n}"] for n in ("acid", "water", "ethanol")) < 1.0
    for name, prior in jsbach_types.priors(number).items():
        assert prior.centre == given[name]
    assert jsbach.of_type(number) is model


def test_an_unknown_plant_type_lists_what_exists() -> None:
    with pytest.raises(KeyError, match="unknown plant functional type 1.*8 \\(coniferous evergreen tree\\)"):
        jsbach.of_type(1)


@pytest.mark.slow
@pytest.mark.parametrize("model", [jsbach.JSBACH, jsbach.JSBACH_SUMMERGREEN, jsbach.JSBACH_GRASS], ids=lambda m: m.name)
def test_kernels_conserve_and_have_gradients(model: Any) -> None:
    subject = _Subject(model, np.random.default_rng(0), 120, 3, 1.0, {})
    (budgets, where), (gradients, at) = (next(iter(c(subject).values())) for c in (_budgets, _gradients))
    assert budgets < 1e-8, where
    assert gradients < 1e-6, at


@pytest.mark.slow
@pytest.mark.parametrize(("site", "number", "years"), [("FI-Hyy", 8, ("2004", "2006")), ("FR-Pue", 6, ("2005", "2007"))])
def test_forests_are_plausible(site: str, number: int, years: tuple[str, str]) -> None:
    data = datasets.load("callmip-towers", site, *years)
    outputs = ["gpp", "latent_heat", "sensible_heat", "lai", "nee"]
    run = simulate(jsbach.of_type(number, observed_hours=True), with_diurnal_course(data), jsbach_types.values(number), outputs=outputs)
    later = data["time"].dt.year.values > int(years[0])
    found = {n: np.ravel(run[n].values)[later] for n in outputs}
    assert 600.0 < 365.0 * found["gpp"].mean() < 2500.0
    assert 1.0 < found["lai"].max() <= 6.2
    for name in ("latent_heat", "sensible_heat"):
        observed = np.ravel(data[name].values)[later]
        there = np.isfinite(observed)
        assert np.corrcoef(observed[there], found[name][there])[0, 1] > 0.6, name
        assert abs(found[name][there].mean() - observed[there].mean()) < 25.0, name
