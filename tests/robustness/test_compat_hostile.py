"""Hostile checkpoints through `compat`: its own errors, and no array but the right one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from hostile import CASES
from hostile.case import Case, Fails

import tfckpt_reader.compat as train
from tfckpt_reader import CheckpointError


def assert_is(expected: Any, got: Any) -> None:
    array = np.array(got, dtype=object) if isinstance(got, bytes) else np.asarray(got)
    if callable(expected):
        assert expected(array)
    elif array.dtype == object:
        assert array.tolist() == np.asarray(expected).tolist()
    else:
        right = np.asarray(expected)
        assert (array.dtype, array.shape) == (right.dtype, right.shape)
        assert array.tobytes() == right.tobytes()


def attempt(read: Callable[[], Any]) -> Any:
    """A result, or None for an error, which is TensorFlow's by its class and one line."""
    try:
        return read()
    except CheckpointError as error:
        failure = error
    assert isinstance(failure, (train.OpError, ValueError))
    assert "\n" not in str(failure)
    return None


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(tmp_path: Path, case: Case) -> None:
    path = case.write(tmp_path / "case")
    attempt(lambda: train.list_variables(path))
    attempt(lambda: train.get_checkpoint_state(path))
    attempt(lambda: train.latest_checkpoint(path.parent))
    reader = attempt(lambda: train.load_checkpoint(path))
    if reader is None:
        return
    attempt(reader.debug_string)
    attempt(reader.get_variable_to_dtype_map)
    for name, expected in case.values.items():
        got = attempt(lambda: reader.get_tensor(name))  # noqa: B023 - called at once
        if got is not None:
            assert not isinstance(expected, Fails)
            assert_is(expected, got)


def test_a_data_file_that_is_cut_off_while_it_is_read(tmp_path: Path) -> None:
    """A mapped file would end the process."""
    w.write_bundle(tmp_path / "p", {"v": np.zeros(1 << 18)})
    reader = train.load_checkpoint(tmp_path / "p")
    assert reader.get_tensor("v").sum() == 0
    with (tmp_path / "p.data-00000-of-00001").open("r+b") as file:
        file.truncate(100)
    with pytest.raises(train.OpError):
        reader.get_tensor("v")
