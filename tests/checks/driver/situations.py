"""Situations of a driver, by name: the machine, and (check, verdict, word of its cause) that must be found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from agent.machine.api import FileStatus
from agent.machine.journal import DMESG_ARGV, KERNEL_ARGV
from agent.machine.systemd import OTHERS, units_argv
from tests.checks.driver.machines import (
    ABSENT,
    ADDRESS,
    BLACKLIST,
    KERNEL,
    KEYS,
    LIBRARIES,
    NEWER,
    OLD,
    OTHER,
    SECURE_BOOT,
    UNLOADED,
    VERSION,
    driver,
    kernel_files,
    modinfo,
    module_path,
    nvml,
    packages,
    unit,
)
from tests.checks.findings import DENIED
from tests.fixtures import FakeMachine, link, mode

MODINFO, NEXT_MODINFO = ("modinfo", module_path(KERNEL)), ("modinfo", module_path(NEWER))
NVIDIA_LIST = "deb [signed-by=/x.gpg] https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2404/x86_64/ /\n"
REFUSED = {KERNEL_ARGV: "", DMESG_ARGV: "<4>[    9.1] Loading of module with unavailable key is rejected\n"}


@dataclass(frozen=True)
class Situation:
    """A machine, what must be found on it, and the profile's sections for it."""

    machine: FakeMachine
    wanted: tuple[str, str, str]
    gpu: dict[str, Any] = field(default_factory=lambda: {"driver": {"enabled": True, "branch": "580"}})


def _of(check: str, verdict: str, word: str, files: Any = None, *, gpu: Any = None, **more: Any) -> Situation:
    machine = driver(files, **more)
    wanted = (f"driver.{check}", verdict, word)
    return Situation(machine, wanted) if gpu is None else Situation(machine, wanted, gpu)


def _profile(**values: Any) -> dict[str, Any]:
    return {"driver": {"enabled": True, **values}}


_DKMS = "/var/lib/dkms/nvidia/580.95.05"
_NEWER = kernel_files(NEWER)
_NO_MODULE = {f"/lib/modules/{KERNEL}/modules.dep": "kernel/fs/xfs/xfs.ko.zst:\n"}
_NOUVEAU = {**UNLOADED, "/sys/module/nouveau/version": "1", f"/sys/bus/pci/devices/{ADDRESS}/driver":
            link("../../../../bus/pci/drivers/nouveau")}

SITUATIONS: dict[str, Situation] = {
    "healthy": _of("module", "pass", "same version"),
    "no-driver": _of("module", "fail", "none is installed", ABSENT),
    "nouveau-holds-the-card": _of("module", "fail", "nouveau", {**_NOUVEAU, BLACKLIST: None}),
    "nouveau-unblocked": _of("nouveau", "fail", "nothing blocks it", {**_NOUVEAU, BLACKLIST: None}),
    "nouveau-until-reboot": _of("nouveau", "fail", "a reboot ends it", _NOUVEAU),
    "not-built-no-headers": _of("module", "fail", "headers are not installed", {
        **UNLOADED, **_NO_MODULE, f"/lib/modules/{KERNEL}/build/Makefile": None,
        f"{_DKMS}/source": link("/usr/src/x")}),
    "build-failed": _of("module", "fail", "the last build failed", {
        **UNLOADED, **_NO_MODULE,
        f"{_DKMS}/build/make.log": "gcc\nerror: no member named x\nmake: *** [nv.o] Error 1\n"}),
    "libraries-only": _of("module", "fail", "only its libraries", {**UNLOADED, **_NO_MODULE}),
    "kernel-too-new": _of("module", "fail", "does not build for kernel", {
        **UNLOADED, "/proc/sys/kernel/osrelease": "6.12.1-generic\n", f"{LIBRARIES}/libnvidia-ml.so.1":
        link("libnvidia-ml.so.470.256.02"), f"{LIBRARIES}/libnvidia-ml.so.470.256.02": "",
        f"/lib/modules/{KERNEL}/modules.dep": None, f"/boot/vmlinuz-{KERNEL}": None}),
    "built-for-the-next-kernel": _of("module", "fail", "Reboot", {**UNLOADED, **_NO_MODULE, **_NEWER}),
    "unsigned": _of("module", "fail", "not signed", UNLOADED, commands={MODINFO: modinfo(signer="")}),
    "key-not-enrolled": _of("module", "fail", "not enrolled", UNLOADED, commands={MODINFO: modinfo(signer="my MOK")}),
    "key-rejected-says-the-log": _of("module", "fail", "rejected the key", {**UNLOADED, "/proc/keys": KEYS},
                                     commands=REFUSED),
    "wrong-flavour": _of("module", "fail", "takes only the open ones", UNLOADED, device="2b85",
                         commands={MODINFO: modinfo(flavour="proprietary")}),
    "modprobe-forbidden": _of("module", "fail", "told not to load it", {
        **UNLOADED, "/etc/modprobe.d/x.conf": "blacklist nvidia\n"}),
    "card-refused": _of("module", "fail", "not supported", UNLOADED, commands={
        KERNEL_ARGV: "", DMESG_ARGV: "<3>[    9.1] NVRM: The NVIDIA GPU 0000:01:00.0 is not supported\n"}),
    "not-loaded": _of("module", "fail", "was not loaded", UNLOADED),
    "mismatch": _of("module", "fail", "a reboot ends it", {
        f"{LIBRARIES}/libnvidia-ml.so.1": link(f"libnvidia-ml.so.{OTHER}"), f"{LIBRARIES}/libnvidia-ml.so.{OTHER}": ""},
        commands={MODINFO: modinfo(OTHER)}),
    "mismatch-for-good": _of("module", "fail", "does not help", {
        f"{LIBRARIES}/libnvidia-ml.so.1": link(f"libnvidia-ml.so.{OTHER}"),
        f"{LIBRARIES}/libnvidia-ml.so.{OTHER}": ""}),
    "no-library": _of("module", "fail", "library", {f"{LIBRARIES}/libnvidia-ml.so.1": None}),
    "half-updated": _of("module", "warn", "module on disk is 580.126.09", commands={MODINFO: modinfo(OTHER)}),
    "module-file-gone": _of("module", "warn", "is gone", _NO_MODULE),
    "other-branch": _of("branch", "fail", "wants branch 595", gpu=_profile(branch="595")),
    "ended-branch": _of("branch", "warn", "has ended", {
        "/sys/module/nvidia/version": "550.163.01\n"}, gpu=_profile()),
    "too-old-for-the-card": _of("version", "fail", "or newer", {"/sys/module/nvidia/version": "535.309.01\n"},
                                device="2b85", gpu=_profile()),
    "too-new-for-the-card": _of("version", "fail", "is the last for Volta", {
        "/sys/module/nvidia/version": "595.71.05\n"}, device="1db5", gpu=_profile()),
    "known-fault": _of("version", "fail", "reported on GB10", {"/sys/module/nvidia/version": "590.48.01\n"},
                       device="2e12", gpu=_profile()),
    "unknown-card": _of("version", "unknown", "do not know", device="ffff"),
    "proprietary-on-blackwell": _of("open-modules", "fail", "takes only the open", {
        "/proc/driver/nvidia/version": f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {VERSION}\n"}, device="2b85"),
    "open-on-volta": _of("open-modules", "fail", "takes only the proprietary", device="1db5"),
    "flavour-against-profile": _of("open-modules", "fail", "profile wants the proprietary", gpu=_profile(
        flavour="proprietary")),
    "flavour-untold": _of("open-modules", "unknown", "tells whether", {"/proc/driver/nvidia/version": None},
                          commands={MODINFO: f"version: {VERSION}\n"}),
    "no-uvm-node": _of("device-nodes", "warn", "/dev/nvidia-uvm", {"/dev/nvidia-uvm": None}),
    "no-nodes": _of("device-nodes", "fail", "1 of 1 /dev/nvidiaN", {
        "/dev/nvidia0": None, "/dev/nvidia-uvm": None}),
    "nodes-made-on-demand": _of("device-nodes", "pass", "nvidia-modprobe", {
        "/dev/nvidia-uvm": None, "/usr/bin/nvidia-modprobe": mode("file", 0o4755)}),
    "closed-nodes": _of("device-nodes", "fail", "Not open to all", {"/dev/nvidia0": mode("char", 0o600)}),
    "nodes-for-a-group": _of("device-nodes", "pass", "group only", {
        "/dev/nvidia0": mode("char", 0o660), "/proc/driver/nvidia/params": "DeviceFileMode: 432\n"}),
    "next-kernel-without-module": _of("next-boot", "fail", "no driver module for kernel 6.8.0-60", {
        **_NEWER, f"/lib/modules/{NEWER}/modules.dep": "kernel/fs/xfs/xfs.ko:\n"}),
    "next-module-of-other-version": _of("next-boot", "fail", f"its module is {OTHER}", _NEWER,
                                        commands={NEXT_MODINFO: modinfo(OTHER)}),
    "next-module-unsigned": _of("next-boot", "fail", "not signed", _NEWER, commands={NEXT_MODINFO: modinfo(signer="")}),
    "next-boot-nouveau": _of("next-boot", "fail", "nouveau is not blocked", {BLACKLIST: None}),
    "next-boot-no-initrd": _of("next-boot", "fail", "no initrd", {**_NEWER, f"/boot/initrd.img-{NEWER}": None}),
    "next-boot-empty-initrd": _of("next-boot", "fail", "is empty", {**_NEWER, f"/boot/initrd.img-{NEWER}": ""}),
    "next-boot-old-initrd": _of("next-boot", "warn", "is older than", {
        f"/boot/initrd.img-{KERNEL}": FileStatus("file", 0o600, 0, 0, 9, OLD)}),
    "next-boot-forbidden": _of("next-boot", "fail", "blacklist nvidia", {
        "/etc/modprobe.d/x.conf": "blacklist nvidia\n"}),
    "next-boot-keys-untold": _of("next-boot", "unknown", "cannot be told", {**_NEWER, "/proc/keys": ""},
                                 commands={NEXT_MODINFO: modinfo(signer="my MOK")}, privileged=False),
    "secure-boot-off": _of("secure-boot", "not-applicable", "is off", {SECURE_BOOT: b"\x06\x00\x00\x00\x00"}),
    "secure-boot-untold": _of("secure-boot", "unknown", "cannot be told", {SECURE_BOOT: None}),
    "secure-boot-unsigned-next": _of("secure-boot", "fail", "6.8.0-60-generic does not load", _NEWER,
                                     commands={NEXT_MODINFO: modinfo(signer="")}),
    "secure-boot-keys-untold": _of("secure-boot", "unknown", "my MOK", {**_NEWER, "/proc/keys": ""},
                                   commands={NEXT_MODINFO: modinfo(signer="my MOK")}, privileged=False),
    "packages-mixed": _of("packages", "fail", "2 drivers are mixed", {"/var/lib/dpkg/status": packages(
        nvidia_driver_580_open="580.95.05-0ubuntu1", libnvidia_compute_535="535.309.01-0ubuntu1")}),
    "series-mixed": _of("packages", "fail", "server and of the desktop", {"/var/lib/dpkg/status": packages(
        nvidia_driver_580_open="580.95.05-0ubuntu1", nvidia_utils_580_server="580.95.05-0ubuntu1")}),
    "installer": _of("packages", "warn", "not installed from packages", {
        "/var/lib/dpkg/status": packages(), "/usr/bin/nvidia-uninstall": ""}),
    "installer-over-packages": _of("packages", "fail", "over the driver's packages", {"/usr/bin/nvidia-uninstall": ""}),
    "not-pinned": _of("packages", "warn", "Nothing keeps", {
        "/etc/apt/sources.list.d/cuda.list": NVIDIA_LIST, "/var/lib/dpkg/status": packages(
            nvidia_open="595.71.05-1ubuntu1", libnvidia_compute="595.71.05-1ubuntu1")}),
    "pinned": _of("packages", "pass", "nvidia-driver-pinning-595", {
        "/etc/apt/sources.list.d/cuda.list": NVIDIA_LIST, "/var/lib/dpkg/status": packages(
            nvidia_open="595.71.05-1ubuntu1", nvidia_driver_pinning_595="595-1")}),
    "no-dpkg": _of("packages", "not-applicable", "no dpkg", {"/var/lib/dpkg/status": None}),
    "persistenced-absent": _of("persistenced", "fail", "not installed", commands={
        units_argv(OTHERS): unit(LoadState="not-found", ActiveState="inactive", FragmentPath=""),
        ("firstlight-nvml",): nvml(persistence=0)}),
    "persistence-by-hand": _of("persistenced", "warn", "gone after the next boot", commands={
        units_argv(OTHERS): unit(ActiveState="inactive")}),
    "persistenced-without-mode": _of("persistenced", "fail", "--no-persistence-mode", {
        "/usr/lib/systemd/system/nvidia-persistenced.service":
            "[Service]\nExecStart=/usr/bin/nvidia-persistenced --no-persistence-mode\n"},
        commands={("firstlight-nvml",): nvml(persistence=0)}),
    "persistence-not-asked": _of("persistenced", "not-applicable", "does not ask", gpu=_profile(persistence=False)),
    "dkms-built": _of("dkms", "pass", "has built", {f"{_DKMS}/{KERNEL}/x86_64/module/nvidia.ko": ""}),
    "dkms-signature-proven": _of("secure-boot", "pass", "so it is signed", {
        f"{_DKMS}/{KERNEL}/x86_64/module/nvidia.ko.zst": ""}, commands={MODINFO: DENIED}),
    "dkms-next-kernel-unsigned": _of("next-boot", "fail", "not signed", {
        **_NEWER, f"{_DKMS}/{KERNEL}/x86_64/module/nvidia.ko.zst": "",
        f"{_DKMS}/{NEWER}/x86_64/module/nvidia.ko.zst": ""}, commands={NEXT_MODINFO: modinfo(signer="")}),
    "dkms-no-headers": _of("dkms", "fail", "headers are not installed", {
        **_NEWER, f"/lib/modules/{NEWER}/build/Makefile": None, f"{_DKMS}/{KERNEL}/x86_64/module/nvidia.ko": ""}),
    "dkms-build-failed": _of("dkms", "fail", "the last build failed", {
        **_NEWER, f"{_DKMS}/{KERNEL}/x86_64/module/nvidia.ko": "", f"{_DKMS}/build/make.log": "Error 1\n"}),
    "dkms-kernel-too-new": _of("dkms", "fail", "does not build for kernel 6.12", {
        **kernel_files("6.12.1-generic"), "/lib/modules/6.12.1-generic/modules.dep": "kernel/fs/xfs/xfs.ko:\n",
        "/sys/module/nvidia/version": "470.256.02\n", f"{_DKMS}/{KERNEL}/x86_64/module/nvidia.ko": ""}),
    "dkms-not-asked": _of("dkms", "fail", "nobody asked", {**_NEWER, f"{_DKMS}/{KERNEL}/x86_64/module/nvidia.ko": ""}),
    "dkms-two-versions": _of("dkms", "warn", "2 versions", {
        f"{_DKMS}/{KERNEL}/x86_64/module/nvidia.ko": "",
        f"/var/lib/dkms/nvidia/570.211.01/{KERNEL}/x86_64/module/nvidia.ko": ""}),
}
