"""Virtual machines under qemu's software emulation: a kernel, an init and disks of their own."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.node.disposable import Disposable
from tests.node.images import product_wheel, shell
from tests.vm.images import machine_folder

DATA_SERIAL = "FLDATA01"
FOREIGN_SERIAL = "FLFOREIGN1"
MEMORY_MIB = 3072


class VirtualMachine(Disposable):
    """A booted virtual machine with a blank 1 GiB second disk whose serial is DATA_SERIAL.

    A third disk, NVMe with the serial FOREIGN_SERIAL, holds an ext4 filesystem with somebody's data, not mounted.

    `base`: a folder with the disk, kernel and initial disk that it starts with; the suite's own when None.
    """

    def __init__(self, suite: str, folder: Path, base: Path | None = None) -> None:
        self.name, self.folder = f"vm-{suite}", folder
        self.base = self.boot = base or machine_folder(suite)
        self.key, self.port = folder / "key", free_port()
        self.program: tuple[str, ...] = ("qemu-system-x86_64",)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, timeout_s: float = 900) -> None:
        """Make the disks, boot and wait for the end of the boot."""
        self.make_disks()
        self.power_on()
        self.wait_until_up(timeout_s)

    def make_disks(self) -> None:
        """Lay a fresh system disk over the suite's, and make the other two and the key to come in with."""
        shell(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key])
        shell(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", self.base / "disk.raw",
               self.folder / "system.qcow2"])
        shell(["truncate", "-s", "1G", self.folder / "data.raw"])
        precious = self.folder / "precious"
        precious.mkdir()
        (precious / "thesis.tex").write_bytes(b"ten years of work\n" * 100_000)
        shell(["truncate", "-s", "512M", self.folder / "foreign.raw"])
        shell(["mkfs.ext4", "-q", "-F", "-L", "thesis", "-d", precious, self.folder / "foreign.raw"])

    def foreign_digest(self) -> str:
        """Return the SHA-256 of the whole NVMe disk, read from outside."""
        with (self.folder / "foreign.raw").open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()

    def console(self) -> str:
        """Return what the machine has written to its console since it was made, over all its boots."""
        return (self.folder / "console.log").read_text(errors="replace")

    def power_on(self) -> None:
        """Start the machine with the disks it has."""
        system, data, foreign = (self.folder / name for name in ("system.qcow2", "data.raw", "foreign.raw"))
        public = base64.b64encode(self.key.with_suffix(".pub").read_bytes()).decode()
        with (self.folder / "qemu.log").open("wb") as log:
            self.process = subprocess.Popen([
                *self.program, "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2",
                "-m", str(MEMORY_MIB), "-display", "none", "-serial", "chardev:console",
                "-chardev", f"file,id=console,append=on,path={self.folder / 'console.log'}",
                "-kernel", str(self.boot / "vmlinuz"), "-initrd", str(self.boot / "initrd.img"),
                "-append", f"root=LABEL=system rw console=ttyS0 net.ifnames=0 bed.key={public}",
                "-drive", f"file={system},if=none,id=system,format=qcow2,cache=unsafe",
                "-device", "virtio-blk-pci,drive=system,serial=SYSTEM01",
                "-drive", f"file={data},if=none,id=data,format=raw,cache=unsafe",
                "-device", f"virtio-blk-pci,drive=data,serial={DATA_SERIAL}",
                "-drive", f"file={foreign},if=none,id=foreign,format=raw,cache=unsafe",
                "-device", f"nvme,drive=foreign,serial={FOREIGN_SERIAL}",
                "-device", "virtio-rng-pci", "-nic", f"user,model=virtio,hostfwd=tcp:127.0.0.1:{self.port}-:22",
            ], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def wait_until_up(self, timeout_s: float = 900, *, other_boot_than: str = "") -> str:
        """Wait until the machine answers and its boot is over; return the id of this boot."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            with contextlib.suppress(subprocess.TimeoutExpired):
                ran = self.run(["sh", "-c", "cat /proc/sys/kernel/random/boot_id; "
                                            "systemctl is-system-running --wait"], timeout_s=120)
                boot = ran.out.partition("\n")[0]
                if boot and boot != other_boot_than and "starting" not in ran.out:
                    return boot
            time.sleep(1)
        raise RuntimeError(f"{self.name} did not boot in {timeout_s} s:\n{self.console()[-3000:]}")

    def reboot(self) -> None:
        """Reboot and wait for the new boot."""
        boot = self.read("/proc/sys/kernel/random/boot_id").strip()
        self.run(["systemctl", "reboot"], timeout_s=60)
        self.wait_until_up(other_boot_than=boot)

    def power_off(self) -> None:
        """Shut the machine down in good order and wait until it is off."""
        self.run(["systemctl", "poweroff"], timeout_s=300)
        assert self.process is not None
        self.process.wait(900)

    def restart_from_own_disk(self, timeout_s: float = 600) -> None:
        """Switch off and on again with the kernel and the initial disk that the machine has in its /boot now."""
        self.boot = self.folder / "boot"
        self.boot.mkdir(exist_ok=True)
        for name in ("vmlinuz", "initrd.img"):
            with (self.boot / name).open("wb") as content:
                subprocess.run(self.entrance(["sh", "-c", f"cat $(ls -v /boot/{name}-* | tail -1)"]), stdout=content,
                               check=True, timeout=300)
        self.power_off()
        self.power_on()
        self.wait_until_up(timeout_s)

    def stop(self) -> None:
        """Switch the machine off at once (SIGKILL): a power cut."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)

    def entrance(self, argv: Sequence[str]) -> list[str]:
        """Return the ssh command that runs `argv` there; every call is a login of its own."""
        return ["ssh", "-i", str(self.key), "-p", str(self.port), "-o", "StrictHostKeyChecking=no",
                "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=20",
                "-o", "BatchMode=yes", "root@127.0.0.1", shlex.join(argv)]

    def install_product(self) -> None:
        """Build the product from the work tree and install it in the machine's environment."""
        wheel = product_wheel(self.folder)
        with wheel.open("rb") as content:
            subprocess.run(self.entrance(["sh", "-c", f"cat >/root/{wheel.name}"]), stdin=content, check=True,
                           timeout=600)
        self.must(["/opt/firstlight/bin/pip", "install", "-q", "--no-index", "--no-deps", f"/root/{wheel.name}"])


def free_port() -> int:
    """Return a TCP port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def fresh_machine(suite: str, folder: Path, base: Path | None = None) -> Iterator[VirtualMachine]:
    """Boot a virtual machine with the product installed; it is gone at the end."""
    machine = VirtualMachine(suite, folder, base)
    try:
        machine.start()
        machine.install_product()
        yield machine
    finally:
        machine.stop()
