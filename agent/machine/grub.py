"""Which kernel GRUB boots by default, where somebody has told it not to take the first of its menu.

GRUB_DEFAULT and the environment block: GNU GRUB manual 2.12, 6.1 "Simple configuration handling" and 15.2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.model.errors import Missing, Unobservable

if TYPE_CHECKING:
    from collections.abc import Collection

    from agent.machine.api import Machine

SETTINGS, SNIPPETS = "/etc/default/grub", "/etc/default/grub.d"
ENVIRONMENT, MENU = "/boot/grub/grubenv", "/boot/grub/grub.cfg"
_DEFAULT = re.compile(r"^\s*GRUB_DEFAULT=(?P<quote>[\"']?)(?P<value>.*?)(?P=quote)\s*(?:#.*)?$", re.MULTILINE)
_ENTRY = re.compile(r"\s*(?P<kind>menuentry|submenu)\s+(?P<quote>[\"'])(?P<title>.*?)(?P=quote)(?P<rest>.*)\{\s*$")
_ID = re.compile(r"(?:\$menuentry_id_option|--id)\s+[\"']?([^\"'\s]+)")
_LINUX = re.compile(r"\s*linux\S*\s+\S*/vmlinu[xz]-(\S+)")


@dataclass(slots=True)
class Entry:
    """One line of the menu: what it can be called by, the release that it boots, and the entries below it."""

    names: tuple[str, ...] = ()
    release: str = ""
    below: list[Entry] = field(default_factory=list)


def observe_pinned(machine: Machine, releases: Collection[str]) -> str:
    """Return the release that GRUB was told to boot next; "" where it takes the first of its menu.

    Raises Unobservable when it was told something that cannot be followed.
    """
    environment = dict(line.split("=", 1) for line in _text(machine, ENVIRONMENT).splitlines() if "=" in line)
    wanted = environment.get("next_entry", "") or _default(machine)
    if wanted == "saved":
        wanted = environment.get("saved_entry", "")
    if wanted in ("", "0"):
        return ""
    named = [release for release in releases if re.search(rf"(?<![\w.]){re.escape(release)}(?![\w.])", wanted)]
    release = max(named, key=len, default="") or _follow(parse_menu(_text(machine, MENU)), wanted)
    if not release:
        raise Unobservable(f"GRUB boots the entry '{wanted}', and no kernel can be found behind it",
                           f"see {SETTINGS}, {ENVIRONMENT} and, as root, {MENU}")
    return release


def parse_menu(text: str) -> list[Entry]:
    """Return the entries of a grub.cfg, nested as its submenus are."""
    top = Entry()
    inside = [top]
    for line in text.splitlines():
        if found := _ENTRY.match(line):
            entry = Entry((found["title"], *_ID.findall(found["rest"])))
            inside[-1].below.append(entry)
            inside.append(entry)
        elif line.strip() == "}" and len(inside) > 1:
            inside.pop()
        elif found := _LINUX.match(line):
            inside[-1].release = found[1]
    return top.below


def _follow(menu: list[Entry], wanted: str) -> str:
    """Return the release behind "1>2", "title>title" or "id>id"; "" where it leads nowhere."""
    release = ""
    for part in wanted.split(">"):
        found = menu[int(part):int(part) + 1] if part.isdigit() else [entry for entry in menu if part in entry.names]
        if not found:
            return ""
        release, menu = found[0].release, found[0].below
    return release


def _default(machine: Machine) -> str:
    try:
        snippets = [f"{SNIPPETS}/{name}" for name in sorted(machine.listing(SNIPPETS)) if name.endswith(".cfg")]
    except Missing:
        snippets = []
    found = [match["value"] for path in (SETTINGS, *snippets) for match in _DEFAULT.finditer(_text(machine, path))]
    return found[-1] if found else ""


def _text(machine: Machine, path: str) -> str:
    try:
        return machine.read(path)
    except Missing:
        return ""
