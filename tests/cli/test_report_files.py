"""`tfckpt verify` with several paths or whole folders, and all the places its outcome goes to."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import writers as w
from commands import Run, one_line, process
from defects import DATA, INDEX, at, bundle, poke, state
from interrupting import A_MOMENT_LATER, IN_A_FINALIZER, interrupted
from project import FIXTURES
from report_parsers import command_of, parsed, run_of, validate

from tfckpt_reader import verify
from tfckpt_reader.storage.writing.unfinished import SUFFIX

FILES = ("--junit", "--sarif", "--markdown")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound checkpoint, one with a warning, a bad one, and one whose name is a command."""
    top = at(tmp_path / "top")
    bundle(at(top / "good"))
    w.write_bundle(at(top / "warned") / "p", {b"\xff": np.zeros(2, np.int32)})
    poke(bundle(at(top / "bad")), DATA, 1)
    return top


# Several at once.


def test_all(run: Run, folder: Path) -> None:
    done = run("verify", folder)
    assert (done.code, done.out) == (2, "")
    assert done.err.endswith("--all searches the folders below it, too\n")
    done = run("verify", folder, "--all")
    assert (done.code, done.err) == (1, "")
    assert done.lines[0] == str(verify(folder / "good" / "p"))
    assert done.lines[-1].startswith("3 checkpoints: 1 bad, 1 with warnings (")
    assert sum("TFC401 crc" in line for line in done.lines) == 1


@pytest.mark.parametrize(
    ("kept", "strict", "code"),
    [
        (["good"], False, 0),
        (["good"], True, 0),
        (["good", "warned"], False, 0),
        (["good", "warned"], True, 1),
        (["bad"], False, 1),
    ],
)
def test_exit_codes_of_all(
    kept: list[str], strict: bool, code: int, run: Run, folder: Path
) -> None:
    for name in {"good", "warned", "bad"} - set(kept):
        for path in Path(folder, name).iterdir():
            path.unlink()
    done = run("verify", folder, "--all", *(["--strict"] if strict else []))
    assert done.code == code
    assert (": all sound (" in done.lines[-1]) == (kept == ["good"])


def test_level(run: Run, folder: Path) -> None:
    for many in (["--all"], [f"{folder}/good/p"]):
        done = run("verify", folder / "bad", *many, "--level", "sizes", "--json")
        assert done.code == 0
        assert {report["level"] for report in done.json["reports"]} == {"sizes"}


def test_nothing_in_a_folder(run: Run, tmp_path: Path) -> None:
    done = run("verify", tmp_path, "--all")
    assert (done.code, done.out) == (2, "")
    assert "there is no checkpoint" in one_line(done.err)
    assert run("verify", tmp_path / "no", "--all").code == 2


def test_a_state_file_with_missing_checkpoints(run: Run, folder: Path) -> None:
    state(folder / "good", "gone", "p")
    done = run("verify", folder / "good", "--all")
    assert done.code == 1
    assert any("TFC351 state-newest" in line and "gone" in line for line in done.lines)
    assert done.lines[-1].startswith("1 checkpoint: all sound, 1 error outside of them (4 tensors,")


def test_skipped_files_are_noted(run: Run) -> None:
    done = run("verify", FIXTURES / "temp_parts", FIXTURES / "strings", "--all")
    assert done.code == 2
    assert "unfinished save" in done.err
    assert done.lines[-1].startswith("1 checkpoint: all sound")


def test_all_and_latest(run: Run, tmp_path: Path) -> None:
    done = run("verify", tmp_path, "--all", "--latest")
    assert done.code == 2
    assert "leave out" in one_line(done.err)


def test_files_of_a_checkpoint_name_it_once(run: Run, folder: Path) -> None:
    """As pre-commit names them."""
    good, bad = folder / "good" / "p", folder / "bad" / "p"
    done = run("verify", f"{good}{DATA}", f"{good}{INDEX}", good)
    assert done.code == 0
    assert done.lines[-1].startswith("1 checkpoint: all sound (4 tensors, ")
    assert run("verify", f"{good}{DATA}", f"{bad}{INDEX}").code == 1


def test_a_missing_checkpoint_does_not_stop_the_rest(run: Run, folder: Path) -> None:
    done = run("verify", folder / "no", folder / "bad" / "p", folder / "neither")
    assert done.code == 2
    assert len(done.err.splitlines()) == 2
    assert done.lines[-1].startswith("1 checkpoint: 1 bad, 2 paths not verified (")
    found = run("verify", folder / "no", folder / "good" / "p", "--json").json
    validate(found)
    assert (found["ok"], len(found["failed"]), found["checkpoints"]) == (False, 1, 1)


def test_json_is_as_described(run: Run, folder: Path) -> None:
    many, one = run("verify", folder, "--all", "--json"), run("verify", folder / "bad", "--json")
    for done in (many, one):
        assert done.code == 1
        validate(done.json)
        assert done.json["schema"] == 1
    assert [report["ok"] for report in many.json["reports"]] == [False, True, True]
    assert many.json["reports"][0]["problems"] == one.json["problems"]


# Files.


def test_all_files_at_once(run: Run, folder: Path, tmp_path: Path) -> None:
    out = {option: tmp_path / f"out{option}" for option in FILES}
    arguments = [part for pair in out.items() for part in pair]
    done = run("verify", folder, "--all", *arguments, "--json")
    assert done.code == 1
    assert len(done.json["reports"]) == 3
    xml = parsed(out["--junit"].read_text("utf-8"))
    assert xml.failures == 1
    assert [suite.name for suite in xml] == [r["path"] for r in done.json["reports"]]
    results = run_of(out["--sarif"].read_text("utf-8"))["results"]
    assert [result["ruleId"] for result in results] == ["TFC401", "TFC206"]
    assert "1 bad" in out["--markdown"].read_text("utf-8").splitlines()[0]
    assert not [path for path in tmp_path.iterdir() if SUFFIX in path.name]


@pytest.mark.parametrize("option", FILES)
def test_reports_of_sound_checkpoints(option: str, run: Run, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("from before")
    assert run("verify", folder / "good", option, out).code == 0
    text = out.read_text("utf-8")
    assert {
        "--junit": 'failures="0"',
        "--sarif": '"results": []',
        "--markdown": "all sound",
    }[option] in text


@pytest.mark.parametrize("option", FILES)
def test_reports_of_a_missing_checkpoint(option: str, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("verify", tmp_path / "no", option, out)
    assert (done.code, done.out) == (2, "")
    assert "there is no checkpoint here" in out.read_text("utf-8")
    one_line(done.err)


@pytest.mark.parametrize("option", FILES)
def test_a_file_that_cannot_be_written(option: str, run: Run, folder: Path, tmp_path: Path) -> None:
    done = run("verify", folder / "good" / "p", option, tmp_path / "no" / "out")
    assert done.code == 2
    assert str(tmp_path / "no" / "out") in one_line(done.err)
    assert "sound" in done.out


@pytest.mark.parametrize("option", FILES)
def test_no_report_is_written_over_a_checkpoint(option: str, run: Run, folder: Path) -> None:
    v1 = folder / "v1"
    v1.write_bytes((FIXTURES / "v1" / "model.ckpt").read_bytes())
    files = [folder / "good" / f"p{INDEX}", folder / "good" / f"p{DATA}", v1]
    for name in ("p.meta", "checkpoint", "saved_model.pb", "v1-00000-of-00002", "P.META", "link"):
        files.append(folder / name)
        if name == "link":
            (folder / name).symlink_to(folder / "p.meta")
        else:
            (folder / name).write_bytes(b"before")
    (folder / "state").write_bytes(b'model_checkpoint_path: "p"')
    for path in (*files, folder / "state"):
        before = path.read_bytes()
        done = run("verify", folder / "good", option, path)
        assert (done.code, done.out) == (2, "")
        assert "would overwrite" in one_line(done.err)
        assert path.read_bytes() == before


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="no such device here")
def test_a_report_on_stdout(folder: Path) -> None:
    done = process("verify", folder / "good", "--markdown", "/dev/stdout")
    assert done.code == 0
    assert "## TensorFlow checkpoints: all sound" in done.lines
    assert os.path.islink("/dev/stdout")


# GitHub.


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path) -> Path:
    """A job of GitHub; returns the file of its summary."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(folder))
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    return summary


def test_in_a_job(run: Run, folder: Path, job: Path) -> None:
    job.write_text("of a step before\n")
    done = run("verify", folder, "--all")
    assert done.code == 1
    commands = [command_of(line) for line in done.lines if line.startswith("::")]
    assert [name for name, _, _ in commands] == ["error", "warning"]
    assert commands[0][1]["file"] == f"bad/p{DATA}"
    before, title, *_ = job.read_text("utf-8").splitlines()
    assert (before, title) == ("of a step before", "## TensorFlow checkpoints: 1 bad")


def test_json_stays_alone_in_a_job(run: Run, folder: Path, job: Path) -> None:
    done = run("verify", folder, "--all", "--json")
    assert done.json["errors"] == 1
    assert [command_of(line)[0] for line in done.err.splitlines()] == ["error", "warning"]


def test_failure_in_a_job(run: Run, folder: Path, job: Path) -> None:
    done = run("verify", folder / "no")
    assert done.code == 2
    assert command_of(done.out.strip())[0] == "error"
    assert "not verified" in job.read_text("utf-8")


def test_the_option_for_github(run: Run, folder: Path, job: Path) -> None:
    assert "::error" not in run("verify", folder / "bad", "--no-github").out
    assert not job.exists()
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        os.environ.pop(name)  # put back by the fixture
    assert "::error" not in run("verify", folder / "bad").out
    assert "::error" in run("verify", folder / "bad", "--github").out


def test_a_summary_that_is_full(run: Run, folder: Path, job: Path) -> None:
    job.write_bytes(b"x" * ((1 << 20) - 10))
    assert run("verify", folder / "bad").code == 1
    assert job.stat().st_size <= 1 << 20


def test_a_summary_that_cannot_be_written(
    run: Run, folder: Path, job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(job / "no"))
    done = run("verify", folder / "good" / "p")
    assert done.code == 0
    assert "summary" in one_line(done.err)


@pytest.mark.skipif(os.name == "nt", reason="such names cannot be there")
@pytest.mark.parametrize("name", ["::error::x", "##[error]x", "a\n::error::x", "a\r##[x]"])
def test_names_do_not_command_the_runner(
    name: str, run: Run, tmp_path: Path, job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    w.write_bundle(at(tmp_path / name) / "p", {name: np.ones(2, np.int32)})
    poke(tmp_path / name / "p", DATA, 1)
    monkeypatch.chdir(tmp_path)
    for command in (["verify"], ["verify", "--json"], ["ls"], ["show", name]):
        done = run(command[0], Path(name, "p"), *command[1:])
        for line in (done.out + done.err).splitlines():
            assert "##[" not in line
            if line.lstrip().startswith("::"):
                assert command_of(line)[1]["title"] == "TFC401 crc"
        if "--json" in command:
            assert done.json["problems"][0]["tensor"] == name


# Ctrl-C.


@pytest.mark.skipif(os.name == "nt", reason="signals are other things there")
@pytest.mark.parametrize(("size", "count"), [(64 << 20, 300), (1 << 20, 1000)])
@pytest.mark.parametrize("how", [A_MOMENT_LATER, IN_A_FINALIZER], ids=["moment", "finalizer"])
def test_ctrl_c_ends_it_and_writes_nothing(how: str, size: int, count: int, tmp_path: Path) -> None:
    top = at(tmp_path / "top")
    prefix = bundle(at(top / "0"), {"t": np.zeros(size, np.uint8)})
    for number in range(1, count):
        folder = at(top / f"{number}")
        for end in (INDEX, DATA):
            os.link(f"{prefix}{end}", folder / f"p{end}")
    done = interrupted("verify", top, "--all", "--junit", tmp_path / "out.xml", how=how)
    assert (done.returncode, done.stdout) == (130, "1 thread left\n"), done.stderr
    assert "interrupted" in one_line(done.stderr)
    assert list(tmp_path.iterdir()) == [top]


def test_documents_end_with_a_newline(run: Run, folder: Path, tmp_path: Path) -> None:
    for option in FILES:
        run("verify", folder / "good", option, tmp_path / "out")
        assert (tmp_path / "out").read_bytes().endswith(b"\n")
    json.loads(run("verify", folder / "good", "--json").out)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("many", [(), ("--all",)])
def test_an_unreadable_file_is_no_finding(many: tuple[str, ...], run: Run, tmp_path: Path) -> None:
    """Whatever is bad besides: there is something nobody has looked at."""
    prefix = poke(bundle(tmp_path, shards=2), ".data-00000-of-00002", 1)
    Path(f"{prefix}.data-00001-of-00002").unlink()
    os.mkfifo(f"{prefix}.data-00001-of-00002")
    done = run("verify", tmp_path if many else prefix, *many)
    assert done.code == 2
    assert any("TFC401" in line for line in done.lines)
    assert any("TFC309" in line for line in done.lines)
