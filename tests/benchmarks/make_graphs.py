"""Make large graphs for benchmarks, byte by byte, with the tests' own writers."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import writers as w

FLOAT32, STRING, INT32 = 1, 7, 3
_GRAPH, _LIBRARY = 1, 2

OPS = {
    "Placeholder": (("output", "dtype"),),
    "Const": (("output", "dtype"),),
    "VariableV2": (("ref", "dtype"),),
    "Assign": (("output_ref", "T"),),
    "ApplyMomentum": (("out", "T"),),
    "RestoreV2": (("tensors", ""),),
    "SaveV2": (),
    "NoOp": (),
    **dict.fromkeys(("Identity", "BiasAdd", "Mean", "Sub"), (("output", "T"),)),
    **dict.fromkeys(("MatMul", "BiasAddGrad"), (("product", "T"),)),
    **dict.fromkeys(("Relu", "ReluGrad"), (("activations", "T"),)),
}
"""Op -> its outputs, each with the attribute that has its type."""


def text(number: int, value: str | bytes) -> bytes:
    return w.bytes_field(number, value.encode() if isinstance(value, str) else value)


def attr(name: str, value: bytes) -> bytes:
    return text(5, text(1, name) + text(2, value))


def of_type(number: int, name: str = "T") -> bytes:
    return attr(name, w.int_field(6, number))


def truth(name: str, *, value: bool = False) -> bytes:
    return attr(name, w.int_field(5, int(value)))


def shape(*sizes: int, name: str = "shape") -> bytes:
    return attr(name, text(7, w.shape_proto(sizes)))


def node(name: str, op: str, inputs: Sequence[str] = (), *attrs: bytes) -> bytes:
    given = b"".join(text(3, each) for each in inputs)
    return text(_GRAPH, text(1, name) + text(2, op) + given + b"".join(attrs))


FLOAT = of_type(FLOAT32)


def near(name: str) -> bytes:
    """Return the attribute that places a node with another."""
    return attr("_class", text(1, text(2, f"loc:@{name}")))


def strings(name: str, values: Sequence[str], *sizes: int) -> bytes:
    tensor = w.int_field(1, STRING) + text(2, w.shape_proto(sizes))
    tensor += b"".join(text(8, value) for value in values)
    return node(
        name, "Const", (), attr("dtype", w.int_field(6, STRING)), attr("value", text(8, tensor))
    )


def zeros(name: str, sizes: Sequence[int] = (), *, dtype: int = FLOAT32) -> bytes:
    """Return a constant of zeros, stored as one of them."""
    one = text(5, bytes(4)) if dtype == FLOAT32 else text(7, bytes(1))
    tensor = w.int_field(1, dtype) + text(2, w.shape_proto(sizes)) + one
    return node(
        name, "Const", (), attr("dtype", w.int_field(6, dtype)), attr("value", text(8, tensor))
    )


def variable(name: str, sizes: Sequence[int]) -> Iterator[bytes]:
    """Yield the nodes that TensorFlow 1 makes for a variable."""
    empty = [attr(key, text(2, "")) for key in ("container", "shared_name")]
    kind = of_type(FLOAT32, "dtype")
    value = shape(*sizes, name="_output_shapes")
    yield zeros(f"{name}/Initializer/zeros", sizes)
    yield node(name, "VariableV2", (), kind, shape(*sizes), *empty)
    inputs = (name, f"{name}/Initializer/zeros")
    sets = (
        FLOAT,
        near(name),
        truth("use_locking", value=True),
        truth("validate_shape", value=True),
    )
    yield node(f"{name}/Assign", "Assign", inputs, *sets)
    yield node(f"{name}/read", "Identity", (name,), FLOAT, near(name), value)


def layer(name: str, before: str, width: int) -> Iterator[bytes]:
    """Yield a dense layer, its gradients and its training."""
    weights, bias = f"{name}/weights", f"{name}/biases"
    yield from variable(weights, (width, width))
    yield from variable(bias, (width,))
    flat = (truth("transpose_a"), truth("transpose_b"))
    order = attr("data_format", text(2, "NHWC"))
    yield node(f"{name}/MatMul", "MatMul", (before, f"{weights}/read"), FLOAT, *flat)
    yield node(f"{name}/BiasAdd", "BiasAdd", (f"{name}/MatMul", f"{bias}/read"), FLOAT, order)
    yield node(f"{name}/Relu", "Relu", (f"{name}/BiasAdd",), FLOAT)


def training(name: str, before: str, behind: str, width: int) -> Iterator[bytes]:
    """Yield the gradients and the updates of a layer."""
    weights, bias, back = f"{name}/weights", f"{name}/biases", f"gradients/{name}"
    first = f"{back}/Relu_grad/ReluGrad"
    yield node(first, "ReluGrad", (behind, f"{name}/Relu"), FLOAT)
    order = attr("data_format", text(2, "NHWC"))
    grad_bias = f"{back}/BiasAdd_grad/BiasAddGrad"
    yield node(grad_bias, "BiasAddGrad", (first,), FLOAT, order)
    grads = (f"{back}/MatMul_grad/MatMul", f"{back}/MatMul_grad/MatMul_1")
    inputs = ((first, f"{weights}/read"), (before, first))
    for each, own, turned in zip(grads, inputs, ((False, True), (True, False)), strict=True):
        turns = (truth("transpose_a", value=turned[0]), truth("transpose_b", value=turned[1]))
        yield node(each, "MatMul", own, FLOAT, *turns)
    for owner, grad, sizes in ((weights, grads[1], (width, width)), (bias, grad_bias, (width,))):
        slot = f"{owner}/Momentum"
        yield from variable(slot, sizes)
        update = (owner, slot, "Momentum/learning_rate", grad, "Momentum/momentum")
        locks = (truth("use_locking"), truth("use_nesterov"))
        yield node(f"Momentum/update_{owner}/ApplyMomentum", "ApplyMomentum", update, FLOAT, *locks)


def saving(keys: Sequence[str]) -> Iterator[bytes]:
    """Yield the nodes of a Saver."""
    kinds = attr("dtypes", text(1, text(6, bytes([FLOAT32]) * len(keys))))
    yield strings("save/Const", ["model"])
    yield strings("save/SaveV2/tensor_names", keys, len(keys))
    yield strings("save/SaveV2/shape_and_slices", [""] * len(keys), len(keys))
    inputs = ("save/Const", "save/SaveV2/tensor_names", "save/SaveV2/shape_and_slices")
    yield node("save/SaveV2", "SaveV2", (*inputs, *keys), kinds)
    yield node(
        "save/control_dependency", "Identity", ("save/Const", "^save/SaveV2"), of_type(STRING)
    )
    yield node("save/RestoreV2", "RestoreV2", inputs, kinds)
    for index, key in enumerate(keys):
        sets = (FLOAT, near(key), truth("use_locking", value=True))
        restored = "save/RestoreV2" if not index else f"save/RestoreV2:{index}"
        yield node(f"save/Assign_{index}", "Assign", (key, restored), *sets)
    yield node("save/restore_all", "NoOp", [f"^save/Assign_{n}" for n in range(len(keys))])


def function(number_of: int, size: int) -> bytes:
    """Return a function of a chain of nodes."""
    ends = (text(1, "x") + w.int_field(3, FLOAT32), text(1, "y") + w.int_field(3, FLOAT32))
    signature = text(1, f"__inference_function_{number_of}") + text(2, ends[0]) + text(3, ends[1])
    names = [f"model/part_{number_of}/Relu_{n}" for n in range(size)]
    sources = ["x", *(f"{name}:activations:0" for name in names)]
    nodes = (node(n, "Relu", (s,), FLOAT) for n, s in zip(names, sources, strict=False))
    # A node is field 3 of a FunctionDef.
    inner = b"".join(text(3, w.split_fields(each)[0][1][_head(each) :]) for each in nodes)
    return text(1, text(1, signature) + inner + text(4, text(1, "y") + text(2, sources[-1])))


def _head(field: bytes) -> int:
    """Return the size of the tag and the length before a value of less than 2 MB."""
    return 2 if field[1] < 0x80 else 3 if field[2] < 0x80 else 4


def definition(name: str, outputs: Sequence[tuple[str, str]]) -> bytes:
    args = (
        text(3, text(1, output) + text(4 if of else 6, of or "dtypes")) for output, of in outputs
    )
    return text(1, name) + b"".join(args)


def listed(names: Sequence[str]) -> bytes:
    """Return the collection of variables."""
    kinds = {1: ":0", 2: "/Assign", 3: "/read:0", 6: "/Initializer/zeros:0"}
    values = (
        b"".join(
            text(n, f"{name}{kind or ':0'}") for n, kind in zip((1, 2, 3, 6), kinds, strict=True)
        )
        for name in names
    )
    return text(2, b"".join(text(1, value) for value in values))


def meta_graph(
    graph: bytes, collections: dict[str, bytes], saver: bytes = b"", versions: int = 27
) -> bytes:
    info = text(2, b"".join(text(1, definition(*each)) for each in OPS.items()))
    pairs = (text(4, text(1, name) + text(2, value)) for name, value in collections.items())
    graph += text(4, w.int_field(1, versions))
    return text(1, info) + text(2, graph) + saver + b"".join(pairs)


SAVER = text(
    3,
    text(1, "save/Const:0")
    + text(2, "save/control_dependency:0")
    + text(3, "save/restore_all")
    + w.int_field(7, 2),
)


def layers_of(count: int) -> list[str]:
    return [f"network/stage_{n // 100:03d}/dense_{n % 100:02d}" for n in range(count)]


def keys_of(count: int) -> list[str]:
    """Return the keys of the weights of so many layers."""
    return [f"{name}/{kind}" for name in layers_of(count) for kind in ("weights", "biases")]


def dense_layers(count: int, width: int, *, trained: bool, functions: int = 0) -> bytes:
    """Return a MetaGraphDef of dense layers, with or without their training."""
    names, keys = layers_of(count), keys_of(count)
    nodes = [node("input", "Placeholder", (), of_type(FLOAT32, "dtype"), shape(-1, width))]
    before = ["input", *(f"{name}/Relu" for name in names)]
    for name, source in zip(names, before, strict=False):
        nodes += layer(name, source, width)
    if trained:
        nodes += [zeros(f"Momentum/{each}") for each in ("learning_rate", "momentum")]
        labels = node("labels", "Placeholder", (), of_type(FLOAT32, "dtype"), shape(-1, width))
        nodes += [labels, node("loss/Sub", "Sub", (before[-1], "labels"), FLOAT)]
        nodes += [
            zeros("loss/Const", (1,), dtype=INT32),
            node("loss/Mean", "Mean", ("loss/Sub", "loss/Const"), FLOAT),
        ]
        behind = [f"gradients/{name}/MatMul_grad/MatMul" for name in names[1:]] + ["loss/Sub"]
        for name, source, back in reversed(list(zip(names, before, behind, strict=False))):
            nodes += training(name, source, back, width)
        updates = [f"^Momentum/update_{key}/ApplyMomentum" for key in keys]
        nodes.append(node("Momentum", "NoOp", updates))
    slots = [f"{key}/Momentum" for key in keys] if trained else []
    nodes += saving([*keys, *slots])
    library = b"".join(function(n, 50) for n in range(functions))
    graph = b"".join(nodes) + (text(_LIBRARY, library) if library else b"")
    collections = {"variables": listed([*keys, *slots]), "trainable_variables": listed(keys)}
    if trained:
        collections |= {
            "train_op": text(1, text(1, "Momentum")),
            "losses": text(1, text(1, "loss/Mean:0")),
        }
    return meta_graph(graph, collections, SAVER)


def unrolled(count: int, width: int) -> bytes:
    """Return a MetaGraphDef of about so many nodes: steps of a recurrent network, unrolled."""
    keys = ["cell/weights", "cell/biases"]
    nodes = [node("input", "Placeholder", (), of_type(FLOAT32, "dtype"), shape(-1, width))]
    nodes += [*variable(keys[0], (width, width)), *variable(keys[1], (width,))]
    flat = (truth("transpose_a"), truth("transpose_b"))
    order = attr("data_format", text(2, "NHWC"))
    before = "input"
    for step in range(count // 3):
        name = f"recurrent/step_{step:06d}/cell"
        nodes.append(node(f"{name}/MatMul", "MatMul", (before, "cell/weights/read"), FLOAT, *flat))
        inputs = (f"{name}/MatMul", "cell/biases/read")
        nodes.append(node(f"{name}/BiasAdd", "BiasAdd", inputs, FLOAT, order))
        before = f"{name}/Relu"
        nodes.append(node(before, "Relu", (f"{name}/BiasAdd",), FLOAT))
    nodes += [node("output", "Identity", (before,), FLOAT), *saving(keys)]
    return meta_graph(
        b"".join(nodes), {"variables": listed(keys), "trainable_variables": listed(keys)}, SAVER
    )
