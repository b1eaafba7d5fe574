"""Conversion of some roles, under other names: no weight goes missing unsaid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conversions import left, out_of
from defects import bundle
from objects import KEY, VALUE, graph, keras_3, save, thing, variable
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.export import convert as write

GRID = np.ones((2, 3), np.float32)
KERNEL, BIAS = (f"optimizer/_trainable_variables/{n}{VALUE}" for n in (0, 1))


def test_only_weights_under_their_full_names(tmp_path: Path) -> None:
    found, done = out_of(keras_3(tmp_path), only="weights", names="full_name")
    assert set(found) == {"s/d/kernel", "s/d/bias", "s/d/moving_mean"}
    assert (found["s/d/kernel"] == 1).all()
    assert (done.lost, done.notes) == ((), ())
    assert done.roles == {"weight": 32, "batch-norm statistics": 8}
    without, _ = out_of(tmp_path / "p", without=["optimizer", "averages"], names="full_name")
    assert set(without) == set(found)


def test_moving_averages_in_place_of_weights(tmp_path: Path) -> None:
    """A weight without an average stays itself; the average itself is not written again."""
    found, done = out_of(keras_3(tmp_path), only="weights", names="full_name", ema=True)
    assert (found["s/d/kernel"] == 3).all()
    assert (found["s/d/bias"] == 0).all()
    assert set(found) == {"s/d/kernel", "s/d/bias", "s/d/moving_mean"}
    assert done.notes == ("1 tensor taken from moving averages, 1 weight without one",)
    sources = {array.name: array.tensor for array in done.arrays}
    assert sources["s/d/kernel"] == f"optimizer/_variables/3{VALUE}"
    everything, _ = out_of(tmp_path / "p", ema=True)
    assert f"optimizer/_variables/2{VALUE}" in everything
    assert f"optimizer/_variables/3{VALUE}" not in everything


def test_averages_that_fit_no_weight(tmp_path: Path) -> None:
    tensors = {
        "w": GRID,
        "w/ExponentialMovingAverage": GRID[0] * 2,
        "v": GRID,
        "v/EMA": GRID * 2,
        "v/ExponentialMovingAverage": GRID * 3,
    }
    found, _ = out_of(bundle(tmp_path, tensors), ema=True)
    assert {name: array.flat[0] for name, array in found.items()} == {
        "w": 1,
        "w/ExponentialMovingAverage": 2,
        "v": 2,
        "v/ExponentialMovingAverage": 3,
    }


@pytest.mark.parametrize("options", [{"exclude": ["optimizer/*"]}, {"include": ["model/*"]}])
def test_no_weight_left_is_refused(options: dict[str, list[str]], tmp_path: Path) -> None:
    """As seen with TensorFlow 2.16 and later: the pattern meant the optimizer."""
    source = keras_3(tmp_path)
    with pytest.raises(tfckpt.UnsupportedError) as caught:
        write(source, tmp_path / "out.npz", **options)  # type: ignore[arg-type]
    for part in ("2 of 2 weights left out", KERNEL, "--allow-no-weights"):
        assert part in str(caught.value)
    assert left(tmp_path) == []
    _, done = out_of(source, allow_no_weights=True, **options)
    assert done.lost == (KERNEL, BIAS)


@pytest.mark.parametrize("role", ["optimizer", "averages", "steps"])
def test_roles_without_weights_are_refused(role: str, tmp_path: Path) -> None:
    source = keras_3(tmp_path)
    with pytest.raises(tfckpt.UnsupportedError, match="no weight is left"):
        write(source, tmp_path / "out.npz", only=role)
    assert out_of(source, only=role, allow_no_weights=True)[0]


def test_weights_left_out_by_a_pattern_are_named(tmp_path: Path) -> None:
    source = bundle(tmp_path, {"a/w": GRID, "a/v": GRID, "b/w": GRID})
    assert out_of(source, exclude=["*/v"])[1].lost == ("a/v",)
    assert out_of(source, include=["a/*"])[1].lost == ("b/w",)
    assert out_of(source, exclude=["re:b/.*"])[1].lost == ("b/w",)
    for exact in ({"exclude": ["a/v"]}, {"include": ["a/w", "b/w"]}, {"include": ["b/w"]}):
        assert out_of(source, **exact)[1].lost == ()
    assert out_of(source, include=["a/w", "c"])[1].lost == ("a/v", "b/w")


def test_a_tensor_named_exactly_may_be_the_only_one(tmp_path: Path) -> None:
    source = bundle(tmp_path, {"w": GRID, "global_step": np.array(1)})
    assert set(out_of(source, include=["global_step"])[0]) == {"global_step"}


def test_unknown_tensors_left_out_by_a_role_are_named(tmp_path: Path) -> None:
    source = bundle(tmp_path, {"w": GRID, "ids": np.arange(3)})
    _, done = out_of(source, only="weights")
    assert done.notes == ("1 tensor of unknown role left out: ids",)


def test_patterns_match_the_names_to_write(tmp_path: Path) -> None:
    found, done = out_of(keras_3(tmp_path), names="full_name", exclude=["adam/*"])
    assert set(found) == {"s/d/kernel", "s/d/bias", "s/d/moving_mean"}
    assert done.lost == ()
    renamed, _ = out_of(
        tmp_path / "p", names="full_name", only="weights", strip_prefix="s/", rename=["/=>."]
    )
    assert set(renamed) == {"d.kernel", "d.bias", "d.moving_mean"}


def test_names_that_stay_keys_are_noted(tmp_path: Path) -> None:
    objects = graph(thing({"a": 1, "b": 2}), variable("x", "a"), variable("x", "b"))
    found, done = out_of(save(tmp_path, objects, {"a": GRID, "b": GRID}), names="full_name")
    assert set(found) == {f"a{VALUE}", f"b{VALUE}"}
    assert any("which share their full name" in note for note in done.notes)
    assert any(KEY in note for note in done.notes)


def test_an_export_of_keras_has_each_weight_once() -> None:
    found, done = out_of(FIXTURES / "saved_model_keras", only="weights", names="full_name")
    assert not [name for name in found if "_all_variables" in name]
    assert [name for name in found if name.endswith("/kernel")]
    assert done.lost == ()


@pytest.mark.parametrize("options", [{"only": "kernels"}, {"names": "full"}])
def test_words_that_are_none(options: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"kernels|full"):
        write(bundle(tmp_path), tmp_path / "out.npz", **options)  # type: ignore[arg-type]
    assert left(tmp_path) == []
