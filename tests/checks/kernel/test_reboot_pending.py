from __future__ import annotations

from checks.kernel.reboot_pending import CHECK
from tests.checks.findings import DENIED, only
from tests.fixtures import FakeMachine


def test_without_the_marker_it_passes():
    assert only(CHECK, FakeMachine()).verdict == "pass"


def test_the_marker_is_a_warning_that_names_the_packages_once():
    machine = FakeMachine({"/run/reboot-required": "*** System restart required ***\n",
                           "/run/reboot-required.pkgs": "linux-image-6.8\nlibc6\nlibc6\n"})
    finding = only(CHECK, machine)
    assert finding.verdict == "warn"
    assert "linux-image-6.8, libc6." in finding.summary


def test_the_marker_without_a_list_is_still_a_warning():
    assert only(CHECK, FakeMachine({"/run/reboot-required": ""})).verdict == "warn"


def test_unobservable_is_unknown_never_pass():
    assert only(CHECK, FakeMachine(errors={"/run/reboot-required": DENIED})).verdict == "unknown"
