"""Whole folders: every checkpoint is found, once; other files are not; nothing hangs."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from code_matrix import CASES, OF_FOLDERS
from defects import (
    DATA,
    FLOATS,
    INDEX,
    INTS,
    at,
    bundle,
    codes,
    cut,
    poke,
    refusing,
    renamed,
    state,
)
from oracles import ORACLES
from project import FIXTURES

from tfckpt_reader import CheckpointNotFoundError, Report, verify, verify_all
from tfckpt_reader.paths.discover import Discovery
from tfckpt_reader.paths.layout import Location
from tfckpt_reader.paths.locate import locate
from tfckpt_reader.storage import workers as crew
from tfckpt_reader.table.table import Table
from tfckpt_reader.verification import folder as verify_folder
from tfckpt_reader.verification.codes import LEVELS

V1_FILE = (FIXTURES / "v1" / "model.ckpt").read_bytes()


def paths(reports: tuple[Report, ...], top: Path) -> list[str]:
    """What was verified, seen from the folder; without what is said of the folder itself."""
    return [os.path.relpath(report.path, top) for report in reports if report.version]


def about(folder: Path) -> Report:
    """What is said of the folder itself."""
    first = verify_all(folder)[0]
    return first if first.version == "" else Report(str(folder), "", 0, 0, ())


def test_every_fixture_is_found_once_and_reported_as_alone() -> None:
    reports = verify_all(FIXTURES)
    expected = [
        f"{folder}/{checkpoint['prefix']}"
        for folder, oracle in ORACLES.items()
        for checkpoint in oracle["checkpoints"]
        if folder != "temp_parts"
    ]
    found = paths(reports, FIXTURES)
    assert found == sorted(expected)
    for report in reports:
        if report.version:
            alone = verify(report.path)
            assert report.problems == alone.problems
            assert (report.tensors, report.nbytes) == (alone.tensors, alone.nbytes)
    (note,) = reports[0].notes
    assert "temp_parts" in note


def test_bad_ones_are_reported_in_order(tmp_path: Path) -> None:
    alone = []
    alone_too = [build for code, _, build in CASES if code not in OF_FOLDERS]
    for number, build in enumerate(alone_too):
        built = build(at(tmp_path / f"{number:03}"))
        alone.append(verify(built, level="values"))
    first, *found = verify_all(tmp_path, level="values")
    there = {report.path for report in found}
    assert [(r.path, r.problems) for r in found] == [
        (r.path, r.problems) for r in alone if r.path in there
    ]
    assert len(found) > 50
    for report in alone:
        # A V1 file without a header might as well be a LevelDB; other files are no checkpoints.
        if report.path not in there:
            assert {"TFC101", "TFC201"} & set(codes(report))
            assert report.version == "" or any(report.path in note for note in first.notes)


def test_nothing_there(tmp_path: Path) -> None:
    Path(tmp_path, "readme").write_text("words")
    for folder in (tmp_path, tmp_path / "no", tmp_path / "readme"):
        with pytest.raises(CheckpointNotFoundError):
            verify_all(folder)


def test_lookalikes_of_checkpoints(tmp_path: Path) -> None:
    bundle(at(tmp_path / "good"))
    index = Path(tmp_path, "good", f"p{INDEX}").read_bytes()
    others = at(tmp_path / "others")
    Path(others, "faiss.index").write_bytes(b"IxF2 something else")
    Path(others, "000005.ldb").write_bytes(index)
    Path(others, "leveldb").write_bytes(w.assemble([(b"zz", w.seal(w.block([(b"k", b"v")])))]))
    Path(others, "blob-of-an-index").write_bytes(index)
    Path(others, "checkpoint").write_bytes(b"\x80\x02 a pickle of that name")
    Path(at(tmp_path / ".git"), f"p{INDEX}").write_bytes(b"an object")
    reports = verify_all(tmp_path)
    assert paths(reports, tmp_path) == ["good/p"]
    assert all(report.ok for report in reports)
    notes = "\n".join(reports[0].notes)
    assert all(name in notes for name in ("faiss.index", "leveldb", "blob-of-an-index"))


def test_a_damaged_v1_file_is_one_still(tmp_path: Path) -> None:
    damaged = bytearray(V1_FILE)
    damaged[3] ^= 0x40
    Path(tmp_path, "old.ckpt").write_bytes(damaged)
    (report,) = verify_all(tmp_path)
    assert report.version == "V1"
    assert not report.ok


def test_an_index_that_is_no_table_is_reported_beside_data(tmp_path: Path) -> None:
    prefix = bundle(tmp_path)
    Path(f"{prefix}{INDEX}").write_text("version https://git-lfs.github.com/spec/v1\n")
    (report,) = verify_all(tmp_path)
    assert codes(report) == ["TFC101"]
    assert "Git LFS" in report.problems[0].what


@pytest.mark.parametrize("name", ["model.ckpt-7", "variables/variables"])
def test_an_index_by_its_name(name: str, tmp_path: Path) -> None:
    """Neither a table nor beside data; and yet nobody else's."""
    bundle(at(tmp_path / "good"))
    Path(at(tmp_path / Path(name).parent), f"{Path(name).name}{INDEX}").write_bytes(b"cut off")
    _, bad = verify_all(tmp_path)
    assert (bad.path, codes(bad)) == (str(tmp_path / name), ["TFC101"])


def test_data_without_an_index(tmp_path: Path) -> None:
    prefix = bundle(tmp_path)
    Path(f"{prefix}{INDEX}").unlink()
    (report,) = verify_all(tmp_path)
    assert (report.path, codes(report), report.ok) == (str(prefix), ["TFC353"], False)


def test_unfinished_files_are_no_checkpoints(tmp_path: Path) -> None:
    bundle(tmp_path)
    for name in ("p.index.tempstate123", "q.data-00000-of-00001.tempstate4"):
        Path(tmp_path, name).write_bytes(b"half")
    parts = at(tmp_path / ("p_temp_" + "0" * 32))
    Path(parts, "part-00000-of-00001.data-00000-of-00001").write_bytes(b"half")
    reports = verify_all(tmp_path)
    assert paths(reports, tmp_path) == ["p"]
    assert len(reports[0].notes) == 2
    assert all(report.ok for report in reports)


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_links(tmp_path: Path) -> None:
    top, outside = at(tmp_path / "top"), at(tmp_path / "outside")
    bundle(at(top / "a" / "b"))
    bundle(outside)
    Path(top, "a", "loop").symlink_to(top)
    Path(top, "self").symlink_to(Path(top, "self"))
    Path(top, "again").symlink_to(Path(top, "a"))
    Path(top, "away").symlink_to(outside)
    Path(top, "gone").symlink_to(tmp_path / "nothing")
    at(top / "files")
    for end in (INDEX, DATA):  # as caches of downloads have them
        Path(top, "files", f"q{end}").symlink_to(outside / f"p{end}")
    reports = verify_all(top)
    assert paths(reports, top) == ["a/b/p", "files/q"]
    (note,) = reports[0].notes
    assert str(top / "away") in note
    link = tmp_path / "link"
    link.symlink_to(top)
    assert len(paths(verify_all(link), link)) == 2


def test_a_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle(tmp_path)
    closed = at(tmp_path / "closed")
    really = os.scandir

    def scandir(path: str) -> object:
        if path == str(closed):
            raise PermissionError(13, "Permission denied", path)
        return really(path)

    monkeypatch.setattr(os, "scandir", scandir)
    first, second = verify_all(tmp_path)
    assert (first.path, codes(first), first.ok) == (str(tmp_path), ["TFC355"], False)
    assert first.problems[0].file == str(closed)
    assert second.ok


def test_a_checkpoint_that_cannot_be_read(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes here")
    bundle(at(tmp_path / "good"))
    prefix = bundle(at(tmp_path / "pipe"))
    Path(f"{prefix}{INDEX}").unlink()
    os.mkfifo(f"{prefix}{INDEX}")
    good, bad = verify_all(tmp_path)
    assert good.ok
    assert codes(bad) == ["TFC354"]


def test_levels(tmp_path: Path) -> None:
    poke(bundle(at(tmp_path / "bad")), DATA, 1)
    Path(f"{bundle(at(tmp_path / 'lost'))}{INDEX}").unlink()
    Path(tmp_path, "aside.index").write_bytes(b"x")
    for level in LEVELS:
        about_it, bad, lost = verify_all(tmp_path, level=level)
        assert {about_it.level, bad.level, lost.level} == {level}
        assert codes(bad) == (["TFC401"] if level in ("data", "values") else [])
        assert codes(lost) == ["TFC353"]
    with pytest.raises(ValueError, match="no level 'all'"):
        verify_all(tmp_path, level="all")


# The state file.


def test_state_whose_entries_are_there(tmp_path: Path) -> None:
    bundle(tmp_path)
    bundle(at(tmp_path / "sub"))
    state(tmp_path, "p", "sub/p", "p")
    assert about(tmp_path).problems == ()
    state(tmp_path, "/home/somebody/run/p", "/home/somebody/run/p")  # moved here since
    assert about(tmp_path).problems == ()


def test_state_whose_entry_lies_in_another_folder(tmp_path: Path) -> None:
    """TensorFlow follows it there; so it is no promise that is broken, if that is searched, too."""
    bundle(at(tmp_path / "runs"))
    other = bundle(at(tmp_path / "exports") / "..")
    os.rename(f"{other}{INDEX}", tmp_path / "exports" / f"q{INDEX}")
    os.rename(f"{other}{DATA}", tmp_path / "exports" / f"q{DATA}")
    for newest in (str(tmp_path / "runs" / "p"), "../runs/p"):
        state(tmp_path / "exports", newest, newest)
        assert about(tmp_path).problems == ()
        assert codes(about(tmp_path / "exports")) == ["TFC351"]


@pytest.mark.parametrize("where", ["v1_sharded", "saver_tf1", "tf2_checkpoint"])
def test_state_files_that_tensorflow_wrote(where: str) -> None:
    assert about(FIXTURES / where).problems == ()


@pytest.mark.parametrize(
    ("newest", "kept", "expected"),
    [
        ("p", ("gone-1", "gone-2", "p"), ["TFC352"]),
        ("gone", ("p",), ["TFC351"]),
        ("gone", ("gone-1", "gone"), ["TFC351", "TFC352"]),
        ("../p", (), []),  # looked for here, by its last part
        ("../other", (), ["TFC351"]),
    ],
)
def test_state_whose_entries_are_not_there(
    newest: str, kept: tuple[str, ...], expected: list[str], tmp_path: Path
) -> None:
    bundle(tmp_path)
    state(tmp_path, newest, *kept)
    found = about(tmp_path)
    assert codes(found) == expected
    assert found.ok == ("TFC351" not in expected)
    for problem in found.problems:
        assert problem.file == str(tmp_path / "checkpoint")
        assert "gone" in problem.what or "other" in problem.what


@pytest.mark.parametrize("contents", [b"", b"\0" * 100, b"model_checkpoint_path: unquoted"])
def test_state_that_is_damaged(contents: bytes, tmp_path: Path) -> None:
    bundle(tmp_path)
    Path(tmp_path, "checkpoint").write_bytes(contents)
    assert codes(about(tmp_path)) == ["TFC351"]


def test_state_alone(tmp_path: Path) -> None:
    state(tmp_path, "gone")
    (report,) = verify_all(tmp_path)
    assert codes(report) == ["TFC351"]


def test_a_checkpoint_named_checkpoint(tmp_path: Path) -> None:
    Path(tmp_path, "checkpoint").write_bytes(V1_FILE)
    (report,) = verify_all(tmp_path)
    assert report.ok
    assert report.version == "V1"


def test_state_with_very_many_entries(tmp_path: Path) -> None:
    bundle(tmp_path)
    state(tmp_path, "p", *(f"gone-{i}" for i in range(20_000)))
    (problem,) = about(tmp_path).problems
    assert "20,000 older checkpoints" in problem.what
    assert len(str(problem)) < 1000


# Bounds.


def test_many_folders(tmp_path: Path) -> None:
    files = w.bundle_files({"a": np.zeros(1, np.float32)})
    for number in range(1500):
        folder = at(tmp_path / f"{number % 40}" / f"{number}")
        if number % 10 == 0:
            for end, contents in files.items():
                Path(folder, f"p{end}").write_bytes(contents)
    reports = verify_all(tmp_path)
    assert len(reports) == 150
    assert all(report.ok for report in reports)


def test_deep_folders(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(60):
        deep = deep / "d"
    bundle(at(deep))
    (report,) = verify_all(tmp_path)
    assert report.ok


def test_problems_per_checkpoint_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_folder, "MOST_PROBLEMS", 30)
    for name in "abc":
        prefix = bundle(at(tmp_path / name), {f"t{i}": np.ones(2, np.int16) for i in range(40)})
        Path(f"{prefix}{DATA}").write_bytes(b"\0" * 160)
    for report in verify_all(tmp_path):
        assert len(report.problems) == 10
        assert "30 more problems" in report.notes[-1]


def test_small_checkpoints_are_verified_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits for the other: one after the other would break the barrier."""
    for name in ("a", "b"):
        bundle(at(tmp_path / name))
    both = threading.Barrier(2, timeout=60)

    def waiting(path: Location, **options: Any) -> Report:
        both.wait()
        return verify(path, **options)

    monkeypatch.setattr(crew, "processors", lambda: 2)
    monkeypatch.setattr(verify_folder, "verify", waiting)
    reports = verify_all(tmp_path)
    assert [report.ok for report in reports] == [True, True]
    assert paths(reports, tmp_path) == sorted(paths(reports, tmp_path))


def test_large_checkpoints_are_verified_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many tensors, or a large graph, beside little data: not several of those at once."""
    bundle(at(tmp_path / "small"))
    bundle(at(tmp_path / "names"), {f"{'n' * 200}{i}": INTS[:0] for i in range(5000)}, block_size=9)
    graph = bundle(at(tmp_path / "graph"))
    Path(f"{graph}.meta").write_bytes(w.bytes_field(2, w.bytes_field(1, bytes(5 << 20))))
    threads: dict[str, bool] = {}

    def recording(path: Location, **options: Any) -> Report:
        alone = threading.current_thread() is threading.main_thread()
        threads[os.path.relpath(path.prefix, tmp_path)] = alone
        return verify(path, **options)

    monkeypatch.setattr(crew, "processors", lambda: 2)
    monkeypatch.setattr(verify_folder, "verify", recording)
    verify_all(tmp_path)
    assert threads == {"small/p": False, "names/p": True, "graph/p": True}


def test_a_file_that_would_fill_the_memory_does_not_hide_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Already whether it is a checkpoint cannot be told."""
    bundle(at(tmp_path / "good"))
    Path(tmp_path, "big").write_bytes(V1_FILE)
    really = Table.block

    def block(self: Table, *arguments: Any) -> Any:
        if self.source.name.endswith("big"):
            raise MemoryError
        return really(self, *arguments)

    monkeypatch.setattr(Table, "block", block)
    big, good = verify_all(tmp_path)
    assert codes(big) == ["TFC901"]
    assert good.ok


def test_two_checkpoints_of_one_path_have_an_order(tmp_path: Path) -> None:
    bundle(tmp_path)
    Path(tmp_path, "p").write_bytes(V1_FILE)
    found = [report.version for report in verify_all(tmp_path) if report.version]
    assert found == ["V1", "V2"]


def test_progress_adds_up(tmp_path: Path) -> None:
    for name in "abcd":
        bundle(at(tmp_path / name), {"t": np.zeros(3 << 20, np.uint8)})
    told: list[tuple[int, int]] = []
    verify_all(tmp_path, on_progress=lambda done, total: told.append((done, total)))
    assert {total for _, total in told} == {4 * (3 << 20)}
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == 4 * (3 << 20)


def test_an_error_in_progress_leaves_no_thread(tmp_path: Path) -> None:
    for name in "abcd":
        bundle(at(tmp_path / name), {"t": np.zeros(3 << 20, np.uint8)})
    before = set(threading.enumerate())

    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify_all(tmp_path, on_progress=interrupt)
    assert set(threading.enumerate()) == before


# What is there in part.


META = FIXTURES / "saver_tf1" / "model.ckpt-1.meta"
"""A graph with a saver of V2 checkpoints."""


def v1_graph(path: Path, version: int = 1) -> None:
    saver = w.bytes_field(1, b"save/Const:0") + w.int_field(7, version)
    graph = w.bytes_field(2, w.bytes_field(1, b""))
    path.write_bytes(w.bytes_field(1, b"") + graph + w.bytes_field(3, saver))


@pytest.mark.parametrize("contents", [b"", V1_FILE[:-1], V1_FILE[:20]])
def test_a_v1_file_that_was_cut_off_is_known_by_its_graph(contents: bytes, tmp_path: Path) -> None:
    bundle(at(tmp_path / "good"))
    Path(tmp_path, "old.ckpt").write_bytes(contents)
    v1_graph(tmp_path / "old.ckpt.meta")
    good, bad = verify_all(tmp_path)
    assert good.ok
    assert (bad.path, bad.version, codes(bad)) == (str(tmp_path / "old.ckpt"), "V1", ["TFC101"])
    assert len(bad.diagnosis) == 1


def test_v1_shards_that_were_all_cut_off_are_known_by_their_graph(tmp_path: Path) -> None:
    w.write_v1_shards(tmp_path / "p", {"f": FLOATS, "i": INTS}, shards=2)
    for shard in range(2):
        cut(tmp_path / "p", f"-{shard:05d}-of-00002", 1)
    with pytest.raises(CheckpointNotFoundError):
        verify_all(tmp_path)  # they might be anybody's
    v1_graph(tmp_path / "p.meta", 0)
    (report,) = verify_all(tmp_path)
    assert (report.version, codes(report)) == ("V1", ["TFC101", "TFC101"])
    assert codes(verify(tmp_path / "p")) == ["TFC101", "TFC101"]


def test_a_saved_model_whose_variables_are_gone(tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "saved_model", tmp_path / "model")
    shutil.copytree(FIXTURES / "saved_model", tmp_path / "other")
    shutil.rmtree(tmp_path / "model" / "variables")
    lost, sound = verify_all(tmp_path)
    assert sound.ok
    assert lost.path == str(tmp_path / "model" / "variables" / "variables")
    assert codes(lost) == ["TFC353"]
    assert "restores" in lost.problems[0].what


def test_a_saved_model_that_has_no_variables(tmp_path: Path) -> None:
    bundle(tmp_path)
    at(tmp_path / "model").joinpath("saved_model.pb").write_bytes(
        w.int_field(1, 1) + w.bytes_field(2, b"")
    )
    (report,) = verify_all(tmp_path)
    assert report.ok


def test_a_saved_model_without_variables_that_is_none(tmp_path: Path) -> None:
    bundle(tmp_path)
    at(tmp_path / "model").joinpath("saved_model.pb").write_bytes(b"\xff\xff")
    bad, good = verify_all(tmp_path)
    assert good.ok
    assert codes(bad) == ["TFC505"]


def test_a_file_that_cannot_be_opened_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle(tmp_path)
    Path(tmp_path, "secret").write_bytes(V1_FILE)
    refusing(monkeypatch, "secret")
    monkeypatch.setattr(os, "access", lambda path, _mode: not str(path).endswith("secret"))
    about_it, good = verify_all(tmp_path)
    assert good.ok
    (note,) = about_it.notes
    assert note == f"{tmp_path / 'secret'} cannot be opened: is it a checkpoint?"


def test_a_state_file_whose_newest_is_cut_off(tmp_path: Path) -> None:
    bundle(tmp_path)
    Path(tmp_path, "old").write_bytes(V1_FILE[:-1])
    state(tmp_path, "old", "p")
    (problem,) = about(tmp_path).problems
    assert (problem.code, problem.what) == (
        "TFC351", "the newest checkpoint is cut off, or no checkpoint: old",
    )  # fmt: skip


def test_notes_are_not_thousands() -> None:
    found = Discovery()
    for i in range(200):
        found.note(str(i))
    assert found.notes == [*map(str, range(50)), "… and more was skipped"]


# What other programs leave, and saves that never ended.


@pytest.mark.parametrize(
    "name",
    [
        *("._p.index", "p (A's conflicted copy 2019-03-02).index", "p.index~", ".p.index.aB3dE9"),
        *("p.sync-conflict-20190302-101112-ABCDEFG.index", "q.index.part", "__MACOSX/._p.index"),
        *("p.index.bak", ".ipynb_checkpoints/p.index", "Thumbs.db"),
    ],
)
def test_files_of_other_programs_are_no_checkpoints(tmp_path: Path, name: str) -> None:
    prefix = bundle(tmp_path)
    at((tmp_path / name).parent).joinpath(Path(name).name).write_bytes(b"\0\5\x16\7")
    assert [report.path for report in verify_all(tmp_path) if report.version] == [str(prefix)]
    assert all(report.ok for report in verify_all(tmp_path))
    assert locate(tmp_path).prefix == str(prefix)


@pytest.mark.parametrize("meta", [b"fileFormatVersion: 2\n", b"", META.read_bytes()])
def test_a_meta_file_of_another_kind_proves_no_v1_file(tmp_path: Path, meta: bytes) -> None:
    prefix = bundle(tmp_path)
    (tmp_path / "hero.png").write_bytes(b"\x89PNG")
    (tmp_path / "hero.png.meta").write_bytes(meta)
    assert [report.path for report in verify_all(tmp_path) if report.version] == [str(prefix)]


@pytest.mark.parametrize("name", ["best_dev_checkpoint", "latest.txt"])
def test_second_state_files_are_checked(tmp_path: Path, name: str) -> None:
    bundle(tmp_path)
    (tmp_path / name).write_text('model_checkpoint_path: "/mnt/gone-2"\n')
    (problem,) = about(tmp_path).problems
    assert (problem.code, problem.file) == ("TFC351", str(tmp_path / name))


@pytest.mark.parametrize("written", ["p.index", "/mnt/p.meta", r"C:\Users\me\p"])
def test_state_files_that_need_correction(tmp_path: Path, written: str) -> None:
    prefix = bundle(tmp_path)
    (tmp_path / "checkpoint").write_text(f'model_checkpoint_path: "{written}"\n')
    assert codes(about(tmp_path)) == ["TFC356"]
    assert locate(tmp_path).prefix == str(prefix)


def test_a_part_without_the_others(tmp_path: Path) -> None:
    folder = at(tmp_path / "p_temp")
    part = renamed(bundle(folder), "part-00001-of-00002")
    report = verify(part)
    assert codes(report) == ["TFC207"]
    assert "part-00000-of-00002" in report.problems[0].what
    with pytest.raises(CheckpointNotFoundError, match="never ended"):
        locate(tmp_path / "p")


def test_data_of_another_name_is_known_by_its_checksums(tmp_path: Path) -> None:
    prefix = bundle(tmp_path)
    other = tmp_path / "other.data-00000-of-00001"
    Path(f"{prefix}.data-00000-of-00001").rename(other)
    (line,) = verify(prefix).diagnosis
    assert str(other) in line
    other.write_bytes(bytes(other.stat().st_size))
    (line,) = verify(prefix).diagnosis
    assert "not all files were copied" in line


def test_a_name_can_claim_any_number_of_shards(tmp_path: Path) -> None:
    w.write_v1(tmp_path / "p-00000-of-1000000000", {"i": INTS})
    (report,) = verify_all(tmp_path)
    assert codes(report) == ["TFC301"]


def test_a_folder_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        renamed(bundle(tmp_path), f"m-{number}")
        w.write_v1_shards(tmp_path / f"v-{number}", {"f": FLOATS, "i": INTS}, shards=2)
    listed: list[str] = []
    monkeypatch.setattr(os, "listdir", listed.append)
    assert len(verify_all(tmp_path)) == 10
    assert listed == []
