"""The Llama network in plain torch, small and fast to train; saved under Hugging Face's names."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """Sizes of the network."""

    vocabulary: int = 1408
    width: int = 192
    layers: int = 5
    heads: int = 6
    kv_heads: int = 2
    hidden: int = 512
    context: int = 2048
    theta: float = 10000.0

    @property
    def head(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads


class Block(nn.Module):
    """One layer: attention with rotary positions, then a gated feed-forward network."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.s = s
        self.norm1 = nn.Parameter(torch.ones(s.width))
        self.norm2 = nn.Parameter(torch.ones(s.width))
        self.q = nn.Linear(s.width, s.heads * s.head, bias=False)
        self.k = nn.Linear(s.width, s.kv_heads * s.head, bias=False)
        self.v = nn.Linear(s.width, s.kv_heads * s.head, bias=False)
        self.o = nn.Linear(s.heads * s.head, s.width, bias=False)
        self.gate = nn.Linear(s.width, s.hidden, bias=False)
        self.up = nn.Linear(s.width, s.hidden, bias=False)
        self.down = nn.Linear(s.hidden, s.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """x: (batch, length, width)."""
        s, (b, n, _) = self.s, x.shape
        h = F.rms_norm(x, (s.width,), self.norm1, 1e-5)
        q = _rotate(self.q(h).view(b, n, s.heads, s.head).transpose(1, 2), cos, sin)
        k = _rotate(self.k(h).view(b, n, s.kv_heads, s.head).transpose(1, 2), cos, sin)
        v = self.v(h).view(b, n, s.kv_heads, s.head).transpose(1, 2)
        k = k.repeat_interleave(s.heads // s.kv_heads, 1)
        v = v.repeat_interleave(s.heads // s.kv_heads, 1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(y.transpose(1, 2).reshape(b, n, -1))
        h = F.rms_norm(x, (s.width,), self.norm2, 1e-5)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, -1)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class Network(nn.Module):
    """The whole network; embeddings and output layer are tied."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.s = s
        self.embed = nn.Embedding(s.vocabulary, s.width)
        self.blocks = nn.ModuleList(Block(s) for _ in range(s.layers))
        self.norm = nn.Parameter(torch.ones(s.width))
        for name, p in self.named_parameters():
            if p.ndim == 2:
                nn.init.normal_(p, std=0.02 if "embed" in name else p.shape[1] ** -0.5)
            if name.endswith(("o.weight", "down.weight")):
                p.data *= (2 * s.layers) ** -0.5
        angle = torch.arange(s.context)[:, None] * s.theta ** (-torch.arange(0, s.head, 2) / s.head)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def hidden(self, ids: Tensor) -> Tensor:
        """ids: (batch, length) → states after the last norm (batch, length, width)."""
        n = ids.shape[1]
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x, self.cos[:n], self.sin[:n])
        return F.rms_norm(x, (self.s.width,), self.norm, 1e-5)


def _named(network: Network) -> dict[str, nn.Parameter]:
    """The parameters under Hugging Face's names."""
    names = {
        "norm1": "input_layernorm.weight",
        "norm2": "post_attention_layernorm.weight",
        **{f"{x}.weight": f"self_attn.{x}_proj.weight" for x in "qkvo"},
        **{f"{x}.weight": f"mlp.{x}_proj.weight" for x in ("gate", "up", "down")},
    }
    tensors = {
        "model.embed_tokens.weight": network.embed.weight,
        "model.norm.weight": network.norm,
    }
    for i, block in enumerate(network.blocks):
        for name, p in block.named_parameters():
            tensors[f"model.layers.{i}.{names[name]}"] = p
    return tensors


def save(network: Network, folder: Path) -> None:
    """Writes ``config.json``, ``generation_config.json`` and ``model.safetensors`` (bfloat16)."""
    from safetensors.torch import save_file

    s = network.s
    tensors = _named(network)
    tensors = {k: v.detach().to(torch.bfloat16).contiguous() for k, v in tensors.items()}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": s.vocabulary,
        "hidden_size": s.width,
        "intermediate_size": s.hidden,
        "num_hidden_layers": s.layers,
        "num_attention_heads": s.heads,
        "num_key_value_heads": s.kv_heads,
        "head_dim": s.head,
        "max_position_embeddings": s.context,
        "rms_norm_eps": 1e-5,
        "rope_theta": s.theta,
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "initializer_range": 0.02,
        "bos_token_id": None,
        "eos_token_id": 0,
        "pad_token_id": 0,
        "torch_dtype": "float32",
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    generation = {"eos_token_id": 0, "pad_token_id": 0, "do_sample": True, "temperature": 0.7}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=1) + "\n")
