from __future__ import annotations

import pytest

from checks.gpu.compute_mode import CHECK as COMPUTE_MODE
from checks.gpu.count import CHECK as COUNT
from checks.gpu.identity import CHECK as IDENTITY
from checks.gpu.persistence import CHECK as PERSISTENCE
from checks.gpu.presence import CHECK as PRESENCE
from checks.gpu.responds import CHECK as RESPONDS
from tests.checks.findings import DENIED, found, only, verdicts
from tests.checks.gpu.cards import LOST, NO_CARD, NOT_SUPPORTED, STRANGE, answer, bus, host, one
from tests.fixtures import FakeMachine, link

TWO = host({}, {})


def failing(code: int, **files: object) -> FakeMachine:
    return host(said=answer(failure={"code": code, "text": ""}), files=files)


def test_presence_passes_when_both_views_agree() -> None:
    assert only(PRESENCE, TWO).verdict == "pass"


def test_a_card_that_only_the_bus_shows_fails_and_is_named_by_address() -> None:
    finding = only(PRESENCE, host({}, files=bus("0000:81:00.0")))
    assert (finding.verdict, finding.subject) == ("fail", "0000:81:00.0")


@pytest.mark.parametrize(("driver", "verdict", "word"), [
    ("nvidia", "fail", "the driver gave it up"), ("nouveau", "fail", "nouveau holds it"),
    ("vfio-pci", "not-applicable", "held for a virtual machine"), ("", "fail", "no driver holds it"),
])
def test_who_holds_a_card_that_nvml_does_not_show_is_named(driver, verdict, word) -> None:
    folder = "/sys/bus/pci/devices/0000:81:00.0"
    held = {f"{folder}/driver": link(f"../../../../bus/pci/drivers/{driver}")} if driver else {}
    finding = only(PRESENCE, host({}, files={**bus("0000:81:00.0"), **held}))
    assert (finding.verdict, word in finding.summary) == (verdict, True)


def test_a_card_whose_holder_cannot_be_seen_still_fails() -> None:
    folder = "/sys/bus/pci/devices/0000:81:00.0"
    finding = only(PRESENCE, host({}, files=bus("0000:81:00.0"), errors={f"{folder}/driver": DENIED}))
    assert (finding.verdict, "or never took it" in finding.summary) == ("fail", True)


def test_a_card_that_does_not_tell_its_address_is_not_called_missing() -> None:
    assert only(PRESENCE, host({}, {"address": STRANGE})).verdict == "unknown"


def test_a_gpu_that_is_no_pci_device_has_no_second_view() -> None:
    machine = FakeMachine({"/sys/module/nvidia/version": "595.78\n"},
                          {("firstlight-nvml",): answer({"address": NOT_SUPPORTED})})
    assert only(PRESENCE, machine).verdict == "not-applicable"


@pytest.mark.parametrize(("match", "verdict"), [
    ({"min_gpus": 2}, "pass"), ({"min_gpus": 2, "max_gpus": 2}, "pass"), ({"min_gpus": 3}, "fail"),
    ({"max_gpus": 0}, "fail"), ({"max_gpus": 1}, "fail"), ({}, "pass"),
])
def test_the_number_is_held_against_the_profile(match, verdict) -> None:
    assert only(COUNT, TWO, match=match).verdict == verdict


def test_a_profile_that_wants_a_gpu_fails_where_there_is_none() -> None:
    assert only(COUNT, NO_CARD, match={"min_gpus": 1}).verdict == "fail"
    assert only(COUNT, NO_CARD, match={"max_gpus": 0}).verdict == "not-applicable"


@pytest.mark.parametrize(("readings", "verdict"), [
    ({}, "pass"), ({"name": STRANGE}, "unknown"), ({"uuid": STRANGE}, "unknown"),
    ({"name": "Tesla K80"}, "warn"),
])
def test_identity_is_told_and_fits_the_profile(readings, verdict) -> None:
    assert only(IDENTITY, one(**readings), match={"gpu": [r"\bA100\b"]}).verdict == verdict


def test_two_cards_with_one_uuid_are_a_warning() -> None:
    assert {verdict for verdict, _ in verdicts(IDENTITY, host({"uuid": "GPU-x"}, {"uuid": "GPU-x"}))} == {"warn"}


@pytest.mark.parametrize(("mode", "verdict"), [
    (0, "pass"), (3, "pass"), (2, "fail"), (NOT_SUPPORTED, "not-applicable"), (STRANGE, "unknown"),
])
def test_compute_mode(mode, verdict) -> None:
    assert only(COMPUTE_MODE, one(compute_mode=mode)).verdict == verdict


@pytest.mark.parametrize(("mode", "verdict"), [
    (1, "pass"), (0, "warn"), (NOT_SUPPORTED, "not-applicable"), (STRANGE, "unknown"),
])
def test_persistence(mode, verdict) -> None:
    assert only(PERSISTENCE, one(persistence=mode)).verdict == verdict


def test_responds_passes_when_every_card_answers() -> None:
    assert only(RESPONDS, TWO).verdict == "pass"


def test_each_lost_card_is_a_finding_of_its_own() -> None:
    gone = {"name": LOST, "uuid": LOST, "address": LOST}
    findings = found(RESPONDS, host({}, gone, {}))
    assert [finding.verdict.value for finding in findings] == ["fail"]
    assert "0000:02:00.0" in findings[0].summary


def test_nvml_without_a_card_though_the_bus_has_one_fails() -> None:
    assert only(RESPONDS, host(said=answer())).verdict == "fail"


def test_a_call_that_hangs_is_named() -> None:
    finding = only(RESPONDS, host(said=answer(hung_in="nvmlInit")))
    assert finding.verdict == "fail"
    assert "nvmlInit" in finding.summary


@pytest.mark.parametrize(("code", "verdict"), [(4, "unknown"), (27, "unknown"), (999, "fail"), (18, "fail")])
def test_what_may_be_no_fault_of_the_driver_is_unknown(code, verdict) -> None:
    assert only(RESPONDS, failing(code)).verdict == verdict


LIBRARY = "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so"
MODULE = {"/lib/modules/6.8.0-45-generic/modules.dep": "updates/dkms/nvidia.ko:\n"}


@pytest.mark.parametrize(("code", "files", "word"), [
    (12, {"/run/systemd/container": "docker\n"}, "started without it"),
    (999, {"/run/systemd/container": "docker\n"}, "lost its device files"),
    (18, {f"{LIBRARY}.1": link("libnvidia-ml.so.590.1.2"), f"{LIBRARY}.590.1.2": ""}, "library is 590.1.2"),
    (12, {}, "no NVIDIA driver is installed"),
    (12, MODULE, "libnvidia-ml.so.1 is not installed"),
    (9, {f"{LIBRARY}.1": ""}, "no driver module for the running kernel"),
])
def test_the_cause_is_named(code, files, word) -> None:
    finding = only(RESPONDS, failing(code, **files))
    assert word in finding.summary
    assert finding.remedy.steps


def without_module(**files: object) -> FakeMachine:
    machine = failing(9, **files)
    del machine.files["/sys/module/nvidia/version"]
    return machine


def test_nouveau_and_an_unloaded_module_are_named() -> None:
    assert "nouveau" in only(RESPONDS, without_module(**{"/sys/module/nouveau/x": ""})).summary
    assert "module is not loaded" in only(RESPONDS, without_module(**{f"{LIBRARY}.1": ""}, **MODULE)).summary
