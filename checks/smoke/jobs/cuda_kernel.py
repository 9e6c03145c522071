"""Smoke job `cuda-kernel`: proves that kernels really run on this device and that their results are right.

Runs alone: Python 3.9+ and torch 2.3+ only; CPU or CUDA. Prints one JSON object; progress goes to stderr.
Matrix products are of whole numbers small enough to be exact in every type and are checked by Freivalds' method in
int64 on the CPU: no tolerance behind which a wrong bit could hide.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import resource
import sys
import time
from typing import Any

os.environ["TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"] = "0"
os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"

try:
    import torch
    from torch.nn import functional as F  # noqa: N812 - torch's own name for it
except ImportError as error:
    print(json.dumps({"job": "cuda-kernel", "error": {"kind": "no-torch", "text": str(error)}}))
    raise SystemExit(4) from error

DTYPES = ("float64", "float32", "float16", "bfloat16")
# Largest whole number up to which every one is exact in the type of the result; products are kept below it.
EXACT = {"float64": 1 << 53, "float32": 1 << 24, "float16": 1 << 11, "bfloat16": 1 << 8}
# Relative L2 against float64: about eight times what a CPU shows (2e-16, 2e-7, 2.4e-4, 1.9e-3).
CLOSE = {"float64": 4e-15, "float32": 2e-6, "float16": 2e-3, "bfloat16": 1.6e-2}
PATTERNS = (0, -1, 0x5555555555555555, -0x5555555555555556)
REPEATS, COMPILE_LIMIT = 50, 1e-5


def progress(text: str) -> None:
    """Say on stderr what is done now."""
    print(f"cuda-kernel: {text}", file=sys.stderr, flush=True)


def row(name: str, ok: bool, seen: Any, limit: str) -> dict[str, Any]:
    """Return one criterion with what was seen; JSON has no NaN."""
    seen = str(seen) if isinstance(seen, float) and not math.isfinite(seen) else seen
    return {"id": name, "ok": bool(ok), "seen": seen, "limit": limit}


def check_build(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Look whether this build of torch has code for the device: same major, minor not above; 'a' only exactly."""
    if args.device == "cpu":
        return []
    major, minor = torch.cuda.get_device_capability()
    return [row("arch_in_build", fits(major, minor, torch.cuda.get_arch_list()), f"sm_{major}{minor}",
                " ".join(torch.cuda.get_arch_list()))]


def fits(major: int, minor: int, built: list[str]) -> bool:
    """Return whether code for sm_MAJOR MINOR is in a list such as sm_80 sm_90a compute_120."""
    for name in built:
        found = re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", name)
        if not found:
            continue
        kind, there, below, mark = found[1], int(found[2]), int(found[3]), found[4]
        if mark == "a" and (there, below) == (major, minor):
            return True
        if mark != "a" and kind == "sm" and there == major and below <= minor:
            return True
        if not mark and kind == "compute" and (there, below) <= (major, minor):
            return True
    return False


def check_launch(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Launch plain kernels over many blocks and compare every element with whole numbers known beforehand."""
    progress("launch")
    count = 1 << 20
    x = torch.arange(count, dtype=torch.int64, device=args.device)
    y = (x * 3 + 1) ^ 0x55
    seen = y.cpu()
    expected = (torch.arange(count, dtype=torch.int64) * 3 + 1).bitwise_xor(0x55)
    total = int(x.sum())
    return [row("launch", torch.equal(seen, expected), int((seen != expected).sum()), "0 wrong elements"),
            row("reduce", total == count * (count - 1) // 2, total, str(count * (count - 1) // 2))]


def whole(shape: tuple[int, int], largest: int, draw: Any) -> Any:
    """Return whole numbers from -largest to largest, int64 on the CPU."""
    return torch.randint(-largest, largest + 1, shape, generator=draw)


def freivalds(a: Any, b: Any, product: Any, draw: Any) -> int:
    """Return how many rows of a claimed product a b are wrong, all int64: O(n²), misses with chance 2^-20."""
    x = torch.randint(1 << 20, (b.shape[1],), generator=draw)
    return int((torch.mv(product, x) != torch.mv(a, torch.mv(b, x))).sum())


def check_product(args: argparse.Namespace, dtype: str) -> list[dict[str, Any]]:
    """Multiply whole numbers in a type and prove the product."""
    progress(f"product {dtype}")
    draw, n = torch.Generator().manual_seed(args.seed), args.width
    inner = min(n, EXACT[dtype] // 2)
    largest = min(8, int((EXACT[dtype] // inner) ** 0.5))
    a, b = whole((n, inner), largest, draw), whole((inner, n), largest, draw)
    kind = getattr(torch, dtype)
    product = torch.matmul(a.to(args.device, kind), b.to(args.device, kind)).cpu()
    finite = bool(torch.isfinite(product).all())
    wrong = freivalds(a, b, product.to(torch.int64), draw) if finite else n
    return [row(f"exact_{dtype}", wrong == 0, wrong, f"0 wrong rows of {n}")]


def check_repeat(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Do one product many times over and compare the bits."""
    progress("repeat")
    draw = torch.Generator().manual_seed(args.seed + 1)
    dtype = torch.float32 if args.device == "cpu" else torch.bfloat16
    a, b = (torch.randn(args.width, args.width, generator=draw).to(args.device, dtype) for _ in range(2))
    first = torch.matmul(a, b)
    other = sum(not torch.equal(torch.matmul(a, b), first) for _ in range(REPEATS))
    return [row("repeat_identical", other == 0, other, f"0 of {REPEATS} differ")]


def check_memory(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Write patterns over the device's memory, and its own address into every word; read all of it back."""
    wanted = args.memory_mib << 20
    if args.device != "cpu":
        wanted = min(wanted, torch.cuda.mem_get_info()[0] // 2)
    piece = min(64 << 20, wanted) // 8
    progress(f"memory {wanted >> 20} MiB")
    blocks = [torch.empty(piece, dtype=torch.int64, device=args.device) for _ in range(max(1, wanted // 8 // piece))]
    index = torch.arange(piece, dtype=torch.int64, device=args.device)
    wrong = 0
    for pattern in PATTERNS:
        for block in blocks:
            block.fill_(pattern)
        wrong += sum(int((block != pattern).sum()) for block in blocks)
    for number, block in enumerate(blocks):
        torch.bitwise_xor(index, number << 40, out=block)
    wrong += sum(int((block != index.bitwise_xor(number << 40)).sum()) for number, block in enumerate(blocks))
    return [row("memory_pattern", wrong == 0, wrong, f"0 wrong words in {len(blocks) * piece >> 17} MiB")]


def off(seen: Any, expected: Any) -> float:
    """Return the relative L2 distance in float64."""
    return float((seen.cpu().double() - expected).norm() / expected.norm())


def check_layers(args: argparse.Namespace, dtype: str) -> list[dict[str, Any]]:
    """Compare a convolution and attention with float64 on the CPU."""
    progress(f"layers {dtype}")
    draw, kind = torch.Generator().manual_seed(args.seed + 2), getattr(torch, dtype)

    def random(*shape: int) -> Any:
        return torch.randn(*shape, generator=draw).to(kind)

    image, weight = random(2, 8, 32, 32), random(16, 8, 3, 3)
    q, k, v = (random(2, 4, 96, 64) for _ in range(3))
    conv = F.conv2d(image.to(args.device), weight.to(args.device), padding=1)
    mixed = F.scaled_dot_product_attention(*(x.to(args.device) for x in (q, k, v)), is_causal=True)
    pairs = {"conv": off(conv, plain_conv(image.double(), weight.double())),
             "attention": off(mixed, plain_attention(q.double(), k.double(), v.double()))}
    return [row(f"{name}_{dtype}", seen < CLOSE[dtype], seen, f"< {CLOSE[dtype]}") for name, seen in pairs.items()]


def plain_conv(image: Any, weight: Any) -> Any:
    """Return the 3x3 convolution written out as nine products, so that no library convolution is trusted."""
    wide = torch.nn.functional.pad(image, (1, 1, 1, 1))
    height, width = image.shape[2:]
    return sum(torch.einsum("nchw,oc->nohw", wide[:, :, i:i + height, j:j + width], weight[:, :, i, j])
               for i in range(3) for j in range(3))


def plain_attention(q: Any, k: Any, v: Any) -> Any:
    """Return causal attention written out."""
    score = torch.einsum("bhqd,bhkd->bhqk", q, k) / q.shape[-1] ** 0.5
    mask = torch.ones(score.shape[-2:]).tril().bool()
    return torch.einsum("bhqk,bhkd->bhqd", score.masked_fill(~mask, float("-inf")).softmax(-1), v)


def check_compile(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Compile a small function: exercises Triton, ptxas and the C compiler on CUDA."""
    if not args.compile:
        return []
    progress("compile")
    x = torch.linspace(-3, 3, 4096, device=args.device)
    made = torch.compile(lambda value: torch.sin(value) * torch.exp(-value * value) + value)
    seen = off(made(x), torch.sin(x).cpu().double() * torch.exp(-x * x).cpu().double() + x.cpu().double())
    return [row("compile", seen < COMPILE_LIMIT, seen, f"< {COMPILE_LIMIT}")]


def proved(args: argparse.Namespace) -> dict[str, Any]:
    """Do every part and return the result document."""
    rows = [*check_build(args), *check_launch(args)]
    for dtype in args.dtypes:
        rows += check_product(args, dtype)
    rows += [*check_repeat(args), *check_memory(args)]
    for dtype in args.dtypes:
        rows += check_layers(args, dtype)
    rows += check_compile(args)
    return {"checks": rows, "figures": {"peak_memory_bytes": peak_memory_bytes(args.device)},
            "settings": {"width": args.width, "memory_mib": args.memory_mib, "seed": args.seed}}


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
    """Return the settings; sizes follow from the device."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda")
    parser.add_argument("--width", type=int, default=0, help="of the products")
    parser.add_argument("--memory-mib", type=int, default=0)
    parser.add_argument("--dtypes", nargs="*", choices=DTYPES, default=list(DTYPES))
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="of torch on the CPU")
    args = parser.parse_args(argv)
    if args.device == "auto":
        args.device = "cuda" if torch.cuda.is_available() else "cpu"
    args.width = args.width or (512 if args.device == "cpu" else 4096)
    args.memory_mib = args.memory_mib or (128 if args.device == "cpu" else 4096)
    torch.set_num_threads(args.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    return args


def main(argv: list[str] | None = None) -> int:
    """Run the job; exit code 0 all criteria hold, 1 not, 4 it could not run."""
    begun, args = time.perf_counter(), prepared(argv)
    document: dict[str, Any] = {"job": "cuda-kernel"}
    try:
        document |= {"device": described(args.device), **proved(args)}
    except (RuntimeError, AssertionError) as error:  # CUDA's errors: no kernel image, out of memory, illegal access
        document["error"] = {"kind": type(error).__name__, "text": str(error)[-4000:]}
    document["wall_s"] = round(time.perf_counter() - begun, 3)
    print(json.dumps(document, allow_nan=False))
    return 4 if "error" in document else int(not all(check["ok"] for check in document["checks"]))


if __name__ == "__main__":
    raise SystemExit(main())
