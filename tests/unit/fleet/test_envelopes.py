from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.fleet import envelopes
from agent.fleet.envelopes import load_head, load_report
from agent.model.errors import FirstlightError
from tests.unit.fleet.samples import report, write

REPORT = report("n1", {"package": {f"p{n}": "1" for n in range(2000)}})


def test_the_head_is_read_from_the_first_kilobytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"n1": REPORT})
    monkeypatch.delattr(envelopes, "load_report")
    head = load_head(tmp_path / "n1.json")
    assert (head.machine, head.profile, head.digests) == ("n1", "lab", REPORT["head"]["digests"])


@pytest.mark.parametrize(
    "text", [json.dumps({"ok": True, "data": REPORT}), json.dumps({"meta": {}, "ok": True, "data": REPORT})]
)
def test_the_head_is_found_however_the_envelope_is_written(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    assert load_head(tmp_path / "x.json").digests == REPORT["head"]["digests"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a drift report"),
        ("[]", "not a drift report"),
        ("{", "not a drift report"),
        ('{"ok": true, "data": {"head": {}}}', "not a drift report"),
        ('{"ok": false, "data": null, "errors": [{"message": "no profile fits"}]}', "no profile fits"),
        ('{"ok": true, "data": {"head": ' + "[" * 9000, "not a drift report"),
    ],
)
def test_what_is_no_report_is_an_error_that_names_the_file(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "n7.json").write_text(text)
    with pytest.raises(FirstlightError, match=said) as caught:
        load_head(tmp_path / "n7.json")
    assert "n7.json" in caught.value.message


def test_a_report_is_read_whole(tmp_path: Path) -> None:
    write(tmp_path, {"n1": REPORT})
    assert load_report(tmp_path / "n1.json") == REPORT


def test_machines_with_one_hostname_go_by_the_names_of_their_files(tmp_path: Path) -> None:
    for name in ("lab-1", "lab-2"):
        (tmp_path / f"{name}.json").write_text(json.dumps({"ok": True, "data": REPORT}))
    assert [load_head(tmp_path / f"{name}.json").machine for name in ("lab-1", "lab-2")] == ["lab-1", "lab-2"]
