"""What answers mean in numbers, and what the server itself counted of them."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from typing import Any

from .client import Answer, Target, get

PERCENTILES = (50, 90, 99)
SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{[^}]*\})? ([^ ]+)")
# What vLLM counts, and since when under another name.
COUNTED = {"ttft_s": ("vllm:time_to_first_token_seconds",),
           "tpot_s": ("vllm:request_time_per_output_token_seconds", "vllm:time_per_output_token_seconds"),
           "e2el_s": ("vllm:e2e_request_latency_seconds",)}
OUTPUT_TOKENS = ("vllm:generation_tokens_total", "vllm:generation_tokens")
PROMPT_TOKENS = ("vllm:prompt_tokens_total", "vllm:prompt_tokens")


def percentile(values: Sequence[float], percent: float) -> float:
    """Return a percentile, linear between neighbours as numpy does it."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def spread(name: str, values_s: Sequence[float]) -> dict[str, float]:
    """Return mean and percentiles in milliseconds; nothing of nothing."""
    if not values_s:
        return {}
    found = {f"{name}_mean_ms": statistics.fmean(values_s) * 1000}
    return found | {f"{name}_p{percent}_ms": percentile(values_s, percent) * 1000 for percent in PERCENTILES}


def summarised(answers: Sequence[Answer], wall_s: float, *, stream: bool = True) -> dict[str, float]:
    """Return the figures of one round; those of whole answers only, failures are counted."""
    good = [answer for answer in answers if answer.good]
    out = sum(answer.tokens for answer in good)
    into = sum(answer.prompt_tokens or 0 for answer in good)
    chunks = sum(len(answer.stamps) for answer in good)
    found: dict[str, float] = {
        "asked": len(answers), "failed": len(answers) - len(good), "wall_s": wall_s,
        "prompt_tokens": into, "output_tokens": out, "requests_per_s": len(good) / wall_s,
        "output_tokens_per_s": out / wall_s, "total_tokens_per_s": (into + out) / wall_s,
    }
    found |= spread("e2el", [answer.e2el_s for answer in good])
    if stream:
        gaps = [late - soon for answer in good for soon, late in zip(answer.stamps, answer.stamps[1:])]  # noqa: B905
        found |= spread("ttft", [answer.ttft_s for answer in good])
        found |= spread("tpot", [one for answer in good if (one := answer.tpot_s) is not None])
        found |= spread("itl", gaps)
        found["tokens_per_chunk"] = out / chunks if chunks else 0.0
    return found


def find_counts(target: Target) -> dict[str, float] | None:
    """Return the server's own counters, summed over their labels; None when it shows none of vLLM's."""
    status, page = get(target, "/metrics")
    if status != 200:
        return None
    found: dict[str, float] = {}
    for line in page.decode(errors="replace").splitlines():
        if line.startswith("vllm:") and (sample := SAMPLE.match(line)):
            try:
                found[sample[1]] = found.get(sample[1], 0.0) + float(sample[2])
            except ValueError:
                continue
    return found or None


def server_side(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Return what the server counted in between: means in ms, tokens."""
    def grown(names: Sequence[str], ending: str = "") -> float | None:
        name = next((name + ending for name in names if name + ending in after), None)
        return None if name is None else after[name] - before.get(name, 0.0)

    found: dict[str, float] = {}
    for short, names in COUNTED.items():
        total, count = grown(names, "_sum"), grown(names, "_count")
        if total is not None and count:
            found[f"{short.removesuffix('_s')}_mean_ms"] = total / count * 1000
            found["answers"] = count
    for short, names in (("output_tokens", OUTPUT_TOKENS), ("prompt_tokens", PROMPT_TOKENS)):
        if (tokens := grown(names)) is not None:
            found[short] = tokens
    return found


def apart(client: dict[str, float], server: dict[str, float], name: str) -> float | None:
    """Return by how much of the server's figure the client's differs; None without both."""
    if not server.get(name) or name not in client:
        return None
    return abs(client[name] - server[name]) / server[name]


def table(rounds: Sequence[dict[str, Any]]) -> list[str]:
    """Return the rounds as lines for people."""
    found = [f"{'parallel':>8} {'asked':>6} {'failed':>6} {'out tok/s':>10} {'TTFT p50/p90/p99 ms':>24} "
             f"{'TPOT p50/p90/p99 ms':>22} {'ITL p99 ms':>10} {'E2EL p50/p99 ms':>18}"]
    for row in rounds:
        def three(name: str, row: dict[str, Any] = row) -> str:
            values = [row.get(f"{name}_p{percent}_ms") for percent in PERCENTILES]
            return "/".join("-" if value is None else f"{value:.4g}" for value in values)
        itl, late = row.get("itl_p99_ms"), [row.get("e2el_p50_ms"), row.get("e2el_p99_ms")]
        found.append(f"{row['parallel']:>8} {row['asked']:>6.0f} {row['failed']:>6.0f} "
                     f"{row['output_tokens_per_s']:>10.4g} {three('ttft'):>24} {three('tpot'):>22} "
                     f"{'-' if itl is None else f'{itl:.4g}':>10} "
                     f"{'/'.join('-' if value is None else f'{value:.4g}' for value in late):>18}")
    return found
