"""Smoke job `lora-peft`: what `lora` proves, by the libraries people tune with: transformers and peft.

Runs alone: Python 3.9+, torch, transformers and peft; CPU or CUDA; no network, no hub. Prints one JSON object; progress
goes to stderr. The data are those of `lora`: a mode, then symbols, each next one a permutation of the last chosen by
the mode with probability 0.9, else uniform; so chance, what is possible without attention and the best are known.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import resource
import statistics
import sys
import tempfile
import time
from typing import Any

os.environ["TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"] = "0"  # some images set it to 1, which overrules allow_tf32 = False
os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # repeatable sums; must stand before the CUDA context
os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"

try:
    import torch
except ImportError as error:
    print(json.dumps({"job": "lora-peft", "error": {"kind": "no-torch", "text": str(error)}}))
    raise SystemExit(4) from error
try:
    import peft
    import transformers
except ImportError as error:
    print(json.dumps({"job": "lora-peft", "error": {"kind": "no-library", "text": str(error)}}))
    raise SystemExit(4) from error

SYMBOLS, MODES, FIRST, VOCABULARY, TRUTH = 32, 4, 65, 320, 0.9
WIDTH, LAYERS, HEADS, INNER, BATCH, LENGTH, RATE, RANK = 128, 2, 4, 256, 16, 64, 1e-2, 8
PARTS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
CAPTURED_LIMIT, BIGRAM_MARGIN, BAYES_MARGIN, MERGE_LIMIT = 0.8, 0.05, 0.02, 1e-4


class Source:
    """Draws sequences and knows what they cost: losses in nats per symbol."""

    def __init__(self, seed: int) -> None:
        self.draw = torch.Generator().manual_seed(seed)
        rules = torch.Generator().manual_seed(seed + 1)
        self.follow = torch.stack([torch.randperm(SYMBOLS, generator=rules) for _ in range(MODES)])
        chance = torch.full((MODES, SYMBOLS, SYMBOLS), (1 - TRUTH) / SYMBOLS, dtype=torch.float64)
        chance.scatter_add_(2, self.follow[..., None], torch.full((MODES, SYMBOLS, 1), TRUTH, dtype=torch.float64))
        self.log, mixed = chance.log(), chance.mean(0)
        self.unigram, self.bigram = math.log(SYMBOLS), float(-(mixed * mixed.log()).sum(1).mean())

    def batch(self, count: int) -> Any:
        """Return token ids, int64 of (count, LENGTH): a mode, then symbols."""
        mode = torch.randint(MODES, (count,), generator=self.draw)
        seen = [torch.randint(SYMBOLS, (count,), generator=self.draw)]
        for _ in range(LENGTH - 2):
            true = torch.rand(count, generator=self.draw) < TRUTH
            other = torch.randint(SYMBOLS, (count,), generator=self.draw)
            seen.append(torch.where(true, self.follow[mode, seen[-1]], other))
        return torch.cat([(mode + ord("0"))[:, None], torch.stack(seen, 1) + FIRST], 1)

    def bayes(self, ids: Any) -> float:
        """Return the loss on these very sequences of one who knows the source: nobody can be far below."""
        mode, seen = ids[:, :1] - ord("0"), ids[:, 1:] - FIRST
        return float(-self.log[mode, seen[:, :-1], seen[:, 1:]].mean())


def base(seed: int, device: str) -> Any:
    """Return the untrained model, drawn on the CPU, so the same on every device; float32."""
    shape = transformers.LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        num_key_value_heads=HEADS, intermediate_size=INNER, max_position_embeddings=LENGTH, tie_word_embeddings=False)
    model, draw = transformers.LlamaForCausalLM(shape).float(), torch.Generator().manual_seed(seed)
    for name, value in model.named_parameters():
        if value.ndim == 2:
            scale = 1.0 if "embed" in name else 1 / math.sqrt(value.shape[1])
            value.data = torch.randn(value.shape, generator=draw) * scale
    return model.to(device).eval()


def digest(model: Any) -> str:
    """Return the SHA-256 of every weight that is not the adapter's."""
    found = hashlib.sha256()
    for name, value in sorted(model.named_parameters()):
        if "lora_" not in name:
            found.update(value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def adapters(model: Any) -> dict[str, Any]:
    """Return the trained tensors by name."""
    return {name: value for name, value in model.named_parameters() if "lora_" in name}


def loss_of(model: Any, ids: Any) -> Any:
    """Return the mean loss in nats of every symbol after the first."""
    logits = model(input_ids=ids, use_cache=False).logits[:, 1:-1].float()
    return torch.nn.functional.cross_entropy(logits.reshape(-1, VOCABULARY), ids[:, 2:].reshape(-1))


def evaluated(model: Any, ids: Any) -> float:
    """Return the loss on held-out sequences."""
    with torch.no_grad():
        return statistics.fmean(float(loss_of(model, part)) for part in ids.split(32))


def train(model: Any, source: Source, args: argparse.Namespace) -> tuple[list[float], list[float]]:
    """Train the adapters; return the loss and the seconds of every step."""
    losses, times, steps = [], [], args.steps
    worker = torch.optim.AdamW(list(adapters(model).values()), lr=RATE, weight_decay=0.0)
    warm = max(1, min(20, steps // 5))
    plan = torch.optim.lr_scheduler.LambdaLR(
        worker, lambda n: min((n + 1) / warm, 0.1 + 0.45 * (1 + math.cos(math.pi * n / steps))))
    for step in range(steps):
        ids, begun = source.batch(BATCH).to(args.device), time.perf_counter()
        loss = loss_of(model, ids)
        worker.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(adapters(model).values()), 1.0)
        worker.step()
        plan.step()
        losses.append(float(loss.detach()))
        times.append(time.perf_counter() - begun)
        if not math.isfinite(losses[-1]):
            break
        if step % 10 == 0 or step == steps - 1:
            print(f"lora-peft: step {step + 1}/{steps}, loss {losses[-1]:.3f}", file=sys.stderr, flush=True)
    return losses, times


def logits_of(model: Any, ids: Any) -> Any:
    """Return the logits without a gradient."""
    with torch.no_grad():
        return model(input_ids=ids, use_cache=False).logits.float()


def check_saved(model: Any, args: argparse.Namespace, ids: Any) -> tuple[float, float, float]:
    """Return how far logits are off: after save and reload (largest), merged (relative L2), adapter off (largest)."""
    before = logits_of(model, ids)
    with model.disable_adapter():
        off = float((logits_of(model, ids) - logits_of(base(args.seed, args.device), ids)).abs().max())
    with tempfile.TemporaryDirectory(dir=args.workdir) as folder:
        model.save_pretrained(folder)
        again = peft.PeftModel.from_pretrained(base(args.seed, args.device), folder).eval()
        reloaded = float((logits_of(again, ids) - before).abs().max())
    merged = logits_of(again.merge_and_unload(), ids)
    return reloaded, float((merged - before).norm() / before.norm()), off


def proved(args: argparse.Namespace) -> dict[str, Any]:
    """Train, examine, and return the result document."""
    source = Source(args.seed)
    source.draw.manual_seed(args.seed + 1000)
    held_out = source.batch(8 * BATCH)
    source.draw.manual_seed(args.seed + 2000)
    ids, bayes = held_out.to(args.device), source.bayes(held_out)
    torch.manual_seed(args.seed)  # peft draws its first adapter from it
    wanted = peft.LoraConfig(r=RANK, lora_alpha=2 * RANK, lora_dropout=0.0, target_modules=PARTS, task_type="CAUSAL_LM")
    model = peft.get_peft_model(base(args.seed, args.device), wanted).eval()
    frozen, start = digest(model), {name: value.detach().clone() for name, value in adapters(model).items()}
    first = evaluated(model, ids)
    losses, times = train(model, source, args)
    last = evaluated(model, ids)
    captured = (source.unigram - last) / (source.unigram - bayes)
    now = {name: value.detach() for name, value in adapters(model).items()}
    still = [name for name, value in now.items() if not float((value - start[name]).abs().max()) > 0]
    reloaded, merged, off = check_saved(model, args, ids[:BATCH])
    rows = [
        ("finite", all(map(math.isfinite, [*losses, last])), last, "no NaN, no infinity"),
        ("start_at_chance", first > 0.9 * source.unigram, first, f"> {0.9 * source.unigram:.3f}"),
        ("beats_bigram", last < source.bigram - BIGRAM_MARGIN, last, f"< {source.bigram - BIGRAM_MARGIN:.3f}"),
        ("captured", captured >= CAPTURED_LIMIT, captured, f">= {CAPTURED_LIMIT}"),
        ("not_below_bayes", last > bayes - BAYES_MARGIN, last, f"> {bayes - BAYES_MARGIN:.3f}"),
        ("base_frozen", digest(model) == frozen, digest(model)[:12], "unchanged"),
        ("adapters_moved", bool(start) and not still, ", ".join(still[:3]) or f"{len(start)}", "every adapter"),
        ("adapter_off_is_base", off == 0.0, off, "0"),
        ("reload_identical", reloaded == 0.0, reloaded, "0"),
        ("merge_equal", merged < MERGE_LIMIT, merged, f"< {MERGE_LIMIT}"),
    ]
    step_s = statistics.median(times)
    on_cpu = args.device == "cpu"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10 if on_cpu else torch.cuda.max_memory_allocated()
    return {
        "checks": [{"id": name, "ok": bool(ok), "seen": seen, "limit": limit} for name, ok, seen, limit in rows],
        "figures": {"captured": captured, "loss_first": first, "loss_last": last, "step_p50_ms": step_s * 1000,
                    "tokens_per_s": BATCH * LENGTH / step_s, "peak_memory_bytes": peak},
        "settings": {"steps": args.steps, "seed": args.seed},
    }


def described(args: argparse.Namespace) -> dict[str, Any]:
    """Return the device and the versions of what ran."""
    about = {"name": "cpu", "kind": "cpu", "torch": torch.__version__, "cuda": torch.version.cuda,
             "transformers": transformers.__version__, "peft": peft.__version__}
    return about if args.device == "cpu" else {**about, "name": torch.cuda.get_device_name(), "kind": "cuda"}


def prepared(argv: list[str] | None) -> argparse.Namespace:
    """Return the settings; makes torch repeatable."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="of torch on the CPU")
    parser.add_argument("--workdir", default=None, help="where the adapter is saved for a moment")
    args = parser.parse_args(argv)
    if args.device == "auto":
        args.device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(args.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    return args


def plain(value: Any) -> Any:
    """Return a value that JSON can hold: NaN and infinity become their names."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def main(argv: list[str] | None = None) -> int:
    """Run the job; exit code 0 all criteria hold, 1 not, 4 it could not run."""
    begun, args = time.perf_counter(), prepared(argv)
    document: dict[str, Any] = {"job": "lora-peft"}
    try:
        document |= {"device": described(args), **proved(args)}
    except (RuntimeError, AssertionError) as error:  # CUDA's errors, out of memory among them
        document["error"] = {"kind": type(error).__name__, "text": str(error)[-4000:]}
    document["wall_s"] = round(time.perf_counter() - begun, 3)
    print(json.dumps(plain(document), allow_nan=False))
    return 4 if "error" in document else int(not all(row["ok"] for row in document["checks"]))


if __name__ == "__main__":
    raise SystemExit(main())
