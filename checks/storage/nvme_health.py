"""NVMe drives: what their own health log says."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from agent.check import Check, Level, Outcome, failed, not_applicable, passed, unknown, warned
from agent.model.errors import Missing, Unobservable
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

# Critical Warning bits, NVM Express Base Specification 2.0, figure 207.
WARNINGS = ("spare blocks run low", "too hot or too cold", "reliability degraded by media errors",
            "read-only", "volatile memory backup failed", "persistent memory region unreliable")
WORN_PERCENT, HOT_C = 90, 75
REPLACE = Remedy(steps=("Copy the data away now.", "Replace the drive."))


def observe(machine: Machine, profile: ResolvedProfile) -> dict[str, dict[str, Any] | str]:
    """Return the health log of each NVMe controller, or the reason why it could not be read."""
    try:
        names = [name for name in machine.listing("/sys/class/nvme") if re.fullmatch(r"nvme\d+", name)]
    except Missing:
        return {}
    if names and not machine.privileged():
        raise Unobservable("only root may ask a drive for its health; run this check as root")
    logs: dict[str, dict[str, Any] | str] = {}
    for name in names:
        try:
            logs[name] = json.loads(machine.run(argv(name), timeout_s=10).out)
        except Missing:
            raise Unobservable("nvme is not installed (package nvme-cli)") from None
        except (Unobservable, ValueError) as error:
            logs[name] = str(error)
    return logs


def argv(name: str) -> tuple[str, ...]:
    """Return the command that prints a controller's health log."""
    return ("nvme", "smart-log", "-o", "json", f"/dev/{name}")


def judge(seen: dict[str, dict[str, Any] | str], profile: ResolvedProfile) -> list[Outcome]:
    """One finding per drive."""
    if not seen:
        return [not_applicable("This machine has no NVMe drive.")]
    return [unknown(f"/dev/{name} did not tell its health: {log}", subject=name) if isinstance(log, str)
            else judge_drive(name, log) for name, log in seen.items()]


def judge_drive(name: str, log: dict[str, Any]) -> Outcome:
    """Say the worst that the log tells."""
    try:
        raised = warning_bits(log["critical_warning"])
        used = int(log.get("percent_used", log.get("percentage_used")))  # type: ignore[arg-type]
        errors, degrees = int(log["media_errors"]), int(log["temperature"]) - 273
    except (KeyError, TypeError, ValueError) as error:
        return unknown(f"The health log of /dev/{name} is not understood: {error!r}.", subject=name)
    text = f"{used} % worn, {degrees} °C, {errors} media errors"
    evidence = [Evidence(" ".join(argv(name)), (f"critical_warning {log['critical_warning']}", text))]
    trouble = [says for bit, says in enumerate(WARNINGS) if raised >> bit & 1]
    if trouble:
        return failed(f"/dev/{name} warns: {', '.join(trouble)} ({text}).", subject=name, seen=text,
                      evidence=evidence, remedy=REPLACE)
    if errors:
        return warned(f"/dev/{name} has lost data {errors} times: {text}.", subject=name, seen=text,
                      expected="0 media errors", evidence=evidence, remedy=REPLACE)
    if used >= WORN_PERCENT:
        return warned(f"/dev/{name} is worn out to {used} % of its rated life.", subject=name, seen=text,
                      expected=f"< {WORN_PERCENT} %", evidence=evidence, remedy=REPLACE)
    if degrees >= HOT_C:
        return warned(f"/dev/{name} is hot: {degrees} °C.", subject=name, seen=text, expected=f"< {HOT_C} °C",
                      evidence=evidence, remedy=Remedy(steps=("Give the drive a heat sink and air.",)))
    return passed(f"/dev/{name} is healthy: {text}.", subject=name, seen=text, evidence=evidence)


def warning_bits(value: object) -> int:
    """Return the critical warning as a mask; newer nvme-cli prints {"value": …, "available_spare": …}."""
    return int(value["value"]) if isinstance(value, dict) else int(value)  # type: ignore[call-overload]


CHECK = Check(
    title="NVMe health",
    why="A drive says that it is wearing out or losing data weeks before it stops.",
    observe=observe,
    judge=judge,
    level=Level.STANDARD,
    timeout_s=60,
)
