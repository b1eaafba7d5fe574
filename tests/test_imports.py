"""Modules that each command loads: a listing starts fast, and works where little is installed."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import writers as w
from project import FIXTURES

import tfckpt_reader
from tfckpt_reader.cli import COMMANDS

V2 = str(FIXTURES / "saver_tf1" / "model.ckpt-1")
V1 = str(FIXTURES / "v1" / "model.ckpt")
STRINGS = str(FIXTURES / "strings" / "model.ckpt")
STATE = str(FIXTURES / "saver_tf1")

# What a listing has no use for: other people's code, which must not be loaded at all, and slow
# parts of the standard library, which we must not ask for (protobuf 4 loads ctypes itself).
HEAVY = {
    *("numpy", "ml_dtypes", "rich", "snappy", "cramjam", "tensorflow", "h5py", "safetensors"),
    *("fsspec", "obstore", "pandas", "dask", "zarr"),
}
SLOW = {
    *("asyncio", "multiprocessing", "concurrent.futures", "unittest", "ctypes", "http", "xml"),
    *("difflib", "urllib.request", "ssl", "pydoc", "sqlite3", "logging", "zipfile", "tempfile"),
    *("shutil", "inspect", "pickle", "email", "socket", "subprocess", "importlib.metadata"),
}
# Modules of ours that have no part in a listing.
NOT_FOR_LS = {
    "storage.remote.stores",
    "storage.remote.folders",
    "storage.remote.objects",
    "export",
    "verification.checkpoint",
    "verification.checks.v2",
    "verification.checks.v1",
    "verification.checks.table_blocks",
    "cli.describe.statistics",
}

# Records which modules our own code asks for, whoever else asks too.
CHECKSUMS = {"fastcrc"} if find_spec("fastcrc") else {"fastcrc", "crc32c"}
"""The libraries that are asked for: the first one is optional."""
SCRIPT = """
import builtins, io, sys
asked = set()
really = builtins.__import__
def record(name, globals=None, locals=None, fromlist=(), level=0):
    if globals and str(globals.get("__name__")).split(".")[0] == "tfckpt_reader":
        asked.add(name)
    return really(name, globals, locals, fromlist, level)
builtins.__import__ = record
before = set(sys.modules)
{prepare}
arguments = {arguments!r}
code = 0
if arguments:
    from tfckpt_reader.cli import main
    stdout, sys.stdout = sys.stdout, io.StringIO()
    code = main(arguments)
    sys.stdout = stdout
else:
    import tfckpt_reader
print((code, sorted(set(sys.modules) - before), sorted(asked)))
"""


def run(
    *arguments: str, prepare: str = "", environment: dict[str, str] | None = None
) -> tuple[int, set[str], set[str]]:
    """Run a command in a process of its own: exit code, modules loaded, modules we asked for."""
    script = SCRIPT.format(prepare=prepare, arguments=list(arguments))
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    assert done.returncode == 0, done.stderr
    code, loaded, asked = ast.literal_eval(done.stdout)
    return code, set(loaded), set(asked)


def blocked(*names: str) -> str:
    """Code after which these cannot be imported."""
    return f"sys.modules.update(dict.fromkeys({names!r}))"


def ours(loaded: set[str]) -> set[str]:
    return {name.partition(".")[2] for name in loaded if name.startswith("tfckpt_reader")} - {""}


def third_party(asked: set[str]) -> set[str]:
    tops = {name.split(".")[0] for name in asked}
    return tops - sys.stdlib_module_names - {"tfckpt_reader"}


def test_importing_the_package_loads_nothing() -> None:
    _, loaded, asked = run()
    assert loaded <= {"tfckpt_reader", "__future__"}
    assert third_party(asked) == set()


@pytest.mark.parametrize("more", [(), ("*", "--json", "--sort=size")])
def test_a_listing_loads_little(more: tuple[str, ...]) -> None:
    code, loaded, asked = run("ls", V2, *more)
    assert code == 0
    assert not loaded & HEAVY
    assert not asked & SLOW
    assert third_party(asked) == CHECKSUMS
    assert not {n for n in ours(loaded) if n in NOT_FOR_LS or n.split(".")[0] == "export"}
    assert {f"cli.{command}" for command in COMMANDS} & ours(loaded) == {"cli.ls"}
    assert "formats.v1.reader" not in ours(loaded)
    if "--json" not in more:
        assert "dataclasses" not in asked  # it imports `inspect`
        assert not {n for n in ours(loaded) if n.startswith("verification")}
    assert "google.protobuf.text_format" not in asked


def test_a_listing_reads_no_object_graph() -> None:
    """Its roles come from names; other names and all evidence take protobuf."""
    objects = str(FIXTURES / "keras_3" / "adam")
    code, loaded, asked = run("ls", objects)
    assert code == 0
    assert third_party(asked) == CHECKSUMS
    assert "graph.variables" not in ours(loaded)
    for more in (("--roles",), ("--names", "full")):
        code, loaded, asked = run("ls", objects, *more)
        assert code == 0
        assert third_party(asked) == {*CHECKSUMS, "google"}
        assert not loaded & HEAVY


def test_a_listing_of_v1_needs_no_numpy() -> None:
    code, loaded, asked = run("ls", V1)
    assert code == 0
    assert not loaded & HEAVY
    assert not asked & SLOW
    assert third_party(asked) == {"google", *CHECKSUMS}


def test_only_a_state_file_needs_the_text_format() -> None:
    code, loaded, asked = run("ls", STATE)
    assert code == 0
    assert not loaded & HEAVY
    assert not asked & SLOW
    assert "google.protobuf" in asked  # from google.protobuf import text_format


EVERY_FORM = ("sliced/merged", "variant/model.ckpt", "v1/model.ckpt", "v1_sharded/model.ckpt")


@pytest.mark.parametrize("path", [V2, STRINGS, *(str(FIXTURES / form) for form in EVERY_FORM)])
def test_verifying_needs_no_numpy(path: str) -> None:
    code, loaded, asked = run("verify", path)
    assert code == 0
    assert not loaded & HEAVY
    assert not asked & SLOW
    assert third_party(asked) - {"google"} == CHECKSUMS
    assert not {n for n in ours(loaded) if n.startswith("export")}


@pytest.mark.parametrize("level", ["index", "sizes", "data"])
@pytest.mark.parametrize("big_endian", [False, True])
def test_a_diagnosis_needs_no_numpy(level: str, big_endian: bool, tmp_path: Path) -> None:
    """Half of the data is zero, and two bytes are too many."""
    numbers = {f"t{i}": np.full(1000, i + 1, np.float32) for i in range(4)}
    files = w.bundle_files(numbers, big_endian=big_endian)
    (tmp_path / "p.index").write_bytes(files[".index"])
    (tmp_path / "p.data-00000-of-00001").write_bytes(bytes(8002) + files.popitem()[1][8000:])
    code, loaded, asked = run("verify", str(tmp_path / "p"), "--level", level)
    assert code == (0 if level == "index" else 1)
    assert not loaded & HEAVY
    assert third_party(asked) - {"google"} == CHECKSUMS


def test_level_values_needs_numpy_only(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"b": w.Raw(14, (1,), b"\0\0"), "f": np.zeros(1, np.float32)})
    code, loaded, _ = run("verify", str(tmp_path / "p"), "--level=values")
    assert code == 0
    assert "numpy" in loaded
    assert "ml_dtypes" not in loaded


def test_verifying_folders_needs_no_numpy() -> None:
    code, loaded, asked = run("verify", str(FIXTURES / "sliced"), "--all")
    assert code == 0
    assert not loaded & HEAVY
    assert not asked & SLOW
    assert third_party(asked) == {"google", *CHECKSUMS}
    assert not {n for n in ours(loaded) if n.startswith(("export", "verification.reports"))}


def test_errors_need_little_either(tmp_path: Path) -> None:
    code, loaded, asked = run("ls", str(tmp_path / "no"))
    assert code == 2
    assert not loaded & HEAVY
    assert not asked & SLOW


def test_showing_needs_numpy_only() -> None:
    code, loaded, asked = run("show", V2, "global_step")
    assert code == 0
    assert "numpy" in loaded
    assert not loaded & {"ml_dtypes", "rich", "snappy", "cramjam", "tensorflow"}
    assert third_party(asked) == {*CHECKSUMS, "numpy"}


@pytest.mark.parametrize("target", ["out.npz", "out.safetensors"])
def test_converting_plain_numbers_needs_no_numpy(target: str, tmp_path: Path) -> None:
    """Their bytes go from file to file; that import would take as long as 300 MB."""
    code, loaded, asked = run("convert", V2, str(tmp_path / target))
    assert code == 0
    assert not loaded & HEAVY
    assert third_party(asked) == CHECKSUMS


@pytest.mark.parametrize("compress", [False, True])
def test_snappy_is_loaded_for_compressed_blocks(compress: bool, tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"a": np.zeros(1, np.float32)}, compress=compress)
    code, loaded, _ = run("ls", str(tmp_path / "p"))
    assert code == 0
    assert ("cramjam" in loaded) == compress


@pytest.mark.parametrize("kind", ["--dot", "--tensorboard"])
def test_drawing_a_graph_needs_no_numpy(kind: str, tmp_path: Path) -> None:
    logs = [str(tmp_path)] if kind == "--tensorboard" else []
    code, loaded, asked = run("graph", V2, kind, *logs)
    assert code == 0
    assert not loaded & HEAVY
    assert third_party(asked) <= {"google", *CHECKSUMS}
    assert ("tfckpt_reader.storage.writing.atomic" in loaded) == (kind == "--tensorboard")


def test_nothing_optional_is_needed() -> None:
    missing = ("numpy", "ml_dtypes", "rich", "snappy", "cramjam", "tensorflow", "typing_extensions")
    code, _, _ = run("verify", V2, prepare=blocked(*missing))
    assert code == 0


@pytest.mark.parametrize(
    "arguments", [("show", V1, "bool/scalar"), ("verify", V1), ("convert", V2)]
)
def test_the_extras_are_not_needed(arguments: tuple[str, ...], tmp_path: Path) -> None:
    out = (str(tmp_path / "out.npz"),) if arguments[0] == "convert" else ()
    missing = blocked("ml_dtypes", "rich", "tensorflow", "typing_extensions")
    code, _, _ = run(*arguments, *out, prepare=missing)
    assert code == 0


def test_ml_dtypes_is_loaded_for_its_types_only(tmp_path: Path) -> None:
    pytest.importorskip("ml_dtypes")
    w.write_bundle(tmp_path / "p", {"b": w.Raw(14, (1,), b"\0\0"), "f": np.zeros(1, np.float32)})
    for name, needed in (("b", True), ("f", False)):
        code, loaded, _ = run("show", str(tmp_path / "p"), name)
        assert code == 0
        assert ("ml_dtypes" in loaded) == needed


def test_pure_python_protobuf_will_do() -> None:
    slow = {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}
    assert run("verify", V2, environment=slow)[0] == 0


def test_public_names() -> None:
    assert sorted(tfckpt_reader.__all__) == list(tfckpt_reader.__all__)
    for name in tfckpt_reader.__all__:
        value = getattr(tfckpt_reader, name)
        assert value is getattr(tfckpt_reader, name)
        assert value.__module__.startswith("tfckpt_reader")
    assert set(tfckpt_reader.__all__) <= set(dir(tfckpt_reader))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = tfckpt_reader.nothing


def test_public_names_in_any_order() -> None:
    """A module of the same name must not come in the way of a function."""
    script = (
        "import sys, types\nimport tfckpt_reader\nwrong = set()\n"
        "for first in tfckpt_reader.__all__:\n"
        "    for name in [n for n in sys.modules if n.startswith('tfckpt_reader')]:\n"
        "        del sys.modules[name]\n"
        "    import tfckpt_reader as t\n"
        "    getattr(t, first)\n"
        "    wrong |= {n for n in t.__all__ if isinstance(getattr(t, n), types.ModuleType)}\n"
        "print(sorted(wrong))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_version() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tfckpt_reader", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"tfckpt {tfckpt_reader.__version__}\n"
