"""How much memory serving or tuning a model takes. All results in bytes; checked against published measurements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.model.units import GIB

if TYPE_CHECKING:
    from agent.smoke.fit.shape import Shape

# Bytes per parameter of the layers: the bits plus the scales of their groups (int4 128, nvfp4 16, int8 128 wide).
PRECISIONS = {"fp32": 4.0, "bf16": 2.0, "fp8": 1.0, "int8": 1.016, "nvfp4": 0.5625, "int4": 0.5195}
METHODS = ("lora", "qlora", "full", "full-bf16")
# Mean and largest error of serving and tuning against so many published measurements each that had no say in the
# constants below (tests/unit/smoke/test_fit_published.py).
HELD_OUT = (92, 12)
SERVING_ERROR, TUNING_ERROR = (0.08, 0.25), (0.09, 0.28)
CHUNK_TOKENS = 8192  # that a server prefills at once
RUNTIME_BYTES = GIB  # CUDA context, workspaces, graphs
TRAIN_SLACK = 1.06  # the allocator's fragments while training; fitted to Qwen-7B
LOGITS = 6  # bytes per token and vocabulary entry: bf16 logits and their float32 copy; fitted to Qwen-7B
_STATE = 16  # bytes per trained adapter number: float32 weight and gradient, two moments of Adam
_FULL = {"full": 18, "full-bf16": 8}  # LLaMA-Factory's table: mixed precision with float32 copies; all in bf16


@dataclass(frozen=True, slots=True)
class Need:
    """What a use takes, in bytes. `state` are gradients, optimizer and adapters; 0 when serving."""

    use: str
    precision: str
    weights: int
    cache: int
    activations: int
    state: int
    runtime: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.cache + self.activations + self.state + self.runtime


def weight_bytes(shape: Shape, precision: str) -> int:
    """Return the weights: embedding and output stay in 16 bit when the layers are quantised."""
    each = PRECISIONS[precision]
    return int(shape.linear * each + shape.outer * max(each, 2.0))


def serving(shape: Shape, precision: str, *, context: int, batch: int = 1, cache_bytes: float = 2.0,
            chunk: int = CHUNK_TOKENS, runtime: int = RUNTIME_BYTES) -> Need:
    """Return what serving takes: `batch` sequences of `context` tokens each, prefilled `chunk` tokens at a time."""
    tokens = min(context * batch, chunk)
    activations = tokens * 2 * (2 * _active(shape) + 6 * shape.hidden)
    return Need("serve", precision, weight_bytes(shape, precision), int(shape.cached * context * batch * cache_bytes),
                activations, 0, runtime)


def tuning(shape: Shape, method: str, *, length: int, batch: int = 1, rank: int = 16,
           runtime: int = RUNTIME_BYTES) -> Need:
    """Return what tuning takes with gradient checkpointing; adapters of `rank` on every linear map."""
    per_token = (2 * shape.layers * shape.hidden + LOGITS * shape.vocabulary
                 + 2 * (16 * shape.hidden + 6 * _active(shape)))
    activations = int(TRAIN_SLACK * length * batch * per_token)
    if method in _FULL:
        weights = 2 * shape.parameters
        state = int(TRAIN_SLACK * _FULL[method] * shape.parameters) - weights
        return Need(method, "bf16", weights, 0, activations, state, runtime)
    precision = "int4" if method == "qlora" else "bf16"
    # Preparing a quantised model for training makes embedding and output float32.
    wide = 2 * shape.outer if method == "qlora" else 0
    weights = int(TRAIN_SLACK * (weight_bytes(shape, precision) + wide))
    return Need(method, precision, weights, 0, activations, int(TRAIN_SLACK * _STATE * adapter(shape, rank)), runtime)


def adapter(shape: Shape, rank: int) -> int:
    """Return the numbers in an adapter of `rank` on every linear map of every layer."""
    query, other = shape.heads * shape.head, shape.kv_heads * shape.head
    attention = 2 * (shape.hidden + query) + 2 * (shape.hidden + other)
    return rank * shape.layers * (attention + 3 * (shape.hidden + shape.inner) * (shape.experts + shape.shared))


def _active(shape: Shape) -> int:
    """Return the width of the inner layer that a token passes through; of a sparse model eight experts at most."""
    return max(shape.inner * min(shape.experts, 8), shape.dense_inner if shape.dense_layers else 0)
