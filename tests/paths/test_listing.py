"""One answer for each form of a path to a folder, and what a folder hides."""

from __future__ import annotations

from pathlib import Path

import writers as w
from located import assert_none, assert_value, state, v2


def test_a_folder_with_and_without_a_slash(tmp_path: Path) -> None:
    """The state file decides for both, as in tf.train.load_checkpoint."""
    v2(tmp_path / "m-1", 1)
    v2(f"{tmp_path}/", 2)
    for form in (str(tmp_path), f"{tmp_path}/"):
        assert assert_value(form, 2).prefix == f"{tmp_path}/"
    state(tmp_path, "m-1")
    for form in (str(tmp_path), f"{tmp_path}/", f"{tmp_path}//"):
        found = assert_value(form, 1)
        assert any(".index was not read" in note for note in found.notes)
    assert_value(tmp_path / ".index", 2)
    state(tmp_path, ".")  # Keras, where weights are saved to a path that ends in a slash
    found = assert_value(tmp_path, 2)
    assert not any("was not read" in note for note in found.notes)


def test_what_is_there_in_place_of_an_index_is_named(tmp_path: Path) -> None:
    (tmp_path / "variables").mkdir()
    (tmp_path / "saved_model.pb").write_bytes(w.int_field(1, 1))
    v2(tmp_path / "variables" / "variables", 1)
    index = tmp_path / "variables" / "variables.index"
    index.rename(index.with_name("VARIABLES.INDEX"))
    assert_none(tmp_path, "VARIABLES.INDEX is there", "variables.index")
    index.with_name("VARIABLES.INDEX").unlink()
    assert_none(tmp_path, "not its .index file")


def test_a_partial_download_is_named(tmp_path: Path) -> None:
    v2(tmp_path / "m", 1)
    (tmp_path / "m.index").rename(tmp_path / "m.index.crdownload")
    for path in (tmp_path, tmp_path / "m"):
        assert_none(path, "m.index.crdownload")


def test_a_saved_model_in_part(tmp_path: Path) -> None:
    (tmp_path / "a" / "Variables").mkdir(parents=True)
    v2(tmp_path / "a" / "Variables" / "Variables", 1)
    notes = assert_value(tmp_path / "a", 1).notes
    assert any("saved_model.pb is missing" in note for note in notes)
    assert any("rename it" in note for note in notes)
    for name, inner in (("c", "."), ("d", "variables/variables")):
        (tmp_path / name / inner).mkdir(parents=True)
        (tmp_path / name / "saved_model.pb").write_bytes(w.int_field(1, 1))
        v2(tmp_path / name / inner / "variables", 1)
        assert any("rename it" in note for note in assert_value(tmp_path / name, 1).notes)
    (tmp_path / "b" / "variables" / "variables_temp").mkdir(parents=True)
    (tmp_path / "b" / "saved_model.pb").write_bytes(w.int_field(1, 1))
    v2(tmp_path / "b" / "variables" / "variables_temp" / "part-00000-of-00001", 1)
    assert_none(tmp_path / "b", "never ended", "variables_temp")
