"""Graphs that TensorFlow makes, and what it says of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfckpt_reader.graph.decode.operation import FunctionCall
from tfckpt_reader.tensor.dtypes import DataType


def model(tf: Any, *, resource: bool, control_flow_v2: bool) -> None:
    """Variables of every kind, loops, branches, functions, queues, lists, many constants."""
    v1 = tf.compat.v1
    (v1.enable_control_flow_v2 if control_flow_v2 else v1.disable_control_flow_v2)()
    data = v1.placeholder(tf.float32, [None, 4], name="data")
    v1.placeholder(tf.int32, name="anything")
    split = v1.fixed_size_partitioner(2)
    with v1.variable_scope("scope", use_resource=resource), tf.device("/cpu:0"):
        w = v1.get_variable("w", [4, 3], initializer=v1.zeros_initializer())
        parts = v1.get_variable("parts", [6, 2], partitioner=split)
        v1.get_variable("aside", [2], trainable=False)
        v1.get_variable("local", [2], collections=[v1.GraphKeys.LOCAL_VARIABLES])
    v1.get_variable("other", initializer=tf.constant([1, 2], tf.int64), use_resource=not resource)
    out = tf.matmul(data, w, name="logits") + tf.reduce_sum(tf.convert_to_tensor(parts))
    loop = tf.while_loop(lambda i, _: i < 3, lambda i, x: (i + 1, x * 2.0), [tf.constant(0), out])
    tf.cond(tf.reduce_sum(out) > 0, lambda: out + 1.0, lambda: out - 1.0)
    first, second = tf.split(loop[1], [1, 2], axis=1)

    called = tf.function(lambda x: (tf.nn.relu(x), tf.split(x, 2, axis=1)))
    called(tf.concat([first, second, first], 1))
    v1.py_func(lambda x: x, [first], [tf.float32], name="python")
    with tf.control_dependencies([first.op, second.op]):
        tf.group(name="done")
    tf.constant(np.arange(6, dtype=np.float16).reshape(2, 3), name="half")
    tf.constant([b"a\x00", b"\xff"], name="strings")
    tf.fill([100], 7.0)
    loss = tf.reduce_mean(loop[1])
    v1.train.AdamOptimizer().minimize(loss, global_step=v1.train.get_or_create_global_step())
    v1.summary.scalar("loss", loss)


def shape_of(tensor: Any) -> Any:
    return None if tensor.shape.rank is None else tuple(tensor.shape.as_list())


def comparable(tf: Any, value: Any) -> Any:
    """TensorFlow's value of an attribute, as we give it."""
    if isinstance(value, list):
        return [comparable(tf, each) for each in value]
    if isinstance(value, tf.DType):
        return value.as_datatype_enum
    kind = type(value).__name__
    if kind == "TensorShapeProto":
        sizes = (None if dim.size < 0 else dim.size for dim in value.dim)
        return None if value.unknown_rank else tuple(sizes)
    if kind == "TensorProto":
        array = tf.make_ndarray(value)
        return array.tolist(), array.shape, str(array.dtype)
    return value.name if kind == "NameAttrList" else value


def ours(value: Any) -> Any:
    if isinstance(value, list):
        return [ours(each) for each in value]
    if isinstance(value, np.ndarray):
        return value.tolist(), value.shape, str(value.dtype)
    if isinstance(value, FunctionCall):
        return value.name
    return int(value) if isinstance(value, DataType) else value
