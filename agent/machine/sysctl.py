"""Kernel settings: what they are now (/proc/sys) and what the files say they will be after a reboot."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.model.errors import Missing

if TYPE_CHECKING:
    from agent.machine.api import Machine

# systemd-sysctl's folders, strongest first: a file in an earlier one hides its namesake in a later one.
FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")


class Setting(NamedTuple):
    """One line of a sysctl.d file."""

    key: str
    value: str
    path: str
    line: int

    @property
    def place(self) -> str:
        """`file:line`."""
        return f"{self.path}:{self.line}"


def proc_path(key: str) -> str:
    """Return the file of a key. In a name, `/` stands for a dot: `net.ipv4.conf.eth0/1.rp_filter`."""
    return "/proc/sys/" + key.translate(str.maketrans("./", "/."))


def normalise(value: object) -> str:
    """Return a value with its runs of blanks made one space (the kernel separates by tabs)."""
    return " ".join(str(value).split())


def parse_settings(text: str, path: str) -> list[Setting]:
    """Return the assignments of a sysctl.d file; keys written with slashes become dotted, a leading `-`
    goes.
    """
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped[0] in "#;" or "=" not in stripped:
            continue
        key, _, value = stripped.partition("=")
        found.append(Setting(dotted(key.strip().lstrip("-").strip()), normalise(value), path, number))
    return found


def dotted(key: str) -> str:
    """Return a key in its dotted form: `net/ipv4/ip_forward` is `net.ipv4.ip_forward`."""
    dot, slash = key.find("."), key.find("/")
    if slash >= 0 and (dot < 0 or slash < dot):
        return key.translate(str.maketrans("./", "/."))
    return key


def boot_files(machine: Machine) -> list[str]:
    """Return the files systemd-sysctl reads at boot, in its order; the last assignment of a key wins."""
    chosen: dict[str, str] = {}
    for folder in FOLDERS:
        try:
            names = machine.listing(folder)
        except Missing:
            continue
        for name in names:
            if name.endswith(".conf"):
                chosen.setdefault(name, f"{folder}/{name}")
    return [chosen[name] for name in sorted(chosen)]


def observe_boot_settings(machine: Machine) -> dict[str, Setting]:
    """Return, for each key a file sets, the assignment that will hold after a reboot.

    /etc/sysctl.conf counts only through a link in sysctl.d (Debian 12, Ubuntu), as systemd-sysctl has it.
    """
    winners: dict[str, Setting] = {}
    for path in boot_files(machine):
        try:
            if machine.status(path).target == "/dev/null":  # how an administrator hides a vendor's file
                continue
            text = machine.read(path)
        except Missing:  # a link that leads nowhere
            continue
        for setting in parse_settings(text, path):
            winners[setting.key] = setting
    return winners
