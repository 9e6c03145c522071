"""Collected reports for the tests of fleets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.drift.document import head
from agent.fleet.envelopes import Head, head_of
from agent.model.drift import Fingerprint
from agent.report.json import render_envelope

if TYPE_CHECKING:
    from pathlib import Path

Reports = dict[str, dict[str, Any]]


def report(name: str, facts: dict[str, dict[str, str]], **more: Any) -> dict[str, Any]:
    """Return the `data` of a machine's drift report."""
    given: dict[str, Any] = {
        "profile": "lab",
        "system": "debian 12 x86_64",
        "drifts": [],
        "ignore": [],
        **more,
    }
    taken = Fingerprint(name, given["profile"], "d1", given["system"], 1e9, facts)
    beginning = head(taken) | {"drifts": len(given["drifts"]), "ignore": given["ignore"]}
    return {"head": beginning, "drifts": given["drifts"], "unseen": {}, "facts": facts}


def heads_of(reports: Reports) -> list[Head]:
    """Return the heads of reports by machine."""
    return [head_of(name, told["head"]) for name, told in reports.items()]


def write(folder: Path, reports: Reports) -> None:
    """Write reports as they are collected."""
    for name, told in reports.items():
        (folder / f"{name}.json").write_text(render_envelope(told, command="drift"))
