"""Variational methods: 4D-Var, global search, ADVI, Pathfinder; each says by Pareto k whether its result is to be trusted."""

from .advi import advi
from .cost import AssimilationCost
from .four_d_var import four_d_var
from .global_search import global_search
from .importance import Judgement, judge
from .incremental import Descent, gauss_newton
from .pathfinder import pathfinder

__all__ = ["AssimilationCost", "Descent", "Judgement", "advi", "four_d_var", "gauss_newton", "global_search", "judge", "pathfinder"]
