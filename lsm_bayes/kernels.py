"""From graphs of scalars to Numba source: loops over time, with work that does not wait for the state in SIMD lanes.

Every kernel here, forward, tangent or adjoint, is a recurrence: a few numbers ``r`` are carried through time, columns that vary
in time are read, outputs are written or added up. Instructions are sorted by what they wait for:

* *constant*: parameters alone; run once per member;
* *before*: columns but not ``r``; run for a chunk of times at once, in lanes;
* *carried*: what the next ``r`` needs; run one time after the other;
* *behind*: outputs that ``r`` does not wait for; again for a chunk of times at once.

In an adjoint the carried part is only the recursion of the cotangents: all derivatives are taken at stored states and need not
wait. Members that share a time axis can instead be the lanes (`lane_kernel`): then everything of one time runs for 8 or 16 members at once.

What LLVM needs before it vectorises such a loop: inlined functions, no calls to libm (see `lane_math`), one slice per role with
constant offsets inside it, few distinct arrays in one loop.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numba import njit
from pytensor.link.numba.dispatch.basic import numba_funcify_and_cache_key

from lsm_bayes import lane_math
from lsm_bayes.graphs import Graph, Instruction, Listing, listing

CHUNK = 64  # times that run in lanes; the buffers of a chunk stay in the first-level cache
FASTMATH = {"contract", "nsz", "arcp"}  # NaN must stay NaN: no nnan, no ninf

# By default LLVM unrolls a short loop over a block of 8, or leaves it alone, and then it is not vectorised.
# And it merges the places of one buffer only up to a number, and then refuses a long step for the many overlaps to rule out.
OPTIONS = (
    "-unroll-full-max-count=7",
    "-vectorizer-min-trip-count=8",
    "-memory-check-merge-threshold=1000000",
    "-runtime-memory-check-threshold=256",
)
for _option in OPTIONS:
    llvm.set_option("lsm_bayes", _option)


@cache
def _inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    return njit(function, forceinline=True, fastmath=FASTMATH, error_model="numpy", **lane_math.SHORT)


def inlined_operation(op: Any, node: Any) -> tuple[Callable[..., Any], str]:
    """Inlined Numba function of a scalar operation.

    Parameters
    ----------
    op : pytensor.scalar.ScalarOp
        The operation.
    node : Apply
        Its application to scalars.

    Returns
    -------
    tuple of function and str
        Function of numbers, and a string that changes when its meaning does.

    Raises
    ------
    TypeError
        When PyTensor has no Numba form that can be cached.
    """
    replaced = lane_math.REPLACED.get(type(op))
    if replaced is not None:
        return replaced, f"{type(op).__name__}/{lane_math.VERSION}"
    function, key = numba_funcify_and_cache_key(op, node=node)
    if key is None:
        raise TypeError(f"PyTensor has no Numba form of {op} that can be cached; write the step without it")
    dtypes = ",".join(v.dtype for v in (*node.inputs, *node.outputs))
    return _inlined(function.py_func), f"{key}/{dtypes}"


class Source:
    """Source text under construction, with the functions that it calls and the hash of everything."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.scope: dict[str, Any] = {"np": np}
        self._operations: dict[str, str] = {}
        self._keys: list[str] = []

    def operation(self, instruction: Instruction) -> str:
        """Name under which the operation of an instruction can be called."""
        function, key = inlined_operation(instruction.op, instruction.node)
        if key not in self._operations:
            name = f"op{len(self._operations)}"
            self._operations[key] = name
            self._keys.append(key)
            self.scope[name] = function
        return self._operations[key]

    def function(self, name: str, inputs: Sequence[str], instructions: Sequence[Instruction], outputs: Sequence[str]) -> None:
        """Add a straight-line function to the scope; without outputs there is nothing to call."""
        if not outputs:
            return
        body = [f"    {i.target} = {self.operation(i)}({', '.join(i.arguments)})" for i in instructions]
        # + 0.0 makes a float of a literal or a bool, so that all outputs have one type.
        returned = ", ".join(f"{o} + 0.0" for o in outputs)
        text = "\n".join([f"def {name}({', '.join(inputs)}):", *body, f"    return ({returned},)"])
        local: dict[str, Any] = {}
        exec(compile(text, f"<{name}>", "exec"), self.scope, local)  # generated above from the traced step
        self._keys.append(text)
        self.scope[name] = _inlined(local[name])

    def add(self, *lines: str) -> None:
        """Add lines of the kernel itself."""
        self.lines.extend(lines)

    def include(self, name: str, kernel: "Kernel") -> None:
        """Make another kernel callable under a name."""
        self.scope[name] = kernel.inner()
        self._keys.append(f"{name}={kernel.key}")

    def kernel(self, name: str) -> "Kernel":
        """Close the source."""
        text = "\n".join(self.lines) + "\n"
        return Kernel(name, text, self.scope, hashlib.sha256(f"{text}{self.key}".encode()).hexdigest())

    @property
    def key(self) -> str:
        """Hash of all that can be called."""
        return hashlib.sha256("\n".join([*self._keys, str(sorted(FASTMATH)), str(OPTIONS)]).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Kernel:
    """Generated source of one function, what it calls, and the hash of both; whether it has a loop in threads."""

    name: str
    text: str
    scope: dict[str, Any]
    key: str
    parallel: bool = False

    def python(self) -> Callable[..., Any]:
        """Return the plain Python function."""
        local: dict[str, Any] = {}
        exec(compile(self.text, f"<{self.name}>", "exec"), self.scope, local)  # generated, see Source
        return local[self.name]

    def with_signature(self, name: str, arguments: Sequence[str], before: Sequence[str], returned: Sequence[str]) -> "Kernel":
        """Give the same loop another signature.

        Without a call in between: LLVM would optimise the loop again in each function that calls it.

        Parameters
        ----------
        name : str
            Name of the new function.
        arguments : sequence of str
            Its arguments.
        before : sequence of str
            Statements that make the arguments of this kernel from them.
        returned : sequence of str
            Which results of this kernel are returned, by their names in the loop.

        Returns
        -------
        Kernel
            The new kernel.
        """
        _, *body, _ = self.text.rstrip("\n").split("\n")
        lines = [f"def {name}({', '.join(arguments)}):", *(f"    {line}" for line in before), *body, f"    return ({', '.join(returned)},)"]
        text = "\n".join(lines) + "\n"
        return Kernel(name, text, self.scope, hashlib.sha256(f"{text}{self.key}".encode()).hexdigest(), self.parallel)

    @cache  # noqa: B019  compiled once, whatever the number of kernels that call it
    def inner(self) -> Callable[..., Any]:
        """Return a Numba function that other kernels call."""
        return njit(self.python(), fastmath=FASTMATH, error_model="numpy", parallel=self.parallel)

    def compiled(self) -> Callable[..., Any]:
        """Return a Numba function that Python can call."""
        return self.inner()


@dataclass(frozen=True)
class Recurrence:
    """What one kernel computes.

    Parameters
    ----------
    constants : Graph
        ``parameter`` -> constants of the loop.
    body : Graph
        Roles ``state`` (carried), ``constant``, and one role for each array that varies in time; outputs are the next carried
        numbers, then ``n_written`` outputs that are written for each time, then those that are added up over time.
    n_written : int
        Number of outputs written for each time.
    after : Graph or None
        Roles ``parameter`` and ``sum``: what is returned in place of the sums (the cotangents of the parameters).
    reverse : bool
        Whether time runs backward.
    keep : int
        Carried numbers are returned at every ``keep``-th time; 0 for never.
    """

    name: str
    constants: Graph
    body: Graph
    n_written: int
    after: Graph | None = None
    reverse: bool = False
    keep: int = 1


@dataclass(frozen=True)
class _Sorted:
    constant: list[Instruction]
    before: list[Instruction]
    carried: list[Instruction]
    behind: list[Instruction]


def _sort(code: Listing, n_carried: int) -> _Sorted:
    kind = dict.fromkeys(code.inputs["state"], "carried") | dict.fromkeys(code.inputs["constant"], "constant")
    for role, names in code.inputs.items():
        if role not in ("state", "constant"):
            kind |= dict.fromkeys(names, "before")
    for i in code.instructions:
        kinds = {kind[a] for a in i.arguments if a in kind}
        kind[i.target] = "carried" if "carried" in kinds else "before" if "before" in kinds else "constant"
    by_target = {i.target: i for i in code.instructions}
    needed: set[str] = set()
    queue = [o for o in code.outputs[:n_carried] if o in by_target]
    while queue:
        target = queue.pop()
        if target not in needed and target in by_target:
            needed.add(target)
            queue.extend(by_target[target].arguments)
    users: dict[str, list[str]] = {}
    for i in code.instructions:
        for a in i.arguments:
            users.setdefault(a, []).append(i.target)
    behind = {i.target for i in code.instructions if kind[i.target] == "carried" and i.target not in needed}
    # What only the part behind needs is computed there: no trip through a buffer.
    for i in reversed(code.instructions):
        if kind[i.target] == "before" and i.target not in needed and all(u in behind for u in users.get(i.target, ())):
            behind.add(i.target)
    groups: dict[str, list[Instruction]] = {"constant": [], "before": [], "carried": [], "behind": []}
    for i in code.instructions:
        groups["behind" if i.target in behind else kind[i.target]].append(i)
    return _Sorted(groups["constant"], groups["before"], groups["carried"], groups["behind"])


def names_used(instructions: Sequence[Instruction], outputs: Sequence[str]) -> dict[str, None]:
    """Names that some instructions read, and outputs."""
    return dict.fromkeys([a for i in instructions for a in i.arguments] + list(outputs))


def call_of(target: Sequence[str], function: str, arguments: Sequence[str]) -> str:
    """Write the call of a function that returns a tuple."""
    if not target:  # nothing is carried where no wanted output depends on a state
        return "pass"
    return f"{', '.join(target)}, = {function}({', '.join(arguments)})"


def column_runs(columns: Sequence[tuple[str, int, str]]) -> list[tuple[str, int, int, int]]:
    """Group columns into runs (role, place of the first, its row, length), so that one loop copies a run: short code compiles fast."""
    found: list[tuple[str, int, int, int]] = []
    for k, (role, j, _) in enumerate(columns):
        if found and found[-1][0] == role and found[-1][2] + found[-1][3] == j:
            found[-1] = (*found[-1][:3], found[-1][3] + 1)
        else:
            found.append((role, k, j, 1))
    return found


class Plan:
    """Names and places shared by the two loop forms of one recurrence."""

    def __init__(self, r: Recurrence) -> None:
        self.r = r
        self.source = Source()
        self.code = listing(r.body)
        self.n_carried = len(self.code.inputs["state"])
        self.sorted = _sort(self.code, self.n_carried)
        self.next = self.code.outputs[: self.n_carried]
        self.written = self.code.outputs[self.n_carried : self.n_carried + r.n_written]
        self.summed = self.code.outputs[self.n_carried + r.n_written :]
        self.states = self.code.inputs["state"]
        self.roles = [role for role in self.code.inputs if role not in ("state", "constant")]
        used = names_used(self.code.instructions, self.code.outputs)
        self.columns = [(role, j, name) for role in self.roles for j, name in enumerate(self.code.inputs[role]) if name in used]
        s = self.source
        constants = listing(r.constants)
        self.parameters = [f"p{i}" for i in range(len(constants.inputs["parameter"]))]
        rename = dict(zip(constants.inputs["parameter"], self.parameters, strict=True))
        s.function("constants", constants.inputs["parameter"], constants.instructions, constants.outputs)
        self.numbers = list(self.code.inputs["constant"])
        self.parameters = [rename[n] for n in constants.inputs["parameter"]]
        # Constants that the body forms from constants: literals excepted, they travel as arguments.
        wanted = names_used([*self.sorted.before, *self.sorted.carried, *self.sorted.behind], self.code.outputs)
        self.more = [i.target for i in self.sorted.constant if i.target in wanted]
        s.function("more_constants", self.numbers, self.sorted.constant, self.more)
        self.held = [*self.numbers, *self.more]
        self.n_sums = len(self.summed)
        if r.after is not None:
            after = listing(r.after)
            s.function("after", [*after.inputs["parameter"], *after.inputs["sum"]], after.instructions, after.outputs)
            self.n_returned = len(after.outputs)
        else:
            self.n_returned = self.n_sums

    def held_used(self, instructions: Sequence[Instruction], outputs: Sequence[str]) -> list[str]:
        """Constants that some instructions read."""
        used = names_used(instructions, outputs)
        return [h for h in self.held if h in used]

    def head(self) -> None:
        """Signature, sizes and results."""
        r, s = self.r, self.source
        s.add(f"def {r.name}(parameter, initial, {', '.join(self.roles)}, n, members):")
        keep = (
            f"states = np.empty(({self.n_carried}, {'n + 1' if r.keep == 1 else f'(n + {r.keep - 1}) // {r.keep} + 1'}, members))"
            if r.keep
            else ""
        )
        s.add(*([f"    {keep}"] if keep else []))
        if r.n_written:
            s.add(f"    written = np.empty(({r.n_written}, n, members))")
        if self.n_returned:
            s.add(f"    sums = np.zeros(({self.n_returned}, members))")
        s.add(f"    last = np.empty(({self.n_carried}, members))")

    @property
    def results(self) -> list[str]:
        """Names of the arrays that are returned."""
        r = self.r
        return [*(["states"] if r.keep else []), *(["written"] if r.n_written else []), *(["sums"] if self.n_returned else []), "last"]

    def tail(self) -> None:
        """Return statement."""
        self.source.add(f"    return ({', '.join(self.results)},)")


def scalar_kernel(r: Recurrence, chunk: int = CHUNK) -> Kernel:
    """Generate the loop for one member after the other, with chunks of times in lanes.

    Parameters
    ----------
    r : Recurrence
        What to compute.
    chunk : int
        Times that run in lanes; no more than there are.

    Returns
    -------
    Kernel
        Function of ``parameter (n_parameter, members)``, ``initial (n_carried, members)``, one array ``(k, n or n + 1, members or 1)``
        for each role, the number of times and of members. It returns the kept states, the written outputs, the sums and
        the last carried numbers, as far as they exist.
    """
    plan = Plan(r)
    s, c, o = plan.source, plan.code, plan.sorted
    place = {name: f"window[{k * chunk} + i]" for k, (_, _, name) in enumerate(plan.columns)}
    later = names_used([*o.carried, *o.behind], c.outputs)
    from_before = [i.target for i in o.before if i.target in later]
    place |= {name: f"ahead[{k * chunk} + i]" for k, name in enumerate(from_before)}
    used_behind = names_used(o.behind, [*plan.written, *plan.summed])
    from_carried = [i.target for i in o.carried if i.target in used_behind]
    place |= {name: f"seen[{k * chunk} + i]" for k, name in enumerate([*plan.states, *from_carried])}

    def stage(name: str, instructions: Sequence[Instruction], outputs: Sequence[str], local: Sequence[str] = ()) -> list[str]:
        """Define the function of a stage and return the arguments of its call."""
        used = names_used(instructions, outputs)
        made = {i.target for i in instructions}
        inputs = [n for n in used if n not in made and (n in place or n in plan.held or n in local)]
        s.function(name, inputs, instructions, outputs)
        return [n if (n in plan.held or n in local) else place[n] for n in inputs]

    plan.head()
    outputs_behind = [*plan.written, *plan.summed]
    n_made = len(outputs_behind)
    s.add(f"    window = np.empty({max(1, len(plan.columns)) * chunk})")
    s.add(f"    ahead = np.empty({max(1, len(from_before)) * chunk})")
    s.add(f"    seen = np.empty({max(1, len(plan.states) + len(from_carried)) * chunk})")
    s.add(f"    made = np.empty({max(1, n_made) * chunk})")
    s.add("    for b in range(members):")
    for i, p in enumerate(plan.parameters):
        s.add(f"        {p} = parameter[{i}, b]")
    if plan.numbers:
        s.add("        " + call_of(plan.numbers, "constants", plan.parameters))
    if plan.more:
        s.add("        " + call_of(plan.more, "more_constants", plan.numbers))
    for i, x in enumerate(plan.states):
        s.add(f"        {x} = initial[{i}, b]")
    for role in plan.roles:
        s.add(f"        b_{role} = b if {role}.shape[2] > 1 else 0")
    if plan.summed:
        s.add(f"        for i in range({n_made * chunk}):", "            made[i] = 0.0")
    s.add(f"        for start in range(0, n, {chunk}):")
    s.add(f"            m = min({chunk}, n - start)")
    time = "n - 1 - start - i" if r.reverse else "start + i"
    for role, k, j, count in column_runs(plan.columns):
        s.add(f"            for k in range({count}):", "                for i in range(m):")
        s.add(f"                    window[{k * chunk} + k * {chunk} + i] = {role}[{j} + k, {time}, b_{role}]")
    if from_before:
        arguments = stage("before", o.before, from_before)
        s.add(
            "            for i in range(m):",
            "                " + call_of([f"ahead[{k * chunk} + i]" for k in range(len(from_before))], "before", arguments),
        )
    next_names = [f"{x}_next" for x in plan.states]
    arguments = stage("carried", o.carried, [*plan.next, *from_carried], plan.states)
    s.add("            for i in range(m):")
    s.add(*(f"                seen[{k * chunk} + i] = {x}" for k, x in enumerate(plan.states)))
    kept = [f"seen[{(k + len(plan.states)) * chunk} + i]" for k in range(len(from_carried))]
    s.add("                " + call_of([*next_names, *kept], "carried", arguments))
    s.add(*(f"                {x} = {y}" for x, y in zip(plan.states, next_names, strict=True)))
    if outputs_behind:
        arguments = stage("behind", o.behind, outputs_behind)
        made = [f"y{k}" for k in range(n_made)]
        s.add("            for i in range(m):", "                " + call_of(made, "behind", arguments))
        s.add(*(f"                made[{k * chunk} + i] {'=' if k < r.n_written else '+='} y{k}" for k in range(n_made)))
        if r.n_written:
            s.add(
                f"            for k in range({r.n_written}):",
                "                for i in range(m):",
                f"                    written[k, {time}, b] = made[k * {chunk} + i]",
            )
    if r.keep == 1:
        s.add(
            f"            for k in range({plan.n_carried}):",
            "                for i in range(m):",
            f"                    states[k, {time}, b] = seen[k * {chunk} + i]",
        )
    elif r.keep:
        s.add(f"            if start % {r.keep} == 0:")
        s.add(*(f"                states[{k}, start // {r.keep}, b] = seen[{k * chunk}]" for k in range(plan.n_carried)))
    for k, x in enumerate(plan.states):
        s.add(*([f"        states[{k}, states.shape[1] - 1, b] = {x}"] if r.keep else []), f"        last[{k}, b] = {x}")
    if plan.summed:
        # The sum of each goes to its first place.
        s.add(f"        for k in range({plan.n_sums}):", f"            for i in range(1, {chunk}):")
        s.add(f"                made[({r.n_written} + k) * {chunk}] += made[({r.n_written} + k) * {chunk} + i]")
        names = [f"made[{(r.n_written + k) * chunk}]" for k in range(plan.n_sums)]
        if r.after is None:
            s.add(f"        for k in range({plan.n_sums}):", f"            sums[k, b] = made[({r.n_written} + k) * {chunk}]")
        else:
            s.add("        " + call_of([f"sums[{k}, b]" for k in range(plan.n_returned)], "after", [*plan.parameters, *names]))
    plan.tail()
    return s.kernel(r.name)
