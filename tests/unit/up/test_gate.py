from __future__ import annotations

from agent.machine.api import Completed, FileStatus
from agent.model.errors import Unobservable
from agent.up.gate import judge_boot, observe_boot, obstacles, reboot_wanted
from tests.fixtures import NOW, FakeMachine

OLD, NEW = "6.1.0-10-amd64", "6.1.0-49-amd64"
AUDIT = ("dpkg", "--audit")


def plain(size_bytes: int) -> FileStatus:
    return FileStatus("file", 0o644, 0, 0, size_bytes, NOW)


def kernel(release: str, module: bool = False) -> dict[str, str | FileStatus]:
    entry = "updates/dkms/nvidia.ko:\n" if module else "kernel/fs/xfs/xfs.ko:\n"
    return {f"/boot/vmlinuz-{release}": plain(8 << 20), f"/boot/initrd.img-{release}": plain(40 << 20),
            f"/lib/modules/{release}/modules.dep": entry}


def machine(running: str = OLD, *, without: tuple[str, ...] = (), more: dict[str, str | FileStatus] | None = None,
            audit: str = "") -> FakeMachine:
    files = {"/proc/sys/kernel/osrelease": f"{running}\n", **kernel(OLD), **kernel(NEW), **(more or {})}
    return FakeMachine({path: text for path, text in files.items() if path not in without},
                       {AUDIT: Completed(AUDIT, 1 if audit else 0, audit, "")})


def reasons(seen: FakeMachine) -> tuple[str, ...]:
    return judge_boot(observe_boot(seen))


def test_a_whole_new_kernel_beside_an_old_one_may_boot() -> None:
    assert reasons(machine()) == ()


def test_a_kernel_without_initial_ramdisk_may_not() -> None:
    (reason,) = reasons(machine(without=(f"/boot/initrd.img-{NEW}",)))
    assert f"initrd.img-{NEW} is missing" in reason
    assert f"--reinstall linux-image-{NEW}" in reason


def test_an_initial_ramdisk_cut_short_by_a_full_disk_is_none() -> None:
    (reason,) = reasons(machine(more={f"/boot/initrd.img-{NEW}": plain(4096)}))
    assert "only 4096 bytes" in reason


def test_a_kernel_without_modules_may_not() -> None:
    (reason,) = reasons(machine(without=(f"/lib/modules/{NEW}/modules.dep",)))
    assert f"/lib/modules/{NEW} has no modules" in reason


def test_half_done_packages_stop_it_and_are_named() -> None:
    (reason,) = reasons(machine(audit="The following packages are only half configured:\n linux-image-amd64  Linux\n"))
    assert "linux-image-amd64" in reason


def test_an_interrupted_dpkg_stops_it() -> None:
    assert "updates/0001" in reasons(machine(more={"/var/lib/dpkg/updates/0001": "x"}))[0]


def test_a_new_kernel_needs_an_older_one_to_fall_back_to() -> None:
    alone = tuple(kernel(OLD))
    assert "no older one is kept" in reasons(machine(without=alone))[0]
    broken = machine(without=(f"/boot/initrd.img-{OLD}",))
    assert "no older one is kept" in reasons(broken)[0]


def test_a_machine_with_one_kernel_may_boot_it_again() -> None:
    assert reasons(machine(running=NEW, without=tuple(kernel(OLD)))) == ()


def test_a_driver_without_module_for_the_next_kernel_stops_it() -> None:
    (reason,) = reasons(machine(more=kernel(OLD, module=True)))
    assert f"no module for kernel {NEW}" in reason
    assert reasons(machine(more={**kernel(OLD, module=True), **kernel(NEW, module=True)})) == ()


def test_a_machine_whose_boot_cannot_be_looked_at_is_not_rebooted() -> None:
    blind = FakeMachine({"/proc/sys/kernel/osrelease": OLD}, errors={"/boot": Unobservable("permission denied")})
    assert "permission denied" in obstacles(blind)[0]


def test_a_container_without_kernels_is_not_rebooted() -> None:
    bare = FakeMachine({"/proc/sys/kernel/osrelease": OLD}, {AUDIT: ""})
    assert f"vmlinuz-{OLD} is missing" in obstacles(bare)[0]


def test_another_kernel_on_disk_wants_a_reboot() -> None:
    assert reboot_wanted(machine())
    assert not reboot_wanted(machine(running=NEW))
