"""What `firstlight check --level quick` looks at on a machine without a GPU, asserted with pytest-testinfra."""

from __future__ import annotations

import json
from typing import Any

import pytest

UNITS = ("docker.service", "systemd-timesyncd.service", "unattended-upgrades.service", "apt-daily.timer")
PACKAGES = ("ca-certificates", "curl", "fio", "gnupg", "nvme-cli", "pciutils", "rsync", "smartmontools", "xfsprogs")


@pytest.mark.parametrize(("key", "value"), [("vm.swappiness", 10), ("fs.nr_open", 2_000_000)])
def test_sysctl(host: Any, key: str, value: int) -> None:
    assert host.sysctl(key) >= value


@pytest.mark.parametrize("package", PACKAGES)
def test_package(host: Any, package: str) -> None:
    assert host.package(package).is_installed


@pytest.mark.parametrize("unit", UNITS)
def test_service_runs(host: Any, unit: str) -> None:
    assert host.service(unit).is_running


@pytest.mark.parametrize("unit", UNITS)
def test_service_is_enabled(host: Any, unit: str) -> None:
    assert host.service(unit).is_enabled


@pytest.mark.parametrize("path", [
    "/etc/sysctl.d/60-firstlight.conf", "/etc/security/limits.d/60-firstlight.conf",
    "/etc/systemd/system.conf.d/60-firstlight.conf", "/etc/apt/apt.conf.d/60-firstlight", "/etc/docker/daemon.json",
])
def test_file_belongs_to_root(host: Any, path: str) -> None:
    assert host.file(path).user == "root"


def test_root_is_writable(host: Any) -> None:
    assert "rw" in host.mount_point("/").options


def test_space(host: Any) -> None:
    assert int(host.check_output("df --output=pcent / | tail -n 1").strip(" %")) < 90


def test_inodes(host: Any) -> None:
    assert int(host.check_output("df --output=ipcent / | tail -n 1").strip(" %-") or 0) < 90


def test_swap(host: Any) -> None:
    assert "swap" in host.file("/proc/swaps").content_string.lower()


def test_slice(host: Any) -> None:
    assert "CPUWeight=80" in host.check_output("systemctl show ai.slice -p CPUWeight")


def test_no_failed_unit(host: Any) -> None:
    assert host.check_output("systemctl --failed --no-legend") == ""


def test_dpkg_audit(host: Any) -> None:
    assert host.check_output("dpkg --audit") == ""


def test_docker_info(host: Any) -> None:
    assert json.loads(host.check_output("docker info --format '{{json .}}'"))["ServerVersion"]


def test_memory_pressure(host: Any) -> None:
    assert "some" in host.file("/proc/pressure/memory").content_string


def test_kernel_is_not_tainted(host: Any) -> None:
    assert host.file("/proc/sys/kernel/tainted").content_string.strip() == "0"


def test_no_reboot_is_pending(host: Any) -> None:
    assert not host.file("/run/reboot-required").exists
