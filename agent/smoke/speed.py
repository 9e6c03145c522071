"""Whether a card is as fast as such cards are, and as it was on its first day here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.matrix.subject import find_subject
from agent.matrix.tables import Matrix
from agent.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.matrix.rows import Card

CEILING = 1.05  # of the data sheet: faster than that is an error of measurement
VECTOR_SHARE = 0.5  # of the copy rate; GB10's slow state costs a matrix-vector product 3.3 times and copies nothing
WEIGHTS = "weights_gbs"  # of a served model: read once for every token
WEIGHTS_SHARE = 0.5  # of the data sheet's memory rate; 0.6 to 0.9 is seen
TFLOPS, COPY, VECTOR = "matmul_bfloat16_tflops", "copy_gbs", "gemv_gbs"
COMPARED = (TFLOPS, "matmul_float32_tflops", COPY, VECTOR, "h2d_gbs", "d2h_gbs", "all_reduce_gbs")
_ROUND = re.compile(r"c(\d+)_output_tokens_per_s")
UNITS = {"tflops": "TFLOP/s", "gbs": "GB/s"}


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a card: floors in TFLOP/s and GB/s, and a sheet figure the matrix has not; who says so."""

    tflops: float
    gbs: float
    source: str
    tflops_sheet: float | None = None


# Floors are about 0.64 (products) and 0.75 (memory) of the data sheet, below every healthy figure seen.
FLOORS = {
    "card.h200-sxm": Known(630, 3600, "stas00/ml-engineering; measured on one H200: 769-798 TFLOP/s, 4300 GB/s"),
    "card.h100-sxm": Known(630, 2500, "stas00/ml-engineering: 794.5 TFLOP/s"),
    "card.h100-pcie": Known(400, 1500, "stas00/ml-engineering"),
    "card.rtx-4090": Known(115, 780, "NVIDIA Ada figures; no sourced measurement"),
    "card.gb10": Known(40, 190, "60-100 TFLOP/s reported; 231-234 GB/s: antirez/ds4#773", 125),
}


@dataclass(frozen=True, slots=True)
class Speed:
    """What is wrong with the figures of one pass: below a floor, above a ceiling, below the first day."""

    low: tuple[str, ...] = ()
    impossible: tuple[str, ...] = ()
    fallen: tuple[str, ...] = ()
    known: bool = False

    @property
    def good(self) -> bool:
        """Nothing is wrong."""
        return not (self.low or self.impossible or self.fallen)


def judge_speed(figures: Mapping[str, float], card: str, first_day: Mapping[str, float],
                tolerance_percent: float) -> Speed:
    """Return what is wrong with the figures of a card named as NVML names it; an unknown card has no limits."""
    low, impossible, known = [], [], False
    for name, floor, ceiling in limits_of(card):
        known = True
        seen = figures.get(name)
        if seen is None:
            continue
        if seen < floor:
            low.append(f"{_shown(name, seen)}; such cards do at least {floor:g}")
        if seen > ceiling:
            impossible.append(f"{_shown(name, seen)}; the data sheet's limit with 5 % to spare is {ceiling:g}")
    copy, vector = figures.get(COPY), figures.get(VECTOR)
    if copy and vector is not None and vector < VECTOR_SHARE * copy:
        low.append(f"{_shown(VECTOR, vector)}; at least half of the copy rate of {copy:.4g} is expected")
    share = 1 - tolerance_percent / 100
    fallen = [f"{_shown(name, figures[name])}; on its first day here {first_day[name]:.4g}"
              for name in COMPARED if name in figures and figures[name] < share * first_day.get(name, 0)]
    return Speed(tuple(low), tuple(impossible), tuple(fallen), known)


def judge_weights(gbs: float, card: str) -> tuple[str, bool]:
    """Return what is wrong with the rate at which a served model's weights are read, and whether the card is known."""
    row = _card(card)
    if row is None or not row.bandwidth_gbs:
        return "", False
    if gbs < WEIGHTS_SHARE * row.bandwidth_gbs:
        return f"{_shown(WEIGHTS, gbs)}; at least half of the data sheet's {row.bandwidth_gbs:g} is expected", True
    if gbs > row.bandwidth_gbs:
        return f"{_shown(WEIGHTS, gbs)}; the data sheet's limit is {row.bandwidth_gbs:g}", True
    return "", True


def _card(card: str) -> Card | None:
    """Return the row of a card; None when it is not known or its name fits several."""
    matrix = Matrix()
    try:
        rows = find_subject(card, matrix).rows
    except UsageError:
        return None
    return next((row for row in matrix.cards if row.id in rows), None) if len(rows) == 1 else None


def limits_of(card: str) -> list[tuple[str, float, float]]:
    """Return (figure, floor, ceiling) of a card; empty when it is not known or its name fits several."""
    row = _card(card)
    known = FLOORS.get(row.id) if row else None
    if known is None or row is None:
        return []
    sheet = known.tflops_sheet or row.bf16_tflops or float("inf")
    return [(TFLOPS, known.tflops, CEILING * sheet), (COPY, known.gbs, CEILING * (row.bandwidth_gbs or float("inf")))]


def _shown(name: str, value: float) -> str:
    """Return `copy 4210 GB/s`."""
    words = name.split("_")
    return f"{' '.join(words[:-1])} {value:.4g} {UNITS.get(words[-1], words[-1])}"


def render_figures(figures: Mapping[str, float]) -> str:
    """Return the figures that people compare, in one line."""
    shown = [_shown(name, figures[name]) for name in COMPARED if name in figures]
    if "tokens_per_s" in figures:
        shown.append(f"{figures['tokens_per_s']:.4g} tokens/s")
    if "step_p50_ms" in figures:
        shown.append(f"step {figures['step_p50_ms']:.3g} ms")
    if "captured" in figures:
        shown.append(f"{figures['captured']:.0%} of what could be learned")
    return ", ".join((*shown, *_served(figures)))


def _served(figures: Mapping[str, float]) -> list[str]:
    """Return how a server answered, for every number of requests at a time."""
    parallels = sorted(int(found[1]) for name in figures if (found := _ROUND.fullmatch(name)))
    shown = []
    for parallel in parallels:
        row = {name: figures.get(f"c{parallel}_{name}") for name in ("ttft_p50_ms", "tpot_p50_ms")}
        told = [f"{name.split('_')[0].upper()} {value:.3g} ms" for name, value in row.items() if value is not None]
        rate = figures[f"c{parallel}_output_tokens_per_s"]
        shown.append(" ".join((f"{parallel} at a time: {rate:.4g} tokens/s", *told)))
    return shown + ([_shown(WEIGHTS, figures[WEIGHTS])] if WEIGHTS in figures else [])
