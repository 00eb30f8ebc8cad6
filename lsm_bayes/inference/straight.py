"""Compile loops over flat arrays of numbers straight to LLVM: a calibration is too much text for Numba's type inference.

The language is a small part of Python: ``for i in range(a, b)``, assignment to names and to elements of one-dimensional arrays,
``+=`` of elements, ``+ - * /``, comparisons, ``a if c else b`` (both sides are computed), literals, ``np.inf``, ``np.nan`` and calls
of compiled functions of numbers. Names that are assigned more than once are sums that run through a loop. Numbers are doubles,
indices 64-bit integers.
"""

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

DOUBLE, INT, BOOL = ir.DoubleType(), ir.IntType(64), ir.IntType(1)
FLAGS = ("contract", "nsz", "arcp", "reassoc")  # NaN must stay NaN: no nnan, no ninf
ARITHMETIC = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div"}
COMPARISONS = {ast.Lt: "<", ast.Gt: ">", ast.LtE: "<=", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}


def function_of_arrays(source: str, arrays: Sequence[str], functions: Mapping[str, Callable[..., Any]], slots: Mapping[str, int]) -> Any:
    """Make a piece of source callable from Numba functions.

    Parameters
    ----------
    source : str
        Statements of the language above.
    arrays : sequence of str
        Names of the one-dimensional contiguous arrays that it reads and writes, in the order of the arguments. The first is the one
        that holds `slots`.
    functions : mapping of str to function
        Compiled functions of numbers.
    slots : mapping of str to int
        Place in the first array of names that outlive the piece: those assigned here are stored, others are read.

    Returns
    -------
    function
        Of the arrays, to be called in Numba functions; returns 0.
    """
    body = ast.parse(source).body

    @intrinsic
    def piece(typing_context: Any, given: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            values = cgutils.unpack_tuple(builder, arguments[0])
            pointers = {
                name: context.make_array(kind)(context, builder, value).data
                for name, kind, value in zip(arrays, signature.args[0], values, strict=True)
            }
            _Emitter(context, typing_context, builder, pointers, arrays[0], functions, slots).run(body)
            return ir.Constant(INT, 0)

        return types.int64(given), generate

    return piece


class _Emitter:
    """Translate statements to instructions of one LLVM function."""

    def __init__(
        self,
        context: Any,
        typing_context: Any,
        builder: Any,
        pointers: Mapping[str, Any],
        memory: str,
        functions: Mapping[str, Callable[..., Any]],
        slots: Mapping[str, int],
    ) -> None:
        self.context, self.typing_context, self.builder = context, typing_context, builder
        self.pointers, self.memory, self.functions, self.slots = pointers, memory, functions, slots
        self.names: dict[str, Any] = {}
        self.sums: dict[str, Any] = {}
        self.called: dict[tuple[str, int], Callable[..., Any]] = {}

    def run(self, body: Sequence[ast.stmt]) -> None:
        assigned: dict[str, int] = {}
        for node in ast.walk(ast.Module(list(body), [])):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                assigned[node.targets[0].id] = assigned.get(node.targets[0].id, 0) + 1
        for name in (n for n, count in assigned.items() if count > 1):
            self.sums[name] = cgutils.alloca_once(self.builder, DOUBLE)
        self.statements(body)
        for name in (n for n in assigned if n in self.slots):
            value = self.builder.load(self.sums[name]) if name in self.sums else self.number(self.names[name])
            self.builder.store(value, self.place(self.memory, ir.Constant(INT, self.slots[name])))

    def statements(self, body: Sequence[ast.stmt]) -> None:
        for s in body:
            if isinstance(s, ast.For):
                self.loop(s)
            elif isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Name):
                value, name = self.value(s.value), s.targets[0].id
                if name in self.sums:
                    self.builder.store(self.number(value), self.sums[name])
                else:
                    self.names[name] = value
            elif isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Subscript):
                value = self.number(self.value(s.value))
                self.builder.store(value, self.element(s.targets[0]))
            elif isinstance(s, ast.AugAssign) and isinstance(s.target, ast.Subscript) and isinstance(s.op, ast.Add):
                value, where = self.number(self.value(s.value)), self.element(s.target)
                self.builder.store(self.builder.fadd(self.builder.load(where), value, flags=FLAGS), where)
            else:
                raise TypeError(f"not in the language: {ast.unparse(s)}")

    def loop(self, s: ast.For) -> None:
        bounds = [ir.Constant(INT, ast.literal_eval(a)) for a in s.iter.args]  # type: ignore[attr-defined]
        first, last = bounds if len(bounds) == 2 else (ir.Constant(INT, 0), bounds[0])
        b = self.builder
        before = b.block
        inside, behind = b.append_basic_block("loop"), b.append_basic_block("behind")
        if first.constant >= last.constant:
            b.branch(behind)
            b.position_at_end(behind)
            inside.function.blocks.remove(inside)
            return
        b.branch(inside)
        b.position_at_end(inside)
        index = b.phi(INT)
        index.add_incoming(first, before)
        self.names[s.target.id] = index  # type: ignore[attr-defined]
        self.statements(s.body)
        following = b.add(index, ir.Constant(INT, 1), flags=("nsw", "nuw"))
        index.add_incoming(following, b.block)
        b.cbranch(b.icmp_signed("<", following, last), inside, behind)
        b.position_at_end(behind)

    def place(self, array: str, index: Any) -> Any:
        return self.builder.gep(self.pointers[array], [index], inbounds=True)

    def element(self, node: ast.Subscript) -> Any:
        return self.place(node.value.id, self.value(node.slice))  # type: ignore[attr-defined]

    def number(self, value: Any) -> Any:
        """Convert to a double."""
        if value.type == DOUBLE:
            return value
        return self.builder.uitofp(value, DOUBLE) if value.type == BOOL else self.builder.sitofp(value, DOUBLE)

    def condition(self, value: Any) -> Any:
        """Convert to a truth value."""
        return value if value.type == BOOL else self.builder.fcmp_unordered("!=", self.number(value), ir.Constant(DOUBLE, 0.0))

    def value(self, node: ast.expr) -> Any:
        b = self.builder
        if isinstance(node, ast.Name):
            return self.named(node.id)
        if isinstance(node, ast.Constant):
            kind = {bool: BOOL, int: INT, float: DOUBLE}[type(node.value)]
            return ir.Constant(kind, node.value)
        if isinstance(node, ast.Attribute):
            return ir.Constant(DOUBLE, {"inf": np.inf, "nan": np.nan}[node.attr])
        if isinstance(node, ast.Subscript):
            return b.load(self.element(node))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            value = self.value(node.operand)
            return b.neg(value) if value.type == INT else b.fneg(self.number(value), flags=FLAGS)
        if isinstance(node, ast.BinOp):
            left, right, name = self.value(node.left), self.value(node.right), ARITHMETIC[type(node.op)]
            if left.type == INT and right.type == INT and name != "div":
                return getattr(b, name)(left, right)
            return getattr(b, f"f{name}")(self.number(left), self.number(right), flags=FLAGS)
        if isinstance(node, ast.Compare):
            left, right = self.number(self.value(node.left)), self.number(self.value(node.comparators[0]))
            sign = COMPARISONS[type(node.ops[0])]
            return (b.fcmp_unordered if sign == "!=" else b.fcmp_ordered)(sign, left, right)
        if isinstance(node, ast.IfExp):
            test, yes, no = self.condition(self.value(node.test)), self.value(node.body), self.value(node.orelse)
            if yes.type == BOOL and no.type == BOOL:
                return b.select(test, yes, no)
            return b.select(test, self.number(yes), self.number(no))
        if isinstance(node, ast.Call):
            arguments = [self.number(self.value(a)) for a in node.args]
            name = node.func.id  # type: ignore[attr-defined]
            return arguments[0] if name == "float" else self.call(name, arguments)
        raise TypeError(f"not in the language: {ast.unparse(node)}")

    def named(self, name: str) -> Any:
        if name in self.sums:
            return self.builder.load(self.sums[name])
        if name not in self.names:
            # Made by an earlier piece. Not kept: this block may not lie before the next use.
            return self.builder.load(self.place(self.memory, ir.Constant(INT, self.slots[name])))
        return self.names[name]

    def call(self, name: str, arguments: Sequence[Any]) -> Any:
        """Call a compiled function of doubles."""
        key = name, len(arguments)
        if key not in self.called:
            kind = self.typing_context.resolve_value_type(self.functions[name])
            signature = kind.get_call_type(self.typing_context, (types.float64,) * len(arguments), {})
            function = self.context.get_function(kind, signature)
            self.context.add_linking_libs(getattr(function, "libs", ()))

            def convert(*given: Any, _f: Any = function, _s: Any = signature) -> Any:
                return self.context.cast(self.builder, _f(self.builder, given), _s.return_type, types.float64)

            self.called[key] = convert
        return self.called[key](*arguments)
