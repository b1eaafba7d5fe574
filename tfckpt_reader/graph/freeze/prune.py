"""Cutting a graph: what some outputs need, with tensors at which it begins anew.

Knows no file, and only names, ops and inputs of nodes. TensorFlow ``python/framework/
graph_util_impl.py``, ``core/graph/subgraph.cc``.

A control input orders side effects, which a frozen graph has none of. Only in branches and loops
of ``Switch`` and ``Enter`` does it say when, or how often, a node without other inputs runs: those
keep theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.errors import CorruptCheckpointError, UnsupportedError
from tfckpt_reader.graph.connectivity import on_cycles
from tfckpt_reader.graph.decode.operation import split_name, tensor_name
from tfckpt_reader.graph.freeze.node import Node
from tfckpt_reader.text import count_of, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ENTER, EXIT = frozenset({"Enter", "RefEnter"}), frozenset({"Exit", "RefExit"})
_LOOP_BACK = frozenset({"NextIteration", "RefNextIteration"})
_LOOPS = ENTER | EXIT | _LOOP_BACK
_BRANCHES = frozenset({"Switch", "RefSwitch"}) | ENTER


def origin(text: str) -> str:
    """Return the node of an input or a control input."""
    if text[:1] == "^":
        return text[1:]
    return split_name(text)[0] if ":" in text else text


def unique(name: str, taken: Mapping[str, object]) -> str:
    """Return the name, with a number if it is taken."""
    number, free = 0, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def redirect(draft: Mapping[str, Node], replaced: Mapping[str, str]) -> None:
    """Replace tensors among the inputs of all nodes, through chains of replacements.

    Raises:
        CorruptCheckpointError: they replace one another in a circle.
    """
    final: dict[str, str] = {}
    for name in replaced:
        target, steps = name, 0
        while target in replaced:
            target, steps = final.get(target) or tensor_name(replaced[target]), steps + 1
            if steps > len(replaced):
                raise CorruptCheckpointError(f"tensor {quoted(name)} depends only on itself")
        final[name] = target
    for node in draft.values() if replaced else ():
        if any(tensor_name(text) in final for text in node.inputs):
            node.change(inputs=[final.get(tensor_name(text), text) for text in node.inputs])


def prune(draft: dict[str, Node], outputs: Iterable[str]) -> dict[str, Node]:
    """Return the nodes that some tensors need, in their order, and drop idle control inputs.

    Raises:
        CorruptCheckpointError: a node has an input that names nothing.
    """
    branches = any(node.op in _BRANCHES for node in draft.values())
    needed: set[str] = set()
    waiting = [origin(text) for text in outputs]
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        needed.add(name)
        node = draft[name]
        if any(text[:1] == "^" for text in node.inputs):
            _drop_control_inputs(node, draft, branches=branches)
        for source in map(origin, node.inputs):
            if source not in draft:
                raise CorruptCheckpointError(
                    f"node {quoted(name)} has an input that names nothing: {quoted(source)}"
                )
            waiting.append(source)
    return {name: node for name, node in draft.items() if name in needed}


def _drop_control_inputs(node: Node, draft: Mapping[str, Node], *, branches: bool) -> None:
    inputs = node.data_inputs
    if not inputs and branches:
        inputs = [f"^{name}" for name in _anchors(node, draft)]
    if inputs != node.inputs:
        node.change(inputs=inputs)


def _anchors(node: Node, draft: Mapping[str, Node]) -> list[str]:
    """Return the nodes that say when a node without data inputs runs.

    A check or a group of operations runs when its own inputs do: they stand for it.
    """
    anchors: dict[str, None] = {}
    seen: set[str] = set()
    waiting = [origin(text) for text in node.inputs]
    while waiting:
        name = waiting.pop()
        source = draft.get(name)
        if source is None or name in seen:
            continue
        seen.add(name)
        if source.op in IDLE:
            waiting.extend(map(origin, source.inputs))
        else:
            anchors[name] = None
    return sorted(anchors)


IDLE = frozenset({"NoOp", "Assert", "Print", "PrintV2", "ControlTrigger", "Abort"})
"""Ops that only check, print, or group others."""


def check_loops(draft: Mapping[str, Node], outputs: Iterable[str]) -> None:
    """Refuse cycles, loops that a cut left open, and outputs inside of loops.

    Raises:
        CorruptCheckpointError: a cycle that is no loop.
        UnsupportedError: a while loop is cut in the middle.
    """
    if _is_straight(draft):
        return
    numbers = {name: number for number, name in enumerate(draft)}
    nodes = list(draft.values())
    sources = [
        [numbers[o] for o in map(origin, node.inputs) if draft[o].op not in _LOOP_BACK]
        for node in nodes
    ]
    cycles = on_cycles(sources)
    if cycles:
        raise CorruptCheckpointError(
            f"a cycle that is no while loop goes through {count_of(len(cycles), 'node')}, "
            f"such as {quoted(nodes[cycles[0]].name)}"
        )
    if not any(node.op in _LOOPS for node in nodes):
        return
    frames = _frames(nodes, sources)
    for name in map(origin, outputs):
        if frames[numbers[name]]:
            raise _cut_loop(name, "is inside of it")
    for node in nodes:
        if node.op in _LOOP_BACK and not frames[numbers[origin(node.first_input)]]:
            raise _cut_loop(node.name, "begins outside of it")


def _is_straight(draft: Mapping[str, Node]) -> bool:
    """Return whether there are no loops, and all inputs come from earlier nodes, as in most."""
    before: set[str] = set()
    for name, node in draft.items():
        if node.op in _LOOPS or not before.issuperset(map(origin, node.inputs)):
            return False
        before.add(name)
    return True


def _frames(nodes: list[Node], sources: list[list[int]]) -> list[tuple[str, ...]]:
    """Return the loops around each node, the outermost first."""
    frames: list[tuple[str, ...] | None] = [None] * len(nodes)
    for number in _in_order(sources):
        node = nodes[number]
        inside = {frames[n] or () for n in sources[number]}
        if len(inside) > 1:
            raise _cut_loop(node.name, "has inputs from inside and outside of it")
        frame = next(iter(inside), ())
        if node.op in ENTER:
            frame = (*frame, str(node.attr("frame_name")))
        elif node.op in EXIT:
            if not frame:
                raise _cut_loop(node.name, "leaves it, and nothing enters it")
            frame = frame[:-1]
        frames[number] = frame
    return [frame or () for frame in frames]


def _in_order(sources: list[list[int]]) -> Iterable[int]:
    """Yield the numbers so that each comes after its sources; there are no cycles."""
    users: list[list[int]] = [[] for _ in sources]
    waits = [len(each) for each in sources]
    for number, each in enumerate(sources):
        for source in each:
            users[source].append(number)
    ready = [number for number, count in enumerate(waits) if not count]
    while ready:
        number = ready.pop()
        yield number
        for user in users[number]:
            waits[user] -= 1
            if not waits[user]:
                ready.append(user)


def _cut_loop(name: str, why: str) -> UnsupportedError:
    return UnsupportedError(
        f"a while loop is cut in the middle: node {quoted(name)} {why}",
        advice="Choose inputs before the loop, and outputs behind it",
    )
