"""A PyMC model with an emulator in the place of the process model: the same priors, the emulator's variance in the likelihood."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.model.fgraph import (
    ModelDeterministic,
    ModelFreeRV,
    ModelObservedRV,
    ModelPotential,
    ModelVar,
    fgraph_from_model,
    model_from_fgraph,
)
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import ancestors

from lsm_bayes.inference.inverse import InverseProblem, as_problem
from lsm_bayes.trajectory import Trajectory

from .emulator import Emulator
from .extent import ellipsoid

LIKELIHOOD, BOUND = "emulated", "within_runs"
SOFTNESS = 0.1
"""How steep the bound at the runs is: 10 % beyond them in distance cost two nats, 20 % ten."""


def emulated_model(
    model: pm.Model | InverseProblem,
    emulator: Emulator,
    *,
    variance: bool = True,
    accept: bool = False,
    bounded: bool = True,
) -> pm.Model:
    """Put an emulator in the place of the process model.

    The likelihood is that of `InverseProblem`, normal with the parameters of the error models held, with the covariance of the emulator
    added to that of the errors. Along the principal components both are diagonal, so that it costs one term for each component. Potentials
    that run the process model are left out.

    Parameters
    ----------
    model : pymc.Model or InverseProblem
        Gives priors, observations and errors.
    emulator : Emulator
        Of its whitened predictions, from `fit_emulator`.
    variance : bool
        Carry the emulator's variance. Without, the mean is taken as if it were the model; posteriors are then too narrow, by as much as
        the emulator is wrong.
    accept : bool
        Take an emulator that the stop rule (`Validation.require`) refuses.
    bounded : bool
        Hold the posterior softly to the ellipsoid around the emulator's runs. Beyond it the emulator extrapolates and its variance is
        too small: a sampler finds the places where that looks good. A posterior that lies at the bound needs runs there.

    Returns
    -------
    pymc.Model
        Free variables on which predictions depend, their deterministics, and the potentials ``emulated`` and, if bounded,
        ``within_runs``, which is 0 among the runs.

    Raises
    ------
    ValueError
        If the emulator is of other parameters or outputs.
    EmulatorRefusedError
        If it is not good enough.
    """
    problem = as_problem(model)
    if tuple(problem.names) != emulator.names or problem.observed.size != emulator.components.mean.size:
        raise ValueError(
            f"the emulator is of {emulator.components.mean.size} outputs of {', '.join(emulator.names)}; the model has "
            f"{problem.observed.size} observations and depends on {', '.join(problem.names)}"
        )
    if not accept:
        emulator.validation.require()
    found = priors_of(problem)
    with found:
        x = active_vector(problem, found)
        pm.Potential(LIKELIHOOD, log_likelihood(problem, emulator, x, variance=variance))
        if bounded:
            centre, precision = ellipsoid(emulator.runs.x)
            square = pt.sum((x - centre) * pt.dot(precision, x - centre))
            pm.Potential(BOUND, -0.5 * (pt.maximum(square - 1.0, 0.0) / SOFTNESS) ** 2)
    return found


def log_likelihood(problem: InverseProblem, emulator: Emulator, x: Variable, *, variance: bool = True) -> Variable:
    """Log-likelihood of an emulator as a graph, nats.

    Parameters
    ----------
    problem : InverseProblem
        Gives the observations.
    emulator : Emulator
        Of its predictions.
    x : tensor
        Active elements, shape (d,).
    variance : bool
        Carry the emulator's variance.

    Returns
    -------
    tensor
        A number.
    """
    c = emulator.components
    residual = problem.observed - c.mean
    kept, left = c.kept @ residual, c.left @ residual
    outside = max(float(residual @ residual - kept @ kept - left @ left), 0.0)
    mean, spread = emulator.scores_graph(x)
    rest = problem.observed.size - len(kept) - len(left)
    if not variance:
        return problem.log_normaliser - 0.5 * pt.sum((kept - mean) ** 2) - 0.5 * (left @ left + outside)
    total = 1.0 + spread
    fixed = np.concatenate([1.0 + c.left_variance, np.full(rest, 1.0 + c.outside)])
    constant = problem.log_normaliser - 0.5 * np.sum(np.log(fixed))
    constant -= 0.5 * (np.sum(left**2 / (1.0 + c.left_variance)) + outside / (1.0 + c.outside))
    return constant - 0.5 * pt.sum((kept - mean) ** 2 / total + pt.log(total))


def active_vector(problem: InverseProblem, model: pm.Model) -> Variable:
    """Active elements of a problem as a graph of the variables of a model with the same priors.

    Parameters
    ----------
    problem : InverseProblem
        Says what is active.
    model : pymc.Model
        From `priors_of`.

    Returns
    -------
    tensor
        Unconstrained values, shape (d,).
    """
    parts = []
    for name, where in problem.slices.items():
        if not _is_active(problem, name):
            continue
        rv = model[name]
        transform = model.rvs_to_transforms[rv]
        value = rv if transform is None else transform.forward(rv, *rv.owner.inputs)
        parts.append(pt.specify_shape(pt.as_tensor(value, allow_xtensor_conversion=True).ravel(), (where.stop - where.start,)))
    return pt.concatenate(parts)


def priors_of(problem: InverseProblem) -> pm.Model:
    """Copy the priors of what is inferred, without data and without process model.

    Parameters
    ----------
    problem : InverseProblem
        Of which model.

    Returns
    -------
    pymc.Model
        Free variables that are active, and those on which their priors depend; deterministics and potentials of these alone.
    """
    graph, _ = fgraph_from_model(problem.model, inlined_views=True)
    nodes = [n for n in graph.apply_nodes if isinstance(n.op, ModelVar)]
    by_name = {n.outputs[0].name: n for n in nodes}
    wanted = [by_name[n].outputs[0] for n in problem.slices if _is_active(problem, n)]
    keep = {v.owner for v in ancestors(wanted) if v.owner is not None}
    for node in nodes:
        if node in keep:
            continue
        above = [v.owner for v in ancestors(node.inputs) if v.owner is not None]
        of_these = all(n in keep for n in above if isinstance(n.op, ModelFreeRV))
        runs = any(isinstance(n.op, Trajectory) for n in above)
        if isinstance(node.op, ModelFreeRV | ModelObservedRV) or (
            isinstance(node.op, ModelDeterministic | ModelPotential) and (runs or not of_these)
        ):
            graph.remove_node(node)
    found = model_from_fgraph(graph, mutate_fgraph=True)
    order = list(problem.slices)
    found.free_RVs.sort(key=lambda rv: order.index(rv.name))  # so that flat vectors have the order of the problem's
    return found


def _is_active(problem: InverseProblem, name: str) -> bool:
    where = problem.slices[name]
    return bool(np.any((problem.active >= where.start) & (problem.active < where.stop)))
