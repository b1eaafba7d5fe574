"""The command ``ls``: lines, columns, JSON and globs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import writers as w
from commands import NASTY_BYTES, Run, one_line, process, tensors
from defects import FLOATS, bundle
from oracles import ORACLES, QUANTISED
from project import FIXTURES


def test_ls(run: Run, tmp_path: Path) -> None:
    done = run("ls", bundle(tmp_path, tensors(), shards=2))
    assert (done.code, done.err) == (0, "")
    expected = {
        "bool": ("bool", "[2]", "2 B"),
        "dense/bias": ("float32", "[4]", "16 B"),
        "dense/kernel": ("float64", "[300, 200]", "468.8 KiB"),
        "empty": ("int8", "[0, 2]", "0 B"),
        "pieces  (in 2 slices)": ("int16", "[3, 4]", "24 B"),
        "scalar": ("int64", "scalar", "8 B"),
        "words": ("string", "[2]", "9 B"),  # 2 lengths, 4 bytes of crc, 3 letters
    }
    found = [re.split(r" {2,}", line, maxsplit=3) for line in done.lines[:-1]]
    assert [tuple(parts) for parts in found] == [(*parts, name) for name, parts in expected.items()]
    total = 2 + 16 + 480_000 + 24 + 8 + 9
    assert done.lines[-1].startswith("7 tensors, ")
    for part in (f"{total:,} bytes", "V2", "2 shards"):
        assert part in done.lines[-1]


def test_ls_columns_are_aligned(run: Run, tmp_path: Path) -> None:
    done = run("ls", bundle(tmp_path, tensors()))
    starts = {line.rindex(f"  {name}") for line, name in zip(done.lines, tensors(), strict=False)}
    assert len(starts) == 1


@pytest.mark.parametrize(
    ("globs", "found"),
    [
        (["dense/*"], ["dense/bias", "dense/kernel"]),
        (["*s"], ["dense/bias", "pieces", "words"]),
        (["words", "b*"], ["bool", "words"]),
        (["Dense/*", "scalar"], ["scalar"]),
    ],
)
def test_ls_with_globs(run: Run, tmp_path: Path, globs: list[str], found: list[str]) -> None:
    prefix = bundle(tmp_path, tensors())
    done = run("ls", prefix, *globs, "--json")
    assert done.code == 0
    assert [tensor["name"] for tensor in done.json["tensors"]] == found
    assert run("ls", prefix, *globs).lines[-1].startswith(f"{len(found)} tensor")


def test_ls_takes_globs_after_options(run: Run, tmp_path: Path) -> None:
    prefix = bundle(tmp_path, tensors())
    for arguments in (
        ["--json", "b*", "w*"],
        ["b*", "--json", "w*"],
        ["--sort", "name", "b*", "w*", "--json"],
    ):
        done = run("ls", prefix, *arguments)
        assert done.code == 0, done.err
        assert [tensor["name"] for tensor in done.json["tensors"]] == ["bool", "words"]


def test_ls_without_a_match(run: Run, tmp_path: Path) -> None:
    done = run("ls", bundle(tmp_path, tensors()), "x*")
    assert (done.code, done.out) == (2, "")
    assert "x*" in one_line(done.err)


def test_ls_by_size(run: Run, tmp_path: Path) -> None:
    prefix = bundle(tmp_path, tensors())
    sizes = [t["bytes"] for t in run("ls", prefix, "--sort", "size", "--json").json["tensors"]]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 480_000
    by_line = run("ls", prefix, "--sort", "size")
    assert by_line.lines[0].endswith("dense/kernel")
    assert by_line.lines[-2].endswith("empty")
    same = dict.fromkeys("cab", FLOATS)
    names = [line[-1] for line in run("ls", bundle(tmp_path, same), "--sort", "size").lines[:-1]]
    assert names == ["a", "b", "c"]


def test_ls_json(run: Run, tmp_path: Path) -> None:
    prefix = bundle(tmp_path, tensors())
    document = run("ls", prefix, "--json").json
    assert next(iter(document)) == "schema"
    assert {**document, "tensors": None} == {
        "schema": 1,
        "path": str(prefix),
        "version": "V2",
        "shards": 1,
        "bytes": 480_059,
        "object_based": False,
        "parameters": 60_004,
        "roles": {"weight": 480_016, "other": 43},
        "roles_by": "names",
        "notes": [],
        "tensors": None,
    }
    by_name = {tensor.pop("name"): tensor for tensor in document["tensors"]}
    assert list(by_name) == list(tensors())
    assert by_name["dense/bias"] == {
        "dtype": "float32",
        "shape": [4],
        "bytes": 16,
        "shard": 0,
        "offset": 2,
        "crc32c": w.crc(FLOATS.tobytes()),
    }
    assert by_name["scalar"]["shape"] == []
    pieces = by_name["pieces"]
    assert (pieces["shard"], pieces["offset"], pieces["crc32c"]) == (None, None, None)
    assert [(s["start"], s["shape"], s["bytes"]) for s in pieces["slices"]] == [
        ([0, 0], [2, 4], 16),
        ([2, 0], [1, 4], 8),
    ]


def test_ls_of_v1(run: Run, tmp_path: Path) -> None:
    w.write_v1(tmp_path / "v1", {"f": FLOATS, "s": w.Strings([b"ab"], (1,))})
    done = run("ls", tmp_path / "v1")
    assert done.code == 0
    assert "V1" in done.lines[-1]
    assert "unknown size" in done.lines[-1]  # of the strings: the index does not say
    by_name = {t["name"]: t for t in run("ls", tmp_path / "v1", "--json").json["tensors"]}
    assert by_name["f"]["bytes"] == 16
    assert by_name["s"]["bytes"] is None


def test_ls_of_nothing(run: Run, tmp_path: Path) -> None:
    done = run("ls", bundle(tmp_path, {}))
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("0 tensors, 0 B")


@pytest.mark.parametrize("folder", [name for name in ORACLES if name != "many_blocks"])
def test_ls_of_the_fixtures(run: Run, folder: str) -> None:
    for checkpoint in ORACLES[folder]["checkpoints"]:
        document = run("ls", FIXTURES / folder / checkpoint["prefix"], "--json").json
        found = {t["name"]: (t["dtype"], t["shape"]) for t in document["tensors"]}
        variables = checkpoint["variables"].items()
        assert found == {name: (record["dtype"], record["shape"]) for name, record in variables}


def test_ls_escapes_names(run: Run, nasty: Path) -> None:
    done = run("ls", nasty)
    assert len(done.lines) == len(NASTY_BYTES) + 1
    assert all(line.isprintable() for line in done.lines)
    for part in ("\\x1b[31mred", "b\\nnew line", "c\\rback", "\\u202e", "\\u200f", "\\udcff"):
        assert part in done.out


def test_names_that_an_encoding_lacks() -> None:
    prefix = FIXTURES / "strings" / "model.ckpt"  # a name of three alphabets
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
    for more in ([], ["--json"]):
        done = process("ls", prefix, *more, environment=plain)
        assert (done.code, done.err) == (0, "")
        assert done.out.isascii()
    full = process("ls", prefix)
    assert not full.out.isascii()
    assert len(full.lines) == len(ORACLES["strings"]["checkpoints"][0]["variables"]) + 1


def test_path_that_an_encoding_lacks(tmp_path: Path) -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
    folder = tmp_path / "имя"
    folder.mkdir()
    bundle(folder)
    assert process("ls", folder / "p", environment=plain).code == 0
    done = process("ls", folder / "no", environment=plain)
    assert done.code == 2
    assert one_line(done.err)


def test_quantised_types_keep_their_names(run: Run) -> None:
    document = run("ls", FIXTURES / "every_dtype" / "model.ckpt", "--json").json
    assert set(QUANTISED) <= {tensor["dtype"] for tensor in document["tensors"]}
