"""Smoke job `lora`: trains a small adapter on data whose entropy is known, and proves that it really learned.

Runs alone: Python 3.9+ and torch 2.3+ only; CPU or CUDA. Prints one JSON object; progress goes to stderr.
A sequence is a mode, then symbols: the next one is a permutation of the last, chosen by the mode, with probability
0.9, else uniform. So chance, what is possible without attention and the best possible loss are known exactly.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import math
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"] = "0"  # some images set it to 1, which overrules allow_tf32 = False
os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # repeatable sums; must stand before the CUDA context

try:
    import torch
    from torch import nn
    from torch.nn import functional as F  # noqa: N812 - torch's own name for it
except ImportError as error:
    print(json.dumps({"job": "lora", "error": {"kind": "no-torch", "text": str(error)}}))
    raise SystemExit(4) from error

SYMBOLS, MODES, FIRST, VOCABULARY, TRUTH = 32, 4, 65, 320, 0.9  # ids are ASCII: modes '0'..'3', symbols 'A'..'`'
SIZES: dict[str, dict[str, Any]] = {
    "small": {"width": 128, "layers": 2, "heads": 4, "inner": 256, "batch": 16, "length": 64, "lr": 1e-2},
    "medium": {"width": 512, "layers": 4, "heads": 8, "inner": 1536, "batch": 32, "length": 128, "lr": 3e-3},
    "large": {"width": 1024, "layers": 8, "heads": 16, "inner": 3072, "batch": 32, "length": 256, "lr": 2e-3},
}
RANK, ALPHA = 8, 16
MERGE_LIMIT = {"float32": 1e-4, "float16": 1e-2, "bfloat16": 5e-2}  # relative L2; measured 5e-7, 1.1e-3, 8.7e-3
AGREE_LIMIT = {"float32": 1e-4, "float16": 5e-3, "bfloat16": 3e-2}  # of the first loss, GPU against CPU
CAPTURED_LIMIT, BIGRAM_MARGIN, BAYES_MARGIN, CAUSAL_LIMIT = 0.8, 0.05, 0.02, 1e-3


class Source:
    """Draws sequences and knows what they cost: losses in nats per symbol."""

    def __init__(self, seed: int) -> None:
        self.draw = torch.Generator().manual_seed(seed)
        rules = torch.Generator().manual_seed(seed + 1)
        self.follow = torch.stack([torch.randperm(SYMBOLS, generator=rules) for _ in range(MODES)])
        chance = torch.full((MODES, SYMBOLS, SYMBOLS), (1 - TRUTH) / SYMBOLS, dtype=torch.float64)
        chance.scatter_add_(2, self.follow[..., None], torch.full((MODES, SYMBOLS, 1), TRUTH, dtype=torch.float64))
        self.log = chance.log()
        self.unigram = math.log(SYMBOLS)
        mixed = chance.mean(0)
        self.bigram = float(-(mixed * mixed.log()).sum(1).mean())

    def batch(self, count: int, length: int) -> Any:
        """Return token ids, int64 of (count, length): a mode, then symbols."""
        mode = torch.randint(MODES, (count,), generator=self.draw)
        seen = [torch.randint(SYMBOLS, (count,), generator=self.draw)]
        for _ in range(length - 2):
            true = torch.rand(count, generator=self.draw) < TRUTH
            other = torch.randint(SYMBOLS, (count,), generator=self.draw)
            seen.append(torch.where(true, self.follow[mode, seen[-1]], other))
        return torch.cat([(mode + ord("0"))[:, None], torch.stack(seen, 1) + FIRST], 1)

    def bayes(self, ids: Any) -> float:
        """Return the loss on these very sequences of one who knows the source: nobody can be far below."""
        mode, seen = ids[:, :1] - ord("0"), ids[:, 1:] - FIRST
        return float(-self.log[mode, seen[:, :-1], seen[:, 1:]].mean())


class Adapted(nn.Module):
    """A frozen linear map plus a trained one of low rank."""

    def __init__(self, wide: int, out: int, draw: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out, wide, generator=draw) / math.sqrt(wide), requires_grad=False)
        self.low = nn.Parameter(torch.randn(RANK, wide, generator=draw) / math.sqrt(wide))
        self.high = nn.Parameter(torch.zeros(out, RANK))

    def forward(self, x: Any) -> Any:
        """Return x W' + alpha/r x A' B', in the type of x."""
        extra = F.linear(F.linear(x.to(self.low.dtype), self.low), self.high)
        return F.linear(x, self.weight) + (ALPHA / RANK * extra).to(x.dtype)

    def merge(self) -> None:
        """Write the adapter into the frozen weight and empty it."""
        self.weight.data += (ALPHA / RANK * self.high.data @ self.low.data).to(self.weight.dtype)
        self.high.data.zero_()


class Layer(nn.Module):
    """Attention and a gated product, each after its norm: the shape of a Llama layer."""

    def __init__(self, width: int, inner: int, heads: int, draw: Any) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (Adapted(width, width, draw) for _ in range(4))
        self.gate, self.up = Adapted(width, inner, draw), Adapted(width, inner, draw)
        self.down = Adapted(inner, width, draw)

    def forward(self, x: Any, turn: Any) -> Any:
        """Return (batch, length, width) from the same; `turn` holds cos and sin of (length, head / 2)."""
        count, length, width = x.shape
        seen = norm(x)
        q, k, v = (part(seen).view(count, length, self.heads, -1).transpose(1, 2) for part in (self.q, self.k, self.v))
        mixed = F.scaled_dot_product_attention(turned(q, turn), turned(k, turn), v, is_causal=True)
        x = x + self.o(mixed.transpose(1, 2).reshape(count, length, width))
        seen = norm(x)
        return x + self.down(F.silu(self.gate(seen)) * self.up(seen))


class Decoder(nn.Module):
    """A small decoder: random frozen base, the same on every device, and adapters on every linear map of a layer."""

    def __init__(self, size: dict[str, Any], seed: int) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        width = size["width"]
        self.embedding = nn.Parameter(torch.randn(VOCABULARY, width, generator=draw), requires_grad=False)
        self.head = nn.Parameter(torch.randn(VOCABULARY, width, generator=draw) / math.sqrt(width), requires_grad=False)
        self.layers = nn.ModuleList(Layer(width, size["inner"], size["heads"], draw) for _ in range(size["layers"]))
        half = width // size["heads"] // 2
        angle = torch.arange(size["length"])[:, None] / 10000 ** (torch.arange(half) / half)
        self.register_buffer("turn", torch.stack([angle.cos(), angle.sin()]), persistent=False)

    def forward(self, ids: Any) -> Any:
        """Return logits (batch, length, VOCABULARY) in float32."""
        x = self.embedding[ids]
        for layer in self.layers:
            x = layer(x, self.turn[:, : ids.shape[1]])
        return F.linear(norm(x), self.head).float()


def norm(x: Any) -> Any:
    """Return x with a root mean square of 1 over its last dimension."""
    return x * torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + 1e-6).to(x.dtype)


def turned(x: Any, turn: Any) -> Any:
    """Return x with positions in it: its two halves rotated against each other."""
    one, two = x.chunk(2, -1)
    cos, sin = (part.to(x.dtype) for part in turn)
    return torch.cat([one * cos - two * sin, two * cos + one * sin], -1)


def loss_of(model: Any, ids: Any) -> Any:
    """Return the mean loss in nats of every symbol after the first."""
    logits = model(ids)[:, 1:-1]
    return F.cross_entropy(logits.reshape(-1, VOCABULARY), ids[:, 2:].reshape(-1))


def is_adapter(name: str) -> bool:
    """Return whether a tensor is trained, by its name: of ours or of peft's."""
    return name.endswith((".low", ".high")) or ".lora_" in name


def adapters(model: Any) -> dict[str, Any]:
    """Return the trained tensors by name."""
    return {name: value for name, value in model.named_parameters() if is_adapter(name)}


def digest(model: Any) -> str:
    """Return the SHA-256 of every frozen weight."""
    found = hashlib.sha256()
    for name, value in model.named_parameters():
        if not is_adapter(name):
            here = value.detach().cpu().contiguous()
            found.update(ctypes.string_at(here.data_ptr(), here.numel() * here.element_size()))
    return found.hexdigest()


def built(args: argparse.Namespace, device: str = "") -> Any:
    """Return the untrained model: base in `args.dtype`, adapters in float32."""
    model = Decoder(SIZES[args.size], args.seed)
    dtype = torch.float32 if device == "cpu" else getattr(torch, args.dtype)
    for name, value in model.named_parameters():
        value.data = value.data.to(torch.float32 if is_adapter(name) else dtype)
    return model.to(device or args.device)


def train(model: Any, args: argparse.Namespace, source: Source, steps: int) -> tuple[list[float], list[float]]:
    """Train the adapters; return the loss and the seconds of every step."""
    size, losses, times = SIZES[args.size], [], []
    worker = torch.optim.AdamW(list(adapters(model).values()), lr=size["lr"], weight_decay=0.0)
    warm = max(1, min(20, steps // 5))
    plan = torch.optim.lr_scheduler.LambdaLR(
        worker, lambda n: min((n + 1) / warm, 0.1 + 0.45 * (1 + math.cos(math.pi * n / steps)))
    )
    for step in range(steps):
        ids = source.batch(size["batch"], size["length"]).to(args.device)
        begun = time.perf_counter()
        loss = loss_of(model, ids)
        worker.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(adapters(model).values()), 1.0)
        worker.step()
        plan.step()
        losses.append(float(loss))  # waits for the device
        times.append(time.perf_counter() - begun)
        if not math.isfinite(losses[-1]):
            break
        if step % 10 == 0 or step == steps - 1:
            print(f"{args.job}: step {step + 1}/{steps}, loss {losses[-1]:.3f}", file=sys.stderr, flush=True)
    return losses, times


def evaluated(model: Any, ids: Any, piece: int = 32) -> float:
    """Return the loss on held-out sequences, in pieces to bound the memory."""
    with torch.no_grad():
        return statistics.fmean(float(loss_of(model, part)) for part in ids.split(piece))


def check_causal(model: Any, ids: Any) -> float:
    """Return how far earlier logits move, relatively, when later symbols are changed."""
    cut, other = ids.shape[1] // 2, ids.clone()
    other[:, cut:] = FIRST + (other[:, cut:] - FIRST + 7) % SYMBOLS
    with torch.no_grad():
        one, two = model(ids)[:, :cut], model(other)[:, :cut]
    return float((one - two).norm() / one.norm())


def check_reload(model: Any, args: argparse.Namespace, ids: Any) -> tuple[float, float]:
    """Return the largest difference of logits after save and reload, and the relative L2 one after merging."""
    with torch.no_grad():
        before = model(ids)
        with tempfile.TemporaryDirectory(dir=args.workdir) as folder:
            file = Path(folder) / "adapter.pt"
            torch.save(adapters(model), file)
            again = built(args)
            again.load_state_dict(torch.load(file, map_location=args.device, weights_only=True), strict=False)
        reloaded = float((again(ids) - before).abs().max())
        for part in again.modules():
            if isinstance(part, Adapted):
                part.merge()
        return reloaded, float((again(ids) - before).norm() / before.norm())


def check_replay(args: argparse.Namespace, build: Callable[..., Any]) -> bool:
    """Return whether three steps done twice give the same bits. Only the plain attention promises that on CUDA."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    found = []
    with sdpa_kernel(SDPBackend.MATH):
        for _ in range(2):
            model = build(args)
            losses, _ = train(model, args, Source(args.seed + 5), 3)
            found.append((losses, [value.detach().cpu() for value in adapters(model).values()]))
    (losses, values), (losses_again, values_again) = found
    same = all(torch.equal(one, two) for one, two in zip(values, values_again))  # noqa: B905 - Python 3.9 has no strict=
    return losses == losses_again and same


def judged(facts: dict[str, Any], args: argparse.Namespace) -> list[dict[str, Any]]:
    """Return every criterion with what was seen and its limit."""
    source, last, first = facts["source"], facts["last"], facts["first"]
    rows = [
        ("finite", all(map(math.isfinite, [*facts["losses"], last])), last, "no NaN, no infinity"),
        ("start_at_chance", first > 0.9 * source.unigram, first, f"> {0.9 * source.unigram:.3f}"),
        ("beats_unigram", last < 0.95 * source.unigram, last, f"< {0.95 * source.unigram:.3f}"),
        ("beats_bigram", last < source.bigram - BIGRAM_MARGIN, last, f"< {source.bigram - BIGRAM_MARGIN:.3f}"),
        ("captured", facts["captured"] >= CAPTURED_LIMIT, facts["captured"], f">= {CAPTURED_LIMIT}"),
        ("not_below_bayes", last > facts["bayes"] - BAYES_MARGIN, last, f"> {facts['bayes'] - BAYES_MARGIN:.3f}"),
        ("base_frozen", facts["base_before"] == facts["base_after"], facts["base_after"][:12], "unchanged"),
        ("adapters_moved", not facts["still"], ", ".join(facts["still"][:3]) or "all", "every adapter"),
        ("causal", facts["causal"] < CAUSAL_LIMIT, facts["causal"], f"< {CAUSAL_LIMIT}"),
        ("reload_identical", facts["reload"] == 0.0, facts["reload"], "0"),
        ("merge_equal", facts["merge"] < MERGE_LIMIT[args.dtype], facts["merge"], f"< {MERGE_LIMIT[args.dtype]}"),
        ("replay_identical", facts["replay"], facts["replay"], "the same bits"),
        *facts.get("more", ()),
    ]
    if "first_of_four" in facts:
        here, cpu = facts["first_of_four"]
        off = abs(here - cpu) / cpu
        rows.append(("cpu_gpu_agree", off < AGREE_LIMIT[args.dtype], off, f"< {AGREE_LIMIT[args.dtype]}"))
    return [{"id": name, "ok": bool(ok), "seen": seen, "limit": limit} for name, ok, seen, limit in rows]


def learned(args: argparse.Namespace, build: Callable[..., Any]) -> tuple[Any, Any, dict[str, Any]]:
    """Train what `build(args, device)` makes; return it, a batch it has not seen, and what is known of it."""
    size, source = SIZES[args.size], Source(args.seed)
    source.draw.manual_seed(args.seed + 1000)
    held_out = source.batch(8 * size["batch"], size["length"])
    source.draw.manual_seed(args.seed + 2000)
    ids, model = held_out.to(args.device), build(args)
    facts: dict[str, Any] = {"source": source, "bayes": source.bayes(held_out), "base_before": digest(model)}
    start = {name: value.detach().clone() for name, value in adapters(model).items()}
    facts["first"] = evaluated(model, ids)
    if args.device != "cpu":
        facts["first_of_four"] = evaluated(model, ids[:4]), evaluated(build(args, "cpu"), held_out[:4])
    facts["losses"], facts["times"] = train(model, args, source, args.steps)
    facts["last"] = evaluated(model, ids)
    facts["captured"] = (source.unigram - facts["last"]) / (source.unigram - facts["bayes"])
    facts["base_after"] = digest(model)
    facts["still"] = [n for n, value in adapters(model).items() if not float((value - start[n]).abs().max()) > 0]
    few = ids[: size["batch"]]
    facts["causal"], facts["replay"] = check_causal(model, few), check_replay(args, build)
    return model, few, facts


def proved(args: argparse.Namespace) -> dict[str, Any]:
    """Train, examine, and return the result document."""
    model, few, facts = learned(args, built)
    facts["reload"], facts["merge"] = check_reload(model, args, few)
    if args.export:
        kept = {"size": SIZES[args.size], "seed": args.seed, "state": model.state_dict()}
        torch.save({**kept, "follow": facts["source"].follow}, args.export)
    return told(facts, args)


def told(facts: dict[str, Any], args: argparse.Namespace) -> dict[str, Any]:
    """Return criteria, figures and settings."""
    size, step_s, device = SIZES[args.size], statistics.median(facts["times"]), args.device
    return {
        "checks": judged(facts, args),
        "figures": {
            "captured": facts["captured"], "loss_first": facts["first"], "loss_last": facts["last"],
            "tokens_per_s": size["batch"] * size["length"] / step_s, "step_p50_ms": step_s * 1000,
            "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10 if device == "cpu"
            else int(torch.cuda.max_memory_allocated()),
        },
        "settings": {"size": args.size, "dtype": args.dtype, "steps": args.steps, "seed": args.seed},
    }


def described(args: argparse.Namespace) -> dict[str, Any]:
    """Return the device and the versions of what ran."""
    about = {"name": "cpu", "torch": torch.__version__, "cuda": torch.version.cuda, "kind": "cpu"}
    if args.device != "cpu":
        major, minor = torch.cuda.get_device_capability()
        about |= {"name": torch.cuda.get_device_name(), "kind": "cuda", "capability": f"{major}.{minor}"}
    return about


def options(text: str | None) -> argparse.ArgumentParser:
    """Return what can be set, for a job of this docstring."""
    parser = argparse.ArgumentParser(description=(text or "").partition("\n")[0])
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda")
    parser.add_argument("--size", choices=sorted(SIZES), default="small")
    parser.add_argument("--dtype", choices=sorted(MERGE_LIMIT), default="float32")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="of torch on the CPU")
    parser.add_argument("--workdir", default=None, help="where the adapter is saved for a moment")
    return parser


def prepare(args: argparse.Namespace) -> None:
    """Choose the device and make torch repeatable."""
    if args.device == "auto":
        args.device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(args.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False


def plain(value: Any) -> Any:
    """Return a value that JSON can hold: NaN and infinity become their names."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def run(job: str, args: argparse.Namespace, prove: Callable[[argparse.Namespace], dict[str, Any]]) -> int:
    """Run a job of this kind; exit code 0 all criteria hold, 1 not, 4 it could not run."""
    begun, args.job = time.perf_counter(), job
    prepare(args)
    document: dict[str, Any] = {"job": job}
    try:
        document |= {"device": described(args), **prove(args)}
    except (RuntimeError, AssertionError) as error:  # CUDA's errors, out of memory among them
        document["error"] = {"kind": type(error).__name__, "text": str(error)[-4000:]}
    document["wall_s"] = round(time.perf_counter() - begun, 3)
    print(json.dumps(plain(document), allow_nan=False))
    return 4 if "error" in document else int(not all(row["ok"] for row in document["checks"]))


def main(argv: list[str] | None = None) -> int:
    """Run this job."""
    parser = options(__doc__)
    parser.add_argument("--export", default="", help="also write the trained model to this file")
    return run("lora", parser.parse_args(argv), proved)


if __name__ == "__main__":
    raise SystemExit(main())
