"""Disks that belong to somebody: each function lays one out with the real tool, or byte by byte where said."""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from tests.roles.data_disks.bench import MIB, SIZE, Loop, need, sh


@dataclass(frozen=True)
class Layout:
    """How a disk is laid out, and a word that the refusal must hold."""

    name: str
    make: Callable[[Loop], None]
    reason: str


def _mbr(disk: Loop) -> None:
    need("parted")
    sh("parted", "-s", disk.path, "mklabel", "msdos", "mkpart", "primary", "1MiB", "100%")


def _gpt(disk: Loop) -> None:
    need("sgdisk")
    sh("sgdisk", "-n", "1:2048:0", disk.path)


def _gpt_without_primary(disk: Loop) -> None:
    _gpt(disk)
    disk.write(0, bytes(34 * 512))


def _gpt_protective_only(disk: Loop) -> None:
    _gpt(disk)
    disk.write(512, bytes(33 * 512))


def _tool(*argv: str) -> Callable[[Loop], None]:
    def make(disk: Loop) -> None:
        need(argv[0])
        sh(*argv, disk.path)
    return make


def _lvm(disk: Loop) -> None:
    need("pvcreate")
    config = f'devices {{ use_devicesfile=0 global_filter=["a|^{disk.path}$|","r|.*|"] }} global {{ locking_type=0 }}'
    done = subprocess.run(["pvcreate", "-ff", "-y", "--config", config, disk.path], capture_output=True, check=False)
    if done.returncode:  # no device mapper in this kernel: the label as pvcreate writes it (lvm2 format_text)
        header = b"LABELONE" + struct.pack("<QII8s", 1, 0, 32, b"LVM2 001")
        disk.write(512, header + b"Zt1fVmYpS0f8Xq2eWc9uLr4kHn6dBj3a" + bytes(64))


def _md1(offset: int) -> Callable[[Loop], None]:
    """Return a version 1.x md superblock written by hand (linux/raid/md_p.h): this kernel may lack md."""
    def make(disk: Loop) -> None:
        sector = offset % SIZE // 512
        block = bytearray(256)
        struct.pack_into("<IIII16s32s", block, 0, 0xA92B4EFC, 1, 0, 0, b"0123456789abcdef", b"host:0")
        struct.pack_into("<QIIQII", block, 72, 1, 1, 0, 1000, 0, 2)
        struct.pack_into("<QQQ", block, 128, 2048, 1000, sector)
        total = sum(struct.unpack("<64I", bytes(block)))
        struct.pack_into("<I", block, 216, ((total & 0xFFFFFFFF) + (total >> 32)) & 0xFFFFFFFF)
        disk.write(offset % SIZE, bytes(block))
    return make


def _md090(disk: Loop) -> None:
    block = bytearray(4096)
    struct.pack_into("<IIIII", block, 0, 0xA92B4EFC, 0, 90, 0, 0)
    struct.pack_into("<I", block, 20, 0x11223344)
    disk.write((SIZE & ~0xFFFF) - 0x10000, bytes(block))


def _luks(version: int) -> Callable[[Loop], None]:
    def make(disk: Loop) -> None:
        need("cryptsetup")
        done = subprocess.run(
            ["cryptsetup", "luksFormat", "--batch-mode", "--type", f"luks{version}", "--pbkdf", "pbkdf2",
             "--pbkdf-force-iterations", "1000", "--key-file", "-", disk.path],
            input=b"secret", capture_output=True, check=False,
        )
        if done.returncode:  # no kernel crypto here: the header as the on-disk format gives it
            disk.write(0, b"LUKS\xba\xbe" + struct.pack(">H", version) + b"\0" * 160 + b"12345678-1234-1234")
            if version == 2:
                disk.write(0x4000, b"SKUL\xba\xbe" + struct.pack(">HQ", 2, 0x4000) + b"\0" * 200 + b"1234")
    return make


def _luks2_secondary(disk: Loop) -> None:
    _luks(2)(disk)
    disk.write(0, bytes(4096))


def _zfs(labels: tuple[int, ...]) -> Callable[[Loop], None]:
    """Return ZFS labels written by hand (four of 256 KiB; uberblock magic from 128 KiB of each, every 1 KiB)."""
    def make(disk: Loop) -> None:
        starts = (0, 256 << 10, SIZE - (512 << 10), SIZE - (256 << 10))
        for label in labels:
            for number in range(128):
                uberblock = struct.pack("<QQQQQ", 0x00BAB10C, 5000, 100 + number, 7, 1_700_000_000)
                disk.write(starts[label] + (128 << 10) + number * 1024, uberblock)
    return make


def _iso(disk: Loop) -> None:
    need("genisoimage")
    sh("genisoimage", "-quiet", "-o", f"{disk.image}.iso", "/etc/hostname")
    with open(f"{disk.image}.iso", "rb") as stream:
        disk.write(0, stream.read())
    os.unlink(f"{disk.image}.iso")


def _fat_boot_sector(disk: Loop) -> None:
    need("mkfs.vfat")
    sh("mkfs.vfat", "-I", "-F", "32", disk.path)
    with open(disk.path, "r+b", buffering=0) as stream:
        stream.seek(512)
        for _ in range(SIZE // MIB - 1):
            stream.write(bytes(MIB))


def _ext4_at_1mib(disk: Loop) -> None:
    need("mkfs.ext4")
    sh("mkfs.ext4", "-q", "-F", "-E", f"offset={MIB}", disk.path, "100M")


def _bytes(offset: int, data: bytes) -> Callable[[Loop], None]:
    return lambda disk: disk.write(offset, data)


_NTFS = b"\xeb\x52\x90NTFS    " + struct.pack("<HB", 512, 8) + bytes(26) + struct.pack("<Q", SIZE // 512 - 1) \
    + struct.pack("<QQII", 4, 2, 0xF6, 1) + bytes(430) + b"\x55\xaa"
_BITLOCKER = b"\xeb\x58\x90-FVE-FS-" + bytes(499) + b"\x55\xaa"

LAYOUTS = (
    Layout("mbr", _mbr, "partition table dos"),
    Layout("gpt", _gpt, "partition table gpt"),
    Layout("gpt-primary-wiped", _gpt_without_primary, "gpt|has data"),
    Layout("gpt-protective-mbr-only", _gpt_protective_only, "partition table"),
    Layout("ext4", _tool("mkfs.ext4", "-q", "-F"), "type ext4"),
    Layout("xfs-foreign", _tool("mkfs.xfs", "-q", "-L", "other"), "type xfs, label other"),
    Layout("btrfs", _tool("mkfs.btrfs", "-q"), "type btrfs"),
    Layout("swap", _tool("mkswap"), "type swap"),
    Layout("lvm-pv", _lvm, "LVM2_member"),
    Layout("md-1.2", _md1(4096), "linux_raid_member"),
    Layout("md-1.1", _md1(0), "linux_raid_member"),
    Layout("md-1.0-at-end", _md1(-8192), "linux_raid_member"),
    Layout("md-0.90-at-end", _md090, "linux_raid_member|has data"),
    Layout("luks1", _luks(1), "crypto_LUKS"),
    Layout("luks2", _luks(2), "crypto_LUKS"),
    Layout("luks2-primary-wiped", _luks2_secondary, "crypto_LUKS|has data"),
    Layout("zfs", _zfs((0, 1, 2, 3)), "zfs_member"),
    Layout("zfs-first-label-lost", _zfs((1,)), "zfs|has data"),
    Layout("zfs-end-labels-only", _zfs((2, 3)), "zfs|has data"),
    Layout("iso9660", _iso, "iso9660"),
    Layout("fat", _tool("mkfs.vfat", "-I", "-F", "32"), "type vfat"),
    Layout("fat-boot-sector-alone", _fat_boot_sector, "partition table dos|type vfat|has data"),
    Layout("ext4-at-1-MiB-without-table", _ext4_at_1mib, f"type ext4.* starting at byte {MIB}"),
    Layout("ntfs", _bytes(0, _NTFS), "ntfs|has data"),
    Layout("bitlocker", _bytes(0, _BITLOCKER), "BitLocker|has data"),
    Layout("vmfs", _bytes(MIB, b"\x0d\xd0\x01\xc0" + bytes(200) + b"vm"), "VMFS|has data"),
    Layout("apfs", _bytes(32, b"NXSB" + struct.pack("<I", 4096)), "apfs|has data"),
    Layout("ceph-bluestore", _bytes(0, b"bluestore block device\n12345678"), "ceph_bluestore|has data"),
    Layout("bcache", _bytes(4096, struct.pack("<QQQ", 0, 8, 0) + bytes.fromhex(
        "c68573f64e1a45ca8265f57f48ba6d81") + b"u" * 16), "bcache|has data"),
    Layout("garbage-in-last-MiB", _bytes(-300_000, b"\xde\xad\xbe\xef"), f"byte {SIZE - 300_000} "),
    Layout("garbage-in-last-byte", _bytes(-1, b"\x01"), f"byte {SIZE - 1} "),
    Layout("garbage-in-the-middle", _bytes(SIZE // 2 + 12345, b"\x01"), f"byte {SIZE // 2 + 12345} "),
    Layout("garbage-in-the-middle-of-the-first-half", _bytes(SIZE // 4 + 777, b"x"), f"byte {SIZE // 4 + 777} "),
)
