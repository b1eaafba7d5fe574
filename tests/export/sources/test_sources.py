"""Files of arrays that become checkpoints: the same values, or an error about the file."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from project import FIXTURES
from tf_oracle import value_of

import tfckpt_reader as tfckpt
from tfckpt_reader.cli import main

ARRAYS: dict[str, Any] = {
    "a/kernel": np.arange(12, dtype="f4").reshape(3, 4),
    "b": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big": np.arange(5, dtype=">i8"),
    "flag": np.array([True, False]),
    "none": np.zeros((0, 3), "f2"),
    "scalar": np.array(7, "i4"),
    "words": np.array([b"ab", b"", b"c"]),
}


def safetensors_file(path: Path, arrays: dict[str, Any]) -> None:
    """The format by hand: no library is needed to write it."""
    kinds = {"float32": "F32", "float64": "F64", "int64": "I64", "bool": "BOOL", "float16": "F16"}
    kinds["int32"] = "I32"
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, array in arrays.items():
        little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"))
        span = [len(data), len(data) + little.nbytes]
        header[name] = {
            "dtype": kinds[little.dtype.name],
            "shape": list(array.shape),
            "data_offsets": span,
        }
        data += little.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


NUMBERS = {name: array for name, array in ARRAYS.items() if name != "words"}


def npz(folder: Path, **options: Any) -> Path:
    (np.savez_compressed if options else np.savez)(folder / "in.npz", **ARRAYS)
    return folder / "in.npz"


def npy(folder: Path) -> Path:
    for name, array in ARRAYS.items():
        np.save(folder / f"{name.replace('/', '.')}.npy", array)
    return folder


def sharded(folder: Path) -> Path:
    names = list(NUMBERS)
    for i in range(2):
        safetensors_file(folder / f"m-{i}.safetensors", {n: NUMBERS[n] for n in names[i::2]})
    listed = {name: f"m-{i % 2}.safetensors" for i, name in enumerate(names)}
    path = folder / "m.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {}, "weight_map": listed}))
    return path


def one(folder: Path) -> Path:
    safetensors_file(folder / "in.safetensors", NUMBERS)
    return folder / "in.safetensors"


KINDS: dict[str, Callable[[Path], Path]] = {
    "npz": npz,
    "deflated": lambda folder: npz(folder, compress=True),
    "npy": npy,
    "safetensors": one,
    "index": sharded,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, {"partitions": {"a*": (1, 3)}, "shards": 2}], ids=str)
def test_values(tmp_path: Path, kind: str, options: dict[str, Any]) -> None:
    (tmp_path / "in").mkdir()
    source = KINDS[kind](tmp_path / "in")
    tfckpt.convert(source, tmp_path / "out.ckpt", **options)
    wanted = ARRAYS if kind in ("npz", "deflated", "npy") else NUMBERS
    if kind == "npy":
        wanted = {name.replace("/", "."): array for name, array in wanted.items()}
    with tfckpt.open(tmp_path / "out.ckpt") as ckpt:
        assert list(ckpt) == sorted(wanted)
        for name, array in wanted.items():
            native = array.astype("O" if array.dtype.kind == "S" else array.dtype.newbyteorder("="))
            assert ckpt[name].dtype == native.dtype
            assert value_of(ckpt[name]) == value_of(native), name
    assert tfckpt.verify(tmp_path / "out.ckpt").ok


def test_there_and_back(tmp_path: Path) -> None:
    """A folder of .npy files has the types of the checkpoint in its manifest."""
    w.write_bundle(
        tmp_path / "p",
        {"q": w.Typed(11, np.arange(3, dtype="i1")), "a/b": np.ones((2, 2)), "A": np.ones(1)},
    )
    tfckpt.convert(tmp_path / "p", f"{tmp_path}/npy/")
    tfckpt.convert(tmp_path / "npy", tmp_path / "out", format="tf")
    before, after = tfckpt.open(tmp_path / "p"), tfckpt.open(tmp_path / "out")
    assert [str(spec.dtype) for spec in after.specs.values()] == ["float64", "float64", "qint8"]
    assert {n: a.tolist() for n, a in after.items()} == {n: a.tolist() for n, a in before.items()}


def test_bfloat16_by_way_of_safetensors(tmp_path: Path) -> None:
    pytest.importorskip("ml_dtypes")
    source = FIXTURES / "every_dtype" / "model.ckpt"
    tfckpt.convert(source, tmp_path / "o.safetensors", include=["bfloat16/*", "float8_e5m2/*"])
    tfckpt.convert(tmp_path / "o.safetensors", tmp_path / "back.ckpt")
    before, after = tfckpt.open(source), tfckpt.open(tmp_path / "back.ckpt")
    assert len(after) > 2
    for name in after:
        assert after.specs[name].dtype == before.specs[name].dtype
        assert value_of(after[name]) == value_of(before[name])


def header_of(path: Path, document: Any) -> None:
    text = json.dumps(document).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(8))


def tensor(**changes: Any) -> dict[str, Any]:
    return {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}}


SAFETENSORS: dict[str, Any] = {
    "too short": b"abc",
    "header too long": (1 << 40).to_bytes(8, "little") + b"{}",
    "no JSON": (3).to_bytes(8, "little") + b"abc",
    "deep JSON": (200_000).to_bytes(8, "little") + b"[" * 200_000,
    "no object": [1],
    "no entry": {"x": 3},
    "no shape": {"x": {"dtype": "F32", "data_offsets": [0, 8]}},
    "shape of text": tensor(shape="22"),
    "negative": tensor(shape=[-2]),
    "bool": tensor(shape=[True, 2]),
    "huge": tensor(shape=[1 << 62, 1 << 62], data_offsets=[0, 8]),
    "other size": tensor(shape=[3]),
    "past the end": tensor(data_offsets=[8, 16]),
    "three offsets": tensor(data_offsets=[0, 4, 8]),
    "unknown type": tensor(dtype="F4"),
    "type of a list": tensor(dtype=["F32"]),
}


@pytest.mark.parametrize("case", SAFETENSORS)
def test_bad_safetensors(tmp_path: Path, case: str) -> None:
    bad, path = SAFETENSORS[case], tmp_path / "in.safetensors"
    path.write_bytes(bad) if isinstance(bad, bytes) else header_of(path, bad)
    with pytest.raises((tfckpt.CorruptCheckpointError, tfckpt.UnsupportedError)) as caught:
        tfckpt.convert(path, tmp_path / "out.ckpt")
    assert "in.safetensors" in str(caught.value)
    assert os.listdir(tmp_path) == ["in.safetensors"]


@pytest.mark.parametrize("file", ["../x.safetensors", "/etc/passwd", "", ".", 3])
def test_an_index_lists_files_beside_it(tmp_path: Path, file: Any) -> None:
    path = tmp_path / "m.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": {"x": file}}))
    with pytest.raises(tfckpt.CorruptCheckpointError, match="no file beside it"):
        tfckpt.convert(path, tmp_path / "out.ckpt")


def test_an_index_that_lists_too_much(tmp_path: Path) -> None:
    path = sharded(tmp_path)
    (tmp_path / "m-1.safetensors").unlink()
    with pytest.raises(tfckpt.CheckpointNotFoundError):
        tfckpt.convert(path, tmp_path / "out.ckpt")
    safetensors_file(tmp_path / "m-1.safetensors", {})
    with pytest.raises(tfckpt.CorruptCheckpointError, match="which it lists"):
        tfckpt.convert(path, tmp_path / "out.ckpt")


def npy_bytes(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


GOOD = npy_bytes(np.arange(100))
NPY = {
    "cut off": GOOD[:-1],
    "longer": GOOD + b"x",
    "no magic": b"x" + GOOD[1:],
    "cut in the header": GOOD[:20],
    "a header that is no Python": GOOD.replace(b"descr", b"\0escr"),
    "another version": GOOD[:6] + b"\x07" + GOOD[7:],
    "a huge shape": GOOD.replace(b"(100,)", b"(10**9,)"[:6]),
    "pickled": npy_bytes(np.array([{}], object)),
    "dates": npy_bytes(np.zeros(2, "M8[s]")),
    "empty": b"",
}


@pytest.mark.parametrize("case", NPY)
@pytest.mark.parametrize("kind", ["npz", "npy"])
def test_bad_arrays(tmp_path: Path, kind: str, case: str) -> None:
    source = tmp_path / "in"
    source.mkdir()
    if kind == "npy":
        (source / "x.npy").write_bytes(NPY[case])
    else:
        source = source / "in.npz"
        with zipfile.ZipFile(source, "w") as archive:
            archive.writestr("x.npy", NPY[case])
    with pytest.raises((tfckpt.CorruptCheckpointError, tfckpt.UnsupportedError)):
        tfckpt.convert(source, tmp_path / "out.ckpt")
    assert os.listdir(tmp_path) == ["in"]


@pytest.mark.parametrize("at", range(0, 900, 37))
def test_a_damaged_archive(tmp_path: Path, at: int) -> None:
    """Each byte is under the crc of the archive, or in its structure."""
    source = npz(tmp_path)
    data = bytearray(source.read_bytes())
    data[at] ^= 0x55
    source.write_bytes(data)
    try:
        tfckpt.convert(source, tmp_path / "out.ckpt")
    except (tfckpt.CheckpointError, OSError):
        assert os.listdir(tmp_path) == ["in.npz"]
    else:
        with tfckpt.open(tmp_path / "out.ckpt") as ckpt:  # times and flags of members
            assert ckpt["a/kernel"].tolist() == ARRAYS["a/kernel"].tolist()


def test_a_folder_whose_file_was_changed(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"x": np.ones(3)})
    tfckpt.convert(tmp_path / "p", f"{tmp_path}/npy/")
    data = (tmp_path / "npy" / "x.npy").read_bytes()
    (tmp_path / "npy" / "x.npy").write_bytes(data[:-1] + b"\1")
    with pytest.raises(tfckpt.ChecksumError):
        tfckpt.convert(tmp_path / "npy", tmp_path / "out.ckpt")
    (tmp_path / "npy" / "x.npy").unlink()
    with pytest.raises(tfckpt.CorruptCheckpointError, match=r"x\.npy of the manifest is missing"):
        tfckpt.convert(tmp_path / "npy", tmp_path / "out.ckpt")
    assert not (tmp_path / "out.ckpt.index").exists()


def test_a_checkpoint_may_be_called_so(tmp_path: Path) -> None:
    w.write_v1(tmp_path / "weights.npz", {"a": np.arange(3, dtype="f4")})
    tfckpt.convert(tmp_path / "weights.npz", tmp_path / "out.ckpt")
    assert tfckpt.open(tmp_path / "out.ckpt")["a"].tolist() == [0, 1, 2]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(npz(tmp_path)), str(tmp_path / "out.ckpt")]) == 0
    assert f"{len(ARRAYS)} tensors" in capsys.readouterr().out
    assert main(["convert", str(tmp_path), str(tmp_path / "no.ckpt")]) == 0
    assert main(["convert", str(tmp_path / "none.npz"), str(tmp_path / "no2.ckpt")]) == 2
