"""Smoke job `bandwidth`: how fast this device multiplies and moves data, and whether the clock can be believed.

Runs alone: Python 3.9+ and torch 2.3+ only; CPU or CUDA. Prints one JSON object; progress goes to stderr.
It judges only what holds on any device (results right, time measured plausibly, speed sustained); whether the figures
are good for this card is judged by who reads them. TFLOP/s are 1e12, GB/s 1e9; copies count read plus written bytes.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

os.environ["TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"] = "0"

try:
    import torch
except ImportError as error:
    print(json.dumps({"job": "bandwidth", "error": {"kind": "no-torch", "text": str(error)}}))
    raise SystemExit(4) from error

CLOCKS_LIMIT = 0.15  # of device time against wall time around the same work
DOUBLE_LOW, DOUBLE_HIGH = 1.5, 2.7  # twice the work takes about twice the time; launches alone take the same
SUSTAINED_LIMIT = {"cuda": 0.85, "cpu": 0.6}  # a CPU is shared with other people's work


def progress(text: str) -> None:
    """Say on stderr what is done now."""
    print(f"bandwidth: {text}", file=sys.stderr, flush=True)


def row(name: str, ok: bool, seen: Any, limit: str) -> dict[str, Any]:
    """Return one criterion with what was seen; JSON has no NaN."""
    seen = str(seen) if isinstance(seen, float) and not math.isfinite(seen) else seen
    return {"id": name, "ok": bool(ok), "seen": seen, "limit": limit}


def wait(device: str) -> None:
    """Wait until the device has done everything."""
    if device != "cpu":
        torch.cuda.synchronize()


def seconds(device: str, work: Callable[[], object], times: int) -> float:
    """Return the seconds that `times` calls take by the device's own clock; on one CPU thread its CPU time."""
    wait(device)
    if device == "cpu":
        clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
        begun = clock()
        for _ in range(times):
            work()
        return clock() - begun
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(times):
        work()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / 1000


def calls_in(device: str, work: Callable[[], object], wanted_s: float) -> int:
    """Return how many calls fill `wanted_s` of wall time; the wall clock, so that no lying one makes this endless."""
    times = 1
    while True:
        wait(device)
        begun = time.perf_counter()
        for _ in range(times):
            work()
        wait(device)
        taken = time.perf_counter() - begun
        if taken > wanted_s / 4 or times >= 1 << 16:
            return max(1, int(times * wanted_s / taken))
        times *= 4


def rounds(device: str, work: Callable[[], object], budget_s: float, least_s: float = 0.02) -> tuple[float, int]:
    """Return the median seconds of one call and how many calls were timed; warms up first, ends by the budget."""
    work()
    times = calls_in(device, work, least_s)
    deadline, seen = time.perf_counter() + budget_s, list[float]()
    while len(seen) < 3 or (time.perf_counter() < deadline and len(seen) < 50):
        seen.append(seconds(device, work, times) / times)
    return statistics.median(seen), len(seen) * times


def check_clock(args: argparse.Namespace, work: Callable[[], object]) -> list[dict[str, Any]]:
    """Look whether the clock measures the work: it agrees with wall time, and twice the work takes twice as long.

    Figures measured without waiting for the device showed 1221 TFLOP/s on a card that does about 100.
    """
    progress("clock")
    times, doubled, apart = max(2, calls_in(args.device, work, 0.1)), [], []
    other = time.process_time if args.device == "cpu" and args.threads == 1 else time.perf_counter
    for _ in range(5):
        begun = other()
        one = seconds(args.device, work, times)
        wait(args.device)
        wall = other() - begun
        apart.append(abs(wall - one) / wall)
        doubled.append(seconds(args.device, work, 2 * times) / one)
    ratio, away = statistics.median(doubled), min(apart)
    return [row("clocks_agree", away < CLOCKS_LIMIT, away, f"< {CLOCKS_LIMIT}"),
            row("work_scales", DOUBLE_LOW < ratio < DOUBLE_HIGH, ratio, f"{DOUBLE_LOW} to {DOUBLE_HIGH}")]


def check_product(args: argparse.Namespace, dtype: str) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Multiply random matrices (zeros run faster on real cards); sample the result against float64."""
    progress(f"matmul {dtype}")
    draw, n = torch.Generator().manual_seed(args.seed), args.width
    a, b = (torch.randn(n, n, generator=draw).to(args.device, getattr(torch, dtype)) for _ in range(2))
    out = torch.empty_like(a)

    def work() -> object:
        return torch.matmul(a, b, out=out)

    once, _ = rounds(args.device, work, args.budget_s)
    pick = torch.randint(n, (64,), generator=draw).to(args.device)
    expected = (a[pick].cpu().double() * b[:, pick].T.cpu().double()).sum(1)
    away = float((out[pick, pick].cpu().double() - expected).norm() / expected.norm())
    rows = [row(f"matmul_right_{dtype}", away < 0.02, away, "< 0.02")]
    if dtype == args.dtypes[0]:
        rows += [*check_clock(args, work), *check_sustained(args, work)]
    return rows, {f"matmul_{dtype}_tflops": 2 * n**3 / once / 1e12}


def check_sustained(args: argparse.Namespace, work: Callable[[], object]) -> list[dict[str, Any]]:
    """Compare the speed of the last quarter with the first: heat and power show here."""
    progress("sustained")
    times = calls_in(args.device, work, 0.02)
    deadline, seen = time.perf_counter() + args.sustained_s, list[float]()
    while time.perf_counter() < deadline or len(seen) < 8:
        seen.append(seconds(args.device, work, times) / times)
    quarter, limit = len(seen) // 4, SUSTAINED_LIMIT["cpu" if args.device == "cpu" else "cuda"]
    ratio = statistics.median(seen[:quarter]) / statistics.median(seen[-quarter:])
    return [row("sustained", ratio > limit, ratio, f"> {limit}")]


def check_copy(args: argparse.Namespace) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Copy within the device's memory, and compare."""
    progress("copy")
    draw = torch.Generator().manual_seed(args.seed)
    source = torch.randint(1 << 62, (args.copy_mib << 17,), generator=draw).to(args.device)
    target = torch.zeros_like(source)
    once, _ = rounds(args.device, lambda: target.copy_(source), args.budget_s)
    same = torch.equal(source, target)
    moved = 2 * source.numel() * 8
    return [row("copy_equal", same, same, "every word")], {"copy_gbs": moved / once / 1e9}


def check_vector(args: argparse.Namespace) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Multiply a large matrix by a vector: what generating a token does. Some faults slow this and not copies."""
    progress("matrix by vector")
    n = args.vector_width
    dtype = torch.float32 if args.device == "cpu" else torch.bfloat16
    draw = torch.Generator().manual_seed(args.seed)
    vector = torch.randint(-2, 3, (n,), generator=draw).to(args.device, dtype)
    line = torch.randint(-2, 3, (n,), generator=draw)
    matrix = line.to(args.device, dtype).expand(n, n).contiguous()
    matrix.mul_(torch.where(torch.arange(n, device=args.device) % 2 == 0, 1, -1).to(dtype)[:, None])
    out = torch.empty(n, device=args.device, dtype=dtype)
    once, _ = rounds(args.device, lambda: torch.mv(matrix, vector, out=out), args.budget_s)
    signs = torch.where(torch.arange(n) % 2 == 0, 1, -1)
    expected = (int((line * vector.cpu().long()).sum()) * signs).to(dtype)
    wrong = int((out.cpu() != expected).sum())
    return [row("vector_right", wrong == 0, wrong, "0 wrong elements")], {
        "gemv_gbs": n * n * matrix.element_size() / once / 1e9}


def check_host(args: argparse.Namespace) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Send pinned memory to the device and back; compare."""
    progress("host and device")
    draw, cuda = torch.Generator().manual_seed(args.seed), args.device != "cpu"
    source = torch.randint(1 << 62, (args.host_mib << 17,), generator=draw)
    source = source.pin_memory() if cuda else source
    there = torch.empty_like(source, device=args.device)
    back = torch.empty_like(source, pin_memory=cuda)
    size = source.numel() * 8
    to, _ = rounds(args.device, lambda: there.copy_(source, non_blocking=True), args.budget_s)
    wait(args.device)
    arrived = int(there.sum()) == int(source.sum())  # both wrap around alike; a fault that undoes itself shows here
    fro, _ = rounds(args.device, lambda: back.copy_(there, non_blocking=True), args.budget_s)
    wait(args.device)
    same = arrived and torch.equal(source, back)
    figures = {"h2d_gbs": size / to / 1e9, "d2h_gbs": size / fro / 1e9} if cuda else {}
    return [row("roundtrip_equal", same, same, "every word")], figures


def proved(args: argparse.Namespace) -> dict[str, Any]:
    """Measure everything and return the result document."""
    rows: list[dict[str, Any]] = []
    figures: dict[str, float] = {}
    parts: list[Callable[[], tuple[list[dict[str, Any]], dict[str, float]]]] = [
        lambda: check_copy(args), lambda: check_vector(args), lambda: check_host(args)]
    for dtype in args.dtypes:
        parts.insert(len(parts) - 3, lambda dtype=dtype: check_product(args, dtype))  # type: ignore[misc]
    for part in parts:
        more, measured = part()
        rows += more
        figures |= measured
    figures["peak_memory_bytes"] = peak_memory_bytes(args.device)
    return {"checks": rows, "figures": figures,
            "settings": {"width": args.width, "copy_mib": args.copy_mib, "vector_width": args.vector_width}}


def peak_memory_bytes(device: str) -> int:
    """Return the most memory held: on the device, or by this process."""
    if device == "cpu":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    return int(torch.cuda.max_memory_allocated())


def described(device: str) -> dict[str, Any]:
    """Return the device and the versions of what ran."""
    about = {"name": "cpu", "torch": torch.__version__, "cuda": torch.version.cuda, "kind": "cpu"}
    if device != "cpu":
        major, minor = torch.cuda.get_device_capability()
        about |= {"name": torch.cuda.get_device_name(), "kind": "cuda", "capability": f"{major}.{minor}"}
    return about


def prepared(argv: list[str] | None) -> argparse.Namespace:
    """Return the settings; sizes follow from the device and its free memory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda")
    for name in ("width", "copy-mib", "vector-width", "host-mib"):
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--budget-s", type=float, default=0.0, help="of each measurement")
    parser.add_argument("--sustained-s", type=float, default=0.0)
    parser.add_argument("--dtypes", nargs="*", default=[])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="of torch on the CPU")
    args = parser.parse_args(argv)
    if args.device == "auto":
        args.device = "cuda" if torch.cuda.is_available() else "cpu"
    sizes = (512, 64, 4096, 64, 0.4, 1.0) if args.device == "cpu" else (8192, 2048, 32768, 512, 1.0, 10.0)
    for name, value in zip(("width", "copy_mib", "vector_width", "host_mib", "budget_s", "sustained_s"), sizes):  # noqa: B905
        setattr(args, name, getattr(args, name) or value)
    args.dtypes = args.dtypes or (["float32"] if args.device == "cpu" else ["bfloat16", "float32"])
    torch.set_num_threads(args.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    return args


def main(argv: list[str] | None = None) -> int:
    """Run the job; exit code 0 all criteria hold, 1 not, 4 it could not run."""
    begun, args = time.perf_counter(), prepared(argv)
    document: dict[str, Any] = {"job": "bandwidth"}
    try:
        document |= {"device": described(args.device), **proved(args)}
    except (RuntimeError, AssertionError) as error:  # CUDA's errors, out of memory among them
        document["error"] = {"kind": type(error).__name__, "text": str(error)[-4000:]}
    document["wall_s"] = round(time.perf_counter() - begun, 3)
    print(json.dumps(document, allow_nan=False))
    return 4 if "error" in document else int(not all(check["ok"] for check in document["checks"]))


if __name__ == "__main__":
    raise SystemExit(main())
