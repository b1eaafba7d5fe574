"""Paths to checkpoints, as TensorFlow takes them and as the package does."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tf_oracle
import writers as w
from agreement import tensorflow
from random_tensors import key_of
from tensorflow_writers import save_v1, save_v2
from tf_oracle import value_of

import tfckpt_reader as tfckpt

pytestmark = pytest.mark.tensorflow


def assert_alike(readers: tf_oracle.Readers, path: str, *, some: bool = False) -> list[str]:
    """Both read the same from a path; the package perhaps more, if TensorFlow reads `some` only."""
    listing = readers.listing(path)
    assert listing
    with tfckpt.open(path) as ckpt:
        assert set(listing) <= {key_of(name) for name in ckpt}
        assert some or len(listing) == len(ckpt)
        for key in listing:
            assert readers.get(path, key) == value_of(ckpt[key.decode()])
        return list(ckpt.notes)


def some_tensors(start: int) -> dict[str, w.Typed]:
    """Three tensors whose values tell which checkpoint they are of."""
    values = (np.arange(start, start + 6).reshape(2, 3), np.array(start / 3), np.array([start] * 4))
    return {f"v{i}": w.Typed(w.DTYPES[v.dtype.name], v) for i, v in enumerate(values)}


def save_some(path: Path, start: int, *, v1: bool = False, shard: int | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = list(some_tensors(start).items())
    rows = [
        (name.encode(), "", value) for name, value in tensors if shard in (None, int(name[1]) % 2)
    ]
    (save_v1 if v1 else save_v2)(path, rows)


def state_file(folder: Path, newest: str, *older: str) -> None:
    lines = [f'model_checkpoint_path: "{newest}"']
    lines += [f'all_model_checkpoint_paths: "{path}"' for path in (*older, newest)]
    (folder / "checkpoint").write_text("\n".join(lines))


def two_shards(folder: Path) -> None:
    for shard in (0, 1):
        save_some(folder / f"f-{shard:05d}-of-00002", 5, v1=True, shard=shard)


@pytest.mark.parametrize(
    "name",
    [
        *("model.ckpt", "model.ckpt-1", "dir/", "a b", "имя/ß", "a*b", "a?b", "{a,b}", "100%"),
        *("-", "a.index", "a.data-00000-of-00001", "a-00000-of-00001", "x.meta", "checkpoint"),
    ],
)
def test_prefix(readers: tf_oracle.Readers, tmp_path: Path, name: str) -> None:
    prefix = f"{tmp_path}/{name}"
    if name.endswith("/"):
        os.makedirs(prefix)
    for other, start in (("", 1), ("0", 2), (".old", 3)):
        tensorflow().raw_ops.SaveV2(
            prefix=prefix + other,
            tensor_names=["v"],
            shape_and_slices=[""],
            tensors=[tensorflow().constant([start])],
        )
    if name.endswith("/"):  # to TensorFlow's helper that is a folder; to the op it is a prefix
        with tfckpt.open(prefix) as ckpt:
            assert readers.restore(prefix, b"v", 3) == value_of(ckpt["v"])
    else:
        assert_alike(readers, prefix)


def test_one_path_in_every_form(
    readers: tf_oracle.Readers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_some(tmp_path / "d/p", 1)
    assert_alike(readers, f"file://{tmp_path}/d/p")
    assert_alike(readers, f"{tmp_path}/d/../d//p")
    monkeypatch.chdir(tmp_path / "d")
    for path in ("p", "./p", "../d/p"):
        assert_alike(readers, path)
    expected = readers.get("p", b"v0")
    for form in (Path("p"), b"p"):
        with tfckpt.open(form) as ckpt:
            assert value_of(ckpt["v0"]) == expected


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("v1", [False, True])
def test_folder_with_state(
    readers: tf_oracle.Readers, tmp_path: Path, v1: bool, absolute: bool
) -> None:
    names = ["m-3", "m-10", "m-7"]
    for i, name in enumerate(names):
        save_some(tmp_path / name, i, v1=v1)
    for newest in names:  # what the file says, not what was written last
        told = f"{tmp_path}/{newest}" if absolute else newest
        state_file(tmp_path, told, *names)
        assert_alike(readers, str(tmp_path))
        assert_alike(readers, f"{tmp_path}/")
        assert tfckpt.latest_checkpoint(tmp_path) == tensorflow().train.latest_checkpoint(tmp_path)


def test_folder_with_state_of_shards(readers: tf_oracle.Readers, tmp_path: Path) -> None:
    two_shards(tmp_path)
    for newest in ("f-?????-of-00002", "./f-?????-of-00002"):
        state_file(tmp_path, newest)
        assert_alike(readers, str(tmp_path))


def test_manager_folder(readers: tf_oracle.Readers, tmp_path: Path) -> None:
    tf = tensorflow()
    variable = tf.Variable([1.0, 2.0])
    manager = tf.train.CheckpointManager(tf.train.Checkpoint(v=variable), str(tmp_path), 2)
    for _ in range(3):
        variable.assign_add([1.0, 1.0])
        manager.save()
        assert_alike(readers, str(tmp_path))
        assert tfckpt.latest_checkpoint(tmp_path) == manager.latest_checkpoint


def test_v1_shards(readers: tf_oracle.Readers, tmp_path: Path) -> None:
    two_shards(tmp_path)
    for pattern in ("?????-of-00002", "?????-of-?????"):
        assert_alike(readers, f"{tmp_path}/f-{pattern}")
    for shard in ("00000-of-00002", "00001-of-00002"):  # TensorFlow reads that one alone
        assert_alike(readers, f"{tmp_path}/f-{shard}", some=True)
    os.unlink(tmp_path / "f-00001-of-00002")
    notes = assert_alike(readers, f"{tmp_path}/f-?????-of-00002")
    assert "shard 1 of 2 is missing" in notes[0]


def test_v2_before_v1(readers: tf_oracle.Readers, tmp_path: Path) -> None:
    save_some(tmp_path / "p", 1, v1=True)
    save_some(tmp_path / "p", 2)
    assert_alike(readers, f"{tmp_path}/p")


def test_prefix_that_is_a_folder_too(readers: tf_oracle.Readers, tmp_path: Path) -> None:
    """TensorFlow's helper takes the folder, its op the prefix; so does the package, and says so."""
    save_some(tmp_path / "p", 1)
    save_some(tmp_path / "p/inside", 2)
    state_file(tmp_path / "p", "inside")
    path = f"{tmp_path}/p"
    with tfckpt.open(path) as ckpt:
        assert readers.restore(path, b"v0", 9) == value_of(ckpt["v0"]) != readers.get(path, b"v0")
        assert "folder" in ckpt.notes[0]


def test_saved_model(readers: tf_oracle.Readers, tmp_path: Path) -> None:
    tf = tensorflow()
    module = tf.Module()
    module.v = tf.Variable([[1.0, 2.0]], name="v")
    tf.saved_model.save(module, str(tmp_path))
    assert_alike(readers, f"{tmp_path}/variables/variables")
    for path in (tmp_path, tmp_path / "saved_model.pb"):
        with tfckpt.open(path) as ckpt:
            assert value_of(ckpt["v/.ATTRIBUTES/VARIABLE_VALUE"]) == value_of(module.v.numpy())


@pytest.mark.parametrize(
    ("saved", "path"),
    [
        ("p", "p.index"),
        ("p", "p.data-00000-of-00001"),
        ("p", "."),
        ("a[b]", "a[b]"),
        ("a\\b", "a\\b"),
        ("f-00000-of-00001", "f"),
    ],
)
def test_paths_that_tensorflow_does_not_take(
    readers: tf_oracle.Readers, tmp_path: Path, saved: str, path: str
) -> None:
    save_some(tmp_path / saved, 1, v1=saved.startswith("f-"))
    with suppress(tensorflow().errors.OpError, ValueError, RuntimeError):
        assert readers.listing(f"{tmp_path}/{path}") == {}
    with tfckpt.open(f"{tmp_path}/{path}") as ckpt:
        for name, value in some_tensors(1).items():
            assert value_of(ckpt[name]) == value_of(value.array)


def test_globs_are_names(readers: tf_oracle.Readers, tmp_path: Path) -> None:
    """TensorFlow takes a V1 path for a glob; the package never."""
    save_some(tmp_path / "file", 1, v1=True)
    assert readers.listing(f"{tmp_path}/f*")
    with pytest.raises(tfckpt.CheckpointNotFoundError):
        tfckpt.open(f"{tmp_path}/f*")
