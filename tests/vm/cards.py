"""A PCI device that looks like an NVIDIA card: qemu's `edu` device with other ids, in a copy of the program."""

from __future__ import annotations

import shutil
from pathlib import Path

QEMU = "qemu-system-x86_64"
CARD = "10de:2204"  # GeForce RTX 3090, a VGA controller
_IDS = b"\x34\x12\xe8\x11"  # vendor 1234, device 11e8, as the device's class is filled in
# revision 10, the ids, class 00ff: movb $0x10,0xd4(%rax); …; mov %edx,0xd0(%rax); mov $0xff,%edx; mov %dx,0xd6(%rax)
_CLASS = bytes.fromhex("c680d400000010660f6cc1 8990d0000000 baff000000 668990d6000000")
_DISPLAY = _CLASS.replace(b"\xba\xff\x00", b"\xba\x00\x03")


def qemu_with_card(folder: Path) -> tuple[str, ...]:
    """Return the program and the options that give a machine the card; raises for a qemu built otherwise."""
    found = shutil.which(QEMU)
    assert found is not None, f"{QEMU} is not installed"
    code = Path(found).read_bytes()
    near = code.find(b"EDU: clamping DMA")
    ids = code.find(_IDS, near)
    if code.count(_CLASS) != 1 or near < 0 or not 0 <= ids - near < 256:
        raise RuntimeError(f"the edu device of {found} is not where Debian 12's qemu 7.2 has it")
    vendor, device = (bytes.fromhex(word)[::-1] for word in CARD.split(":"))
    changed = code[:ids] + vendor + device + code[ids + len(_IDS):]
    changed = changed.replace(_CLASS, _DISPLAY)
    for name in ("lib", "share"):  # it looks for its own files beside itself
        (folder / name).symlink_to(Path(found).resolve().parent.parent / name)
    program = folder / "bin" / QEMU
    program.parent.mkdir()
    program.write_bytes(changed)
    program.chmod(0o755)
    return (str(program), "-device", "edu")
