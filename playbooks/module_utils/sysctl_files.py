"""What sysctl.d files say, and what they will say at the next boot. Source: sysctl.d(5), systemd-sysctl."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ansible.module_utils.dropins import Setting, read_order, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDERS = (
    "/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
    "/lib/sysctl.d",
)
_SWAP = str.maketrans("./", "/.")


def proc_name(key: str) -> str:
    """Return a key as a path below /proc/sys: `net.ipv4.conf.eth0/1.mtu` is net/ipv4/conf/eth0.1/mtu."""
    separator = next((letter for letter in key if letter in "./"), "/")
    return key.translate(_SWAP) if separator == "." else key.strip("/")


def same(one: str, other: str) -> bool:
    """Return whether two values mean the same; the kernel separates numbers by tabs, people by spaces."""
    return one.split() == other.split()


def settings(path: str, text: str) -> list[Setting]:
    """Return a file's explicit assignments, keys as paths; patterns never beat them and are left out."""
    found = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line[0] in "#;" or "=" not in line:
            continue
        key, value = line.split("=", 1)
        key = key.strip().lstrip("-")
        if not set(key) & set("*?["):
            found.append(Setting(path, number, proc_name(key), value.strip()))
    return found


def configured(folders: Iterable[str], without: set[str]) -> dict[str, Setting]:
    """Return, by key, what the files except `without` set in the end. Raises OSError."""
    paths = [path for path in read_order(folders) if path not in without]
    return {item.key: item for path in paths for item in settings(path, text_of(path))}


def floor(
    key: str, wanted: int, live: str | None, elsewhere: Setting | None, ours: Setting | None = None
) -> str:
    """Return the greatest of wanted, live and what another file sets: a floor never lowers anything.

    What our file says already stays when it is enough: a value that somebody raises live is no reason to rewrite it.
    Raises ValueError naming the key when one of them is not a number.
    """
    found = [live, elsewhere.value if elsewhere else None]
    try:
        least = max([wanted, *([int(elsewhere.value)] if elsewhere else [])])
        if ours is not None and ours.value.isdigit() and int(ours.value) >= least:
            return ours.value
        return str(max([wanted, *(int(value) for value in found if value is not None)]))
    except ValueError:
        raise ValueError(f"{key} is a floor, but its value is not a number: {found}") from None


def render(header: str, wanted: dict[str, str]) -> str:
    """Return the text of a drop-in with these values."""
    return header + "".join(f"{key} = {value}\n" for key, value in wanted.items())


def read_live(root: str, key: str) -> str | None:
    """Return the kernel's value, None when this kernel has no such key. Raises OSError when unreadable."""
    try:
        return " ".join(Path(root, proc_name(key)).read_text("ascii", "replace").split())
    except (FileNotFoundError, NotADirectoryError):
        return None


def write_live(root: str, key: str, value: str) -> None:
    """Set the kernel's value. Raises OSError."""
    handle = os.open(f"{root}/{proc_name(key)}", os.O_WRONLY)
    try:
        os.write(handle, f"{value}\n".encode())
    finally:
        os.close(handle)
