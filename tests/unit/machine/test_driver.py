from __future__ import annotations

import pytest

from agent.machine.api import FileStatus
from agent.machine.dkms import observe_dkms
from agent.machine.driver import find_module, observe_driver, version_of
from agent.machine.initrd import find_initrd
from agent.machine.kernels import observe_next_kernel
from agent.machine.linker import library_paths, observe_linker_folders
from agent.machine.modprobe import is_blocked, observe_lines
from agent.machine.nvidia_packages import observe_nvidia_packages, upstream_of, uses_nvidia_repository
from agent.machine.secure_boot import FOLDER, GUID, Trust, observe_enforced, observe_keys
from agent.model.errors import Unobservable
from tests.checks.driver.machines import KERNEL, KEYS, NEWER, VERSION, driver, kernel_files, module_path
from tests.fixtures import FakeMachine, link

DKMS = f"/var/lib/dkms/nvidia/{VERSION}"


def test_the_parts_of_a_driver_are_read_from_files() -> None:
    state = observe_driver(driver())
    assert (state.loaded, state.flavour, state.library) == (VERSION, "open", VERSION)
    assert state.running is not None and state.running == state.next
    assert (state.running.version, state.running.flavour) == (VERSION, "open")
    assert state.nodes == ("/dev/nvidia-uvm", "/dev/nvidia0", "/dev/nvidiactl")


@pytest.mark.parametrize(("line", "found"), [
    ("kernel/nvidia-580-open/nvidia.ko:", "kernel/nvidia-580-open/nvidia.ko"),
    ("updates/dkms/nvidia-current.ko.xz: updates/dkms/x.ko", "updates/dkms/nvidia-current.ko.xz"),
    ("updates/dkms/nvidia-current-open.ko: kernel/x.ko", "updates/dkms/nvidia-current-open.ko"),
    ("kernel/nvidia-drm.ko: kernel/nvidia-modeset.ko kernel/nvidia.ko:", ""),
    ("kernel/drivers/video/fbdev/nvidia/nvidiafb.ko:", ""),
    ("kernel/drivers/platform/x86/nvidia-wmi-ec-backlight.ko:", ""),
])
def test_the_drivers_module_is_told_from_its_relatives(line: str, found: str) -> None:
    machine = FakeMachine({"/lib/modules/6.1/modules.dep": f"kernel/fs/xfs.ko:\n{line}\n"})
    module = find_module(machine, "6.1")
    assert (module.path.removeprefix("/lib/modules/6.1/") if module else "") == found


def test_modinfo_is_not_started_for_a_packed_module_that_dkms_knows() -> None:
    machine = driver({f"{DKMS}/{KERNEL}/x86_64/module/nvidia.ko.zst": ""})
    module = observe_driver(machine).running
    assert module is not None and (module.version, module.signer) == (VERSION, None)
    assert ("run", "modinfo", module_path(KERNEL)) not in machine.asked


def test_the_next_kernel_is_the_newest_in_boot() -> None:
    files = {f"/boot/vmlinuz-{name}": "" for name in ("6.8.0-9-generic", "6.8.0-60-generic", "6.8.0-60-generic.old")}
    assert observe_next_kernel(FakeMachine({**files, "/boot/vmlinuz": link("x")}), "6.8.0-9-generic") == NEWER
    assert observe_next_kernel(FakeMachine(), "6.1") == "6.1"


def test_versions_are_taken_from_file_names_and_packages() -> None:
    assert version_of("/usr/lib/libnvidia-ml.so.580.95.05") == "580.95.05"
    assert version_of("/usr/lib/libnvidia-ml.so.1") == ""
    assert upstream_of("1:580.95.05-0ubuntu1") == "580.95.05"
    assert upstream_of("none") == ""


def test_only_packages_of_nvidia_are_parsed() -> None:
    states = {"bash": "installed", "nvidia-open": "installed", "libcudnn9-cuda-13": "installed",
              "cuda-drivers": "config-files", "libnvidia-ml1": "installed"}
    text = "".join(f"Package: {name}\nStatus: install ok {state}\nVersion: 1.2-1\nArchitecture: amd64\n\n"
                   for name, state in states.items())
    found = observe_nvidia_packages(FakeMachine({"/var/lib/dpkg/status": text}))
    assert set(found) == {"nvidia-open", "libcudnn9-cuda-13", "libnvidia-ml1"}


def test_a_commented_repository_is_no_repository() -> None:
    line = "deb https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64/ /\n"
    folder = "/etc/apt/sources.list.d"
    assert uses_nvidia_repository(FakeMachine({f"{folder}/cuda.list": line}))
    assert not uses_nvidia_repository(FakeMachine({f"{folder}/cuda.list": "# " + line}))
    assert not uses_nvidia_repository(FakeMachine())


@pytest.mark.parametrize(("files", "blocked"), [
    ({"/etc/modprobe.d/a.conf": "blacklist nouveau\n"}, True),
    ({"/usr/lib/modprobe.d/a.conf": "install nouveau /bin/false\n"}, True),
    ({"/etc/modprobe.d/a.conf": "# blacklist nouveau\noptions nouveau modeset=0\n"}, False),
    ({"/etc/modprobe.d/a.conf": "", "/usr/lib/modprobe.d/a.conf": "blacklist nouveau\n"}, False),
    ({"/etc/modprobe.d/a.txt": "blacklist nouveau\n"}, False),
    ({"/proc/cmdline": "quiet modprobe.blacklist=nouveau,x\n"}, True),
    ({"/etc/modprobe.d/a.conf": "blacklist nouveau_extra\n"}, False),
])
def test_blacklists_are_read_as_modprobe_does(files: dict[str, str], *, blocked: bool) -> None:
    machine = FakeMachine({"/proc/cmdline": "quiet\n", **files})
    assert is_blocked(observe_lines(machine, "nouveau"), "nouveau") is blocked


def test_dkms_is_read_from_its_folders() -> None:
    (entry,) = observe_dkms(FakeMachine({
        f"{DKMS}/{KERNEL}/x86_64/module/nvidia.ko": "", f"{DKMS}/build/make.log": "a\nError 2\n",
        f"{DKMS}/source/x": "",
        "/var/lib/dkms/nvidia/kernel-6.8-x86_64": link("x"), "/var/lib/dkms/zfs/2.1/6.8/x": "",
        "/var/lib/dkms/mok.key": ""}))
    assert (entry.name, entry.version, entry.kernels, entry.log) == ("nvidia", VERSION, (KERNEL,), ("a", "Error 2"))
    assert observe_dkms(FakeMachine()) == ()


def test_initial_ram_disks_of_both_kinds_are_found() -> None:
    assert find_initrd(FakeMachine(dict(kernel_files("6.1"))), "6.1") is not None
    dracut = FakeMachine({"/boot/initramfs-6.1.img": FileStatus("file", 0o600, 0, 0, 5, 7.0)})
    assert find_initrd(dracut, "6.1") is not None
    assert find_initrd(FakeMachine(), "6.1") is None


def test_unsigned_modules_are_refused_under_secure_boot_or_by_the_kernels_own_setting() -> None:
    variable = f"{FOLDER}/SecureBoot-{GUID}"
    assert observe_enforced(FakeMachine({variable: b"\6\0\0\0\1"}))
    assert not observe_enforced(FakeMachine({variable: b"\6\0\0\0\0"}))
    assert not observe_enforced(FakeMachine())
    assert observe_enforced(FakeMachine({"/sys/module/module/parameters/sig_enforce": "Y\n"}))
    with pytest.raises(Unobservable, match="SecureBoot"):
        observe_enforced(FakeMachine({"/sys/firmware/efi/x": ""}))


def test_the_kernels_keys_are_roots_to_see() -> None:
    assert observe_keys(FakeMachine({"/proc/keys": KEYS})) == ("Canonical Ltd. Kernel Module Signing",)
    with pytest.raises(Unobservable, match="root only"):
        observe_keys(FakeMachine({"/proc/keys": "1 I--- 1 perm keyring _ses: 1\n"}, privileged=False))


def test_what_was_not_seen_is_not_called_refused() -> None:
    trust = Trust(enforced=True, keys=("a",))
    assert trust.refuses("") and trust.refuses("b")
    assert not trust.refuses("a") and not trust.refuses(None)
    assert not Trust(enforced=True, keys=None).refuses("b")
    assert not Trust(enforced=None).refuses("")


def test_the_linkers_folders_and_variables_are_read() -> None:
    machine = FakeMachine({"/etc/ld.so.conf": "include /etc/ld.so.conf.d/*.conf\n/opt/a\n", "/etc/ld.so.conf.d/b.conf":
                           "# no\n/opt/b\n", "/etc/ld.so.conf.d/c.conf.old": "/opt/c\n"})
    assert [folder for _, folder in observe_linker_folders(machine)] == ["/opt/a", "/opt/b"]
    texts = (("a", "export LD_LIBRARY_PATH=/x:$LD_LIBRARY_PATH\n"), ("b", "# LD_LIBRARY_PATH=/y\n"),
             ("c", 'LD_LIBRARY_PATH="/z"\n'), ("d", "echo $LD_LIBRARY_PATH\n"))
    assert library_paths(texts) == (("a", "/x:$LD_LIBRARY_PATH"), ("c", "/z"))
