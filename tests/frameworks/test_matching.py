"""Ways of matching: each gives all, or says what it lacks, and never guesses."""

from __future__ import annotations

import pytest

from tfckpt_reader.frameworks.matching import (
    Way,
    Weight,
    by_name,
    by_objects,
    by_order,
    by_shape,
    by_training_order,
    disagreement,
)


def weights(*rows: tuple[str, tuple[int, ...]]) -> list[Weight]:
    return [Weight(name, shape, f"key/{number}") for number, (name, shape) in enumerate(rows)]


def keys(way: Way) -> dict[int, str]:
    return {number: tensor.key for number, tensor in way.tensors.items()}


MODEL = weights(("a/kernel", (2, 3)), ("a/bias", (3,)), ("b/kernel", (3, 3)), ("b/bias", (3,)))


def test_by_name_in_any_order() -> None:
    way = by_name(MODEL, reversed(MODEL))
    assert keys(way) == {n: f"key/{n}" for n in range(4)}
    assert way.problems == []
    assert not way.doubtful


def test_by_name_lacks_some() -> None:
    way = by_name(MODEL, MODEL[:2])
    assert keys(way) == {0: "key/0", 1: "key/1"}
    assert [problem for problem in way.problems if "'b/bias'" in problem]
    assert str(way) == "by name: no tensor is called 'b/kernel' and 1 other"


def test_a_name_with_another_shape_matches_nothing() -> None:
    way = by_name(MODEL[:1], weights(("a/kernel", (3, 2))))
    assert way.tensors == {}
    assert "[2, 3]" in way.problems[0]
    assert "[3, 2]" in way.problems[0]


def test_a_shared_name_matches_nothing() -> None:
    twice = weights(("a/bias", (3,)), ("a/bias", (3,)))
    assert "several tensors" in by_name(MODEL[1:2], twice).problems[0]
    way = by_name(twice, MODEL[1:2])
    assert way.tensors == {}
    assert "several weights of the model" in way.problems[0]


@pytest.mark.parametrize(
    ("model", "stored", "doubtful"),
    [
        (("dense_1", "dense_2"), ("dense", "dense_1"), True),
        (("dense", "dense_1"), ("dense_1", "dense_2"), True),
        (("dense_4", "dense_5"), ("dense_2", "dense_3"), False),  # nothing matches anyway
        (("dense", "dense_1", "head"), ("dense", "dense_1"), False),
        (("dense", "dense_1", "dense_2"), ("dense", "dense_1"), False),
        (("net/dense_1", "net/dense_2"), ("net/dense", "net/dense_1"), True),
        (("dense_1", "net/dense"), ("dense_1", "net/dense_1"), True),
        (("block_1", "block_2", "block_3"), ("block_1", "block_2"), False),
        (("dense_1", "dense_2"), ("dense_1", "dense_2"), False),
    ],
)
def test_shifted_numbers(model: tuple[str, ...], stored: tuple[str, ...], doubtful: bool) -> None:
    ours, theirs = (weights(*((f"{n}/bias", (3,)) for n in names)) for names in (model, stored))
    way = by_name(ours, theirs)
    assert way.doubtful == doubtful
    if doubtful:
        assert "from " in way.problems[0]


def test_by_order() -> None:
    named = weights(("0", (2, 3)), ("x/bias", (3,)), ("2", (3, 3)), ("y/bias", (3,)))
    assert keys(by_order(MODEL, named)) == {n: f"key/{n}" for n in range(4)}


@pytest.mark.parametrize(
    ("stored", "problem"),
    [
        (MODEL[:3], "4 weights, the checkpoint lists 3"),
        ([MODEL[2], MODEL[1], MODEL[0], MODEL[3]], "'a/kernel' [2, 3] of the model is 'b/kernel'"),
        ([MODEL[0], Weight("a/gamma", (3,)), *MODEL[2:]], "'a/bias' [3] here and 'a/gamma' [3]"),
    ],
)
def test_by_order_all_or_nothing(stored: list[Weight], problem: str) -> None:
    way = by_order(MODEL, stored)
    assert problem in str(way)
    assert way.doubtful


def test_by_training_order() -> None:
    """The optimizer lists a/kernel and b/kernel; a/bias and b/bias come from objects."""
    objects = by_objects(MODEL, {1: [MODEL[1]], 3: [MODEL[3]]})
    way = by_training_order(MODEL, [0, 2], [MODEL[0], MODEL[2]], objects)
    assert keys(way) == {n: f"key/{n}" for n in range(4)}
    assert way.problems == []


def test_by_training_order_contradicts_no_object() -> None:
    biases = [MODEL[1], MODEL[3]]
    objects = by_objects(biases, {0: [MODEL[3]]})
    way = by_training_order(biases, [0, 1], biases, objects)
    assert way.doubtful
    assert "'key/1', by order" in way.problems[0]
    assert "'key/3', by object path" in way.problems[0]


@pytest.mark.parametrize("found", [{}, {1: [MODEL[1]]}, {1: [MODEL[1]], 3: [MODEL[1], MODEL[3]]}])
def test_by_training_order_needs_objects_for_the_others(found: dict[int, list[Weight]]) -> None:
    way = by_training_order(MODEL, [0, 2], [MODEL[0], MODEL[2]], by_objects(MODEL, found))
    assert way.doubtful
    assert "no saved object is" in way.problems[0]


def test_by_shape_where_each_is_the_only_one() -> None:
    stored = weights(("q/kernel", (3, 3)), ("p/bias", (3,)), ("p/kernel", (2, 3)))
    assert keys(by_shape(MODEL[:3], stored)) == {0: "key/2", 1: "key/1", 2: "key/0"}


@pytest.mark.parametrize(
    ("model", "stored"),
    [
        (MODEL, MODEL),  # two biases of 3
        (MODEL[:3], MODEL[:2]),
        (MODEL[:2], MODEL[:3]),
        ([MODEL[1], MODEL[3]], MODEL[:2]),
        (MODEL[1:2], weights(("a/gamma", (3,)))),
    ],
)
def test_by_shape_never_guesses(model: list[Weight], stored: list[Weight]) -> None:
    assert by_shape(model, stored).doubtful


def test_by_objects() -> None:
    found = {0: [MODEL[0]], 1: [MODEL[1]], 2: [MODEL[2]]}
    way = by_objects(MODEL, found)
    assert keys(way) == {0: "key/0", 1: "key/1", 2: "key/2"}
    assert way.problems == ["no saved object is 'b/bias' [3]"]
    assert not way.doubtful


def test_an_object_of_another_shape_or_of_two_tensors_is_a_doubt() -> None:
    assert by_objects(MODEL[:1], {0: [MODEL[1]]}).doubtful
    assert by_objects(MODEL[1:2], {0: [MODEL[1], MODEL[3]]}).doubtful


def test_disagreement() -> None:
    one, other = by_name(MODEL, MODEL), by_order(MODEL, MODEL)
    assert disagreement(MODEL, [one, other]) is None
    other.tensors[1], other.tensors[3] = other.tensors[3], other.tensors[1]
    text = disagreement(MODEL, [one, other])
    assert text is not None
    for part in ("'key/1', by name", "'key/3', by order", "'a/bias' [3] of the model"):
        assert part in text
