"""Trains pocket's tokenizer: byte-level BPE over the generated stream, digits never merged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import stream

SPECIALS = ("<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
PATTERN = r" ?\\?[A-Za-z]+|[0-9]| ?[^ A-Za-z0-9\n\\]+|\n+|\\| "
"""Words (also LaTeX commands) with their space, single digits, runs of signs, line ends.

Only ASCII classes: every regular-expression engine reads it alike.
"""
VOCABULARY = 1408
TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] }}"
    "{% if not loop.last or message['role'] != 'assistant' or not continue_final_message %}"
    "{{ '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def texts(n: int) -> Iterator[str]:
    """The turns of n generated conversations."""
    for i in range(n):
        for _, content, _ in stream.conversation(f"tokens/{i}"):
            yield content


def train(folder: Path, conversations: int = 30000) -> None:
    """Writes ``tokenizer.json`` and ``tokenizer_config.json`` into the folder."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(conversations), trainer)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|end|>",
        "pad_token": "<|end|>",
        "model_max_length": 2048,
        "clean_up_tokenization_spaces": False,
        "chat_template": TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
