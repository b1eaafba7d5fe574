"""Roles of tensors: by the object graph, by collections, by names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import writers as w
from defects import bundle
from objects import VALUE, graph, keras_3, save, thing, variable
from project import CORPUS, FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.objects.roles import BY_COLLECTIONS, BY_NAME, BY_OBJECTS, BY_TYPE, Role

GRID = np.ones((2, 3), np.float32)
SCALAR = np.array(1, np.float32)
COUNT = np.array(1, np.int64)


def roles(prefix: Path) -> dict[str, Role]:
    with tfckpt.open(prefix) as ckpt:
        assert list(ckpt.roles) == list(ckpt)
        return dict(ckpt.roles)


def test_trained_variables_under_the_optimizers_path(tmp_path: Path) -> None:
    found = roles(keras_3(tmp_path))
    kernel = f"optimizer/_trainable_variables/0{VALUE}"
    assert found[kernel] == Role("weight", evidence=BY_OBJECTS)  # type: ignore[arg-type]
    slot = found[f"optimizer/_variables/2{VALUE}"]
    assert (slot.kind, slot.of, slot.slot) == ("optimizer slot", kernel, "momentum")
    average = found[f"optimizer/_variables/3{VALUE}"]
    assert (average.kind, average.of) == ("moving average", kernel)
    kinds = {key.removesuffix(VALUE): str(role.kind) for key, role in found.items()}
    assert kinds["optimizer/_iterations"] == "step or counter"
    assert kinds["optimizer/_learning_rate"] == "optimizer state"
    assert kinds["model/_layers/0/moving_mean"] == "batch-norm statistics"
    assert all(
        role.of_optimizer
        == key.startswith(("optimizer/_variables", "optimizer/_it", "optimizer/_l"))
        for key, role in found.items()
    )


def test_slots_that_the_object_graph_lists(tmp_path: Path) -> None:
    objects = graph(
        thing({"w": 1, "o": 2}),
        variable("w", "w"),
        thing(slots=[(1, "strange", 3), (1, "average", 4)]),
        variable("x/y", "z1"),
        variable("x/z", "z2"),
    )
    found = roles(save(tmp_path, objects, {"w": GRID, "z1": GRID, "z2": GRID}))
    one, two = found["z1" + VALUE], found["z2" + VALUE]
    assert (one.kind, one.of, one.slot, one.evidence) == (
        "optimizer slot",
        "w" + VALUE,
        "strange",
        BY_OBJECTS,
    )
    assert (two.kind, two.of) == ("moving average", "w" + VALUE)


NAMES = {
    "dense/kernel": (GRID, "weight", None),
    "dense/kernel/Adam": (GRID, "optimizer slot", "dense/kernel"),
    "dense/kernel/Adam_1": (GRID, "optimizer slot", "dense/kernel"),
    "OptimizeLoss/dense/kernel/Momentum": (GRID, "optimizer slot", "dense/kernel"),
    "dense/kernel/adam_m": (GRID, "optimizer slot", "dense/kernel"),
    "dense/kernel_slot_vr": (GRID[0], "optimizer slot", "dense/kernel"),
    "dense/kernel/ExponentialMovingAverage": (GRID, "moving average", "dense/kernel"),
    "training/Adam/dense/kernel/m": (GRID, "optimizer slot", "dense/kernel"),
    "Adam/m/dense/kernel": (GRID, "optimizer slot", "dense/kernel"),
    "adam/dense_kernel_velocity": (GRID, "optimizer slot", None),
    "Adam/gone/kernel/v": (GRID, "optimizer slot", None),
    "bn/moving_mean": (GRID[0], "batch-norm statistics", None),
    "bn/mean/EMA": (GRID[0], "batch-norm statistics", None),
    "norm/mean": (GRID[0], "batch-norm statistics", None),
    "norm/variance": (GRID[0], "batch-norm statistics", None),
    "beta1_power": (SCALAR, "optimizer state", None),
    "Adam/learning_rate": (SCALAR, "optimizer state", None),
    "loss_scale": (SCALAR, "optimizer state", None),
    "bn/beta": (GRID[0], "weight", None),
    "global_step": (COUNT, "step or counter", None),
    "Adam/iterations": (COUNT, "step or counter", None),
    "accuracy/total": (SCALAR, "metric", None),
    "accuracy/count": (SCALAR, "metric", None),
    "dropout/seed_generator_state": (np.ones(2, np.uint32), "random state", None),
    "vocabulary": (w.Strings([b"a"], (1,)), "other", None),
    "words-keys": (w.Strings([b"a"], (1,)), "lookup table", None),
    "words-values": (np.ones(1, np.int64), "lookup table", None),
    "mystery": (GRID, "weight", None),
    "scalar": (SCALAR, "other", None),
    "ids": (np.ones(4, np.int32), "other", None),
    "quantised/kernel": (np.ones((4, 4), np.int8), "weight", None),
}


def test_roles_by_names(tmp_path: Path) -> None:
    found = roles(bundle(tmp_path, {name: facts[0] for name, facts in NAMES.items()}))
    got = {name: (str(role.kind), role.of) for name, role in found.items()}
    expected = {name: (kind, of) for name, (_, kind, of) in NAMES.items()}
    expected["adam/dense_kernel_velocity"] = ("optimizer slot", "dense/kernel")
    assert got == expected
    evidence = {role.evidence for role in found.values()}
    assert evidence == {BY_NAME, BY_TYPE}
    assert found["mystery"].evidence == BY_TYPE


def test_a_scalar_with_a_slot_is_a_weight(tmp_path: Path) -> None:
    found = roles(bundle(tmp_path, {"temperature": SCALAR, "temperature/Adam": SCALAR}))
    assert found["temperature"] == Role("weight", evidence=BY_NAME)  # type: ignore[arg-type]


def test_collections_beside_the_checkpoint() -> None:
    """`trainable_variables` tell weights from slots and steps."""
    found = roles(FIXTURES / "saver_tf1" / "model.ckpt-1")
    assert found["global_step"].kind == "step or counter"
    weights = {name for name, role in found.items() if role.evidence == BY_COLLECTIONS}
    assert weights >= {"v1", "v2"}


def test_a_damaged_graph_file_hides_no_role(tmp_path: Path) -> None:
    prefix = bundle(tmp_path, {"w": GRID})
    Path(f"{prefix}.meta").write_bytes(b"\xff" * 40)
    with tfckpt.open(prefix) as ckpt:
        assert ckpt.roles["w"].kind == "weight"
        (note,) = ckpt.notes
        assert note.startswith("roles do not come from the graph file: ")


@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus is not here")
def test_roles_of_real_checkpoints() -> None:
    found = roles(CORPUS / "files" / "v2_tf0120_charrnn_adam__calebfoss" / "model.ckpt-0")
    counts: dict[str, int] = {}
    for role in found.values():
        counts[role.kind] = counts.get(role.kind, 0) + 1
    # Seven variables with two slots each, two powers, and a learning rate called `Variable`.
    assert counts == {"weight": 7, "optimizer slot": 14, "optimizer state": 2, "other": 1}
