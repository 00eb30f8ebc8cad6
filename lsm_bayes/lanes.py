"""Kernels whose lanes are members that share a time axis: everything of one time runs for 8 or 16 members at once.

Blocks of members may run in threads: the density of a calibration of many sites, while there are more cores than chains.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from numba import prange, types

from lsm_bayes.kernels import Kernel, Plan, Recurrence, call_of, column_runs, names_used

SLAB = 16  # times that a block of members runs at once, a divisor of CHUNK; its buffers stay in the first caches
WIDTHS = (8, 16)  # members of a block of lanes; 8 double lanes fill one vector, 16 hide its latency
# Not numba.set_num_threads, whose pointer cannot be cached: the symbol is there once Numba's threads have started.
SET_THREADS = types.ExternalFunction("set_num_threads", types.void(types.intc))
FEWEST = 3  # members from which a block of lanes costs less than the loop over members


def lanes_for(members: int) -> int:
    """Choose how many members run in one block of SIMD lanes.

    Parameters
    ----------
    members : int
        How many members share a time axis.

    Returns
    -------
    int
        0 for one member after the other, else one of `WIDTHS`.
    """
    if members < FEWEST:
        return 0
    return next((w for w in WIDTHS if members <= w), WIDTHS[-1])


def lane_kernel(r: Recurrence, lanes: int, threads: int = 1) -> Kernel:
    """Generate the loop for blocks of members that share a time axis, all of one time in lanes.

    Parameters
    ----------
    r : Recurrence
        What to compute.
    lanes : int
        Members of one block.
    threads : int
        Among which the blocks are shared out.

    Returns
    -------
    Kernel
        The same signature and results as `scalar_kernel`.
    """
    plan = Plan(r)
    s, c, o = plan.source, plan.code, plan.sorted
    instructions = [*o.before, *o.carried, *o.behind]
    order = {i.target: k for k, i in enumerate(c.instructions)}
    instructions.sort(key=lambda i: order[i.target])
    outputs = [*plan.next, *plan.written, *plan.summed]
    place = {name: f"given[{k * lanes} + i]" for k, (_, _, name) in enumerate(plan.columns)}
    place |= {name: f"now[{k * lanes} + i]" for k, name in enumerate(plan.states)}
    held = plan.held_used(instructions, outputs)
    place |= {name: f"fixed[{k * lanes} + i]" for k, name in enumerate(held)}
    used = names_used(instructions, outputs)
    made_here = {i.target for i in instructions}
    inputs = [name for name in used if name not in made_here and name in place]
    s.function("whole", inputs, instructions, outputs)
    n_next, n_out = plan.n_carried, len(outputs)
    offset = n_next + r.n_written
    time = "n - 1 - start - step" if r.reverse else "start + step"
    plan.head()
    head, s.lines = s.lines, []
    s.add("    blocks = end - begin")
    s.add(f"    window = np.zeros(({SLAB}, {max(1, len(plan.columns)) * lanes}))")
    s.add(*([f"    seen = np.zeros(({SLAB}, {n_next * lanes}))"] if r.keep == 1 else []))
    s.add(*([f"    out = np.zeros(({SLAB}, {r.n_written * lanes}))"] if r.n_written else []))
    s.add(f"    fixed_of = np.zeros((blocks, {max(1, len(held)) * lanes}))")
    s.add(f"    now_of = np.zeros((blocks, {n_next * lanes}))")
    s.add(f"    made_of = np.zeros((blocks, {n_out * lanes}))")
    s.add("    for block in range(blocks):", f"        first = (begin + block) * {lanes}", f"        count = min({lanes}, members - first)")
    s.add("        fixed, now = fixed_of[block], now_of[block]")
    s.add(f"        for i in range({lanes}):")
    s.add("            b = first + min(i, count - 1)")  # idle lanes repeat the last member: no NaN slow path
    for k, p in enumerate(plan.parameters):
        s.add(f"            {p} = parameter[{k}, b]")
    if plan.numbers:
        s.add("            " + call_of(plan.numbers, "constants", plan.parameters))
    if plan.more:
        s.add("            " + call_of(plan.more, "more_constants", plan.numbers))
    s.add(*(f"            fixed[{k * lanes} + i] = {name}" for k, name in enumerate(held)))
    s.add(*(f"            now[{k * lanes} + i] = initial[{k}, b]" for k in range(n_next)))
    # All blocks run a slab before any runs the next: blocks are neighbours in memory, times of many members lie far apart.
    s.add(f"    for turn in range((n + {SLAB - 1}) // {SLAB} * blocks):")
    s.add(f"        start, block = turn // blocks * {SLAB}, turn % blocks")
    s.add(
        f"        m = min({SLAB}, n - start)",
        f"        first = (begin + block) * {lanes}",
        f"        count = min({lanes}, members - first)",
    )
    s.add("        fixed, now, made = fixed_of[block], now_of[block], made_of[block]")
    for role, k, j, length in column_runs(plan.columns):
        s.add(f"        for k in range({length}):", f"            place = ({k} + k) * {lanes}")
        s.add(f"            if {role}.shape[2] == 1:", "                for step in range(m):")
        s.add(f"                    value = {role}[{j} + k, {time}, 0]", f"                    for i in range({lanes}):")
        s.add("                        window[step, place + i] = value")
        for condition, lane in ((f"elif count == {lanes}", "i"), ("else", "min(i, count - 1)")):
            s.add(f"            {condition}:", "                for step in range(m):", f"                    t = {time}")
            s.add(f"                    for i in range({lanes}):")
            s.add(f"                        window[step, place + i] = {role}[{j} + k, t, first + {lane}]")
    if r.keep > 1:
        s.add(f"        if start % {r.keep} == 0:", f"            for k in range({n_next}):", "                for i in range(count):")
        s.add(f"                    states[k, start // {r.keep}, first + i] = now[k * {lanes} + i]")
    s.add("        for step in range(m):", "            given = window[step]")
    if r.keep == 1:
        s.add("            kept = seen[step]", f"            for i in range({n_next * lanes}):", "                kept[i] = now[i]")
    s.add(f"            for i in range({lanes}):")
    names = [f"y{k}" for k in range(n_out)]
    s.add("                " + call_of(names, "whole", [place[name] for name in inputs]))
    s.add(*(f"                made[{k * lanes} + i] {'=' if k < offset else '+='} y{k}" for k in range(n_out)))
    s.add(f"            for i in range({n_next * lanes}):", "                now[i] = made[i]")
    if r.n_written:
        s.add("            put = out[step]", f"            for i in range({r.n_written * lanes}):")
        s.add(f"                put[i] = made[{n_next * lanes} + i]")
    stored = [("states", "seen", n_next)] if r.keep == 1 else []
    for array, buffer, rows in [*stored, *([("written", "out", r.n_written)] if r.n_written else [])]:
        s.add(f"        for k in range({rows}):", f"            place = k * {lanes}")
        for condition, turns in ((f"if count == {lanes}", lanes), ("else", "count")):
            s.add(f"            {condition}:", "                for step in range(m):", f"                    t = {time}")
            s.add(f"                    for i in range({turns}):")
            s.add(f"                        {array}[k, t, first + i] = {buffer}[step, place + i]")
    s.add("    for block in range(blocks):", f"        first = (begin + block) * {lanes}")
    s.add("        now, made = now_of[block], made_of[block]")
    s.add(f"        for i in range(min({lanes}, members - first)):", "            pass")
    if r.keep:
        s.add(*(f"            states[{k}, states.shape[1] - 1, first + i] = now[{k * lanes} + i]" for k in range(n_next)))
    s.add(*(f"            last[{k}, first + i] = now[{k * lanes} + i]" for k in range(n_next)))
    if plan.summed and r.after is None:
        s.add(*(f"            sums[{k}, first + i] = made[{(offset + k) * lanes} + i]" for k in range(plan.n_sums)))
    elif r.after is not None and plan.n_sums:
        s.add(
            "            "
            + call_of(
                [f"sums[{k}, first + i]" for k in range(plan.n_returned)],
                "after",
                [
                    *(f"parameter[{k}, first + i]" for k in range(len(plan.parameters))),
                    *(f"made[{(offset + k) * lanes} + i]" for k in range(plan.n_sums)),
                ],
            )
        )
    body, s.lines = s.lines, head
    if threads > 1:
        return _in_threads(plan, body, lanes, threads)
    s.add(f"    begin, end = 0, (members + {lanes - 1}) // {lanes}", *body)
    plan.tail()
    return s.kernel(r.name)


def _in_threads(plan: Plan, body: Sequence[str], lanes: int, threads: int) -> Kernel:
    """Make the work on some blocks a function, and call it for each thread's share."""
    s = plan.source
    arguments = ", ".join(["parameter", "initial", *plan.roles, "n", "members", "begin", "end", *plan.results])
    text = "\n".join([f"def share({arguments}):", *body]) + "\n"
    key = hashlib.sha256(f"{text}{s.key}".encode()).hexdigest()
    s.include("share", Kernel("share", text, s.scope.copy(), key))
    s.scope |= {"prange": prange, "set_num_threads": SET_THREADS}
    s.add(f"    blocks = (members + {lanes - 1}) // {lanes}", f"    set_num_threads({threads})", f"    for k in prange({threads}):")
    s.add(f"        begin, end = blocks * k // {threads}, blocks * (k + 1) // {threads}", f"        share({arguments})")
    plan.tail()
    return replace(s.kernel(plan.r.name), parallel=True)
