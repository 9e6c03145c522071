from __future__ import annotations

from agent.machine.apt import (
    STATUS_FILE,
    installed,
    observe_blacklist,
    observe_interrupted,
    observe_packages,
    parse_status,
    settings_argv,
)
from tests.fixtures import FakeMachine

TEXT = """Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9
Depends: x
 Status: a line of the description

Package: libc6
Status: install ok unpacked
Architecture: i386
Version: 2.36-8

Package: old
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: broken-stanza
Version: 1
"""


def test_packages_are_read_with_state_and_version():
    packages = parse_status(TEXT)
    assert packages["libc6"].version == "2.36-9"
    assert (packages["libc6"].wanted, packages["libc6"].state) == ("install", "installed")
    assert list(packages) == ["libc6", "libc6:i386", "old"]


def test_a_second_architecture_does_not_hide_its_state():
    assert parse_status(TEXT)["libc6:i386"].state == "unpacked"


def test_config_files_are_not_installed_and_half_done_is():
    packages = observe_packages(FakeMachine({STATUS_FILE: TEXT}))
    assert installed(packages, "libc6")
    assert installed(packages, "libc6:i386")
    assert not installed(packages, "old")
    assert not installed(packages, "none")


def test_only_numbered_files_are_an_interrupted_dpkg():
    machine = FakeMachine({"/var/lib/dpkg/updates/0012": "", "/var/lib/dpkg/updates/tmp.i": ""})
    assert observe_interrupted(machine) == ("0012",)
    assert observe_interrupted(FakeMachine()) == ()


def test_the_blacklist_is_one_entry_a_line():
    entry = "Unattended-Upgrade::Package-Blacklist::"
    machine = FakeMachine(commands={settings_argv(): f"{entry} ^nvidia-\n\n{entry} ^cuda-\n"})
    assert observe_blacklist(machine) == ("^nvidia-", "^cuda-")
