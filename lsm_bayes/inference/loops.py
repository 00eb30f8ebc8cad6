"""A whole log-density written down as plain loops, in place of one compiled function for each operation.

PyTensor compiles every operation of a graph as a Numba function of its own and then links and optimises them all again, about
0.1 s each; a calibration has hundreds. Here the graph of the log-density and its gradient becomes a few pieces of source in the
language of `lsm_bayes.inference.straight`: elementwise work becomes loops over one flat memory, views (slices, transposes, reshapes of
known size) become index arithmetic and cost nothing, and only what is no plain loop, such as a trajectory, is called between the
pieces. Constant arrays are read through addresses: two data sets of the same shape share the compiled code.
"""

import ast
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.link.numba.dispatch.basic import numba_funcify_and_cache_key
from pytensor.raise_op import CheckAndRaise
from pytensor.scalar import basic as scalar
from pytensor.scalar.basic import ScalarType
from pytensor.tensor.basic import Alloc, Join, MakeVector, ScalarFromTensor, Split, TensorFromScalar
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.extra_ops import CumOp
from pytensor.tensor.shape import Reshape, SpecifyShape
from pytensor.tensor.subtensor import AdvancedIncSubtensor, AdvancedSubtensor, IncSubtensor, Subtensor

from lsm_bayes.kernels import inlined_operation

from .straight import function_of_arrays
from .views import Unwritable, View, c_strides, constant_indices, shape_of, taken

INDENT = "    "
INFIX: dict[type, str] = {scalar.Add: " + ", scalar.Mul: " * ", scalar.Sub: " - ", scalar.TrueDiv: " / "}
COMPARED: dict[type, str] = {scalar.LT: "<", scalar.GT: ">", scalar.LE: "<=", scalar.GE: ">=", scalar.EQ: "==", scalar.NEQ: "!="}
PREFIX: dict[type, str] = {
    scalar.Neg: "-{0}",
    scalar.Sqr: "{0} * {0}",
    scalar.Reciprocal: "1.0 / {0}",
    scalar.Identity: "{0}",
    scalar.IsNan: "{0} != {0}",
    scalar.IsInf: "True if {0} == np.inf else {0} == -np.inf",
}
LOGICAL: dict[type, str] = {
    scalar.AND: "({1} if {0} else False)",
    scalar.OR: "(True if {0} else {1})",
    scalar.Invert: "(False if {0} else True)",
}
MEMORY = "w"
FLOATS = ("float64", "float32")  # single precision is computed in double
REALS = ("float64", "float32", "int8", "int16", "int32", "int64", "uint8", "bool")
REDUCED: dict[type, tuple[str, str]] = {
    scalar.Add: ("0.0", "{0} + {1}"),
    scalar.Mul: ("1.0", "{0} * {1}"),
    scalar.AND: ("1.0", "{0} if {1} else 0.0"),
    scalar.OR: ("0.0", "1.0 if {1} else {0}"),
    scalar.Maximum: ("-np.inf", "{0} if {0} > {1} else ({0} if {0} != {0} else {1})"),
    scalar.Minimum: ("np.inf", "{0} if {0} < {1} else ({0} if {0} != {0} else {1})"),
}


def _dtype(v: Variable) -> str:
    return str(v.type.dtype)


@dataclass
class Written:
    """Source of a log-density and what it needs.

    Attributes
    ----------
    text : str
        Function ``density(dim, x_, out_, logp_, data_)`` with the signature that nutpie asks for.
    scope : dict
        Functions that it calls.
    tables : tuple of numpy.ndarray
        Constant numbers and constant places, whose addresses are in ``data_``.
    key : str or None
        Hash of text and functions, without the values of the tables; None when something called cannot be cached.
    """

    text: str
    scope: dict[str, Any]
    tables: tuple[np.ndarray, np.ndarray]
    key: str | None


@dataclass
class _Writer:
    graph: FunctionGraph
    lines: list[str] = field(default_factory=list)
    outer: list[str] = field(default_factory=list)
    scope: dict[str, Any] = field(default_factory=lambda: {"np": np})
    keys: list[str] = field(default_factory=list)
    cacheable: bool = True
    size: int = 0
    numbers: list[np.ndarray] = field(default_factory=list)
    places: list[np.ndarray] = field(default_factory=list)
    slots: dict[str, int] = field(default_factory=dict)
    arrays: list[str] = field(default_factory=lambda: ["x", "out", "c", "k", "logp"])
    _views: dict[Variable, View] = field(default_factory=dict)
    _deferred: dict[Variable, Apply] = field(default_factory=dict)
    _functions: dict[str, str] = field(default_factory=dict)
    _tables: dict[tuple[str, bytes], int] = field(default_factory=dict)
    _count: int = 0

    def name(self, prefix: str = "v") -> str:
        self._count += 1
        return f"{prefix}{self._count}"

    # Values ---------------------------------------------------------------------------------------------------------------

    def view(self, v: Variable) -> View:
        """Where the value of a variable is; computes what was put off."""
        if v in self._deferred:
            node = self._deferred.pop(v)
            self._views[v] = self.materialise(v, lambda indices, body: self.compute(node, indices, body))
        if v not in self._views and isinstance(v, Constant):
            self._views[v] = self.constant(v)
        return self._views[v]

    def constant(self, v: Constant) -> View:
        data = np.asarray(v.data)
        one = data.reshape(()) if data.size == 1 else None
        if one is not None and (data.dtype == bool or not np.isfinite(one) or (abs(one) < 1000 and one * 16 == np.round(one * 16))):
            value = _literal(one if data.dtype == bool else one.astype("float64"))
            return View(value, 0, (0,) * data.ndim, data.shape, number=True)
        # Numbers that look like data stand in the table too, so that other data find the same code.
        return View("c", self.table("c", data.astype("float64")), c_strides(data.shape), data.shape)

    def table(self, name: str, data: np.ndarray) -> int:
        """Place of constants in the table of numbers or of places."""
        rows, key = (self.numbers if name == "c" else self.places), (name, data.tobytes())
        if key not in self._tables:
            self._tables[key] = sum(r.size for r in rows)
            rows.append(np.ravel(data))
        return self._tables[key]

    def element(self, v: Variable, indices: Sequence[str], body: list[str]) -> str:
        """Expression of one element, after adding what it needs to the body of a loop."""
        if v in self._deferred:
            return self.compute(self._deferred[v], indices, body)
        where = self.view(v)
        if where.number:
            return where.base
        return where.element(["0" if n == 1 else i for n, i in zip(where.shape, indices[len(indices) - len(where.shape) :], strict=True)])

    def compute(self, node: Apply, indices: Sequence[str], body: list[str]) -> str:
        """Add the computation of one element of a node that works element by element."""
        if isinstance(node.op, AdvancedSubtensor):
            axis, places = taken(node)  # type: ignore[misc]  # put off only where it is not None
            x = self.view(node.inputs[0])
            place = self.name("j")
            body.append(f"{place} = k[{self.table('k', places)} + {indices[axis]}]")
            return x.element([*indices[:axis], place, *indices[axis + 1 :]])
        arguments = [self.element(v, indices, body) for v in node.inputs]
        target = self.name()
        body.append(f"{target} = {self.operation(node.op.scalar_op, node, arguments)}")
        return target

    def operation(self, op: Any, node: Apply, arguments: Sequence[str]) -> str:
        """Expression of a scalar operation."""
        kind, out = type(op), _dtype(node.outputs[0])
        dtypes = [_dtype(v) for v in node.inputs]
        if out not in REALS or any(d not in REALS for d in dtypes):
            raise Unwritable(f"{op} works on {dtypes}")
        if kind is scalar.Cast and out in FLOATS:
            return f"float({arguments[0]})"
        if kind is scalar.Second and dtypes[1] == out:
            return arguments[1]
        if kind in COMPARED:
            return f"{arguments[0]} {COMPARED[kind]} {arguments[1]}"
        if kind in LOGICAL and set(dtypes) == {"bool"} and len(dtypes) <= 2:
            return LOGICAL[kind].format(*arguments)
        if kind is scalar.Switch and out in FLOATS:
            return f"{arguments[1]} if {arguments[0]} else {arguments[2]}"
        if kind in (scalar.IsNan, scalar.IsInf):
            return PREFIX[kind].format(*arguments)
        if kind is scalar.Cast and out != "bool" and not dtypes[0].startswith("float"):
            return arguments[0]
        if kind is scalar.Mul or (kind in INFIX and kind is not scalar.TrueDiv and out != "bool"):
            return INFIX[kind].join(arguments)  # whole numbers are exact as doubles
        if out not in (*FLOATS, "bool"):
            raise Unwritable(f"{op} works on {dtypes} and gives {out}")
        if kind in INFIX:
            return INFIX[kind].join(arguments)
        if kind in PREFIX and out in FLOATS:
            return PREFIX[kind].format(*arguments)
        dtypes = ["float64"] * len(dtypes)
        scalar_node = op.make_node(*[ScalarType(d)() for d in dtypes])
        function, key = inlined_operation(op, scalar_node)
        return f"{self.function(function, key)}({', '.join(arguments)})"

    def function(self, function: Callable[..., Any], key: str | None) -> str:
        """Name under which a function can be called."""
        if key is None:
            self.cacheable = False
            key = f"{id(function)}"
        if key not in self._functions:
            self._functions[key] = f"f{len(self._functions)}"
            self.keys.append(key)
            self.scope[self._functions[key]] = function
        return self._functions[key]

    # Loops ----------------------------------------------------------------------------------------------------------------

    def loop(self, shape: Sequence[int], body: Callable[[list[str], list[str]], None], first: Mapping[int, int] | None = None) -> None:
        """Add nested loops over a shape; ``body(indices, lines)`` writes the innermost lines. `first` is where an axis starts."""
        starts = [(first or {}).get(k, 0) for k in range(len(shape))]
        if any(start >= n for start, n in zip(starts, shape, strict=True)):
            return
        indices = [("0" if n == 1 else self.name("i")) for n in shape]
        inner: list[str] = []
        body(indices, inner)
        depth = 0
        for i, n, start in zip(indices, shape, starts, strict=True):
            if n != 1:
                self.lines.append(f"{INDENT * depth}for {i} in range({start}, {n}):")
                depth += 1
        self.lines += [INDENT * depth + line for line in inner]

    def buffer(self, shape: Sequence[int], fill: str | None = None) -> View:
        """Take a part of the memory."""
        found = View(MEMORY, self.size, c_strides(shape), tuple(shape))
        self.size += found.size
        if fill is not None:
            self.loop((found.size,), lambda i, body: body.append(f"{View(MEMORY, found.start, (1,), (found.size,)).element(i)} = {fill}"))
        return found

    def number(self, value: str) -> View:
        """Give a number a name that later pieces can read."""
        name = self.name()
        self.lines.append(f"{name} = {value}")
        self.slots[name] = self.size
        self.size += 1
        return View(name, 0, (), (), number=True)

    def materialise(self, v: Variable, compute: Callable[[Sequence[str], list[str]], str]) -> View:
        """Write all elements of a variable to memory, or to a named number."""
        shape = shape_of(v)
        if not shape:
            return self.number(compute([], self.lines))
        found = self.buffer(shape)

        def body(indices: list[str], lines: list[str]) -> None:
            value = compute(indices, lines)
            lines.append(f"{found.element(indices)} = {value}")

        self.loop(shape, body)
        return found

    def copy(self, x: Variable, target: View) -> None:
        def body(indices: list[str], lines: list[str]) -> None:
            value = self.element(x, indices, lines)
            lines.append(f"{target.element(indices)} = {value}")

        self.loop(target.shape, body)

    def array(self, v: Variable) -> str:
        """Expression of a variable as an array that another function takes."""
        shape = shape_of(v)
        if isinstance(v, Constant) and _dtype(v) == "int64" and shape:
            where = View("k", self.table("k", v.data), c_strides(shape), shape)
        elif _dtype(v) != "float64":
            raise Unwritable(f"{v} has dtype {_dtype(v)}")
        else:
            where = self.view(v)
        if where.number or not where.contiguous:
            found = self.buffer(shape)
            self.copy(v, found)
            where = found
        part = f"{where.base}[{where.start}:{where.start + where.size}]"
        if isinstance(v.type, ScalarType):
            return f"{where.base}[{where.start}]"
        return part if len(shape) == 1 else f"{part}.reshape({shape})"

    def close(self) -> None:
        """End a piece: what follows may call other functions."""
        if not self.lines:
            return
        source = "\n".join(self.lines) + "\n"
        used = {n.id for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Name)}
        arrays = [MEMORY, *(a for a in self.arrays if a in used)]
        name = self.name("piece")
        self.scope[name] = function_of_arrays(source, arrays, self.scope, self.slots)
        self.outer.append(f"{name}(({', '.join(arrays)},))")
        self.keys.append(f"{name}: {source} {[(n, self.slots[n]) for n in sorted(used) if n in self.slots]}")
        self.lines = []

    # Nodes ----------------------------------------------------------------------------------------------------------------

    def write(self, node: Apply) -> None:
        """Add one node."""
        op, out = node.op, node.outputs[0]
        if isinstance(op, TensorFromScalar | ScalarFromTensor | SpecifyShape):
            self._views[out] = self.view(node.inputs[0])
        elif isinstance(op, Elemwise) and len(node.outputs) == 1:
            self.elementwise(node)
        elif isinstance(op, CheckAndRaise):
            self.checked(node)
        elif isinstance(op, DimShuffle):
            self._views[out] = self.view(node.inputs[0]).ordered(op.new_order, shape_of(out))
        elif isinstance(op, Subtensor) and (indices := constant_indices(node, 1)) is not None:
            self._views[out] = self.view(node.inputs[0]).sliced(indices)
        elif isinstance(op, Reshape):
            x = self.view(node.inputs[0])
            if not (x.number or x.contiguous):
                x = self.buffer(x.shape)
                self.copy(node.inputs[0], x)
            self._views[out] = x.reshaped(shape_of(out))
        elif isinstance(op, AdvancedSubtensor) and taken(node) is not None:
            self.view(node.inputs[0])
            self.elementwise(node)
        elif isinstance(op, Alloc):
            self._views[out] = self.view(node.inputs[0]).broadcast(shape_of(out))
        elif isinstance(op, MakeVector):
            self._views[out] = found = self.buffer(shape_of(out))
            for i, v in enumerate(node.inputs):
                self.lines.append(f"{found.element([str(i)])} = {self.view(v).element([])}")
        elif isinstance(op, Join):
            self.join(node)
        elif isinstance(op, Split):
            self.split(node)
        elif isinstance(op, CumOp) and op.mode == "add" and op.axis is not None:
            self.running(node)
        elif _reduces(node):
            self.reduce(node)
        elif isinstance(op, IncSubtensor) and (indices := constant_indices(node, 2)) is not None:
            self.increment(node, indices)
        elif isinstance(op, AdvancedIncSubtensor) and (place := taken(node, 2)) is not None:
            self.scatter(node, *place)
        else:
            self.call(node)

    def elementwise(self, node: Apply) -> None:
        out = node.outputs[0]
        clients = self.graph.clients[out]
        shape = shape_of(out)
        if shape and len(clients) == 1 and int(np.prod(shape)) > 1:
            client = clients[0][0]
            same = isinstance(client.op, Elemwise | CAReduce) and len(client.outputs) == 1
            over = shape_of(client.inputs[0] if isinstance(client.op, CAReduce) else client.outputs[0]) if same else None
            written = not isinstance(client.op, CAReduce) or _reduces(client)
            if over == shape and written:
                for v in node.inputs:
                    if v not in self._deferred and not isinstance(v, Constant):
                        self.view(v)  # here, not inside the loop of the reader
                self._deferred[out] = node
                return
        self._views[out] = self.materialise(out, lambda indices, body: self.compute(node, indices, body))

    def checked(self, node: Apply) -> None:
        """Give NaN where a condition does not hold: samplers reject it, and an exception cannot leave compiled code."""
        value, *conditions = node.inputs

        def compute(indices: Sequence[str], body: list[str]) -> str:
            found = self.element(value, indices, body)
            for c in conditions:
                found = f"({found} if {self.element(c, [], body)} else np.nan)"
            return found

        self._views[node.outputs[0]] = self.materialise(node.outputs[0], compute)

    def join(self, node: Apply) -> None:
        out, start = node.outputs[0], 0
        self._views[out] = found = self.buffer(shape_of(out))
        axis = node.op.axis
        for v in node.inputs:
            shape = shape_of(v)
            self.copy(v, found.part(axis, start, shape))
            start += shape[axis]

    def reduce(self, node: Apply) -> None:
        (x,), out = node.inputs, node.outputs[0]
        shape = shape_of(x)
        axes = tuple(range(len(shape))) if node.op.axis is None else tuple(node.op.axis)
        first, update = REDUCED[type(node.op.scalar_op)]
        if len(axes) == len(shape):
            self._views[out] = self.number(first)
            total = self._views[out].base
            self.loop(shape, lambda i, body: body.append(f"{total} = {update.format(total, self.element(x, i, body))}"))
            return
        self._views[out] = found = self.buffer(shape_of(out), first)

        def body(indices: list[str], lines: list[str]) -> None:
            place = found.element([i for k, i in enumerate(indices) if k not in axes])
            value = self.element(x, indices, lines)
            lines.append(f"{place} = {update.format(place, value)}")

        self.loop(shape, body)

    def increment(self, node: Apply, indices: Sequence[Any]) -> None:
        x, y, out = node.inputs[0], node.inputs[1], node.outputs[0]
        self._views[out] = found = self.buffer(shape_of(out))
        self.copy(x, found)
        target, sign = found.sliced(indices), "=" if node.op.set_instead_of_inc else "+="

        def body(indices: list[str], lines: list[str]) -> None:
            value = self.element(y, indices, lines)
            lines.append(f"{target.element(indices)} {sign} {value}")

        self.loop(target.shape, body)

    def scatter(self, node: Apply, axis: int, places: np.ndarray) -> None:
        x, y, out = node.inputs[0], node.inputs[1], node.outputs[0]
        self._views[out] = found = self.buffer(shape_of(out))
        self.copy(x, found)
        sign = "=" if node.op.set_instead_of_inc else "+="
        over = [*shape_of(x)[:axis], places.size, *shape_of(x)[axis + 1 :]]
        start = self.table("k", places)

        def body(indices: list[str], lines: list[str]) -> None:
            place = self.name("j")
            lines.append(f"{place} = k[{start} + {indices[axis]}]")
            value = self.element(y, indices, lines)
            lines.append(f"{found.element([*indices[:axis], place, *indices[axis + 1 :]])} {sign} {value}")

        self.loop(over, body)

    def split(self, node: Apply) -> None:
        x, start = self.view(node.inputs[0]), 0
        for v in node.outputs:
            shape = shape_of(v)
            self._views[v] = x.part(node.op.axis, start, shape)
            start += shape[node.op.axis]

    def running(self, node: Apply) -> None:
        """Write a running sum."""
        (x,), out, axis = node.inputs, node.outputs[0], node.op.axis
        self._views[out] = found = self.buffer(shape_of(out))
        self.copy(x, found)

        def body(indices: list[str], lines: list[str]) -> None:
            before = View(found.base, found.start - found.strides[axis], found.strides, found.shape)
            lines.append(f"{found.element(indices)} += {before.element(indices)}")

        self.loop(found.shape, body, {axis: 1})

    def call(self, node: Apply) -> None:
        """Call PyTensor's own Numba function of a node between two pieces."""
        if any(_dtype(v) != "float64" for v in node.outputs):
            raise Unwritable(f"{node.op} does not give float64")
        function, key = numba_funcify_and_cache_key(node.op, node=node, storage_map=None)
        dtypes = ",".join(str(v.type) for v in (*node.inputs, *node.outputs))
        name = self.function(function, None if key is None else f"{key}/{dtypes}")
        arguments = [self.array(v) for v in node.inputs]
        self.close()
        results = [self.name("r") for _ in node.outputs]
        self.outer.append(f"{', '.join(results)} = {name}({', '.join(arguments)})")
        for v, result in zip(node.outputs, results, strict=True):
            flat = self.name("b")
            scalar_type = isinstance(v.type, ScalarType)
            self.outer.append(f"{flat} = np.full(1, {result})" if scalar_type else f"{flat} = {result}.ravel()")
            self.arrays.append(flat)
            where = View(flat, 0, c_strides(shape_of(v)), shape_of(v))
            self._views[v] = where if shape_of(v) else self.number(where.element([]))


def _reduces(node: Apply) -> bool:
    if not isinstance(node.op, CAReduce) or type(node.op.scalar_op) not in REDUCED:
        return False
    dtype = _dtype(node.inputs[0])
    return dtype == "bool" if isinstance(node.op.scalar_op, scalar.AND | scalar.OR) else dtype in REALS


def _literal(data: Any) -> str:
    value = data.item()
    return {"nan": "np.nan", "inf": "np.inf", "-inf": "(-np.inf)"}.get(
        repr(value), f"({value!r})" if repr(value)[0] == "-" else repr(value)
    )


def write_density(graph: FunctionGraph) -> Written:
    """Write the source of a log-density and its gradient.

    Parameters
    ----------
    graph : FunctionGraph
        One input, the flat position (D,), and two outputs: log-density () and gradient (D,). All shapes have to be known.

    Returns
    -------
    Written
        Source, functions, constant arrays, hash.

    Raises
    ------
    Unwritable
        If the shape of a variable is not known.
    """
    w = _Writer(graph)
    (x,), (logp, gradient) = graph.inputs, graph.outputs
    (size,) = shape_of(x)
    w._views[x] = View("x", 0, (1,), (size,))
    for node in graph.toposort():
        w.write(node)
    w.copy(gradient, View("out", 0, (1,), (size,)))
    w.lines.append(f"logp[0] = {w.element(logp, [], w.lines)}")
    w.close()
    tables = np.concatenate([*w.numbers, [0.0]]), np.concatenate([*w.places, [0]]).astype("int64")
    head = [
        f"if dim != {size}:",
        f"{INDENT}return -1",
        f"x = carray(x_, ({size},))",
        f"out = carray(out_, ({size},))",
        "logp = carray(logp_, (1,))",
        "data = carray(data_, (2,), np.uint64)",
        f"c = carray(address_as_void_pointer(data[0]), ({tables[0].size},), np.float64)",
        f"k = carray(address_as_void_pointer(data[1]), ({tables[1].size},), np.int64)",
        f"{MEMORY} = np.empty({max(1, w.size)})",
    ]
    tail = ["code = 0", f"for i in range({size}):", f"{INDENT}if not np.isfinite(out[i]):", f"{INDENT * 2}code = 3"]
    tail += ["if code == 0 and not np.isfinite(logp[0]):", f"{INDENT}code = 4", "return code"]
    text = "\n".join(["def density(dim, x_, out_, logp_, data_):", *(INDENT + line for line in [*head, *w.outer, *tail])]) + "\n"
    key = hashlib.sha256("\n".join([text, *w.keys]).encode()).hexdigest() if w.cacheable else None
    return Written(text, w.scope, tables, key)
