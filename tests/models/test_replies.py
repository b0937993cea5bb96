# ruff: noqa: E501 - a table is easier to read with one line a case
"""Whatever a reply says, its answer is kept, and nothing in it can do harm."""

from __future__ import annotations

import json

import pytest

from heartloop.errors import CallError
from heartloop.models.lenient import NotJson, read_json
from heartloop.models.replies import read_choices, read_logprobs
from heartloop.models.vocabulary import FINISH, finish_of
from heartloop.types import AT_CAP, Message, Usage

ASKED = (Message("user", "x" * 40),)
GOOD = "The answer is \\boxed{4}."


def reply(content=GOOD, finish="stop", usage=None, message=None, **choice):
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15} | (usage or {})
    said = {"role": "assistant", "content": content} | (message or {})
    return {"choices": [{"index": 0, "message": said, "finish_reason": finish, **choice}],
            "usage": usage}  # fmt: skip


def read(said, **options):
    return read_choices(said, ASKED, **options)[0]


# --- Finish reasons ------------------------------------------------------------------------


@pytest.mark.parametrize(("ours", "words"), FINISH)
def test_every_word_of_the_table_is_understood_in_every_spelling(ours, words):
    for word in words.split():
        for spelling in (word, word.upper(), word.title().replace("_", ""), word.replace("_", "-"),
                         f"FINISH_REASON_{word.upper()}", f" {word} "):  # fmt: skip
            assert finish_of(spelling) == ours


@pytest.mark.parametrize(
    ("word", "ours"),
    [
        ("max_new_tokens", "length"), ("hit_token_limit", "length"), ("content_blocked", "content_filter"),
        ("policy_violation", "content_filter"), ("upstream_error", "failed"), ("engine_crashed", "failed"),
        ("end_of_turn", "stop"), ("EOT_ID", "stop"), ("tool_calls", "tool_calls"), ("OTHER", "OTHER"), (None, "unknown"), ("", "unknown"),
        (7, "unknown"), ("null", "null"),
    ],
)  # fmt: skip
def test_members_of_a_kind_that_nobody_listed_and_words_of_none(word, ours):
    assert finish_of(word) == ours


@pytest.mark.parametrize(
    "finish", ["error", "abort", "network_error", "insufficient_system_resource"]
)
def test_an_aborted_text_is_an_error_that_is_asked_again_and_was_paid(finish):
    with pytest.raises(CallError) as caught:
        read(reply("Let me think: \\boxed{5}", finish))
    assert caught.value.kind == "aborted" and caught.value.retryable
    assert caught.value.usage == Usage(10, 5)


def test_the_error_of_a_choice_is_the_error_of_the_call():
    with pytest.raises(CallError) as caught:
        read(reply("\\boxed{5}", "stop", error={"code": 502, "message": "upstream closed"}))
    assert caught.value.kind == "http_502" and caught.value.retryable
    assert "upstream closed" in str(caught.value) and caught.value.usage == Usage(10, 5)
    with pytest.raises(CallError) as caught:
        read(reply(error={"code": 403, "message": "flagged", "type": "moderation"}))
    assert caught.value.kind == "content_filter" and not caught.value.retryable
    assert read(reply(error=None)).text == GOOD
    assert read(reply() | {"error": None}).text == GOOD
    assert read(reply() | {"error": {"code": 0, "message": ""}}).text == GOOD


def test_an_answer_that_ends_exactly_at_the_cap_is_told_apart():
    assert read(reply(usage={"completion_tokens": 64}), max_tokens=64).finish_reason == AT_CAP
    assert read(reply(usage={"completion_tokens": 63}), max_tokens=64).finish_reason == "stop"
    assert read(reply(usage={"completion_tokens": -1}), max_tokens=6).finish_reason == "stop"


# --- Usage and log-probabilities ------------------------------------------------------------

ODD = ["n/a", "", "many", [5], {}, {"text": 5}, True, -1, -1000, 2**63, 10**30, 1e300, 2_000_000,
       float("inf"), float("nan"), "1e400", None]  # fmt: skip


@pytest.mark.parametrize("value", ODD, ids=repr)
@pytest.mark.parametrize("field", ["prompt_tokens", "completion_tokens"])
def test_odd_counts_are_estimated(field, value):
    said = read(reply(usage={field: value}))
    assert said.text == GOOD and said.estimated
    assert said.usage == (Usage(10, 5) if field == "prompt_tokens" else Usage(10, 6))


@pytest.mark.parametrize("value", [*ODD, [1], {"reasoning_tokens": {"n": 1}}, 0, []], ids=repr)
@pytest.mark.parametrize(
    "field", ["prompt_tokens_details", "completion_tokens_details", "total_tokens"]
)
def test_odd_details_do_no_harm(field, value):
    said = read(reply(usage={field: value}))
    assert (said.usage, said.estimated) == (Usage(10, 5), False)


@pytest.mark.parametrize("value", [None, "n/a", [], [1], 5, True, {}], ids=repr)
def test_an_odd_usage_is_estimated_as_a_whole(value):
    said = read(reply() | {"usage": value})
    assert said.estimated and said.usage == Usage(10, 6)


@pytest.mark.parametrize(
    ("usage", "right"),
    [
        ({"prompt_tokens": "10", "completion_tokens": "5"}, Usage(10, 5)),
        ({"prompt_tokens": 10.0, "completion_tokens": 5.5}, Usage(10, 5)),
        ({"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 4}, Usage(10, 5, 0, 4)),
        ({"prompt_tokens": 10, "completion_tokens": 5,
          "completion_tokens_details": {"reasoning_tokens": "3"}}, Usage(10, 5, 3)),
        # thinking that is counted beside the answer
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 45,
          "completion_tokens_details": {"reasoning_tokens": 30}}, Usage(10, 35, 30)),
        ({"prompt_tokens": 10, "completion_tokens": 5,
          "prompt_tokens_details": {"cached_tokens": 99}}, Usage(10, 5, 0, 10)),
    ],
)  # fmt: skip
def test_shapes_of_usage(usage, right):
    said = read(reply() | {"usage": usage})
    assert (said.usage, said.estimated) == (right, False)


def test_other_places_of_usage():
    timings = {"prompt_n": 10, "predicted_n": 5}
    said = read({k: v for k, v in reply().items() if k != "usage"} | {"timings": timings})
    assert (said.usage, said.estimated) == (Usage(10, 5), False)


@pytest.mark.parametrize(
    "logprobs",
    [5, "x", [], {}, {"token_logprobs": 5}, {"content": None}, {"content": [1, {"logprob": None}]},
     {"content": [{"logprob": "a"}, {"logprob": True}, {}]}, {"token_logprobs": [None]},
     {"content": [{"logprob": float("nan")}]}, {"content": [{"logprob": float("-inf")}]}],
    ids=repr,
)  # fmt: skip
def test_odd_log_probabilities_are_none(logprobs):
    assert read_logprobs(logprobs) == (None, 0)
    assert read(reply(logprobs=logprobs)).text == GOOD


# --- Shapes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [[GOOD], [{"type": "text", "text": GOOD}], {"type": "text", "text": GOOD}, {"parts": [{"text": GOOD}]},
     [{"type": "output_text", "text": GOOD}], [{"type": "text", "text": {"value": GOOD}}],
     [{"text": GOOD[:5]}, GOOD[5:], None, {"type": "image_url"}]],
    ids=repr,
)  # fmt: skip
def test_shapes_of_content(content):
    assert read(reply(content)).text == GOOD


def test_a_number_is_a_text_and_nonsense_is_an_error_of_the_call():
    assert read(reply(42)).text == "42" and read(reply(4.5)).text == "4.5"
    for content in (True, False):
        with pytest.raises(CallError, match="neither text nor parts"):
            read(reply(content))


@pytest.mark.parametrize(
    "message",
    [
        {"reasoning_content": "Hm."}, {"reasoning": "Hm."}, {"reasoning": ["Hm."]},
        {"reasoning": {"text": "Hm."}}, {"thinking": "Hm."},
        {"reasoning_details": [{"type": "reasoning.text", "text": "Hm."}, {"type": "reasoning.encrypted", "data": "x"}]},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "Hm."}]},
        {"thinking_blocks": [{"type": "thinking", "thinking": "Hm."}]},
        {"reasoning": "Hm.", "reasoning_content": "Hm.", "reasoning_details": [{"text": "Hm."}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": GOOD}]},
        {"content": [{"type": "reasoning", "text": "Hm."}, {"type": "text", "text": GOOD}]},
        {"content": [{"text": "Hm.", "thought": True}, {"text": GOOD}]},
        {"content": f"<think>Hm.</think>\n{GOOD}", "reasoning_content": ""},
        {"content": f"<think>Hm.</think>\n{GOOD}", "reasoning_content": None},
    ],
    ids=repr,
)  # fmt: skip
def test_thinking_apart_from_the_answer_is_kept_and_counted(message):
    said = read(reply(message=message))
    assert (said.text, said.reasoning) == (GOOD, "Hm.") and said.usage.reasoning > 0


def test_choices_are_sorted_by_index_and_more_than_asked_are_paid_but_not_kept():
    choices = [{"index": i, "message": {"content": str(i)}} for i in (2, 1, 0)]
    said = {"choices": choices, "usage": {"prompt_tokens": 10, "completion_tokens": 9}}
    assert [c.text for c in read_choices(said, ASKED, asked=3)] == ["0", "1", "2"]
    assert [c.usage for c in read_choices(said, ASKED)] == [Usage(10, 9)]
    for choice in choices:
        choice["index"] = 0
    assert read(said).text == "2"  # indices that say nothing: as they come


@pytest.mark.parametrize(
    "said",
    [None, 3, [], "x", {}, {"choices": []}, {"choices": None}, {"choices": [3]}, {"choices": {}},
     {"choices": [{}]}, {"choices": [{"message": 3}]}, {"choices": [None]}],
    ids=repr,
)  # fmt: skip
def test_what_is_no_completion_is_an_error_of_its_call_that_quotes_it(said):
    with pytest.raises(CallError) as caught:
        read(said)
    assert caught.value.kind == "bad_response"


def test_an_error_in_place_of_choices_is_named():
    for said, words in [
        ({"error": {"message": "overloaded", "code": 503}}, "overloaded"),
        ({"error": "overloaded"}, "overloaded"),
        ({"message": "no such deployment"}, "no such deployment"),
        ({"base_resp": {"status_code": 1008, "status_msg": "no balance"}, "choices": None}, "no balance"),
    ]:  # fmt: skip
        with pytest.raises(CallError, match=words):
            read(said)


def test_any_reply_of_random_shape_is_an_answer_or_an_error_of_its_call():
    import random

    dice = random.Random(7)
    leaves = [None, True, -1, 2**70, 1e300, "x", "\ud83d", [], {}, [[]], {"a": [None]}]

    def mutate(value):
        if dice.random() < 0.15:
            return dice.choice(leaves)
        if isinstance(value, dict):
            return {k: mutate(v) for k, v in value.items()}
        if isinstance(value, list):
            return [mutate(v) for v in value] * dice.choice([1, 1, 1, 2])
        return value

    whole = reply(logprobs={"content": [{"token": "a", "logprob": -0.1}]},
                  message={"reasoning_content": "Hm.", "refusal": None})  # fmt: skip
    kept = 0
    for _ in range(3000):
        try:
            said = read(mutate(whole))
        except CallError:
            continue
        kept += 1
        json.dumps([said.text, said.reasoning]).encode()
        said.text.encode()
        assert 0 <= said.usage.completion <= 10**6 and 0 <= said.usage.prompt <= 10**6
    assert kept > 500


# --- JSON -----------------------------------------------------------------------------------

LOOSE = json.dumps(reply())


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + LOOSE.encode(), LOOSE.encode("utf-16"), LOOSE.encode("utf-32"),
        b"\n\n  " + LOOSE.encode() + b"\n\x00", LOOSE.encode() + b"\ntook 3 s",
        LOOSE.replace("15", "NaN").encode(), LOOSE.replace("15", "-Infinity").encode(),
        LOOSE.replace("15", "9" * 5000).encode(), b": keep-alive\n\n: keep-alive\n\n" + LOOSE.encode(),
        json.dumps(LOOSE).encode(),
    ],
    ids=lambda body: repr(body[:12]),
)  # fmt: skip
def test_loose_json_is_read(body):
    assert read(read_json(body)).text == GOOD


def test_a_declared_charset_is_used_where_the_body_is_no_utf_8():
    said = json.dumps(reply("é " + GOOD), ensure_ascii=False)
    assert read(read_json(said.encode("latin-1"), "iso-8859-1")).text == "é " + GOOD
    assert read(read_json(said.encode(), "iso-8859-1")).text == "é " + GOOD
    assert read(read_json(said.encode("latin-1"), "no-such-thing")).text == "\ufffd " + GOOD


def test_commas_and_backslashes_too_many_are_mended_at_last():
    assert read(read_json(LOOSE[:-1].encode() + b",}")).text == GOOD
    bare = LOOSE.replace("The", "\\(x\\) The").encode()
    assert read(read_json(bare)).text == "\\(x\\) " + GOOD


def test_a_list_of_chunks_is_joined():
    parts = [{"content": GOOD[:4]}, {"content": GOOD[4:]}]
    chunks = [{"choices": [{"index": 0, "delta": part}]} for part in parts]
    assert read(read_json(json.dumps(chunks).encode())).text == GOOD


def test_a_refusal_in_a_part_of_its_own_is_filtered():
    said = read(reply([{"type": "refusal", "refusal": "I cannot."}]))
    assert (said.text, said.finish_reason) == ("I cannot.", "content_filter")


@pytest.mark.parametrize(
    ("old", "new", "right"),
    [
        (b"boxed{4}.", b"boxed{4}. \\ud83d", GOOD + " \ufffd"),
        (b"boxed{4}.", b"boxed{4}.\n\t\x01", GOOD + "\n\t\x01"),
        (b"boxed{4}.", b"boxed{4}. \xff\xfe", GOOD + " \ufffd\ufffd"),
        (b"boxed{4}.", b"boxed{4}. \xf0\x9f", GOOD + " \ufffd"),
    ],
)  # fmt: skip
def test_texts_that_are_no_text_are_made_whole(old, new, right):
    said = read(read_json(LOOSE.encode().replace(old, new)))
    assert said.text.strip() == right.strip()


def events(*deltas, end="data: [DONE]\n\n", usage=None):
    lines = [{"choices": [{"index": 0, "delta": d, "finish_reason": None}]} for d in deltas]
    if end:
        lines.append(
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage}
        )
    return "".join(f"data: {json.dumps(line)}\n\n" for line in lines) + (end or "")


def test_a_stream_that_nobody_asked_for_is_joined():
    body = events({"role": "assistant", "reasoning_content": "H"}, {"reasoning_content": "m."},
                  {"content": GOOD[:3]}, {"content": GOOD[3:]},
                  usage={"prompt_tokens": 10, "completion_tokens": 5})  # fmt: skip
    for text in (body, body.replace("\n", "\r\n"), ": ping\n\n" + body, "event: message\n" + body):
        said = read(read_json(text.encode()))
        assert (said.text, said.reasoning, said.finish_reason) == (GOOD, "Hm.", "stop")
        assert said.usage.completion == 5
    lines = "\n".join(line[6:] for line in body.splitlines() if line.startswith("data: {"))
    assert read(read_json(lines.encode())).text == GOOD


def test_a_stream_that_breaks_off_or_ends_in_an_error_is_asked_again():
    with pytest.raises(CallError, match="abort"):
        read(read_json(events({"content": "The answ"}, end="").encode()))
    broken = (
        events({"content": "The"}, end="") + 'data: {"error": {"message": "died", "code": 500}}\n\n'
    )
    with pytest.raises(CallError, match="died"):
        read(read_json(broken.encode()))


@pytest.mark.parametrize(
    ("body", "words"),
    [(b"", "empty"), (b"  ", "empty"), (b"<!doctype html><p>Log in", "web page"), (b"not json", "not valid JSON"),
     (LOOSE.encode()[:40], "not valid JSON"), (b"[" * 100_000, "not valid JSON")],
    ids=lambda x: repr(x[:12]),
)  # fmt: skip
def test_what_is_no_json_says_what_it_seems_to_be(body, words):
    with pytest.raises(NotJson, match=words):
        read_json(body)
