"""Which CPU the program that an image starts was built for, read from its ELF header and not from a label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.images.engine import Engine

# e_machine of the ELF header (gABI), by docker's word
_MACHINES = {62: "amd64", 183: "arm64", 3: "386", 40: "arm", 243: "riscv64", 21: "ppc64le", 22: "s390x"}
_USUAL = ("/bin/sh", "/usr/bin/env", "/bin/busybox")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_HOPS = 8


def elf_architecture(head: bytes) -> str:
    """Return docker's word for the CPU of an ELF file's first 20 bytes; empty when it is none."""
    if len(head) < 20 or head[:4] != b"\x7fELF":
        return ""
    order = "little" if head[5] == 1 else "big"
    machine = int.from_bytes(head[18:20], order)  # type: ignore[arg-type]
    bits = 32 if head[4] == 1 else 64
    return _MACHINES.get(machine, f"ELF machine {machine} ({bits} bits)")


def candidates(config: dict[str, Any]) -> list[str]:
    """Return the paths where an image's first program may be, most telling first."""
    words = [*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())][:1]
    folders = next((line[5:] for line in config.get("Env") or () if line.startswith("PATH=")), _PATH).split(":")
    named = [word if word.startswith("/") else f"{folder}/{word}" for word in words
             for folder in ([""] if word.startswith("/") else folders)]
    return [*named, *_USUAL]


def observe_entry_point(engine: Engine, image: dict[str, Any]) -> tuple[str, str]:
    """Return (architecture, path) of the first program found in an image; ("", "") when none is an ELF file."""
    with engine.unstarted(str(image["Id"])) as container:
        for path in candidates(image.get("Config") or {}):
            found = _follow(engine, container, path)
            if found[0]:
                return found
    return "", ""


def _follow(engine: Engine, container: str, path: str) -> tuple[str, str]:
    for _ in range(_HOPS):
        seen = engine.find_file(container, path)
        if seen is None:
            return "", ""
        target, head = seen
        if target:
            path = target if target.startswith("/") else f"{path.rpartition('/')[0]}/{target}"
        elif head.startswith(b"#!"):
            words = head[2:].partition(b"\n")[0].split()
            path = words[0].decode(errors="replace") if words else "/nowhere"
        else:
            return elf_architecture(head), path
    return "", ""
