"""Thinking in every known format is told apart from the answer."""

from __future__ import annotations

import time

import pytest

from heartloop.thinking import split_thinking

IDEA, ANSWER = "Perhaps \\boxed{41}? No.", "It is \\boxed{42}."

BLOCKS = [
    ("<think>", "</think>"), ("<think>\n", "\n</think>\n\n"), ("<THINK>", "</THINK>"),
    ("<think >", "</think >"), ('<think time="3">', "</think>"), ("<Thinking>", "</Thinking>"),
    ("<thinking>", "</thinking>"), ("<reasoning>", "</reasoning>"), ("<thought>", "</thought>"),
    ("<reflection>", "</reflection>"), ("<seed:think>", "</seed:think>"),
    ("<thinking>", "</thinking>"), ("[THINK]", "[/THINK]"), ("[think]", "[/think]"),
    ("\u25c1think\u25b7", "\u25c1/think\u25b7"), ("<unused94>thought\n", "<unused95>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"), ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"), ("<|channel>thought\n", "<channel|>"),
    ("<|thinking|>", "<|/thinking|>"),
]  # fmt: skip


@pytest.mark.parametrize(("opening", "closing"), BLOCKS)
def test_a_block_is_thinking_and_what_follows_is_the_answer(opening, closing):
    assert split_thinking(f"{opening}{IDEA}{closing}{ANSWER}") == (ANSWER, IDEA, True)
    assert split_thinking(f"\n {opening}{IDEA}{closing}\n\n{ANSWER}\n") == (ANSWER, IDEA, True)


@pytest.mark.parametrize(("opening", "closing"), BLOCKS)
def test_a_block_that_was_cut_leaves_no_answer(opening, closing):
    assert split_thinking(f"{opening}{IDEA}") == ("", IDEA, False)


@pytest.mark.parametrize(("opening", "closing"), BLOCKS)
def test_the_opening_mark_may_stand_in_the_prompt(opening, closing):
    assert split_thinking(f"{IDEA}{closing}{ANSWER}") == (ANSWER, IDEA, True)


@pytest.mark.parametrize(
    ("text", "thought"),
    [
        (f"<|channel|>analysis<|message|>{IDEA}<|end|><|start|>assistant<|channel|>final"
         f"<|message|>{ANSWER}", IDEA),
        (f"<|start|>assistant<|channel|>analysis<|message|>{IDEA}<|end|><|start|>assistant"
         f"<|channel|>commentary to=f <|constrain|>json<|message|>x<|call|><|start|>assistant"
         f"<|channel|>final<|message|>{ANSWER}<|return|>", IDEA + "\nx"),
        (f"<|channel|>analysis<|message|>{IDEA}<|channel|>final<|message|>{ANSWER}", IDEA),
        (f"{IDEA}<|end|><|start|>assistant<|channel|>final<|message|>{ANSWER}", IDEA),
        (f"<|channel|>final<|message|>{ANSWER}", None),
        (f"analysis{IDEA}assistantfinal{ANSWER}", IDEA),
        (f"analysiswe see. {IDEA}assistantfinal{ANSWER}", f"we see. {IDEA}"),
        (f"assistantfinal{ANSWER}", None),
        (f"Here is my thought process:\n\n{IDEA}\n\nHere is my response:\n\n{ANSWER}", IDEA),
        (f"Here's my thought process: {IDEA} Here's my response: {ANSWER}", IDEA),
        (f"Thinking...\n{IDEA}\n...done thinking.\n\n{ANSWER}", IDEA),
        (f"<think>{IDEA}</think>\n<think>More.</think>{ANSWER}", f"{IDEA}\nMore."),
        (f"<thinking>{IDEA}\n<reflection>Hm.</reflection>\nGood.</thinking>\n{ANSWER}",
         f"{IDEA}\n<reflection>Hm.</reflection>\nGood."),
        (f"<think></think>{ANSWER}", ""),
        (f"<|START_THINKING|>{IDEA}<|END_THINKING|><|START_RESPONSE|>{ANSWER}<|END_RESPONSE|>",
         IDEA),
        (f"One.</think>{IDEA}</think>{ANSWER}", f"One.</think>{IDEA}"),
    ],
)  # fmt: skip
def test_channels_words_and_several_blocks(text, thought):
    assert split_thinking(text) == (ANSWER, thought, True)


@pytest.mark.parametrize(
    "text",
    [f"<|channel|>analysis<|message|>{IDEA}", f"analysis{IDEA} Let me check that again",
     f"<|channel|>analysis<|message|>{IDEA}<|end|><|start|>assistant<|channel|>commentary"],
)  # fmt: skip
def test_a_cut_channel_leaves_no_answer(text):
    answer, thought, closed = split_thinking(text)
    assert (answer, closed) == ("", False) and thought.startswith(IDEA)


def test_thinking_after_a_first_word_is_taken_out():
    text = f"Let me see.\n<think>\n{IDEA}\n</think>\n{ANSWER}"
    assert split_thinking(text) == (f"Let me see.\n{ANSWER}", IDEA, True)
    assert split_thinking(f"{ANSWER}\n<think>{IDEA}") == (ANSWER, IDEA, False)


@pytest.mark.parametrize(
    "text",
    [
        "The tag <think> opens and </think> closes a block. \\boxed{4}", "", " 4 < 5 ",
        "Write `</think>` at its end.", 'The mark "</think>" ends it.', "analysis: it is 4",
        "Analysis shows 4.", "analysis of the data", "analysis-based: 4", "[1, 2]", "<b>4</b>",
        "Here is my thought process: 2+2 is 4.", "Thinking...\nIt is 4.", "finally 4",
        "```\n<think>\nx\n</think>\n```\nis how it looks: 4", "In [THINK] the model thinks. 4",
        "<answer>4</answer>", "The <|channel|> mark begins a channel.", "commentary on it: 4",
    ],
)  # fmt: skip
def test_an_answer_that_talks_about_thinking_is_an_answer(text):
    assert split_thinking(text) == (text, None, True)


@pytest.mark.parametrize(
    "piece",
    ["<think>", "</think>", "\n<think>", "<think>x</think>", "<", "< ", "[THINK]", "<|channel|>",
     "\n<thinking>\n</", "analysis", "<|message|>", "<|start|>assistant<|channel|>", "<think ",
     "`</think>", "thinking...\n", "\n<think>a</think>"],
)  # fmt: skip
def test_hostile_texts_are_split_quickly(piece):
    started = time.perf_counter()
    split_thinking(piece * (200_000 // len(piece)))
    assert time.perf_counter() - started < 3
