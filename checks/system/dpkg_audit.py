"""Packages that dpkg left half done."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed
from agent.machine.apt import STATUS_FILE, UPDATES_FOLDER, Package, observe_interrupted, observe_packages
from agent.model.errors import Missing
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

SOUND = frozenset({"installed", "config-files", "not-installed"})


class Seen(NamedTuple):
    """Packages in no sound state, and journal files of an interrupted dpkg."""

    broken: tuple[Package, ...]
    interrupted: tuple[str, ...]
    total: int


def observe(machine: Machine, profile: ResolvedProfile) -> Seen | None:
    """Read dpkg's status file; None on a machine without dpkg."""
    try:
        packages = observe_packages(machine)
    except Missing:
        return None
    broken = tuple(p for p in packages.values() if p.state not in SOUND or p.flag != "ok")
    return Seen(broken, observe_interrupted(machine), len(packages))


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """One failure that names every half-done package."""
    if seen is None:
        return [not_applicable("This machine has no dpkg.")]
    if seen.broken:
        names = [f"{p.name} ({p.state if p.flag == 'ok' else p.flag})" for p in seen.broken]
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        return [failed(f"dpkg left {len(names)} package{'s' if len(names) > 1 else ''} half done: "
                       f"{', '.join(names[:5])}{more}.", seen=", ".join(names),
                       evidence=[Evidence(STATUS_FILE, tuple(names[:20]))])]
    if seen.interrupted:
        return [
            failed(
                "dpkg was interrupted and has not finished its work.",
                seen=", ".join(seen.interrupted),
                evidence=[Evidence(UPDATES_FOLDER, seen.interrupted)],
            )
        ]
    return [passed(f"All {seen.total} packages are in a sound state.",
                   evidence=[Evidence(STATUS_FILE)])]


CHECK = Check(
    title="Package database",
    why="While a package is half done, apt refuses all further work, also the repair of a driver.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="base", steps=("By hand: `dpkg --configure -a`, then `apt-get -f install`.",)),
)
