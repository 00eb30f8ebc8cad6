"""List the models, or describe one."""

import argparse
from typing import TYPE_CHECKING, Any

from lsm_bayes.commands.verb import Verb, print_columns

if TYPE_CHECKING:
    from lsm_bayes.declare import ProcessModel


def _models_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", help="process model to describe; without it, list all")


def _models(arguments: argparse.Namespace) -> int:
    import lsm_bayes.models as models
    from lsm_bayes import land

    if arguments.model:
        _describe(land.get(arguments.model))
        return 0
    print("Process models (lsm_bayes.land):")
    print_columns((f"  {name}", land.get(name).title) for name in land.available())
    if models.available():
        print("\nCalibrations (lsm_bayes.models) and their reference posteriors:")
        print_columns((f"  {name}", verdict(models.reference_posterior(name)), title) for name, title in models.available().items())
    return 0


def verdict(record: dict[str, Any] | None) -> str:
    """Say in a few words whether a reference posterior passes its checks.

    Parameters
    ----------
    record : dict or None
        From `lsm_bayes.models.reference_posterior`.

    Returns
    -------
    str
        Such as ``"passes, R-hat 1.001"`` or ``"no reference"``.
    """
    if record is None:
        return "no reference"
    if record["passed"]:
        return f"passes, R-hat {record['checks']['rhat']['value']:.4f}"
    return "fails " + ", ".join(f"{n} ({c['value']:.4g})" for n, c in record["checks"].items() if not c["passed"])


def _describe(model: "ProcessModel") -> None:
    print(f"{model.name}: {model.title}")
    for title, declared in (("Parameters", model.parameter_table), ("Initial states", model.state_parameters)):
        print(f"\n{title}:")
        header = ("  name", "default", "bounds", "unit", "level", "meaning")
        rows = (
            (f"  {name}", f"{default:g}", f"{p.bounds[0]:g} to {p.bounds[1]:g}", p.unit, p.level, p.description)
            for name, (p, default) in declared.items()
        )
        print_columns([header, *rows])
    for title, quantities in (("Forcing", model.forcing_quantities), ("Fluxes", model.flux_quantities)):
        print(f"\n{title}:")
        print_columns((f"  {name}", q.unit, q.description) for name, q in quantities.items())
    if model.citations:
        print("\nCitations:", *model.citations, sep="\n  ")


MODELS = Verb("models", "list the models, or describe one", ("lsm-bayes models", "lsm-bayes models dalec_cdea"), _models_arguments, _models)
