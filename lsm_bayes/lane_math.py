"""Elementary functions as inlined arithmetic, so that LLVM can vectorise the loops that call them.

A call to libm stops LLVM's loop vectoriser. Each function here is a short straight line of arithmetic with selects, accurate
to about one unit in the last place (``tests/test_lane_math.py``), and propagates NaN. The polynomials for the logarithm and
the sine are those of FreeBSD's msun (``e_log.c``, ``k_sin.c``, ``k_cos.c``; facts, not code), the exponential uses the Taylor
polynomial of degree 13 on half a binade.

Trap: rounding by adding a large number needs exact evaluation order, so these functions allow contraction into fused
multiply-add but no reassociation.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from pytensor.scalar import basic as scalar
from pytensor.scalar import math as scalar_math

VERSION = 3  # part of the cache key of every generated kernel: raise it when a function here changes

_SHIFTER = 6755399441055744.0  # 1.5 * 2**52: adding it leaves the nearest integer in the low bits of the mantissa


@intrinsic
def _to_double(typing_context, bits):
    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), codegen


@intrinsic
def _to_bits(typing_context, value):
    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), codegen


SHORT: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # called from kernels only: compiles faster
_inlined = njit(forceinline=True, fastmath={"contract", "nsz"}, error_model="numpy", **SHORT)


@_inlined
def exp(x):
    """Return e**x."""
    y = x if x < 709.78 else 709.78
    y = y if y > -708.0 else -708.0
    shifted = y * 1.4426950408889634 + _SHIFTER
    k = shifted - _SHIFTER
    r = (y - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10
    p = 1.6059043836821613e-10
    p = p * r + 2.08767569878681e-09
    p = p * r + 2.505210838544172e-08
    p = p * r + 2.755731922398589e-07
    p = p * r + 2.7557319223985893e-06
    p = p * r + 2.48015873015873e-05
    p = p * r + 1.984126984126984e-04
    p = p * r + 1.388888888888889e-03
    p = p * r + 8.333333333333333e-03
    p = p * r + 4.1666666666666664e-02
    p = p * r + 1.6666666666666666e-01
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    # Two factors: 2**1024 alone is not representable although the product may be.
    half = _to_double(((_to_bits(shifted) >> np.int64(1)) + np.int64(1023)) << np.int64(52))
    rest = _to_double(((_to_bits(shifted) - (_to_bits(shifted) >> np.int64(1))) + np.int64(1023)) << np.int64(52))
    value = p * half * rest
    value = np.inf if x > 709.782712893384 else value
    value = 0.0 if x < -708.0 else value
    return x if x != x else value


@_inlined
def log(x):
    """Return the natural logarithm."""
    small = x < 2.2250738585072014e-308
    y = x * 18014398509481984.0 if small else x  # 2**54
    bits = _to_bits(y)
    # Mantissa in [sqrt(1/2), sqrt(2)): move the boundary of the exponent by the bits of sqrt(1/2).
    moved = bits - np.int64(0x3FE6A09E667F3BCD)
    exponent = moved >> np.int64(52)
    m = _to_double(bits - (exponent << np.int64(52)))
    k = _to_double((exponent + np.int64(2048)) + np.int64(0x4330000000000000)) - 4503599627372544.0
    k = k - 54.0 if small else k
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    p = 1.479819860511658591e-01
    p = p * z + 1.531383769920937332e-01
    p = p * z + 1.818357216161805012e-01
    p = p * z + 2.222219843214978396e-01
    p = p * z + 2.857142874366239149e-01
    p = p * z + 3.999999999940941908e-01
    p = p * z + 6.666666666666735130e-01
    remainder = p * z
    half_square = 0.5 * f * f
    value = k * 6.93147180369123816490e-01 - ((half_square - (s * (half_square + remainder) + k * 1.90821492927058770002e-10)) - f)
    value = -np.inf if x == 0.0 else value
    value = np.nan if x < 0.0 else value
    return x if (x != x or x == np.inf) else value


@_inlined
def log1p(x):
    """Return log(1 + x), accurate near 0."""
    u = 1.0 + x
    value = log(u) - ((u - 1.0) - x) / u
    value = -np.inf if x == -1.0 else value
    return x if (x == 0.0 or x == np.inf) else value


@_inlined
def expm1(x):
    """Return e**x - 1, accurate near 0."""
    u = exp(x)
    v = u - 1.0
    w = log(u)
    value = v * (x / w)  # Kahan's correction for the rounding of exp near 1
    value = x if u == 1.0 else value
    value = v if (x > 40.0 or x < -40.0) else value
    return x if x != x else value


@_inlined
def tanh(x):
    """Return the hyperbolic tangent."""
    size = abs(x)
    e = expm1(-2.0 * size)
    value = -e / (e + 2.0)
    return -value if x < 0.0 else value


@_inlined
def _sin_cos_pieces(x):
    shifted = x * 0.6366197723675814 + _SHIFTER
    k = shifted - _SHIFTER
    r = ((x - k * 1.57079632673412561417e00) - k * 6.07710050630396597660e-11) - k * 2.02226624879595063154e-21
    z = r * r
    s = 1.58969099521155010221e-10
    s = s * z - 2.50507602534068634195e-08
    s = s * z + 2.75573137070700676789e-06
    s = s * z - 1.98412698298579493134e-04
    s = s * z + 8.33333333332248946124e-03
    s = s * z - 1.66666666666666324348e-01
    sine = r + r * z * s
    c = -1.13596475577881948265e-11
    c = c * z + 2.08757232129817482790e-09
    c = c * z - 2.75573143513906633035e-07
    c = c * z + 2.48015872894767294178e-05
    c = c * z - 1.38888888888741095749e-03
    c = c * z + 4.16666666666666019037e-02
    cosine = 1.0 - (0.5 * z - z * z * c)
    return _to_bits(shifted) & np.int64(3), sine, cosine


@_inlined
def sin(x):
    """Return the sine."""
    quadrant, sine, cosine = _sin_cos_pieces(x)
    value = cosine if (quadrant & np.int64(1)) == 1 else sine
    return -value if (quadrant & np.int64(2)) == 2 else value


@_inlined
def cos(x):
    """Return the cosine."""
    quadrant, sine, cosine = _sin_cos_pieces(x)
    value = sine if (quadrant & np.int64(1)) == 1 else cosine
    return -value if ((quadrant + np.int64(1)) & np.int64(2)) == 2 else value


@_inlined
def power(x, y):
    """Return x**y."""
    size = exp(y * log(abs(x)))
    whole = (y + _SHIFTER) - _SHIFTER == y
    odd = (_to_bits(y + _SHIFTER) & np.int64(1)) == 1
    negative = (-size if odd else size) if whole else np.nan
    value = negative if x < 0.0 else size
    return 1.0 if (y == 0.0 or x == 1.0) else value


@_inlined
def sigmoid(x):
    """Return 1 / (1 + e**-x)."""
    return 1.0 / (1.0 + exp(-x))


@_inlined
def softplus(x):
    """Return log(1 + e**x)."""
    return (x if x > 0.0 else 0.0) + log1p(exp(-abs(x)))


@_inlined
def erfc(x):
    """Return the complementary error function; relative error below 1e-14 for x < 5."""
    size = abs(x)
    t = 3.0 / (3.0 + size)
    y = 2.0 * t - 1.0  # polynomial of degree 22, Chebyshev interpolation of exp(x**2) erfc(x) / t
    p = -1.7721868061926217e-10
    p = p * y + 1.3053222573944368e-09
    p = p * y - 2.367339675402036e-10
    p = p * y - 1.2981450254301307e-08
    p = p * y + 1.447297916001844e-08
    p = p * y + 7.199546035963067e-08
    p = p * y - 1.3441459032037528e-07
    p = p * y - 3.2748098323054366e-07
    p = p * y + 9.203311432628425e-07
    p = p * y + 1.5797509186690207e-06
    p = p * y - 5.822701866237345e-06
    p = p * y - 1.013141070065693e-05
    p = p * y + 3.5853543594511984e-05
    p = p * y + 9.225895272968288e-05
    p = p * y - 0.0001827698365400259
    p = p * y - 0.001011353950168255
    p = p * y - 0.00040413888316683064
    p = p * y + 0.008942411537267157
    p = p * y + 0.03984258709622141
    p = p * y + 0.10348908730035208
    p = p * y + 0.19674278570135664
    p = p * y + 0.29446481772329275
    p = p * y + 0.35800230236277997
    tail = t * p * exp(-size * size)
    value = 2.0 - tail if x < 0.0 else tail
    return x if x != x else value


@_inlined
def switch(condition, yes, no):
    """Return `yes` where the condition holds, else `no`."""
    return yes if condition else no


@_inlined
def either(x, y):
    """Return whether one of two conditions holds. Conditions are numbers once they have been kept for later."""
    return (x != 0) | (y != 0)


@_inlined
def both(x, y):
    """Return whether two conditions hold."""
    return (x != 0) & (y != 0)


@_inlined
def opposite(x):
    """Return whether a condition does not hold."""
    return x == 0


# PyTensor's scalar operations whose own Numba form calls libm (or branches), and what replaces them in a kernel.
REPLACED: dict[type, Callable[..., Any]] = {
    scalar.Exp: exp,
    scalar.Log: log,
    scalar.Log1p: log1p,
    scalar.Expm1: expm1,
    scalar.Tanh: tanh,
    scalar.Sin: sin,
    scalar.Cos: cos,
    scalar.Pow: power,
    scalar.Switch: switch,
    scalar.OR: either,
    scalar.AND: both,
    scalar.Invert: opposite,
    scalar_math.Erfc: erfc,
    scalar_math.Sigmoid: sigmoid,
    scalar_math.Softplus: softplus,
}
