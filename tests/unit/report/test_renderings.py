from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from agent import __version__
from agent.model.document import report_from_document, report_to_document
from agent.model.errors import FirstlightError, ProfileError
from agent.report.json import render_error, render_report
from agent.report.junit import render_junit
from agent.report.markdown import render_markdown
from agent.report.nagios import nagios_code, render_nagios
from agent.report.text import render_text
from tests.unit.golden import assert_golden
from tests.unit.report.sample import EMPTY, HEALTHY, REPORT

GOLDEN = Path(__file__).parent / "golden"
SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "schema" / "report.json").read_text())
RENDERINGS = {"txt": render_text, "json": render_report, "xml": render_junit, "nagios": render_nagios,
              "md": render_markdown}


@pytest.mark.parametrize("ending", RENDERINGS)
def test_a_rendering_is_what_it_was(ending: str) -> None:
    text = RENDERINGS[ending](REPORT).replace(f'"firstlight": "{__version__}"', '"firstlight": "VERSION"')
    assert_golden(text, GOLDEN / f"report.{ending}")


@pytest.mark.parametrize("ending", RENDERINGS)
def test_no_rendering_lets_a_control_character_through(ending: str) -> None:
    text = RENDERINGS[ending](REPORT)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
    text.encode()


@pytest.mark.parametrize("width", [20, 40, 80, 120])
def test_text_keeps_to_its_width_where_words_allow(width: int) -> None:
    long = [line for line in render_text(HEALTHY, width).splitlines() if len(line) > max(width, 60)]
    assert not long


def test_text_says_what_is_wrong_before_anything_else() -> None:
    text = render_text(REPORT)
    assert [text.index(word) for word in ("✗ FAIL", "! WARN", "? UNKNOWN", "area ")] == sorted(
        text.index(word) for word in ("✗ FAIL", "! WARN", "? UNKNOWN", "area "))


def test_a_healthy_machine_takes_five_lines() -> None:
    assert render_text(HEALTHY).splitlines()[-1] == "✓ PASS, the machine is what its profile says: 1 passed"


def test_a_report_of_nothing_is_unknown_never_pass() -> None:
    assert "UNKNOWN" in render_text(EMPTY)
    assert (nagios_code(EMPTY), render_nagios(EMPTY).split(" - ")[0]) == (3, "FIRSTLIGHT UNKNOWN")


def test_json_fits_the_published_schema() -> None:
    for report in (REPORT, HEALTHY, EMPTY):
        jsonschema.validate(json.loads(render_report(report)), SCHEMA)
        told = json.loads(render_report(replace(report, partial=True)))
        jsonschema.validate(told, SCHEMA)
        assert report_from_document(told, "told").partial
    jsonschema.validate(json.loads(render_error(ProfileError("a", "b"))), SCHEMA)


def test_a_report_survives_the_way_to_json_and_back() -> None:
    document = json.loads(json.dumps(report_to_document(REPORT)))
    again = report_from_document(document, "x")
    assert again.findings == REPORT.findings
    assert report_from_document(json.loads(render_report(REPORT)), "x") == again


@pytest.mark.parametrize(("document", "said"), [
    ([], "this is not a report"), ({}, "this is not a report"), ({"runs": []}, "report schema None is not known"),
    ({"runs": [{}], "schema_version": 1}, "damaged: KeyError: 'machine'"),
    ({**report_to_document(REPORT), "runs": 7}, "damaged"),
    ({**report_to_document(REPORT), "started": "soon"}, "damaged"),
    ({**report_to_document(REPORT), "runs": [{"check": "a.b", "title": "", "duration_s": 0, "findings": [
        {"check": "a.b", "verdict": "fine", "summary": ""}]}]}, "'fine' is not a valid Verdict"),
])
def test_a_document_that_is_no_report_is_told(document: object, said: str) -> None:
    with pytest.raises(FirstlightError) as caught:
        report_from_document(document, "file.json")
    assert caught.value.message.startswith("file.json: ")
    assert said in caught.value.message


def test_junit_counts_what_it_holds() -> None:
    suites = ElementTree.fromstring(render_junit(REPORT))  # noqa: S314
    for suite in suites:
        for attribute, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"),
                               ("skipped", "skipped")):
            assert int(suite.attrib[attribute]) == len(list(suite.iter(tag)))
    kinds = {failure.attrib["type"] for failure in suites.iter("failure")}
    assert kinds == {"fail", "warn"}


def test_nagios_is_one_line_with_one_bar() -> None:
    line = render_nagios(REPORT)
    assert (line.count("\n"), line.count("|")) == (1, 1)
    data = line.rpartition("| ")[2].split()
    assert all(re.fullmatch(r"[a-z_]+=[\d.]+s?;;;0", item) for item in data)
    assert nagios_code(REPORT) == 2
    assert nagios_code(HEALTHY) == 0


def test_a_markdown_table_keeps_its_columns() -> None:
    rows = [line for line in render_markdown(REPORT).splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {7}
