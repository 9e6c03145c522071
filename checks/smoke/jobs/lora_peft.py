"""Smoke job `lora-peft`: what `lora` proves, by the libraries people tune with: transformers and peft.

Stands beside lora.py, whose data, measures and criteria it uses. Needs transformers and peft besides; no network, no
hub. Prints one JSON object; progress goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
from typing import Any

import lora  # type: ignore[import-not-found]  # stands beside this file; says itself when there is no torch
import torch

os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
try:
    import peft
    import transformers
except ImportError as error:
    print(json.dumps({"job": "lora-peft", "error": {"kind": "no-library", "text": str(error)}}))
    raise SystemExit(4) from error

PARTS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


class Speaker(torch.nn.Module):
    """A model of transformers as `lora` asks it: token ids in, logits in float32 out."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner.eval()

    def forward(self, ids: Any) -> Any:
        """Return logits (batch, length, VOCABULARY)."""
        return self.inner(input_ids=ids, use_cache=False).logits.float()


def base(args: argparse.Namespace, device: str = "") -> Any:
    """Return the untrained model, drawn on the CPU, so the same on every device; in float32 where one is named."""
    size = lora.SIZES[args.size]
    shape = transformers.LlamaConfig(
        vocab_size=lora.VOCABULARY, hidden_size=size["width"], num_hidden_layers=size["layers"],
        num_attention_heads=size["heads"], num_key_value_heads=size["heads"], intermediate_size=size["inner"],
        max_position_embeddings=size["length"], tie_word_embeddings=False)
    model, draw = transformers.LlamaForCausalLM(shape).float(), torch.Generator().manual_seed(args.seed)
    for name, value in model.named_parameters():
        if value.ndim == 2:
            scale = 1.0 if "embed" in name else 1 / math.sqrt(value.shape[1])
            value.data = torch.randn(value.shape, generator=draw) * scale
    return model.to(device or args.device, torch.float32 if device else getattr(torch, args.dtype))


def built(args: argparse.Namespace, device: str = "") -> Any:
    """Return the untrained model with an adapter of peft's, whose numbers are the seed's."""
    torch.manual_seed(args.seed)
    wanted = peft.LoraConfig(r=lora.RANK, lora_alpha=lora.ALPHA, lora_dropout=0.0, target_modules=PARTS,
                             task_type="CAUSAL_LM")
    return Speaker(peft.get_peft_model(base(args, device), wanted))


def check_saved(model: Any, args: argparse.Namespace, ids: Any) -> tuple[float, float, float]:
    """Return how far logits are off: after save and reload (largest), merged (relative L2), adapter off (largest)."""
    with torch.no_grad():
        before = model(ids)
        with model.inner.disable_adapter():
            off = float((model(ids) - Speaker(base(args))(ids)).abs().max())
        with tempfile.TemporaryDirectory(dir=args.workdir) as folder:
            model.inner.save_pretrained(folder)
            again = Speaker(peft.PeftModel.from_pretrained(base(args), folder))
        reloaded = float((again(ids) - before).abs().max())
        merged = Speaker(again.inner.merge_and_unload())(ids)
        return reloaded, float((merged - before).norm() / before.norm()), off


def proved(args: argparse.Namespace) -> dict[str, Any]:
    """Train, examine, and return the result document."""
    model, few, facts = lora.learned(args, built)
    facts["reload"], facts["merge"], off = check_saved(model, args, few)
    facts["more"] = [("adapter_off_is_base", off == 0.0, off, "0")]
    about = {"transformers": transformers.__version__, "peft": peft.__version__}
    return {"device": {**lora.described(args), **about}, **lora.told(facts, args)}


def main(argv: list[str] | None = None) -> int:
    """Run the job."""
    return int(lora.run("lora-peft", lora.options(__doc__).parse_args(argv), proved))


if __name__ == "__main__":
    raise SystemExit(main())
