"""SATA and SAS drives: what SMART says."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from agent.check import Check, Level, Outcome, failed, not_applicable, passed, unknown, warned
from agent.machine.block import is_virtual
from agent.model.errors import Missing, Unobservable
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

# Attributes whose raw value counts sectors the drive has lost: 5, 187, 197, 198 (the ones Backblaze found
# telling).
LOST_SECTORS = (5, 187, 197, 198)
REPLACE = Remedy(steps=("Copy the data away now.", "Replace the drive."))


def observe(machine: Machine, profile: ResolvedProfile) -> dict[str, dict[str, Any]]:
    """Return smartctl's answer for each SATA or SAS drive; virtual disks are left out."""
    try:
        names = [name for name in machine.listing("/sys/block") if re.fullmatch(r"sd[a-z]+", name)]
    except Missing:
        return {}
    names = [name for name in names if not is_virtual(machine, name)]
    if names and not machine.privileged():
        raise Unobservable("only root may ask a drive for its health; run this check as root")
    answers = {}
    for name in names:
        try:
            answers[name] = json.loads(machine.run(argv(name), timeout_s=20, ok=None).out or "{}")
        except Missing:
            raise Unobservable("smartctl is not installed (package smartmontools)") from None
        except ValueError as error:
            raise Unobservable(f"smartctl's answer for /dev/{name} is no JSON: {error}") from error
    return answers


def argv(name: str) -> tuple[str, ...]:
    """Return the command that prints a drive's health and attributes."""
    return ("smartctl", "-H", "-A", "-j", f"/dev/{name}")


def judge(seen: dict[str, dict[str, Any]], profile: ResolvedProfile) -> list[Outcome]:
    """One finding per drive."""
    if not seen:
        return [not_applicable("This machine has no SATA or SAS drive of its own.")]
    return [judge_drive(name, answer) for name, answer in seen.items()]


def judge_drive(name: str, answer: dict[str, Any]) -> Outcome:
    """Say the worst that SMART tells."""
    command = " ".join(argv(name))
    health = answer.get("smart_status", {}).get("passed")
    if health is None:
        said = [message.get("string", "") for message in answer.get("smartctl", {}).get("messages", [])]
        if answer.get("smart_support", {}).get("available") is False:
            return not_applicable(f"/dev/{name} has no SMART.", subject=name)
        return unknown(f"/dev/{name} did not tell its health: {'; '.join(said) or 'no status'}", subject=name,
                       evidence=[Evidence(command, tuple(said))])
    table = answer.get("ata_smart_attributes", {}).get("table", [])
    lost = {
        row["name"]: row["raw"]["value"]
        for row in table
        if row.get("id") in LOST_SECTORS and row["raw"]["value"]
    }
    text = ", ".join(f"{key} {value}" for key, value in lost.items()) or "no sector lost"
    evidence = [Evidence(command, (f"passed: {health}", text))]
    if not health:
        return failed(f"/dev/{name} says that it is about to fail ({text}).", subject=name, seen="failing",
                      expected="passed", evidence=evidence, remedy=REPLACE)
    if lost:
        return warned(f"/dev/{name} is losing sectors: {text}.", subject=name, seen=text, expected="0",
                      evidence=evidence, remedy=REPLACE)
    degrees = answer.get("temperature", {}).get("current")
    heat = f", {degrees} °C" if degrees is not None else ""
    return passed(f"/dev/{name} is healthy: {text}{heat}.", subject=name, seen=text, evidence=evidence)


CHECK = Check(
    title="SMART health",
    why="Sectors that had to be remapped are the best sign that a drive will die soon.",
    observe=observe,
    judge=judge,
    level=Level.STANDARD,
    timeout_s=120,
)
