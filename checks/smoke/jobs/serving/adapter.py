"""Writes what `lora.py --export` has trained as vLLM and PEFT read it: base, adapter, and the answers that are right.

`python adapter.py EXPORT FOLDER` makes FOLDER/base, FOLDER/merged, FOLDER/adapter and FOLDER/answers.json.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from typing import Any

from .models import Tensors, keep_json, write_model, write_safetensors

RANK, ALPHA = 8, 16  # those of lora.py
TOKENS, PROMPTS = 24, 32
PARTS = {"q": "self_attn.q_proj", "k": "self_attn.k_proj", "v": "self_attn.v_proj", "o": "self_attn.o_proj",
         "gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj"}


def raw(value: Any) -> bytes:
    """Return a tensor's float32 numbers."""
    here = value.detach().float().cpu().contiguous()
    return ctypes.string_at(here.data_ptr(), here.numel() * here.element_size())


def whole(value: Any) -> tuple[tuple[int, ...], bytes]:
    """Return shape and numbers of a tensor."""
    return tuple(value.shape), raw(value)


def base_of(state: dict[str, Any], layers: int, *, merged: bool) -> Tensors:
    """Return the frozen weights under the names of Llama, with the adapter written into them or not."""
    ones = state["embedding"].new_ones(state["embedding"].shape[1])
    found: Tensors = {"model.embed_tokens.weight": whole(state["embedding"]), "lm_head.weight": whole(state["head"]),
                      "model.norm.weight": whole(ones)}
    for layer in range(layers):
        for part, name in PARTS.items():
            low, high = state[f"layers.{layer}.{part}.low"].float(), state[f"layers.{layer}.{part}.high"].float()
            weight = state[f"layers.{layer}.{part}.weight"].float()
            found[f"model.layers.{layer}.{name}.weight"] = whole(
                weight + ALPHA / RANK * high @ low if merged else weight)
        for name in ("input_layernorm", "post_attention_layernorm"):
            found[f"model.layers.{layer}.{name}.weight"] = whole(ones)
    return found


def write_export(export: dict[str, Any], folder: Path) -> None:
    """Write base, merged model, adapter and answers."""
    size, state = export["size"], export["state"]
    shape = {"hidden_size": size["width"], "intermediate_size": size["inner"], "num_hidden_layers": size["layers"],
             "num_attention_heads": size["heads"], "num_key_value_heads": size["heads"]}
    for name in ("base", "merged"):
        write_model(folder / name, shape, "float32")
        write_safetensors(folder / name / "model.safetensors",
                          base_of(state, size["layers"], merged=name == "merged"), "F32")
    adapter: Tensors = {}
    for layer in range(size["layers"]):
        for part, name in PARTS.items():
            for ours, theirs in (("low", "lora_A"), ("high", "lora_B")):
                adapter[f"base_model.model.model.layers.{layer}.{name}.{theirs}.weight"] = whole(
                    state[f"layers.{layer}.{part}.{ours}"])
    (folder / "adapter").mkdir(parents=True, exist_ok=True)
    write_safetensors(folder / "adapter" / "adapter_model.safetensors", adapter, "F32")
    keep_json(folder / "adapter" / "adapter_config.json", {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": str(folder / "base"), "r": RANK,
        "lora_alpha": ALPHA, "lora_dropout": 0.0, "bias": "none", "fan_in_fan_out": False, "inference_mode": True,
        "target_modules": [name.rpartition(".")[2] for name in PARTS.values()]})
    keep_json(folder / "answers.json", answers_of(export))


def answers_of(export: dict[str, Any]) -> list[list[str]]:
    """Return prompts (a mode and a symbol) and answers: true, and what the model itself says; the surest of them.

    Where the model has not learned the rule, or is nearly undecided, another engine's rounding could change its mind.
    """
    import lora  # type: ignore[import-not-found]  # stands beside this package
    import torch

    model = lora.Decoder(export["size"], export["seed"])
    model.load_state_dict(export["state"])
    model.float().eval()
    modes, symbols = export["follow"].shape
    ids = torch.tensor([[ord("0") + mode, lora.FIRST + symbol] for mode in range(modes) for symbol in range(symbols)])
    sure = torch.full((len(ids),), float("inf"))
    with torch.no_grad():
        for _ in range(TOKENS):
            best = model(ids)[:, -1].topk(2)
            sure = torch.minimum(sure, best.values[:, 0] - best.values[:, 1])
            ids = torch.cat([ids, best.indices[:, :1]], 1)
    found = []
    for row in sorted(range(len(ids)), key=lambda row: -float(sure[row])):
        said = ids[row].tolist()
        rule = export["follow"][said[0] - ord("0")].tolist()
        told = [symbol - lora.FIRST for symbol in said[1:]]
        if told[1:] == [rule[symbol] for symbol in told[:-1]]:
            found.append(["".join(map(chr, said[:2])), "".join(map(chr, said[2:]))])
    return found[:PROMPTS]


if __name__ == "__main__":
    import torch

    write_export(torch.load(sys.argv[1], map_location="cpu", weights_only=True), Path(sys.argv[2]))
