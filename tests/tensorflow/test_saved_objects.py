"""Object-based checkpoints that were edited or made: TensorFlow restores them by its objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfckpt_reader as tfckpt

pytestmark = pytest.mark.tensorflow


class Model:
    """Two layers, a list, an optimizer with slots, a table and an iterator."""

    def __init__(self, tf: Any, first: str = "first", *, seed: float = 0.0) -> None:
        self.tf = tf
        self.layers = [tf.Module(), tf.Module()]
        self.layers[0].kernel = tf.Variable(tf.fill([2, 3], 1.0 + seed))
        self.layers[0].bias = tf.Variable(tf.fill([3], 2.0 + seed))
        self.layers[1].kernel = tf.Variable(tf.fill([3, 1], 3.0 + seed))
        self.step = tf.Variable(int(4 + seed), dtype=tf.int64)
        self.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
        self.table.insert(["a", "b"], [1 + int(seed), 2])
        self.objects = {
            first: self.layers[0],
            "second": self.layers[1],
            "step": self.step,
            "table": self.table,
            "list": [self.layers[0].kernel],
        }
        self.ckpt = tf.train.Checkpoint(**self.objects)

    def values(self) -> dict[str, Any]:
        return {
            "first/kernel": self.layers[0].kernel.numpy().flat[0],
            "first/bias": self.layers[0].bias.numpy().flat[0],
            "second/kernel": self.layers[1].kernel.numpy().flat[0],
            "step": int(self.step.numpy()),
            "table": int(self.table.lookup(self.tf.constant("a")).numpy()),
        }


SAVED = {"first/kernel": 1.0, "first/bias": 2.0, "second/kernel": 3.0, "step": 4, "table": 1}
OTHER = {"first/kernel": 8.0, "first/bias": 9.0, "second/kernel": 10.0, "step": 11, "table": 8}


@pytest.fixture
def saved(tf: Any, tmp_path: Path) -> str:
    return str(Model(tf).ckpt.save(str(tmp_path / "in")))


def edited(source: str, **options: Any) -> str:
    target = str(Path(source).with_name("out.ckpt"))
    tfckpt.convert(source, target, **options)
    report = tfckpt.verify(target)
    assert report.ok, report.problems
    return target


@pytest.mark.parametrize("options", [{}, {"shards": 3}, {"cast": "float32"}], ids=str)
def test_all_stays(tf: Any, saved: str, options: dict[str, Any]) -> None:
    model = Model(tf, seed=7)
    status = model.ckpt.restore(edited(saved, **options))
    status.assert_consumed()
    status.assert_existing_objects_matched()
    assert model.values() == SAVED


@pytest.mark.parametrize(
    ("pattern", "lost"),
    [
        ("first/bias/*", ["first/bias"]),
        ("second/*", ["second/kernel"]),
        ("table/*", ["table"]),
        ("first/*", ["first/kernel", "first/bias"]),
    ],
)
def test_what_is_left_out_is_not_restored(
    tf: Any, saved: str, pattern: str, lost: list[str]
) -> None:
    model = Model(tf, seed=7)
    status = model.ckpt.restore(edited(saved, exclude=[pattern]))
    status.expect_partial()
    assert model.values() == {**SAVED, **{name: OTHER[name] for name in lost}}
    with pytest.raises(AssertionError):
        status.assert_existing_objects_matched()
    with pytest.raises(AssertionError):
        status.assert_consumed()


def test_a_program_without_what_was_left_out(tf: Any, saved: str) -> None:
    """It finds that all is there, as if the rest had never been."""
    target = edited(saved, exclude=["second/*", "table/*"])
    model = Model(tf, seed=7)
    objects = {k: v for k, v in model.objects.items() if k not in ("second", "table")}
    status = tf.train.Checkpoint(**objects).restore(target)
    status.assert_consumed()
    status.assert_existing_objects_matched()
    assert model.values()["first/bias"] == 2.0


@pytest.mark.parametrize("shards", [1, 2])
def test_an_object_under_another_name(tf: Any, saved: str, shards: int) -> None:
    target = edited(saved, rename=["^first/=>other/"], shards=shards)
    with tfckpt.open(target) as ckpt:
        assert "other/bias/.ATTRIBUTES/VARIABLE_VALUE" in ckpt
    model = Model(tf, "other", seed=7)
    status = model.ckpt.restore(target)
    status.assert_consumed()
    status.assert_existing_objects_matched()
    assert model.values() == SAVED
    old = Model(tf, seed=7)
    with pytest.raises(AssertionError):
        old.ckpt.restore(target).assert_existing_objects_matched()


def test_two_objects_change_places(tf: Any, tmp_path: Path) -> None:
    source = tf.train.Checkpoint(a=tf.Variable(1.0), b=tf.Variable(2.0)).write(str(tmp_path / "in"))
    names = {
        f"{x}/.ATTRIBUTES/VARIABLE_VALUE": f"{y}/.ATTRIBUTES/VARIABLE_VALUE"
        for x, y in ("ab", "ba")
    }
    target = edited(str(source), names=names)
    a, b = tf.Variable(0.0), tf.Variable(0.0)
    tf.train.Checkpoint(a=a, b=b).read(target).assert_consumed()
    assert (a.numpy(), b.numpy()) == (2.0, 1.0)


def test_one_variable_moves_into_a_new_object(tf: Any, saved: str) -> None:
    target = edited(saved, rename=["^first/bias/=>new/deep.er/bias/"])
    model = Model(tf, seed=7)
    bias = model.layers[0].bias
    del model.layers[0].bias
    objects = {**model.objects, "new": {"deep/er": {"bias": bias}}}
    status = tf.train.Checkpoint(**objects).restore(target)
    status.expect_partial()
    assert model.layers[0].kernel.numpy()[0, 0] == 1.0
    del status, bias


def test_keys_that_are_no_paths(tf: Any, saved: str) -> None:
    """TensorFlow restores objects only from keys with paths: the others leave the graph."""
    target = edited(saved, rename=["^first/bias/.*=>bias"])
    model = Model(tf, seed=7)
    status = model.ckpt.restore(target)
    status.expect_partial()
    assert model.values() == {**SAVED, "first/bias": 9.0}
    with pytest.raises(AssertionError):
        status.assert_existing_objects_matched()
    target = edited(saved, rename=["/.ATTRIBUTES/.*=>"], include=["first/*"], force=True)
    assert list(tfckpt.open(target)) == ["first/bias", "first/kernel"]


def test_the_slots_of_an_optimizer(tf: Any, tmp_path: Path) -> None:
    def made(value: float) -> tuple[Any, Any, Any]:
        variable = tf.Variable([value])
        optimizer = tf.compat.v1.train.MomentumOptimizer(0.0, 0.9)
        optimizer.apply_gradients([(tf.constant([value]), variable)])
        checkpoint = tf.train.Checkpoint(variable=variable, optimizer=optimizer)
        return variable, optimizer.get_slot(variable, "momentum"), checkpoint

    source = str(made(1.0)[2].write(str(tmp_path / "in")))
    with tfckpt.open(source) as ckpt:
        assert any(".OPTIMIZER_SLOT" in name for name in ckpt)
    variable, slot, checkpoint = made(3.0)
    checkpoint.read(edited(source, exclude=["*OPTIMIZER_SLOT*"])).expect_partial()
    assert (variable.numpy()[0], slot.numpy()[0]) == (1.0, 3.0)
    moved = edited(source, rename=["^variable/=>v/"], force=True)
    variable, slot, checkpoint = made(3.0)
    checkpoint = tf.train.Checkpoint(v=variable, optimizer=checkpoint.optimizer)
    checkpoint.read(moved).assert_consumed()
    assert (variable.numpy()[0], slot.numpy()[0]) == (1.0, 1.0)


def test_from_nothing(tf: Any, tmp_path: Path) -> None:
    tree = {
        "model": {
            "dense": {"kernel": np.ones((2, 3), "f4"), "bias": "dense/bias"},
            "a.b/c": np.arange(3),
        },
        "step": np.int64(9),
    }
    tfckpt.save(tmp_path / "new", {"dense/bias": np.full(3, 2, "f4")}, object_graph=tree)
    assert tfckpt.verify(tmp_path / "new").ok
    kernel, bias = tf.Variable(tf.zeros([2, 3])), tf.Variable(tf.zeros([3]))
    odd, step = tf.Variable([0, 0, 0], dtype=tf.int64), tf.Variable(0, dtype=tf.int64)
    objects = {"model": {"dense": {"kernel": kernel, "bias": bias}, "a.b/c": odd}, "step": step}
    checkpoint = tf.train.Checkpoint(**objects)
    status = checkpoint.restore(str(tmp_path / "new"))
    status.assert_consumed()
    status.assert_existing_objects_matched()
    assert kernel.numpy().tolist() == [[1.0] * 3] * 2
    assert bias.numpy().tolist() == [2.0] * 3
    assert odd.numpy().tolist() == [0, 1, 2]
    assert (step.numpy(), checkpoint.save_counter.numpy()) == (9, 1)
    theirs = checkpoint.write(str(tmp_path / "theirs"))
    keys = {name for name, _ in tf.train.list_variables(theirs)}
    ours = {name for name, _ in tf.train.list_variables(str(tmp_path / "new"))}
    assert keys == ours


def test_the_names_of_variables(tf: Any, tmp_path: Path) -> None:
    """A Saver of names finds the tensors by their full names."""
    tfckpt.save(tmp_path / "new", {"w": np.ones(2, "f4")}, object_graph={"m": {"x": "w"}})
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        variable = v1.Variable(tf.zeros([2]), name="w")
        v1.train.Saver([variable]).restore(session, str(tmp_path / "new"))
        assert session.run(variable).tolist() == [1.0, 1.0]
