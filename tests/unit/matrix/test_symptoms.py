from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import checks
from agent.engine.discovery import find_check_modules
from agent.matrix.explanation import explain_log, explain_text, find_cause
from agent.matrix.tables import find_row, load_table
from agent.matrix.xids import find_advice, find_codes, find_switch_codes
from agent.provision.variables import ROLES

RULES = {row.id.removeprefix("symptom."): row for row in load_table("symptoms")}
CASES: dict[str, dict[str, str]] = yaml.safe_load((Path(__file__).parent / "symptoms.yml").read_text())


def _told(text: str) -> set[str]:
    return {row for found in explain_text(text) for row in found.rows}


def test_there_are_at_least_thirty_one_rules_and_each_has_its_case() -> None:
    assert len(RULES) >= 31
    assert set(CASES) == set(RULES)


@pytest.mark.parametrize("name", CASES)
def test_a_real_message_is_known(name: str) -> None:
    assert f"symptom.{name}" in _told(CASES[name]["message"])


@pytest.mark.parametrize("name", CASES)
def test_a_near_miss_is_left_alone(name: str) -> None:
    assert f"symptom.{name}" not in _told(CASES[name]["near"])


@pytest.mark.parametrize("name", RULES)
def test_a_rule_says_cause_evidence_remedy_and_source(name: str) -> None:
    row = RULES[name]
    assert row.cause.endswith(".")
    assert row.look
    assert row.remedy
    assert row.source
    assert all(find_row(cited) for cited in row.rows)


@pytest.mark.parametrize("name", RULES)
def test_what_a_remedy_tells_to_run_exists(name: str) -> None:
    text = " ".join(RULES[name].remedy)
    assert set(re.findall(r"firstlight fix (\S+)", text)) <= set(find_check_modules(checks))
    assert set(re.findall(r"firstlight apply --only (\S+)", text)) <= set(ROLES)


def test_no_message_is_claimed_by_more_than_two_rules() -> None:
    claims = {name: _told(case["message"]) & {row.id for row in RULES.values()} for name, case in CASES.items()}
    assert {name: told for name, told in claims.items() if len(told) > 2} == {}


def test_a_message_broken_by_the_terminal_is_still_known() -> None:
    text = "RuntimeError: CUDA error: no kernel image is\navailable for execution on\nthe device"
    assert "symptom.no-kernel-image" in _told(text)


def test_a_healthy_log_says_nothing() -> None:
    log = "NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  580.95.05\nINFO: Application startup complete.\n"
    assert explain_log(log) == ()


def test_an_xid_says_both_sources_and_whether_they_disagree() -> None:
    (found,) = explain_text("xid 79")
    assert [who for who, _ in found.opinions] == ["NVIDIA's catalogue", "gpud"]
    assert "reboot" in found.opinions[0][1]
    assert "inspect the hardware" in found.opinions[1][1]
    assert not found.disagree
    (found,) = explain_text("NVRM: Xid (PCI:0000:dc:00): 32, pid=18, name=python3, Ch 00000001")
    assert found.disagree
    assert dict(found.opinions)["NVIDIA's catalogue"].startswith("restart the application")
    assert "reboot" in dict(found.opinions)["gpud"]


def test_every_xid_of_the_table_has_advice() -> None:
    for row in load_table("xid"):
        advice = find_advice(row.code)
        assert advice is not None
        assert advice.severity in ("none", "application", "serious", "unknown")
        assert advice.what


def test_an_unknown_xid_says_so() -> None:
    (found,) = explain_text("xid 9999")
    assert "unknown" in found.cause
    assert found.rows == ()


def test_codes_are_found_in_log_lines_and_words() -> None:
    first, instance = "NVRM: Xid (PCI:0000:01:00): 13, pid=1\n", "NVRM: Xid (PCI:0000:01:00 GPU-I:04): 31, pid=2\n"
    assert find_codes(first + instance + first) == (13, 31)
    assert find_codes("what is Xid: 48?") == (48,)
    assert find_codes("SXid (PCI:0000:84:00.0): 12028, Data {0x1}") == ()
    assert find_switch_codes("nvidia-nvswitch1: SXid (PCI:0000:84:00.0): 12028, Data {0x1}") == (12028,)
    assert find_codes("Ch 00000001 caused by previous Xid (149)") == ()


def test_an_error_of_a_switch_is_no_xid() -> None:
    (found,) = explain_text("nvidia-nvswitch1: SXid (PCI:0000:84:00.0): 12028, Data {0x000001c0}")
    assert found.title == "SXid 12028: egress nonposted PRIV error"
    assert found.rows == ("sxid.12028",)
    assert found.disagree


def test_a_log_is_told_in_its_order_with_lines_and_counts() -> None:
    log = (
        "INFO: start\n"
        "NVRM: Xid (PCI:0000:01:00): 79, pid=1, GPU has fallen off the bus.\n"
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.\n"
        "NVRM: Xid (PCI:0000:01:00): 79, pid=1, GPU has fallen off the bus.\n"
        "RuntimeError: Engine core initialization failed. See root cause above."
    )
    seen = explain_log(log)
    assert [(item.explanation.title.partition(":")[0], item.line, item.times) for item in seen] == [
        ("Xid 79", 2, 2), ("Out of memory", 3, 1), ("Engine core", 5, 1),
    ]
    assert seen[2].text == "RuntimeError: Engine core initialization failed. See root cause above."


def test_of_a_log_the_cause_is_told_with_its_line_not_what_follows_from_it() -> None:
    log = (
        "INFO: start\n"
        "RuntimeError: Engine core initialization failed. See root cause above.\n"
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.\n"
    )
    cause = find_cause(log)
    assert cause is not None
    assert cause.explanation.title == "Out of memory"
    assert (cause.line, cause.text.partition(":")[0]) == (3, "torch.OutOfMemoryError")
    assert find_cause("INFO: start\nINFO: all is well") is None
