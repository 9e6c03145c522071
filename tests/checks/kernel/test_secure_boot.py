from __future__ import annotations

import pytest

from checks.kernel.secure_boot import CHECK, FOLDER, GUID
from tests.checks.findings import CONTAINER, DENIED, only
from tests.fixtures import FakeMachine

SECURE_BOOT, SETUP_MODE = f"{FOLDER}/SecureBoot-{GUID}", f"{FOLDER}/SetupMode-{GUID}"


@pytest.mark.parametrize(("value", "state"), [(b"\x06\0\0\0\x01", "on"), (b"\x06\0\0\0\x00", "off")])
def test_the_state_is_told_and_both_pass(value, state):
    finding = only(CHECK, FakeMachine({SECURE_BOOT: value}))
    assert (finding.verdict, finding.seen) == ("pass", state)


def test_setup_mode_is_mentioned():
    machine = FakeMachine({SECURE_BOOT: b"\x06\0\0\0\0", SETUP_MODE: b"\x06\0\0\0\x01"})
    assert "setup mode" in only(CHECK, machine).summary


@pytest.mark.parametrize("machine", [
    FakeMachine(folders=["/sys/firmware/efi/efivars"]),
    FakeMachine({SECURE_BOOT: b""}),
    FakeMachine({SECURE_BOOT: b"\x06\0\0\0\x01"}, errors={SECURE_BOOT: DENIED}),
])
def test_a_variable_that_is_absent_empty_or_unreadable_is_unknown(machine):
    assert only(CHECK, machine).verdict == "unknown"


def test_without_efi_and_in_a_container_it_is_not_applicable():
    assert only(CHECK, FakeMachine()).verdict == "not-applicable"
    assert only(CHECK, FakeMachine({SECURE_BOOT: b"\x06\0\0\0\x01", **CONTAINER})).verdict == "not-applicable"
