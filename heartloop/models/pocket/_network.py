"""The Llama network in numpy: loading the checkpoint, one forward pass over new tokens."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Layer:
    """Weights of one layer, transposed for ``x @ w``; norm weights are folded in.

    Attributes:
        qkv: (width, (heads + 2 kv_heads) * head).
        out: (heads * head, width).
        gate_up: (width, 2 * hidden).
        down: (hidden, width).
    """

    qkv: Array
    out: Array
    gate_up: Array
    down: Array


@dataclass(frozen=True)
class Weights:
    """The whole network.

    Attributes:
        embed: (vocabulary, width).
        unembed: (width, vocabulary), the last norm folded in.
        layers: from input to output.
        cos, sin: (context, head / 2) tables of the rotary positions.
        heads, kv_heads, head: attention sizes.
        context: longest sequence.
        epsilon: of the root-mean-square norms.
    """

    embed: Array
    unembed: Array
    layers: tuple[Layer, ...]
    cos: Array
    sin: Array
    heads: int
    kv_heads: int
    head: int
    context: int
    epsilon: float


def read_safetensors(path: Path) -> dict[str, Array]:
    """All tensors of a safetensors file as float32; bfloat16, float16 and float32 are read.

    Raises:
        ValueError: another element type.
    """
    raw = path.read_bytes()
    (size,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + size])
    out: dict[str, Array] = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        first, last = entry["data_offsets"]
        data = raw[8 + size + first : 8 + size + last]
        if entry["dtype"] == "BF16":
            # bfloat16 is the upper half of a float32.
            wide = np.frombuffer(data, "<u2").astype(np.uint32) << 16
            values = wide.view(np.float32)
        elif entry["dtype"] == "F16":
            values = np.frombuffer(data, "<f2").astype(np.float32)
        elif entry["dtype"] == "F32":
            values = np.frombuffer(data, "<f4").astype(np.float32)
        else:
            raise ValueError(f"{path}: {name} has element type {entry['dtype']}, not a float")
        out[name] = values.reshape(entry["shape"])
    return out


def load(folder: Path) -> Weights:
    """Reads a Llama checkpoint with tied embeddings: its config and its safetensors file."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    tensors = read_safetensors(folder / "model.safetensors")
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    head = config["head_dim"]

    def weight(name: str, norm: Array | None = None) -> Array:
        matrix = tensors[f"model.{name}.weight"].T
        return np.ascontiguousarray(matrix if norm is None else norm[:, None] * matrix)

    layers = []
    for i in range(config["num_hidden_layers"]):
        at = f"layers.{i}."
        first = tensors[f"model.{at}input_layernorm.weight"]
        second = tensors[f"model.{at}post_attention_layernorm.weight"]
        layers.append(
            Layer(
                qkv=np.concatenate(
                    [weight(f"{at}self_attn.{x}_proj", first) for x in "qkv"], axis=1
                ),
                out=weight(f"{at}self_attn.o_proj"),
                gate_up=np.concatenate(
                    [weight(f"{at}mlp.{x}_proj", second) for x in ("gate", "up")], axis=1
                ),
                down=weight(f"{at}mlp.down_proj"),
            )
        )
    context = config["max_position_embeddings"]
    frequency = config["rope_theta"] ** (-np.arange(0, head, 2, dtype=np.float32) / head)
    angle = np.arange(context, dtype=np.float32)[:, None] * frequency.astype(np.float32)
    embed = np.ascontiguousarray(tensors["model.embed_tokens.weight"])
    return Weights(
        embed=embed,
        unembed=np.ascontiguousarray((embed * tensors["model.norm.weight"]).T),
        layers=tuple(layers),
        cos=np.cos(angle),
        sin=np.sin(angle),
        heads=heads,
        kv_heads=kv_heads,
        head=head,
        context=context,
        epsilon=config["rms_norm_eps"],
    )


class Cache:
    """Keys and values of up to ``rows`` sequences of up to ``length`` tokens.

    ``keys[layer]`` and ``values[layer]`` are (rows, kv_heads, length, head).
    """

    def __init__(self, w: Weights, rows: int, length: int) -> None:
        shape = (len(w.layers), rows, w.kv_heads, length, w.head)
        self.keys: Array = np.zeros(shape, np.float32)
        self.values: Array = np.zeros(shape, np.float32)

    @property
    def rows(self) -> int:
        """Number of sequences there is room for."""
        return int(self.keys.shape[1])

    @property
    def length(self) -> int:
        """Number of tokens there is room for in each of them."""
        return int(self.keys.shape[3])

    def copy_row(self, source: int, target: int, length: int) -> None:
        """Copies the first ``length`` tokens of one row to another."""
        self.keys[:, target, :, :length] = self.keys[:, source, :, :length]
        self.values[:, target, :, :length] = self.values[:, source, :, :length]

    def resized(self, w: Weights, rows: int, length: int) -> Cache:
        """A cache of another size with what fits of this one's content."""
        out = Cache(w, rows, length)
        r, n = min(rows, self.rows), min(length, self.length)
        out.keys[:, :r, :, :n] = self.keys[:, :r, :, :n]
        out.values[:, :r, :, :n] = self.values[:, :r, :, :n]
        return out


def _norm(x: Array, epsilon: float) -> Array:
    scale = np.sqrt(np.einsum("ij,ij->i", x, x) / np.float32(x.shape[1]) + np.float32(epsilon))
    return np.asarray(x / scale[:, None], np.float32)


def _rotate(x: Array, cos: Array, sin: Array) -> Array:
    """x: (tokens, heads, head); cos, sin: (tokens, 1, head / 2)."""
    half = x.shape[-1] // 2
    a, b = x[..., :half], x[..., half:]
    out = np.empty_like(x)
    out[..., :half] = a * cos - b * sin
    out[..., half:] = b * cos + a * sin
    return out


def _softmax(scores: Array) -> Array:
    scores -= scores.max(-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(-1, keepdims=True)
    return scores


def _feed_forward(x: Array, layer: Layer, epsilon: float) -> Array:
    both = _norm(x, epsilon) @ layer.gate_up
    half = both.shape[1] // 2
    gate, up = both[:, :half], both[:, half:]
    # silu(gate) * up; exp may overflow to inf for very negative gates, and x / inf is the right 0
    with np.errstate(over="ignore"):
        product = gate / (np.float32(1) + np.exp(-gate)) * up
    return np.asarray(x + product @ layer.down, np.float32)


def prefill(w: Weights, cache: Cache, row: int, tokens: list[int], start: int) -> Array:
    """Reads tokens of one sequence from position ``start`` on; writes its keys and values.

    Returns:
        The states after the last layer (len(tokens), width), before the last norm.
    """
    n, stop = len(tokens), start + len(tokens)
    group = w.heads // w.kv_heads
    cos, sin = w.cos[start:stop, None], w.sin[start:stop, None]
    scale = np.float32(w.head**-0.5)
    mask = np.triu(np.full((n, stop), -np.inf, np.float32), start + 1)
    x: Array = w.embed[tokens]
    split = w.heads * w.head
    for i, layer in enumerate(w.layers):
        qkv = _norm(x, w.epsilon) @ layer.qkv
        q = _rotate(qkv[:, :split].reshape(n, w.heads, w.head), cos, sin)
        k = qkv[:, split : split + w.kv_heads * w.head].reshape(n, w.kv_heads, w.head)
        v = qkv[:, split + w.kv_heads * w.head :].reshape(n, w.kv_heads, w.head)
        cache.keys[i, row, :, start:stop] = _rotate(k, cos, sin).transpose(1, 0, 2)
        cache.values[i, row, :, start:stop] = v.transpose(1, 0, 2)
        keys = cache.keys[i, row, :, None, :stop]
        values = cache.values[i, row, :, None, :stop]
        q = (q * scale).transpose(1, 0, 2).reshape(w.kv_heads, group, n, w.head)
        scores = q @ keys.swapaxes(-1, -2) + mask
        mixed = (_softmax(scores) @ values).reshape(w.heads, n, w.head)
        x = x + mixed.transpose(1, 0, 2).reshape(n, split) @ layer.out
        x = _feed_forward(x, layer, w.epsilon)
    return x


def decode(
    w: Weights, cache: Cache, tokens: NDArray[np.int64], lengths: NDArray[np.int64]
) -> Array:
    """Reads one new token of each of the first B rows of the cache.

    Args:
        w: the network.
        cache: rows 0 to B - 1 hold the sequences; their new keys and values are written.
        tokens: (B,) the new tokens.
        lengths: (B,) tokens already in each row, which is the new token's position.

    Returns:
        The states after the last layer (B, width), before the last norm.
    """
    rows = len(tokens)
    longest = int(lengths.max()) + 1
    group = w.heads // w.kv_heads
    cos, sin = w.cos[lengths][:, None], w.sin[lengths][:, None]
    scale = np.float32(w.head**-0.5)
    hide = np.where(np.arange(longest) <= lengths[:, None], np.float32(0), np.float32(-np.inf))
    index = np.arange(rows)
    x: Array = w.embed[tokens]
    split, width = w.heads * w.head, w.kv_heads * w.head
    for i, layer in enumerate(w.layers):
        qkv = _norm(x, w.epsilon) @ layer.qkv
        q = _rotate(qkv[:, :split].reshape(rows, w.heads, w.head), cos, sin)
        k = _rotate(qkv[:, split : split + width].reshape(rows, w.kv_heads, w.head), cos, sin)
        keys, values = cache.keys[i], cache.values[i]
        keys[index, :, lengths] = k
        values[index, :, lengths] = qkv[:, split + width :].reshape(rows, w.kv_heads, w.head)
        q = (q * scale).reshape(rows, w.kv_heads, group, w.head)
        scores = q @ keys[:rows, :, :longest].swapaxes(-1, -2) + hide[:, None, None]
        mixed = _softmax(scores) @ values[:rows, :, :longest]
        x = x + mixed.reshape(rows, split) @ layer.out
        x = _feed_forward(x, layer, w.epsilon)
    return x


def logits(w: Weights, states: Array) -> Array:
    """Scores of the next token (rows, vocabulary) from states before the last norm."""
    return np.asarray(_norm(states, w.epsilon) @ w.unembed, np.float32)
