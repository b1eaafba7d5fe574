"""JSON, as docs/verify.schema.json describes it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_parsers import SCHEMA, validate
from reports import hostile_reports, names, problem, report

from tfckpt_reader.verification.report import Report
from tfckpt_reader.verification.reports.json_report import document, documents, json_stream


def printed(found: dict[str, Any]) -> Any:
    """A document as whoever reads what is printed has it."""
    return json.loads("".join(json_stream(found)))


documents_of_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(documents_of_anything)
def test_json_stream_is_json(found: Any) -> None:
    def lazy(value: Any) -> Any:
        if isinstance(value, list):
            return map(lazy, value)
        return {k: lazy(v) for k, v in value.items()} if isinstance(value, dict) else value

    assert "".join(json_stream(found)) == json.dumps(found, indent=1)
    text = "".join(json_stream(lazy(found)))
    assert json.loads(text) == found
    assert text.isascii()


def test_json_stream_has_an_item_on_each_line() -> None:
    found = {"problems": iter([{"a": [1, 2]}, {"a": []}]), "none": iter([])}
    lines = '{\n "problems": [\n  {"a": [1, 2]},\n  {"a": []}\n ],\n "none": []\n}'
    assert "".join(json_stream(found)) == lines


@given(hostile_reports(), names)
def test_json_of_anything_is_as_described(reports: list[Report], why: str) -> None:
    validate(printed(documents(reports, [why])))
    for one in reports:
        validate(printed(document(one)))


def test_every_field_is_described() -> None:
    described = json.loads(SCHEMA.read_text("utf-8"))["$defs"]
    many = printed(documents([report(problem())], ["why"]))
    for name, found in (("many", {"schema": 1, **many}), ("report", many["reports"][0])):
        assert set(described[name]["properties"]) == set(found)
        assert set(described[name]["required"]) == set(found)
    assert set(described["problem"]["properties"]) == set(many["reports"][0]["problems"][0])


def test_the_schema_refuses_other_documents() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    good = printed(document(report(problem())))
    validate(good)
    for key in good:
        with pytest.raises(jsonschema.ValidationError):
            validate({**good, key: {}})
    with pytest.raises(jsonschema.ValidationError):
        validate({**good, "problems": [{}]})


def test_sums() -> None:
    bad = report(problem(), problem("TFC601"), problem("TFC305"))
    found = documents([bad, report()])
    assert {k: found[k] for k in ("errors", "warnings", "remarks")} == {
        "errors": 1,
        "warnings": 1,
        "remarks": 1,
    }
    assert (found["checkpoints"], found["tensors"], found["bytes"], found["ok"]) == (
        2,
        6,
        80,
        False,
    )
    assert documents([report()])["ok"]
    assert not documents([report()], ["why"])["ok"]
