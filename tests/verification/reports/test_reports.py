"""All forms of report alike."""

from __future__ import annotations

from report_parsers import command_of
from reports import problem, report

from tfckpt_reader.verification.reports import markdown
from tfckpt_reader.verification.reports.github import annotated
from tfckpt_reader.verification.reports.json_report import document
from tfckpt_reader.verification.reports.junit import junit


def test_every_format_shows_the_diagnosis() -> None:
    why = "the download was cut off"
    bad = report(problem("TFC302"), problem(), diagnosis=(why,))
    first, second = (command_of(line)[2] for line in annotated([bad]))
    assert why in first
    assert why not in second
    assert f"diagnosis: {why}" in junit([bad])
    assert f"* runs/m: {why}" in markdown.markdown([bad]).splitlines()
    assert document(bad)["diagnosis"] == [why]
