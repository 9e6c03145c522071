"""Writes models as vLLM and transformers read them, with the standard library alone: nothing is downloaded.

`counter`: what follows any text is known. A model of dummy weights: as heavy as a real one, and no file of weights.
"""

from __future__ import annotations

import array
import json
import os
import random
import struct
import sys
from pathlib import Path
from typing import Any

VOCABULARY, END = 320, 256  # ids below 256 are bytes
FIRST, LAST = 33, 126  # the counter counts through printable ASCII
POSITIONS = 2048
# Wide, so that a token takes a CPU some milliseconds: what serves it, not what hands its tokens on, sets the pace.
COUNTER: dict[str, int] = {"hidden_size": 256, "intermediate_size": 16384, "num_hidden_layers": 2,
                           "num_attention_heads": 4, "num_key_value_heads": 4}
# Layers of Llama 3 8B; their number makes the weight.
HEAVY: dict[str, int] = {"hidden_size": 4096, "intermediate_size": 14336, "num_attention_heads": 32,
                         "num_key_value_heads": 8}
LIGHT: dict[str, int] = {"hidden_size": 512, "intermediate_size": 1536, "num_attention_heads": 8,
                         "num_key_value_heads": 8}
Tensors = dict[str, tuple[tuple[int, ...], bytes]]


def follower(symbol: int) -> int:
    """Return what the counter says after a byte: the next printable one."""
    return symbol + 1 if FIRST <= symbol < LAST else FIRST


def counted(text: str, tokens: int) -> str:
    """Return the counter's answer to a text that ends in a printable character."""
    found, last = [], ord(text[-1])
    for _ in range(tokens):
        last = follower(last)
        found.append(chr(last))
    return "".join(found)


def write_counter(folder: Path, seed: int = 1) -> int:
    """Write the counter in bfloat16; return the bytes of its weights.

    The row of the head for what follows a byte is that byte's embedding; attention only adds a little noise,
    and what is wide is zero.
    """
    draw, width, inner = random.Random(seed), COUNTER["hidden_size"], COUNTER["intermediate_size"]  # noqa: S311
    rows = [[draw.gauss(0, 1) for _ in range(width)] for _ in range(VOCABULARY)]
    head: list[list[float]] = [[0.0] * width for _ in range(VOCABULARY)]
    for symbol in range(FIRST, LAST + 1):
        head[follower(symbol)] = [value / 16 for value in rows[symbol]]
    tensors: Tensors = {"model.embed_tokens.weight": ((VOCABULARY, width), to_bfloat16(joined(rows))),
                        "lm_head.weight": ((VOCABULARY, width), to_bfloat16(joined(head))),
                        "model.norm.weight": ((width,), to_bfloat16([1.0] * width))}
    noisy = {name: ((width, width), to_bfloat16([draw.uniform(-0.01, 0.01) for _ in range(width * width)]))
             for name in (f"self_attn.{part}_proj" for part in "qkvo")}
    nothing = {name: (shape, bytes(2 * inner * width)) for name, shape in (
        ("mlp.gate_proj", (inner, width)), ("mlp.up_proj", (inner, width)), ("mlp.down_proj", (width, inner)))}
    for layer in range(COUNTER["num_hidden_layers"]):
        for name, tensor in (noisy | nothing).items():
            tensors[f"model.layers.{layer}.{name}.weight"] = tensor
        for name in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"model.layers.{layer}.{name}.weight"] = (width,), to_bfloat16([1.0] * width)
    write_model(folder, COUNTER, "bfloat16")
    return write_safetensors(folder / "model.safetensors", tensors, "BF16")


def write_heavy(folder: Path, weight_bytes: int) -> int:
    """Write a model of about `weight_bytes` of dummy bfloat16 weights, without them; return their exact bytes."""
    shape = dict(HEAVY if weight_bytes >= 2 << 30 else LIGHT)
    width, inner = shape["hidden_size"], shape["intermediate_size"]
    key_value = width * shape["num_key_value_heads"] // shape["num_attention_heads"]
    layer = 2 * width * width + 2 * width * key_value + 3 * width * inner + 2 * width
    shape["num_hidden_layers"] = max(1, round(weight_bytes / 2 / layer))
    write_model(folder, shape, "bfloat16")
    # The table of embeddings is looked up, not read through, so it does not count.
    return 2 * (shape["num_hidden_layers"] * layer + VOCABULARY * width + width)


def write_model(folder: Path, shape: dict[str, int], dtype: str) -> None:
    """Write everything of a Llama-shaped model but its weights."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": VOCABULARY,
              "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": False,
              "max_position_embeddings": POSITIONS, "attention_bias": False, "mlp_bias": False,
              "bos_token_id": None, "eos_token_id": END, "pad_token_id": END, "torch_dtype": dtype, **shape}
    keep_json(folder / "config.json", config)
    keep_json(folder / "generation_config.json", {"eos_token_id": END, "pad_token_id": END, "do_sample": False})
    write_tokenizer(folder)


def write_tokenizer(folder: Path) -> None:
    """Write a tokenizer whose ids are the bytes of the text."""
    pieces = {piece: number for number, piece in enumerate(byte_pieces())}
    added = [{"id": number, "content": "<end>" if number == END else f"<unused{number}>", "single_word": False,
              "lstrip": False, "rstrip": False, "normalized": False, "special": True}
             for number in range(END, VOCABULARY)]
    whole = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    keep_json(folder / "tokenizer.json", {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": whole, "post_processor": None, "decoder": whole,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "vocab": pieces,
                  "merges": []}})
    keep_json(folder / "tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<end>", "pad_token": "<end>",
        "clean_up_tokenization_spaces": False, "model_max_length": POSITIONS,
        "chat_template": "{% for message in messages %}{{ message['content'] }}{% endfor %}"})


def byte_pieces() -> list[str]:
    """Return the printable character that stands for each byte in byte-level tokenizers."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    rest = iter(range(256, 512))
    return [chr(byte) if byte in plain else chr(next(rest)) for byte in range(256)]


def joined(rows: list[list[float]]) -> list[float]:
    """Return the numbers of all rows, one row after the other."""
    return [value for row in rows for value in row]


def to_bfloat16(values: list[float]) -> bytes:
    """Return floats as little-endian bfloat16: the upper half of a float32, rounded."""
    halves = array.array("H", (min(0xFFFF, (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)
                               for bits in memoryview(struct.pack(f"={len(values)}f", *values)).cast("I")))
    if sys.byteorder == "big":
        halves.byteswap()
    return halves.tobytes()


def write_safetensors(file: Path, tensors: Tensors, dtype: str) -> int:
    """Write tensors of one type (`BF16`, `F32`) that others may read too; return the bytes of data."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    begin = 0
    for name, (shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, begin + len(data)]}
        begin += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with file.open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        for _, data in tensors.values():
            stream.write(data)
    os.chmod(file, 0o644)  # noqa: PTH101 - a server in a container may be another user
    return begin


def keep_json(file: Path, value: Any) -> None:
    """Write a JSON file."""
    file.write_text(json.dumps(value, indent=1), encoding="utf-8")
