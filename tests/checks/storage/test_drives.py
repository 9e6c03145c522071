"""What drives say of themselves, and how fast they read."""

from __future__ import annotations

import json

import pytest

from agent.model.errors import Missing, Unobservable
from checks.storage import nvme_health, read_iops, smart_health
from tests.checks.findings import only, verdicts
from tests.fixtures import FakeMachine

LOG = {"critical_warning": 0, "temperature": 311, "percent_used": 3, "media_errors": 0}


def nvme(answer: object, **more: object) -> FakeMachine:
    answer = answer if isinstance(answer, str | Exception) else json.dumps(answer)
    return FakeMachine(commands={nvme_health.argv("nvme0"): answer}, folders=["/sys/class/nvme/nvme0"], **more)


@pytest.mark.parametrize(
    ("changed", "verdict", "word"),
    [
        ({}, "pass", "38 °C"),
        ({"critical_warning": 4}, "fail", "reliability"),
        ({"critical_warning": 9}, "fail", "read-only"),
        ({"critical_warning": {"value": 1, "available_spare": 1}}, "fail", "spare"),
        ({"media_errors": 12}, "warn", "12 times"),
        ({"percent_used": 95}, "warn", "95 %"),
        ({"temperature": 353}, "warn", "80 °C"),
    ],
)
def test_the_health_log_is_judged(changed, verdict, word):
    finding = only(nvme_health.CHECK, nvme(LOG | changed))
    assert (finding.verdict, finding.subject) == (verdict, "nvme0")
    assert word in finding.summary


@pytest.mark.parametrize("machine", [
    nvme(LOG, privileged=False), nvme(Missing("nvme: not found")), nvme(Unobservable("nvme: exit code 1")),
    nvme("no json"), nvme({"temperature": 311}),
])
def test_a_drive_that_could_not_be_asked_is_unknown_never_pass(machine):
    assert only(nvme_health.CHECK, machine).verdict == "unknown"


def test_without_nvme_root_is_not_needed():
    assert only(nvme_health.CHECK, FakeMachine(privileged=False)).verdict == "not-applicable"
    assert only(nvme_health.CHECK, FakeMachine(folders=["/sys/class/nvme"])).verdict == "not-applicable"


def smart(answer: object, vendor: str = "ATA", **more: object) -> FakeMachine:
    answer = answer if isinstance(answer, str | Exception) else json.dumps(answer)
    files = {"/sys/block/sda/device/vendor": f"{vendor}\n", "/sys/block/sda/device/model": "ST4000\n"}
    return FakeMachine(files, {smart_health.argv("sda"): answer}, **more)


def attribute(number: int, raw: int) -> dict[str, object]:
    return {"ata_smart_attributes": {"table": [{"id": number, "name": "Some_Count", "raw": {"value": raw}}]}}


PASSED = {"smart_status": {"passed": True}}


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (PASSED | {"temperature": {"current": 31}}, "pass"),
        ({"smart_status": {"passed": False}}, "fail"),
        (PASSED | attribute(5, 8), "warn"),
        (PASSED | attribute(9, 8000), "pass"),
        (PASSED | attribute(197, 0), "pass"),
        ({"smart_support": {"available": False}}, "not-applicable"),
        ({"smartctl": {"messages": [{"string": "Permission denied"}]}}, "unknown"),
        ("", "unknown"),
    ],
)
def test_smart_is_judged(answer, verdict):
    assert verdicts(smart_health.CHECK, smart(answer)) == [(verdict, "sda")]


def test_smart_without_tool_root_or_json_is_unknown_and_of_virtual_disks_not_applicable():
    for machine in (smart(Missing("smartctl: not found")), smart(PASSED, privileged=False), smart("not json")):
        assert only(smart_health.CHECK, machine).verdict == "unknown"
    assert only(smart_health.CHECK, smart(PASSED, vendor="QEMU")).verdict == "not-applicable"
    assert only(smart_health.CHECK, FakeMachine()).verdict == "not-applicable"


MOUNT = {"/proc/self/mountinfo": "40 1 254:16 / /data rw - xfs /dev/vdb rw\n"}
FIO = ("fio", *read_iops.OPTIONS, "--filename=/dev/vdb")
RESULT = {"jobs": [{"read": {"iops": 431_000.5, "clat_ns": {"percentile": {"99.000000": 180_000}}}}]}


def speed(answer: object, least: int = 0, **more: object):
    answer = answer if isinstance(answer, str | Exception) else f"note: a line\n{json.dumps(answer)}"
    machine = FakeMachine(more.pop("files", MOUNT), {FIO: answer}, **more)
    disk = {"serial": "S", "label": "d", "mount": "/data"}
    return only(read_iops.CHECK, machine, storage={"data_disks": {"disks": [disk], "min_read_iops": least}})


@pytest.mark.parametrize(("least", "verdict"), [(0, "pass"), (400_000, "pass"), (500_000, "fail")])
def test_the_figure_is_compared_with_the_profiles_minimum(least, verdict):
    finding = speed(RESULT, least)
    assert (finding.verdict, finding.seen) == (verdict, "431000" if verdict else "")
    assert ("sets no minimum" in finding.summary) == (least == 0)


def test_fio_may_only_read():
    assert "--readonly" in FIO
    assert "--rw=randread" in FIO


def test_what_could_not_be_measured_is_unknown():
    assert speed(Missing("fio: not found")).verdict == "unknown"
    assert speed(Unobservable("fio: exit code 1")).verdict == "unknown"
    assert speed({"jobs": []}).verdict == "unknown"
    assert speed(RESULT, privileged=False).verdict == "unknown"


def test_without_a_mounted_data_disk_it_is_not_applicable():
    assert speed(RESULT, files={"/proc/self/mountinfo": ""}).verdict == "not-applicable"
    assert only(read_iops.CHECK, FakeMachine()).verdict == "not-applicable"
