"""Runs a smoke job with a fault built into it; started by the torch interpreter, one forked child per fault.

`faults.py JOB [--seeds N] [FAULT …]` prints one JSON object a line: the fault and the criteria that failed.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

JOBS = Path(__file__).resolve().parents[2] / "checks/smoke/jobs"


def load(name: str) -> Any:
    sys.path.insert(0, str(JOBS))  # as where they run: a job may use another that stands beside it
    spec = importlib.util.spec_from_file_location(name, JOBS / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def wrap(owner: Any, name: str, around: Any) -> None:
    """Replace owner.name by around(original, *args, **kwargs)."""
    original = getattr(owner, name)
    setattr(owner, name, lambda *args, **kwargs: around(original, *args, **kwargs))


def every(n: int, change: Any) -> Any:
    """Return a wrapper that changes the result of every n-th call."""
    count = [0]

    def around(original: Any, *args: Any, **kwargs: Any) -> Any:
        count[0] += 1
        out = original(*args, **kwargs)
        return change(out) if count[0] % n == 0 else out

    return around


def bump(out: Any) -> Any:
    out = out.clone()
    out.view(-1)[out.numel() // 3] += 1
    return out


def nan(out: Any) -> Any:
    out = out.clone()
    out.view(-1)[7] = float("nan")
    return out


def coarse(x: Any) -> Any:
    import torch

    mantissa, exponent = torch.frexp(x)
    return torch.ldexp(torch.round(mantissa * 32) / 32, exponent)


def lora_faults(job: Any) -> dict[str, Any]:
    import torch
    from torch.nn import functional as f

    def mask_off() -> None:
        wrap(f, "scaled_dot_product_attention", lambda was, q, k, v, is_causal: was(q, k, v))

    def attention_zero() -> None:
        wrap(f, "scaled_dot_product_attention", lambda was, *a, **k: was(*a, **k) * 0)

    def wrong_element() -> None:
        wrap(f, "linear", every(500, bump))

    def one_nan() -> None:
        wrap(f, "linear", every(2000, nan))

    def coarse_products() -> None:
        wrap(f, "linear", lambda was, x, w: was(x + (coarse(x) - x).detach(), w + (coarse(w) - w).detach()))

    def merge_forgets_scale() -> None:
        def merge(part: Any) -> None:
            part.weight.data += part.high.data @ part.low.data
            part.high.data.zero_()
        job.Adapted.merge = merge

    def stray_write() -> None:
        model: list[Any] = []
        wrap(job, "built", lambda was, *a: model.append(was(*a)) or model[-1])

        def step(was: Any, *args: Any, **kwargs: Any) -> Any:
            model[0].embedding.data[80, 3] += 1e-3
            return was(*args, **kwargs)
        wrap(torch.optim.AdamW, "step", step)

    def optimizer_idle() -> None:
        torch.optim.AdamW.step = lambda *a, **k: None

    def constant_data() -> None:
        wrap(job.Source, "batch", lambda was, self, count, length: was(self, 1, length).expand(count, length)
             * 0 + torch.tensor([48, *([65, 66] * length)][:length]))

    def low_untrained() -> None:
        wrap(job, "adapters", lambda was, model: {n: v.requires_grad_(not n.endswith("low")) for n, v in
                                                  was(model).items()})
        wrap(torch.nn.utils, "clip_grad_norm_", lambda was, values, limit: was([v for v in values if v.requires_grad],
                                                                              limit))

    def answer_leaks() -> None:
        def loss_of(model: Any, ids: Any) -> Any:
            logits = model(ids)[:, 2:]
            return f.cross_entropy(logits.reshape(-1, job.VOCABULARY), ids[:, 2:].reshape(-1))
        job.loss_of = loss_of

    def gradient_reversed() -> None:
        wrap(torch.nn.utils, "clip_grad_norm_", lambda was, values, limit: [v.grad.neg_() for v in values])

    def noise() -> None:
        wrap(f, "silu", lambda was, x: was(x) * (1 + 1e-5 * torch.randn(1, generator=unseeded)))
    unseeded = torch.Generator()
    unseeded.seed()

    def lost_adapter() -> None:
        wrap(torch, "load", lambda was, *a, **k: {n: v for n, v in was(*a, **k).items() if "layers.1.o.high" not in n})

    def late_layers_idle() -> None:
        wrap(torch.nn.utils, "clip_grad_norm_", lambda was, values, limit: [v.grad.zero_() for v in values[-14:]])

    def slow_learning() -> None:
        job.SIZES["small"]["lr"] = 1e-3

    return {name: value for name, value in locals().items() if callable(value) and name not in ("job", "unseeded")}


def cuda_kernel_faults(job: Any) -> dict[str, Any]:
    import torch
    from torch.nn import functional as f

    def plus_one() -> None:
        wrap(torch, "matmul", lambda was, *a, **k: bump(was(*a, **k)))

    def third_product_differs() -> None:
        def flip(out: Any) -> Any:
            out = out.clone()
            out.view(torch.int32).view(-1)[99] ^= 1
            return out
        wrap(torch, "matmul", lambda was, a, b: flipping(was, a, b) if a.dtype is torch.float32 else was(a, b))
        flipping = every(3, flip)

    def stuck_bit() -> None:
        def fill(was: Any, self: Any, value: int) -> Any:
            was(self, value)
            self[12345] |= 1 << 9
            return self
        wrap(torch.Tensor, "fill_", fill)

    def addresses_alias() -> None:
        first: list[Any] = []

        def xor(was: Any, *args: Any, out: Any = None) -> Any:
            first.append(out)
            was(*args, out=first[0])
            return was(*args, out=out)
        wrap(torch, "bitwise_xor", xor)

    def convolution_misses_edge() -> None:
        def conv(was: Any, *args: Any, **kwargs: Any) -> Any:
            out = was(*args, **kwargs)
            out[..., -1] = 0
            return out
        wrap(f, "conv2d", conv)

    def attention_unscaled() -> None:
        wrap(f, "scaled_dot_product_attention", lambda was, q, k, v, **how: was(q * 1.01, k, v, **how))

    def mask_ignored() -> None:
        wrap(f, "scaled_dot_product_attention", lambda was, q, k, v, is_causal: was(q, k, v))

    def kernel_does_nothing() -> None:
        torch.Tensor.__xor__ = lambda self, other: self

    def sum_short() -> None:
        wrap(torch.Tensor, "sum", lambda was, self, *a, **k: was(self[:-1] if self.ndim == 1 and self.numel() == 1 << 20
                                                                 else self, *a, **k))

    def low_precision_sums() -> None:
        wrap(torch, "matmul", lambda was, a, b: was(a.bfloat16(), b.bfloat16()).to(a.dtype))

    def product_nan() -> None:
        wrap(torch, "matmul", lambda was, a, b: nan(was(a, b)))

    return {name: value for name, value in locals().items() if callable(value) and name != "job"}


def bandwidth_faults(job: Any) -> dict[str, Any]:
    import time

    import torch

    def clock_not_waiting() -> None:
        wrap(job, "seconds", lambda was, device, work, times: was(device, work, times) * 0 + 2e-4)

    def clock_runs_slow() -> None:
        wrap(job, "seconds", lambda was, *a: was(*a) / 2)

    def product_skipped() -> None:
        torch.matmul = lambda a, b, out: out

    def copy_cut_short() -> None:
        def copy(was: Any, self: Any, source: Any, **k: Any) -> Any:
            half = self.numel() // 2
            was(self[:half], source[:half])
            return self
        wrap(torch.Tensor, "copy_", copy)

    def vector_wrong() -> None:
        wrap(torch, "mv", lambda was, m, v, out: was(m, v, out=out).add_(torch.eye(1, len(v))[0]))

    def transfer_flips_bit() -> None:
        def copy(was: Any, self: Any, source: Any, **k: Any) -> Any:
            was(self, source)
            if k:
                self[1000] ^= 1 << 40
            return self
        wrap(torch.Tensor, "copy_", copy)

    def throttles() -> None:
        began = [0.0]

        def seconds(was: Any, device: str, work: Any, times: int) -> float:
            late = began[0] and time.perf_counter() - began[0] > 0.5
            return float(was(device, work, 3 * times if late else times))

        def sustained(was: Any, *args: Any) -> Any:
            began[0] = time.perf_counter()
            wrap(job, "seconds", seconds)
            return was(*args)
        wrap(job, "check_sustained", sustained)

    return {name: value for name, value in locals().items() if callable(value) and name not in ("job", "time")}


def all_reduce_faults(job: Any) -> dict[str, Any]:
    import torch.distributed as dist

    def one_element_off() -> None:
        def reduce(was: Any, held: Any) -> None:
            was(held)
            held[17] += 1
        wrap(dist, "all_reduce", reduce)

    def a_rank_is_left_out() -> None:
        def reduce(was: Any, held: Any) -> None:
            if dist.get_rank() == 1:
                held.zero_()
            was(held)
        wrap(dist, "all_reduce", reduce)

    def nothing_is_sent() -> None:
        wrap(dist, "all_reduce", lambda was, held: None)

    return {name: value for name, value in locals().items() if callable(value) and name not in ("job", "dist")}


def lora_peft_faults(job: Any) -> dict[str, Any]:
    import torch
    from torch.nn import functional as f

    def optimizer_idle() -> None:
        torch.optim.AdamW.step = lambda *a, **k: None

    def attention_zero() -> None:
        wrap(f, "scaled_dot_product_attention", lambda was, *a, **k: was(*a, **k) * 0)

    def stray_write() -> None:
        model: list[Any] = []
        wrap(job.peft, "get_peft_model", lambda was, *a: model.append(was(*a)) or model[-1])

        def step(was: Any, *args: Any, **kwargs: Any) -> Any:
            model[0].get_input_embeddings().weight.data[80, 3] += 1e-3
            return was(*args, **kwargs)
        wrap(torch.optim.AdamW, "step", step)

    def merge_forgets_scale() -> None:
        from peft.tuners.lora.layer import Linear

        wrap(Linear, "get_delta_weight", lambda was, self, name: was(self, name) / 2)

    def lost_adapter() -> None:
        def loaded(was: Any, *args: Any, **kwargs: Any) -> Any:
            model = was(*args, **kwargs)
            next(value for name, value in model.named_parameters() if "lora_B" in name).data.zero_()
            return model
        wrap(job.peft.PeftModel, "from_pretrained", loaded)

    return {name: value for name, value in locals().items() if callable(value) and name != "job"}


WORDS = {"all_reduce": ["--device", "cpu", "--ranks", "2"]}
# Faults that show without having learned anything.
SHORT = ("wrong_element", "coarse_products", "merge_forgets_scale", "stray_write", "noise", "lost_adapter")
FAULTS = {"all_reduce": all_reduce_faults, "bandwidth": bandwidth_faults, "cuda_kernel": cuda_kernel_faults,
          "lora": lora_faults, "lora_peft": lora_peft_faults}


def run(job: Any, words: list[str]) -> dict[str, Any]:
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(io.StringIO()):
        job.main(words)
    return dict(json.loads(said.getvalue()))


def apart(job: Any, label: str, inject: Any, words: list[str]) -> None:
    """Run in a forked child, so that a fault ends with it."""
    sys.stdout.flush()
    if os.fork() == 0:
        code = 1
        try:
            inject()
            done = run(job, words)
            bad = [row["id"] for row in done.get("checks", ()) if not row["ok"]]
            print(json.dumps({"fault": label, "failed": bad, "error": done.get("error"), "wall_s": done["wall_s"],
                              "figures": done.get("figures")}), flush=True)
            code = 0
        finally:
            os._exit(code)
    os.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("job", choices=sorted(FAULTS))
    parser.add_argument("--seeds", type=int, default=0, help="also run it healthy with so many seeds")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("faults", nargs="*")
    args = parser.parse_args()
    job = load(args.job)
    faults = FAULTS[args.job](job)
    if args.list:
        print(json.dumps(sorted(faults)))
        return
    for seed in range(1, args.seeds + 1):
        apart(job, f"none, seed {seed}", lambda: None, [*WORDS.get(args.job, []), "--seed", str(seed)])
    for name in args.faults or ([] if args.seeds else faults):
        apart(job, name, faults[name], [*WORDS.get(args.job, []), *(["--steps", "20"] if name in SHORT else [])])


if __name__ == "__main__":
    main()
