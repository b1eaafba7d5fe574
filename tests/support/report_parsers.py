"""Reports in other formats, read by those who read such formats."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest
from project import DOCS

SCHEMA = DOCS / "verify.schema.json"


def parsed(text: str) -> Any:
    junitparser = pytest.importorskip("junitparser")
    return junitparser.JUnitXml.fromstring(text.encode("utf-8"))


def run_of(text: str) -> Any:
    """The run of a document, after the checks that its schema and sarif-tools make."""
    models = pytest.importorskip("pydantic_sarif.model")
    consumer = pytest.importorskip("sarif.sarif_file")
    found = json.loads(text)
    models.StaticAnalysisResultsFormatSarifVersion210JsonSchema.model_validate(found)
    text.encode("ascii")
    read = consumer.SarifFile("x.sarif", found, mtime=1.0)
    assert read.get_distinct_tool_names() == ["tfckpt"]
    run = found["runs"][0]
    assert len(read.get_results()) == len(run["results"])
    return run


def command_of(line: str) -> tuple[str, dict[str, str], str]:
    """Take a line apart as the runner does: name, properties, message."""
    assert "\n" not in line
    assert "\r" not in line
    assert "##[" not in line
    assert line.startswith("::")
    head, _, data = line[2:].partition("::")
    name, _, told = head.partition(" ")
    properties = {}
    for pair in filter(None, told.split(",")):
        key, _, value = pair.partition("=")
        for escape, char in (
            ("%0D", "\r"),
            ("%0A", "\n"),
            ("%3A", ":"),
            ("%2C", ","),
            ("%25", "%"),
        ):
            value = value.replace(escape, char)
        properties[key] = value
    for escape, char in (("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        data = data.replace(escape, char)
    return name, properties, data


@functools.cache
def validator() -> Any:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(SCHEMA.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def validate(found: dict[str, Any]) -> None:
    validator().validate({"schema": 1, **found})
