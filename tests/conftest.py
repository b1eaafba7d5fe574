"""Settings of all tests: how hypothesis searches, and which tests need TensorFlow."""

from __future__ import annotations

import importlib.util
import os

import hypothesis
import pytest

# No test measures time; examples are the same in every run unless FUZZ asks for new ones.
hypothesis.settings.register_profile("quick", deadline=None, max_examples=60, derandomize=True)
hypothesis.settings.register_profile("fuzz", deadline=None, max_examples=5000)
hypothesis.settings.load_profile("fuzz" if os.environ.get("FUZZ") else "quick")

# Modules of support/ that assert: a failure shows the values.
pytest.register_assert_rewrite(
    "commands",
    "conversions",
    "dot_reader",
    "graphs",
    "oracles",
    "peak_memory",
    "report_parsers",
    "sparse_files",
    "tensorflow_graphs",
)


# In a job of GitHub the command says more; no test may depend on where it runs.
for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
    os.environ.pop(name, None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what compares with TensorFlow where TensorFlow is not installed."""
    if importlib.util.find_spec("tensorflow") is not None:
        return
    skip = pytest.mark.skip(reason="TensorFlow is not installed")
    for item in items:
        if item.get_closest_marker("tensorflow"):
            item.add_marker(skip)
