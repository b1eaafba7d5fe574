"""The three names of each tensor: finding one, and a checkpoint under other names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from defects import bundle
from objects import KEY, VALUE, graph, keras_3, save, thing, variable
from oracles import ORACLES, value_bytes
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.objects.names import TensorNames

ONE = np.ones(2, np.float32)
KERNEL = "optimizer/_trainable_variables/0"


def test_find_by_any_name(tmp_path: Path) -> None:
    with tfckpt.open(keras_3(tmp_path)) as ckpt:
        kernel = TensorNames(KERNEL + VALUE, "s/d/kernel", (KERNEL, "model/_layers/0/_kernel"))
        assert ckpt.find("d/kernel") == ckpt.find("s/d/kernel:0") == (kernel,)
        assert ckpt.find("_layers/0/_kernel") == ckpt.find(kernel.key) == (kernel,)
        assert len(ckpt.find("s/d")) == 3
        assert ckpt.find("d/kern") == ckpt.find("") == ()


def test_full_names(tmp_path: Path) -> None:
    with tfckpt.open(keras_3(tmp_path)) as ckpt:
        named = ckpt.renamed("full_name")
        assert {*named} == {
            *(f"s/d/{name}" for name in ("kernel", "bias", "moving_mean")),
            *(f"adam/{name}" for name in ("iteration", "learning_rate")),
            *(f"adam/s_d_kernel_{name}" for name in ("momentum", "average")),
            KEY,
        }
        assert named["s/d/kernel"].tolist() == ckpt[KERNEL + VALUE].tolist()
        assert named.specs["s/d/kernel"] == ckpt.specs[KERNEL + VALUE]
        assert named.key_of["s/d/kernel"] == KERNEL + VALUE
        assert len(named) == len(ckpt)
        assert named.notes == ()
        assert KERNEL + VALUE not in named
        with pytest.raises(tfckpt.TensorNotFoundError, match="Nearest: s/d/kernel"):
            _ = named["s/kernel"]


def test_object_paths() -> None:
    with tfckpt.open(FIXTURES / "hash_table_tf2" / "ckpt") as ckpt:
        named = ckpt.renamed("object_path")
        assert {"by_name/a/b", "by_name/a.b", "series/0", "count/py_state", "table/table-keys"} <= {
            *named
        }
        assert named["series/2"].tolist() == ckpt[f"series/2{VALUE}"].tolist()
        assert named.notes == ()


def test_a_checkpoint_by_names_has_full_names() -> None:
    with tfckpt.open(FIXTURES / "saver_tf1" / "model.ckpt-1") as ckpt:
        full = ckpt.renamed("full_name")
        assert list(full) == list(ckpt)
        assert full.notes == ()
        by_path = ckpt.renamed("object_path")
        assert list(by_path) == list(ckpt)
        assert by_path.notes == (
            "the key stays for 4 tensors, without object path: global_step, v1, v2, v3",
        )
        (found,) = ckpt.find("v1")
        assert found == TensorNames("v1", "v1", ())


def test_names_that_are_shared_or_missing(tmp_path: Path) -> None:
    """A key that is kept may itself be the full name of another tensor."""
    objects = graph(
        thing({"a": 1, "b": 2, "c": 3, "d": 4}),
        variable("Variable", "a"),
        variable("Variable", "b"),
        variable("", "c"),
        variable("c" + VALUE, "d"),
    )
    with tfckpt.open(save(tmp_path, objects, dict.fromkeys("abcd", ONE))) as ckpt:
        named = ckpt.renamed("full_name")
        assert list(named) == list(ckpt)
        without, shared = named.notes
        assert without == f"the key stays for 1 tensor, without full name: c{VALUE}"
        assert shared.startswith("the key stays for 3 tensors, which share their full name: ")


def test_a_key_that_only_the_graph_or_only_the_index_has(tmp_path: Path) -> None:
    objects = graph(thing({"a": 1, "gone": 2}), variable("a", "a"), variable("g", "gone"))
    with tfckpt.open(save(tmp_path, objects, {"a": ONE, "extra": ONE, "m/own": ONE})) as ckpt:
        assert set(ckpt.renamed("full_name")) == {KEY, "a", "extra" + VALUE, "m/own" + VALUE}
        assert ckpt.find("g") == ()


def test_the_names_of_a_table() -> None:
    with tfckpt.open(FIXTURES / "hash_table_tf2" / "ckpt") as ckpt:
        keys, values = ckpt.find("table")
        assert (keys.key, values.key) == tuple(
            f"table/.ATTRIBUTES/table-{part}" for part in ("keys", "values")
        )


def test_second_copies_keep_their_keys() -> None:
    """A Keras 3 export has each variable twice."""
    with tfckpt.open(FIXTURES / "saved_model_keras") as ckpt:
        named = ckpt.renamed("full_name")
        copies = {key: role.of for key, role in ckpt.roles.items() if role.kind == "copy"}
        assert copies
        for key, original in copies.items():
            assert original is not None
            assert ckpt[key].tobytes() == ckpt[original].tobytes()
            assert key in named
            assert original not in named
        (note,) = named.notes
        assert note.startswith(
            f"the key stays for {len(copies)} tensors, second copies of variables: "
        )


def test_a_name_with_control_characters(tmp_path: Path) -> None:
    objects = graph(thing({"a": 1}), variable("x\x1b[31m\n", "a"))
    with tfckpt.open(save(tmp_path, objects, {"a": ONE})) as ckpt:
        assert "x\x1b[31m\n" in ckpt.renamed("full_name")


def test_names_of_another_kind(tmp_path: Path) -> None:
    with tfckpt.open(bundle(tmp_path)) as ckpt, pytest.raises(ValueError, match="full_name"):
        ckpt.renamed("full name")


def live_names() -> Iterator[tuple[Path, dict[str, str]]]:
    for folder, oracle in ORACLES.items():
        for each in oracle["checkpoints"]:
            if "names" in each:
                yield FIXTURES / folder / each["prefix"], each["names"]


LIVE = list(live_names())


@pytest.mark.parametrize(
    ("path", "expected"), LIVE, ids=[str(path.relative_to(FIXTURES)) for path, _ in LIVE]
)
def test_full_names_are_those_of_the_live_variables(path: Path, expected: dict[str, str]) -> None:
    """Name and value of each variable, as Keras had them when it saved."""
    with tfckpt.open(path) as ckpt:
        named = ckpt.renamed("full_name")
        for name, sha256 in expected.items():
            assert hashlib.sha256(value_bytes(named[name])).hexdigest() == sha256
            assert named.key_of[name] in {each.key for each in ckpt.find(name)}
