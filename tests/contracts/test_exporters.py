"""The contract of exporters: all or nothing, the same bytes every time, and others read them.

The others are NumPy and the safetensors library. One subclass for each format.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import writers as w
from conversions import (
    FLOATS,
    LIBRARY,
    MIB,
    TARGETS,
    TENSORS,
    arrays,
    contents,
    convert,
    left,
    some_tensors,
)
from defects import DATA, bundle, poke
from hypothesis import HealthCheck, given, settings
from interrupting import interrupted
from numpy.typing import NDArray
from project import FIXTURES
from sparse_files import sparse_bundle

import tfckpt_reader as tfckpt
from tfckpt_reader.export import Conversion
from tfckpt_reader.storage.writing.unfinished import SUFFIX


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
    elif target.suffix in LIBRARY:
        arrays = LIBRARY[target.suffix](target)
    else:
        with np.load(target, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
    return {name: Read(a.dtype.str, a.shape, a.tobytes()) for name, a in arrays.items()}


SAFETENSORS = {"<f4": "F32", "<f8": "F64", "|i1": "I8", "<i8": "I64", "<u2": "U16"}
SAFETENSORS |= {"|b1": "BOOL", "<c8": "C64", "<f2": "F16"}

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

KILLED = """
import json, os, signal, sys
import tfckpt_reader as t
def kill(done, total):
    if done > 1 << 20:
        os.kill(os.getpid(), signal.SIGKILL)
t.convert(sys.argv[1], sys.argv[2], force=True, on_progress=kill, **json.loads(sys.argv[3]))
"""

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

UNWRITABLE = """
import os, sys, tempfile
import tfckpt_reader as t
source, target = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder:  # everything that is needed is loaded now
    t.convert(source, folder + target[target.rindex("/", 0, -1):])
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


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one mebibyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except OSError as error:
        pytest.skip(f"no mount here: {error}")
    if done.returncode:
        pytest.skip("only root can mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user may look into; pytest's own are for one only."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)  # noqa: S103
        yield Path(name)


class ExporterContract:
    """The contract of exporters; a subclass names its target in `TARGETS`."""

    kind: str
    refused_names = frozenset({"../up"})
    """Of some awkward names, those that the format refuses."""

    @property
    def name(self) -> str:
        return TARGETS[self.kind][0]

    def convert(self, source: Path, folder: Path | None = None, **more: Any) -> Conversion:
        return convert(source, self.kind, folder, **more)

    def converted(self, source: Path, **more: Any) -> tuple[dict[str, Read], Conversion]:
        done = self.convert(source, force=True, **more)
        return read_back(self.kind, source.parent), done

    def arrays(self, folder: Path) -> dict[str, bytes]:
        return arrays(self.kind, folder)

    # All or nothing.

    def test_arrays_are_those_of_the_checkpoint(self, tmp_path: Path) -> None:
        done = self.convert(bundle(tmp_path, TENSORS))
        assert done.written == ("a", "t", "z")
        assert self.arrays(tmp_path) == {name: array.tobytes() for name, array in TENSORS.items()}

    @pytest.mark.parametrize("exists", [False, True])
    def test_damage_keeps_the_existing_target(self, exists: bool, tmp_path: Path) -> None:
        source = bundle(tmp_path, TENSORS)
        if exists:
            self.convert(source, include=["a"])
        before = left(tmp_path)
        poke(source, DATA, 20 + 2 * MIB, 1)
        with pytest.raises(tfckpt.ChecksumError) as caught:
            self.convert(source, force=True)
        assert caught.value.tensor == "t"
        assert left(tmp_path) == before
        assert not exists or self.arrays(tmp_path) == {"a": FLOATS.tobytes()}

    @pytest.mark.parametrize("after", range(3))
    def test_interrupted(self, after: int, tmp_path: Path) -> None:
        calls: list[int] = []

        def interrupt(done: int, _total: int) -> None:
            calls.append(done)
            if len(calls) > after:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            self.convert(bundle(tmp_path, TENSORS), on_progress=interrupt)
        assert left(tmp_path) == []

    @pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
    def test_killed_leaves_only_an_unfinished_file(self, tmp_path: Path) -> None:
        source, (name, options) = bundle(tmp_path, TENSORS), TARGETS[self.kind]
        self.convert(source, include=["a"])
        command = [
            sys.executable,
            "-c",
            KILLED,
            str(source),
            f"{tmp_path}/{name}",
            json.dumps(options),
        ]
        assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
        assert self.arrays(tmp_path) == {"a": FLOATS.tobytes()}
        unfinished, there = left(tmp_path)
        assert there == name.strip("/")
        assert unfinished.startswith(f".{there}.")
        assert unfinished.endswith(SUFFIX)
        self.convert(source, force=True)  # what is left disturbs nobody
        assert set(self.arrays(tmp_path)) == set(TENSORS)

    @pytest.mark.skipif(os.name == "nt", reason="no such limit there")
    def test_file_size_limit(self, tmp_path: Path) -> None:
        name, options = TARGETS[self.kind]
        target = f"{tmp_path}/{name}"
        script = [sys.executable, "-c", LIMITED, str(bundle(tmp_path, TENSORS)), target]
        command = [*script, json.dumps(options)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        said = f"EFBIG {target.rstrip('/')}\n"
        assert (done.returncode, done.stdout, done.stderr) == (0, said, "")
        assert left(tmp_path) == []

    def test_disk_full(self, small_disk: Path, tmp_path: Path) -> None:
        source = bundle(tmp_path, TENSORS)
        with pytest.raises(OSError, match="No space left") as caught:
            self.convert(source, small_disk)
        assert caught.value.filename == f"{small_disk}/{self.name}".rstrip("/")
        assert os.listdir(small_disk) == []
        self.convert(source, small_disk, exclude=["t"])  # the space is free again
        assert set(self.arrays(small_disk)) == {"a", "z"}

    @pytest.mark.parametrize("number", [None, errno.EOPNOTSUPP])
    def test_file_system_that_sets_no_room_aside(
        self, number: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_fd: int, _offset: int, _size: int) -> None:
            raise OSError(number, "Operation not supported")

        source = bundle(tmp_path, TENSORS)
        self.convert(source)
        expected = contents(tmp_path / self.name)
        if number is None:
            monkeypatch.delattr(os, "posix_fallocate", raising=False)
        else:
            monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
        self.convert(source, force=True)
        assert contents(tmp_path / self.name) == expected

    def test_target_is_synced_before_it_is_renamed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
                files = [path, *path.rglob("*")]
                assert {file.stat().st_ino for file in files} <= set(synced)
                assert all(
                    synced[file.stat().st_ino] == file.stat().st_size
                    for file in files
                    if not file.is_dir()
                )
                renamed.append((path.name.endswith(SUFFIX), new))
                really(old, new)

            return rename

        monkeypatch.setattr(os, "fsync", sync)
        monkeypatch.setattr(os, "rename", renaming(os.rename))
        monkeypatch.setattr(os, "link", renaming(os.link))
        self.convert(source)
        assert renamed == [(True, f"{tmp_path}/{self.name}".rstrip("/"))]
        assert tmp_path.stat().st_ino in synced

    @pytest.mark.parametrize(
        "error", [OSError(errno.EIO, os.strerror(errno.EIO)), KeyboardInterrupt()]
    )
    def test_error_or_interrupt_while_syncing(
        self, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fsync(_fd: int) -> None:
            raise error

        source = bundle(tmp_path, TENSORS)
        monkeypatch.setattr(os, "fsync", fsync)
        with pytest.raises(type(error)) as caught:
            self.convert(source)
        if isinstance(caught.value, OSError):
            assert caught.value.filename == f"{tmp_path}/{self.name}".rstrip("/")
        assert left(tmp_path) == []

    def test_missing_folder_and_existing_target(self, tmp_path: Path) -> None:
        source = bundle(tmp_path, TENSORS)
        with pytest.raises(FileNotFoundError, match="there is no folder"):
            self.convert(source, tmp_path / "no")
        self.convert(source)
        before = contents(tmp_path / self.name)
        with pytest.raises(FileExistsError, match="--force"):
            self.convert(source)
        assert contents(tmp_path / self.name) == before

    @pytest.mark.skipif(os.name == "nt", reason="permissions are others there")
    def test_a_folder_that_is_read_only(self, open_folder: Path) -> None:
        locked = open_folder / "locked"
        locked.mkdir()
        source = bundle(open_folder, {"a": FLOATS})
        locked.chmod(0o555)
        target = f"{locked}/{self.name}"
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

    # The same every time.

    def test_the_same_input_makes_the_same_bytes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name, options = TARGETS[self.kind]
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

    # What is said.

    def test_progress_goes_up_to_the_total(self, tmp_path: Path) -> None:
        calls: list[tuple[int, int]] = []
        self.convert(bundle(tmp_path, TENSORS), on_progress=lambda *call: calls.append(call))
        total = sum(array.nbytes for array in TENSORS.values())
        assert calls == sorted(calls)
        assert calls[-1] == (total, total)
        assert len(calls) > 3

    def test_dry_run_predicts_the_result(self, tmp_path: Path) -> None:
        source = bundle(tmp_path, TENSORS)
        plan = self.convert(source, dry_run=True, rename=["^=>x/"], cast="float16")
        assert left(tmp_path) == []
        done = self.convert(source, rename=["^=>x/"], cast="float16")
        assert plan == done
        found = self.arrays(tmp_path)
        assert {array.name: array.nbytes for array in plan.arrays} == {
            name: len(data) for name, data in found.items()
        }

    def test_underflows_are_counted_by_tensor(self, tmp_path: Path) -> None:
        tiny = np.array([1e-9, -1e-9, 1e-6, 0.0, -0.0, 2.0**-24, 6.2e-5, np.nan], np.float32)
        source = bundle(tmp_path, {"tiny": tiny, "plain": FLOATS})
        done = self.convert(source, cast="float16")
        assert done.underflows == {"tiny": 3}  # 2^-24 is a subnormal, and exact
        assert any("tiny: 3 numbers too small" in note for note in done.notes)
        assert done.overflows == {}

    def test_overflows_are_counted_by_tensor(self, tmp_path: Path) -> None:
        large = np.array([1e5, -1e5, 1.0, np.inf, np.nan], np.float32)
        source = bundle(tmp_path, {"large": large, "small": FLOATS})
        done = self.convert(source, cast="float16")
        assert done.overflows == {"large": 2}
        assert any("large: 2 numbers too large" in note for note in done.notes)
        half = np.frombuffer(self.arrays(tmp_path)["large"], np.float16)
        np.testing.assert_array_equal(half, [np.inf, -np.inf, 1.0, np.inf, np.nan])

    @settings(suppress_health_check=[HealthCheck.differing_executors])
    @given(some_tensors())
    def test_other_libraries_read_the_arrays(self, tensors: dict[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            w.write_bundle(Path(folder) / "p", tensors)
            try:
                found, done = self.converted(Path(folder) / "p", skip_unsupported=True)
            except (tfckpt.TensorNotFoundError, tfckpt.UnsupportedError):
                assert not tensors or self.kind == "npy"  # where names may differ in case only
                return
            assert set(done.written) | set(done.skipped) == set(tensors)
            for name in done.written:
                tensor = tensors[name]
                if isinstance(tensor, w.Strings):
                    continue  # tests of their own have them in full
                array: Any = tensor.whole if isinstance(tensor, w.Sliced) else tensor
                spelt = (
                    SAFETENSORS[array.dtype.str] if self.kind == "safetensors" else array.dtype.str
                )
                assert found[name] == Read(spelt, array.shape, array.tobytes())
            if self.kind == "safetensors":
                strings = {k for k, v in tensors.items() if isinstance(v, w.Strings)}
                assert set(done.skipped) == strings | (set(tensors) & {"__metadata__"})

    @pytest.mark.parametrize("raw", [False, True])
    @pytest.mark.parametrize("to", ["float32", "float16", "bfloat16"])
    def test_every_floating_type_is_cast(self, to: str, raw: bool, tmp_path: Path) -> None:
        ml_dtypes = pytest.importorskip("ml_dtypes")
        wanted = np.dtype(getattr(ml_dtypes, to, to))
        numbers = {dtype: patterns(dtype) for dtype in FLOATING}
        others = {"int": np.arange(5), "complex": np.ones(2, "c8"), "bool": np.ones(1, "?")}
        w.write_bundle(tmp_path / "p", {**numbers, **others})
        found, done = self.converted(tmp_path / "p", cast=to, raw=raw)
        spelt = CASTS[to, raw][self.kind == "safetensors"]
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
                np.signbit(array[~np.isnan(array)]),
                np.signbit(exact[~np.isnan(exact)]),
                err_msg=dtype,
            )
            assert done.overflows.get(dtype, 0) == np.count_nonzero(beyond), dtype
        for name, array in others.items():
            assert found[name].data == array.tobytes()

    # What is refused.

    def test_types_names_and_clashes_are_refused_in_one_list(self, tmp_path: Path) -> None:
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
            self.converted(tmp_path / "p", rename=["^[ab]/=>"])
        refused = {"variant", "\udcff", "a/x", "b/x"}
        refused |= self.refused_names
        assert caught.value.problem.startswith(f"{len(refused)} tensors cannot be stored")
        assert {
            name for name in (*tensors, "\udcff") if repr(name) in caught.value.problem
        } == refused
        assert sorted(os.listdir(tmp_path)) == before

    @pytest.mark.parametrize(
        "shape", [(1 << 40, 1 << 40, 0), (0, 1 << 40, 1 << 40), (1 << 62, 0, 4)]
    )
    def test_empty_tensor_with_axes_too_large(self, shape: tuple[int, ...], tmp_path: Path) -> None:
        """Nothing is in it, but readers multiply its axes; some then read nothing of the file."""
        w.write_bundle(tmp_path / "p", {"empty": w.Raw(1, shape, b""), "good": FLOATS})
        with pytest.raises(tfckpt.UnsupportedError, match=r"1 tensor .* 'empty': its shape"):
            self.converted(tmp_path / "p")
        found, _ = self.converted(tmp_path / "p", skip_unsupported=True)
        assert found["good"].data == FLOATS.tobytes()

    # Where nothing can be put.

    def test_a_file_system_that_is_read_only(self, small_disk: Path, tmp_path: Path) -> None:
        """It stops root, too."""
        w.write_bundle(tmp_path / "p", {"a": FLOATS})
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        name, options = TARGETS[self.kind]
        with pytest.raises(OSError, match="Read-only") as caught:
            tfckpt.convert(tmp_path / "p", f"{small_disk}/{name}", **options)
        assert caught.value.filename == f"{small_disk}/{name}".rstrip("/")
        assert os.listdir(small_disk) == []

    # Ctrl-C.

    @pytest.mark.skipif(os.name == "nt", reason="signals are others there")
    def test_ctrl_c_leaves_nothing(self, tmp_path: Path) -> None:
        """The signal itself, while threads read and write."""
        source = sparse_bundle(tmp_path, 4 << 30)
        name, options = TARGETS[self.kind]
        compress = ["--compress"] if options else []
        done = interrupted("convert", source, f"{tmp_path}/{name}", *compress)
        assert (done.returncode, done.stdout) == (130, "1 thread left\n"), done.stderr
        assert "interrupted" in done.stderr
        assert {path.name.split(".")[0] for path in tmp_path.iterdir()} == {"p"}


class TestNpz(ExporterContract):
    kind = "npz"


class TestDeflatedNpz(ExporterContract):
    kind = "deflated"


class TestSafetensors(ExporterContract):
    kind = "safetensors"
    refused_names = frozenset()


class TestNpyFolder(ExporterContract):
    kind = "npy"
    refused_names = frozenset({"Case", "case"})


class TestHdf5(ExporterContract):
    kind = "h5"
    refused_names = frozenset()

    @pytest.fixture(autouse=True)
    def _library(self) -> None:
        pytest.importorskip("h5py")


class TestDeflatedHdf5(TestHdf5):
    kind = "deflated_h5"


class TestZarr(ExporterContract):
    kind = "zarr"
    refused_names = frozenset({"../up", "Case", "case"})

    @pytest.fixture(autouse=True)
    def _library(self) -> None:
        pytest.importorskip("zarr", minversion="3.1")


class TestDeflatedZarr(TestZarr):
    kind = "deflated_zarr"
