"""Servers of files on loopback: of the tests' own, and those that others wrote.

* `loopback`: a small HTTP server in a thread. It logs requests, and can delay or spoil answers.
* `sites`: what such a server answers from: files in memory, or another server.
* `faults`: the ways to spoil an answer.
* `s3`, `static`, `gcs`: moto's S3, aiohttp's static files, and a Google Cloud Storage emulator.
"""

from __future__ import annotations

import importlib.util

import pytest


def need(*modules: str) -> None:
    """Skip a test where one of these is not installed; none is imported."""
    absent = [name for name in modules if importlib.util.find_spec(name) is None]
    if absent:
        pytest.skip(f"not installed: {', '.join(absent)}")
