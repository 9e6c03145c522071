from __future__ import annotations

import json
from typing import Any

import pytest

from agent.drift.areas import AREAS, BY_NAME
from agent.drift.facts.etc import observe_changed
from agent.drift.fingerprint import observe_fingerprint
from agent.drift.texts import text_value
from agent.machine.api import Completed
from agent.model.drift import UNREAD
from agent.model.errors import Missing, Unobservable
from tests.checks.findings import profile
from tests.fixtures import FakeMachine, link
from tests.unit.drift.samples import machine
from tests.unit.profiles.machines import with_gpus

REPOSITORIES = json.dumps(
    {
        "Repositories": {
            "lab": {
                "lab:1": "sha256:" + "a" * 64,
                "lab:2": "sha256:" + "b" * 64,
                "lab@sha256:" + "c" * 64: "sha256:" + "b" * 64,
            }
        }
    }
)
CASES: list[tuple[str, FakeMachine, dict[str, str]]] = [
    (
        "package",
        machine(),
        {"curl": "7.88.1-10", "nvidia-driver": "535.1-1", "half": "2 (half-configured)"},
    ),
    ("package-hold", machine(), {"nvidia-driver": "held"}),
    (
        "apt-source",
        machine(
            {
                "/etc/apt/sources.list": "# no\ndeb http://a b c\n",
                "/etc/apt/sources.list.d/x.list": "deb  x",
                "/etc/apt/sources.list.d/x.save": "deb y",
            }
        ),
        {"/etc/apt/sources.list": "deb http://a b c", "/etc/apt/sources.list.d/x.list": "deb x"},
    ),
    (
        "apt-pin",
        machine({"/etc/apt/preferences.d/x": "Package: x\nPin: version 1\n"}),
        {"/etc/apt/preferences.d/x": "Package: x; Pin: version 1"},
    ),
    (
        "apt-setting",
        machine({"/etc/apt/apt.conf.d/9": '// no\nA "b";\n'}),
        {"/etc/apt/apt.conf.d/9": 'A "b";'},
    ),
    (
        "apt-key",
        machine(
            {"/etc/apt/keyrings/k.gpg": "k"},
            {
                (
                    "sha256sum",
                    "--",
                    "/etc/apt/keyrings/k.gpg",
                ): f"{'1' * 64}  /etc/apt/keyrings/k.gpg\n"
            },
        ),
        {"/etc/apt/keyrings/k.gpg": "1" * 12},
    ),
    (
        "kernel",
        machine(
            {
                "/proc/cmdline": "BOOT_IMAGE=/vmlinuz-6 root=UUID=1 ro iommu=pt\n",
                "/proc/sys/kernel/osrelease": "6.1\n",
            }
        ),
        {"release": "6.1", "command line": "ro iommu=pt"},
    ),
    (
        "module-option",
        machine(
            {
                "/etc/modprobe.d/a.conf": "options nvidia x=1\n",
                "/etc/modprobe.d/a.txt": "no",
                "/etc/modules": "# none\n",
            }
        ),
        {"/etc/modprobe.d/a.conf": "options nvidia x=1", "/etc/modules": "(empty)"},
    ),
    (
        "driver",
        machine(
            {
                "/sys/module/nvidia/version": "580.1\n",
                "/sys/module/nvidia/parameters/a": "1\n",
                "/sys/module/ext4/version": "9",
            }
        ),
        {"nvidia version": "580.1", "nvidia a": "1"},
    ),
    (
        "firmware",
        machine(
            {
                "/sys/class/dmi/id/bios_version": "F5\n",
                "/proc/cpuinfo": "microcode\t: 0xa1\n",
                "/sys/class/nvme/nvme0/firmware_rev": "1B\n",
            }
        ),
        {"bios_version": "F5", "microcode": "0xa1", "nvme0 firmware": "1B"},
    ),
    (
        "firmware",
        machine(
            {
                "/sys/class/infiniband/mlx5_0/fw_ver": "28.39.1002\n",
                "/sys/class/block/sda": link("../../devices/pci0000:00/ata1/block/sda"),
                "/sys/class/block/sda/device/wwid": "naa.5002538e\n",
                "/sys/class/block/sda/device/rev": "1B6Q\n",
                "/sys/class/block/sdb": link("../../devices/pci0000:00/usb1/1-2/block/sdb"),
                "/sys/class/block/sdb/device/wwid": "naa.stick\n",
                "/sys/class/block/sdb/device/rev": "1.0\n",
                "/sys/class/block/sda1": link("../../devices/pci0000:00/ata1/block/sda/sda1"),
            }
        ),
        {"mlx5_0 firmware": "28.39.1002", "naa.5002538e firmware": "1B6Q"},
    ),
    (
        "sysctl",
        machine(
            {
                "/proc/sys/vm/swappiness": "10\n",
                "/proc/sys/vm/min_free_kbytes": "1\n",
                "/proc/sys/net/ipv4/ip_local_port_range": "1\t2\n",
                "/proc/sys/net/ipv4/tcp_mem": "1 2 3\n",
            }
        ),
        {"vm.swappiness": "10", "net.ipv4.ip_local_port_range": "1 2"},
    ),
    (
        "sysctl-boot",
        machine({"/etc/sysctl.d/60-a.conf": "vm.swappiness=10\n"}),
        {"vm.swappiness": "10 (/etc/sysctl.d/60-a.conf)"},
    ),
    (
        "limit",
        machine({"/etc/security/limits.d/a.conf": "* hard nofile 9\n"}),
        {"* hard nofile": "9 (/etc/security/limits.d/a.conf)"},
    ),
    (
        "unit",
        machine(
            {
                "/etc/systemd/system/multi-user.target.wants/a.service": link("/lib/a.service"),
                "/etc/systemd/system/b.timer": link("/dev/null"),
                "/etc/systemd/system/c.service": "[Unit]",
                "/etc/systemd/system/d.service": link("/lib/systemd/system/e.service"),
            }
        ),
        {
            "a.service": "enabled (multi-user.target.wants)",
            "b.timer": "masked",
            "d.service": "enabled (alias of e.service)",
        },
    ),
    (
        "unit-file",
        machine(
            {
                "/etc/systemd/system/c.service": "[Service]\nExecStart=/x\n",
                "/etc/systemd/system/c.service.d/o.conf": "; no\n[Service]\nA=1\n",
                "/etc/systemd/journald.conf.d/j.conf": "[Journal]\n",
            }
        ),
        {
            "/etc/systemd/system/c.service": "[Service]; ExecStart=/x",
            "/etc/systemd/system/c.service.d/o.conf": "[Service]; A=1",
            "/etc/systemd/journald.conf.d/j.conf": "[Journal]",
        },
    ),
    (
        "mount",
        machine(
            {
                "/proc/self/mountinfo": "25 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
                "26 1 0:5 / /run rw - tmpfs tmpfs rw\n27 1 8:2 / /data rw,noatime - xfs /dev/sdb rw\n"
                "28 1 8:3 / /media/stick rw - vfat /dev/sdc rw\n29 1 0:9 / /nfs ro - nfs4 s:/x ro\n",
                "/proc/swaps": "Filename Type Size Used Priority\n/swap.img file 1024 0 -2\n",
            }
        ),
        {
            "/": "ext4 defaults",
            "/data": "xfs noatime",
            "/nfs": "nfs4 from s:/x ro",
            "swap /swap.img": "file",
        },
    ),
    (
        "fstab",
        machine(
            {"/etc/fstab": "UUID=1 /data xfs noatime,nofail 0 0\n/swap.img none swap sw 0 0\n"}
        ),
        {"/data": "xfs noatime,nofail", "swap /swap.img": "swap sw"},
    ),
    (
        "fstab-device",
        machine({"/etc/fstab": "UUID=1 /data xfs noatime 0 0\n"}),
        {"/data": "UUID=1"},
    ),
    (
        "daemon-json",
        machine(
            {"/etc/docker/daemon.json": '{"log-opts": {"max-size": "1m"}, "live-restore": true}'}
        ),
        {"log-opts.max-size": "1m", "live-restore": "true"},
    ),
    (
        "image",
        machine({"/var/lib/docker/image/overlay2/repositories.json": REPOSITORIES}),
        {"lab:1": "a" * 12, "lab:2": f"{'b' * 12} (digest {'c' * 12})"},
    ),
    (
        "cdi",
        machine(
            {
                "/etc/cdi/nvidia.yaml": "cdiVersion: '0.6.0'\nkind: nvidia.com/gpu\ndevices:\n- name: '0'\n"
            }
        ),
        {"/etc/cdi/nvidia.yaml": "0"},
    ),
    (
        "cuda-link",
        machine(
            {
                "/usr/local/cuda": link("/usr/local/cuda-12.8"),
                "/usr/local/bin/x": "x",
                "/usr/local/cuda-12.8/bin/nvcc": "x",
            }
        ),
        {"/usr/local/cuda": "/usr/local/cuda-12.8", "/usr/local/cuda-12.8": "folder"},
    ),
    (
        "user",
        machine(
            {
                "/etc/passwd": "root:x:0:0:r:/root:/bin/bash\nalice:x:1000:1000::/home/alice:/bin/sh\n"
                "bin:x:2:2::/bin:/usr/sbin/nologin\nnobody:x:65534:65534::/:/usr/sbin/nologin\n"
            }
        ),
        {
            "root": "uid 0, gid 0, /root, /bin/bash",
            "alice": "uid 1000, gid 1000, /home/alice, /bin/sh",
        },
    ),
    (
        "group",
        machine({"/etc/group": "docker:x:9:bob,alice\nempty:x:10:\n"}),
        {"docker": "alice, bob"},
    ),
    (
        "sudo",
        machine({"/etc/sudoers": "# x\nroot ALL=(ALL) ALL\n"}),
        {"/etc/sudoers": "root ALL=(ALL) ALL"},
    ),
    (
        "cron",
        machine({"/etc/crontab": "1 * * * * root x\n", "/etc/cron.d/.placeholder": "x"}),
        {"/etc/crontab": "1 * * * * root x"},
    ),
    (
        "etc-file",
        machine({"/etc/environment": "A=1\n", "/etc/profile.d/x.sh": "y\n"}),
        {"/etc/environment": "A=1", "/etc/profile.d/x.sh": "y"},
    ),
]


@pytest.mark.parametrize(
    ("area", "seen", "facts"), CASES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_an_area_tells_its_facts(area: str, seen: FakeMachine, facts: dict[str, str]) -> None:
    assert BY_NAME[area].observe(seen) == facts


def test_every_area_is_tested_here_or_below() -> None:
    assert {area.name for area in AREAS} - {case[0] for case in CASES} == {"gpu", "etc"}


def test_a_packaged_file_is_told_only_when_it_is_not_as_packaged() -> None:
    asked = ("md5sum", "--", "/etc/bash.bashrc", "/etc/gone.conf", "/etc/same.conf")
    seen = machine(
        {"/etc/bash.bashrc": "export LAB=1\n", "/etc/same.conf": "abc"},
        {
            asked: Completed(
                asked,
                1,
                f"{'0' * 32}  /etc/bash.bashrc\n900150983cd24fb0d6963f7d28e17f72  /etc/same.conf\n",
                "gone",
            )
        },
    )
    assert observe_changed(seen) == {
        "/etc/bash.bashrc": "not as packaged: export LAB=1 (md5 000000000000)",
        "/etc/gone.conf": "deleted",
    }


def test_a_file_that_may_not_be_read_is_unread_not_absent() -> None:
    seen = machine({"/etc/sudoers": "x"}, errors={})
    seen.errors["/etc/sudoers"] = Unobservable("/etc/sudoers: permission denied")
    assert BY_NAME["sudo"].observe(seen) == {"/etc/sudoers": UNREAD}


def test_an_area_that_cannot_be_looked_at_is_unread_and_one_that_is_not_there_is_empty() -> None:
    seen = machine(
        errors={
            "/etc/passwd": Unobservable("/etc/passwd: input/output error"),
            "/etc/group": Missing("/etc/group: not found"),
        }
    )
    taken = observe_fingerprint(seen, with_gpus(), profile())
    assert "passwd" in taken.unread["user"]
    assert "user" not in taken.facts
    assert taken.facts["group"] == {}


def test_the_state_nobody_set_is_no_fact() -> None:
    """Ten days of uptime, load, clock and processes leave the fingerprint as it was."""
    files: dict[str, Any] = {
        "/proc/uptime": "5 5",
        "/proc/sys/fs/file-nr": "1 0 9\n",
        "/proc/sys/kernel/ns_last_pid": "7\n",
        "/proc/sys/kernel/random/boot_id": "x\n",
        "/proc/cmdline": "BOOT_IMAGE=/a ro\n",
        "/proc/sys/kernel/osrelease": "6.1\n",
    }
    later = files | {
        "/proc/uptime": "900000 5",
        "/proc/sys/fs/file-nr": "8 0 9\n",
        "/proc/sys/kernel/ns_last_pid": "999\n",
        "/proc/sys/kernel/random/boot_id": "y\n",
        "/proc/cmdline": "BOOT_IMAGE=/b ro\n",
    }
    first = observe_fingerprint(machine(files), with_gpus(), profile())
    second = observe_fingerprint(machine(later, clock=2e9), with_gpus(), profile())
    assert first.digests() == second.digests()


def test_a_long_or_secret_text_is_told_by_a_digest_of_the_whole() -> None:
    assert text_value("a\n\n# b\n  c  d\n") == "a; c d"
    assert text_value("") == "(empty)"
    first, second = (text_value(f"Environment=API_TOKEN=abcdefgh{number}xyz") for number in (1, 2))
    assert "abcdefgh" not in first
    assert first != second
    assert text_value("x" * 500).startswith("x" * 240 + "… (sha256 ")
