"""Fixtures for the tests that need TensorFlow."""

from __future__ import annotations

import importlib
from typing import Any

import pytest


@pytest.fixture(scope="module")
def tf() -> Any:
    found = importlib.import_module("tensorflow")
    found.get_logger().setLevel("ERROR")
    return found
