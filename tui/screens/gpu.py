"""The GPUs in full: load, memory, heat, power, clocks and what holds them, PCIe, ECC, processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from agent.model.gpu import GpuMemory
from agent.report.visible import visible
from tui.screens.face import Face
from tui.widgets.strip import GpuStrip, power, temperature
from tui.words import gib, lines, sparkline, told

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from agent.desk.values import LiveCard
    from agent.model.gpu import Gpu


class Gpus(Face):
    """Screen 5."""

    PLACE = "gpu"
    COPIES = "#gpu-detail"
    HELP = ("Once a second, from NVML in a process of its own. n/a: this hardware has no such thing. ?: it could not "
            "be read. A temperature stands before its limit. On GPUs that share the host's memory PCIe figures are "
            "placeholders and are left out.")

    def body(self) -> ComposeResult:
        """Yield strip and details."""
        with VerticalScroll(id="gpu-box"):
            yield GpuStrip(id="gpus")
            yield Static(id="gpu-detail")

    def on_mount(self) -> None:
        """Take the keys, to scroll."""
        self.query_one("#gpu-box").focus()

    def show(self, topic: str) -> None:
        """Draw what changed."""
        if topic not in ("all", "sample"):
            return
        self.query_one(GpuStrip).show(self.state)
        sample = self.state.sample
        if sample is None:
            return
        parts: list[Content | str] = []
        if sample.driver:
            parts += ["", f"driver {sample.driver}, runs programs up to CUDA {sample.cuda}"]
        for card in sample.cards:
            parts += ["", *_card(card, list(self.state.busy.get(card.gpu.subject, ())), self.size.width)]
        self.query_one("#gpu-detail", Static).update(lines(parts))


def _card(card: LiveCard, past: list[int], width: int) -> list[Content | str]:
    gpu = card.gpu
    shared = isinstance(card.memory, GpuMemory) and card.memory.unified
    head = Content.assemble((visible(gpu.label), "bold"), (f"  {gpu.address}  {visible(gpu.uuid)}", "$text-muted"))
    rows = [
        ("load", f"{sparkline(past, max(10, min(60, width - 30)))}"), ("memory", _memory(card)),
        ("heat, power", f"{temperature(gpu)[0]}, {power(gpu)}, fan {told(gpu.number('fan_percent'), ' %')}"),
        ("clocks", f"SM {told(gpu.number('clock_sm_mhz'))}/{told(gpu.number('clock_sm_max_mhz'), ' MHz')}, memory "
                   f"{told(gpu.number('clock_memory_mhz'), ' MHz')}, P{told(gpu.number('pstate'))}"),
        ("held by", ", ".join(card.reasons) or "nothing"),
        ("PCIe", "not asked: part of the chip" if shared else _pcie(gpu)), ("ECC", _ecc(gpu)),
    ]
    found: list[Content | str] = [head]
    found += [Content.assemble((f"  {label:<12}", "$text-muted"), text) for label, text in rows]
    found += [Content.assemble(("  process     ", "$text-muted"), f"{pid:>7}  {_size(size):>10}  {visible(name)[:60]}")
              for pid, name, size in card.processes] or [Content.styled("  no process", "$text-muted")]
    return found


def _memory(card: LiveCard) -> str:
    memory = card.memory
    if not isinstance(memory, GpuMemory):
        return f"not known: {memory.reason}"
    held = "?" if memory.used_bytes is None else gib(memory.used_bytes)
    pool = ", the host's own (unified)" if memory.unified else ""
    return f"{held} GiB used, {gib(memory.free_bytes)} free of {gib(memory.total_bytes)} GiB{pool}"


def _pcie(gpu: Gpu) -> str:
    return (f"generation {told(gpu.number('pcie_generation'))} of {told(gpu.number('pcie_max_generation'))} (drops at "
            f"rest), {told(gpu.number('pcie_width'))} of {told(gpu.number('pcie_max_width'))} lanes, "
            f"replays {told(gpu.number('pcie_replays'))}")


def _ecc(gpu: Gpu) -> str:
    return (f"since the driver came up: corrected {told(gpu.number('ecc_corrected_volatile'))}, uncorrected "
            f"{told(gpu.number('ecc_uncorrected_volatile'))}")


def _size(size_bytes: int | None) -> str:
    return "?" if size_bytes is None else f"{gib(size_bytes)} GiB"
