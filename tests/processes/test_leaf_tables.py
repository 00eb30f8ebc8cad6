"""Leaves of other land models against tables of the originals; smooth forms, gradients of implicit solutions."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from lsm_tables import Table, check_gradients, evaluate, rows, table, worst

from lsm_bayes.processes import canopy_respiration, farquhar, jarvis, leaf_photosynthesis, stomata
from lsm_bayes.processes import conductance_quadratic as cable
from lsm_bayes.processes import coupled_leaf as fates
from lsm_bayes.processes import iterated_leaf as noah
from lsm_bayes.processes import yin_struik_leaf as orchidee

REFERENCE, GAS = fates.REFERENCE, fates.GAS_CONSTANT


def jsbach_leaf(c3: bool, form: leaf_photosynthesis.LeafForm) -> Callable[..., Any]:
    """Return both stages, with the conductance between them reduced by a factor, and net primary production."""

    def exchange(
        vcmax: Any, jmax: Any, celsius: Any, pressure: Any, par: Any, light: Any, co2: Any, nitrogen: Any, water: Any, width: float = 0.0
    ) -> Any:
        inhibition = leaf_photosynthesis.light_inhibition(2.0 * par)
        if c3:
            rates: Any = leaf_photosynthesis.rates_c3(celsius, inhibition, vcmax, jmax / vcmax, leaf_photosynthesis.JSBACH, form)
        else:
            rates = leaf_photosynthesis.rates_c4(celsius, inhibition, vcmax, 1e3 * jmax, leaf_photosynthesis.JSBACH, form)
        rates = leaf_photosynthesis.with_nitrogen(rates, nitrogen)
        air = leaf_photosynthesis.air_per_volume(celsius, pressure, form.zero, form.gas_constant)
        internal = (0.87 if c3 else 0.67) * co2
        net = leaf_photosynthesis.assimilation(rates, light, internal, form) - rates.respiration
        unstressed = leaf_photosynthesis.conductance(net, internal, co2, air, 4e-5 if width > 0 else 0.0)
        stressed = water * unstressed
        conducted = stressed * air / leaf_photosynthesis.WATER_PER_CO2
        gross = leaf_photosynthesis.assimilation_at_conductance(rates, light, conducted, co2, form)
        inside = leaf_photosynthesis.internal_co2(gross - rates.respiration, conducted, co2, width)
        costs = canopy_respiration.autotrophic(gross, rates.respiration, 0.4, 0.2, paid_ahead=False, width=width * 1e-3)
        return unstressed, stressed, inside, gross, rates.respiration, gross - sum(costs)

    return exchange


JSBACH = ("carbox", "etransport", "t", "p", "par", "apar", "ca", "nscl", "water_factor")


@pytest.mark.parametrize("c3", [True, False])
def test_assimilation_of_jsbach(c3: bool) -> None:
    d = table("jsbach_assimilation")
    d = rows(d, (d["c4"] < 0.5) == c3)
    d["t"] = d["t"] - 273.15
    found = evaluate(jsbach_leaf(c3, leaf_photosynthesis.JSBACH_SOURCE), *(d[n] for n in JSBACH))
    for got, name in zip(found, ("gs0", "gs", "ci", "a", "rd", "npp"), strict=True):
        assert worst(got, d[name]) < 1e-9, name


def test_gradients_of_the_jsbach_leaf() -> None:
    for c3 in (True, False):
        inner = jsbach_leaf(c3, leaf_photosynthesis.JSBACH_FORM)

        def scaled(vcmax: Any, celsius: Any, par: Any, co2: Any, water: Any, inner: Any = inner) -> Any:
            return inner(1e-6 * vcmax, 1.9e-6 * vcmax, celsius, 1e5, 1e-6 * par, 0.5e-6 * par, 1e-6 * co2, 0.8, water, 1e-6)

        check_gradients(scaled, {"vcmax": 60.0, "celsius": [25.0, 2.0], "par": [800.0, 20.0], "co2": 400.0, "water": 0.5})


def test_functions_of_fates() -> None:
    d = table("fates_leaf_functions")

    def functions(vcmax: Any, ci: Any, o2: Any, star: Any, kc: Any, ko: Any, par: Any, jmax: Any, t: Any) -> Any:
        k = fates.Kinetics(kc, ko, star)
        electrons = fates.electron_transport(par, jmax)
        return (
            fates.rubisco_limited(vcmax, ci, k, o2),
            electrons,
            fates.light_limited(electrons, ci, star),
            farquhar.arrhenius(t, 65330.0, REFERENCE, GAS),
            farquhar.deactivated(t, 149250.0, 485.0, REFERENCE, GAS),
        )

    found = evaluate(functions, *(d[n] for n in ("vcmax", "ci", "o2", "gamma_star", "kc", "ko", "par", "jmax", "t")))
    for got, name in zip(found, ("a_c", "je_fvcb", "a_j", "ft1", "fth"), strict=True):
        assert worst(got, d[name]) < 1e-9, name

    def open_(net: Any, saturated: Any, air: Any, co2: Any) -> Any:
        given = co2, air, saturated, 101325.0, 2e6, 1e4
        return stomata.medlyn(net, *given, 4.1, form=stomata.EXACT), stomata.ball_berry(net, *given, 8.0, form=stomata.EXACT)

    medlyn, ball_berry = evaluate(open_, *(d[n] for n in ("a_net", "e_sat", "e_air", "cs")))
    assert worst(medlyn, d["gs_medlyn"]) < 1e-9
    assert worst(ball_berry, d["gs_bb"]) < 1e-9


def test_stomata_of_the_specification() -> None:
    values = [np.array([x]) for x in (15.0, 39.5, 1400.0, 2339.0, 101325.0, 2e6, 1e4)]
    medlyn = evaluate(lambda *x: stomata.medlyn(*x, 4.1, form=stomata.EXACT), *values)[0]
    ball_berry = evaluate(lambda *x: stomata.ball_berry(*x, 8.0, form=stomata.EXACT), *values)[0]
    assert medlyn.item() == pytest.approx(3.5417360649e5, rel=1e-9)
    assert ball_berry.item() == pytest.approx(2.0577455319e5, rel=1e-9)


def test_rates_of_fates() -> None:
    d = table("fates_leaf")
    c3, water = d["c3"] > 0.5, d["btran"]
    on_vcmax, on_jmax = np.where(d["btran_ag"] > 0, water, 1.0), np.where(d["btran_ag"] > 1, water, 1.0)

    def rates(t: Any, p: Any, o2: Any, growth: Any, home: Any) -> Any:
        v, j, ratio = fates.acclimated(growth, home)
        k = fates.kinetics(t, p, o2)
        plain = [fates.thermal_factor(t, r) for r in (fates.VCMAX, fates.JMAX, v, j, fates.RESPIRATION)]
        return k, plain, ratio, fates.vcmax_factor_c4(t), fates.pep_factor_c4(t)

    found = evaluate(rates, *(d[n] for n in ("t", "p", "o2")), d["t_growth"] - 273.15, d["t_home"] - 273.15)
    for got, name in zip(found[:3], ("kc", "ko", "gamma_star"), strict=True):
        assert worst(got, d[name]) < 1e-9, name
    v, j, v_acclimated, j_acclimated, respiration, ratio, v_c4, pep_c4 = found[3:]
    acclimated = d["acclim"] > 0.5
    top = d["vcmax25"] * d["nscaler"]
    vcmax = top * np.where(c3, np.where(acclimated, v_acclimated, v), v_c4)
    jmax = np.where(acclimated, top * ratio * j_acclimated, d["jmax25"] * d["nscaler"] * j)
    assert worst(vcmax * on_vcmax, d["vcmax"]) < 1e-9
    assert worst(jmax * on_jmax, d["jmax"]) < 1e-9
    assert worst(np.where(c3, 0.0, d["kp25"] * d["nscaler"] * pep_c4), d["kp"]) < 1e-9
    assert worst(0.015 * top * respiration, d["rd"]) < 1e-9
    option = d["btran_gs"]
    assert worst(d["g0"] * np.where(np.isin(option, (1, 3, 5)), water, 1.0), d["g0_eff"]) < 1e-9
    g1 = np.where(d["model"] == 2, d["g1"], d["bb_slope"])
    assert worst(g1 * np.where(np.isin(option, (2, 3)), water, 1.0), d["g1_eff"]) < 1e-9
    assert worst(np.where(np.isin(option, (4, 5)) & (d["model"] == 2), water, 1.0), d["g2_eff"]) < 1e-9
    used = evaluate(stomata.limited_vapour_pressure, d["e_air"], d["e_sat"])[0]
    assert worst(used, d["e_air_used"]) < 1e-9


LEAF = (
    "vcmax",
    "jmax",
    "kp",
    "g0_eff",
    "g1_eff",
    "g2_eff",
    "kc",
    "ko",
    "gamma_star",
    "e_sat",
    "rd",
    "par",
    "p",
    "co2",
    "o2",
    "e_air",
    "gb",
)


def leaf(
    c3: bool, medlyn: bool, form: fates.Form, opening: stomata.Form, unlimited: bool = False, steps: int = fates.NEWTON_STEPS
) -> Callable[..., Any]:
    def exchange(*given: Any) -> Any:
        x = dict(zip(LEAF, given, strict=True))
        if c3:
            k = fates.Kinetics(x["kc"], x["ko"], x["gamma_star"])
            electrons = 1e6 + 0.0 * x["par"] if unlimited else fates.electron_transport(x["par"], x["jmax"])
            gross = fates.gross_c3(x["vcmax"], electrons, k, x["o2"], form)
        else:
            gross = fates.gross_c4(x["vcmax"], x["par"], x["kp"], x["p"], form)

        def conductance(net: Any, surface: Any) -> Any:
            air = surface, x["e_air"], x["e_sat"], x["p"], x["gb"], x["g0_eff"], x["g1_eff"]
            return stomata.medlyn(net, *air, x["g2_eff"], opening) if medlyn else stomata.ball_berry(net, *air, opening)

        return fates.exchange(gross, conductance, x["rd"], x["co2"], x["p"], x["gb"], x["g0_eff"], steps)

    return exchange


def solved(c3: bool, medlyn: bool) -> tuple[Table, list[np.ndarray]]:
    d = table("fates_leaf")
    chosen = ((d["c3"] > 0.5) == c3) & ((d["model"] == 2) == medlyn)
    if c3:
        chosen &= d["je_model"] == 1
    d = rows(d, chosen)
    return d, evaluate(leaf(c3, medlyn, fates.EXACT, stomata.EXACT), *(d[n] for n in LEAF))


@pytest.mark.parametrize("medlyn", [False, True])
@pytest.mark.parametrize("c3", [True, False])
def test_coupled_leaf_of_fates(c3: bool, medlyn: bool) -> None:
    d, (gross, net, conductance, internal) = solved(c3, medlyn)
    assert worst(gross, d["a_gross"], 1e-9) < 1e-9
    assert worst(net, d["a_net"]) < 1e-9
    assert worst(conductance, d["gs"]) < 1e-9
    lit = d["par"] > 0  # in the dark the source leaves internal CO2 unset
    assert worst(internal[lit], d["ci"][lit]) < 1e-9


def test_leaf_of_fates_that_rubisco_limits_whatever_the_electron_transport() -> None:
    # Electron transport of Johnson & Berry (2021) is not in the specification: only leaves that it does not limit are compared.
    d = table("fates_leaf")
    d = rows(d, (d["c3"] > 0.5) & (d["je_model"] == 2) & (d["par"] > 0))
    found = [evaluate(leaf(True, medlyn, fates.EXACT, stomata.EXACT, unlimited=True), *(d[n] for n in LEAF)) for medlyn in (False, True)]
    gross = np.where(d["model"] == 2, found[1][0], found[0][0])
    limited = np.abs(gross - d["a_gross"]) < 1e-9 * d["a_gross"]
    assert limited.sum() == 18
    assert (gross[~limited] > d["a_gross"][~limited]).all()


POINT = {"vcmax": 50.0, "light": 600.0, "g1": 4.1, "g0": 1e4, "rd": 0.8, "co2": 40.0, "e_air": 1400.0, "gb": 2e6}


def smooth_leaf(c3: bool, medlyn: bool, form: fates.Form = fates.SMOOTH, opening: stomata.Form = stomata.SMOOTH) -> Callable[..., Any]:
    def exchange(vcmax: Any, light: Any, g1: Any, g0: Any, rd: Any, co2: Any, e_air: Any, gb: Any) -> Any:
        slope = g1 if medlyn else 2.0 * g1
        return leaf(c3, medlyn, form, opening, steps=6)(
            vcmax, 1.7 * vcmax, 2e4 * vcmax, g0, slope, 1.0, 39.0, 27000.0, 4.3, 2339.0, rd, light, 101325.0, co2, 21000.0, e_air, gb
        )

    return exchange


@pytest.mark.parametrize(("c3", "medlyn"), [(True, True), (True, False), (False, True)])
def test_gradients_of_the_implicit_leaf(c3: bool, medlyn: bool) -> None:
    # Nearly dark, where light and Rubisco limit alike, and bright.
    check_gradients(smooth_leaf(c3, medlyn), POINT | {"light": [0.5, 30.0, 200.0, 600.0]})


def test_smooth_coupled_leaf_converges() -> None:
    values = [np.array([v]) for v in POINT.values()]
    exact = evaluate(smooth_leaf(True, True, fates.EXACT, stomata.EXACT), *values)
    off = []
    for f in (1.0, 0.1, 1e-5):
        form = fates.Form(1.0 - 0.02 * f, width=0.02 * f)
        opening = stomata.Form(*(f * w for w in stomata.SMOOTH))
        off.append(worst(evaluate(smooth_leaf(True, True, form, opening), *values), exact))
    assert off[0] > off[1] > off[2] and off[2] < 1e-4


def test_responses_of_cable() -> None:
    d = table("cable_responses")

    def responses(t: Any, par: Any, alpha: Any, convex: Any, vmax: Any) -> Any:
        return (
            cable.thermal_factor(t, cable.VCMAX),
            cable.thermal_factor(t, cable.JMAX),
            cable.thermal_factor_c4(t),
            cable.respiration_factor(t),
            0.25 * cable.light_response(alpha * par, vmax, convex),
            cable.light_response(alpha * par, vmax, convex),
        )

    found = evaluate(responses, *(d[n] for n in ("t", "par", "alpha", "convex", "vmax")))
    for got, name in zip(found, ("f_vcmax3", "f_jmax3", "f_vcmax4", "f_rd", "j3", "j4"), strict=True):
        assert worst(got, d[name]) < 1e-9, name


def cable_leaf(c3: bool, form: cable.Form) -> Callable[..., Any]:
    def net(cs: Any, half: Any, twice: Any, residual: Any, rd: Any, vcmax: Any, light: Any, slope: Any, water: Any) -> Any:
        open_ = cable.Stomata(residual * water / cable.WATER_PER_CO2, slope)
        if c3:
            rubisco = cable.limited_c3(vcmax, half, 0.5 * twice, rd, cs, open_, form.width)
            electrons = cable.limited_c3(light, twice, 0.5 * twice, rd, cs, open_, form.width)
            return cable.least((rubisco, electrons, 0.5 * vcmax - rd), rd, form)
        return cable.least((vcmax - rd, light - rd, cable.limited_by_pep(vcmax, rd, cs, open_)), rd, form)

    return net


def test_photosynthesis_of_cable() -> None:
    d = table("cable_photosynthesis")
    c3 = d["vcmax4"] == 0
    assert 0 < c3.sum() < c3.size
    for plants, names in ((c3, ("vcmax3", "vx3")), (~c3, ("vcmax4", "vx4"))):
        r = rows(d, plants)
        found = evaluate(
            cable_leaf(bool(plants is c3), cable.EXACT), *(r[n] for n in ("cs", "cx1", "cx2", "g_min", "rd", *names, "gs_coeff", "fw"))
        )
        assert worst(found[0], r["an"]) < 1e-9


CABLE = {"cs": 370.0, "half": 600.0, "twice": 80.0, "residual": 0.01, "rd": 0.8, "vcmax": 50.0, "light": 25.0, "slope": 0.02, "water": 0.7}


def test_cable_smooth() -> None:
    for c3 in (True, False):

        def micro(form: cable.Form, c3: bool = c3) -> Callable[..., Any]:
            inner = cable_leaf(c3, form)
            return lambda cs, half, twice, residual, rd, vcmax, light, slope, water: (
                1e6 * inner(1e-6 * cs, 1e-6 * half, 1e-6 * twice, residual, 1e-6 * rd, 1e-6 * vcmax, 1e-6 * light, 1e6 * slope, water)
            )

        check_gradients(micro(cable.SMOOTH), CABLE | {"light": [25.0, 0.3]})
        values = [np.array([v]) for v in CABLE.values()]
        exact = evaluate(micro(cable.EXACT), *values)
        off = [worst(evaluate(micro(cable.Form(1.0 - 0.01 * f, 1e-6 * f)), *values), exact) for f in (1.0, 0.1, 1e-5)]
        assert off[0] > off[1] > off[2] and off[2] < 1e-4


NOAH = (
    "t_leaf",
    "o2",
    "kc25",
    "ko25",
    "q10_kc",
    "q10_ko",
    "vcmx25",
    "q10_v",
    "factor",
    "apar",
    "qe25",
    "co2",
    "e_air",
    "e_sat",
    "p",
    "t_air",
    "rb",
    "slope",
    "g_min",
)


def noah_leaf(pathway: noah.Pathway, form: noah.Form) -> Callable[..., Any]:
    def exchange(*given: Any) -> Any:
        x = dict(zip(NOAH, given, strict=True))
        half, star = noah.kinetics(x["t_leaf"], x["o2"], x["kc25"], x["ko25"], (x["q10_kc"], x["q10_ko"]))
        rates = noah.Rates(x["vcmx25"] * x["factor"] * noah.vcmax_factor(x["t_leaf"], x["q10_v"]), half, star)
        return noah.exchange(rates, *(x[n] for n in NOAH[9:]), pathway, form)

    return exchange


def test_leaf_of_noah() -> None:
    d = table("noahmp_ballberry")
    d = d | {"factor": np.minimum(d["foln"] / d["folnmx"], 1.0) * d["btran"]}
    for pathway in (noah.C3, noah.C4):
        # Out of season nothing limits but the season itself: its factor is that of all three rates.
        r = rows(d, (d["c3"] > 0.5) == pathway.c3)
        grows = r["grow"] > 0.5
        r = r | {"factor": r["factor"] * grows, "qe25": r["qe25"] * grows}
        assimilation, resistance = evaluate(noah_leaf(pathway, noah.EXACT), *(r[n] for n in NOAH))
        assert worst(assimilation, r["a"]) < 1e-9
        assert worst(resistance, r["rs"]) < 1e-9


def test_noah_smooth() -> None:
    point = dict(
        zip(
            NOAH,
            (295.0, 21000.0, 30.0, 3e4, 2.1, 1.2, 50.0, 2.4, 0.8, 60.0, 0.06, 40.0, 1400.0, 2600.0, 1e5, 294.0, 40.0, 9.0, 2e3),
            strict=True,
        )
    )
    for pathway in (noah.C3, noah.C4):

        def named(form: noah.Form, pathway: noah.Pathway = pathway) -> Callable[..., Any]:
            return lambda **x: noah_leaf(pathway, form)(*(x[n] for n in NOAH))

        check_gradients(named(noah.SMOOTH), point)
        values = [np.array([v]) for v in point.values()]
        exact = evaluate(noah_leaf(pathway, noah.EXACT), *values)
        off = [worst(evaluate(noah_leaf(pathway, noah.Form(1.0 - 0.01 * f, 0.02 * f)), *values), exact) for f in (1.0, 0.1, 1e-5)]
        assert off[0] > off[1] > off[2] and off[2] < 1e-4


def test_jarvis_of_noah() -> None:
    d = table("noahmp_jarvis")

    def resistance(light: Any, t: Any, e: Any, p: Any, soil: Any, least: Any, most: Any, rgl: Any, hs: Any, optimum: Any) -> Any:
        return jarvis.resistance(light, t, e, p, soil, jarvis.Traits(least, most, rgl, hs, optimum), jarvis.EXACT)

    names = ("apar", "t_leaf", "e_air", "p", "btran", "rs_min", "rs_max", "rgl", "hs", "t_opt")
    assert worst(evaluate(resistance, *(d[n] for n in names))[0], d["rs"]) < 1e-9
    check_gradients(
        lambda light, t, e, soil, least: jarvis.resistance(light, t, e, 1e5, soil, jarvis.Traits(least)),
        {"light": 60.0, "t": 274.0, "e": 640.0, "soil": 0.6, "least": 150.0},
    )


ORCHIDEE = ("vc", "j", "kmc", "kmo", "gamma_star", "g0", "gm", "fvpd", "rd", "ca", "gb_co2", "sco")


def orchidee_leaf(c3: bool, form: orchidee.Form) -> Callable[..., Any]:
    def exchange(vc: Any, j: Any, kmc: Any, kmo: Any, star: Any, g0: Any, gm: Any, fvpd: Any, rd: Any, ca: Any, gb: Any, sco: Any) -> Any:
        if c3:
            limits = orchidee.limits_c3(vc, j, kmc, kmo, star, sco)
            return orchidee.exchange_c3(limits, star, rd, ca, gb, gm, g0, fvpd, form)
        return orchidee.exchange_c4(orchidee.limits_c4(vc, j, kmc, kmo, sco), sco, rd, ca, gb, g0, fvpd, form=form)

    return exchange


@pytest.mark.parametrize("c3", [True, False])
def test_cubic_of_orchidee(c3: bool) -> None:
    d = table("orchidee_cubic")
    d = rows(d, (d["c4"] < 0.5) == c3)
    net, conductance, internal = evaluate(orchidee_leaf(c3, orchidee.EXACT), *(d[n] for n in ORCHIDEE))
    assert worst(net, d["a"]) < 1e-9
    assert worst(conductance, d["gs"]) < 1e-9
    # The source finds internal CO2 from the carboxylation rate, which amplifies the rounding of its root, and where C4 plants fix all
    # that they could, divides by a guard: these rows are no solution of its equations.
    solved = np.abs(internal - d["ci"]) < 1e-8 * d["ca"]
    assert solved.sum() >= (121 if c3 else 51), solved.sum()


def test_cubic_numbers_of_the_specification() -> None:
    values = [
        np.array([v])
        for v in (45.0, 0.0, 404.9, 278400.0, 42.75, 0.00625, 0.4, 1.0 / (1.0 / 0.71 - 1.0), 0.45, 400.0, 25 * 0.0446 / 1.6, 0.0)
    ]

    def exchange(*x: Any) -> Any:
        by_rubisco = orchidee.Limit(x[0], x[2] * (1.0 + 210000.0 / x[3]))
        return orchidee.exchange_c3(
            (by_rubisco, by_rubisco), x[4], x[8], x[9], x[10], x[6], x[5], orchidee.humidity_factor(1.0 + 0.0 * x[7]), orchidee.EXACT
        )

    assert evaluate(exchange, *values)[0].item() == pytest.approx(9.9243858, rel=1e-8)


def test_orchidee_smooth() -> None:
    point = dict(zip(ORCHIDEE, (45.0, 60.0, 405.0, 2.784e5, 42.75, 0.00625, 0.4, 2.4, 0.45, 400.0, 0.7, 2800.0), strict=True))
    for c3 in (True, False):

        def named(form: orchidee.Form, c3: bool = c3) -> Callable[..., Any]:
            return lambda **x: orchidee_leaf(c3, form)(*(x[n] for n in ORCHIDEE))

        check_gradients(named(orchidee.SMOOTH), point | {"j": [60.0, 3.0]})
        values = [np.array([v]) for v in point.values()]
        exact = evaluate(orchidee_leaf(c3, orchidee.EXACT), *values)
        off = [worst(evaluate(orchidee_leaf(c3, orchidee.Form(1.0 - 0.01 * f, 1e-3 * f, True)), *values), exact) for f in (1.0, 0.1, 1e-5)]
        assert off[0] > off[1] > off[2] and off[2] < 1e-4


def test_nan_goes_through_the_coupled_leaf() -> None:
    broken = ("vcmax", "co2", "rd", "g0")
    values = [np.array([np.nan if n == b else v for b in broken]) for n, v in POINT.items()]
    for form, opening in ((fates.SMOOTH, stomata.SMOOTH), (fates.EXACT, stomata.EXACT)):
        _, net, conductance, internal = evaluate(smooth_leaf(True, True, form, opening), *values)
        # A rewrite makes 0 of NaN times 0 below the compensation point, so internal CO2 alone may stay finite without vcmax.
        assert np.isnan(net).all() and np.isnan(conductance).all() and np.isnan(internal[1:]).all()
