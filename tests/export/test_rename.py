"""What tensors are called in a target."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w

import tfckpt_reader as tfckpt
from tfckpt_reader.cli import main
from tfckpt_reader.export.rename import collisions, read_list, renamed

NAMES = ["model/a/kernel", "model/a/bias", "step"]


def test_names_stay_by_default() -> None:
    found, _ = renamed(NAMES, "", [], {})
    assert found == {name: name for name in NAMES}


def test_prefix_then_rules_in_order_then_the_list() -> None:
    rules = ["/=>.", r"^(\w+)\.(\w+)$=>\2.\1", "bias=>b"]
    found, _ = renamed(NAMES, "model/", rules, {"step": "global_step", "gone": "x"})
    assert found == {
        "model/a/kernel": "kernel.a",
        "model/a/bias": "b.a",
        "step": "global_step",
    }


def test_flags_may_stand_before_a_rule() -> None:
    """As they may in any other regular expression."""
    for text in (r"(?i)(MODEL)/=>\1.", "(?x)(model) /  # a comment => \\1."):
        found, _ = renamed(NAMES, "", [text], {})
        assert found["model/a/bias"].strip() == "model.a/bias"


@pytest.mark.parametrize(
    "text",
    [
        *("a", "(=>b", r"a=>\1", r"a=>\g<x>", r"(?x)a #=>\1", "*=>", "a=>\\"),
        *("a{99999999999999999999}=>b", "(" * 3000 + ")" * 3000 + "=>b"),
    ],
    ids=lambda text: text[:12],
)
def test_no_rule(text: str) -> None:
    with pytest.raises(ValueError, match="rule"):
        renamed(NAMES, "", [text], {})


def test_collisions_name_each_other() -> None:
    found = collisions({"a": "x", "b": "x", "c": "X", "d": "y", "e": "x"}, str)
    assert set(found) == {"a", "b", "e"}
    assert found["a"].endswith("as 'b'")
    assert found["b"].endswith("as 'a'")
    assert found["e"].endswith("as 'a'")


def test_lists(tmp_path: Path) -> None:
    (tmp_path / "names.json").write_text('{"a": "b"}')
    assert read_list(str(tmp_path / "names.json")) == {"a": "b"}
    (tmp_path / "names.toml").write_text('"a/b" = "c"\n')
    if sys.version_info >= (3, 11):
        assert read_list(str(tmp_path / "names.toml")) == {"a/b": "c"}
    else:
        with pytest.raises(ValueError, match=r"write .* as JSON"):
            read_list(str(tmp_path / "names.toml"))


@pytest.mark.parametrize("text", ["", "[1]", '{"a": 1}', "{", "\xff", "[" * 100_000])
def test_no_list(tmp_path: Path, text: str) -> None:
    path = tmp_path / "names.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=r"names\.json.*list of names"):
        read_list(str(path))


# -- and in a conversion ---------------------------------------------------------------------------


@pytest.fixture
def source(tmp_path: Path) -> Path:
    tensors = {
        "model/a": np.array([1.5, 1e300]),
        "model/b": np.array([2, 3], "i4"),
        "c": np.array([0.5], "f4"),
    }
    w.write_bundle(tmp_path / "m", tensors)
    return tmp_path / "m"


def arrays(path: Path) -> dict[str, Any]:
    with np.load(path) as found:
        return {name: found[name] for name in found.files}


def test_renamed_and_cast(source: Path, tmp_path: Path) -> None:
    done = tfckpt.convert(
        source,
        tmp_path / "out.npz",
        strip_prefix="model/",
        rename=["^(.)$=>w_\\1"],
        names={"c": "last"},
        cast="float32",
    )
    found = arrays(tmp_path / "out.npz")
    assert {name: (str(a.dtype), a.tolist()) for name, a in found.items()} == {
        "w_a": ("float32", [1.5, np.inf]),
        "w_b": ("int32", [2, 3]),
        "last": ("float32", [0.5]),
    }
    assert {array.tensor: array.name for array in done.arrays} == {
        "model/a": "w_a",
        "model/b": "w_b",
        "c": "last",
    }
    assert done.written == ("c", "model/a", "model/b")
    assert any("model/a: 1 number too large" in note for note in done.notes)


def test_bfloat16_in_an_npz_is_widened_after_the_cast(source: Path, tmp_path: Path) -> None:
    tfckpt.convert(source, tmp_path / "out.npz", cast="bfloat16", include=["c"])
    assert arrays(tmp_path / "out.npz")["c"].tolist() == [0.5]
    tfckpt.convert(source, tmp_path / "raw.npz", cast="bfloat16", include=["c"], raw=True)
    assert arrays(tmp_path / "raw.npz")["c"].tolist() == [0x3F00]


def test_names_that_collide_are_refused_together(source: Path, tmp_path: Path) -> None:
    for skip in (False, True):
        with pytest.raises(tfckpt.UnsupportedError, match="3 tensors") as caught:
            tfckpt.convert(source, tmp_path / "out.npz", rename=[".*=>x"], skip_unsupported=skip)
        assert "'model/a'" in str(caught.value)
        assert "--rename" in str(caught.value)
        assert "--skip-unsupported" not in str(caught.value), "it would not help"
        assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize("end", [".npz", ".safetensors", "/"])
@pytest.mark.parametrize("kept", ["a", "z"])
def test_what_is_left_out_clashes_with_nothing(end: str, kept: str, tmp_path: Path) -> None:
    """A variant, which no format holds, before or behind what has its name."""
    numbers, variant = np.array([1.5], "f4"), w.Variants([(b"T", b"", [])], ())
    tensors: dict[str, Any] = {"a": variant, "z": variant, "other": numbers, kept: numbers}
    w.write_bundle(tmp_path / "m", tensors)
    options: dict[str, Any] = {"rename": ["^[az]$=>x"]}
    lost = "az".replace(kept, "")
    with pytest.raises(
        tfckpt.UnsupportedError, match=f"1 tensor .*: '{lost}': variant.*--skip-unsupported"
    ):
        tfckpt.convert(tmp_path / "m", f"{tmp_path}/out{end}", **options)
    done = tfckpt.convert(tmp_path / "m", f"{tmp_path}/out{end}", skip_unsupported=True, **options)
    assert {array.tensor: array.name for array in done.arrays} == {kept: "x", "other": "other"}
    assert list(done.skipped) == [lost]


def test_what_is_left_out_takes_no_name_from_others(tmp_path: Path) -> None:
    """NumPy could not tell `a.npy` from `a`; here there is no `a`."""
    variant = w.Variants([(b"T", b"", [])], ())
    w.write_bundle(tmp_path / "m", {"a": variant, "a.npy": np.array([1.5], "f4")})
    done = tfckpt.convert(tmp_path / "m", tmp_path / "out.npz", skip_unsupported=True)
    assert (done.written, list(done.skipped)) == (("a.npy",), ["a"])
    assert arrays(tmp_path / "out.npz")["a.npy"].tolist() == [1.5]


def test_an_unsafe_name_made_by_a_rule_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(tfckpt.UnsupportedError, match=r"climbs out"):
        tfckpt.convert(source, tmp_path / "out.npz", rename=["^c$=>../c"])


@pytest.mark.parametrize("options", [{"rename": ["x"]}, {"cast": "int8"}, {"include": ["re:("]}])
def test_options_without_sense(source: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"rule|cast|regular"):
        tfckpt.convert(source, tmp_path / "out.npz", **options)
    assert not (tmp_path / "out.npz").exists()


def test_regular_expressions_choose(source: Path, tmp_path: Path) -> None:
    done = tfckpt.convert(source, tmp_path / "out.npz", include=["re:model/[ab]"], exclude=["*b"])
    assert done.written == ("model/a",)
    assert tfckpt.convert(source, tmp_path / "o.npz", exclude=["re:model"]).written == (
        "c",
        "model/a",
        "model/b",
    )


def test_dry_run_writes_nothing(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "names.json").write_text('{"c": "last"}')
    target = tmp_path / "out.npz"
    command = ["convert", str(source), str(target), "--dry-run", "--map"]
    assert main([*command, str(tmp_path / "names.json"), "--cast", "float16"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert not target.exists()
    assert any(line.split()[0] == "<f2" and line.endswith("c => last") for line in lines)
    assert lines[-1].startswith("would write")
    assert main([*command, str(tmp_path / "names.json"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["arrays"][0] == {
        "tensor": "c",
        "name": "last",
        "dtype": "<f4",
        "shape": [1],
        "nbytes": 4,
    }


def test_a_map_that_cannot_be_read(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(source), str(tmp_path / "o.npz"), "--map", "nowhere.json"]) == 2
    assert "nowhere.json" in capsys.readouterr().err
