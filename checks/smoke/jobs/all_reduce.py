"""Smoke job `all-reduce`: the GPUs of this machine add up what each holds, correctly and at a measured rate.

Runs alone: Python 3.9+ and torch 2.3+ with NCCL (or gloo on the CPU). Prints one JSON object; progress goes to stderr.
One process a GPU. The numbers are whole, so the sum is exact and every element is compared.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

for name in ("NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME"):  # one machine: no other network is needed
    os.environ.setdefault(name, "lo")

try:
    import torch
    import torch.distributed as dist
except ImportError as error:
    print(json.dumps({"job": "all-reduce", "error": {"kind": "no-torch", "text": str(error)}}))
    raise SystemExit(4) from error

ROUNDS, WAIT_S = 12, 120


def worker(rank: int, args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Take part as one rank; return wrong elements per kind and seconds per round."""
    if args.device == "cuda":
        torch.cuda.set_device(rank)
    dist.init_process_group("nccl" if args.device == "cuda" else "gloo", init_method=f"file://{folder}/meet", rank=rank,
                            world_size=args.ranks, timeout=timedelta(seconds=WAIT_S))
    count = args.mib << 18
    mine = torch.arange(count, device=args.device, dtype=torch.float32).remainder_(1000)
    expected = mine * args.ranks + sum(range(args.ranks))
    wrong, times = 0, []
    for number in range(ROUNDS):
        held = mine + rank
        wait(args.device)
        dist.barrier()
        begun = time.perf_counter()
        dist.all_reduce(held)
        wait(args.device)
        times.append(time.perf_counter() - begun)
        wrong += int((held != expected).sum())
        if rank == 0:
            print(f"all-reduce: round {number + 1} of {ROUNDS}", file=sys.stderr, flush=True)
    dist.destroy_process_group()
    return {"wrong": wrong, "seconds": statistics.median(times[2:])}


def wait(device: str) -> None:
    """Wait until the device has done everything."""
    if device == "cuda":
        torch.cuda.synchronize()


def apart(rank: int, args: argparse.Namespace, folder: Path) -> int:
    """Fork a rank, before CUDA is touched; it leaves its result in a file. Return its process id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        result = worker(rank, args, folder)
        (folder / f"rank{rank}").write_text(json.dumps(result))
        code = 0
    except (RuntimeError, AssertionError, AttributeError) as error:  # NCCL's and CUDA's; torch without CUDA
        (folder / f"rank{rank}").write_text(json.dumps({"error": str(error)[-2000:]}))
    finally:
        sys.stderr.flush()
        os._exit(code)


def proved(args: argparse.Namespace) -> dict[str, Any]:
    """Run every rank and return the result document. Raises RuntimeError with what a rank said."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for pid in [apart(rank, args, folder) for rank in range(args.ranks)]:
            os.waitpid(pid, 0)
        files = [folder / f"rank{rank}" for rank in range(args.ranks)]
        told: list[dict[str, Any]] = [
            json.loads(file.read_text()) if file.exists() else {"error": "a rank died"} for file in files]
    errors = [result["error"] for result in told if "error" in result]
    if errors:
        raise RuntimeError(errors[0])
    wrong, taken = sum(result["wrong"] for result in told), max(result["seconds"] for result in told)
    moved = 2 * (args.ranks - 1) / args.ranks * (args.mib << 20)
    return {
        "checks": [{"id": "sum_exact", "ok": wrong == 0, "seen": wrong, "limit": "0 wrong elements on any rank"},
                   {"id": "ranks", "ok": len(told) >= 2, "seen": len(told), "limit": "at least 2"}],
        "figures": {"all_reduce_gbs": moved / taken / 1e9},
        "settings": {"ranks": args.ranks, "mib": args.mib},
    }


def main(argv: list[str] | None = None) -> int:
    """Run the job; exit code 0 all criteria hold, 1 not, 4 it could not run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--ranks", type=int, required=True, help="as many as there are GPUs")
    parser.add_argument("--mib", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1, help="taken like every job's; nothing here is random")
    begun, args = time.perf_counter(), parser.parse_args(argv)
    args.mib = args.mib or (8 if args.device == "cpu" else 512)
    document: dict[str, Any] = {"job": "all-reduce", "device": {
        "name": f"{args.ranks} {'GPUs' if args.device == 'cuda' else 'CPU processes'}", "torch": torch.__version__,
        "cuda": torch.version.cuda}}
    try:
        document |= proved(args)
    except RuntimeError as error:
        document["error"] = {"kind": "RuntimeError", "text": str(error)}
    document["wall_s"] = round(time.perf_counter() - begun, 3)
    print(json.dumps(document, allow_nan=False))
    return 4 if "error" in document else int(not all(row["ok"] for row in document["checks"]))


if __name__ == "__main__":
    raise SystemExit(main())
