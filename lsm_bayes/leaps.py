"""Linear algebra of the search for a fixed point: plain functions whose source goes into generated kernels.

``slopes`` and ``once`` are globals of such a kernel: they run a process model through a cycle, with and without derivatives.
"""

import numpy as np


def leap(jacobian: np.ndarray, residual: np.ndarray, pools: np.ndarray, floor: np.ndarray, tolerance: float, bold: bool) -> tuple:
    """Change of the pools over as many cycles of the linearised map as can be trusted.

    Over m cycles it is ``(1 + J + ... + J^(m-1)) (F(x) - x)``; m is doubled. Its limit is the step of Newton's method where all eigenvalues
    are below one. Where one is not, as in a canopy that is growing, that step points away from where the model goes; the leap does not.

    Parameters
    ----------
    jacobian : (k, k) array
        Of one cycle.
    residual : (k,) array
        Change over one cycle.
    pools, floor : (k,) array
        Where the cycle starts, and what counts as nothing.
    tolerance : float
        Relative.
    bold : bool
        Whether to go to the limit however far it is.

    Returns
    -------
    step : (k,) array
    whole : bool
        Whether it is the limit.
    """
    step, power = residual.copy(), jacobian.copy()
    n = residual.size
    for _ in range(60):
        more = times(power, step)
        settled, inside = True, True
        for i in range(n):
            end, value = pools[i] + residual[i], pools[i] + step[i] + more[i]
            if not abs(value) <= 30.0 * max(abs(pools[i]), abs(end)) + floor[i]:
                inside = False
            least = min(pools[i], end)
            if least >= 0.0 and value < least / 30.0 - floor[i]:
                inside = False
            scale = abs(value) + floor[i]
            if not abs(more[i]) <= 1e-3 * tolerance * scale:
                settled = False
            rest = 0.0
            for j in range(n):
                rest += abs(power[i, j]) * (abs(pools[j] + step[j]) + floor[j])
            if not rest <= 0.1 * scale:  # what further cycles would still add
                settled = False
        if not (inside or bold):
            return step, False
        step += more
        if settled:
            return step, True
        power = squared(power)
    return step, False


def times(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Matrix times vector; the matrices are too small for a BLAS."""
    found = np.zeros(vector.size)
    for i in range(vector.size):
        for j in range(vector.size):
            found[i] += matrix[i, j] * vector[j]
    return found


def squared(matrix: np.ndarray) -> np.ndarray:
    """Matrix times itself; zeros, of which powers have many, are passed over."""
    found = np.zeros(matrix.shape)
    n = matrix.shape[0]
    for i in range(n):
        for k in range(n):
            a = matrix[i, k]
            if a != 0.0:
                for j in range(n):
                    found[i, j] += a * matrix[k, j]
    return found


def summed(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Solve ``(1 - A) y = b`` as the sum of ``A^k b``; NaN where it does not exist."""
    total, power = vector.copy(), matrix.copy()
    for _ in range(60):
        more = times(power, total)
        total += more
        settled = True
        for i in range(total.size):
            if not abs(more[i]) <= 1e-14 * abs(total[i]):
                settled = False
        if settled:
            return total
        power = squared(power)
    return total * np.nan


def search(
    parameter: np.ndarray, start: np.ndarray, columns: tuple, free: np.ndarray, floor: np.ndarray, tolerance: float, limit: int, bold: bool
) -> tuple:
    """Find the pools of one member by leaps; ``slopes`` runs the model through a cycle with its derivatives.

    Parameters
    ----------
    parameter : (n_p, 1) array
        Parameters.
    start : (n_x, 1) array
        Where to start; what is not free stays.
    columns : tuple of array
        Forcing of the cycle.
    free : (k,) array of int
        Rows that are sought.
    floor : (k,) array
        Amounts that count as nothing.
    tolerance : float
        Relative size of the last step.
    limit : int
        Largest number of cycles.
    bold : bool
        Whether the map is affine, so that one leap is enough.

    Returns
    -------
    found : (k,) array
        NaN where the search fails.
    jacobian : (k, k) array
        There.
    cycles : float
        That were run.
    """
    n = free.size
    pools, full, ran, found = np.empty(n), start.copy(), 0.0, False
    for i in range(n):
        pools[i] = start[free[i], 0]
    jacobian, residual = np.empty((n, n)), np.empty(n)
    for k in range(limit):
        for i in range(n):
            full[free[i], 0] = pools[i]
        end, jacobian = slopes(parameter, full, columns)  # type: ignore[name-defined]  # noqa: F821  a global of the kernel
        ran += 1.0
        for i in range(n):
            residual[i] = end[free[i]] - pools[i]
        step, whole = leap(jacobian, residual, pools, floor, tolerance, bold)
        size = 0.0
        for i in range(n):
            part = abs(step[i]) / (abs(pools[i] + step[i]) + floor[i])
            if not part <= size:  # NaN comes through
                size = part
        if not size < np.inf:
            break
        # A kink between two steps can make them alternate for ever.
        share = 1.0 if k < 15 or size <= tolerance else 0.5
        for i in range(n):
            pools[i] += share * step[i]
        if whole and (bold or size <= tolerance):
            found = True
            break
    if not found:
        pools[:] = np.nan
        jacobian[:] = np.nan
    return pools, jacobian, ran


def repeat(
    parameter: np.ndarray, start: np.ndarray, columns: tuple, free: np.ndarray, floor: np.ndarray, tolerance: float, limit: int, bold: bool
) -> tuple:
    """Run cycle after cycle until no pool changes by more than the tolerance; arguments and results are those of `search`."""
    n = free.size
    pools, full, ran, far = np.empty(n), start.copy(), 0.0, True
    while far and ran < limit:
        run, far = once(parameter, full, columns), False  # type: ignore[name-defined]  # noqa: F821  a global of the kernel
        ran += 1.0
        for i in range(n):
            value = run[free[i], 0]
            if not abs(value - full[free[i], 0]) <= tolerance * (abs(value) + floor[i]):
                far = True
            full[free[i], 0] = value
    jacobian = slopes(parameter, full, columns)[1]  # type: ignore[name-defined]  # noqa: F821
    for i in range(n):
        pools[i] = full[free[i], 0]
    if far:
        pools[:] = np.nan
        jacobian[:] = np.nan
    return pools, jacobian, ran
