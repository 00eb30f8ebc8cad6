"""What a land modeller declares: parameters, pools, forcing, fluxes and one symbolic step.

Everything else (kernels, adjoints, priors, transforms, units, the table in the README) is derived from it, so a mistake
is reported here, with the field that is wrong and the list of what exists.
"""

import math
from collections import namedtuple
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_type_hints

import numpy as np

from lsm_bayes.graphs import trace
from lsm_bayes.vocabulary import QUANTITIES, Quantity, parse_unit, unknown

LEVELS = ("global", "pft", "site")
LINKS = ("logit", "log_logit", "identity")
DISTRIBUTIONS = ("uniform", "log_uniform", "normal", "log_normal")


@dataclass(frozen=True, slots=True)
class Prior:
    """Prior of one parameter inside its bounds.

    Parameters
    ----------
    distribution : {"uniform", "log_uniform", "normal", "log_normal"}
        All are truncated to the bounds of the parameter.
    centre : float, optional
        Mean of ``normal``, median of ``log_normal`` (before truncation), in the parameter's unit.
    spread : float, optional
        Standard deviation of ``normal`` in the parameter's unit; of the logarithm for ``log_normal``.
    origin : float
        The logarithm of ``log_uniform`` and ``log_normal`` is that of the value minus this: 1 for a leaf lifespan that
        exceeds one year.
    """

    distribution: Literal["uniform", "log_uniform", "normal", "log_normal"] = "log_uniform"
    centre: float | None = None
    spread: float | None = None
    origin: float = 0.0

    def __post_init__(self) -> None:
        if self.distribution not in DISTRIBUTIONS:
            raise ValueError(unknown("prior distribution", self.distribution, DISTRIBUTIONS))
        needs = self.distribution in ("normal", "log_normal")
        if needs and (self.centre is None or self.spread is None or not self.spread > 0):
            raise ValueError(f"a {self.distribution} prior needs a centre and a positive spread; got {self.centre!r} and {self.spread!r}")
        if not needs and (self.centre is not None or self.spread is not None):
            raise ValueError(f"a {self.distribution} prior has no centre or spread; got {self.centre!r} and {self.spread!r}")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter or initial pool of a process model, as declared on one line.

    Parameters
    ----------
    unit : str
        CF notation, ``"1"`` for dimensionless.
    bounds : tuple of float
        Lower and upper bound, enforced in every calibration.
    description : str
        One sentence.
    prior : Prior, optional
        Default: log-uniform between the bounds.
    level : {"global", "pft", "site"}
        Over what the parameter varies by default when several sites are calibrated together.
    period : float, optional
        The parameter is a date that repeats with this period (365.25 for a day of the year); calibration samples
        one period only, because later ones are the same model.
    fixed : bool
        Kept at its default in a calibration unless it is given a prior there: memory of the model such as fluxes of the days before
        the start, about which data say nothing.
    """

    unit: str
    bounds: tuple[float, float]
    description: str
    prior: Prior = field(default_factory=Prior)
    level: Literal["global", "pft", "site"] = "site"
    period: float | None = None
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """A conserved stock: its change over a step is step length times gains minus losses.

    Parameters
    ----------
    stock : tuple of str
        States that are added up, or that `amount` uses.
    gain, loss : tuple of str
        Fluxes per day into and out of the stock.
    amount : callable, optional
        ``amount(state, parameters) -> expression``: the stock where the states are not simply added up, such as water per pore volume;
        of a model with a nested step the state holds the fast states too.
    """

    stock: tuple[str, ...]
    gain: tuple[str, ...]
    loss: tuple[str, ...]
    amount: Callable[[Any, Any], Any] | None = None


def extending(base: type, without: tuple[str, ...] = ()) -> Callable[[type], Any]:
    """Give a NamedTuple class the fields of another in front of its own: a model declares what it adds to the one it builds on.

    Parameters
    ----------
    base : NamedTuple class
        What is extended. A field declared anew takes the place of its own.
    without : tuple of str
        Fields of `base` that are left out.

    Returns
    -------
    callable
        Decorator of a NamedTuple class.
    """

    def joined(added: type) -> Any:
        parts: tuple[Any, Any] = (base, added)
        absent = [n for n in without if n not in parts[0]._fields]
        if absent:
            raise KeyError(unknown(f"field of {base.__name__} to leave out", absent[0], parts[0]._fields))
        fields = [(n, part) for part in parts for n in part._fields if part is added or n not in without]
        annotations = {n: get_type_hints(part, include_extras=True)[n] for n, part in fields}
        defaults = {n: part._field_defaults[n] for n, part in fields if n in part._field_defaults}
        behind = [n for n in annotations if n in defaults]
        if behind != list(annotations)[len(annotations) - len(behind) :]:
            raise TypeError(f"{added.__name__}: give all fields a default or none, as in {base.__name__}")
        made: Any = namedtuple(added.__name__, list(annotations), defaults=[defaults[n] for n in behind], module=added.__module__)  # type: ignore[misc]
        made.__annotations__, made.__doc__, made.__qualname__ = annotations, added.__doc__, added.__qualname__
        return made

    return joined


def with_fields(base: Any, added: Mapping[str, tuple[Any, float | None]]) -> Any:
    """Append declared fields to a NamedTuple class, for models that are made from others.

    Parameters
    ----------
    base : NamedTuple class
        What is extended.
    added : mapping of str to (Parameter or Quantity, float or None)
        Declaration and default; None for no default.

    Returns
    -------
    NamedTuple class
        With the fields of `base` in front.
    """
    defaults = dict(base._field_defaults) | {n: d for n, (_, d) in added.items() if d is not None}
    names = [*base._fields, *added]
    made: Any = namedtuple(base.__name__, names, defaults=[defaults[n] for n in names if n in defaults])  # type: ignore[misc]
    made.__annotations__ = get_type_hints(base, include_extras=True) | {n: Annotated[float, a] for n, (a, _) in added.items()}
    made.__doc__ = base.__doc__
    return made


def _fields(owner: type) -> dict[str, tuple[Any, Any]]:
    """Return name -> (annotation metadata or None, default or None) of a NamedTuple class."""
    if not (isinstance(owner, type) and issubclass(owner, tuple) and hasattr(owner, "_fields")):
        raise TypeError(f"{owner!r} is not a NamedTuple class; declare parameters, states, forcing and fluxes as typing.NamedTuple")
    hints = get_type_hints(owner, include_extras=True)
    found = {}
    for name in owner._fields:
        metadata = getattr(hints.get(name), "__metadata__", ())
        found[name] = (metadata[0] if metadata else None, owner._field_defaults.get(name))  # type: ignore[attr-defined]
    return found


def checked_parameters(model: str, role: str, owner: type) -> dict[str, tuple[Parameter, float]]:
    """Read and check the declaration of parameters.

    Parameters
    ----------
    model, role : str
        What they belong to and what they are, for messages.
    owner : NamedTuple class
        With fields ``Annotated[float, Parameter(...)] = default``.

    Returns
    -------
    dict of str to (Parameter, float)
        Declaration and default of each.

    Raises
    ------
    TypeError
        When it is no NamedTuple class, or a field has no declaration.
    ValueError
        For a missing default or description, and for units, bounds, levels and priors that make no sense.
    """
    found: dict[str, tuple[Parameter, float]] = {}
    for name, (declared, default) in _fields(owner).items():
        where = f"{model}: {role} {name!r}"
        if not isinstance(declared, Parameter):
            raise TypeError(f"{where} has no declaration; write {name}: Annotated[float, Parameter(unit, bounds, description)] = default")
        if default is None:
            raise ValueError(f"{where} has no default; write '= value' behind its annotation")
        try:
            parse_unit(declared.unit)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        low, high = declared.bounds
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"{where}: the bounds {declared.bounds} must be finite and increasing")
        if not low <= default <= high:
            raise ValueError(f"{where}: the default {default} lies outside the bounds [{low}, {high}]")
        if declared.level not in LEVELS:
            raise ValueError(f"{where}: {unknown('level', declared.level, LEVELS)}")
        if declared.prior.distribution.startswith("log_") and low <= declared.prior.origin:
            raise ValueError(
                f"{where}: a {declared.prior.distribution} prior needs a lower bound above {declared.prior.origin:g}, got {low}; "
                "choose 'uniform' or 'normal', or another origin"
            )
        if not declared.description:
            raise ValueError(f"{where}: the description is empty; say in one sentence what it is")
        found[name] = (declared, float(default))
    return found


def _checked_quantities(model: str, role: str, owner: type) -> dict[str, Quantity]:
    found = {}
    for name, (declared, _) in _fields(owner).items():
        if isinstance(declared, Quantity):
            parse_unit(declared.unit)
            found[name] = declared
        elif name in QUANTITIES:
            found[name] = QUANTITIES[name]
        else:
            raise KeyError(
                f"{model}: {unknown(role, name, QUANTITIES)} Use a name of the vocabulary, or declare it in place with "
                f"{name}: Annotated[float, Quantity({name!r}, unit, description)]."
            )
    return found


@dataclass(frozen=True)
class Equilibrium:
    """Periodic equilibrium of the slow pools, from means over a run that do not depend on them.

    Parameters
    ----------
    needs : tuple of str
        Fluxes whose means over whole years `pools` gets; they must not depend on the pools that it returns.
    pools : callable
        ``pools(means, parameters) -> dict`` of state name to value, where ``means`` maps the names in `needs` to expressions.
    held : tuple of str
        States that no balance determines, such as a sum without decay: a search for the periodic equilibrium leaves them where they are at
        the start of each cycle.
    """

    needs: tuple[str, ...]
    pools: Callable[[Mapping[str, Any], Any], dict[str, Any]]
    held: tuple[str, ...] = ()


@dataclass(frozen=True)
class Coordinates:
    """Coordinates for a group of parameters whose posterior would be a curved ridge in the parameters themselves.

    Parameters
    ----------
    parameters : tuple of str
        The group; each keeps its log-uniform prior inside its bounds.
    needs : tuple of str
        Other parameters that the map uses.
    function : callable
        ``function(cdf, known, bounds) -> (values, log_density)``, where ``cdf`` maps each name of the group to a number that is uniform
        on (0, 1), ``known`` holds the values of `needs`, and ``bounds`` those of the group. ``log_density`` is what makes the
        prior of the values log-uniform inside the bounds: the logarithm of the width of intervals that move; minus infinity where
        the bounds cannot be met.
    """

    parameters: tuple[str, ...]
    needs: tuple[str, ...]
    function: Callable[[Mapping[str, Any], Mapping[str, Any], Mapping[str, tuple[float, float]]], tuple[dict[str, Any], Any]]


@dataclass(frozen=True)
class DateShift:
    """A date whose prior is that of another event a known time away.

    Parameters
    ----------
    parameter : str
        The date; its prior applies to ``parameter - shift``, the day on which something is seen.
    needs : tuple of str
        Parameters that the shift depends on.
    function : callable
        ``function(known) -> shift`` in days.
    """

    parameter: str
    needs: tuple[str, ...]
    function: Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True)
class Constraint:
    """An inequality that a plausible ecosystem satisfies, between parameters or along a run.

    Parameters
    ----------
    name : str
        Identifier.
    description : str
        One sentence, with the paper.
    margin : callable
        ``margin(means, parameters) -> expression``, with `needs` ``margin(means, parameters, run) -> expression``: the logarithm of
        the ratio by which the inequality holds, negative where it does not, one number for each site. ``means`` maps the forcing to its
        mean over the fitted period, at every site; folded forcing is one number. ``run`` maps the names in `needs` to series
        (site, time), states with one more time. A function with a name, so that the declaration can be pickled.
    needs : tuple of str
        Fluxes and states that the margin reads; empty for a constraint on parameters alone.
    sets : tuple of str
        Sets of constraints that it belongs to; empty when it belongs to all, and is imposed where no set is named.
    graded : mapping of str to callable
        Sets in which the constraint says what is likely rather than what is possible: ``graded(means, parameters, run) -> expression``
        is the log density that these impose in place of a cost of the violation.
    """

    name: str
    description: str
    margin: Callable[..., Any]
    needs: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    graded: Mapping[str, Callable[..., Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class DerivedForcing:
    """Forcing that follows from whole series of other forcing: a sum since 1 January, the value of the step before, a mean climate.

    Parameters
    ----------
    names : tuple of str
        Forcing that is made.
    needs : tuple of str
        What it is made from; the step itself need not use it.
    function : callable
        ``function(series) -> dict`` of the names in `names`. ``series`` maps those in `needs` to arrays of one shape (..., time);
        what is made has that shape, or (...,) where it is one number for the run.
    """

    names: tuple[str, ...]
    needs: tuple[str, ...]
    function: Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Nested:
    """A faster step inside each step of a process model.

    The fast step runs ``steps`` times in each slow step. It sees the slow states as constants; the slow step then receives
    the means of the fast fluxes over its own step, and the fast states at its end.

    Parameters
    ----------
    step : callable
        ``step(fast_state, slow_state, forcing, parameters) -> (fast_state, fluxes)`` of 0-d tensors.
    state, forcing, fluxes : NamedTuple classes
        As in `ProcessModel`. The parameters are those of the enclosing model. Forcing that the slow step names too is given once
        for each slow step. A fast step without memory has a state without fields, and its times run in SIMD lanes.
    steps : int
        Fast steps in a slow step.
    finite_branches : bool
        Branches that a choice does not take, and their derivatives, are finite in the fast step. Its adjoint then need not mask them:
        half the code, and several times as fast for a long step.
    """

    step: Callable[..., tuple[Any, Any]]
    state: type
    forcing: type
    fluxes: type
    steps: int
    finite_branches: bool = False


@dataclass(frozen=True, eq=False)
class ProcessModel:
    """A deterministic land model: parameters, states, forcing, fluxes and one symbolic step.

    Parameters
    ----------
    name : str
        Identifier, lower case with underscores.
    title : str
        One line for tables and reports.
    step : callable
        ``step(state, forcing, parameters) -> (state, fluxes)``, written with 0-d PyTensor expressions and named tuples.
        With `nested`, ``step(state, fast_state, means, forcing, parameters) -> (state, fast_state, fluxes)``, where
        ``means`` are the fast fluxes averaged over the slow step.
    parameters : NamedTuple class
        Fields ``name: Annotated[float, Parameter(...)] = default``.
    state : NamedTuple class
        The same form; the declaration is that of the initial value.
    forcing, fluxes : NamedTuple classes
        Field names from the vocabulary, or annotated with a `Quantity`.
    citations : tuple of str
        Papers of the equations, with DOI.
    budgets : mapping of str to Budget
        Conserved stocks; ``lsm_bayes.testing.check_process_model`` verifies them.
    nested : Nested, optional
        A faster step inside each step.
    equilibrium : Equilibrium, optional
        Where the slow pools settle; calibration can start them there.
    coordinates : Coordinates, optional
        Better coordinates for a group of parameters; calibration uses them where the group is pooled alike.
    date_shifts : tuple of DateShift
        Dates whose prior is that of an observable day.
    constraints : tuple of Constraint
        Ecological and dynamical constraints; a calibration can impose those of one set.
    folded : tuple of str
        Forcing that is one number for a whole run and is compiled into the kernel as a constant, such as the step length:
        ``(1 - k)**1`` then costs nothing.
    derived_forcing : tuple of DerivedForcing
        Forcing that data need not give: it is made from the series of other forcing where it is absent.

    Raises
    ------
    TypeError, ValueError, KeyError
        When the declaration is inconsistent; the message names the field.
    """

    name: str
    title: str
    step: Callable[..., tuple[Any, ...]]
    parameters: type
    state: type
    forcing: type
    fluxes: type
    citations: tuple[str, ...] = ()
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    nested: Nested | None = None
    equilibrium: Equilibrium | None = None
    coordinates: Coordinates | None = None
    date_shifts: tuple[DateShift, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    folded: tuple[str, ...] = ("step_length",)
    derived_forcing: tuple[DerivedForcing, ...] = ()

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(f"the name of a process model is an identifier in lower case, got {self.name!r}")
        known = {*self.flux_quantities, *self.state_parameters}
        self.forcing_quantities  # noqa: B018  checked by being computed
        overlap = set(self.parameter_table) & set(self.state_parameters)
        if overlap:
            raise ValueError(f"{self.name}: {', '.join(sorted(overlap))} named both as parameter and as state; give them different names")
        for label, budget in self.budgets.items():
            for name in (*budget.stock, *budget.gain, *budget.loss):
                if name not in known:
                    raise KeyError(f"{self.name}: budget {label!r}: {unknown('state or flux', name, known)}")
        for i, constraint in enumerate(self.constraints):
            if constraint.name in [c.name for c in self.constraints[:i]]:
                raise ValueError(f"{self.name}: two constraints are named {constraint.name!r}; give each a name of its own")
            for name in constraint.needs:
                if name not in known:
                    raise KeyError(f"{self.name}: constraint {constraint.name!r}: {unknown('state or flux', name, known)}")
        for derived in self.derived_forcing:
            for names, possible in ((derived.names, self.forcing_quantities), (derived.needs, self.forcing_quantities | QUANTITIES)):
                for name in names:
                    if name not in possible:
                        raise KeyError(f"{self.name}: derived forcing: {unknown('forcing', name, possible)}")
        self._check_step()

    @property
    def parameter_table(self) -> dict[str, tuple[Parameter, float]]:
        """Parameters by name: declaration and default."""
        return checked_parameters(self.name, "parameter", self.parameters)

    @property
    def state_parameters(self) -> dict[str, tuple[Parameter, float]]:
        """Initial values of the states by name: declaration and default; fast states behind slow ones."""
        found = checked_parameters(self.name, "state", self.state)
        return found | (checked_parameters(self.name, "fast state", self.nested.state) if self.nested else {})

    @property
    def calibrated(self) -> dict[str, tuple[Parameter, float]]:
        """Parameters and initial pools together."""
        return self.parameter_table | self.state_parameters

    @property
    def forcing_quantities(self) -> dict[str, Quantity]:
        """Quantities of the forcing of the (slow) step, by name."""
        return _checked_quantities(self.name, "forcing", self.forcing)

    @property
    def nested_forcing(self) -> dict[str, Quantity]:
        """Quantities of the forcing that only the nested step has, by name."""
        if self.nested is None:
            return {}
        fast = _checked_quantities(self.name, "fast forcing", self.nested.forcing)
        return {n: q for n, q in fast.items() if n not in self.forcing_quantities}

    @property
    def nested_flux_quantities(self) -> dict[str, Quantity]:
        """Quantities of the fluxes of the nested step, by name."""
        return _checked_quantities(self.name, "fast flux", self.nested.fluxes) if self.nested else {}

    @property
    def given_forcing(self) -> tuple[str, ...]:
        """Names of what data have to give: forcing that is not derived, and what the derived is made from."""
        made = {n for d in self.derived_forcing for n in d.names}
        needed = (n for d in self.derived_forcing for n in d.needs)
        return tuple(n for n in dict.fromkeys((*self.forcing_quantities, *needed)) if n not in made)

    def completed(self, series: Mapping[str, Any]) -> dict[str, Any]:
        """Add the derived forcing that is absent.

        Parameters
        ----------
        series : mapping of str to array_like
            Forcing by name, numbers or arrays (..., time).

        Returns
        -------
        dict
            The same with derived forcing, as far as what it needs is there.
        """
        found = dict(series)
        for derived in self.derived_forcing:
            if any(n not in found for n in derived.names) and all(n in found for n in derived.needs):
                arrays = np.broadcast_arrays(*(np.asarray(found[n], dtype=float) for n in derived.needs))
                made = derived.function(dict(zip(derived.needs, arrays, strict=True)))
                found |= {n: made[n] for n in derived.names if n not in found}
        return found

    @property
    def flux_quantities(self) -> dict[str, Quantity]:
        """Quantities of the fluxes of the (slow) step, by name."""
        return _checked_quantities(self.name, "flux", self.fluxes)

    @property
    def constraint_sets(self) -> tuple[str, ...]:
        """Names of the sets of constraints."""
        return tuple(dict.fromkeys(s for c in self.constraints for s in c.sets))

    def _check_step(self) -> None:
        # Finds misspelt fields at once, in milliseconds. A step with another inside takes a second, and is traced when it is first used:
        # a list of all land models would else wait for a dozen of them.
        if self.nested is None:
            trace(self)
