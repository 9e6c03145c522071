from __future__ import annotations

import pytest

from checks.kernel.running_kernel import CHECK, flavour
from tests.checks.findings import CONTAINER, DENIED, only
from tests.fixtures import FakeMachine


def machine(running: str, *installed: str, modules: bool = True, **more: object) -> FakeMachine:
    files = {"/proc/sys/kernel/osrelease": running + "\n", **{f"/boot/vmlinuz-{r}": "" for r in installed}}
    return FakeMachine(files, folders=["/boot", *([f"/lib/modules/{running}"] if modules else [])], **more)


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("6.1.0-56-cloud-amd64", "cloud-amd64"),
        ("6.17.0-1008-nvidia", "nvidia"),
        ("6.12.48+deb13-amd64", "amd64"),
        ("6.8.0-45-generic-64k", "generic-64k"),
        ("6.18.44", ""),
    ],
)
def test_flavour_is_what_follows_the_numbers(release, expected):
    assert flavour(release) == expected


def test_the_newest_running_passes():
    assert only(CHECK, machine("6.1.0-56-amd64", "6.1.0-9-amd64", "6.1.0-56-amd64")).verdict == "pass"


@pytest.mark.parametrize(("running", "newer"), [
    ("6.1.0-9-amd64", "6.1.0-10-amd64"), ("6.12.48+deb13-amd64", "6.12.57+deb13-amd64"),
    ("6.14.0-1013-nvidia", "6.17.0-1008-nvidia"),
])
def test_a_newer_one_waiting_is_a_warning(running, newer):
    finding = only(CHECK, machine(running, running, newer))
    assert (finding.verdict, finding.seen, finding.expected) == ("warn", running, newer)


def test_a_newer_kernel_of_another_flavour_does_not_count():
    assert only(CHECK, machine("6.14.0-1013-nvidia", "6.14.0-1013-nvidia", "6.17.0-20-generic")).verdict == "pass"


def test_modules_that_are_gone_are_a_warning():
    assert only(CHECK, machine("6.1.0-9-amd64", "6.1.0-9-amd64", modules=False)).verdict == "warn"


def test_a_container_and_a_machine_without_boot_images_are_not_applicable():
    assert only(CHECK, FakeMachine({"/proc/sys/kernel/osrelease": "6.1", **CONTAINER})).verdict == "not-applicable"
    assert only(CHECK, machine("6.1.0-9-amd64")).verdict == "not-applicable"


def test_an_unreadable_boot_folder_is_unknown():
    assert only(CHECK, machine("6.1.0-9-amd64", errors={"/boot": DENIED})).verdict == "unknown"


def test_a_kept_copy_of_an_image_does_not_count():
    assert only(CHECK, machine("6.1.0-9-amd64", "6.1.0-9-amd64", "6.1.0-99-amd64.old")).verdict == "pass"
