"""What must hold before a reboot, so that the machine comes back: looked at first, judged apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.machine.apt import observe_interrupted
from agent.machine.driver import find_module, loaded_version
from agent.machine.kernels import boots_another_kernel, observe_kernels, observe_next_kernel
from agent.model.errors import Missing, Unobservable

if TYPE_CHECKING:
    from agent.machine.api import Machine

SMALLEST_INITRD_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel on disk. `initrd_bytes` is 0 without an initial ramdisk; `modules`: modules.dep names some."""

    release: str
    image: bool
    initrd_bytes: int
    modules: bool

    @property
    def lacks(self) -> tuple[str, ...]:
        """Return what it cannot boot without, in words."""
        found = []
        if not self.image:
            found.append(f"its image /boot/vmlinuz-{self.release} is missing or empty")
        if self.initrd_bytes < SMALLEST_INITRD_BYTES:
            found.append(f"its initial ramdisk /boot/initrd.img-{self.release} is "
                         + ("missing" if not self.initrd_bytes else f"only {self.initrd_bytes} bytes"))
        if not self.modules:
            found.append(f"/lib/modules/{self.release} has no modules")
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the next boot will find. `kernels` by release; `driver_needed`: the running kernel has a module of it."""

    running: str
    next: str
    kernels: dict[str, Kernel]
    half_done: tuple[str, ...]
    driver_needed: bool
    driver_module: bool


def observe_boot(machine: Machine) -> Seen:
    """Look at the kernels on disk, dpkg and the driver's modules. Raises Unobservable."""
    running = machine.read("/proc/sys/kernel/osrelease").strip()
    following = observe_next_kernel(machine, running)
    releases = {*observe_kernels(machine), following}
    needed = bool(loaded_version(machine)) or find_module(machine, running) is not None
    return Seen(
        running=running, next=following, kernels={name: _kernel(machine, name) for name in sorted(releases)},
        half_done=_half_done(machine), driver_needed=needed,
        driver_module=find_module(machine, following) is not None,
    )


def judge_boot(seen: Seen) -> tuple[str, ...]:
    """Return why a reboot might not come back, each reason with what to do; empty when it will."""
    following = seen.kernels[seen.next]
    reasons = [f"kernel {seen.next}, which boots next: {lack}; "
               f"repair it: sudo apt-get install --reinstall linux-image-{seen.next}" for lack in following.lacks]
    if seen.half_done:
        reasons.append(f"packages are half done ({'; '.join(seen.half_done[:3])}); "
                       "repair them: sudo dpkg --configure -a; sudo apt-get install -f")
    older = [kernel for name, kernel in seen.kernels.items() if name != seen.next and not kernel.lacks]
    if seen.next != seen.running and not older:
        reasons.append(f"kernel {seen.next} is new and no older one is kept to fall back to; "
                       f"keep the running one: sudo apt-get install linux-image-{seen.running}")
    if seen.driver_needed and not seen.driver_module:
        reasons.append(f"the NVIDIA driver has no module for kernel {seen.next}, only for {seen.running}; build it: "
                       f"sudo apt-get install linux-headers-{seen.next}; sudo dkms autoinstall -k {seen.next}")
    return tuple(reasons)


def obstacles(machine: Machine) -> tuple[str, ...]:
    """Return the reasons against a reboot; not being able to look is one."""
    try:
        return judge_boot(observe_boot(machine))
    except Unobservable as error:
        return (f"what the next boot will find could not be looked at: {error.message}",)


def reboot_wanted(machine: Machine) -> bool:
    """Return whether the next boot brings another kernel or driver than the running one.

    It tells of what an apply that was killed could no longer tell. Raises Unobservable.
    """
    running = machine.read("/proc/sys/kernel/osrelease").strip()
    loaded, module = loaded_version(machine), find_module(machine, running)
    other_driver = bool(loaded and module is not None and module.version and module.version != loaded)
    return other_driver or boots_another_kernel(machine)


def _kernel(machine: Machine, release: str) -> Kernel:
    try:
        dependencies = machine.status(f"/lib/modules/{release}/modules.dep").size_bytes
    except Missing:
        dependencies = 0
    return Kernel(release, _size(machine, f"/boot/vmlinuz-{release}") > 0,
                  _size(machine, f"/boot/initrd.img-{release}"), dependencies > 0)


def _size(machine: Machine, path: str) -> int:
    try:
        return machine.status(path).size_bytes
    except Missing:
        return 0


def _half_done(machine: Machine) -> tuple[str, ...]:
    """Return what `dpkg --audit` says, a line each, and the journal files of an interrupted dpkg."""
    said = machine.run(("dpkg", "--audit"), timeout_s=30, ok=None).out.splitlines()
    packages = [line.strip() for line in said if line.startswith(" ")]
    files = [f"/var/lib/dpkg/updates/{name}" for name in observe_interrupted(machine)]
    return (*packages, *files)
