"""What all formats have in common: all or nothing, the same bytes every time, what the docs say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import project
import pytest
from conversions import MIB, TENSORS, arrays, convert
from defects import bundle
from peak_memory import MOST, peak_kib
from project import FIXTURES
from sparse_files import linux_only, sparse_bundle

import tfckpt_reader as tfckpt
from tfckpt_reader.cli import main
from tfckpt_reader.export.formats import FORMATS
from tfckpt_reader.tensor.dtypes import DataType

DOCS = project.DOCS / "formats.md"


@linux_only
@pytest.mark.slow
def test_memory_does_not_grow_with_what_is_deflated(tmp_path: Path) -> None:
    peaks = []
    for size in (40 * MIB, 400 * MIB):
        source = sparse_bundle(tmp_path, size, tensors=1)
        peaks.append(peak_kib(source, f"{tmp_path}/{size}.npz", "convert", "--compress"))
    assert max(peaks) - min(peaks) < 8 << 10, peaks
    assert max(peaks) < MOST


def test_what_renames_nothing_is_noted(tmp_path: Path) -> None:
    source = bundle(tmp_path, TENSORS)
    rename, names = ["^a$=>b", "^b$=>c", "^a$=>d"], {"gone": "x", "z": "zz"}
    options: dict[str, Any] = {"strip_prefix": "model/", "exclude": ["*slot*"]}
    done = convert(source, "npz", rename=rename, names=names, **options)
    assert set(arrays("npz", tmp_path)) == {"c", "t", "zz"}
    assert [*done.notes] == [
        "no tensor matches '*slot*'",
        "there is no tensor 'gone' to rename",
        "no name begins with 'model/'",
        "no name matches '^a$'",
    ]
    assert not convert(source, "npz", names={"z": "zz"}, exclude=["z"], force=True).notes


def test_from_the_shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = str(bundle(tmp_path, TENSORS))
    assert main(["convert", source, f"{tmp_path}/out/", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == f"{tmp_path}/out"
    assert set(arrays("npy", tmp_path)) == set(TENSORS)
    assert main(["convert", source, f"{tmp_path}/new", "--format", "npy"]) == 0
    assert main(["convert", source, f"{tmp_path}/out.npz", "--compress"]) == 0
    assert set(arrays("deflated", tmp_path)) == set(TENSORS)
    capsys.readouterr()
    assert main(["convert", source, f"{tmp_path}/o.safetensors", "--compress"]) == 2
    assert "compress needs --format npz or h5 or zarr" in capsys.readouterr().err
    assert main(["convert", source, f"{tmp_path}/o", "--dry-run"]) == 2
    assert "ends in .npz, .safetensors, .h5, .zarr or .ckpt, or a folder" in capsys.readouterr().err


# -- the page about it -----------------------------------------------------------------------------


def documented() -> dict[str, list[str]]:
    """The rows of the page's table of types: TensorFlow's name -> the other columns."""
    rows = re.findall(r"^\| (\w+) \| (.+) \|$", DOCS.read_text("utf-8"), re.MULTILINE)
    names = {str(dtype) for dtype in DataType}
    return {name: rest.split(" | ") for name, rest in rows if name in names}


def test_the_page_has_every_type() -> None:
    assert list(documented()) == [str(dtype) for dtype in DataType]


@pytest.mark.parametrize("raw", [False, True])
def test_the_page_says_what_others_read(raw: bool, tmp_path: Path) -> None:
    """Of the files of a checkpoint that TensorFlow wrote, with every type that it writes."""
    library = pytest.importorskip("safetensors")
    source = FIXTURES / "every_dtype" / "model.ckpt"
    done = [
        tfckpt.convert(source, tmp_path / f"o.{end}", raw=raw, skip_unsupported=True)
        for end in ("npz", "safetensors")
    ]
    page, seen = documented(), set()
    with tfckpt.open(source) as ckpt:
        kinds = {name: str(spec.dtype) for name, spec in ckpt.specs.items()}
    kinds.pop("_CHECKPOINTABLE_OBJECT_GRAPH", None)
    with np.load(tmp_path / "o.npz") as found:
        for name in set(found.files) & set(kinds):
            cell = page[kinds[name]][int(raw)]
            assert (re.sub(r"bytes\d+$", "S<n>", found[name].dtype.name)) == cell
            seen.add(kinds[name])
    read = dict(library.deserialize((tmp_path / "o.safetensors").read_bytes()))
    for name, kind in kinds.items():
        assert (read[name]["dtype"] if name in read else "-") == page[kind][2 + int(raw)]
    assert set(done[1].skipped) == {name for name in kinds if page[kinds[name]][2] == "-"}
    assert set(done[0].skipped) == {name for name in kinds if page[kinds[name]][0] == "-"}
    # An .h5 holds numbers as an .npz does: a test of its own reads them.
    assert all(cells[4:6] == cells[:2] for name, cells in page.items() if name != "string")
    assert seen >= {name for name, cells in page.items() if cells[0] != "-"} - {"string"}


@pytest.mark.parametrize("dtype", [DataType.RESOURCE, DataType.VARIANT], ids=str)
def test_the_page_says_what_is_never_stored(dtype: DataType) -> None:
    assert documented()[str(dtype)] == ["-"] * 6
    for each in FORMATS.values():
        assert each.encoding(dtype, raw=False) is each.encoding(dtype, raw=True) is None


def test_the_page_knows_every_format_and_option() -> None:
    text = DOCS.read_text("utf-8")
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == list(FORMATS)
    options = "include exclude strip-prefix rename map cast dry-run flat"
    for option in options.split():
        assert f"`--{option}" in text


def test_the_pages_manifest_has_the_fields_of_a_real_one(tmp_path: Path) -> None:
    convert(bundle(tmp_path, TENSORS), "npy")
    real = json.loads((tmp_path / "out" / "manifest.json").read_text())
    (block,) = re.findall(r"```json\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    shown = json.loads(block)
    assert list(shown) == list(real)
    assert list(shown["arrays"]["dense/kernel"]) == list(real["arrays"]["a"])
    assert {k: shown[k] for k in ("format", "version", "tool")} == {
        k: real[k] for k in ("format", "version", "tool")
    }
