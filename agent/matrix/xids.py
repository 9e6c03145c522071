"""What a Xid means and what to do: NVIDIA's catalogue first, other sources beside it where they disagree."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.matrix.tables import load_table

if TYPE_CHECKING:
    from agent.matrix.symptom_rows import SXid, Xid

IN_LOG = re.compile(r"\bXid \((?:PCI:)?[^)]*\): (\d+)")
SWITCH_IN_LOG = re.compile(r"\bSXid \((?:PCI:)?[^)]*\): (\d+)")
_NAMED = re.compile(r"\bxid[\s:#=]*(\d+)\b", re.IGNORECASE)
_SWITCH_NAMED = re.compile(r"\bsxid[\s:#=]*(\d+)\b", re.IGNORECASE)
WORDS = {
    "IGNORE": "nothing, it is information",
    "IGNORE (sympathetic)": "nothing, it follows from another error",
    "RESTART_APP": "restart the application",
    "RESET_GPU": "reset the GPU (nvidia-smi --gpu-reset, with no process on it)",
    "RESTART_BM": "reboot the machine",
    "RESTART_VM": "reboot the virtual machine",
    "UPDATE_SWFW": "update driver and firmware",
    "CHECK_MECHANICALS": "check the power plugs and the seating of the card",
    "CONTACT_SUPPORT": "contact support",
    "CHECK_APP/CUDA": "look into the application and its use of CUDA",
    "CHECK_UVM": "look into unified memory errors beside it",
    "INVESTIGATE_SW": "look into driver and software",
    "INVESTIGATE_SW_USER": "look into the user's software",
    "INVESTIGATE_LINK_SI": "look into the signal of the link",
    "WORKFLOW_XID_13": "find out whether program or card is at fault: run it on another card",
    "WORKFLOW_XID_31": "find out whether program or card is at fault: run it on another card",
    "WORKFLOW_XID_45": "follow the Xid before it",
    "WORKFLOW_XID_48": "drain the machine and reset the GPU; with Xid 63 or 64 beside it follow that one",
    "WORKFLOW_NVLINK_ERR": "find the failing NVLink and reset the GPUs on both ends; repeated: inspect the hardware",
    "WORKFLOW_NVLINK5_ERR": "NVIDIA's workflow for fifth-generation NVLink errors",
    "XID_137_FLOW": "follow the workflow of Xid 137",
    "XID_154": "do what GPU Recovery Action names",
    "SYMPATHETIC_REPORT_SOLO": "nothing beside another error; alone: report it",
    "Solo: RESTART_FM; Not Solo: IGNORE (follow other Xid)": "alone: restart the fabric manager, else follow the other",
    "N/A Informational only regarding another Xid": "nothing more, it is about another Xid",
}
_GPUD = {
    "RebootSystem": "reboot",
    "HardwareInspection": "inspect the hardware",
    "CheckUserAppAndGPU": "check application and card",
    "IgnoreNoActionRequired": "nothing",
}
_MILD = {"IGNORE": 0, "IGNORE (sympathetic)": 0, "RESTART_APP": 1, "WORKFLOW_XID_45": 1}


@dataclass(frozen=True, slots=True)
class XidAdvice:
    """What is known of a Xid. `severity`: none, application, serious, unknown. `disagree`: the sources differ."""

    code: int
    name: str
    what: str
    severity: str
    nvidia: str
    others: tuple[tuple[str, str], ...]
    disagree: bool
    look: tuple[str, ...]
    row: str
    source: tuple[str, ...]
    date: str


def find_advice(code: int) -> XidAdvice | None:
    """Return what is known of a Xid; None when no row describes it."""
    row: Xid | None = next((row for row in load_table("xid") if row.code == code), None)
    if row is None:
        return None
    levels = [
        level
        for level in (_nvidia_level(row), _gpud_level(row), 1 if row.application else None)
        if level is not None
    ]
    first = _nvidia_level(row)
    level = first if first is not None else _gpud_level(row)
    return XidAdvice(
        code=code,
        name=row.name,
        what=row.what or ("not in use, says the catalogue" if row.unused else "no meaning published"),
        severity="unknown" if level is None else ("none", "application", "serious")[level],
        nvidia=_nvidia(row),
        others=tuple(_others(row)),
        disagree=len(set(levels)) > 1,
        look=row.look,
        row=row.id,
        source=row.source,
        date=row.date,
    )


def find_codes(text: str) -> tuple[int, ...]:
    """Return the Xids a text names, in order, once each: kernel log lines, or `xid 79`."""
    found = IN_LOG.findall(text) or _NAMED.findall(text)
    return tuple(dict.fromkeys(int(code) for code in found))


def find_switch_codes(text: str) -> tuple[int, ...]:
    """Return the SXids (NVSwitch errors) a text names, in order, once each: kernel log lines, or `sxid 12028`."""
    found = SWITCH_IN_LOG.findall(text) or _SWITCH_NAMED.findall(text)
    return tuple(dict.fromkeys(int(code) for code in found))


def find_switch_row(code: int) -> SXid | None:
    """Return the row of an SXid; None when no row describes it."""
    rows: tuple[SXid, ...] = load_table("sxid")
    return next((row for row in rows if row.code == code), None)


def gpud_words(event: str, actions: tuple[str, ...]) -> str:
    """Return gpud's opinion in words."""
    return f"{event.lower()}: {', then '.join(_GPUD.get(action, action) for action in actions) or 'no action'}"


def _nvidia(row: Xid) -> str:
    """Return NVIDIA's catalogue in words; empty when it says nothing."""
    if not row.action:
        return ""
    first = WORDS.get(row.action, row.action)
    if not row.then or row.then == row.action:
        return first
    return f"{first}; if it comes back: {WORDS.get(row.then, row.then)}"


def _others(row: Xid) -> list[tuple[str, str]]:
    found = []
    if row.gpud_event:
        found.append(("gpud", gpud_words(row.gpud_event, row.gpud_actions)))
    if row.application:
        found.append(("NVIDIA's Kubernetes plugin", "an error of the application; the card stays in service"))
    return found


def _nvidia_level(row: Xid) -> int | None:
    """Return 0 nothing, 1 the application, 2 the card or machine; None when the catalogue says nothing of use."""
    return None if row.unused or not row.action else _MILD.get(row.action, 2)


def _gpud_level(row: Xid) -> int | None:
    if not row.gpud_event or row.unused:
        return None
    if {"RebootSystem", "HardwareInspection"} & set(row.gpud_actions):
        return 2
    return 1 if "CheckUserAppAndGPU" in row.gpud_actions else None if not row.gpud_actions else 0
