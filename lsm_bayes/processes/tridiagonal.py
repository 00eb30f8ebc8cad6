"""Linear equations that couple each layer to its neighbours, as implicit steps of water and heat in soil make them."""

from collections.abc import Sequence
from typing import Any


def solve(below: Sequence[Any], diagonal: Sequence[Any], above: Sequence[Any], right: Sequence[Any]) -> list[Any]:
    """Solve a tridiagonal system by elimination without pivoting (Thomas; Press et al. 2007, Numerical Recipes, section 2.4).

    It is written out, layer by layer, so that derivatives are those of the solution. Without pivoting it is stable where the diagonal
    outweighs the rest of its row, as in implicit diffusion.

    Parameters
    ----------
    below : sequence of tensor
        Factors of the layer before, of rows 1 to n - 1; length n - 1.
    diagonal : sequence of tensor
        Factors of the layer itself; length n.
    above : sequence of tensor
        Factors of the layer behind, of rows 0 to n - 2; length n - 1.
    right : sequence of tensor
        Right-hand side; length n.

    Returns
    -------
    list of tensor
        Solution, length n.

    Raises
    ------
    ValueError
        When the lengths do not fit.
    """
    n = len(diagonal)
    if n < 1 or len(right) != n or len(below) != n - 1 or len(above) != n - 1:
        raise ValueError(
            f"got {len(below)} factors below, {n} on, {len(above)} above the diagonal and {len(right)} right-hand sides; "
            "n layers have n - 1, n, n - 1 and n"
        )
    ratios, values = list[Any](), [right[0] / diagonal[0]]
    pivot = diagonal[0]
    for k in range(1, n):
        ratios.append(above[k - 1] / pivot)
        pivot = diagonal[k] - below[k - 1] * ratios[-1]
        values.append((right[k] - below[k - 1] * values[-1]) / pivot)
    for k in range(n - 2, -1, -1):
        values[k] = values[k] - ratios[k] * values[k + 1]
    return values
