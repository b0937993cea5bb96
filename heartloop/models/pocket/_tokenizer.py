"""Byte-level BPE read from ``tokenizer.json``: the same ids as the Hugging Face tokenizer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from heartloop.types import Message

END = 0
"""Id of ``<|end|>``, which closes every turn and ends a generation."""


def _byte_alphabet() -> list[str]:
    """Printable stand-ins for the 256 bytes, as GPT-2's byte-level BPE defines them."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    out, spare = [""] * 256, 256
    for byte in range(256):
        if byte in plain:
            out[byte] = chr(byte)
        else:
            out[byte] = chr(spare)
            spare += 1
    return out


class Tokenizer:
    """Text to ids and back; any Unicode text has ids, unknown words fall back to bytes."""

    def __init__(self, path: Path) -> None:
        data = json.loads(path.read_text(encoding="utf-8"))
        model = data["model"]
        pattern = data["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]
        self._split = re.compile(pattern)
        self._vocabulary: dict[str, int] = model["vocab"]
        pairs = (m if isinstance(m, list) else m.split(" ") for m in model["merges"])
        self._ranks = {(a, b): i for i, (a, b) in enumerate(pairs)}
        self.specials: dict[str, int] = {t["content"]: t["id"] for t in data["added_tokens"]}
        self._special = re.compile("(" + "|".join(map(re.escape, self.specials)) + ")")
        self._bytes = _byte_alphabet()
        back = {char: bytes([byte]) for byte, char in enumerate(self._bytes)}
        size = max(*self._vocabulary.values(), *self.specials.values()) + 1
        self._pieces: list[bytes] = [b""] * size  # special tokens stay invisible
        for token, i in self._vocabulary.items():
            if token not in self.specials:
                self._pieces[i] = b"".join(back[char] for char in token)
        self._cache: dict[str, tuple[int, ...]] = {}

    def __len__(self) -> int:
        return len(self._pieces)

    def encode(self, text: str) -> list[int]:
        """Ids of a text; the names of special tokens inside it are read as such tokens."""
        out: list[int] = []
        for i, part in enumerate(self._special.split(text)):
            if i % 2:
                out.append(self.specials[part])
                continue
            for word in self._split.findall(part):
                out.extend(self._word(word))
        return out

    def _word(self, word: str) -> tuple[int, ...]:
        known = self._cache.get(word)
        if known is not None:
            return known
        # A lone surrogate is no text; it becomes a question mark instead of an error.
        parts = [self._bytes[byte] for byte in word.encode("utf-8", errors="replace")]
        while len(parts) > 1:
            ranks = [
                self._ranks.get((parts[i], parts[i + 1]), 1 << 30) for i in range(len(parts) - 1)
            ]
            best = min(ranks)
            if best == 1 << 30:
                break
            at = ranks.index(best)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        ids = tuple(self._vocabulary[part] for part in parts)
        if len(self._cache) < 50000 and len(word) < 100:
            self._cache[word] = ids
        return ids

    def piece(self, token: int) -> bytes:
        """The bytes that one token stands for; empty for special tokens."""
        return self._pieces[token]

    def decode(self, ids: Iterable[int]) -> str:
        """Text of some ids; special tokens are left out, broken UTF-8 becomes U+FFFD."""
        return b"".join(self._pieces[i] for i in ids).decode("utf-8", errors="replace")

    def render(self, messages: Sequence[Message], *, continue_final: bool = False) -> list[int]:
        """Ids of a conversation under the checkpoint's chat template.

        Args:
            messages: the turns, each closed by ``<|end|>``.
            continue_final: leave the last turn open and let the model go on with it.
        """
        parts = []
        for i, message in enumerate(messages):
            is_open = continue_final and i == len(messages) - 1
            parts.append(f"<|{message.role}|>{message.content}{'' if is_open else '<|end|>'}")
        if not continue_final:
            parts.append("<|assistant|>")
        return self.encode("".join(parts))
