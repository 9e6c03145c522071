from __future__ import annotations

import pytest

from agent.machine.journal import KernelMessage
from agent.machine.xid import find_xids, parse_xid


def parsed(text: str) -> tuple[int, str, str, str, str, bool]:
    event = parse_xid(KernelMessage(3, 5.0, text))
    assert event is not None and event.time_s == 5.0
    return event.code, event.address, event.pid, event.process, event.detail, event.switch


@pytest.mark.parametrize(("text", "wanted"), [
    ("NVRM: Xid (PCI:0000:04:00): 79, pid=1234, name=python, GPU has fallen off the bus.",
     (79, "0000:04:00", "1234", "python", "GPU has fallen off the bus.", False)),
    ("NVRM: Xid (PCI:0000:04:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
     (79, "0000:04:00", "", "", "GPU has fallen off the bus.", False)),
    ("NVRM: Xid (PCI:0009:01:00): 31, pid=7, name=vllm, Ch 00000008, intr 00000000. MMU Fault: ENGINE GRAPHICS",
     (31, "0009:01:00", "7", "vllm", "Ch 00000008, intr 00000000. MMU Fault: ENGINE GRAPHICS", False)),
    ("NVRM: Xid (0000:03:00): 8, Channel 00000001", (8, "0000:03:00", "", "", "Channel 00000001", False)),
    ("NVRM: Xid (PCI:00000000:C1:00.0): 63, Row Remapper: New row marked for remapping",
     (63, "0000:c1:00", "", "", "Row Remapper: New row marked for remapping", False)),
    ("NVRM: Xid (PCI:0000:04:00): 43", (43, "0000:04:00", "", "", "", False)),
    ("nvidia-nvswitch3: SXid (PCI:0000:c1:00.0): 28006, Non-fatal, Link 46 MC TS crumbstore MCTO",
     (28006, "0000:c1:00", "", "", "Non-fatal, Link 46 MC TS crumbstore MCTO", True)),
])
def test_every_form_the_driver_writes_is_read(text: str, wanted: tuple[object, ...]) -> None:
    assert parsed(text) == wanted


def test_other_lines_are_no_xids() -> None:
    lines = ("NVRM: GPU at PCI:0000:04:00: GPU-1", "Xid", "usb 1-1: new device", "NVRM: Xid (PCI:0000:04:00): none")
    assert find_xids([KernelMessage(3, 0.0, line) for line in lines]) == ()
