"""Says whether a model fits, use by use, and what would make it fit."""

from __future__ import annotations

import textwrap
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from agent.model.units import format_size
from agent.smoke.fit.memory import HELD_OUT, METHODS, PRECISIONS, SERVING_ERROR, TUNING_ERROR, serving, tuning

if TYPE_CHECKING:
    from agent.smoke.fit.machine import Room
    from agent.smoke.fit.memory import Need
    from agent.smoke.fit.shape import Shape

SERVED = ("bf16", "fp8", "nvfp4", "int4")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: which uses, with how many sequences of how many tokens.

    `context` when serving, `length` when tuning.
    """

    uses: tuple[str, ...]
    precisions: tuple[str, ...]
    context: int
    length: int
    batch: int
    rank: int = 16
    cache_bytes: float = 2.0


@dataclass(frozen=True, slots=True)
class Line:
    """One use: what it needs on one device, and on how many devices it fits (0: not on any number tried)."""

    need: Need
    devices: int
    fits: bool
    advice: tuple[str, ...]


def answer(shape: Shape, room: Room, asked: Question) -> list[Line]:
    """Return a line for each use and precision that is asked for."""
    needs = [serving(shape, precision, context=asked.context, batch=asked.batch, cache_bytes=asked.cache_bytes)
             for precision in asked.precisions if "serve" in asked.uses]
    needs += [tuning(shape, method, length=asked.length, batch=asked.batch, rank=asked.rank)
              for method in METHODS if method in asked.uses]
    return [_line(shape, room, asked, need) for need in needs]


def _line(shape: Shape, room: Room, asked: Question, need: Need) -> Line:
    devices = _devices(need, room)
    fits = 0 < devices <= room.count
    return Line(need, devices, fits, () if fits else tuple(_advice(shape, room, asked, need, devices)))


def _devices(need: Need, room: Room) -> int:
    """Return on how many devices like this machine's it fits; 0 when on none of the numbers tried."""
    return next((n for n in (1, 2, 4, 8, 16) if on_each(need, n) <= room.each), 0)


def on_each(need: Need, devices: int) -> int:
    """Return what each of several devices holds: everything is shared out but the runtime and some activations."""
    if devices == 1:
        return need.total
    return need.runtime + need.activations // 2 + (need.weights + need.cache + need.state) // devices


def _advice(shape: Shape, room: Room, asked: Question, need: Need, devices: int) -> list[str]:
    found = _serving_advice(shape, room, asked, need) if need.use == "serve" else _tuning_advice(
        shape, room, asked, need)
    if devices > room.count and room.devices:
        found.append(f"{devices} such devices")
    return found or [f"a device with {format_size(need.total)} and some to spare"]


def _serving_advice(shape: Shape, room: Room, asked: Question, need: Need) -> list[str]:
    """Return what smaller questions fit: context, batch, cache, precision."""

    def fits(precision: str = need.precision, context: int = asked.context, batch: int = asked.batch,
             cache_bytes: float = asked.cache_bytes) -> bool:
        smaller = serving(shape, precision, context=context, batch=batch, cache_bytes=cache_bytes)
        return 0 < _devices(smaller, room) <= room.count

    found = []
    low, high = 0, asked.context // 1024
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(context=middle * 1024) else (low, middle - 1)
    if low:
        found.append(f"a context of {low * 1024} tokens instead of {asked.context}")
    if asked.batch > 1 and fits(batch=1):
        found.append(f"fewer than {asked.batch} sequences at once; one fits")
    if asked.cache_bytes > 1 and fits(cache_bytes=1):
        found.append("an 8-bit KV cache (--kv fp8)")
    smaller = [name for name in SERVED if PRECISIONS[name] < PRECISIONS[need.precision] and fits(name)]
    return found + [f"{name} instead of {need.precision}" for name in smaller[:1]]


def _tuning_advice(shape: Shape, room: Room, asked: Question, need: Need) -> list[str]:
    """Return what smaller questions fit: sequence length, method."""

    def fits(method: str = need.use, length: int = asked.length) -> bool:
        smaller = tuning(shape, method, length=length, batch=asked.batch, rank=asked.rank)
        return smaller.total < need.total and 0 < _devices(smaller, room) <= room.count

    shorter = next((length for length in (4096, 2048, 1024, 512, 256) if length < asked.length and fits(length=length)),
                   0)
    found = [f"sequences of {shorter} tokens instead of {asked.length}"] if shorter else []
    lighter = [method for method in ("full-bf16", "lora", "qlora") if fits(method)]
    return found + [f"{method} instead of {need.use}" for method in lighter[:1]]


def to_document(shape: Shape, room: Room, asked: Question, lines: list[Line]) -> dict[str, Any]:
    """Return the answer as plain data."""
    return {
        "model": {**asdict(shape), "parameters": shape.parameters}, "room": asdict(room), "asked": asdict(asked),
        "error": {kind: {"mean": error[0], "largest": error[1], "cases": cases} for kind, error, cases in
                  zip(("serving", "tuning"), (SERVING_ERROR, TUNING_ERROR), HELD_OUT, strict=True)},
        "uses": [{**asdict(line.need), "total": line.need.total, "devices": line.devices, "fits": line.fits,
                  "advice": list(line.advice)} for line in lines],
    }


def render_answer(shape: Shape, room: Room, asked: Question, lines: list[Line], width: int) -> str:
    """Return the answer as a table and, below it, what would help."""
    count = f"{room.count} x " if room.count > 1 else ""
    head = [f"{shape.name}: {shape.parameters / 1e9:.2f} billion parameters, {shape.layers} layers",
            f"here: {room.words}; usable {count}{format_size(room.each)}",
            f"asked: {asked.batch} x {asked.context} tokens to serve, {asked.batch} x {asked.length} to tune"]
    if shape.note:
        head.append(f"note: {shape.note}")
    if shape.context and asked.context > shape.context:
        head.append(f"note: this model was made for {shape.context} tokens at most")
    out = [textwrap.fill(text, width, subsequent_indent="  ") for text in head]
    out += ["", f"{'use':18}{'weights':>11}{'KV cache':>11}{'other':>11}{'together':>11}  fits"]
    for line in lines:
        need = line.need
        label = f"{need.use} {need.precision}" if need.use == "serve" else need.use
        other = need.activations + need.state + need.runtime
        fits = "yes" if line.fits and line.devices == 1 else f"on {line.devices}" if line.fits else "no"
        out.append(f"{label:18}" + "".join(f"{format_size(value):>11}" for value in (
            need.weights, need.cache, other, need.total)) + f"  {fits}")
    helped = [(line, "; or ".join(line.advice)) for line in lines if line.advice]
    out += [""] if helped else []
    for line, text in helped:
        label = f"{line.need.use} {line.need.precision}" if line.need.use == "serve" else line.need.use
        out.append(textwrap.fill(f"{label} would fit with {text}", width, subsequent_indent="  "))
    say = ("Estimates. Against published measurements that they were not fitted to, serving was off by {:.0%} on "
           "average and {:.0%} at most ({} cases), tuning by {:.0%} and {:.0%} ({} cases).").format(
               *SERVING_ERROR, HELD_OUT[0], *TUNING_ERROR, HELD_OUT[1])
    return "\n".join([*out, "", textwrap.fill(say, width)]) + "\n"
