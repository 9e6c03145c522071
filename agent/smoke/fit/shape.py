"""The shape of a model: from its config.json, from a name we know, or from a number of parameters."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from agent.model.errors import UsageError


@dataclass(frozen=True, slots=True)
class Shape:
    """A decoder. `inner` is the width of one expert; `experts` 1 for a dense model; `latent` the width that is cached
    per token and layer where keys and values are compressed (MLA), else 0. `note` says what was assumed.
    """

    name: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head: int
    inner: int
    vocabulary: int
    tied: bool = False
    experts: int = 1
    shared: int = 0
    dense_layers: int = 0
    dense_inner: int = 0
    latent: int = 0
    context: int = 0
    note: str = ""

    @property
    def outer(self) -> int:
        """Parameters of embedding and output: they stay in 16 bit when a model is quantised."""
        return self.vocabulary * self.hidden * (1 if self.tied else 2)

    @property
    def linear(self) -> int:
        """Parameters of the layers' linear maps."""
        attention = 2 * self.hidden * self.head * (self.heads + self.kv_heads)
        router = self.hidden * self.experts if self.experts > 1 else 0
        sparse = (self.experts + self.shared) * 3 * self.hidden * self.inner + router
        dense = 3 * self.hidden * (self.dense_inner or self.inner)
        return self.layers * attention + (self.layers - self.dense_layers) * sparse + self.dense_layers * dense

    @property
    def parameters(self) -> int:
        """All of them, norms left out."""
        return self.outer + self.linear

    @property
    def cached(self) -> int:
        """Numbers kept per token in the KV cache."""
        return self.layers * (self.latent or 2 * self.kv_heads * self.head)


# name: hidden, layers, heads, kv heads, head, inner, vocabulary, tied, context. Sources: each model's own config.json.
_DENSE: dict[str, tuple[int, int, int, int, int, int, int, bool, int]] = {
    "qwen2.5-0.5b": (896, 24, 14, 2, 64, 4864, 151936, True, 32768),
    "qwen2.5-1.5b": (1536, 28, 12, 2, 128, 8960, 151936, True, 32768),
    "qwen2.5-3b": (2048, 36, 16, 2, 128, 11008, 151936, True, 32768),
    "qwen2.5-7b": (3584, 28, 28, 4, 128, 18944, 152064, False, 131072),
    "qwen2.5-14b": (5120, 48, 40, 8, 128, 13824, 152064, False, 131072),
    "qwen2.5-32b": (5120, 64, 40, 8, 128, 27648, 152064, False, 131072),
    "qwen2.5-72b": (8192, 80, 64, 8, 128, 29568, 152064, False, 131072),
    "qwen3-0.6b": (1024, 28, 16, 8, 128, 3072, 151936, True, 40960),
    "qwen3-1.7b": (2048, 28, 16, 8, 128, 6144, 151936, True, 40960),
    "qwen3-4b": (2560, 36, 32, 8, 128, 9728, 151936, True, 40960),
    "qwen3-8b": (4096, 36, 32, 8, 128, 12288, 151936, False, 40960),
    "qwen3-14b": (5120, 40, 40, 8, 128, 17408, 151936, False, 40960),
    "qwen3-32b": (5120, 64, 64, 8, 128, 25600, 151936, False, 40960),
    "qwen-1.8b": (2048, 24, 16, 16, 128, 5504, 151936, False, 8192),
    "qwen-7b": (4096, 32, 32, 32, 128, 11008, 151936, False, 8192),
    "qwen-14b": (5120, 40, 40, 40, 128, 13696, 152064, False, 8192),
    "qwen-72b": (8192, 80, 64, 64, 128, 24576, 152064, False, 32768),
    "llama-2-7b": (4096, 32, 32, 32, 128, 11008, 32000, False, 4096),
    "llama-2-13b": (5120, 40, 40, 40, 128, 13824, 32000, False, 4096),
    "llama-2-70b": (8192, 80, 64, 8, 128, 28672, 32000, False, 4096),
    "llama-3.1-8b": (4096, 32, 32, 8, 128, 14336, 128256, False, 131072),
    "llama-3.1-70b": (8192, 80, 64, 8, 128, 28672, 128256, False, 131072),
    "llama-3.3-70b": (8192, 80, 64, 8, 128, 28672, 128256, False, 131072),
    "llama-3.1-405b": (16384, 126, 128, 8, 128, 53248, 128256, False, 131072),
    "llama-3.2-1b": (2048, 16, 32, 8, 64, 8192, 128256, True, 131072),
    "llama-3.2-3b": (3072, 28, 24, 8, 128, 8192, 128256, True, 131072),
    "mistral-7b": (4096, 32, 32, 8, 128, 14336, 32768, False, 32768),
    "phi-4": (5120, 40, 40, 10, 128, 17920, 100352, False, 16384),
}
KNOWN = {
    **{name: Shape(name, *row[:8], context=row[8]) for name, row in _DENSE.items()},
    "mixtral-8x7b": Shape("mixtral-8x7b", 4096, 32, 32, 8, 128, 14336, 32000, experts=8, context=32768),
    "qwen3-30b-a3b": Shape("qwen3-30b-a3b", 2048, 48, 32, 4, 128, 768, 151936, experts=128, context=40960),
}
_COUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([bm])", re.IGNORECASE)
_SUFFIX = re.compile(r"-(instruct|chat|base|it|hf|preview|awq|gptq.*|fp8|bf16|nvfp4|int[48]|v\d[\d.]*|2507|\d{4})$")


def find_shape(text: str) -> Shape:
    """Return the shape meant by a path to config.json (or its folder), a known name, or a count such as 8B.

    Raises UsageError that says what is known.
    """
    path = Path(text)
    if path.is_dir() and (path / "config.json").is_file():
        return load_config(path / "config.json")
    if path.is_file():
        return load_config(path)
    name = text.rpartition("/")[2].lower().replace("meta-llama", "llama").replace("_", "-")
    while (shorter := _SUFFIX.sub("", name)) != name:
        name = shorter
    name = name.removeprefix("meta-")
    if name in KNOWN:
        return KNOWN[name]
    count = _COUNT.fullmatch(name)
    if count:
        return of_size(float(count[1]) * (1e9 if count[2].lower() == "b" else 1e6))
    near = get_close_matches(name, KNOWN, n=3)
    raise UsageError(f"fit: {text}: no such file, no known model, no number of parameters",
                     f"{'did you mean ' + ', '.join(near) + '? ' if near else ''}or give its config.json, or 8B")


def of_size(parameters: float) -> Shape:
    """Return an assumed shape for a number of parameters: that of the nearest known dense model, with other layers."""
    if not 1e7 <= parameters <= 1e13:
        raise UsageError(f"fit: {parameters:g} parameters is no size of a language model", "for example 8B or 350M")
    like = min((KNOWN[name] for name in _DENSE if not name.startswith("qwen-")),
               key=lambda shape: abs(parameters / shape.parameters - 1))
    layers = max(1, round((parameters - like.outer) / (like.linear / like.layers)))
    return replace(like, name=f"{parameters / 1e9:g}B", layers=layers, context=0,
                   note=f"only the size is known: its shape is assumed to be like {like.name}'s")


def load_config(path: Path) -> Shape:
    """Return the shape in a config.json of the transformers library. Raises UsageError with the key that is missing."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        config = {**said, **said.get("text_config", {})}
        return _of_config(path, config)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"fit: {path}: cannot be read: {error}", "give the model's own config.json") from error
    except KeyError as error:
        raise UsageError(f"fit: {path}: has no {error.args[0]!r}, so it is not the config.json of a language model",
                         "or give its size, such as 8B") from error


def _of_config(path: Path, config: dict[str, Any]) -> Shape:
    heads = int(config["num_attention_heads"])
    experts = next((int(config[key]) for key in ("num_local_experts", "num_experts", "n_routed_experts")
                    if config.get(key)), 1)
    latent = int(config.get("kv_lora_rank") or 0)
    inner = int(config["intermediate_size"])
    notes = ["its latent attention is counted roughly"] if latent else []
    if config.get("sliding_window") and config.get("use_sliding_window", True):
        notes.append("its sliding window is not counted, so a long context needs less")
    return Shape(
        name=str(config.get("_name_or_path") or path.absolute().parent.name),
        hidden=int(config["hidden_size"]), layers=int(config["num_hidden_layers"]), heads=heads,
        kv_heads=int(config.get("num_key_value_heads") or heads),
        head=int(config.get("head_dim") or config["hidden_size"] // heads),
        inner=int(config.get("moe_intermediate_size") or inner) if experts > 1 else inner,
        vocabulary=int(config["vocab_size"]), tied=bool(config.get("tie_word_embeddings", False)), experts=experts,
        shared=int(config.get("n_shared_experts") or 0),
        dense_layers=int(config.get("first_k_dense_replace") or 0), dense_inner=inner if experts > 1 else 0,
        latent=latent + int(config.get("qk_rope_head_dim") or 0) if latent else 0,
        context=int(config.get("max_position_embeddings") or 0), note="; ".join(notes),
    )
