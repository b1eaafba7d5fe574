"""Checkpoints written by TensorFlow: save ops, `Saver` and `tf.train.Checkpoint`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import writers as w
from agreement import tensorflow
from random_tensors import QUANTISED, Item, Plan


def constant(value: w.Typed) -> Any:
    tf = tensorflow()
    tensor = tf.constant(
        value.array, None if value.dtype in QUANTISED else tf.DType(value.dtype), value.array.shape
    )
    return tf.bitcast(tensor, tf.DType(value.dtype)) if value.dtype in QUANTISED else tensor


def save_v2(prefix: Path, rows: Sequence[tuple[bytes, str, w.Typed]]) -> None:
    keys, specs, values = zip(*rows, strict=True)
    tensorflow().raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=keys,
        shape_and_slices=specs,
        tensors=list(map(constant, values)),
    )


def save_v1(path: Path, rows: Sequence[tuple[bytes, str, w.Typed]]) -> None:
    keys, specs, values = zip(*rows, strict=True)
    raw_ops, data = tensorflow().raw_ops, list(map(constant, values))
    if any(specs):
        raw_ops.SaveSlices(
            filename=str(path), tensor_names=keys, shapes_and_slices=specs, data=data
        )
    else:
        raw_ops.Save(filename=str(path), tensor_names=keys, data=data)


def write_v2(folder: Path, plan: Plan) -> Path:
    """Save whole, or in parts that are merged."""
    parts = plan.parts()
    prefix = folder / "model.ckpt-1"
    if len(parts) == 1:
        save_v2(prefix, parts[0])
        return prefix
    names = [folder / f"temp/part-{i:05d}" for i in range(len(parts))]
    for name, rows in zip(names, parts, strict=True):
        save_v2(name, rows)
    tensorflow().raw_ops.MergeV2Checkpoints(
        checkpoint_prefixes=list(map(str, names)), destination_prefix=str(prefix)
    )
    return prefix


def write_v1(folder: Path, plan: Plan) -> Path:
    """Save one file, or a set of shards."""
    parts = plan.parts()
    if len(parts) == 1:
        save_v1(folder / "model.ckpt", parts[0])
        return folder / "model.ckpt"
    for i, rows in enumerate(parts):
        save_v1(folder / f"model.ckpt-{i:05d}-of-{len(parts):05d}", rows)
    return folder / f"model.ckpt-?????-of-{len(parts):05d}"


def variables(name: str, item: Item, device: str) -> Any:
    """A variable of the graph, a list of its pieces if it has some; what to initialize it with."""
    v1 = tensorflow().compat.v1
    made: list[Any] = []
    feeds: dict[Any, w.Array] = {}
    pieces = item.pieces if item.array.size else ()  # such a variable cannot be a slice
    for piece in pieces or ((),):
        value = w.cut(item.array, piece)
        dtype = tensorflow().DType(item.dtype)
        with tensorflow().device(device):
            start = v1.placeholder(dtype, value.shape)
            made.append(v1.Variable(start))
        feeds[start] = value
        if piece:
            whole = [(0, n) if e == (0, -1) else e for e, n in zip(piece, value.shape, strict=True)]
            offsets, sizes = zip(*whole, strict=True)
            info = v1.Variable.SaveSliceInfo(name, list(item.array.shape), offsets, sizes)
            made[-1]._set_save_slice_info(info)
    return (made if pieces else made[0]), feeds


def write_by_saver(folder: Path, plan: Plan, version: int) -> str:
    """Save variables of a TensorFlow 1 graph, over two devices if it is to be sharded."""
    tf = tensorflow()
    v1 = tf.compat.v1
    config = v1.ConfigProto(device_count={"CPU": 2})
    with tf.Graph().as_default(), v1.Session(config=config) as session:
        to_save: dict[str, Any] = {}
        feeds: dict[Any, w.Array] = {}
        for i, (name, item) in enumerate(plan.tensors.items()):
            to_save[name], more = variables(name, item, f"/cpu:{i % min(2, plan.shards)}")
            feeds |= more
        session.run(v1.global_variables_initializer(), feeds)
        saver = v1.train.Saver(
            to_save, sharded=plan.shards > 1, write_version=version, max_to_keep=None
        )
        return str(saver.save(session, str(folder / "model.ckpt"), global_step=plan.shards))


def escaped(name: str) -> str:
    """A name as an object-based checkpoint has it."""
    return name.replace(".", "..").replace("/", ".S")


def write_checkpoint(folder: Path, plan: Plan, cuts: int) -> str:
    """Save by tf.train.Checkpoint, which cuts the largest tensor in this many or so."""
    tf = tensorflow()
    made = {
        name: tf.Variable(constant(w.Typed(item.dtype, item.array)))
        for name, item in plan.tensors.items()
    }
    options = tf.train.CheckpointOptions()
    if cuts:
        largest = max(64, *(item.array.nbytes // cuts for item in plan.tensors.values()))
        policy = tf.train.experimental.MaxShardSizePolicy(max_shard_size=largest)
        options = tf.train.CheckpointOptions(experimental_sharding_callback=policy)
    return str(tf.train.Checkpoint(by=made).write(str(folder / "ckpt"), options))
