"""The GPUs as one line each, and memory as a bar; both fit themselves to the columns there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import Static

from agent.model.gpu import GpuMemory
from agent.report.visible import visible
from tui.words import bar, gib, sparkline, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.desk.values import LiveCard, Look
    from agent.model.gpu import Gpu
    from tui.state import State

HOT_MARGIN_C = 5
SHORTEST = 8  # columns; a cut text of fewer says nothing


class GpuStrip(Static):
    """Utilisation with its past, memory, temperature with its limit, power, clock and what holds it."""

    def show(self, state: State) -> None:
        """Draw it anew."""
        sample, width = state.sample, max(40, (self.content_size.width or 76) - 1)  # a scrollbar may still come
        if sample is None:
            self.update(Content.styled("GPUs: looking …", "$text-muted"))
            return
        rows = [card_line(card, state.busy.get(card.gpu.subject, ()), width) for card in sample.cards]
        if sample.trouble or not rows:
            trouble = sample.trouble or "no NVIDIA GPU answers here"
            rows.append(Content.styled(f"? GPUs: {visible(trouble)}", "$text-warning"))
        self.update(Content("\n").join(rows))


def card_line(card: LiveCard, past: Sequence[int], width: int) -> Content:
    """Return one GPU in `width` columns; what has no room is left out, from the end."""
    gpu = card.gpu
    if gpu.lost:
        return Content.styled(f"✗ {visible(gpu.label)}: {gpu.lost}", "$text-error bold")
    percent = gpu.numbers("utilization_percent", 2)
    busy = f"{percent[0]:3d} %" if isinstance(percent, tuple) else "  n/a"
    heat, hot = temperature(gpu)
    parts: list[tuple[str, str]] = [
        (f"GPU{gpu.index:<2}", "bold"), (f"{busy} ", ""), (sparkline(past, 12 if width < 110 else 24), "$text-accent"),
        (" " + memory_text(card.memory, 6 if width < 110 else 12), ""),
        (f"  {heat}", "$text-error bold" if hot else ""), (f"  {power(gpu)}", ""),
        (f"  {told(gpu.number('clock_sm_mhz'), ' MHz')}", ""),
        ("  " + ", ".join(card.reasons), "$text-muted"),
    ]
    shown, room = [], width
    for text, style in parts:
        if len(text) > room:
            if room > SHORTEST:
                shown.append((text[:room - 1] + "…", style))
            break
        shown.append((text, style))
        room -= len(text)
    return Content.assemble(*shown)


def temperature(gpu: Gpu) -> tuple[str, bool]:
    """Return temperature and limit in words, and whether it is at its limit or near it (then marked with `!`)."""
    seen, margin = gpu.number("temperature_c"), gpu.number("margin_c")
    if not isinstance(seen, int):
        return f"{told(seen)} °C", False
    limit = seen + margin if isinstance(margin, int) and margin > 0 else gpu.number("threshold_slowdown_c")
    if not isinstance(limit, int):
        return f"{seen} °C, limit not told", False
    hot = limit - seen <= HOT_MARGIN_C
    return f"{'!' if hot else ''}{seen}/{limit} °C", hot


def power(gpu: Gpu) -> str:
    """Return power and its limit."""
    limit = gpu.number("power_limit_mw")
    cap = f"/{round(limit / 1000)}" if isinstance(limit, int) else ""
    seen = gpu.number("power_mw")
    return f"{round(seen / 1000)}{cap} W" if isinstance(seen, int) else f"{told(seen)} W"


def memory_text(memory: object, width: int) -> str:
    """Return a GPU's memory as a bar and figures; shared memory says so."""
    if not isinstance(memory, GpuMemory):
        return "memory ?"
    if memory.unified:
        held = "?" if memory.used_bytes is None else gib(memory.used_bytes)
        return f"holds {held} GiB of shared memory"
    used = memory.used_bytes or 0
    return f"{bar(used / memory.total_bytes, width)} {gib(used)}/{gib(memory.total_bytes)} GiB"


def memory_bar(look: Look, available_bytes: int, held_bytes: int | None, width: int) -> Content:
    """Return the host's memory. Where CPU and GPU share it, the GPU's part is drawn in the same bar."""
    total, free = look.memory_bytes, available_bytes
    if not total:
        return Content.styled("memory: not known", "$text-muted")
    room = max(20, min(width - 2, 100))
    gpu = min(held_bytes or 0, total) if look.unified else 0
    free = min(free, total - gpu)
    other = max(0, total - free - gpu)
    cells = [round(part / total * room) for part in (gpu, other)]
    drawn = [("█" * cells[0], "$text-accent"), ("▒" * cells[1], "$text-warning"),
             ("·" * max(0, room - sum(cells)), "$text-muted")]
    title = f"memory {gib(total)} GiB" + (", one pool for CPU and GPU" if look.unified else "")
    known = "GPU not told" if held_bytes is None else f"█ GPU {gib(gpu)}"
    legend = f"{known}  " if look.unified else ""
    return Content.assemble((title, "bold"), "\n", *drawn, "\n",
                            (f"{legend}▒ used {gib(other)}  · available {gib(free)} GiB", "$text-muted"))
