"""What all formats have in common: all or nothing, the same bytes every time, what the docs say."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import project
import pytest
from conversions import FLOATS, MIB, TARGETS, every, left
from defects import DATA, bundle, poke
from peak_memory import MOST, peak_kib
from project import FIXTURES
from sparse_files import linux_only, sparse_bundle

import tfckpt_reader as tfckpt
from tfckpt_reader.cli import main
from tfckpt_reader.export import Conversion
from tfckpt_reader.export.plan import FORMATS
from tfckpt_reader.storage.atomic import SUFFIX
from tfckpt_reader.tensor.dtypes import DataType

DOCS = project.DOCS / "formats.md"


RNG = np.random.default_rng(5)
NOISE = RNG.integers(0, 256, 3 * MIB + 7, np.uint8)  # takes as much room deflated
TENSORS = {"a": FLOATS, "t": NOISE, "z": FLOATS}


def convert(source: Path, kind: str, folder: Path | None = None, **more: Any) -> Conversion:
    name, options = TARGETS[kind]
    return tfckpt.convert(source, f"{folder or source.parent}/{name}", **options, **more)


def arrays(kind: str, folder: Path) -> dict[str, bytes]:
    """The bytes of each array, read by others."""
    target = folder / TARGETS[kind][0]
    if kind == "npy":
        listed = json.loads((target / "manifest.json").read_text())["arrays"]
        return {name: np.load(target / e["file"]).tobytes() for name, e in listed.items()}
    if kind == "safetensors":
        library = pytest.importorskip("safetensors.numpy")
        return {name: array.tobytes() for name, array in library.load_file(target).items()}
    with np.load(target) as found:
        return {name: found[name].tobytes() for name in found.files}


def contents(path: Path) -> dict[str, bytes]:
    """Every byte of a file or a folder."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return {file.name if path.is_dir() else "": file.read_bytes() for file in files}


# -- all or nothing --------------------------------------------------------------------------------


@every
def test_what_was_read_is_what_is_there(kind: str, tmp_path: Path) -> None:
    done = convert(bundle(tmp_path, TENSORS), kind)
    assert done.written == ("a", "t", "z")
    assert arrays(kind, tmp_path) == {name: array.tobytes() for name, array in TENSORS.items()}


@every
@pytest.mark.parametrize("exists", [False, True])
def test_damage_leaves_what_was_there(exists: bool, kind: str, tmp_path: Path) -> None:
    source = bundle(tmp_path, TENSORS)
    if exists:
        convert(source, kind, include=["a"])
    before = left(tmp_path)
    poke(source, DATA, 20 + 2 * MIB, 1)
    with pytest.raises(tfckpt.ChecksumError) as caught:
        convert(source, kind, force=True)
    assert caught.value.tensor == "t"
    assert left(tmp_path) == before
    assert not exists or arrays(kind, tmp_path) == {"a": FLOATS.tobytes()}


@every
@pytest.mark.parametrize("after", range(3))
def test_interrupted(after: int, kind: str, tmp_path: Path) -> None:
    calls: list[int] = []

    def interrupt(done: int, _total: int) -> None:
        calls.append(done)
        if len(calls) > after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(bundle(tmp_path, TENSORS), kind, on_progress=interrupt)
    assert left(tmp_path) == []


KILLED = """
import json, os, signal, sys
import tfckpt_reader as t
def kill(done, total):
    if done > 1 << 20:
        os.kill(os.getpid(), signal.SIGKILL)
t.convert(sys.argv[1], sys.argv[2], force=True, on_progress=kill, **json.loads(sys.argv[3]))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
@every
def test_killed_leaves_only_what_says_so(kind: str, tmp_path: Path) -> None:
    source, (name, options) = bundle(tmp_path, TENSORS), TARGETS[kind]
    convert(source, kind, include=["a"])
    command = [sys.executable, "-c", KILLED, str(source), f"{tmp_path}/{name}", json.dumps(options)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert arrays(kind, tmp_path) == {"a": FLOATS.tobytes()}
    unfinished, there = left(tmp_path)
    assert there == name.strip("/")
    assert unfinished.startswith(f".{there}.")
    assert unfinished.endswith(SUFFIX)
    convert(source, kind, force=True)  # what is left disturbs nobody
    assert set(arrays(kind, tmp_path)) == set(TENSORS)


LIMITED = """
import errno, json, resource, sys
import tfckpt_reader as t
limit = 1 << 20
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    t.convert(sys.argv[1], sys.argv[2], **json.loads(sys.argv[3]))
except OSError as error:
    assert not isinstance(error, t.CheckpointError)
    print(errno.errorcode[error.errno], error.filename)
"""


@pytest.mark.skipif(os.name == "nt", reason="no such limit there")
@every
def test_a_file_that_may_not_grow(kind: str, tmp_path: Path) -> None:
    name, options = TARGETS[kind]
    target = f"{tmp_path}/{name}"
    script = [sys.executable, "-c", LIMITED, str(bundle(tmp_path, TENSORS)), target]
    command = [*script, json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = f"EFBIG {target.rstrip('/')}\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, said, "")
    assert left(tmp_path) == []


@every
def test_disk_full(kind: str, small_disk: Path, tmp_path: Path) -> None:
    source = bundle(tmp_path, TENSORS)
    with pytest.raises(OSError, match="No space left") as caught:
        convert(source, kind, small_disk)
    assert caught.value.filename == f"{small_disk}/{TARGETS[kind][0]}".rstrip("/")
    assert os.listdir(small_disk) == []
    convert(source, kind, small_disk, exclude=["t"])  # the space is free again
    assert set(arrays(kind, small_disk)) == {"a", "z"}


@every
def test_it_is_written_aside_and_synced(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, renamed = bundle(tmp_path, TENSORS), []
    synced: dict[int, int] = {}
    fsync = os.fsync

    def sync(fd: int) -> None:
        stat = os.fstat(fd)
        synced[stat.st_ino] = stat.st_size
        fsync(fd)

    def renaming(really: Any) -> Any:
        def rename(old: str, new: str) -> None:
            path = Path(old)
            files = list(path.iterdir()) if path.is_dir() else [path]
            assert path.stat().st_ino in synced
            assert all(synced[file.stat().st_ino] == file.stat().st_size for file in files)
            renamed.append((path.name.endswith(SUFFIX), new))
            really(old, new)

        return rename

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "rename", renaming(os.rename))
    monkeypatch.setattr(os, "replace", renaming(os.replace))
    convert(source, kind)
    assert renamed == [(True, f"{tmp_path}/{TARGETS[kind][0]}".rstrip("/"))]
    assert tmp_path.stat().st_ino in synced


@every
@pytest.mark.parametrize("error", [OSError(errno.EIO, os.strerror(errno.EIO)), KeyboardInterrupt()])
def test_an_end_while_it_is_synced(
    error: BaseException, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(_fd: int) -> None:
        raise error

    source = bundle(tmp_path, TENSORS)
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(type(error)) as caught:
        convert(source, kind)
    if isinstance(caught.value, OSError):
        assert caught.value.filename == f"{tmp_path}/{TARGETS[kind][0]}".rstrip("/")
    assert left(tmp_path) == []


@every
def test_no_room_for_a_name(kind: str, tmp_path: Path) -> None:
    source = bundle(tmp_path, TENSORS)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        convert(source, kind, tmp_path / "no")
    convert(source, kind)
    before = contents(tmp_path / TARGETS[kind][0])
    with pytest.raises(FileExistsError, match="--force"):
        convert(source, kind)
    assert contents(tmp_path / TARGETS[kind][0]) == before


UNWRITABLE = """
import os, sys
import tfckpt_reader as t
source, target = sys.argv[1:]
t.convert(source, source + ".npz")  # everything that is needed is loaded now
os.unlink(source + ".npz")
if os.getuid() == 0:
    for entry in os.scandir(os.path.dirname(source)):
        if entry.is_file():
            os.chmod(entry.path, 0o644)  # whatever the umask is
    os.setgid(65534)
    os.setuid(65534)
try:
    t.convert(source, target)
except PermissionError as error:
    print(error.filename)
"""


@pytest.mark.skipif(os.name == "nt", reason="permissions are others there")
@every
def test_a_folder_that_is_read_only(kind: str, open_folder: Path) -> None:
    locked = open_folder / "locked"
    locked.mkdir()
    source = bundle(open_folder, {"a": FLOATS})
    locked.chmod(0o555)
    target = f"{locked}/{TARGETS[kind][0]}"
    done = subprocess.run(
        [sys.executable, "-c", UNWRITABLE, str(source), target],
        capture_output=True,
        text=True,
        check=False,
    )
    said = target.rstrip("/") + "\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, said, "")
    assert os.listdir(locked) == []
    locked.chmod(0o755)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user may look into; pytest's own are for one only."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)  # noqa: S103
        yield Path(name)


@linux_only
@pytest.mark.slow
def test_memory_does_not_grow_with_what_is_deflated(tmp_path: Path) -> None:
    peaks = []
    for size in (40 * MIB, 400 * MIB):
        source = sparse_bundle(tmp_path, size, tensors=1)
        peaks.append(peak_kib(source, f"{tmp_path}/{size}.npz", "convert", "--compress"))
    assert max(peaks) - min(peaks) < 8 << 10, peaks
    assert max(peaks) < MOST


# -- the same every time ---------------------------------------------------------------------------


@every
def test_the_same_input_makes_the_same_bytes(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, options = TARGETS[kind]
    options = {**options, "skip_unsupported": True, "cast": "float16"}
    source = FIXTURES / "every_dtype" / "model.ckpt"
    tfckpt.convert(source, f"{tmp_path}/{name}", **options)
    monkeypatch.setattr("time.time", lambda: 2e9)
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    monkeypatch.setenv("USER", "somebody")
    monkeypatch.chdir(FIXTURES / "every_dtype")
    monkeypatch.setattr("tfckpt_reader.storage.workers.processors", lambda: 5)
    (tmp_path / "elsewhere").mkdir()
    before = os.umask(0o077)
    try:
        tfckpt.convert("model.ckpt", f"{tmp_path}/elsewhere/{name}", **options)
    finally:
        os.umask(before)
    first, second = (contents(folder / name) for folder in (tmp_path, tmp_path / "elsewhere"))
    assert first == second
    for data in first.values():
        for place in (str(tmp_path), str(FIXTURES)):
            assert place.encode() not in data


# -- what is said ----------------------------------------------------------------------------------


@every
def test_progress_goes_up_to_the_total(kind: str, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    convert(bundle(tmp_path, TENSORS), kind, on_progress=lambda *call: calls.append(call))
    total = sum(array.nbytes for array in TENSORS.values())
    assert calls == sorted(calls)
    assert calls[-1] == (total, total)
    assert len(calls) > 3


@every
def test_a_dry_run_says_what_will_be(kind: str, tmp_path: Path) -> None:
    source = bundle(tmp_path, TENSORS)
    plan = convert(source, kind, dry_run=True, rename=["^=>x/"], cast="float16")
    assert left(tmp_path) == []
    done = convert(source, kind, rename=["^=>x/"], cast="float16")
    assert plan == done
    found = arrays(kind, tmp_path)
    assert {array.name: array.nbytes for array in plan.arrays} == {
        name: len(data) for name, data in found.items()
    }


@every
def test_overflows_are_counted_by_tensor(kind: str, tmp_path: Path) -> None:
    large = np.array([1e5, -1e5, 1.0, np.inf, np.nan], np.float32)
    source = bundle(tmp_path, {"large": large, "small": FLOATS})
    done = convert(source, kind, cast="float16")
    assert done.overflows == {"large": 2}
    assert any("large: 2 numbers too large" in note for note in done.notes)
    half = np.frombuffer(arrays(kind, tmp_path)["large"], np.float16)
    np.testing.assert_array_equal(half, [np.inf, -np.inf, 1.0, np.inf, np.nan])


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
        "in no name '^a$' is found",
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
    assert "only an .npz can be compressed" in capsys.readouterr().err
    assert main(["convert", source, f"{tmp_path}/o", "--dry-run"]) == 2
    assert "ends in .npz or .safetensors, or a folder" in capsys.readouterr().err


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
    assert seen >= {name for name, cells in page.items() if cells[0] != "-"} - {"string"}


@pytest.mark.parametrize("dtype", [DataType.RESOURCE, DataType.VARIANT], ids=str)
def test_the_page_says_what_is_never_stored(dtype: DataType) -> None:
    assert documented()[str(dtype)] == ["-"] * 4
    for to in FORMATS.values():
        assert to.form(dtype, raw=False) is to.form(dtype, raw=True) is None


def test_the_page_knows_every_format_and_option() -> None:
    text = DOCS.read_text("utf-8")
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == list(FORMATS)
    for option in ("include", "exclude", "strip-prefix", "rename", "map", "cast", "dry-run"):
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
