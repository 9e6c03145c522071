"""Rounds of questions, so many at a time, and what must hold of every one of them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from typing import Any

from .client import NOT_OFFERED, Answer, Target, ask_all, ask_once, get
from .figures import apart, find_counts, server_side, summarised, table
from .prompts import words_needed, words_prompt

AGREE = 0.05  # of the server's own mean
FIRST_QUESTION_S = 300.0  # the first one may compile kernels


def row(name: str, ok: bool, seen: Any, limit: str) -> dict[str, Any]:
    """Return one criterion."""
    return {"id": name, "ok": bool(ok), "seen": seen, "limit": limit}


def parallels(words: str) -> list[int]:
    """Return `1,8` as numbers; raises ValueError."""
    found = [int(word) for word in words.split(",") if word.strip()]
    if not found or min(found) < 1:
        raise ValueError(f"--parallel {words}: numbers from 1 on, with commas")
    return found


def number_of(args: argparse.Namespace, parallel: int) -> int:
    """Return how many requests a round has."""
    return args.number or max(8, 4 * parallel)


def find_target(target: Target, api: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Find model, API and extra fields of a server; warms it up. Raises ValueError that says why it cannot be used."""
    if not target.model:
        target.model = find_model(target)
    wanted = [api] if api != "auto" else [target.api, *({"completions", "chat"} - {target.api})]
    patient = target.timeout_s
    target.timeout_s = max(patient, FIRST_QUESTION_S)
    answer = Answer(error="never asked")
    for target.api in wanted:
        for target.extras in ({"ignore_eos": True}, {}):
            say(f"asking {target.model} for a first answer ({target.api})")
            answer = ask_once(target, "One, two,", 4)
            if answer.served or answer.status not in NOT_OFFERED:
                break
        if answer.served or answer.status not in NOT_OFFERED:
            break
    target.timeout_s = patient
    if not answer.served:
        raise ValueError(f"{target.url} does not answer as an OpenAI-compatible server: {answer.error}")
    return {"model": target.model, "api": target.api, "ignores_end": bool(target.extras)}


def find_model(target: Target) -> str:
    """Return the first model a server offers. Raises ValueError when it does not say."""
    status, page = get(target, "/v1/models")
    try:
        return str(json.loads(page)["data"][0]["id"])
    except (ValueError, KeyError, IndexError, TypeError):
        raise ValueError(f"{target.url} does not say which models it has (status {status}: "
                         f"{page[:200].decode(errors='replace')}); name one: --model NAME") from None


def measured(target: Target, args: argparse.Namespace, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure a server that others may use too: their requests are in its counters, so those are told, not judged."""
    rows: list[dict[str, Any]] = []
    figures: dict[str, float] = {}
    rounds = []
    words = words_needed(target, args.prompt_tokens)
    for count, parallel in enumerate(parallels(args.parallel)):
        number = number_of(args, parallel)
        say(f"{number} requests, {parallel} at a time")
        before = find_counts(target)
        answers, wall_s = ask_all(target, [words_prompt(100_000 * count + one, words) for one in range(number)],
                                  args.output_tokens, parallel)
        found: dict[str, Any] = {"parallel": parallel, **summarised(answers, wall_s, stream=target.stream)}
        after = find_counts(target)
        if before and after:
            found["server"] = server_side(before, after)
        rows += judged_round(answers, parallel, args.output_tokens if target.extras else None)
        rounds.append(found)
        figures |= flat(found)
    return {"checks": rows, "figures": figures, "rounds": rounds, "table": table(rounds)}


def flat(found: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """Return the figures of a round for a history: `c8_tpot_p50_ms`."""
    names = ("output_tokens_per_s", "total_tokens_per_s", "requests_per_s", "ttft_mean_ms", "ttft_p50_ms",
             "ttft_p99_ms", "tpot_mean_ms", "tpot_p50_ms", "tpot_p99_ms", "itl_p99_ms", "e2el_p50_ms", "e2el_p99_ms",
             "tokens_per_chunk")
    return {f"{prefix}c{found['parallel']}_{name}": found[name] for name in names if name in found}


def judged_round(answers: Sequence[Answer], parallel: int, tokens: int | None) -> list[dict[str, Any]]:
    """Return the criteria of any round: no answer failed, and as many tokens as asked for where the server can."""
    bad = [answer.error for answer in answers if not answer.good]
    seen = f"{len(bad)} of {len(answers)} failed" + (f": {bad[0]}" if bad else "")
    rows = [row(f"none_failed_c{parallel}", not bad, seen, "none")]
    if tokens is not None and len(bad) < len(answers):
        counts = sorted({str(answer.output_tokens) for answer in answers if answer.good})
        rows.append(row(f"tokens_c{parallel}", counts == [str(tokens)], ", ".join(counts), f"{tokens} in every answer"))
    return rows


def judged_agreement(found: dict[str, Any], server: dict[str, float], parallel: int) -> list[dict[str, Any]]:
    """Return whether client and server tell the same story: tokens equal, mean TPOT and E2EL within 5 %."""
    rows = [row(f"server_tokens_c{parallel}", server.get("output_tokens") == found["output_tokens"],
                server.get("output_tokens"), f"{found['output_tokens']:g}, as the client counted")]
    for name in ("tpot_mean_ms", "e2el_mean_ms"):
        off = apart(found, server, name)
        if off is not None:
            rows.append(row(f"server_{name.removesuffix('_mean_ms')}_c{parallel}", off < AGREE,
                            f"client {found[name]:.4g} ms, server {server[name]:.4g} ms", f"within {AGREE:.0%}"))
    return rows


def judged_text(answers: Sequence[Answer], right: Sequence[str], name: str) -> dict[str, Any]:
    """Return whether every answer is the right one, to the last token."""
    wrong = [(answer, text) for answer, text in zip(answers, right) if answer.text != text]  # noqa: B905
    seen = f"{len(answers) - len(wrong)} of {len(answers)}"
    if wrong:
        seen += f"; {wrong[0][0].text[:40]!r} ({wrong[0][0].error[:80]}) instead of {wrong[0][1][:40]!r}"
    return row(name, bool(answers) and not wrong, seen, "every answer, to the last token")
