"""Changes somebody makes behind our back, as the shell they would type."""

from __future__ import annotations

from dataclasses import dataclass

ENGINE = ("container.", "images.")  # the areas that ask Docker Engine


@dataclass(frozen=True)
class Drift:
    """A change by hand, the one check that must find it, and the repair where no role owns it.

    `blinds`: the areas whose other checks can no longer look, and say so (unknown), until it is repaired.
    """

    name: str
    script: str
    check: str
    by_hand: str = ""
    blinds: tuple[str, ...] = ()


CONTAINER = (
    Drift("kernel value changed live", "sysctl -q -w vm.swappiness=60", "kernel.sysctl"),
    Drift("kernel value changed in our file",
          "sed -i 's/^vm.swappiness.*/vm.swappiness = 55/' /etc/sysctl.d/60-firstlight.conf", "kernel.sysctl-boot"),
    Drift("a later file overrides a kernel value", "echo vm.swappiness=99 >/etc/sysctl.d/99-tuning.conf",
          "kernel.sysctl-boot"),
    Drift("our kernel file deleted", "rm /etc/sysctl.d/60-firstlight.conf", "kernel.sysctl-boot"),
    Drift("login limit lowered", "sed -i 's/16384/4096/' /etc/security/limits.d/60-firstlight.conf",
          "system.limits-login"),
    Drift("a later file lowers the login limit",
          "printf '* hard nofile 2048\\n* soft nofile 2048\\n' >/etc/security/limits.d/95-lab.conf",
          "system.limits-login"),
    Drift("service limit changed",
          "sed -i 's/^DefaultLimitNOFILE=.*/DefaultLimitNOFILE=2048:4096/' "
          "/etc/systemd/system.conf.d/60-firstlight.conf; systemctl daemon-reexec; sleep 1", "system.limits-service"),
    Drift("slice edited", "f=$(systemctl show -P FragmentPath ai.slice); sed -i 's/^CPUWeight=.*/CPUWeight=500/' $f; "
          "systemctl daemon-reload", "system.slice"),
    Drift("slice overridden by a drop-in", "mkdir -p /etc/systemd/system/ai.slice.d; "
          "printf '[Slice]\\nMemoryMax=1G\\nMemoryHigh=512M\\n' >/etc/systemd/system/ai.slice.d/99-lab.conf; "
          "systemctl daemon-reload", "system.slice"),
    Drift("slice deleted", "rm -r /etc/systemd/system/ai.slice*; systemctl daemon-reload", "system.slice"),
    Drift("upgrade blacklist gone", "sed -i '/Blacklist/,/};/d' /etc/apt/apt.conf.d/60-firstlight",
          "system.unattended-upgrades"),
    Drift("package removed", "dpkg -r --force-depends fio >/dev/null", "system.packages"),
    Drift("package half configured",
          "sed -i '/^Package: rsync$/,/^$/s/^Status: .*/Status: install ok half-configured/' /var/lib/dpkg/status",
          "system.dpkg-audit"),
    Drift("package cut off while it was unpacked",
          "rm /usr/share/zoneinfo/Europe/Paris; sed -i '/^Package: tzdata$/,/^$/s/^Status: .*/Status: install "
          "reinstreq half-installed/' /var/lib/dpkg/status", "system.dpkg-audit"),
    Drift("backup timer switched off", "systemctl disable -q --now firstlight-backup-models.timer",
          "system.backup-timers"),
    Drift("backup unit deleted", "systemctl stop firstlight-backup-models.timer; "
          "rm /etc/systemd/system/firstlight-backup-models.*; systemctl daemon-reload", "system.backup-timers"),
    Drift("log rotation taken out of daemon.json",
          """python3 - <<'END'
import json
path = "/etc/docker/daemon.json"
values = json.load(open(path))
del values["log-opts"]
json.dump(values, open(path, "w"), indent=2)
END
systemctl restart docker""", "container.daemon-json"),
    Drift("daemon.json cut in half",
          "head -c 40 /etc/docker/daemon.json >/tmp/half; cat /tmp/half >/etc/docker/daemon.json",
          "container.daemon-json", blinds=ENGINE),
    Drift("NVIDIA runtime no longer registered",
          """python3 - <<'END'
import json
path = "/etc/docker/daemon.json"
values = json.load(open(path))
del values["runtimes"]
json.dump(values, open(path, "w"), indent=2)
END
systemctl restart docker""", "container.nvidia-runtime"),
    Drift("Docker stopped", "systemctl stop -q docker.socket docker.service", "container.docker-service",
          blinds=ENGINE),
    Drift("Docker will not start at boot", "systemctl disable -q docker.service", "container.docker-service"),
    Drift("toolkit no longer held", "apt-mark unhold nvidia-container-toolkit >/dev/null", "container.toolkit-pin"),
    Drift("clock service off", "systemctl disable -q systemd-timesyncd", "system.time-sync",
          by_hand="systemctl enable -q systemd-timesyncd"),
)

DISK_MACHINE = (
    Drift("data disk remounted without noatime", "mount -o remount,strictatime /data", "storage.mount-options"),
    Drift("data disk's line gone from fstab", "sed -i '\\# /data #d' /etc/fstab", "storage.fstab"),
    Drift("swap off", "swapoff -a", "system.swap"),
    Drift("kernel value changed live", "sysctl -q -w net.core.somaxconn=128", "kernel.sysctl"),
    Drift("Docker stopped", "systemctl stop -q docker.socket docker.service", "container.docker-service",
          blinds=ENGINE),
    Drift("data disk full", "fallocate -l $(($(df --output=avail -B1 /data | tail -n 1) * 99 / 100)) /data/junk",
          "storage.disk-space", by_hand="rm /data/junk"),
    Drift("clock service off", "systemctl disable -q --now chrony", "system.time-sync",
          by_hand="systemctl enable -q --now chrony"),
)
