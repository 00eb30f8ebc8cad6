"""What a derived kernel is compared with: finite differences, the same step in `pytensor.scan`, and plausible weather to run on."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import Mode
from pytensor.link.vm import VMLinker

from lsm_bayes.declare import Parameter, ProcessModel

LEVELS = 8  # step sizes of the finite differences
RATIO = 8.0  # of one to the next: few kinks lie within the smallest


def plausible_weather(names: Sequence[str], days: np.ndarray, step_length: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Make up forcing with seasons, weather, and a daily cycle where the step is shorter than a day.

    Parameters
    ----------
    names : sequence of str
        Quantities of the vocabulary.
    days : numpy.ndarray
        d since 1 January of the first year, middle of each step.
    step_length : float
        d.
    rng : numpy.random.Generator
        Source of the weather.

    Returns
    -------
    dict of str to numpy.ndarray
        One series for each name, in the unit of the vocabulary.

    Raises
    ------
    KeyError
        For a quantity that has no generator; pass it to the battery as ``forcing={name: series}``.
    """
    season = -np.cos(2 * np.pi * (days - 20) / 365.25)
    hour = -np.cos(2 * np.pi * days) if step_length < 1 else np.zeros(days.size)
    weather, cloud, spell = rng.normal(size=days.size), rng.uniform(0.35, 1.0, days.size), rng.uniform(size=days.size)
    mean = 9 + 9 * season + 4 * hour + 2 * weather
    light = np.maximum(0.0, np.pi * hour) if step_length < 1 else np.ones(days.size)
    made: dict[str, Callable[[], np.ndarray]] = {
        "air_temperature": lambda: mean,
        "air_temperature_min": lambda: mean - 3 - 2 * cloud,
        "air_temperature_max": lambda: mean + 3 + 4 * cloud,
        "soil_temperature": lambda: 8 + 7 * season + hour,
        "ppfd_down": lambda: 24 * (12 + 9 * season) * cloud * light,
        "solar_hour": lambda: 24 * (days % 1),
        "shortwave_down": lambda: (12 + 9 * season) * cloud * light,
        "par_down": lambda: 0.5 * (12 + 9 * season) * cloud * light,
        "photosynthetically_active_radiation": lambda: 2.0 * (12 + 9 * season) * cloud * light,
        "longwave_down": lambda: 310 + 40 * season - 20 * cloud,
        "net_radiation": lambda: (70 + 70 * season) * cloud * light - 20 * (1 - light),
        "vapour_pressure_deficit": lambda: (6 + 4 * season) * (0.3 + cloud) * (1 + 0.5 * hour),
        "soil_vapour_pressure_deficit": lambda: (5 + 3 * season) * cloud,
        "vapour_pressure": lambda: 9 + 5 * season - 2 * cloud,
        "irrigation": lambda: np.where(spell > 0.98, 5.0, 0.0),
        "precipitation": lambda: np.where(spell < 0.4, 20 * spell, 0.0),
        "mean_air_temperature": lambda: np.full(days.size, 9.0),
        "mean_precipitation": lambda: np.full(days.size, 1.6),
        "air_pressure": lambda: 98 + 0.5 * weather,
        "wind_speed": lambda: 1 + 3 * cloud,
        "co2": lambda: 395 + 3 * season + 0.5 * weather,
        "burned_area": lambda: np.where(spell > 0.97, 0.05 * cloud, 0.0),
        "fapar": lambda: 0.6 + 0.25 * season,
        "cloud_fraction": lambda: 1.1 - cloud,
        "day_of_year": lambda: np.floor(days) % 365 + 1,
        "day_number": lambda: days,
        "step_length": lambda: np.full(days.size, step_length),
        "latitude": lambda: np.full(days.size, 48.0),
        "elevation": lambda: np.full(days.size, 350.0),
        "lai": lambda: 2.5 + 1.5 * season,
        "gpp": lambda: (4 + 3.5 * season) * cloud * light,
        "soil_water": lambda: 30 - 10 * season + 2 * weather,
        "evaporation_ratio": lambda: (0.6 - 0.3 * season) * (0.8 + 0.2 * cloud),
        "litterfall": lambda: (1.2 - 0.8 * season) * (0.5 + cloud),
        "resource_availability": lambda: np.exp(0.3 * weather - 0.045),
    }
    absent = [n for n in names if n not in made]
    if absent:
        raise KeyError(
            f"no plausible values are known for {', '.join(absent)}; give them as forcing={{name: series of {days.size} values}}"
        )
    return {n: made[n]() for n in names}


def plausible_forcing(
    model: ProcessModel, steps: int, step_length: float, rng: np.random.Generator, given: Mapping[str, Any] | None = None
) -> dict[str, np.ndarray]:
    """Make up the whole forcing of a process model.

    Parameters
    ----------
    model : ProcessModel
        The model.
    steps : int
        Length of the series.
    step_length : float
        d.
    rng : numpy.random.Generator
        Source of the weather.
    given : mapping of str to array_like, optional
        Series to use in place of made-up ones.

    Returns
    -------
    dict of str to numpy.ndarray
        Forcing of the step, derived forcing included, (steps,), and of a nested step, as many times longer as it is faster.

    Raises
    ------
    KeyError
        For a quantity that has no generator.
    """
    days = 60 + step_length * (np.arange(steps) + 0.5)
    found = {n: np.asarray(v, dtype=float) for n, v in (given or {}).items()}
    series = model.completed(found | plausible_weather([n for n in model.given_forcing if n not in found], days, step_length, rng))
    made = {n for d in model.derived_forcing for n in d.names}
    only_needed = set(model.given_forcing) - set(model.forcing_quantities)
    found = {n: np.broadcast_to(v, days.shape) if n in made else v for n, v in series.items() if n not in only_needed}
    if model.nested is not None:
        rate = model.nested.steps
        fast = step_length / rate * (np.arange(steps * rate) + 0.5) + 60
        found |= plausible_weather([n for n in model.nested_forcing if n not in found], fast, step_length / rate, rng)
    return found


def inside(declared: Parameter, fraction: np.ndarray) -> np.ndarray:
    """Return values inside the bounds of a parameter.

    Parameters
    ----------
    declared : Parameter
        Bounds and prior.
    fraction : numpy.ndarray
        Place between the bounds, 0 to 1; on the logarithmic scale where the prior is.

    Returns
    -------
    numpy.ndarray
        Values in the declared unit.
    """
    low, high = declared.bounds
    origin = declared.prior.origin
    if declared.prior.distribution.startswith("log_"):
        return origin + (low - origin) * ((high - origin) / (low - origin)) ** fraction
    return low + (high - low) * fraction


def extrapolated_derivative(
    differences: np.ndarray, rounding: np.ndarray | float = 0.0, ratio: float = RATIO
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Extrapolate central differences to step zero.

    Parameters
    ----------
    differences : numpy.ndarray
        (level, ...); the step of each level is that of the one before divided by `ratio`.
    rounding : numpy.ndarray or float
        What rounding does to the first level; it grows as the step shrinks.
    ratio : float
        Of successive steps.

    Returns
    -------
    tuple of numpy.ndarray
        Derivative, estimate of its error, and the part of it that is rounding: of Neville's table the entry that agrees best with its
        neighbours (Ridders 1982, doi 10.1016/S0141-1195(82)80057-0), though no better than rounding allows. A kink between the points of
        the coarse levels spoils only the entries that use them.
    """
    best, error = differences[0].copy(), np.full(differences[0].shape, np.inf)
    noise = np.broadcast_to(rounding, best.shape).astype(float)
    previous = [differences[0]]
    for level in range(1, len(differences)):
        row = [differences[level]]
        least = np.broadcast_to(rounding, best.shape) * ratio**level
        for order in range(1, level + 1):
            factor = ratio ** (2 * order)
            value = (factor * row[-1] - previous[order - 1]) / (factor - 1)
            here = np.maximum(np.maximum(np.abs(value - row[-1]), np.abs(value - previous[order - 1])), least)
            nearer = here < error
            best, error, noise = np.where(nearer, value, best), np.where(nearer, here, error), np.where(nearer, least, noise)
            row.append(value)
        previous = row
    return best, error, noise


def differences(run: Callable[[np.ndarray], list[np.ndarray]], point: np.ndarray, step: np.ndarray) -> list[np.ndarray]:
    """Differentiate all outputs with respect to all inputs by central differences, with a table of steps for each input.

    Parameters
    ----------
    run : callable
        Maps inputs (n_input, members) to outputs (n, time, members); members are independent.
    point : numpy.ndarray
        (n_input,).
    step : numpy.ndarray
        (n_input,), the largest step.

    Returns
    -------
    list of numpy.ndarray
        (level, n, time, n_input) for each output.
    """
    sizes = step[None, :] / RATIO ** np.arange(LEVELS)[:, None]
    n = point.size
    members = np.broadcast_to(point[:, None, None, None], (n, LEVELS, n, 2)).copy()
    for i in range(n):
        members[i, :, i, 0] += sizes[:, i]
        members[i, :, i, 1] -= sizes[:, i]
    # What floating point made of the step, not what was asked for.
    moved = np.stack([members[i, :, i, 0] - members[i, :, i, 1] for i in range(n)], axis=-1)
    found = []
    for output in run(members.reshape(n, -1)):
        both = output.reshape(*output.shape[:2], LEVELS, n, 2)
        found.append(np.moveaxis((both[..., 0] - both[..., 1]) / moved, 2, 0))
    return found


def scan_gradient(model: ProcessModel, forcing: Mapping[str, np.ndarray]) -> Callable[..., list[np.ndarray]]:
    """Build the trajectory and its gradient from the same step with `pytensor.scan`, interpreted, without rewrites.

    Parameters
    ----------
    model : ProcessModel
        The model.
    forcing : mapping of str to numpy.ndarray
        Series of the step, and of the nested step with more values.

    Returns
    -------
    callable
        ``f(parameters (n, points), initial (n, points), weights...) -> [outputs (n, time, points)..., parameter gradient, initial
        gradient]`` of the weighted sum of states, fluxes and fast fluxes; weights (n, time).
    """
    nested = model.nested
    p, x = pt.dmatrix("p"), pt.dmatrix("x")
    mode = Mode(VMLinker(c_thunks=False), None)
    n_p, n_x = len(model.parameters._fields), len(model.state._fields)  # type: ignore[attr-defined]
    n_z = len(nested.state._fields) if nested else 0  # type: ignore[attr-defined]
    numbers = [p[i] for i in range(n_p)]
    like = (numbers or [x[0]])[0]

    def wide(values: Sequence[Any]) -> list[Any]:
        return [pt.cast(pt.broadcast_arrays(pt.as_tensor(v), like)[0], "float64") for v in values]

    def scanned(step: Callable[..., list[Any]], sequences: list[Any], start: list[Any], n_made: int, fixed: list[Any]) -> list[Any]:
        return pytensor.scan(
            step,
            sequences=sequences,
            outputs_info=[*start, *([None] * n_made)],
            non_sequences=fixed,
            return_list=True,
            return_updates=False,
        )

    series = [pt.as_tensor(np.asarray(forcing[n], dtype=float)) for n in model.forcing._fields]  # type: ignore[attr-defined]
    start = [x[i] for i in range(n_x + n_z)]
    n_y = len(model.fluxes._fields)  # type: ignore[attr-defined]
    if nested is None:

        def one(*a: Any) -> list[Any]:
            f, now, q = a[: len(series)], a[len(series) : len(series) + n_x], a[len(series) + n_x :]
            following, fluxes = model.step(model.state(*now), model.forcing(*f), model.parameters(*q))
            return wide([*following, *fluxes])

        made = scanned(one, series, start, n_y, numbers)
        outputs = [(start, made[:n_x]), ([], made[n_x:])]
    else:
        names = nested.forcing._fields  # type: ignore[attr-defined]
        both = model.forcing._fields  # type: ignore[attr-defined]
        held = {n: np.repeat(forcing[n], nested.steps) if n in both else np.asarray(forcing[n], dtype=float) for n in names}
        fast = [pt.as_tensor(held[n].reshape(-1, nested.steps)) for n in names]
        n_f = len(nested.fluxes._fields)  # type: ignore[attr-defined]

        def inner(*a: Any) -> list[Any]:
            g, z, rest = a[: len(fast)], a[len(fast) : len(fast) + n_z], a[len(fast) + n_z :]
            following, fluxes = nested.step(nested.state(*z), model.state(*rest[:n_x]), nested.forcing(*g), model.parameters(*rest[n_x:]))
            return wide([*following, *fluxes])

        def outer(*a: Any) -> list[Any]:
            f, g, rest = a[: len(series)], a[len(series) : len(series) + len(fast)], a[len(series) + len(fast) :]
            now, z, q = rest[:n_x], rest[n_x : n_x + n_z], rest[n_x + n_z :]
            run = scanned(inner, list(g), list(z), n_f, [*now, *q])
            ends, fluxes = [s[-1] for s in run[:n_z]], run[n_z:]
            following, fast_following, out = model.step(
                model.state(*now),
                nested.state(*ends),
                nested.fluxes(*(v.mean(axis=0) for v in fluxes)),
                model.forcing(*f),
                model.parameters(*q),
            )
            return [*wide([*following, *fast_following, *out]), *fluxes]

        made = scanned(outer, [*series, *fast], start, n_y + n_f, numbers)
        n = n_x + n_z
        outputs = [(start, made[:n]), ([], made[n : n + n_y]), ([], [v.reshape((-1, v.shape[2])) for v in made[n + n_y :]])]
    stacked = [
        pt.stack([pt.concatenate([s[None], v]) for s, v in zip(first, following, strict=True)] if first else following)
        for first, following in outputs
    ]
    weights = [pt.tensor(f"w{i}", shape=(None, None, 1), dtype="float64") for i in range(len(stacked))]
    loss = sum((w * v).sum() for w, v in zip(weights, stacked, strict=True))
    return pytensor.function([p, x, *weights], [*stacked, *pytensor.grad(loss, [p, x], disconnected_inputs="ignore")], mode=mode)
