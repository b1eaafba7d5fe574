"""Files for other people's CI, read by the programs that will read them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from defects import DATA, at, bundle, poke
from project import FIXTURES, ROOT

from tfckpt_reader.cli import _parse

DOCUMENTS = ["README.md", *sorted(f"docs/{path.name}" for path in ROOT.glob("docs/*.md"))]
CI = (ROOT / "docs" / "ci.md").read_text("utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def loaded(text: str) -> Any:
    return pytest.importorskip("yaml").safe_load(text)


# Every command that is written down is one.


def strings(found: object) -> Iterator[str]:
    if isinstance(found, str):
        yield found
    elif isinstance(found, dict):
        for value in found.values():
            yield from strings(value)
    elif isinstance(found, list):
        for value in found:
            yield from strings(value)


def commands_in(text: str) -> list[str]:
    """Command lines of tfckpt, wherever they stand in a line."""
    found = re.findall(r"(?:^|[\s/'`$])tfckpt ((?:ls|show|verify|convert) [^\n'`&|]*)", text)
    return [re.split(r"   |  #", line)[0].strip() for line in found]


def documented() -> list[tuple[str, str]]:
    """Commands in blocks of the documents."""
    found = []
    for name in DOCUMENTS:
        text = (ROOT / name).read_text("utf-8")
        for language in ("console", "yaml", "groovy", "sh"):
            found += [(name, c) for block in blocks(text, language) for c in commands_in(block)]
    return found


def parse(command: str) -> Any:
    """Parse a command line, where brackets mark what may be left out, as usage does."""
    words = shlex.split(command.replace("['GLOB' …]", "'*'"))
    try:
        return _parse(words)
    except SystemExit as stop:
        if stop.code == 0:  # --explain
            return None
        raise AssertionError(command) from stop


@pytest.mark.parametrize(("name", "command"), documented(), ids=lambda part: part[:60])
def test_a_documented_command_parses(name: str, command: str) -> None:
    parse(command)


def test_commands_are_found() -> None:
    found = [command for _, command in documented()]
    assert "verify exports --all --junit verify.xml --sarif verify.sarif" in found  # Jenkins
    assert "verify exports --all --junit verify.xml --markdown verify.md" in found  # GitLab
    assert sum(name == "docs/ci.md" for name, _ in documented()) >= 8


def test_options_that_are_mentioned_exist() -> None:
    from tfckpt_reader.cli import _parser

    (subparsers,) = _parser("verify")._subparsers._group_actions  # type: ignore[union-attr]
    known = set(subparsers.choices["verify"]._option_string_actions)  # type: ignore[index]
    mentioned = set(re.findall(r"`(--[a-z-]+)", CI))
    assert mentioned <= known
    assert {"--all", "--strict", "--junit", "--sarif", "--markdown", "--github"} <= known


# The page.


def test_its_yaml_is_yaml() -> None:
    found = [loaded(block) for block in blocks(CI, "yaml")]
    assert len(found) == 6
    workflow, *_ = found
    (uses,) = [s["with"] for s in workflow["jobs"]["verify"]["steps"] if "tfckpt" in s["uses"]]
    assert set(uses) <= set(loaded((ROOT / "action.yml").read_text("utf-8"))["inputs"])


def test_all_inputs_are_documented() -> None:
    action = loaded((ROOT / "action.yml").read_text("utf-8"))
    told = CI.partition("Inputs: ")[2].partition("Output:")[0]
    assert re.findall(r"`([a-z]+)`", told) == list(action["inputs"])
    assert all(f"`{name}`" in CI for name in action["outputs"])


@pytest.mark.parametrize(
    ("which", "schema"), [(0, "vendor.github-workflows"), (3, "vendor.gitlab-ci")]
)
def test_recipes_match_the_schema_of_their_service(which: int, schema: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yml"
    path.write_text(blocks(CI, "yaml")[which], "utf-8")
    check_schema(schema, path)


def check_schema(schema: str, path: Path) -> None:
    """Have check-jsonschema compare a file with the schema that it ships."""
    pytest.importorskip("check_jsonschema")
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_jenkins_recipe_is_balanced() -> None:
    (recipe,) = blocks(CI, "groovy")
    assert recipe.count("{") == recipe.count("}")
    written = set(re.findall(r"--(?:junit|sarif) (\S+?)[' ]", recipe))
    assert written == {"verify.xml", "verify.sarif"}
    assert all(f"'{name}'" in recipe for name in written)


def test_python_block_runs() -> None:
    (code,) = blocks(CI, "python")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "True []" in done.stdout


# The action.


def test_action_matches_the_schema_of_github() -> None:
    check_schema("vendor.github-actions", ROOT / "action.yml")


def test_action_never_pastes_inputs_into_code() -> None:
    action = loaded((ROOT / "action.yml").read_text("utf-8"))
    for step in action["runs"]["steps"]:
        assert "${{" not in step["run"]
        assert step["shell"] == "bash"


@pytest.mark.skipif(os.name == "nt", reason="needs bash")
@pytest.mark.parametrize(
    ("which", "inputs", "code"),
    [
        ("good", {}, 0),
        ("bad", {}, 1),
        ("bad", {"level": "sizes"}, 0),
        ("good", {"all": "false", "path": "{top}/p\n{top}/p.index\n"}, 0),
        ("none", {}, 2),
        ("good", {"level": "$(touch {top}/pwned)"}, 2),
        ("good", {"path": '"; touch {top}/pwned; "'}, 2),
        ("good", {"strict": "true", "junit": "{top}/a b.xml", "sarif": "{top}/s"}, 0),
        ("good", {"markdown": "{top}/m"}, 0),
    ],
)
def test_action_runs(which: str, inputs: dict[str, str], code: int, tmp_path: Path) -> None:
    """The step as it stands, with a `tfckpt` in the place where the step before puts it."""
    action = loaded((ROOT / "action.yml").read_text("utf-8"))
    (step,) = [step for step in action["runs"]["steps"] if step.get("id") == "verify"]
    top = at(tmp_path / "top")
    if which != "none":
        bundle(top)
    if which == "bad":
        poke(top / "p", DATA, 1)
    tool = at(tmp_path / "tfckpt" / "bin") / "tfckpt"
    tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tfckpt_reader "$@"\n')
    tool.chmod(0o755)
    values = {name: told.get("default", "") for name, told in action["inputs"].items()}
    values |= {"path": str(top)} | {k: v.replace("{top}", str(top)) for k, v in inputs.items()}
    environment = {
        name: re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda m: values[m[1]], text)
        for name, text in step["env"].items()
    }
    more = {
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment, **more},
    )
    assert done.returncode == code, done.stderr
    assert (tmp_path / "output").read_text() == f"exit-code={code}\n"
    assert not (top / "pwned").exists()
    for option in ("junit", "sarif", "markdown"):
        assert not values[option] or Path(values[option]).exists()


# The hook.


def hook() -> Any:
    (found,) = loaded((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    return found


def test_hook_is_accepted_by_pre_commit(tmp_path: Path) -> None:
    pytest.importorskip("pre_commit")
    done = subprocess.run(
        [sys.executable, "-m", "pre_commit", "validate-manifest", ".pre-commit-hooks.yaml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PRE_COMMIT_HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_hook_calls_a_command_that_is_there() -> None:
    entry = shlex.split(hook()["entry"])
    assert entry[0] == "tfckpt"
    assert parse(" ".join([*entry[1:], "--level", "data", "--strict", "a", "b"])).path == ["a", "b"]


def test_hook_takes_files_of_checkpoints_only() -> None:
    wanted = re.compile(hook()["files"])
    taken = ["model.ckpt-1.index", "a/ckpt-2.index", "m/variables/variables.index",
             "weights.data-00000-of-00001", "a/x.data-00003-of-00012"]  # fmt: skip
    left = ["faiss.index", "a/ckpt/faiss.index", "model.ckpt", "x.data-00000-of-00001.tempstate1",
            "model.ckpt-1.meta", "checkpoint", "variables.index.md"]  # fmt: skip
    assert [name for name in taken if not wanted.search(name)] == []
    assert [name for name in left if wanted.search(name)] == []
    for path in FIXTURES.rglob("*.data-*"):
        assert wanted.search(path.as_posix())
