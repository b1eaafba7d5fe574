"""A folder of .npy files: names that every system takes, and a list that tells the truth."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import writers as w
from hypothesis import given
from hypothesis import strategies as st
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.export.formats.npy_folder import MANIFEST, NpyFolder, file_name
from tfckpt_reader.storage.writing.unfinished import REPLACED, SUFFIX

FLOATS = np.array([1.5, -2.0, 3.0], np.float32)

# What Windows takes for a device, whatever stands behind the first dot.
DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")


# -- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("kernel", "kernel.npy"),
        ("bert/layer_0/kernel", "bert.layer_0.kernel.npy"),
        ("a.b", "a%2Eb.npy"),
        ("w:0", "w%3A0.npy"),
        ("/a", "%2Fa.npy"),
        ("../a", "%2E%2E.a.npy"),
        ("a\\b", "a%5Cb.npy"),
        ("a b~%", "a%20b%7E%25.npy"),
        (".hidden", "%2Ehidden.npy"),
        ("-rf", "%2Drf.npy"),
        ("é", "%C3%A9.npy"),
        ("nul\0", "nul%00.npy"),
        ("CON", "%43ON.npy"),
        ("nul/x", "%6Eul.x.npy"),
        ("com1", "%63om1.npy"),
        ("COM10", "COM10.npy"),
        ("conv", "conv.npy"),
        ("manifest.json", "manifest%2Ejson.npy"),
    ],
)
def test_name_of_a_file(name: str, file: str) -> None:
    assert file_name(name) == file


anything = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)
awkward = st.text("aAbB/.%~-_ \\:é", min_size=1, max_size=12)


@given(st.one_of(anything, awkward))
def test_every_system_takes_it_and_short_names_come_back(name: str) -> None:
    file = file_name(name)
    assert re.fullmatch(r"[A-Za-z0-9_%][A-Za-z0-9_%.~-]*\.npy", file)
    assert len(file) <= 160
    assert not DEVICE.fullmatch(file)
    if "~" not in file:
        assert unquote(file[:-4].replace(".", "/")) == name


@given(st.lists(st.one_of(anything, awkward), unique=True, max_size=30))
def test_no_two_names_share_a_file(names: list[str]) -> None:
    assert len({file_name(name) for name in names}) == len(names)


def test_long_names_are_cut_and_differ() -> None:
    names = ["x" * 5000 + end for end in "ab"] + ["é" * 5000, "é" * 5001]
    files = {file_name(name) for name in names}
    assert len(files) == 4
    for file in files:
        assert re.fullmatch(r"(x|%C3|%A9)+~[0-9a-f]{16}\.npy", file)


# -- contents --------------------------------------------------------------------------------------

TENSORS: dict[str, Any] = {
    "a/kernel": np.arange(700_001, dtype=np.float64),
    "a/bias": FLOATS,
    "empty": np.zeros((2, 0), np.int32),
    "scalar": np.array(7, np.int64),
    "b": np.array([True, False]),
    "s": w.Strings([b"x\0", b"yy"], (2, 1)),
    "t": w.Strings([b"xx", b"yy"], (2,)),
    "bf": w.Raw(14, (2,), b"\x80\x3f\0\0"),
    "CON": FLOATS,
    "../up": FLOATS,
}


def listed(folder: Path) -> dict[str, Any]:
    """The list, having made sure that it tells of the files just what is in them."""
    document: dict[str, Any] = json.loads((folder / MANIFEST).read_text("ascii"))
    assert document["format"] == "tfckpt_reader/npy"
    assert document["tool"] == f"tfckpt_reader {tfckpt.__version__}"
    arrays = document["arrays"]
    assert set(os.listdir(folder)) == {MANIFEST, *(entry["file"] for entry in arrays.values())}
    for entry in arrays.values():
        array = np.load(folder / entry["file"], allow_pickle=False)
        assert array.dtype.str == entry["dtype"]
        assert list(array.shape) == entry["shape"]
        assert array.nbytes == entry["bytes"]
        assert w.crc(array.tobytes()) == entry["crc32c"]
    return document


def test_the_list_tells_what_is_there(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", TENSORS)
    done = tfckpt.convert(tmp_path / "p", f"{tmp_path}/out/", strip_prefix="a/")
    document = listed(tmp_path / "out")
    assert document["source"] == "p"
    assert done.path == str(tmp_path / "out")
    arrays = document["arrays"]
    assert set(arrays) == {
        *("kernel", "bias", "empty", "scalar", "b", "s/__bytes__", "s/__offsets__", "t"),
        *("bf", "CON", "../up"),
    }
    assert arrays["kernel"]["tensor"] == "a/kernel"
    assert arrays["bf"]["stored_from"] == "bfloat16"
    mapped = np.load(tmp_path / "out" / "kernel.npy", mmap_mode="r")
    assert mapped.tobytes() == TENSORS["a/kernel"].tobytes()
    with tfckpt.open(tmp_path / "p") as ckpt:  # of what is stored as it is, the index has the sum
        assert arrays["kernel"]["crc32c"] == ckpt.specs["a/kernel"].crc32c


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("folder", ["every_dtype", "strings", "sliced", "v1", "multi_shard"])
def test_what_an_archive_holds_a_folder_holds(folder: str, raw: bool, tmp_path: Path) -> None:
    prefix = {"sliced": "merged"}.get(folder, "model.ckpt")
    source = FIXTURES / folder / prefix
    options: dict[str, Any] = {"raw": raw, "skip_unsupported": True}
    tfckpt.convert(source, tmp_path / "out.npz", **options)
    tfckpt.convert(source, tmp_path / "out", format="npy", **options)
    arrays = listed(tmp_path / "out")["arrays"]
    with np.load(tmp_path / "out.npz") as found:
        assert set(found.files) == set(arrays)
        for name in found.files:
            array = np.load(tmp_path / "out" / arrays[name]["file"])
            assert array.dtype == found[name].dtype
            assert array.tobytes() == found[name].tobytes()


# -- what is refused -------------------------------------------------------------------------------


def test_names_that_differ_in_case_only(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"Kernel": FLOATS, "kernel": FLOATS, "other": FLOATS})
    for skip in (False, True):
        with pytest.raises(tfckpt.UnsupportedError, match=r"2 tensors .* case is ignored"):
            tfckpt.convert(tmp_path / "p", f"{tmp_path}/out/", skip_unsupported=skip)
    assert not (tmp_path / "out").exists()
    done = tfckpt.convert(tmp_path / "p", f"{tmp_path}/out/", rename=["^Kernel$=>Kernel_2"])
    assert set(listed(tmp_path / "out")["arrays"]) == {"Kernel_2", "kernel", "other"}
    assert len(done.written) == 3
    tfckpt.convert(tmp_path / "p", tmp_path / "out.npz")  # where case counts, nothing is wrong


def test_all_refusals_at_once(tmp_path: Path) -> None:
    tensors: dict[Any, Any] = {
        b"\xff": FLOATS,
        "v": w.Variants([(b"T", b"", [])], ()),
        "s": w.Strings([b"\0"], (1,)),
        "S/__BYTES__": FLOATS,
        "x": FLOATS,
        "good": FLOATS,
    }
    w.write_bundle(tmp_path / "p", tensors)
    with pytest.raises(tfckpt.UnsupportedError, match="4 tensors") as caught:
        tfckpt.convert(tmp_path / "p", f"{tmp_path}/out/", rename=["^x$=>"])
    for name in (r"'\udcff'", "'v'", "'s'", "'x'"):
        assert name in str(caught.value)
    assert not (tmp_path / "out").exists()


# -- a folder that is there already ----------------------------------------------------------------


@pytest.fixture
def written(tmp_path: Path) -> Path:
    w.write_bundle(tmp_path / "p", {"a": FLOATS, "b": FLOATS})
    tfckpt.convert(tmp_path / "p", f"{tmp_path}/out/")
    return tmp_path / "out"


def assert_nothing_aside(folder: Path) -> None:
    assert not [n for n in os.listdir(folder) if n.endswith((SUFFIX, REPLACED))]


def test_it_is_replaced_by_force_only(written: Path) -> None:
    source = written.parent / "p"
    before = sorted(os.listdir(written))
    with pytest.raises(FileExistsError, match="--force"):
        tfckpt.convert(source, f"{written}/", include=["a"])
    assert sorted(os.listdir(written)) == before
    tfckpt.convert(source, f"{written}/", include=["a"], force=True)
    assert set(listed(written)["arrays"]) == {"a"}
    assert_nothing_aside(written.parent)


def test_an_empty_folder_may_be_replaced(written: Path) -> None:
    (written.parent / "new").mkdir()
    tfckpt.convert(written.parent / "p", f"{written.parent}/new/", force=True)
    assert set(listed(written.parent / "new")["arrays"]) == {"a", "b"}


@pytest.mark.parametrize("extra", ["mine.txt", "c.npy", "folder", MANIFEST])
def test_what_nobody_listed_is_never_removed(extra: str, written: Path) -> None:
    path = written / extra
    if extra == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"[1, {}]")
    for dry_run in (False, True):
        with pytest.raises(FileExistsError, match="no conversion wrote"):
            tfckpt.convert(written.parent / "p", f"{written}/", force=True, dry_run=dry_run)
    assert path.exists()
    assert (written / "a.npy").exists()
    assert_nothing_aside(written.parent)


@pytest.mark.parametrize("kind", ["file", "link"])
def test_only_a_folder_is_replaced(kind: str, written: Path) -> None:
    target = written.parent / "there"
    if kind == "file":
        target.write_bytes(b"mine")
    else:
        target.symlink_to(written)
    with pytest.raises(FileExistsError, match="not a folder"):
        tfckpt.convert(written.parent / "p", f"{target}/", force=True)
    assert target.read_bytes() == b"mine" if kind == "file" else target.is_symlink()


def test_the_checkpoints_own_folder_is_never_replaced(written: Path) -> None:
    with pytest.raises(FileExistsError, match="no conversion wrote"):
        tfckpt.convert(written.parent / "p", f"{written.parent}/", force=True)
    assert (written.parent / "p.index").exists()


@pytest.mark.parametrize("step", [1, 2])
def test_what_was_there_comes_back_when_renaming_fails(
    step: int, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, calls = os.rename, []

    def rename(source: str, target: str) -> None:
        calls.append(source)
        if len(calls) == step:
            raise OSError(5, "Input/output error", source)
        really(source, target)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(OSError, match="Input/output error"):
        tfckpt.convert(written.parent / "p", f"{written}/", include=["a"], force=True)
    assert set(listed(written)["arrays"]) == {"a", "b"}
    assert_nothing_aside(written.parent)


def test_what_is_put_there_meanwhile_stays(written: Path) -> None:
    def put(_done: int, _total: int) -> None:
        (written / "mine").write_bytes(b"mine")

    with pytest.raises(FileExistsError, match="was put there meanwhile"):
        tfckpt.convert(
            written.parent / "p", f"{written}/", include=["a"], force=True, on_progress=put
        )
    assert (written / "mine").read_bytes() == b"mine"
    (written / "mine").unlink()
    assert set(listed(written)["arrays"]) == {"a", "b"}
    assert_nothing_aside(written.parent)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "{}", '{"format": 1}', "\xff"])
def test_a_list_that_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(text, encoding="latin-1")
    with pytest.raises(FileExistsError, match=MANIFEST):
        NpyFolder().files_to_replace(str(tmp_path))
