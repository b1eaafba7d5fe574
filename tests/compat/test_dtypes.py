"""TensorFlow's dtype objects; `tests/tensorflow` compares them with TensorFlow's own."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from tfckpt_reader.compat.dtypes import BY_NAME, DType, as_dtype
from tfckpt_reader.tensor.dtypes import DataType


def test_equality() -> None:
    float32 = DType(1)
    for same in ("float32", "float", 1, float, np.float32, np.dtype(">f4"), np.zeros(1, "f4")):
        assert float32 == same
    for other in ("float64", 2, None, object(), "nothing", np.int32, [1]):
        assert float32 != other
    assert {float32: 1}[as_dtype("float")] == 1
    assert pickle.loads(pickle.dumps(float32)) == float32  # noqa: S301


def test_every_dtype_has_its_name_and_number() -> None:
    for dtype in DataType:
        found = BY_NAME[str(dtype)]
        assert (found.as_datatype_enum, found.name) == (int(dtype), str(dtype))
        assert as_dtype(str(dtype)) is found
        assert found.base_dtype is found
    reference = as_dtype("int32_ref")
    assert (reference.as_datatype_enum, reference.base_dtype) == (103, BY_NAME["int32"])
    assert reference.as_numpy_dtype is np.int32
    assert DType(99).name == "unknown_99"


def test_what_has_no_numpy_type() -> None:
    for name in ("variant", "resource"):
        with pytest.raises(KeyError):
            _ = BY_NAME[name].as_numpy_dtype
    assert BY_NAME["string"].as_numpy_dtype is object
    assert BY_NAME["qint8"].as_numpy_dtype == np.dtype([("qint8", np.int8)])
