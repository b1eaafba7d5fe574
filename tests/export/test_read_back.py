"""What every format was given, others read: NumPy, and the safetensors library."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import writers as w
from conversions import FLOATS, TARGETS, every, some_tensors
from hypothesis import given
from interrupting import interrupted
from numpy.typing import NDArray
from sparse_files import sparse_bundle

import tfckpt_reader as tfckpt
from tfckpt_reader.export import Conversion


class Read(NamedTuple):
    """An array as others read it."""

    dtype: str
    """As the format spells it."""
    shape: tuple[int, ...]
    data: bytes


def read_back(kind: str, folder: Path) -> dict[str, Read]:
    """All arrays of a target, by readers that are not ours."""
    target = folder / TARGETS[kind][0]
    if kind == "safetensors":
        library = pytest.importorskip("safetensors")
        return {
            name: Read(entry["dtype"], tuple(entry["shape"]), bytes(entry["data"]))
            for name, entry in library.deserialize(target.read_bytes())
        }
    if kind == "npy":
        listed = json.loads((target / "manifest.json").read_text("ascii"))["arrays"]
        arrays = {name: np.load(target / entry["file"]) for name, entry in listed.items()}
    else:
        with np.load(target, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
    return {name: Read(a.dtype.str, a.shape, a.tobytes()) for name, a in arrays.items()}


def convert(source: Path, kind: str, **more: Any) -> tuple[dict[str, Read], Conversion]:
    name, options = TARGETS[kind]
    done = tfckpt.convert(source, f"{source.parent}/{name}", force=True, **options, **more)
    return read_back(kind, source.parent), done


SAFETENSORS = {"<f4": "F32", "<f8": "F64", "|i1": "I8", "<i8": "I64", "<u2": "U16"}
SAFETENSORS |= {"|b1": "BOOL", "<c8": "C64", "<f2": "F16"}


@every
@given(some_tensors())
def test_whatever_it_takes_others_read(kind: str, tensors: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        w.write_bundle(Path(folder) / "p", tensors)
        try:
            found, done = convert(Path(folder) / "p", kind, skip_unsupported=True)
        except (tfckpt.TensorNotFoundError, tfckpt.UnsupportedError):
            assert not tensors or kind == "npy"  # where names may differ in case only
            return
        assert set(done.written) | set(done.skipped) == set(tensors)
        for name in done.written:
            tensor = tensors[name]
            if isinstance(tensor, w.Strings):
                continue  # tests of their own have them in full
            array: Any = tensor.whole if isinstance(tensor, w.Sliced) else tensor
            spelt = SAFETENSORS[array.dtype.str] if kind == "safetensors" else array.dtype.str
            assert found[name] == Read(spelt, array.shape, array.tobytes())
        if kind == "safetensors":
            strings = {k for k, v in tensors.items() if isinstance(v, w.Strings)}
            assert set(done.skipped) == strings | (set(tensors) & {"__metadata__"})


# -- casts -----------------------------------------------------------------------------------------

EDGES = [0.0, -0.0, 1.0, -1.5, np.inf, -np.inf, np.nan, 65504.0, 65536.0, 1e30, 2.0**-24, 2.0**-133]
"""Each is a float32; bfloat16 and float16 lack some of them, at either end."""


def patterns(dtype: str) -> NDArray[Any]:
    """Every value of a small type; of a large one those at its edges."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    if dtype in ("float32", "float64"):
        huge = [1e300, -1e39] if dtype == "float64" else []
        return np.array([*EDGES, 3.4e38, *np.linspace(-70000, 70000, 1001), *huge], dtype)
    narrow = np.dtype(getattr(ml_dtypes, dtype, dtype))
    bits = {"float4_e2m1fn": 4}.get(dtype, 8 * narrow.itemsize)
    return np.arange(1 << bits, dtype=f"u{narrow.itemsize}").view(narrow)


FLOATING = (
    *("float16", "float32", "float64", "bfloat16", "float8_e5m2", "float8_e4m3fn"),
    *("float8_e4m3fnuz", "float8_e4m3b11fnuz", "float8_e5m2fnuz", "float4_e2m1fn"),
)
CASTS: dict[tuple[str, bool], tuple[str, str]] = {
    ("float32", False): ("<f4", "F32"),
    ("float32", True): ("<f4", "F32"),
    ("float16", False): ("<f2", "F16"),
    ("float16", True): ("<f2", "F16"),
    ("bfloat16", False): ("<f4", "BF16"),
    ("bfloat16", True): ("<u2", "U16"),
}
"""Target type and --raw -> how NumPy's formats spell it, and safetensors."""


@every
@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("to", ["float32", "float16", "bfloat16"])
def test_every_floating_type_is_cast(to: str, raw: bool, kind: str, tmp_path: Path) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    wanted = np.dtype(getattr(ml_dtypes, to, to))
    numbers = {dtype: patterns(dtype) for dtype in FLOATING}
    others = {"int": np.arange(5), "complex": np.ones(2, "c8"), "bool": np.ones(1, "?")}
    w.write_bundle(tmp_path / "p", {**numbers, **others})
    found, done = convert(tmp_path / "p", kind, cast=to, raw=raw)
    spelt = CASTS[to, raw][kind == "safetensors"]
    for dtype, values in numbers.items():
        # A float64 by way of float32: none of these is rounded twice.
        with np.errstate(all="ignore"):
            exact = values.astype(np.float32).astype(wanted).astype(np.float64)
            held: Any = np.float32 if spelt == "<f4" else wanted
            array = np.frombuffer(found[dtype].data, held).astype(np.float64)
            beyond = np.isinf(exact) & np.isfinite(values.astype(np.float64))
        assert found[dtype].dtype == spelt
        np.testing.assert_array_equal(array, exact, err_msg=dtype)
        np.testing.assert_array_equal(
            np.signbit(array[~np.isnan(array)]), np.signbit(exact[~np.isnan(exact)]), err_msg=dtype
        )
        assert done.overflows.get(dtype, 0) == np.count_nonzero(beyond), dtype
    for name, array in others.items():
        assert found[name].data == array.tobytes()


# -- what is refused -------------------------------------------------------------------------------


@every
def test_types_names_and_clashes_are_refused_in_one_list(kind: str, tmp_path: Path) -> None:
    tensors: dict[Any, Any] = {
        "variant": w.Variants([(b"T", b"", [])], ()),
        b"\xff": FLOATS,
        "a/x": FLOATS,
        "b/x": FLOATS,
        "Case": FLOATS,
        "case": FLOATS,
        "../up": FLOATS,
        "good": FLOATS,
    }
    w.write_bundle(tmp_path / "p", tensors)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(tfckpt.UnsupportedError) as caught:
        convert(tmp_path / "p", kind, rename=["^[ab]/=>"])
    refused = {"variant", "\udcff", "a/x", "b/x"}
    refused |= {"npy": {"Case", "case"}, "safetensors": set()}.get(kind, {"../up"})
    assert caught.value.problem.startswith(f"{len(refused)} tensors cannot be stored")
    assert {name for name in (*tensors, "\udcff") if repr(name) in caught.value.problem} == refused
    assert sorted(os.listdir(tmp_path)) == before


@every
@pytest.mark.parametrize("shape", [(1 << 40, 1 << 40, 0), (0, 1 << 40, 1 << 40), (1 << 62, 0, 4)])
def test_an_empty_tensor_that_no_reader_holds(
    kind: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    """Nothing is in it, but readers multiply its axes; some then read nothing of the file."""
    w.write_bundle(tmp_path / "p", {"empty": w.Raw(1, shape, b""), "good": FLOATS})
    with pytest.raises(tfckpt.UnsupportedError, match=r"1 tensor .* 'empty': its shape"):
        convert(tmp_path / "p", kind)
    found, _ = convert(tmp_path / "p", kind, skip_unsupported=True)
    assert found["good"].data == FLOATS.tobytes()


# -- where nothing can be put ----------------------------------------------------------------------


@every
def test_a_file_system_that_is_read_only(kind: str, small_disk: Path, tmp_path: Path) -> None:
    """It stops root, too."""
    w.write_bundle(tmp_path / "p", {"a": FLOATS})
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    name, options = TARGETS[kind]
    with pytest.raises(OSError, match="Read-only") as caught:
        tfckpt.convert(tmp_path / "p", f"{small_disk}/{name}", **options)
    assert caught.value.filename == f"{small_disk}/{name}".rstrip("/")
    assert os.listdir(small_disk) == []


# -- Ctrl-C ----------------------------------------------------------------------------------------


@every
@pytest.mark.skipif(os.name == "nt", reason="signals are others there")
def test_ctrl_c_leaves_nothing(kind: str, tmp_path: Path) -> None:
    """The signal itself, while threads read and write."""
    source = sparse_bundle(tmp_path, 4 << 30)
    name, options = TARGETS[kind]
    compress = ["--compress"] if options else []
    done = interrupted("convert", source, f"{tmp_path}/{name}", *compress)
    assert (done.returncode, done.stdout) == (130, "1 thread left\n"), done.stderr
    assert "interrupted" in done.stderr
    assert {path.name.split(".")[0] for path in tmp_path.iterdir()} == {"p"}
