"""What the product said, in the few shapes the tests compare."""

from __future__ import annotations

from tests.node.disposable import Disposable, Ran
from tests.node.drifts import Drift

Identity = tuple[str, str, str]
ORDER = ("fail", "unknown", "warn", "not-applicable", "pass")


def changes(ran: Ran) -> list[Identity]:
    """Return role, task and target of every change a plan predicted or an apply made, sorted."""
    return sorted((one["role"], one["task"], one["target"]) for one in ran.data["changes"])


def verdicts(ran: Ran) -> dict[str, str]:
    """Return the worst verdict of each check of a report."""
    return {
        run["check"]: min((finding["verdict"] for finding in run["findings"]), key=ORDER.index)
        for run in ran.data["runs"]
    }


def troubles(machine: Disposable, *words: str) -> dict[str, str]:
    """Return the checks that neither pass nor are not applicable, with their verdict."""
    ran = machine.firstlight("check", "-o", "json", *words)
    found = {check: verdict for check, verdict in verdicts(ran).items() if verdict not in ("pass", "not-applicable")}
    expected = 1 if "fail" in found.values() else 2 if found else 0
    assert ran.code == expected, str(ran)
    return found


def without_the_blinded(found: dict[str, str], drift: Drift) -> dict[str, str]:
    """Return the troubles without those checks of the drift's area that say they can no longer look."""
    return {
        check: verdict for check, verdict in found.items()
        if not (drift.blinds and check.startswith(drift.blinds) and verdict == "unknown")
    }
