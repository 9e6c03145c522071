"""Changes people make that no profile speaks of, and what `firstlight drift` must say of each."""

from __future__ import annotations

import re
from dataclasses import dataclass

DEBS = r"""
deb() {  # NAME VERSION
  mkdir -p "$work/$1-$2/DEBIAN"
  printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: lab <lab@localhost>\nDescription: lab\n' "$1" "$2" \
    >"$work/$1-$2/DEBIAN/control"
  dpkg-deb -b "$work/$1-$2" "/opt/$1_$2.deb" >/dev/null
}
work=$(mktemp -d)
deb labtool 1.0; deb labtool 2.0; deb labextra 1.0; deb labgone 3.1
apt-get install -y -qq /opt/labtool_1.0.deb /opt/labgone_3.1.deb >/dev/null
"""
# What stands on the machine before anybody changes it.
BEFORE = (
    DEBS
    + r"""
useradd -m alice
mkdir -p /opt/cuda-12.4 /opt/cuda-12.8 /etc/cdi
ln -sfn /opt/cuda-12.8 /usr/local/cuda
printf 'cdiVersion: "0.6.0"\nkind: nvidia.com/gpu\ndevices:\n- name: "0"\n' >/etc/cdi/nvidia.yaml
tar -C /etc -c hostname | docker import - lab:1 >/dev/null
tar -C /etc -c passwd | docker import - other:1 >/dev/null
systemctl enable -q dpkg-db-backup.timer
sleep 1
"""
)


@dataclass(frozen=True)
class Change:
    """A change as the shell somebody would type. `before` and `after` are patterns of the whole value; "" is absent.

    `cause` is a pattern that must be in what is named as the cause; `timed`: it left a trace of the moment.
    """

    name: str
    script: str
    area: str
    key: str
    before: str
    after: str
    cause: str = ""
    timed: bool = True

    def matches(self, drift: dict[str, object]) -> bool:
        """Return whether a drift of the report says exactly this change."""
        return bool(
            (drift["area"], drift["key"]) == (self.area, self.key)
            and re.fullmatch(self.before, str(drift["before"]))
            and re.fullmatch(self.after, str(drift["after"]))
            and re.search(self.cause, str(drift["cause"]))
        )


IMAGE = r"[0-9a-f]{12}"
CHANGES = (
    Change(
        "package upgraded",
        "apt-get install -y -qq /opt/labtool_2.0.deb >/dev/null",
        "package",
        "labtool",
        r"1\.0",
        r"2\.0",
        "apt-get install",
    ),
    Change(
        "package installed",
        "dpkg -i /opt/labextra_1.0.deb >/dev/null",
        "package",
        "labextra",
        "",
        r"1\.0",
        "dpkg",
    ),
    Change(
        "package removed",
        "apt-get purge -y -qq labgone >/dev/null",
        "package",
        "labgone",
        r"3\.1",
        "",
        "apt-get purge",
    ),
    Change("package held", "apt-mark hold rsync >/dev/null", "package-hold", "rsync", "", "held"),
    Change(
        "apt source added",
        "echo 'deb [trusted=yes] http://lab.invalid/debian stable main' "
        ">/etc/apt/sources.list.d/lab.list",
        "apt-source",
        "/etc/apt/sources.list.d/lab.list",
        "",
        "deb .*lab.invalid.*",
    ),
    Change(
        "package pinned",
        "printf 'Package: labtool\\nPin: version 1.*\\nPin-Priority: 1001\\n' >/etc/apt/preferences.d/lab",
        "apt-pin",
        "/etc/apt/preferences.d/lab",
        "",
        "Package: labtool; .*1001",
    ),
    Change(
        "key added",
        "echo key >/usr/share/keyrings/lab.gpg",
        "apt-key",
        "/usr/share/keyrings/lab.gpg",
        "",
        IMAGE,
    ),
    Change(
        "user in group docker",
        "usermod -aG docker alice",
        "group",
        "docker",
        "",
        "alice",
        "usermod",
    ),
    Change(
        "account made",
        "useradd -m -s /bin/bash bob",
        "user",
        "bob",
        "",
        "uid .*, /home/bob, /bin/bash",
        "useradd",
    ),
    Change(
        "sudo without a password",
        "mkdir -p /etc/sudoers.d; echo 'alice ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/alice",
        "sudo",
        "/etc/sudoers.d/alice",
        "",
        "alice ALL=.*",
    ),
    Change("image retagged", "docker tag other:1 lab:1", "image", "lab:1", IMAGE, IMAGE),
    Change("image added", "docker tag other:1 other:2", "image", "other:2", "", IMAGE),
    Change(
        "unit masked",
        "systemctl mask -q fstrim.timer",
        "unit",
        "fstrim.timer",
        "(enabled.*)?",
        "masked",
    ),
    Change(
        "unit disabled",
        "systemctl disable -q dpkg-db-backup.timer",
        "unit",
        "dpkg-db-backup.timer",
        "enabled .*",
        "",
    ),
    Change(
        "drop-in added",
        "mkdir -p /etc/systemd/system/docker.service.d; printf '[Service]\\nEnvironment=LAB=1\\n' "
        ">/etc/systemd/system/docker.service.d/lab.conf",
        "unit-file",
        "/etc/systemd/system/docker.service.d/lab.conf",
        "",
        r"\[Service\]; Environment=LAB=1",
    ),
    Change(
        "module option",
        "echo 'options nvidia NVreg_EnableGpuFirmware=0' >/etc/modprobe.d/lab.conf",
        "module-option",
        "/etc/modprobe.d/lab.conf",
        "",
        "options nvidia .*=0",
    ),
    Change(
        "module at boot",
        "echo br_netfilter >/etc/modules-load.d/lab.conf",
        "module-option",
        "/etc/modules-load.d/lab.conf",
        "",
        "br_netfilter",
    ),
    Change(
        "kernel value live",
        "sysctl -q -w net.ipv4.tcp_keepalive_time=600",
        "sysctl",
        "net.ipv4.tcp_keepalive_time",
        "7200",
        "600",
        timed=False,
    ),
    Change(
        "kernel value at boot",
        "echo net.ipv4.tcp_fin_timeout=30 >/etc/sysctl.d/70-lab.conf",
        "sysctl-boot",
        "net.ipv4.tcp_fin_timeout",
        "",
        r"30 \(/etc/sysctl.d/70-lab.conf\)",
    ),
    Change(
        "limit of one user",
        "echo 'alice hard nproc 100' >/etc/security/limits.d/lab.conf",
        "limit",
        "alice hard nproc",
        "",
        r"100 \(/etc/security/limits.d/lab.conf\)",
    ),
    Change(
        "cron job",
        "mkdir -p /etc/cron.d; echo '0 3 * * * root /opt/lab' >/etc/cron.d/lab",
        "cron",
        "/etc/cron.d/lab",
        "",
        r"0 3 \* \* \* root /opt/lab",
    ),
    Change(
        "packaged file edited",
        "echo 'export LAB=1' >>/etc/bash.bashrc",
        "etc",
        "/etc/bash.bashrc",
        "",
        "not as packaged: .*",
    ),
    Change(
        "daemon.json extended",
        "sed -i '0,/{/s//{\"debug\": true,/' /etc/docker/daemon.json",
        "daemon-json",
        "debug",
        "",
        "true",
    ),
    Change(
        "fstab line added",
        "echo '/dev/disk/by-label/lab /lab xfs noatime,nofail 0 0' >>/etc/fstab",
        "fstab",
        "/lab",
        "",
        "xfs noatime,nofail",
    ),
    Change(
        "CUDA link turned",
        "ln -sfn /opt/cuda-12.4 /usr/local/cuda",
        "cuda-link",
        "/usr/local/cuda",
        "/opt/cuda-12.8",
        "/opt/cuda-12.4",
    ),
    Change(
        "CDI device added",
        "printf -- '- name: \"1\"\\n' >>/etc/cdi/nvidia.yaml",
        "cdi",
        "/etc/cdi/nvidia.yaml",
        "[^1]*",
        ".*1.*",
    ),
    Change(
        "environment for everybody",
        "echo LD_LIBRARY_PATH=/usr/local/cuda/lib64 >>/etc/environment",
        "etc-file",
        "/etc/environment",
        r"(\(empty\))?",
        "LD_LIBRARY_PATH=.*",
    ),
)
# The device column of a new fstab line is a fact of its own.
SIDE_EFFECTS = {("fstab-device", "/lab")}
