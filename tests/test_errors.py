"""The exceptions: what they are, what they carry, and how they read."""

from __future__ import annotations

import copy
import pickle

import pytest

import tfckpt_reader as tfckpt
from tfckpt_reader import errors
from tfckpt_reader.errors import CheckpointError, located
from tfckpt_reader.text import count_of, nearest, printable

PARENTS: dict[type[CheckpointError], tuple[type[Exception], ...]] = {
    tfckpt.CorruptCheckpointError: (CheckpointError, ValueError),
    tfckpt.ChecksumError: (tfckpt.CorruptCheckpointError,),
    tfckpt.TruncatedError: (tfckpt.CorruptCheckpointError,),
    tfckpt.UnsupportedError: (CheckpointError, NotImplementedError),
    tfckpt.TensorNotFoundError: (CheckpointError, KeyError),
    tfckpt.CheckpointNotFoundError: (CheckpointError, FileNotFoundError),
}
ALL = [CheckpointError, *PARENTS]
ATTRIBUTES = {
    "problem": "does not fit",
    "file": "a/b.index",
    "offset": 17,
    "tensor": "dense/kernel",
    "structure": "footer",
    "expected": "4 bytes",
    "got": 3,
    "advice": "Copy it again",
}
TEXT = (
    "a/b.index: byte 17: tensor 'dense/kernel': footer: does not fit "
    "(expected 4 bytes, found 3). Copy it again"
)
each = pytest.mark.parametrize("kind", ALL)


def full(kind: type[CheckpointError]) -> CheckpointError:
    rest = {name: value for name, value in ATTRIBUTES.items() if name != "problem"}
    return kind("does not fit", **rest)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", PARENTS)
def test_family(kind: type[CheckpointError]) -> None:
    for parent in PARENTS[kind]:
        assert issubclass(kind, parent)
        with pytest.raises(parent):
            raise full(kind)


def test_nothing_else_is_an_error_of_ours() -> None:
    found = {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert found == set(ALL)


@each
def test_attributes_and_text(kind: type[CheckpointError]) -> None:
    error = full(kind)
    assert {name: getattr(error, name) for name in ATTRIBUTES} == ATTRIBUTES
    assert str(error) == TEXT
    assert error.args == ("does not fit",)


def test_long_names_are_shortened() -> None:
    error = CheckpointError("broken", file="f", tensor="k" * 5_000_000)
    assert error.tensor == "k" * 5_000_000
    assert "tensor 'kkk" in str(error)
    assert str(error).endswith(": broken")
    assert len(str(error)) < 400


@each
def test_missing_attributes_are_left_out(kind: type[CheckpointError]) -> None:
    assert str(kind("broken")) == "broken"
    assert str(kind("broken", file="f")) == "f: broken"
    assert str(kind("broken", offset=0)) == "byte 0: broken"
    assert str(kind("broken", got=0)) == "broken (found 0)"
    assert str(kind("broken", expected="")) == "broken (expected )"
    assert str(kind("broken", advice="Mend it")) == "broken. Mend it"
    error = kind("broken")
    names = [name for name in ATTRIBUTES if name != "problem"]
    assert [getattr(error, name) for name in names] == [None] * len(names)


def test_key_error_without_quotes() -> None:
    error = tfckpt.TensorNotFoundError("there is no tensor 'x'")
    assert str(error) == "there is no tensor 'x'"
    assert str(KeyError("there is no tensor 'x'")) != str(error)


@each
def test_pickled_and_copied(kind: type[CheckpointError]) -> None:
    error = full(kind)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        same = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 - our own bytes
        assert type(same) is kind
        assert str(same) == TEXT
        assert vars(same) == vars(error)
    assert str(copy.copy(error)) == str(copy.deepcopy(error)) == TEXT


def test_text_is_one_line() -> None:
    evil = "a\nb\x1b[31m\u202e\x00\udcff\u2028"
    error = CheckpointError(evil, file=evil, tensor=evil, expected=evil, got=evil, advice=evil)
    text = str(error)
    assert text.isprintable()
    assert text.count("a\\nb\\x1b[31m\\u202e\\x00\\udcff\\u2028") >= 5
    text.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü 漢", "plain ü 漢"),
        ("", ""),
        ("tab\tend", "tab\\tend"),
        ("\x7f\x9b", "\\x7f\\x9b"),
        ("\ud800", "\\ud800"),
        ("back\\slash", "back\\slash"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 shards"), (1, "1 shard"), (2, "2 shards"), (12345, "12,345 shards")],
)
def test_count_of(number: int, text: str) -> None:
    assert count_of(number, "shard") == text


def test_located_adds_what_is_missing() -> None:
    with pytest.raises(CheckpointError) as caught, located("f", 100, "t"):
        raise CheckpointError("broken", offset=5)
    error = caught.value
    assert (error.file, error.offset, error.tensor) == ("f", 105, "t")
    with pytest.raises(CheckpointError) as caught, located("f", 100):
        raise CheckpointError("broken")
    assert (caught.value.file, caught.value.offset, caught.value.tensor) == ("f", None, None)


def test_located_innermost_wins() -> None:
    with (
        pytest.raises(CheckpointError) as caught,
        located("outer", 1000, "outer tensor"),
        located("inner", 10),
    ):
        raise CheckpointError("broken", offset=5)
    error = caught.value
    assert (error.file, error.offset, error.tensor) == ("inner", 15, "outer tensor")


def test_located_leaves_others_alone() -> None:
    with pytest.raises(ZeroDivisionError), located("f"):
        raise ZeroDivisionError
    with located("f"):
        nothing_happened = True
    assert nothing_happened


def test_nearest_puts_the_same_last_part_first() -> None:
    names = ["encoder/layer_0/kernel", "encoder/layer_0/bias", "decoder/dense/kernel", "step"]
    assert set(nearest("kernel", names)) == {"encoder/layer_0/kernel", "decoder/dense/kernel"}
    assert nearest("encoder/layer_0/kernel:0", names)[0] == "encoder/layer_0/kernel"
    assert nearest("encoder/layer_O/bias", names)[0] == "encoder/layer_0/bias"
    assert nearest("stpe", names) == ["step"]
    assert nearest("nothing like it", names) == []


def test_nearest_does_not_compare_names_of_any_length() -> None:
    """That takes the square of their letters, and a file may name what it has not got."""
    assert nearest("x" * 300, ["x" * 299]) == ["x" * 299]
    assert nearest("x" * 301, ["x" * 300]) == []
    assert nearest("a/" * 500 + "x", ["y", "x"]) == ["x"]
    assert nearest("x", []) == []


def test_nearest_is_bounded() -> None:
    names = [f"scope_{i:05d}/kernel" for i in range(20_000)]
    found = nearest("scope_00007/kernle", names)
    assert len(found) <= 3
    assert set(found) <= set(names)
    assert len(nearest("kernel", names, most=2)) == 2
