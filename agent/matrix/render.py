"""Tables, solutions, judgements and explanations as text."""

from __future__ import annotations

import dataclasses
import textwrap
from typing import TYPE_CHECKING, Any

from agent.matrix.explanation import Explanation, Sighting, source_words
from agent.matrix.solution import NoSolution, Solution
from agent.matrix.tables import find_row

if TYPE_CHECKING:
    from agent.matrix.judgement import Line

_COLUMNS = {
    "cards": (
        "name",
        "capability",
        "architecture",
        "memory_gb",
        "bandwidth_gbs",
        "bf16_tflops",
        "driver_sure",
        "modules",
    ),
    "architectures": ("name", "capabilities", "cuda_first", "cuda_last_major", "driver_last"),
    "drivers": ("branch", "kind", "first", "latest", "cuda", "ended", "end_of_life", "kernels_broken"),
    "floors": ("cuda_major", "driver"),
    "cuda": (
        "version",
        "released",
        "bundled_driver",
        "capability_min",
        "capability_max",
        "gcc_max",
    ),
    "cudnn": ("version", "released", "cuda_majors", "drivers", "capabilities"),
    "torch": ("version", "released", "python", "pypi_cuda", "pypi_aarch64", "builds"),
    "torch_builds": ("tag", "first", "last", "platform", "capabilities"),
    "vllm": ("version", "released", "torch", "cuda", "platforms", "nvfp4_on_12_1"),
    "vllm_cards": ("first", "below", "capability_min"),
    "images": ("reference", "architectures", "cuda", "torch", "vllm", "proven", "code"),
    "systems": ("system", "architecture", "python", "repository", "archive_driver", "driver_branches"),
    "xid": ("code", "what", "action", "then", "gpud_event"),
    "sxid": ("code", "name", "kind", "recovery", "gpud_event"),
    "symptoms": ("id", "cause"),
    "sources": ("id", "what"),
}


def to_document(row: Any) -> dict[str, Any]:
    """Return a row as plain data, empty fields left out."""
    return {name: value for name, value in dataclasses.asdict(row).items() if value not in ("", (), None, {})}


def render_table(name: str, rows: tuple[Any, ...]) -> str:
    """Return a table with its sources and dates."""
    columns = _COLUMNS[name]
    lines = [(*columns, "source", "date")]
    for row in rows:
        cells = tuple(_cell(getattr(row, column)) for column in columns)
        lines.append((*cells, " ".join(getattr(row, "source", ())), row.date))
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns) + 2)]
    made = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
    return "\n".join(made) + "\n"


def _cell(value: Any) -> str:
    if value is None or value in ("", (), {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return " ".join(f"{key}:{item}" for key, item in value.items())
    if isinstance(value, tuple):
        return " ".join(_cell(item) for item in value)
    if hasattr(value, "tag"):
        return str(value.tag)
    if hasattr(value, "kernel"):
        return f"{value.kernel}{f'<{value.fixed}' if value.fixed else ''}"
    return str(value)


def render_result(result: Solution | NoSolution, width: int) -> str:
    """Return a solution part by part, or the reason why there is none, and the rows it rests on."""
    asked = ", ".join(str(want) for want in result.ask.wants) or "a driver"
    system = f", {result.ask.system}" if result.ask.system else ""
    asked = f"{asked} on {result.ask.card}, {result.ask.architecture}{system}"
    if isinstance(result, NoSolution):
        lines = [f"{'unknown' if result.unknown else 'no'}: {asked}", "", *_conflict(result, width)]
    else:
        lines = [f"yes: {asked}", "", *_parts(result, width)]
    return "\n".join([*lines, *_cited(result.rows, width)]) + "\n"


def _parts(result: Solution, width: int) -> list[str]:
    lines = []
    wide = max(len(part.kind) for part in result.parts)
    for part in result.parts:
        plain = part.kind == "python" or part.says.startswith(part.value)
        says = part.says if plain else f"{part.value}: {part.says}"
        lines += _indented(f"{part.kind:{wide}}  ", says, width)
    if result.caveats:
        lines += ["", "mind:", *(line for text in result.caveats for line in _indented("  - ", text, width))]
    return lines


def _conflict(result: NoSolution, width: int) -> list[str]:
    lines = [line for item in result.conflict for line in _indented("  - ", item.says, width)]
    if result.instead:
        kinds = {"torch", "vllm", "cuda", "image", *(want.kind for want in result.ask.wants)} - {"driver", "python"}
        taken = [f"{part.kind} {part.value}" for part in result.instead.parts if part.kind in kinds]
        driver = f"driver {result.instead.driver_range} (take branch {result.instead.driver_branch})"
        lines += ["", *_indented("what fits instead: ", ", ".join([*taken, driver]), width)]
    return lines


def render_lines(lines: tuple[Line, ...], width: int) -> str:
    """Return the judgement of a machine's combination."""
    made: list[str] = []
    for about, verdict in lines:
        says = f"{about}: {verdict.says.removeprefix('unknown: ')}"
        made += _indented(f"{verdict.answer:8} ", says, width)
    rows = tuple(dict.fromkeys(row for _, verdict in lines for row in verdict.rows))
    return "\n".join([*made, *_cited(rows, width)]) + "\n"


def render_explanation(found: Explanation, width: int) -> str:
    """Return an explanation as a page."""
    lines = [found.title, "", *_indented("", found.cause, width)]
    if found.look:
        lines += [
            "",
            "Evidence to look for:",
            *(line for text in found.look for line in _indented("  - ", text, width)),
        ]
    if found.opinions:
        head = "The sources disagree:" if found.disagree else "What the sources say:"
        lines += ["", head]
        for who, says in found.opinions:
            lines += _indented(f"  {who}: ", says, width, hang=4)
    if found.steps:
        lines += ["", "What to do:"]
        for number, step in enumerate(found.steps, 1):
            lines += _indented(f"  {number}. ", step, width)
    lines += ["", f"Sources{f' ({found.date})' if found.date else ''}:"]
    for source in found.source:
        lines += _indented("  ", source_words(source), width, hang=4)
    return "\n".join(lines) + "\n"


def render_sighting(found: Sighting, width: int) -> str:
    """Return an explanation as a page, headed by where in the log it was seen."""
    times = "once" if found.times == 1 else f"{found.times} times"
    where = textwrap.shorten(found.text, max(40, width - 4), placeholder=" …")
    return f"line {found.line}, {times}:\n  {where}\n\n{render_explanation(found.explanation, width)}"


def _cited(rows: tuple[str, ...], width: int) -> list[str]:
    """Return the rows with their sources and dates, under a heading; nothing without rows."""
    lines = ["", "rows (source, date):"] if rows else []
    for row_id in rows:
        row = find_row(row_id)
        lines += _indented(
            "  ", f"{row_id} ({', '.join(row.source)}; {row.date})" if row else row_id, width, hang=4
        )
    return lines


def _indented(head: str, text: str, width: int, hang: int | None = None) -> list[str]:
    """Return `text` wrapped behind `head`; further lines are indented by `hang` columns, else by the head."""
    after = " " * (len(head) if hang is None else hang)
    wrapped = textwrap.wrap(
        f"{head}{text}",
        max(40, width),
        subsequent_indent=after,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return wrapped or [head.rstrip()]
