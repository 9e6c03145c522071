"""Drift as text: what changed, from what to what, when, by what, and what to do."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from agent.model.drift import printed_name, time_text
from agent.report.visible import shortened, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent.model.drift import Baseline, Drift, DriftReport, KeptDrift

WIDTH = 200


def render_drift(report: DriftReport, *, program: str = "firstlight") -> str:
    """Return one look for drift: a line of what, a line of from and to, a line of when and by what."""
    taken = report.fingerprint
    lines = [
        f"{visible(taken.machine)}: profile {taken.profile}, {taken.system}, {time_text(taken.taken)}",
        "",
    ]
    if "profile" in report.against:
        lines += _section("the profile", [each for each in report.drifts if each.against == "profile"])
    if report.baseline is not None:
        lines += _section(
            f"the baseline {_baseline(report.baseline)}",
            [each for each in report.drifts if each.against == "baseline"],
        )
    elif "baseline" in report.against:
        lines += [
            f"no baseline yet; when the machine is as you want it: {program} drift --accept 'REASON'",
            "",
        ]
    others = [each for each in report.drifts if each.against not in ("profile", "baseline")]
    for name, drifts in groupby(others, key=lambda drift: drift.against):
        lines += _section(name, list(drifts))
    lines += _ended(report.ended)
    if report.unseen:
        lines += [
            "not compared:",
            *(f"  {area}: {shortened(why, WIDTH)}" for area, why in report.unseen.items()),
            "",
        ]
    return "\n".join([*lines, _tally(report)]) + "\n"


def render_history(kept: Sequence[KeptDrift], since: float) -> str:
    """Return the drifts that came or ended since a moment."""
    if not kept:
        return f"no drift since {time_text(since)}\n"
    return "\n".join(line for each in kept for line in _kept(each)) + "\n"


def _section(name: str, drifts: Sequence[Drift]) -> Iterator[str]:
    if not drifts:
        yield f"no drift from {name}"
    else:
        yield f"{len(drifts)} {'drift' if len(drifts) == 1 else 'drifts'} from {name}"
        for drift in drifts:
            yield from _drift(drift)
    yield ""


def _drift(drift: Drift) -> Iterator[str]:
    yield f"  {_what(drift)}"
    if drift.summary:
        yield f"      {shortened(drift.summary, WIDTH)}"
    yield f"      {_change(drift)}"
    yield f"      {when(drift)}{f', by {visible(drift.cause)}' if drift.cause else ''}"
    if drift.role:
        yield f"      repair: firstlight fix {drift.key.partition(' ')[0]}"


def _kept(kept: KeptDrift) -> Iterator[str]:
    yield from _drift(kept.drift)
    if kept.ended is not None:
        yield f"      gone at {time_text(kept.ended)}: {visible(kept.put_back)}"


def _ended(ended: Sequence[KeptDrift]) -> Iterator[str]:
    if ended:
        yield "gone since the last look"
        for kept in ended:
            yield f"  {_what(kept.drift)}: as it was again, put back {visible(kept.put_back)}"
        yield ""


def _what(drift: Drift) -> str:
    return visible(printed_name(drift.area, drift.key))


def _change(drift: Drift) -> str:
    first, second = ("expected", "found") if drift.against == "profile" else ("was", "is")
    sides = (shortened(side, WIDTH) if side else "absent" for side in (drift.before, drift.after))
    return "; ".join(f"{word} {side}" for word, side in zip((first, second), sides, strict=True))


def when(drift: Drift) -> str:
    """Return when a drift came about: the moment, or since when it can have."""
    if drift.changed is not None:
        return f"changed {time_text(drift.changed)}"
    return f"changed after {time_text(drift.earliest)}" if drift.earliest else "nothing tells when it changed"


def _baseline(baseline: Baseline) -> str:
    return f"accepted {time_text(baseline.accepted)} by {visible(baseline.by)} ({shortened(baseline.reason, 60)})"


def _tally(report: DriftReport) -> str:
    count = len(report.drifts)
    blind = f", {len(report.unseen)} not compared" if report.unseen else ""
    return f"{'no drift' if not count else f'{count} drift' + 's' * (count > 1)}{blind}"
