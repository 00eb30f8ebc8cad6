"""Soil carbon, soil water and its stress factors, and allocation, against tables of the originals; smooth forms and budgets."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from lsm_tables import check_gradients, columns, evaluate, rows, table, worst

from lsm_bayes.processes import allocation_ctem as ctem
from lsm_bayes.processes import allocation_friedlingstein as balance
from lsm_bayes.processes import (
    century_pools,
    decomposition_moisture,
    decomposition_temperature,
    richards,
    yasso,
)
from lsm_bayes.processes import soil_moisture_stress as stress


def one(x: float) -> np.ndarray:
    return np.array([x])


THICKNESS = (0.1, 0.3, 0.6, 1.0)  # m, of Noah-MP


def yasso_day(pools: Any, temperature: Any, precipitation: Any, litter: Any, split: Any, size: Any, above: Any, exudates: Any) -> Any:
    climate = yasso.temperature_factor(temperature) * yasso.precipitation_factor(precipitation)
    size = yasso.size_factor(size)
    layers = [yasso.decomposed(yasso.Litter(*pools[k : k + 4]), climate, size) for k in (0, 4)]
    lost = yasso.humus_loss(pools[8], climate)
    after = []
    for k, (layer, share) in enumerate(zip(layers, (above, 1.0 - above), strict=True)):
        after += [c + d + share * litter * s for c, d, s in zip(pools[4 * k : 4 * k + 4], layer.change, split[:4], strict=True)]
    after[5] = after[5] + exudates
    to_humus = [layer.to_humus for layer in layers]
    after.append(pools[8] + sum(to_humus) + split[4] * litter - lost)
    return after, sum(layer.respired for layer in layers) + lost, to_humus, lost


def test_yasso() -> None:
    d = table("jsbach_yasso")
    *pools, respired, above, below, lost = evaluate(
        yasso_day, columns(d["pools"]), d["t"] - 273.15, d["precip"] * 86400 * 365.25 / 1000, d["litter"], columns(d["coef"]), d["size"],
        d["f_above"], d["exudates"],
    )  # fmt: skip
    assert worst(pools, d["pools_new"].T) < 1e-9
    assert worst(-respired, d["respiration"]) < 1e-9
    assert worst(above, d["to_humus_above"]) < 1e-9
    assert worst(below, d["to_humus_below"]) < 1e-9
    assert worst(lost, d["humus_to_air"]) < 1e-9
    assert worst(above + below + d["litter"] * d["coef"][:, 4], d["to_humus_total"]) < 1e-9
    change = sum(pools[:8]) / d["pools"][:, :8].sum(axis=1) - 1.0
    assert worst(change, d["d_litter"]) < 1e-9
    # Carbon: the splits of litter add up to one in the table.
    assert np.allclose(d["coef"].sum(axis=1), 1.0)
    balance_ = sum(pools) - d["pools"].sum(axis=1) - d["litter"] - d["exudates"] + respired
    assert np.abs(balance_ / (d["litter"] + d["exudates"] + respired)).max() < 1e-8


def test_yasso_numbers_of_the_specification_and_gradients() -> None:
    factors = evaluate(
        lambda t, p, s: [yasso.temperature_factor(t), yasso.precipitation_factor(p), yasso.size_factor(s)], one(10.0), one(0.8), one(4.0)
    )
    assert [f.item() for f in factors] == pytest.approx([2.247908, 0.62015804, 0.53087234], rel=1e-6)
    check_gradients(
        lambda a, t, p, k: yasso.decomposed(
            yasso.Litter(a, 20.0, 10.0, 300.0),
            yasso.temperature_factor(t) * yasso.precipitation_factor(p),
            rates=yasso.Litter(**yasso.RATES)._replace(acid=k),
        ),
        {"a": 100.0, "t": 10.0, "p": 0.8, "k": 0.72},
    )


def test_century_pools_of_orchidee() -> None:
    d = table("orchidee_soilcarbon")

    def day(clay: Any, inputs: Any, temperature: Any, moisture: Any, carbon: Any) -> Any:
        warm = decomposition_temperature.century(temperature, np.exp(0.69))
        moist = decomposition_moisture.century(moisture)
        return warm, moist, century_pools.step(century_pools.Pools(*carbon), century_pools.Pools(*inputs), clay, warm * moist)

    warm, moist, *pools, respired = evaluate(day, d["clay"], columns(d["input"]), d["t"] - 273.15, d["moist"], columns(d["carbon"]))
    assert worst(warm, d["control_temp"]) < 1e-9
    assert worst(moist, d["control_moist"]) < 1e-9
    assert worst(pools, d["carbon_new"].T) < 1e-9
    assert worst(respired, d["respiration"]) < 1e-9
    off = sum(pools) + respired - d["carbon"].sum(axis=1) - d["input"].sum(axis=1)
    assert np.abs(off / (respired + d["input"].sum(axis=1))).max() < 1e-8


def test_stress_of_cable() -> None:
    d = table("cable_fwsoil")
    wet = columns((d["theta"] - d["wilt"][:, None]) / (d["fc"] - d["wilt"])[:, None])
    roots, above = columns(d["froot"]), columns(d["theta"] - d["wilt"][:, None])
    threshold = 1.0 - 0.02 / (d["fc"] - d["wilt"])
    assert worst(evaluate(stress.root_weighted, wet, roots, d["vbeta"])[0], d["fw_leuning"]) < 1e-9
    assert worst(evaluate(stress.root_weighted, wet, roots)[0], d["fw_medlyn"]) < 1e-9
    assert worst(evaluate(stress.nonlinear, wet, roots, threshold)[0], d["fw_nonlinear"]) < 1e-9
    assert worst(evaluate(stress.lai_katul, above, d["sat"])[0], d["fw_laikatul"]) < 1e-9


def noah_stress(liquid: Any, wilting: Any, capacity: Any, saturation: Any, suction: Any, b: Any, at_wilting: Any, layers: Any) -> Any:
    potential = [stress.matric_potential(w, saturation, suction, b, at_wilting) for w in liquid]
    return [
        stress.thickness_weighted(factors, layers)
        for factors in (
            [stress.available(w, wilting, capacity) for w in liquid],
            [stress.clm_type(p, suction, at_wilting) for p in potential],
            [stress.ssib_type(p, at_wilting) for p in potential],
        )
    ]


def test_stress_of_noah() -> None:
    d = table("noahmp_soil")
    layers = [np.where(k < d["n_root"], THICKNESS[k], 0.0) for k in range(4)]
    found = evaluate(noah_stress, columns(d["theta_liq"]), d["wilt"], d["fc"], d["theta_sat"], d["psi_sat"], d["b"], d["psi_wilt"], layers)
    for got, name in zip(found, ("btran_noah", "btran_clm", "btran_ssib"), strict=True):
        assert worst(got, d[name]) < 1e-9, name


def noah_step(option: int) -> Callable[..., Any]:
    def step(
        liquid: Any, ice: Any, impervious: Any, soil: Any, slope: Any, infiltration: Any, evaporation: Any, roots: Any, dt: Any
    ) -> Any:
        soil = richards.Soil(*soil)
        total = [w + i for w, i in zip(liquid, ice, strict=True)]
        if option == 1:
            moving = [richards.impervious_hydraulics(w, soil, f) for w, f in zip(total, impervious, strict=True)]
        else:
            most = ice[0]
            for i in ice[1:]:
                most = richards.larger(most, i)
            moving = [richards.liquid_hydraulics(w, soil, most) for w in liquid]
        drainage = slope * moving[-1].conductivity
        driving = total if option == 1 else liquid
        after = richards.step(liquid, driving, moving, THICKNESS, infiltration - evaporation, roots, drainage, dt)
        return richards.within_pores(after, ice, soil.saturation, THICKNESS), [m[0] for m in moving], [m[1] for m in moving], drainage

    return step


@pytest.mark.parametrize("option", [1, 2])
def test_richards_step_of_noah(option: int) -> None:
    d = table("noahmp_soil")
    d = rows(d, d["perm_option"] == option)
    soil = [d[n] for n in ("theta_sat", "b", "k_sat", "d_sat")]
    found = evaluate(
        noah_step(option), columns(d["theta_liq"]), columns(d["ice"]), columns(d["imperv"]), soil, d["slope"], d["infil"], d["evap"],
        columns(d["transp"]), d["dt"],
    )  # fmt: skip
    water, excess, conductivity, diffusivity, drainage = found[:4], found[4], found[5:9], found[9:13], found[13]
    assert worst(water, d["theta_new"].T) < 1e-9
    assert worst(excess, d["sat_excess"]) == 0.0
    assert worst(conductivity, d["k"].T) < 1e-9
    assert worst(diffusivity, d["d"].T) < 1e-9
    assert worst(drainage, d["drain"]) < 1e-9
    moved = d["dt"] * (d["infil"] - d["evap"] - d["transp"].sum(axis=1) - drainage)
    change = sum(h * (after - before) for h, after, before in zip(THICKNESS, water, d["theta_liq"].T, strict=True))
    size = d["dt"] * (d["infil"] + np.abs(d["evap"]) + d["transp"].sum(axis=1) + drainage)
    assert np.abs((change + excess - moved) / size).max() < 1e-8


def test_water_beyond_the_pores_is_not_lost() -> None:
    for width in (0.0, 0.01):
        found = evaluate(
            lambda w, i, width=width: richards.within_pores(w, i, 0.4, THICKNESS, width),
            [one(w) for w in (0.6, 0.2, 0.5, 0.42)],
            [one(0.0)] * 4,
        )
        assert sum(h * w.item() for h, w in zip(THICKNESS, found[:4], strict=True)) + found[4].item() == pytest.approx(
            0.06 + 0.06 + 0.3 + 0.42
        )
    assert found[1].item() > 0.2


def test_gradients_of_soil_water() -> None:
    names = ("theta_sat", "b", "k_sat", "d_sat")

    def step(top: Any, theta_sat: Any, b: Any, k_sat: Any, d_sat: Any, infiltration: Any) -> Any:
        soil = richards.Soil(theta_sat, b, k_sat * 1e-6, d_sat * 1e-5)
        liquid = [top, 0.25, 0.28, 0.3]
        moving = [richards.liquid_hydraulics(w, soil, 0.0) for w in liquid]
        drainage = 0.3 * moving[-1].conductivity
        after = richards.step(liquid, liquid, moving, THICKNESS, infiltration * 1e-6, [1e-8] * 4, drainage, 1800.0)
        return richards.within_pores(after, [0.0] * 4, theta_sat, THICKNESS, 0.005)

    check_gradients(step, {"top": 0.39, **dict(zip(names, (0.4, 6.0, 9.0, 3.0), strict=True)), "infiltration": 5.0})
    check_gradients(
        lambda a, b, v: [
            stress.root_weighted([a, b], [0.6, 0.4], v, 0.02),
            stress.nonlinear([a, b], [0.6, 0.4], 0.9, 0.02),
            stress.lai_katul([0.1 * a, 0.1 * b], 0.4, width=0.01),
        ],
        {"a": 0.5, "b": 0.99, "v": 1.3},
    )


def test_smooth_stress_converges() -> None:
    arguments = [one(0.02), one(0.99)], [one(0.6), one(0.4)]
    exact = evaluate(stress.root_weighted, *arguments)[0]
    off = [abs(evaluate(lambda r, f: stress.root_weighted(r, f, 1.0, w), *arguments)[0] - exact).item() for w in (0.02, 0.002, 0.0002)]  # noqa: B023
    assert off[0] > off[1] > off[2] and off[2] < 1e-12


def traits(d: dict[str, np.ndarray], k: int) -> ctem.Traits:
    names = ("omega", "epsilon_leaf", "epsilon_stem", "epsilon_root", "kn", "eta", "kappa", "root_shoot_min")
    return ctem.Traits(*(float(d[n][k]) for n in names))


@pytest.mark.parametrize(("column", "grass"), [(0, False), (1, True)])
@pytest.mark.parametrize("state", [1, 2, 3])
def test_allocation_of_ctem(column: int, grass: bool, state: int) -> None:
    d = table("classic_allocation")
    p = traits(d, column)
    assert d["leaf_onset_fraction"][column] == 1.0
    d = rows(d, d["leaf_state"][:, column] == state)

    def day(roots: Any, water: Any, wilting: Any, capacity: Any, lai: Any, leaf: Any, stem: Any, root: Any) -> Any:
        mean = [sum(f * x for f, x in zip(roots, layers, strict=True)) for layers in (water, wilting, capacity)]
        moist = stress.clip(stress.available(*mean), 0.0, 1.0)
        light = ctem.light_status(lai, p.extinction, grass, ctem.EXACT)
        fractions = ctem.normal(light, moist, p, grass)
        if state == 1 and not grass:
            fractions = ctem.only_leaves(fractions)
        if state == 3:
            fractions = ctem.no_leaves(fractions)
        return moist, light, ctem.with_structure(fractions, leaf, stem, root, p, ctem.EXACT)

    c = [d[n][:, column] for n in ("lai", "leaf", "stem", "root")]
    layers = [columns(d[n]) for n in ("theta", "wilt", "fc")]
    moist, light, *fractions = evaluate(day, columns(d["root_frac"][:, column]), *layers, *c)
    assert worst(moist, d["water_status"][:, column]) < 1e-9
    assert worst(light, d["light_status"][:, column]) < 1e-9
    for got, name in zip(fractions, ("leaf_frac", "stem_frac", "root_frac_alloc"), strict=True):
        # The source leaves a rounding error where a fraction is zero.
        assert worst(got, d[name][:, column], 1e-6) < 1e-9, name
    assert np.abs(sum(fractions) - 1.0).max() < 1e-12


TREE = ctem.Traits(0.8, 0.35, 0.05, 0.60, 0.5, 30.8, 1.6, 0.16)


def test_allocation_of_ctem_smooth() -> None:
    found = evaluate(lambda s: ctem.normal(ctem.light_status(3.0 + 0.0 * s, 0.5, False), s, TREE, False), one(0.6))
    assert [f.item() for f in found] == pytest.approx([0.18027337, 0.34586521, 0.47386142], rel=1e-7)

    def day(widths: ctem.Widths) -> Callable[..., Any]:
        def fractions(moist: Any, lai: Any, leaf: Any, stem: Any, root: Any, sensitivity: Any) -> Any:
            p = TREE._replace(sensitivity=sensitivity)
            return ctem.with_structure(
                ctem.normal(ctem.light_status(lai, 0.5, False, widths), moist, p, False), leaf, stem, root, p, widths
            )

        return fractions

    point = {"moist": 0.6, "lai": 3.0, "leaf": 0.1, "stem": 0.8, "root": 0.15, "sensitivity": 0.8}
    check_gradients(day(ctem.SMOOTH), point)
    values = [one(v) for v in point.values()]
    exact = evaluate(day(ctem.EXACT), *values)
    off = [worst(evaluate(day(ctem.Widths(*(f * w for w in ctem.SMOOTH))), *values), exact, 1.0) for f in (1.0, 0.1, 0.01)]
    assert off[0] > off[2] and off[2] < 1e-6


def allocation(tree: bool, widths: balance.Widths) -> Callable[..., Any]:
    p = balance.Traits(reserve=0.5 if tree else 1.0)
    weights = balance.depth_weights((0.1, 0.5, 2.0), p.nitrogen_depth)

    def day(lai: Any, since: Any, moisture: Any, soil: Any, humidity: Any, age: Any, reserve: Any) -> Any:
        temperature, humid = (sum(w * x for w, x in zip(weights, layers, strict=True)) for layers in (soil, humidity))
        used = balance.reserve_use(lai, reserve, since, 30.0 if tree else 20.0, p, widths)
        light, below = balance.limitations(lai, moisture, temperature, humid, p, widths)
        return balance.fractions(*balance.shares(light, below, lai, p, widths), age, reserve - sum(used), p, tree, widths), used

    return day


@pytest.mark.parametrize("tree", [False, True])
def test_allocation_of_orchidee(tree: bool) -> None:
    d = table("orchidee_allocation")
    d = rows(d, (d["tree"] > 0.5) == tree)
    reserve = d["biomass"][:, 7]
    found = evaluate(
        allocation(tree, balance.EXACT), d["lai"], d["when_growth"], d["moist_week"], columns(d["t_soil"] - 273.15), columns(d["h_soil"]),
        d["age"], reserve,
    )  # fmt: skip
    assert np.array_equal(d["ecureuil"], np.full(len(reserve), 0.5 if tree else 1.0))
    # Senescent plants and those without leaves keep all in the reserve.
    idle = (d["senescence"] > 0.5) | (d["biomass"][:, 0] <= 0)
    fractions, (leaves, roots) = found[:6], found[6:]
    for got, part in zip(fractions, (0, 1, 2, 5, 6, 7), strict=True):
        assert worst(np.where(idle, float(part == 7), got), d["f_alloc"][:, part], 1e-12) < 1e-9, part
    assert np.abs(sum(fractions) - 1.0).max() < 1e-12
    given = [np.where(idle, 0.0, g) for g in (leaves, roots)]
    after = d["biomass"].copy()
    after[:, 0] += given[0]
    after[:, 5] += given[1]
    after[:, 7] -= sum(given)
    assert worst(after, d["biomass_new"]) < 1e-9


def test_allocation_of_orchidee_smooth() -> None:
    p, exact = balance.Traits(), balance.EXACT
    climate = [one(v) for v in (3.0, 0.6, 15.0, 1.0)]
    light = evaluate(lambda lai, *rest: balance.limitations(lai, *rest, p, exact)[0], *climate)[0]
    shares = evaluate(lambda lai, light: balance.shares(light, 0.5 + 0.0 * lai, lai, p, exact), one(3.0), light)
    assert [s.item() for s in shares] == pytest.approx([0.36026079, 0.47555624, 0.16418297], rel=1e-7)
    point = {"lai": 2.45, "moisture": 0.52, "soil": 15.0, "humid": 0.6, "age": 4.0, "reserve": 495.0}

    def day(widths: balance.Widths) -> Callable[..., Any]:
        inner = allocation(True, widths)
        return lambda lai, moisture, soil, humid, age, reserve: inner(
            lai, 0.0 * lai + 10.0, moisture, [soil] * 3, [humid] * 3, age, reserve
        )

    check_gradients(day(balance.SMOOTH), point)
    values = [one(v) for v in point.values()]
    exact = np.ravel([np.ravel(v) for v in evaluate(day(balance.EXACT), *values)])
    forms = (balance.Widths(*(f * w for w in balance.SMOOTH)) for f in (1.0, 0.1, 0.01))
    off = [worst(np.ravel([np.ravel(v) for v in evaluate(day(form), *values)]), exact, 1.0) for form in forms]
    assert off[0] > off[1] > off[2]
