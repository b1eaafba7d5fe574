"""Fixtures for the tests that need TensorFlow."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
import tf_oracle
from agreement import tensorflow


@pytest.fixture(scope="module")
def tf() -> Any:
    found = importlib.import_module("tensorflow")
    found.get_logger().setLevel("ERROR")
    return found


@pytest.fixture(scope="session")
def readers() -> tf_oracle.Readers:
    """TensorFlow in this process, for files that it wrote itself."""
    tensorflow().get_logger().setLevel("ERROR")
    return tf_oracle.Readers()


@pytest.fixture
def long(request: pytest.FixtureRequest) -> None:
    """Skip the long runs unless `-m` asks for them."""
    if "slow" not in request.config.option.markexpr:
        pytest.skip('run by -m "slow"')


@pytest.fixture(scope="module")
def worker() -> Iterator[tf_oracle.TensorFlow]:
    with tf_oracle.TensorFlow() as tf:
        yield tf
