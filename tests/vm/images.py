"""Builds the disk, kernel and initial ramdisk of a virtual machine from the same root as the nodes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.node.images import CACHE, image_key, install, made_once, node_root, shell

KERNEL = "linux-image-cloud-amd64"
DESKTOP_KERNEL = "linux-image-amd64"  # the one that has nouveau
PACKAGES = ("initramfs-tools", "zstd", "openssh-server", "docker.io", "iptables",
            "xfsprogs", "rsync", "chrony", "curl", "fio", "nvme-cli", "pciutils", "smartmontools")
DISK_SIZE = "8G"
NETWORK = "[Match]\nName=e*\n[Network]\nDHCP=yes\n"
KEY_UNIT = """[Unit]
Description=Let in the key named on the kernel command line
Before=ssh.service
[Service]
Type=oneshot
ExecStart=/bin/sh -ec 'umask 077; mkdir -p /root/.ssh; \\
  sed -n "s/.*bed.key=\\\\([^ ]*\\\\).*/\\\\1/p" /proc/cmdline | base64 -d >/root/.ssh/authorized_keys'
[Install]
WantedBy=multi-user.target
"""


def make_root(suite: str, root: Path, kernel: str = KERNEL) -> None:
    """Make the file tree of a virtual machine: the node's, with a kernel, SSH, Docker and a network."""
    shell(["cp", "-a", "--reflink=auto", node_root(suite), root])
    more = ("docker-cli",) if suite != "bookworm" else ()
    install(root, kernel, *PACKAGES, *more)
    make_bootable(suite, root)


def make_bootable(suite: str, root: Path) -> None:
    """Give a file tree that has a kernel and an SSH server what a virtual machine of the bed starts with."""
    (root / "etc/resolv.conf").write_text("nameserver 10.0.2.3\n")
    (root / "etc/systemd/network/20-bed.network").write_text(NETWORK)
    (root / "etc/systemd/system/bed-key.service").write_text(KEY_UNIT)
    (root / "etc/fstab").write_text("LABEL=system / ext4 defaults 0 1\n")
    (root / "etc/hostname").write_text(f"vm-{suite}\n")
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost vm-{suite}\n")
    shell(["systemctl", f"--root={root}", "enable", "systemd-networkd", "bed-key.service", "ssh.service"])


def fill_disk(root: Path, folder: Path) -> None:
    """Turn a bootable file tree into `disk.raw`, `vmlinuz` and `initrd.img` in `folder`; the tree is gone then."""
    for name in ("vmlinuz", "initrd.img"):
        newest = max((root / "boot").glob(f"{name}-*"))
        shutil.copy(newest, folder / name)
    shell(["truncate", "-s", DISK_SIZE, folder / "disk.raw"])
    shell(["mkfs.ext4", "-q", "-F", "-L", "system", "-d", root, folder / "disk.raw"])
    shutil.rmtree(root)


def machine_folder(suite: str, kernel: str = KERNEL) -> Path:
    """Return a folder with `disk.raw`, `vmlinuz` and `initrd.img` of a suite and a kernel's package."""

    def make(folder: Path) -> None:
        folder.mkdir(parents=True)
        make_root(suite, folder / "root", kernel)
        fill_disk(folder / "root", folder)

    key = image_key(suite, Path(__file__).read_text())
    return made_once(CACHE / "machines" / kernel / f"{suite}-{key}", make)


if __name__ == "__main__":
    print(machine_folder(os.environ.get("SUITE", "bookworm")))
