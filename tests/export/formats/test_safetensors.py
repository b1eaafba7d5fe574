"""The .safetensors writer, read back by the safetensors library and by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from numpy.typing import NDArray
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.export.formats import FORMATS, safetensors
from tfckpt_reader.export.transfer import OutputArray
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.spec import TensorSpec, Unplaced

RNG = np.random.default_rng(3)
NUMBERS = {
    "b": np.array([True, False, True]),
    "c/kernel": RNG.standard_normal((3, 5)).astype("f4"),
    "a/scalar": np.array(-7, "i8"),
    "empty": np.zeros((0, 3), "f8"),
    "half": np.array([1.5, -2], "f2"),
    "bytes": np.arange(7, dtype="u1"),
    "complex": np.array([1 + 2j], "c8"),
    "é名\n": np.arange(4, dtype="u2").reshape(2, 2),
    "long": RNG.standard_normal(600_000),
}


def converted(tmp_path: Path, tensors: dict[Any, Any], **options: Any) -> Path:
    w.write_bundle(tmp_path / "m", tensors)
    tfckpt.convert(tmp_path / "m", tmp_path / "out.safetensors", **options)
    return tmp_path / "out.safetensors"


def parsed(path: Path) -> dict[str, tuple[str, list[int], bytes]]:
    """The arrays by name, and that the file is as its format says, by our own hand."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    assert size % 8 == 0
    head = json.loads(data[8 : 8 + size])
    metadata = head.pop("__metadata__")
    assert metadata.pop("source") in ("m", "model.ckpt")
    assert metadata == {"format": "tf", "tool": f"tfckpt_reader {tfckpt.__version__}"}
    body, end, found = data[8 + size :], 0, {}
    for name, fields in head.items():
        first, last = fields["data_offsets"]
        assert first == end, "there is a hole"
        found[name] = (fields["dtype"], fields["shape"], body[first:last])
        end = last
    assert end == len(body)
    return found


def test_the_library_reads_it_back(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    found: dict[str, NDArray[Any]] = library.load_file(converted(tmp_path, NUMBERS))
    assert set(found) == set(NUMBERS)
    for name, array in NUMBERS.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


def test_each_array_begins_at_a_multiple_of_its_elements(tmp_path: Path) -> None:
    path = converted(tmp_path, NUMBERS)
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    for name, fields in json.loads(data[8 : 8 + size]).items():
        if name != "__metadata__":
            begin = 8 + size + fields["data_offsets"][0]
            assert begin % NUMBERS[name].itemsize == 0


def test_arrays_of_odd_sizes_do_not_shift_others(tmp_path: Path) -> None:
    tensors = {**NUMBERS, "step": np.int64(3), "x": np.ones((16, 4), "f4"), "y": np.ones(64, "u1")}
    data = converted(tmp_path, tensors).read_bytes()
    size = int.from_bytes(data[:8], "little")
    head = json.loads(data[8 : 8 + size])
    for name in ("x", "y", "long", "empty"):
        assert (8 + size + head[name]["data_offsets"][0]) % 64 == 0
    library = pytest.importorskip("safetensors.numpy")
    found = library.load(data)
    assert {name: found[name].tobytes() for name in found} == {
        name: np.asarray(array).tobytes() for name, array in tensors.items()
    }


# What the format calls each type, from its own README and the library's list; None is refused.
KINDS = {
    "FLOAT32": "F32",
    "FLOAT64": "F64",
    "INT32": "I32",
    "UINT8": "U8",
    "INT16": "I16",
    "INT8": "I8",
    "COMPLEX64": "C64",
    "INT64": "I64",
    "BOOL": "BOOL",
    "QINT8": "I8",
    "QUINT8": "U8",
    "QINT32": "I32",
    "BFLOAT16": "BF16",
    "QINT16": "I16",
    "QUINT16": "U16",
    "UINT16": "U16",
    "FLOAT16": "F16",
    "UINT32": "U32",
    "UINT64": "U64",
    "FLOAT8_E5M2": "F8_E5M2",
    "FLOAT8_E4M3FN": "F8_E4M3",
    "FLOAT8_E4M3FNUZ": "F8_E4M3FNUZ",
    "FLOAT8_E5M2FNUZ": "F8_E5M2FNUZ",
    "FLOAT8_E4M3B11FNUZ": "F32",
    "FLOAT4_E2M1FN": "F32",
    "INT4": "I8",
    "UINT4": "U8",
    "INT2": "I8",
    "UINT2": "U8",
}


@pytest.mark.parametrize("dtype", list(DataType), ids=str)
def test_type(dtype: DataType) -> None:
    encoding = FORMATS["safetensors"].encoding(dtype, raw=False)
    name = FORMATS["safetensors"].type_names[encoding.dtype] if encoding else None
    assert name == KINDS.get(dtype.name)


def test_what_numpy_lacks_keeps_its_bits(tmp_path: Path) -> None:
    tensors = {
        "bf": w.Raw(14, (3,), bytes([1, 2, 0x80, 0x3F, 5, 6])),
        "e5": w.Raw(24, (4,), bytes([1, 2, 0x7C, 0xFF])),
        "e4": w.Raw(25, (4,), bytes([1, 2, 0x7F, 0xFF])),
        "fnuz": w.Raw(26, (1,), b"\x80"),
    }
    path = converted(tmp_path, tensors)
    assert parsed(path) == {
        "bf": ("BF16", [3], bytes([1, 2, 0x80, 0x3F, 5, 6])),
        "e5": ("F8_E5M2", [4], bytes([1, 2, 0x7C, 0xFF])),
        "e4": ("F8_E4M3", [4], bytes([1, 2, 0x7F, 0xFF])),
        "fnuz": ("F8_E4M3FNUZ", [1], b"\x80"),
    }
    library = pytest.importorskip("safetensors")
    read = dict(library.deserialize(path.read_bytes()))
    assert {name: entry["dtype"] for name, entry in read.items()} == {
        "bf": "BF16",
        "e5": "F8_E5M2",
        "e4": "F8_E4M3",
        "fnuz": "F8_E4M3FNUZ",
    }


def test_narrow_integers_widen_and_raw_keeps_bits(tmp_path: Path) -> None:
    tensors = {"i4": w.Raw(29, (3,), bytes([0x0F, 0x07, 0x08])), "bf": w.Raw(14, (1,), b"\1\2")}
    assert parsed(converted(tmp_path, tensors))["i4"] == ("I8", [3], bytes([0xFF, 7, 0xF8]))
    raw = parsed(converted(tmp_path, tensors, raw=True, force=True))
    assert raw["i4"] == ("U8", [3], bytes([0x0F, 0x07, 0x08]))
    assert raw["bf"] == ("U16", [1], b"\1\2")


def test_what_is_refused_is_named_at_once(tmp_path: Path) -> None:
    tensors: dict[Any, Any] = {
        "s": w.Strings([b"x"], (1,)),
        "__metadata__": np.zeros(1, "f4"),
        b"\xff": np.zeros(1, "f4"),
        "c": np.zeros(1, "c16"),
        "good": np.ones(2, "f4"),
    }
    with pytest.raises(tfckpt.UnsupportedError, match="4 tensors cannot be stored") as caught:
        converted(tmp_path, tensors)
    for name in ("s", "__metadata__", "c"):
        assert repr(name) in str(caught.value)
    assert not list(tmp_path.glob("*safetensors*"))
    assert set(parsed(converted(tmp_path, tensors, skip_unsupported=True))) == {"good"}


def test_the_same_input_makes_the_same_file(tmp_path: Path) -> None:
    first = converted(tmp_path, NUMBERS).read_bytes()
    assert converted(tmp_path, NUMBERS, force=True).read_bytes() == first


def test_damage_leaves_nothing(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "m", NUMBERS)
    shard = tmp_path / "m.data-00000-of-00001"
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    with pytest.raises(tfckpt.ChecksumError):
        tfckpt.convert(tmp_path / "m", tmp_path / "out.safetensors")
    assert not list(tmp_path.glob("*out*"))


def test_a_header_that_is_too_long_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safetensors, "LONGEST_HEADER", 200)
    monkeypatch.setattr(safetensors, "_SURELY_SHORT", 0)
    monkeypatch.setattr("tfckpt_reader.export.formats.base.new_file", None)  # is not come to
    for dry_run in (False, True):
        with pytest.raises(tfckpt.UnsupportedError, match=r"more than a \.safetensors header"):
            converted(tmp_path, NUMBERS, dry_run=dry_run)
    assert not list(tmp_path.glob("*out*"))


def test_the_bound_of_a_header_is_one() -> None:
    """Names of control characters, and many axes, take the most."""
    spec = TensorSpec(Unplaced("x", DataType.FLOAT8_E4M3FNUZ, ()))
    arrays = [
        OutputArray(f"{n}" + "\1\u2028名" * n, "F8_E4M3FNUZ", (1 << 62,) * n + (0,), 1, spec)
        for n in range(60)
    ]
    text = len(safetensors._layout(arrays, {})[0])
    assert text < sum(256 + 6 * len(each.name) + 21 * len(each.shape) for each in arrays)


def test_every_type_that_tensorflow_wrote(tmp_path: Path) -> None:
    target = tmp_path / "out.safetensors"
    source = FIXTURES / "every_dtype" / "model.ckpt"
    done = tfckpt.convert(source, target, skip_unsupported=True)
    found = parsed(target)
    assert set(found) == set(done.written)
    with tfckpt.open(source) as ckpt:
        for name in done.written:
            spec: TensorSpec = ckpt.specs[name]
            assert found[name][1] == list(spec.shape)
            if KINDS[spec.dtype.name] not in ("I8", "U8", "F32"):
                assert found[name][2] == b"".join(map(bytes, ckpt.reader.chunks(spec)))
