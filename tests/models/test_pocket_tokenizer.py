"""Pocket's tokenizer: any text has ids and comes back; digits stand alone; turns are closed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heartloop import practice
from heartloop.models.pocket import CHECKPOINT
from heartloop.models.pocket._tokenizer import END, Tokenizer
from heartloop.types import Message

TOKENIZER = Tokenizer(CHECKPOINT / "tokenizer.json")


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80))
def test_any_text_comes_back_from_its_ids(text):
    if "<|" not in text:
        assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "  a \t\r\n\n b",
        "日本語 😀👍🏽",
        "٣٤ ½",
        "a\u0301 \u200d ﷽",
        "\x00\x0b\x85",
        "\\",
        "\\\\frac",
    ],
)
def test_odd_texts_come_back(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


def test_a_lone_surrogate_is_no_crash():
    assert TOKENIZER.decode(TOKENIZER.encode("a\ud800b")) == "a?b"


def test_digits_are_tokens_of_their_own():
    ids = TOKENIZER.encode("x=1234567890")
    digits = [TOKENIZER.decode([i]) for i in ids if TOKENIZER.decode([i]).strip().isdigit()]
    assert digits == list("1234567890")


def test_practice_questions_are_short():
    lengths = [len(TOKENIZER.encode(row["question"])) for row in practice.rows("olympiad")]
    assert sum(lengths) / len(lengths) < 45


def test_a_conversation_closes_every_turn_and_opens_the_answer():
    ids = TOKENIZER.render([Message("system", "S"), Message("user", "hi")])
    names = {i: name for name, i in TOKENIZER.specials.items()}
    shown = [names[i] for i in ids if i in names]
    assert shown == ["<|system|>", "<|end|>", "<|user|>", "<|end|>", "<|assistant|>"]


def test_a_continued_turn_stays_open():
    turns = [Message("user", "hi"), Message("assistant", "The answer")]
    ids = TOKENIZER.render(turns, continue_final=True)
    assert ids[-len(TOKENIZER.encode("The answer")) :] == TOKENIZER.encode("The answer")
    assert TOKENIZER.render(turns)[-2:] == [END, TOKENIZER.specials["<|assistant|>"]]
